"""How a trigger is told to stop: SIGTERM, SIGINT, or the runtime's flag file.

Noticed within a second wherever the trigger is. Where nothing is lost by breaking off (reading from Halo) it is broken
off; an event that is being delivered is finished first, unless the orchestrator hangs, and what was delivered is saved.
"""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, Callable, Iterator

_SLICE = 0.25
# Docker kills a container ten seconds after it has told it to stop.
_GRACE = 6.0


class Stopped(BaseException):
    """Breaks off what may be broken off. No Exception, so that no handler of errors takes it for one."""


class Stopping:
    """``flag`` is the file by which the orchestrator ends a trigger; it is removed when seen, as the runtime does."""

    def __init__(self, flag: Path, logger: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._flag = flag
        self._logger = logger
        self._clock = clock
        # A plain attribute: a signal handler that takes a lock can wait for the very code that it interrupts.
        self.stopped = False
        self._work = threading.Event()
        self._done = threading.Event()
        self._breakable = False
        self._patient = False

    def stop(self) -> None:
        """Tell it to stop, from any thread or signal handler."""
        self.stopped = True

    def wake(self) -> None:
        """End the present ``rest``, from any other thread: there is something to do."""
        self._work.set()

    def rest(self, seconds: float) -> None:
        """Wait, at most so long, for something to do or the stop."""
        until = self._clock() + seconds
        while not self.stopped and (left := until - self._clock()) > 0 and not self._work.wait(min(_SLICE, left)):
            pass
        self._work.clear()

    def wait(self, seconds: float) -> bool:
        """Wait so long, whatever there is to do; True, and soon, when the trigger is to stop."""
        until = self._clock() + seconds
        while not self.stopped and (left := until - self._clock()) > 0:
            self._done.wait(min(_SLICE, left))
        return self.stopped

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Take signals and watch the flag while inside; ends quietly when broken off."""
        in_main = threading.current_thread() is threading.main_thread()
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM) if in_main else ()
        before = {number: signal.signal(number, self._on_signal) for number in numbers}
        watcher = threading.Thread(target=self._watch_flag, args=(in_main,), name="haloitsm-stopping", daemon=True)
        watcher.start()
        try:
            yield
        except Stopped:
            self.stop()
        finally:
            self._done.set()
            # It may be about to send its signal, which must not meet the handler of before: that ends with an error.
            watcher.join()
            if in_main:
                signal.setitimer(signal.ITIMER_REAL, 0)
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def breakable(self) -> Iterator[None]:
        """Inside, the stop raises Stopped at once (in the main thread), even in the middle of a read."""
        self._breakable = True
        try:
            if self.stopped:
                raise Stopped
            yield
        finally:
            self._breakable = False

    @contextmanager
    def patient(self) -> Iterator[None]:
        """Inside, what is going on when the stop comes has a few seconds to end by itself, before Stopped is raised."""
        self._patient = True
        try:
            yield
        finally:
            self._patient = False

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.stop()
        if self._breakable or (self._patient and number == signal.SIGALRM):
            self._breakable = self._patient = False
            raise Stopped
        if self._patient:
            signal.setitimer(signal.ITIMER_REAL, _GRACE)

    def _watch_flag(self, in_main: bool) -> None:
        while not self._done.wait(_SLICE):
            if self._flag.is_file():
                self.stop()
                self._logger.info("HaloITSM trigger: the orchestrator ends it.")
                with suppress(OSError):
                    self._flag.unlink()
                if in_main:
                    # Only a signal reaches a main thread that is reading from a socket.
                    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
                return
