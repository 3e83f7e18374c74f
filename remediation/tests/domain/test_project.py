"""A project's settings: "Priority and due date", and what a lead may change."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from remediation.domain.project import AssignmentRule, Granularity, Settings, tried
from remediation.domain.scope import Scope
from remediation.domain.snapshot import severity_of_score

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


FOUND = datetime(2026, 2, 20, 5, tzinfo=UTC)
KEV_DUE = date(2026, 3, 10)


@pytest.mark.parametrize(
    ("settings", "rows", "due"),
    [
        ({}, [{"first_found": FOUND}], date(2026, 4, 1)),
        (
            {"due_from": "first_found"},
            [{"first_found": FOUND + timedelta(days=2)}, {"first_found": FOUND}],
            date(2026, 3, 22),
        ),
        ({"due_from": "first_found"}, [{"first_found": None}], date(2026, 4, 1)),
        ({}, [{"kev_due": KEV_DUE}, {"kev_due": None}], KEV_DUE),
        ({}, [{"kev_due": date(2026, 9, 1)}], date(2026, 4, 1)),
        ({"due": "2026-03-05"}, [{"kev_due": KEV_DUE}], date(2026, 3, 5)),
    ],
    ids=["from its creation", "from the first find", "nobody knows when", "the catalogue's", "a later one", "the cap"],
)
def test_from_when_and_until_when(settings: dict[str, Any], rows: list[dict[str, Any]], due: date) -> None:
    assert Settings.from_table(settings).due_on("high", CREATED, rows) == due


@pytest.mark.parametrize(
    ("raise_for", "severity", "row", "urgency"),
    [
        (["exploit"], "high", {"exploits": 1}, "critical"),
        (["exploit"], "critical", {"exploits": 1}, "critical"),
        (["exploit"], "none", {"exploits": 1}, "low"),
        (["exploit"], "high", {"exploits": 0}, "high"),
        (["exploit"], "high", {"exploits": None}, "high"),
        ([], "high", {"exploits": 1, "kev": True}, "high"),
        (["kev"], "medium", {"kev": True}, "high"),
        (["epss"], "medium", {"epss": 0.5}, "high"),
        (["epss"], "medium", {"epss": 0.49}, "medium"),
        (["criticality"], "low", {"criticality_tags": ["very high"]}, "medium"),
        (["criticality"], "low", {"criticality_tags": ["Low"]}, "low"),
    ],
)
def test_what_raises_urgency(raise_for: list[str], severity: str, row: dict[str, Any], urgency: str) -> None:
    settings = Settings.from_table({"raise_for": raise_for})
    raised, why = settings.urgency(severity, [{}, row])
    assert raised == urgency and bool(why) == (raised != severity)


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
    "scope": {"sites": ["DMZ"], "min_cvss": 7},
    "raise_for": ["kev", "exploit"],
    "due_from": "first_found",
    "fields": {"CFtopcve": "$TOP_CVE"},
    "comment": "News: $NEWS",
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
        ({"scope": {"site": ["x"]}}, "A scope has no 'site'"),
        ({"scope": {"sites": "DMZ"}}, "sites of a scope is a list"),
        ({"scope": {"min_cvss": 70}}, "min_cvss of a scope is a number from 0 to 10"),
        ({"raise_for": ["luck"]}, "'luck' is not a valid Raise"),
        ({"fields": {"CFx": "$NOTHING"}}, "There is no variable"),
        ({"comment": "no news"}, r"The template has no \$NEWS"),
        ({"child_details": "$NEWS"}, r"There is no variable \$NEWS"),
        ({"static": True, "dynamic": True}, "static or dynamic"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_bad_table_is_refused(table: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings.from_table(table)


def test_the_example_names_every_setting_and_its_default() -> None:
    table = tomllib.loads((Path(__file__).parents[2] / "project.example.toml").read_text(encoding="utf-8"))
    assert set(table) == set(Settings.__dataclass_fields__)
    assert set(table["scope"]) == set(Scope.__dataclass_fields__)
    assert set(table["rules"][0]) == set(AssignmentRule.__dataclass_fields__)
    example = Settings.from_table(table)
    examples = {name: getattr(example, name) for name in ("owner", "due", "default_agent", "default_team", "rules")}
    assert example == replace(Settings(), **examples)


def test_rules_are_tried_one_by_one() -> None:
    rules = [AssignmentRule("os", "windows"), AssignmentRule("os", "linux"), AssignmentRule("os", "lin", share="any")]
    found = tried(rules, [LINUX])
    assert [(one.matches, one.decides) for one in found] == [(False, False), (True, True), (True, False)]
    assert found[0].values == (LINUX["os"],)
    assert not any(one.matches for one in tried(rules, []))
    assert [one.decides for one in tried(rules, [LINUX, WINDOWS])] == [False, False, True]
