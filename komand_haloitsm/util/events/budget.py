"""How many requests a trigger may send in any five minutes."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Callable

from .lifecycle import Stopped

WINDOW = 300.0


class Budget:
    """Counts the requests of the last five minutes, and lets the next one wait until it is within the limit.

    ``wait(seconds)`` returns True when the trigger is to stop. ``clock`` is in seconds.
    """

    def __init__(
        self,
        requests_per_five_minutes: int,
        wait: Callable[[float], bool],
        logger: Any,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wait = wait
        self._logger = logger
        self._clock = clock
        self._sent: deque[float] = deque(maxlen=requests_per_five_minutes)

    def spend(self) -> None:
        """Call before each request. Raises Stopped when the trigger is to stop before the request may be sent."""
        while len(self._sent) == self._sent.maxlen and (left := self._sent[0] + WINDOW - self._clock()) > 0:
            self._logger.info(
                f"HaloITSM trigger: its {len(self._sent)} requests of five minutes are used up; it goes on in "
                f"{left:.0f} s."
            )
            if self._wait(left):
                raise Stopped
        self._sent.append(self._clock())
