"""The budget of requests: what counts, and how long to wait for one more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediation.domain.budget import SLICE, WINDOW, Spent, pause, spend, used

NOW = 1_700_000_002.0


@pytest.mark.parametrize(
    ("spent", "counts", "waits"),
    [
        pytest.param([], 0, 0.0, id="nothing"),
        pytest.param([(NOW - 2, 2)], 2, 0.0, id="within"),
        pytest.param([(NOW - 2, 3)], 3, SLICE + WINDOW - 2, id="used-up"),
        pytest.param([(NOW - 100, 2), (NOW - 2, 1)], 3, SLICE + WINDOW - 100, id="the-oldest-first"),
        pytest.param([(NOW - 100, 1), (NOW - 50, 1), (NOW - 2, 3)], 5, SLICE + WINDOW - 2, id="over-the-limit"),
        pytest.param([(NOW - WINDOW - SLICE, 9)], 0, 0.0, id="too-old"),
        pytest.param([(NOW + 60, 3)], 3, SLICE + WINDOW + 60, id="of-a-clock-that-is-ahead"),
        pytest.param([(NOW + WINDOW + 1, 9)], 0, 0.0, id="of-a-clock-that-was-wrong"),
    ],
)
def test_what_counts_and_how_long_to_wait(spent: Spent, counts: int, waits: float) -> None:
    assert used(spent, NOW) == counts
    assert pause(spent, NOW, 3) == pytest.approx(waits)


def test_a_request_is_added_and_what_is_too_old_forgotten() -> None:
    assert spend([(NOW - 2, 2), (NOW - WINDOW - SLICE, 9)], NOW) == [(NOW - 2, 3)]


@given(st.lists(st.floats(0, 90), max_size=60), st.integers(1, 8))
def test_no_five_minutes_have_more_than_the_limit(gaps: list[float], limit: int) -> None:
    now, spent, sent = NOW, [], []
    for gap in gaps:
        now += gap
        while waits := pause(spent, now, limit):
            now += waits
        spent = spend(spent, now)
        sent.append(now)
    for begin in sent:
        assert sum(begin <= moment < begin + WINDOW for moment in sent) <= limit
