"""One side of a comparison in a process of its own, so that its CPU time and its peak memory are its own.

    python -m bench.child MODULE SIDE ARGUMENTS

A side is a function of a module in this folder. Called with the arguments, a JSON list, it gets all ready and returns
what is to be measured. DATABASE_URL names its database, if it has one.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


from django.db import connection

from tools.bench.measure import Figure, Result, ratio

_LONGEST = 3600.0
_TICKS = os.sysconf("SC_CLK_TCK")

Side = Callable[[], Any]


@dataclass(frozen=True)
class Taken:
    """Seconds by the clock, seconds of CPU time of the process and of its database session, and the highest memory of
    the process in MiB, with all that it had to hold before. ``value`` is what the side returned, JSON-able."""

    wall: float
    cpu: float
    memory: float
    value: Any = None


def taken(module: str, side: str, *arguments: Any, database: str = "") -> Taken:
    """What one side took, once, in a new process. Raises RuntimeError with what it said when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.child", module, side, json.dumps(arguments)],
        env={**os.environ, "DATABASE_URL": database, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=_LONGEST,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{module}.{side}{arguments} failed: {done.stderr[-4000:]}")
    return Taken(**json.loads(done.stdout.splitlines()[-1]))


def told(result: Result, what: str, ours: Sequence[Taken]) -> None:
    """Rows for what one side took."""
    result.add(f"{what}: wall clock", Figure.of([one.wall for one in ours]), "s")
    result.add(f"{what}: CPU time", Figure.of([one.cpu for one in ours]), "s")
    result.add(f"{what}: peak memory", Figure.of([one.memory for one in ours]), "MiB")


def compared(result: Result, what: str, ours: Sequence[Taken], floor: Sequence[Taken], most: float | None) -> None:
    """Rows for what one side took, for its floor, and for their ratio by the wall clock, which has the goal if any."""
    told(result, what, ours)
    result.add(f"{what}: wall clock of the floor", Figure.of([one.wall for one in floor]), "s")
    walls = ratio([one.wall for one in ours], [one.wall for one in floor])
    if most is None:
        result.add(f"{what}: wall clock / floor", walls)
    else:
        result.at_most(f"{what}: wall clock / floor", walls, most)
    result.add(f"{what}: CPU time / floor", ratio([one.cpu for one in ours], [one.cpu for one in floor]))


def main() -> int:
    """Measure the side that the arguments name, and print what it took."""
    module, name, arguments = sys.argv[1:]

    side: Side = getattr(importlib.import_module(f"bench.{module}"), name)(*json.loads(arguments))
    session = _session()
    wall, cpu = time.perf_counter(), time.process_time() + _cpu_of(session)
    value = side()
    wall, cpu = time.perf_counter() - wall, time.process_time() + _cpu_of(session) - cpu
    print(json.dumps(asdict(Taken(wall, cpu, _peak(), value))))
    return 0


def _session() -> int:
    """The process of the database that serves this one; 0 without a database."""
    if not os.environ["DATABASE_URL"]:
        return 0
    connection.ensure_connection()
    return int(connection.connection.info.backend_pid)


def _cpu_of(pid: int) -> float:
    if not pid:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _peak() -> float:
    """In MiB. Not by getrusage, which also counts what the parent held when it started this process."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


if __name__ == "__main__":
    sys.exit(main())
