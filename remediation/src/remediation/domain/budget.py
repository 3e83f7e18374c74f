"""How many requests an API application may send: all of its processes together, in any five minutes. Pure.

What was spent is a list of pairs: the beginning of a slice of time, in seconds since 1970, and the requests in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Halo allows an application 300 in five minutes (seen). The plugin's triggers and everybody else's need some of them.
USUAL_LIMIT = 120
WINDOW = 300.0
SLICE = 5.0

Spent = Sequence[tuple[float, int]]


@dataclass(frozen=True)
class Window:
    """For how many seconds a request counts, and how long a slice of them is."""

    seconds: float = WINDOW
    slice: float = SLICE


HALO = Window()


def spend(spent: Spent, now: float, window: Window = HALO) -> list[tuple[float, int]]:
    """What is spent with one request more, and without what is too old to count."""
    slices = dict(_counting(spent, now, window))
    begin = now - now % window.slice
    slices[begin] = slices.get(begin, 0) + 1
    return sorted(slices.items())


def used(spent: Spent, now: float, window: Window = HALO) -> int:
    """How many requests count now."""
    return sum(count for _, count in _counting(spent, now, window))


def pause(spent: Spent, now: float, limit: int, window: Window = HALO) -> float:
    """Seconds until one more request is within the limit, 0 where it is."""
    counting = _counting(spent, now, window)
    left = sum(count for _, count in counting)
    for begin, count in sorted(counting):
        if left < limit:
            break
        left -= count
        if left < limit:
            return begin + window.slice + window.seconds - now
    return 0.0


def _counting(spent: Spent, now: float, window: Window) -> list[tuple[float, int]]:
    """A slice counts until its end is so long ago. One from the future counts as well, because clocks differ; but
    not one by a clock that was wrong by more than that."""
    first, last = now - window.seconds - window.slice, now + window.seconds
    return [(begin, count) for begin, count in spent if first < begin <= last]
