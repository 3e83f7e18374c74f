"""Ctrl-C, which may come at any moment: noted, and looked at where it is safe to stop.

The first one ends the demo after the step that is running, and lets it delete what it has made. The second one ends it
at once. Nothing is ever raised by the signal itself, so no step is cut in two without the demo knowing it.
"""

from __future__ import annotations

import os
import queue
import signal
import time
from typing import Any, TypeVar

T = TypeVar("T")

# Seconds between two looks at whether somebody has pressed Ctrl-C.
GLANCE = 0.1
FIRST = b"\nStopping after this step; what was made is deleted then. Ctrl-C again stops at once.\n"


class Stopped(Exception):
    """Somebody pressed Ctrl-C."""


class Stopping:
    """How often Ctrl-C was pressed, or the terminal closed, or the process told to end."""

    def __init__(self) -> None:
        self._asked = 0

    def listen(self) -> None:
        """Take the signals. To be called in the main thread, before anything else takes time."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def _note(self, *_: Any) -> None:
        self._asked += 1
        if self._asked == 1:
            # Not by print, which this signal may have interrupted.
            os.write(1, FIRST)

    @property
    def at_once(self) -> bool:
        """Whether it was asked for twice."""
        return self._asked > 1

    def look(self) -> None:
        """Raises Stopped where it was asked for."""
        if self._asked:
            raise Stopped

    def wait(self, items: queue.Queue[T], seconds: float) -> T:
        """The next item. Raises queue.Empty when none comes in time, Stopped where that was asked for."""
        end = time.monotonic() + seconds
        while True:
            self.look()
            try:
                return items.get(timeout=GLANCE)
            except queue.Empty:
                if time.monotonic() > end:
                    raise
