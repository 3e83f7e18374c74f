"""A run in a process of its own, which is killed or frozen at a line of the code that writes to Halo."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

# Seconds in which a line, an end or a freeze has to come.
PATIENCE = 60.0
# Where a run can die: what it has to do with Halo and with what is kept of that.
CODE = ("/remediation/tickets/", "/store/json_keys.py", "/haloitsm_client/", "/komand_haloitsm/util/halo/")
_context = get_context("forkserver")
_context.set_forkserver_preload(["tests.walk.child_run"])


@dataclass(frozen=True)
class Run:
    """What a process is to do. ``how`` happens to it, kill or freeze, at its ``line``-th line or at a ``function``."""

    database: str
    halo: dict[str, Any]
    project: int
    now: datetime
    lease: float
    line: int = 0
    how: str = ""
    function: str = ""


class Child:
    """A process that does a run. What it says: "frozen", or how it ended and after how many lines."""

    def __init__(self, run: Run) -> None:
        self._ours, theirs = _context.Pipe()
        self.process: BaseProcess = _context.Process(target=begin, args=[run, theirs])
        self.process.start()
        theirs.close()

    def wait(self) -> tuple[str, int]:
        """What it says next; ("killed", 0) where it died."""
        try:
            assert self._ours.poll(PATIENCE), "it neither ended nor froze"
            said: tuple[str, int] = self._ours.recv()
            return said
        except EOFError:
            self.process.join(PATIENCE)
            assert self.process.exitcode == -signal.SIGKILL, f"it ended with {self.process.exitcode}"
            return "killed", 0

    def freeze(self) -> None:
        """Freeze it where it is."""
        os.kill(self.process.pid or 0, signal.SIGSTOP)

    def resume(self) -> tuple[str, int]:
        """Let one that is frozen go on to its end."""
        deadline = time.monotonic() + PATIENCE
        while not is_frozen(self.process.pid or 0):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(self.process.pid or 0, signal.SIGCONT)
        return self.wait()

    def end(self) -> None:
        """Nothing of it is left."""
        with suppress(ProcessLookupError):
            os.kill(self.process.pid or 0, signal.SIGKILL)
        self.process.join(PATIENCE)
        self._ours.close()


def begin(run: Run, tell: Connection) -> None:
    """In the process."""
    from tests.walk.child_run import do  # what the fork server has imported already

    def happens() -> None:
        if run.how == "freeze":
            tell.send(("frozen", run.line))
            os.kill(os.getpid(), signal.SIGSTOP)
        elif run.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)

    lines = Lines(run.line, run.function, happens)
    sys.settrace(lines.trace)
    ended = do(run)
    sys.settrace(None)
    tell.send((ended, lines.count))
    # Nothing that a normal end would do: whoever was taken over has nothing to say any more.
    os._exit(0)


class Lines:
    """Counts the lines that are run, and does something at one of them, or at each call of a function."""

    def __init__(self, line: int, function: str, happens: Callable[[], None]) -> None:
        self.count = 0
        self._line = line
        self._function = function
        self._happens = happens

    def trace(self, frame: FrameType, event: str, arg: object) -> Any:
        """For sys.settrace."""
        if event == "call":
            if frame.f_code.co_name == self._function:
                self._happens()
            return self.trace if any(part in frame.f_code.co_filename for part in CODE) else None
        if event == "line":
            self.count += 1
            if self.count == self._line:
                self._happens()
        return self.trace


def is_frozen(process: int) -> bool:
    with open(f"/proc/{process}/stat", encoding="ascii") as file:
        return file.read().rpartition(")")[2].split()[0] == "T"
