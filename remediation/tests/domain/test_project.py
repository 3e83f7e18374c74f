"""A project's settings: "Priority and due date", and what a lead may change."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from remediation.domain.project import AssignmentRule, Granularity, Settings
from remediation.domain.snapshot import SEVERITIES, severity_of_score

CREATED = date(2026, 3, 2)


@pytest.mark.parametrize(
    ("score", "severity"),
    [
        (10, "critical"),
        (9, "critical"),
        (8.9, "high"),
        (8, "high"),
        (7, "high"),
        (6.9, "medium"),
        (6, "medium"),
        (5, "medium"),
        (4.9, "low"),
        (4, "low"),
        (1, "low"),
        (0.1, "low"),
        (0, "none"),
        (-1, "none"),
        (None, "none"),
    ],
)
def test_the_severity_of_a_score(score: float | None, severity: str) -> None:
    assert severity_of_score(score) == severity


@pytest.mark.parametrize(
    ("severity", "due", "priority"),
    [
        ("critical", date(2026, 3, 9), "Critical"),
        ("high", date(2026, 4, 1), "High"),
        ("medium", date(2026, 5, 1), "Medium"),
        ("low", date(2026, 5, 31), "Low"),
        ("none", date(2026, 5, 31), "Low"),
    ],
)
def test_due_dates_and_priorities(severity: str, due: date, priority: str) -> None:
    settings = Settings()
    assert settings.due_on(severity, CREATED) == due
    assert settings.priorities[severity] == priority


@pytest.mark.parametrize(
    ("cap", "due"),
    [
        pytest.param(date(2026, 3, 20), date(2026, 3, 20), id="caps"),
        pytest.param(date(2026, 12, 1), date(2026, 4, 1), id="later"),
        pytest.param(None, date(2026, 4, 1), id="none"),
    ],
)
def test_the_projects_date_caps(cap: date | None, due: date) -> None:
    assert Settings(due=cap).due_on("high", CREATED) == due


@pytest.mark.parametrize("number", range(len(SEVERITIES)), ids=SEVERITIES)
def test_the_severities_of_a_project(number: int) -> None:
    assert Settings(min_severity=SEVERITIES[number]).severities() == SEVERITIES[: number + 1]


LINUX, WINDOWS, UNKNOWN = {"os": "Red Hat Linux 9"}, {"os": "Windows"}, {"os": None}


@pytest.mark.parametrize(
    ("share", "assets", "matches"),
    [
        ("most", [LINUX, LINUX, WINDOWS], True),
        ("most", [LINUX, WINDOWS], False),
        ("most", [LINUX, UNKNOWN, UNKNOWN], False),
        ("any", [LINUX, WINDOWS, WINDOWS], True),
        ("any", [WINDOWS], False),
        ("all", [LINUX, LINUX], True),
        ("all", [LINUX, LINUX, WINDOWS], False),
    ],
)
def test_a_rule_matches_when_enough_assets_match(share: str, assets: list[dict[str, Any]], matches: bool) -> None:
    assert AssignmentRule("os", "LINUX", share=share).matches(assets) is matches


def test_a_rule_looks_into_lists() -> None:
    rule = AssignmentRule("sites", "berlin")
    assert rule.matches([{"sites": ["Paris", "Berlin"]}]) and not rule.matches([{"sites": []}])


def test_the_first_rule_that_matches_assigns() -> None:
    rules = (
        AssignmentRule("os", "BSD", "ann"),
        AssignmentRule("os", "linux", "bob"),
        AssignmentRule("os", "red", "cy"),
    )
    settings = Settings(rules=rules, default_agent="dan", default_team="blue")
    assert settings.assigned([LINUX]) == ("bob", None, "assignment rule 2: os contains 'linux'")
    assert settings.assigned([WINDOWS]) == ("dan", "blue", "default assignment")
    assert settings.assigned([]) == ("dan", "blue", "default assignment")


TABLE = {
    "owner": "Ann",
    "due": "2026-06-30",
    "granularity": "solution-owner",
    "min_severity": "high",
    "rules": [{"field": "os", "value": "linux", "team": "blue", "share": "any"}],
    "due_days": {"critical": 3},
}


def test_settings_out_of_a_table_and_back() -> None:
    settings = Settings.from_table(TABLE)
    assert settings.due == date(2026, 6, 30)
    assert settings.granularity is Granularity.SOLUTION_OWNER
    assert settings.rules == (AssignmentRule("os", "linux", team="blue", share="any"),)
    assert Settings.from_table(json.loads(json.dumps(settings.to_table()))) == settings


def test_what_is_not_said_of_a_severity_is_as_usual() -> None:
    settings = Settings.from_table(TABLE)
    assert settings.due_on("critical", CREATED) == date(2026, 3, 5)
    assert settings.due_on("high", CREATED) == date(2026, 4, 1)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"ownr": "x"}, "There is no setting 'ownr'"),
        ({"min_severity": "severe"}, "There is no severity 'severe'"),
        ({"due_days": {"severe": 1}}, "There is no severity 'severe'"),
        ({"priorities": {"severe": "P1"}}, "There is no severity 'severe'"),
        ({"granularity": "site"}, "'site' is not a valid Granularity"),
        ({"child_summary": "$SOLUTION"}, "There is no variable"),
        ({"rules": [{"field": "os", "value": "x", "agnet": "y"}]}, "An assignment rule has no 'agnet'"),
        ({"rules": [{"field": "os"}]}, "An assignment rule lacks its 'value'"),
        ({"rules": [{"field": "os", "value": "x", "share": "some"}]}, "'some' is not a valid Share"),
        ({"due": "June"}, "Invalid isoformat"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_bad_table_is_refused(table: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings.from_table(table)
