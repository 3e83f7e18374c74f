"""Findings that a source itself calls fixed, and reports that were made with a filter."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import polars as pl
import pytest

from remediation.domain.ledger import empty_ledger
from remediation.domain.observe import observe
from remediation.domain.report_filter import passing
from remediation.domain.snapshot import FIXED, Only, Proof, Snapshot

from .test_observe import DAY, MONDAY, accepted, after, found, frame, kinds, ledger_of, scanned, snapshot, states


def seen(day: int, **more: Any) -> dict[str, Any]:
    return found(last_found=MONDAY + day * DAY, **more)


def fixed(at: datetime | None = None, **more: Any) -> dict[str, Any]:
    return {"asset": "a1", "vulnerability": "v1", "fixed": at, **more}


def told(day: int, findings: list[Any], fixes: list[Any] = [], **more: Any) -> Snapshot:
    """What a source of which absence proves nothing said on a day."""
    one = snapshot(
        day, findings, more.pop("coverage", []), more.pop("exceptions", None), more.pop("proof", Proof.NOTHING)
    )
    return replace(one, fixed=frame(FIXED, *fixes))


OPEN = told(0, [seen(0)])
FIX = told(2, [], [fixed(MONDAY + 2 * DAY)])

TABLE: dict[str, tuple[list[Snapshot], str | None, list[str]]] = {
    "absent": ([OPEN, told(1, [])], None, ["open"]),
    "fixed": ([OPEN, FIX], "remediated", ["remediated"]),
    "fixed-at-a-time-that-is-not-told": ([OPEN, told(1, [], [fixed()])], "remediated", ["remediated"]),
    "fixed-before-it-was-seen-last": ([told(2, [seen(2)]), told(3, [], [fixed(MONDAY + DAY)])], None, ["open"]),
    "fixed-again": ([OPEN, FIX, told(3, [], [fixed(MONDAY + 2 * DAY)])], None, ["remediated"]),
    "never-seen": ([told(1, [], [fixed(MONDAY)])], None, []),
    "one-port-still-open": ([OPEN, told(1, [seen(1)], [fixed(MONDAY + DAY)])], None, ["open"]),
    "resurfaced": ([OPEN, FIX, told(3, [seen(3)])], "rediscovered", ["open"]),
    "an-older-report-after-the-fix": ([OPEN, FIX, told(3, [seen(1)])], None, ["remediated"]),
    "accepted": ([OPEN, told(1, [], exceptions=[accepted()])], "excepted", ["excepted"]),
    "accepted-and-then-fixed": ([OPEN, told(1, [], exceptions=[accepted()]), FIX], "remediated", ["remediated"]),
    "accepted-no-more": (
        [OPEN, told(1, [], exceptions=[accepted()]), told(2, [seen(0)])],
        "exception_lapsed",
        ["open"],
    ),
    "an-older-report-after-the-acceptance": (
        [told(1, [seen(1)]), told(2, [], exceptions=[accepted()]), told(3, [seen(0)])],
        None,
        ["excepted"],
    ),
    "fixed-believed-over-a-scan-that-proves-nothing": (
        [snapshot(0, [found()], [scanned(0)]), told(1, [], [fixed()], proof=Proof.SCAN, coverage=[scanned(0)])],
        "remediated",
        ["remediated"],
    ),
}


@pytest.mark.parametrize("said, kind, after_it", TABLE.values(), ids=TABLE)
def test_what_a_source_calls_fixed(said: list[Snapshot], kind: str | None, after_it: list[str]) -> None:
    *before, last = said
    ledger = ledger_of(*before) if before else empty_ledger()
    observed = observe(last, ledger)
    assert [one for one in kinds(observed) if one != "seen_again"] == ([kind] if kind else [])
    assert states(after(ledger, observed)) == after_it
    # The same again is no news.
    assert kinds(observe(last, after(ledger, observed))) == []


def test_a_finding_counts_as_seen_when_its_source_saw_it_and_not_when_it_saw_another() -> None:
    ledger = ledger_of(told(5, [seen(1), seen(5, vulnerability="v2")]))
    assert ledger["scan_started"].to_list() == [MONDAY + DAY, MONDAY + 5 * DAY]


VULNERABILITIES = pl.DataFrame(
    {
        "vulnerability": ["v1", "v2", "v3"],
        "title": ["Cisco IOS XE hole", "A hole", None],
        "severity": ["critical", "high", None],
        "family": [None, "Windows : Microsoft Bulletins", None],
    },
    schema=dict.fromkeys(("vulnerability", "title", "severity", "family"), pl.String),
)
PLACES = pl.DataFrame({"asset": ["a1"], "sites": [["DMZ", "Berlin"]]})

FILTERS = {
    "none": (Only(), [True, True, True, True]),
    "vendor-in-the-title": (Only(vendors=("cisco",)), [True, False, False, False]),
    "vendor-in-the-family": (Only(vendors=("MICROSOFT",)), [False, True, False, False]),
    "either": (Only(vendors=("cisco", "microsoft")), [True, True, False, False]),
    "severity": (Only(severities=("high",)), [False, True, False, False]),
    "site": (Only(sites=("dmz",)), [True, True, True, False]),
    "all-kinds": (Only(("critical",), ("cisco",), ("berlin",)), [True, False, False, False]),
    "a-sign-of-expressions": (Only(vendors=("ci.co",)), [False, False, False, False]),
}


@pytest.mark.parametrize("only, expected", FILTERS.values(), ids=FILTERS)
def test_what_passes_the_filter_of_a_report(only: Only, expected: list[bool]) -> None:
    ledger = ledger_of(
        told(
            0,
            [seen(0), seen(0, vulnerability="v2"), seen(0, vulnerability="v3"), seen(0, asset="a2", vulnerability="x")],
        )
    )
    assert passing(ledger, only, VULNERABILITIES, PLACES)["passes"].to_list() == expected


def test_what_does_not_pass_is_not_missed() -> None:
    ledger = ledger_of(told(0, [seen(0), seen(0, vulnerability="v2")]))
    report = told(1, [], proof=Proof.DEVICES, coverage=[scanned(1)])
    judged = passing(ledger, Only(vendors=("cisco",)), VULNERABILITIES, PLACES)
    observed = observe(report, judged)
    assert states(after(ledger, observed)) == ["unconfirmed", "open"]
    # What it lists is seen, whatever the filter.
    report = told(1, [seen(1, vulnerability="v2")], proof=Proof.DEVICES, coverage=[scanned(1)])
    assert states(after(ledger, observe(report, judged))) == ["unconfirmed", "open"]
    assert kinds(observe(report, judged)) == ["no_longer_reported"]
