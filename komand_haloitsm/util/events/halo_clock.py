"""Halo's clock, as far as its responses tell it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Callable

from ..halo.values.sort_key import SortKey


class HaloClock:
    """Counts on from what Halo told last; ``now`` is our own clock, which may be wrong but goes as fast."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._skew: float | None = None

    def told(self, skew: float | None) -> None:
        """Take the seconds by which Halo's clock is ahead of ours from a response; None, where it told no time."""
        self._skew = skew if skew is not None else self._skew

    def now(self) -> SortKey:
        """Halo's time, to a second or two; "" while it has told none."""
        return SortKey() if self._skew is None else SortKey.at(self._now() + timedelta(seconds=self._skew))
