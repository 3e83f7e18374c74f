"""The formula: what it says of what is known, and why."""

from __future__ import annotations

from typing import Any

import pytest

from remediation.domain.grading import Facts, Formula, grade, in_words, worst

USUAL = Formula()
CASES = [
    (Facts("high", vpr=9.4, cvss=5.0), "critical", "VPR 9.4"),
    (Facts("critical", vpr=3.6, cvss=9.8), "low", "VPR 3.6"),
    (Facts("high", cvss=7.5), "high", "CVSS 7.5"),
    (Facts("high", cvss=7.5, kev=True), "critical", "CVSS 7.5, KEV +2"),
    (Facts("medium", cvss=6.9, epss=0.5), "high", "CVSS 6.9, EPSS +1"),
    (Facts("medium", cvss=6.9, epss=0.499), "medium", "CVSS 6.9"),
    (Facts("medium", cvss=5.0, exploit=True, on_critical=True), "high", "CVSS 5, exploit +1, critical asset +1"),
    (
        Facts("low", cvss=2.0, epss=0.9, kev=True, exploit=True, on_critical=True),
        "medium",
        "CVSS 2, KEV +2, EPSS +1, exploit +1, critical asset +1, of which 3 count",
    ),
    (Facts("high"), "high", "the scanner says high, without a score"),
    (Facts("high", kev=True), "critical", "the scanner says high, without a score, KEV +2"),
    (Facts("none", kev=True, on_critical=True), "none", "there is no score"),
    (Facts(None), "none", "there is no score"),
    (Facts("low", cvss=0.0, kev=True), "none", "CVSS 0"),
    (Facts("critical", vpr=10.0, kev=True), "critical", "VPR 10, KEV +2"),
]


@pytest.mark.parametrize(("facts", "severity", "reason"), CASES)
def test_a_grade_and_its_reason(facts: Facts, severity: str, reason: str) -> None:
    found = grade(USUAL, facts)
    assert (found.severity, found.reason) == (severity, reason) and 0 <= found.score <= 10


def test_it_is_told_beside_the_scanners() -> None:
    found = grade(USUAL, Facts("high", vpr=7.4, kev=True))
    assert in_words("high", found) == "scanner: high; graded: critical, because VPR 7.4, KEV +2"
    assert in_words(None, grade(USUAL, Facts(None))) == "scanner: not told; graded: none, because there is no score"


def test_a_ticket_is_as_bad_as_the_worst_of_its_findings_each_by_its_own_asset() -> None:
    rows = [
        {"severity": "medium", "cvss": 6.5, "criticality_tags": ["Low"], "exploits": 0},
        {"severity": "medium", "cvss": 6.0, "criticality_tags": [" very high "], "exploits": 2},
    ]
    assert worst(USUAL, rows).reason == "CVSS 6, exploit +1, critical asset +1"
    assert worst(USUAL, []).severity == "none"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kev": -1}, "from 0 to 10"),
        ({"kev": "2"}, "no number"),
        ({"kev": float("nan")}, "no number"),
        ({"kev": True}, "no number"),
        ({"epss_from": 1.1}, "from 0 to 1"),
        ({"high": 9.0}, "have to fall"),
        ({"low": 0}, "above 0"),
        ({"no_such": 1}, "no 'no_such'"),
    ],
)
def test_a_formula_that_is_none(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Formula.from_table(wrong)


def test_a_formula_is_kept_as_a_table() -> None:
    other = Formula(kev=3.0, critical_tags=("Crown jewels",))
    assert Formula.from_table(other.to_table()) == other and Formula.from_table({}) == USUAL
