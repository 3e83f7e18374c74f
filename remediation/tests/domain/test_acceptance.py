"""What an acceptance excepts, and until when."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from remediation.domain.acceptance import Acceptance, excepted

TODAY = date(2026, 3, 2)
ROWS = [
    ("a1", "v1", "s1", "open"),
    ("a1", "v2", None, "open"),
    ("a2", "v1", "s1", "unconfirmed"),
    ("a3", "v1", "s1", "left"),
]


def states(*acceptances: Acceptance) -> list[str]:
    frame = pl.DataFrame(ROWS, schema=["asset", "vulnerability", "solution", "state"], orient="row")
    return excepted(frame, acceptances, TODAY)["state"].to_list()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"asset": "a1"}, ["excepted", "excepted", "unconfirmed", "left"]),
        ({"solution": "s1"}, ["excepted", "open", "excepted", "left"]),
        ({"solution": "v2"}, ["open", "excepted", "unconfirmed", "left"]),
        ({"vulnerability": "v1"}, ["excepted", "open", "excepted", "left"]),
        ({"asset": "a1", "vulnerability": "v1"}, ["excepted", "open", "unconfirmed", "left"]),
        ({"asset": "a9"}, ["open", "open", "unconfirmed", "left"]),
    ],
)
def test_what_is_covered(given: dict[str, Any], expected: list[str]) -> None:
    assert states(Acceptance(TODAY, **given)) == expected


def test_it_holds_on_its_last_day_and_not_after() -> None:
    assert states(Acceptance(TODAY - timedelta(days=1), asset="a1"))[0] == "open"
    assert states() == ["open", "open", "unconfirmed", "left"]
    assert states(Acceptance(TODAY, asset="a1"), Acceptance(TODAY, asset="a2"))[2] == "excepted"


def test_an_acceptance_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="names an asset"):
        Acceptance(TODAY)
