"""Halo's limit on requests: so many in a rolling window of five minutes, shared by everything that asks (seen live)."""

import math
import threading
from collections import deque

from .clock import Clock
from .refusals import Refusal, rate_limit_reached
from .settings import Settings

WINDOW = 300.0


class RateLimit:
    """Counts requests by Halo's clock. That refused ones do not count is a guess."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._admitted: deque[float] = deque()
        self.refused = 0

    def admit(self) -> Refusal | None:
        """Counts a request that has just arrived. None lets it pass."""
        with self._lock:
            now, most = self._clock.seconds(), self._settings.requests_per_five_minutes
            while self._admitted and self._admitted[0] <= now - WINDOW:
                self._admitted.popleft()
            while self._admitted and self._admitted[-1] > now:
                # The clock was put back since.
                self._admitted.pop()
            if most is None or len(self._admitted) < most:
                self._admitted.append(now)
                return None
            self.refused += 1
            due = self._admitted[-most] + WINDOW if most > 0 else now + WINDOW
            return rate_limit_reached(most, math.ceil(due - now) if self._settings.tells_retry_after else None)
