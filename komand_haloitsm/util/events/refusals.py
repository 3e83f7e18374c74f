"""Counts what the webhook port refuses, and tells it once a minute in one line.

A line for each would let anybody who reaches the port fill the log.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import Callable

NOT_AUTHENTICATED = "401 (not authenticated)"
_SECONDS = 60.0


class Refusals:
    """``clock`` gives seconds; only differences matter. Any thread may count."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._since = 0.0

    def count(self, kind: str) -> None:
        """Count one. ``kind`` goes into the log, so it is a fixed text with nothing of a request in it."""
        with self._lock:
            if not self._counts:
                self._since = self._clock()
            self._counts[kind] += 1

    def line(self, *, at_once: bool = False) -> str:
        """What is to be logged now: nothing within a minute of the first refusal (unless ``at_once``), or without any.

        What was told is not told again.
        """
        with self._lock:
            if not self._counts or not (at_once or self._clock() - self._since >= _SECONDS):
                return ""
            counts, self._counts = self._counts, Counter()
        told = ", ".join(f"{kind}: {count}" for kind, count in sorted(counts.items()))
        hint = " Does HaloITSM's webhook have the connection's Webhook Secret?" if NOT_AUTHENTICATED in counts else ""
        return f"HaloITSM trigger: the webhook port refused within a minute: {told}.{hint}"
