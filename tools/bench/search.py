"""Search of 100 to 10,000 tickets: requests, time and memory for each ticket.

    python -m tools.bench.search COUNT < connection.json

searches once in a process of its own, whose peak memory is then that of the search, and prints what it took.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

from komand_haloitsm.actions import SearchTickets
from tools.bench.actions import action_of
from tools.bench.halo import halo_process
from tools.bench.measure import Figure, Result
from tools.bench.process import environment
from tools.bench.report import ROOT

SIZES = (100, 1_000, 10_000)
_FLAT = 1.25
_PAGE = 100


def run(quick: bool) -> Result:
    """The benchmark."""
    sizes, rounds = ((10, 100, 300), 2) if quick else (SIZES, 5)
    largest = sizes[-1]
    result = Result(
        "search",
        f"4. Search of {largest:,} tickets",
        f"run() of search_tickets, each in a fresh process with token and lists warm, {rounds} times for each size, "
        "in turn. Memory: how much the peak of the process grew by the search, outputs included. Flat: the time for "
        f"a ticket of {largest:,} over that of a ticket of {sizes[0]:,}.",
    )
    found: dict[int, list[dict[str, float]]] = {size: [] for size in sizes}
    with halo_process() as halo:
        halo.ask("log", largest)
        for _ in range(rounds):
            for size in sizes:
                halo.ask("forget")
                once = _in_a_process(halo.connection, size)
                pages = halo.ask("requests").get("GET tickets", 0) - once.pop("requests_before")
                found[size].append({**once, "requests": pages})
    for size, rows in found.items():
        pages = -(-size // _PAGE)
        result.at_most(f"{size:,}: requests", Figure.of([row["requests"] for row in rows]), pages)
        for name, unit, factor in (("wall", "ms", 1e3), ("cpu", "ms", 1e3), ("memory", "MiB", 1 / 1024)):
            result.add(f"{size:,}: {_NAMES[name]}", Figure.of([row[name] * factor for row in rows]), unit)
    for name in ("wall", "cpu"):
        each = {size: Figure.of([row[name] for row in found[size]]) for size in sizes}
        ratios = [(many[name] / largest) / (few[name] / sizes[0]) for many, few in zip(found[largest], found[sizes[0]])]
        for size, figure in each.items():
            result.add(f"{size:,}: {_NAMES[name]} for each ticket", figure.median * 1e6 / size, "us")
        result.at_most(f"{_NAMES[name]} for each ticket, {largest:,} / {sizes[0]:,}", Figure.of(ratios), _FLAT)
    return result


_NAMES = {"wall": "wall clock", "cpu": "CPU time", "memory": "peak memory"}


def _in_a_process(connection: Mapping[str, Any], size: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tools.bench.search", str(size)],
        input=json.dumps(connection),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(),
        timeout=300,
        check=True,
    )
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if answer.pop("count") != size:
        raise RuntimeError(f"a search of {size} found another number of tickets")
    return answer


def main() -> int:
    """One search, measured."""
    size = int(sys.argv[1])
    action = action_of(SearchTickets, json.load(sys.stdin))
    # One ticket first: fetches token, connection and lists, and has the emulator sort its tickets.
    action.run({"max_results": 1})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    output = action.run({"max_results": size})
    taken = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps({**taken, "memory": memory, "count": output["count"], "requests_before": 1}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
