"""How a trigger is told to stop: by SIGTERM, by SIGINT, or by the runtime's flag file.

The trigger notices within a second, whatever it is doing. Reading from Halo is interrupted, because nothing is lost by
that. The delivery of an event is finished first, unless the orchestrator hangs. What was delivered is saved.
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
    """Raised to interrupt work that may be interrupted. A BaseException, so that no ``except Exception`` catches it."""


class Stopping:
    """Tells the trigger to stop, and lets it wait until then.

    ``flag`` is the file with which the orchestrator ends a trigger. It is removed when it is seen, as the runtime does.
    """

    def __init__(self, flag: Path, logger: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._flag = flag
        self._logger = logger
        self._clock = clock
        # A plain attribute without a lock: a signal handler could wait for a lock that the interrupted code holds.
        self.stopped = False
        self._work = threading.Event()
        self._done = threading.Event()
        self._breakable = False
        self._patient = False

    def stop(self) -> None:
        """Tell the trigger to stop, from any thread or signal handler."""
        self.stopped = True

    def wake(self) -> None:
        """Call from another thread when there is something to do: a ``rest`` that is under way ends."""
        self._work.set()

    def rest(self, seconds: float) -> None:
        """Wait until there is something to do or the trigger is to stop, at most ``seconds``."""
        until = self._clock() + seconds
        while not self.stopped and (left := until - self._clock()) > 0 and not self._work.wait(min(_SLICE, left)):
            pass
        self._work.clear()

    def wait(self, seconds: float) -> bool:
        """Wait ``seconds``, also when there is something to do. Returns True, early, when the trigger is to stop."""
        until = self._clock() + seconds
        while not self.stopped and (left := until - self._clock()) > 0:
            self._done.wait(min(_SLICE, left))
        return self.stopped

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Inside, signals are handled and the flag file is watched. A Stopped that is raised inside ends here."""
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
            # The watcher may be about to send SIGTERM. It must do so before the old handlers are back: those would end
            # the process with an error.
            watcher.join()
            if in_main:
                signal.setitimer(signal.ITIMER_REAL, 0)
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def breakable(self) -> Iterator[None]:
        """Inside, a stop raises Stopped at once (in the main thread), even in the middle of a read."""
        self._breakable = True
        try:
            if self.stopped:
                raise Stopped
            yield
        finally:
            self._breakable = False

    @contextmanager
    def patient(self) -> Iterator[None]:
        """Inside, a stop leaves the work that is under way a few seconds to finish before Stopped is raised.

        Work that was not begun when the stop came is not begun.
        """
        self._patient = True
        try:
            if self.stopped:
                raise Stopped
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
                    # Only a signal can interrupt a main thread that is reading from a socket.
                    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
                return
