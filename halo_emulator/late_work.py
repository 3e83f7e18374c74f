"""Requests that are carried out long after they arrived. A test device of ours, no claim about Halo."""

import threading
from collections.abc import Callable
from concurrent.futures import Future

from flask import Response

Work = Callable[[], Response]
# How long stop() waits for work that is under way at that moment.
_PATIENCE = 2.0


class LateWork:
    """Each piece of work has a thread of its own, so that it is done whether or not its client waits for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def begin(self, work: Work, seconds: float) -> Future[Response]:
        """The answer of work that starts so many seconds from now; cancelled if the emulator stops before that."""
        due: Future[Response] = Future()
        with self._lock:
            arguments = (self._ended, due, work, seconds)
            thread = threading.Thread(target=_carry_out, args=arguments, name="halo-late-work", daemon=True)
            self._threads = [other for other in self._threads if other.is_alive()]
            # Started under the lock: end() can only join a thread that has been started.
            thread.start()
            self._threads.append(thread)
        return due

    def end(self) -> None:
        """Calls off what has not begun, and waits for what has."""
        with self._lock:
            threads, self._threads = self._threads, []
            self._ended.set()
            self._ended = threading.Event()
        for thread in threads:
            thread.join(_PATIENCE)


def _carry_out(ended: threading.Event, due: Future[Response], work: Work, seconds: float) -> None:
    if ended.wait(seconds):
        due.cancel()
    else:
        due.set_result(work())
