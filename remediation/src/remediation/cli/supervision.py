"""Keeps processes running: one that ends is started again after a pause that grows, until all are asked to end."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event
from types import FrameType

# Seconds.
SHORTEST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
# A process that lived this long had a good start: its next pause is the shortest again.
GOOD_LIFE = 60.0
# From asking processes to end to killing them.
GRACE = 8.0
_LOOK = 0.1
# How often the database is looked after.
_CARE = 5.0

Say = Callable[[str], None]


def pause_before(deaths: int) -> float:
    """How many seconds to wait before a process is started again that has died this often in a row, from 1 on."""
    return min(SHORTEST_PAUSE * 2.0 ** min(deaths - 1, 16), LONGEST_PAUSE)


@dataclass
class Supervised:
    """A process and what it is for. It ends when its standard input does, which is a pipe from this process.

    It has a process group of its own, so that Ctrl-C reaches the supervisor only, and so that its children end with it.
    """

    name: str
    command: Sequence[str]
    descriptors: tuple[int, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    deaths: int = 0
    started: float = 0.0
    next_start: float = field(default=0.0)

    def look(self, now: float, say: Say) -> None:
        """Start it where it is to run and does not, ``now`` on a clock that never goes back."""
        if self.process is not None:
            code = self.process.poll()
            if code is None:
                return
            self.kill()
            self.deaths = 1 if now - self.started >= GOOD_LIFE else self.deaths + 1
            self.next_start = now + pause_before(self.deaths)
            say(f"The {self.name} ended with code {code}. It is started again in {self.next_start - now:g} s.")
        if now >= self.next_start:
            self.started = now
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with  # it outlives this call
                self.command, stdin=subprocess.PIPE, pass_fds=self.descriptors, start_new_session=True
            )

    def ask_to_end(self) -> None:
        """Send SIGTERM, by which it ends when what it is at is done."""
        if self.process is not None:
            self.process.terminate()

    def wait(self, seconds: float) -> bool:
        """Wait for its end; False where it does not come."""
        with suppress(subprocess.TimeoutExpired):
            return self.process is None or self.process.wait(seconds) is not None
        return False

    def kill(self) -> None:
        """End it and all of its children at once, dead or alive."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            if self.process.stdin:
                self.process.stdin.close()
            self.process = None


def keep_running(processes: Sequence[Supervised], care: Callable[[], None], say: Say) -> None:
    """Keep processes running until SIGTERM or Ctrl-C, then end them. ``care`` is called before each start and often."""
    cared = 0.0
    with _asked_to_stop() as stop:
        try:
            while not stop.is_set():
                now = time.monotonic()
                if now - cared >= _CARE:
                    care()
                    cared = now
                for one in processes:
                    one.look(now, say)
                stop.wait(_LOOK)
        finally:
            _end(processes, say)


def _end(processes: Sequence[Supervised], say: Say) -> None:
    for one in processes:
        one.ask_to_end()
    deadline = time.monotonic() + GRACE
    for one in processes:
        if not one.wait(max(deadline - time.monotonic(), 0)):
            say(f"The {one.name} did not end within {GRACE:g} s and is killed. The next one goes on from there.")
        one.kill()


@contextmanager
def _asked_to_stop() -> Iterator[Event]:
    stop = Event()

    def stopped(_: int, __: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, stopped) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
