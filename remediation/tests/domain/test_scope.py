"""Which findings a scope holds."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from remediation.domain.scope import Scope
from remediation.domain.snapshot import SEVERITIES

WEB: dict[str, Any] = {
    "asset": "17",
    "vulnerability": "v7",
    "solution": "s1",
    "host_name": "Web01.corp.example",
    "ip": "10.0.0.7",
    "sites": ["DMZ", "Paris"],
    "owner_tags": ["web-team"],
    "criticality_tags": [],
    "location_tags": ["Berlin"],
    "custom_tags": None,
    "severity": "high",
    "cvss": 7.5,
    "risk": 400.0,
    "epss": 0.2,
    "exploits": 1,
    "kev": True,
}
BARE: dict[str, Any] = {name: None for name in WEB} | {"asset": "18", "severity": "none"}
SCHEMA: dict[str, Any] = {
    **dict.fromkeys(("asset", "vulnerability", "solution", "host_name", "ip", "severity"), pl.String),
    **dict.fromkeys(("sites", "owner_tags", "criticality_tags", "location_tags", "custom_tags"), pl.List(pl.String)),
    **dict.fromkeys(("cvss", "risk", "epss"), pl.Float64),
    "exploits": pl.Int64,
    "kev": pl.Boolean,
}


def held(scope: Scope, row: dict[str, Any], min_severity: str = "none") -> tuple[bool, bool]:
    """Whether a finding is where the project is, and bad enough."""
    frame = pl.DataFrame([row], schema=SCHEMA)
    return frame.select(a=scope.where(), b=scope.bad_enough(min_severity)).row(0)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("table", "web"),
    [
        ({"sites": ["dmz"]}, True),
        ({"sites": ["LAN", "Paris"]}, True),
        ({"sites": ["DM"]}, False),
        ({"tags": ["Berlin"]}, True),
        ({"tags": ["WEB-TEAM"]}, True),
        ({"tags": ["web"]}, False),
        ({"assets": ["web*.corp.example"]}, True),
        ({"assets": ["10.0.0.*"]}, True),
        ({"assets": ["17"]}, True),
        ({"assets": ["1"]}, False),
        ({"assets": ["web01"]}, False),
        ({"assets": ["web0?.corp-*"]}, False),
        ({"assets": ["w*b*.corp.ex?mple"]}, True),
        ({"assets": ["web01.corp.example (old) #1"]}, False),
        ({"solutions": ["s2", "s1"]}, True),
        ({"solutions": ["v7"]}, False),
        ({"sites": ["DMZ"], "solutions": ["s2"]}, False),
        ({"sites": ["DMZ"], "tags": ["Rome"]}, False),
        ({"sites": ["DMZ"], "tags": ["Berlin"], "assets": ["db*", "web*"]}, True),
    ],
)
def test_where(table: dict[str, Any], web: bool) -> None:
    scope = Scope.from_table(table)
    assert held(scope, WEB)[0] is web
    assert held(scope, BARE)[0] is False


def test_a_vulnerability_without_a_solution_stands_for_itself() -> None:
    scope = Scope.from_table({"solutions": ["v7"]})
    assert held(scope, {**WEB, "solution": None})[0] and not held(scope, {**WEB, "solution": "s1"})[0]


def test_a_scope_that_narrows_nothing_holds_everything() -> None:
    assert held(Scope(), BARE) == (True, True)


@pytest.mark.parametrize(
    ("table", "web"),
    [
        ({"min_cvss": 7.5}, True),
        ({"min_cvss": 7.6}, False),
        ({"min_risk": 400}, True),
        ({"min_risk": 401}, False),
        ({"min_epss": 0.3}, False),
        ({"exploitable": True}, True),
        ({"kev": True}, True),
        ({"kev": True, "min_cvss": 9}, False),
    ],
)
def test_bad_enough(table: dict[str, Any], web: bool) -> None:
    scope = Scope.from_table(table)
    assert held(scope, WEB)[1] is web
    assert held(scope, BARE)[1] is False


@pytest.mark.parametrize("number", range(len(SEVERITIES)), ids=SEVERITIES)
def test_severities(number: int) -> None:
    passing = [one for one in SEVERITIES if held(Scope(), {**WEB, "severity": one}, SEVERITIES[number])[1]]
    assert passing == list(SEVERITIES[: number + 1])


def test_in_words() -> None:
    scope = Scope(min_cvss=7, min_risk=50.5, min_epss=0.1, exploitable=True, kev=True)
    assert scope.in_words("medium") == (
        "less severe than medium or CVSS below 7 or risk below 50.5 or EPSS below 0.1 or without a known exploit "
        "or not in CISA's catalogue"
    )
