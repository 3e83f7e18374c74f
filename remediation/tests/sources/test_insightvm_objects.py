"""The objects of the console's API, as they are in the vendor's own payloads, and as they should not be."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from remediation.sources import insightvm_objects as objects
from remediation.sources.answer_part import Part
from remediation.sources.errors import NotUnderstood

NOON = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
SCAN = {"date": "2026-11-20T12:00:00Z", "scanId": 3, "type": "SCAN", "version": 1}
LATER = {"date": "2026-11-21T12:00:00Z", "version": 2}


def part(**value: Any) -> Part:
    return Part(value, "/somewhere")


# From the vendor's unit tests.
ASSET = {
    "id": 1,
    "ip": "198.51.100.100",
    "hostName": "example.com",
    "hostNames": [{"name": "example.com", "source": "dns"}],
    "addresses": [{"ip": "198.51.100.100", "mac": "00:00:00:00:00:00"}],
    "mac": "00:00:00:00:00:00",
    "os": "Linux 3.2",
    "assessedForVulnerabilities": True,
    "history": [SCAN],
}


def test_an_asset() -> None:
    one = objects.listed(part(**ASSET))
    assert (one.asset, one.host_name, one.ip, one.mac) == ("1", "example.com", "198.51.100.100", "00:00:00:00:00:00")
    assert (one.os, one.assessed, one.scan) == ("Linux 3.2", NOON, "3")


HISTORIES: dict[str, tuple[dict[str, Any], datetime | None, str | None]] = {
    "a scan": ({"history": [SCAN]}, NOON, "3"),
    "no history": ({}, None, None),
    "never assessed": ({"assessedForVulnerabilities": False, "history": [SCAN]}, None, None),
    "not told whether": ({"assessedForVulnerabilities": None, "history": [SCAN]}, NOON, "3"),
    "an exception later": ({"history": [SCAN, {**LATER, "type": "VULNERABILITY_EXCEPTION_APPLIED"}]}, NOON, "3"),
    "one withdrawn": ({"history": [SCAN, {**LATER, "type": "VULNERABILITY_EXCEPTION_UNAPPLIED"}]}, NOON, "3"),
    "an import later": ({"history": [SCAN, {**LATER, "type": "ASSET-IMPORT"}]}, NOON, "3"),
    "an agent later": (
        {"history": [SCAN, {**LATER, "type": "AGENT-IMPORT", "scanId": 9}]},
        NOON + timedelta(days=1),
        None,
    ),
    "not in order": ({"history": [{**SCAN, **LATER, "scanId": 4}, SCAN]}, NOON + timedelta(days=1), "4"),
    "no type": ({"history": [{"date": "2026-11-20T12:00:00.000Z", "scanId": 3}]}, NOON, "3"),
    "no type and no scan": ({"history": [{"date": "2026-11-20T12:00:00Z"}]}, None, None),
    "no date": ({"history": [{"type": "SCAN", "scanId": 3}]}, None, None),
    "another zone": ({"history": [{**SCAN, "date": "2026-11-20T14:00:00+02:00"}]}, NOON, "3"),
}


@pytest.mark.parametrize("case", HISTORIES)
def test_when_an_asset_was_assessed(case: str) -> None:
    told, assessed, scan = HISTORIES[case]
    one = objects.listed(part(id=1, **told))
    assert (one.assessed, one.scan) == (assessed, scan)


def test_the_version_changes_with_each_entry_of_the_history() -> None:
    exception = {**LATER, "type": "VULNERABILITY_EXCEPTION_APPLIED"}
    histories = ([], [SCAN], [{**SCAN, "scanId": 4}], [SCAN, exception], [exception], [SCAN, SCAN])
    versions = [objects.listed(part(id=1, history=history)).version for history in histories]
    assert len(set(versions)) == len(histories)
    assert objects.listed(part(id=2, history=[dict(SCAN)], riskScore=5.0)).version == versions[1]


SINCE = "2021-03-15T10:00:00+00:00"
RESULT = {"port": 445, "protocol": "tcp", "status": "vulnerable-version", "checkId": None, "key": ""}
FINDING = {"id": "cifs", "instances": 1, "since": "2021-03-15T10:00:00Z", "status": "vulnerable", "results": [RESULT]}
HIDDEN = {**RESULT, "status": "vulnerable-version-with-exception-applied", "exceptions": [7]}
FINDINGS: dict[str, tuple[dict[str, Any], bool, tuple[str | None, ...]]] = {
    "open": ({}, True, ()),
    "excepted": ({"status": "invulnerable", "instances": 0, "results": [HIDDEN, HIDDEN]}, False, ("7",)),
    "one port excepted": ({"results": [RESULT, HIDDEN]}, True, ("7",)),
    "by two": ({"status": "invulnerable", "results": [HIDDEN, {**HIDDEN, "exceptions": [8]}]}, False, ("7", "8")),
    "by one that is not named": (
        {"status": "invulnerable", "results": [{**HIDDEN, "exceptions": None}]},
        False,
        (None,),
    ),
    "fixed": ({"status": "invulnerable", "results": [{**RESULT, "status": "not-vulnerable"}]}, False, ()),
    "fixed, without results": ({"status": "invulnerable", "results": None}, False, ()),
    "nothing": ({"status": "no-results", "results": []}, False, ()),
}


@pytest.mark.parametrize("case", FINDINGS)
def test_a_finding(case: str) -> None:
    changed, is_open, exceptions = FINDINGS[case]
    one = objects.found(part(**{**FINDING, **changed}))
    assert (one.vulnerability, one.since, one.is_open, one.exceptions) == ("cifs", SINCE, is_open, exceptions)


@pytest.mark.parametrize("status", ["fixed", "", None])
def test_a_status_that_is_not_known_is_never_taken_for_a_fix(status: str | None) -> None:
    with pytest.raises(NotUnderstood, match="status that is not known"):
        objects.found(part(**{**FINDING, "status": status}))


VULNERABILITIES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "score before word": ({"severity": "Critical", "severityScore": 8}, {"severity": "high"}),
    "word alone": ({"severity": "Severe"}, {"severity": "high"}),
    "none of both": ({}, {"severity": "none", "cvss": None, "cves": [], "risk": None, "exploits": None}),
    "a newer CVSS": ({"cvss": {"v2": {"score": 9.3}, "v3": {"score": 8.1}}}, {"cvss": 8.1}),
    "no newer one": ({"cvss": {"v2": {"score": 9.3}}}, {"cvss": 9.3}),
    "a CVSS of 0": ({"cvss": {"v2": {"score": 9.3}, "v3": {"score": 0}}}, {"cvss": 0.0}),
    "the rest": (
        {"title": "T", "riskScore": 849.0, "exploits": 2, "cves": ["CVE-1", "CVE-2"]},
        {"title": "T", "risk": 849.0, "exploits": 2, "cves": ["CVE-1", "CVE-2"]},
    ),
}


@pytest.mark.parametrize("case", VULNERABILITIES)
def test_a_vulnerability(case: str) -> None:
    told, wanted = VULNERABILITIES[case]
    row = objects.vulnerability(part(id="v", **told))
    assert {name: row[name] for name in wanted} == wanted


# From the vendor's unit tests.
SOLUTION = {
    "id": "ssl-beast-attack",
    "type": "configuration",
    "confidence": "exact",
    "estimate": "PT1H",
    "summary": {"html": "...", "text": "Disable SSLv2"},
    "steps": {"html": "<p>...", "text": "There is no server-side mitigation"},
    "matches": [{"solution": "ssl-beast-attack", "type": "service", "confidence": "exact"}],
}


def test_a_solution() -> None:
    assert objects.best_solution(part(resources=[SOLUTION], links=[])) == {
        "solution": "ssl-beast-attack",
        "solution_name": "Disable SSLv2",
        "solution_fix": "There is no server-side mitigation",
        "solution_type": "WORKAROUND",
        "solution_url": None,
        "solution_estimate": "PT1H",
    }
    assert objects.best_solution(part(resources=[])) is None
    assert objects.best_solution(part(links=[])) is None


@pytest.mark.parametrize(
    ("told", "word"), [("rollup-patch", "ROLLUP"), ("Rollup patch", "ROLLUP"), ("patch", "PATCH"), ("unknown", None)]
)
def test_the_type_of_a_solution_has_the_reports_words(told: str, word: str | None) -> None:
    best = objects.best_solution(part(resources=[{"id": "s", "type": told}]))
    assert best is not None and best["solution_type"] == word


@pytest.mark.parametrize(
    ("told", "best"),
    [
        ([("b", "exact"), ("a", "exact")], "a"),
        ([("a", "none"), ("c", "partial"), ("b", "exact")], "b"),
        ([("b", "odd"), ("c", None), ("a", "odd")], "c"),
    ],
)
def test_of_several_solutions_it_is_always_the_same(told: list[tuple[str, str | None]], best: str) -> None:
    for order in (told, told[::-1]):
        chosen = objects.best_solution(part(resources=[{"id": key, "confidence": word} for key, word in order]))
        assert chosen is not None and chosen["solution"] == best


def test_tags_go_by_their_type() -> None:
    named = [("b", "owner"), ("a", "OWNER"), ("a", "owner"), ("x", "criticality"), ("y", "other"), (None, "custom")]
    told = [{"id": 1, "name": name, "type": kind} for name, kind in named]
    assert objects.tags(part(resources=told)) == {
        "owner_tags": ["a", "b"],
        "criticality_tags": ["x"],
        "location_tags": [],
        "custom_tags": [],
    }


@pytest.mark.parametrize("status", ["aborted", "unknown", "running", "stopped", "error", "paused", "integrating", None])
def test_only_a_finished_scan_is_one(status: str | None) -> None:
    times = {"startTime": "2026-11-20T12:00:00Z", "endTime": "2026-11-20T13:00:00Z"}
    assert objects.scanned(part(id=3, status=status, **times)) is None
    assert objects.scanned(part(id=3, status="finished", **times)) == (NOON, NOON + timedelta(hours=1))
    assert objects.scanned(part(id=3, status="finished")) is None


ODD: dict[str, Any] = {
    "an asset without a number": lambda: objects.listed(part(ip="10.0.0.1")),
    "an empty key": lambda: objects.found(part(**{**FINDING, "id": " "})),
    "a key that is a truth": lambda: objects.listed(part(id=True)),
    "a name that is a number": lambda: objects.listed(part(id=1, hostName=5)),
    "a history that is a text": lambda: objects.listed(part(id=1, history="SCAN")),
    "an entry that is a text": lambda: objects.listed(part(id=1, history=["SCAN"])),
    "a time that is none": lambda: objects.listed(part(id=1, history=[{**SCAN, "date": "yesterday"}])),
    "a time before all times": lambda: objects.listed(
        part(id=1, history=[{**SCAN, "date": "0001-01-01T00:00:00+23:00"}])
    ),
    "too many instances": lambda: objects.found(part(**{**FINDING, "instances": 2**31})),
    "a negative count": lambda: objects.found(part(**{**FINDING, "instances": -1})),
    "exceptions that are texts": lambda: objects.found(part(**{**FINDING, "results": [{"exceptions": ["7"]}]})),
    "a score of 11": lambda: objects.vulnerability(part(id="v", severityScore=11)),
    "a risk that is no number": lambda: objects.vulnerability(part(id="v", riskScore=float("nan"))),
    "an endless risk": lambda: objects.vulnerability(part(id="v", riskScore=float("inf"))),
    "CVEs that are numbers": lambda: objects.vulnerability(part(id="v", cves=[1])),
    "a CVSS that is a list": lambda: objects.vulnerability(part(id="v", cvss=[])),
    "an answer without tags": lambda: objects.tags(part(message="Log in")),
    "an answer without solutions": lambda: objects.best_solution(part()),
    "a solution without a key": lambda: objects.best_solution(part(resources=[{"type": "patch"}])),
}


@pytest.mark.parametrize("case", ODD)
def test_what_is_of_another_kind_is_refused_with_its_place(case: str) -> None:
    with pytest.raises(NotUnderstood, match="The answer to /somewhere does not hold"):
        ODD[case]()


def test_what_no_table_can_hold_is_taken_out_of_a_text() -> None:
    assert part(name="a\0b\ud800c").text("name") == "ab?c"
