"""How many requests a minute a program may send. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

MINUTE = timedelta(minutes=1)


def with_another(busy: datetime | None, now: datetime, a_minute: int) -> tuple[datetime | None, float]:
    """Whether one more request is within so many ``a_minute``; as many may come at once.

    ``busy`` is until when the requests so far would last, if each took its share of a minute. Returns the same with the
    one more, and 0 seconds; where it is too much, ``busy`` as it was, and how many seconds to wait.
    """
    # A clock that was wrong keeps nobody out for longer than a minute.
    before = min(max(busy or now, now), now + MINUTE)
    after = before + MINUTE / a_minute
    wait = (after - now - MINUTE).total_seconds()
    return (after, 0.0) if wait <= 0 else (busy, wait)
