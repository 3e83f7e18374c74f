"""How many requests a minute a program may send."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediation.domain.pace import with_another

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=timezone.utc)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("busy", "a_minute", "then", "wait"),
    [
        (None, 60, 1, 0),
        (-500, 60, 1, 0),
        (0, 60, 1, 0),
        (59, 60, 60, 0),
        (59.5, 60, 59.5, 0.5),
        (60, 60, 60, 1),
        (30, 2, 60, 0),
        (31, 2, 31, 1),
        (0, 1, 60, 0),
        # A clock that was wrong.
        (9999, 60, 9999, 1),
    ],
)
def test_one_more(busy: float | None, a_minute: int, then: float, wait: float) -> None:
    assert with_another(None if busy is None else at(busy), NOW, a_minute) == (at(then), wait)


@given(st.lists(st.floats(0, 300), max_size=200), st.integers(1, 30))
def test_never_more_than_two_minutes_worth_in_a_minute(moments: list[float], a_minute: int) -> None:
    busy, passed = None, []
    for moment in sorted(moments):
        busy, wait = with_another(busy, at(moment), a_minute)
        if not wait:
            passed.append(moment)
        else:
            assert with_another(busy, at(moment + wait + 1e-3), a_minute)[1] == 0, "after the wait it passes"
    for begin in passed:
        assert sum(begin <= one < begin + 60 for one in passed) <= 2 * a_minute
