"""How many requests an API application may send: all of its processes together, in any five minutes. Pure.

What was spent is a list of pairs: the beginning of a slice of time, in seconds since 1970, and the requests in it.
"""

from __future__ import annotations

from collections.abc import Sequence

# Halo allows an application 300 in five minutes (seen). The plugin's triggers and everybody else's need some of them.
USUAL_LIMIT = 120
WINDOW = 300.0
SLICE = 5.0

Spent = Sequence[tuple[float, int]]


def spend(spent: Spent, now: float) -> list[tuple[float, int]]:
    """What is spent with one request more, and without what is too old to count."""
    slices = dict(_counting(spent, now))
    begin = now - now % SLICE
    slices[begin] = slices.get(begin, 0) + 1
    return sorted(slices.items())


def used(spent: Spent, now: float) -> int:
    """How many requests count now."""
    return sum(count for _, count in _counting(spent, now))


def pause(spent: Spent, now: float, limit: int) -> float:
    """Seconds until one more request is within the limit, 0 where it is."""
    counting = _counting(spent, now)
    left = sum(count for _, count in counting)
    for begin, count in sorted(counting):
        if left < limit:
            break
        left -= count
        if left < limit:
            return begin + SLICE + WINDOW - now
    return 0.0


def _counting(spent: Spent, now: float) -> list[tuple[float, int]]:
    """A slice counts until its end is five minutes ago. One from the future counts as well, because clocks differ; but
    not one by a clock that was wrong by more than that."""
    return [(begin, count) for begin, count in spent if now - WINDOW < begin + SLICE and begin <= now + WINDOW]
