"""What a snapshot changes in the ledger: "What a source can prove", row by row."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remediation.domain.ledger import KEY, LEDGER, empty_ledger
from remediation.domain.observe import SCANNED, Observed, observe
from remediation.domain.snapshot import ASSETS, COVERAGE, EXCEPTIONS, FINDINGS, FIXED, Proof, Snapshot

DAY = timedelta(days=1)
MONDAY = datetime(2026, 3, 2, 2, tzinfo=UTC)


def frame(schema: dict[str, Any], *rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)


def found(asset: str = "a1", vulnerability: str = "v1", solution: str = "s1", **more: Any) -> dict[str, Any]:
    return {"asset": asset, "vulnerability": vulnerability, "solution": solution, "instances": 1, **more}


def scanned(day: int, credentials: int | None = 4, asset: str = "a1", **more: Any) -> dict[str, Any]:
    started = MONDAY + day * DAY
    return {"asset": asset, "scan": f"scan {day}", "scan_started": started, "credentials": credentials, **more}


def accepted(status: str = "Approved", expires: date | None = None, asset: str = "a1") -> dict[str, Any]:
    return {"asset": asset, "vulnerability": "v1", "exception": "e1", "status": status, "expires": expires}


def snapshot(
    day: int,
    findings: list[dict[str, Any]],
    coverage: list[dict[str, Any]],
    exceptions: list[dict[str, Any]] | None = None,
    proof: Proof = Proof.SCAN,
) -> Snapshot:
    """What a source said six hours after the start of a day's scan."""
    return Snapshot(
        MONDAY + day * DAY + timedelta(hours=6),
        proof,
        frame(FINDINGS, *findings),
        frame(ASSETS),
        frame(COVERAGE, *coverage),
        frame(EXCEPTIONS, *(exceptions or [])),
    )


def after(ledger: pl.DataFrame, observed: Observed) -> pl.DataFrame:
    """The ledger with a delta written to it."""
    return pl.concat([ledger.join(observed.delta, on=KEY, how="anti"), observed.delta]).sort(KEY)


def ledger_of(*snapshots: Snapshot) -> pl.DataFrame:
    ledger = empty_ledger()
    for one in snapshots:
        ledger = after(ledger, observe(one, ledger))
    return ledger


def kinds(observed: Observed) -> list[str]:
    return observed.observations["kind"].to_list()


def states(ledger: pl.DataFrame) -> list[str]:
    return ledger["state"].to_list()


OPEN = ledger_of(snapshot(0, [found()], [scanned(0)]))
UNCONFIRMED = ledger_of(snapshot(0, [found()], [scanned(0)]), snapshot(1, [], [scanned(1, 1)]))
REMEDIATED = ledger_of(snapshot(0, [found()], [scanned(0)]), snapshot(1, [], [scanned(1)]))
EXCEPTED = ledger_of(snapshot(0, [found()], [scanned(0)]), snapshot(1, [], [scanned(1)], [accepted()]))
# The exception is told no more, and the finding was not seen.
GONE = ledger_of(
    snapshot(0, [found()], [scanned(0)]), snapshot(1, [], [scanned(1)], [accepted()]), snapshot(2, [], [scanned(2)])
)
LEFT = ledger_of(snapshot(0, [found()], [scanned(0)]), snapshot(1, [], []))


def test_the_ledgers_that_the_table_starts_from() -> None:
    assert [states(one) for one in (OPEN, UNCONFIRMED, REMEDIATED, EXCEPTED, GONE, LEFT)] == [
        ["open"],
        ["unconfirmed"],
        ["remediated"],
        ["excepted"],
        ["excepted"],
        ["left"],
    ]


SCAN_TABLE = {
    "new": (empty_ledger(), snapshot(0, [found()], [scanned(0)]), "new", "open"),
    "new-on-an-asset-out-of-coverage": (empty_ledger(), snapshot(0, [found()], []), "new", "open"),
    "open-same-scan-missing": (OPEN, snapshot(1, [], [scanned(0)]), "unconfirmed", "unconfirmed"),
    "open-later-scan-missing": (OPEN, snapshot(1, [], [scanned(1)]), "remediated", "remediated"),
    "open-later-scan-weaker": (OPEN, snapshot(1, [], [scanned(1, 2)]), "unconfirmed", "unconfirmed"),
    "open-older-scan-missing": (OPEN, snapshot(1, [], [scanned(-1)]), None, "open"),
    "open-never-scanned-missing": (
        OPEN,
        snapshot(1, [], [scanned(1, scan=None, scan_started=None)]),
        "unconfirmed",
        "unconfirmed",
    ),
    "open-asset-gone": (OPEN, snapshot(1, [], []), "left_coverage", "left"),
    "open-excepted": (OPEN, snapshot(1, [], [scanned(1)], [accepted()]), "excepted", "excepted"),
    "open-excepted-in-capitals": (OPEN, snapshot(1, [], [scanned(1)], [accepted("APPROVED")]), "excepted", "excepted"),
    "open-exception-under-review": (
        OPEN,
        snapshot(1, [], [scanned(0)], [accepted("Under Review")]),
        "unconfirmed",
        "unconfirmed",
    ),
    "open-exception-past-its-date": (
        OPEN,
        snapshot(1, [], [scanned(0)], [accepted(expires=date(2026, 3, 2))]),
        "unconfirmed",
        "unconfirmed",
    ),
    "open-exception-on-its-last-day": (
        OPEN,
        snapshot(1, [], [scanned(1)], [accepted(expires=date(2026, 3, 3))]),
        "excepted",
        "excepted",
    ),
    "open-one-port-excepted": (OPEN, snapshot(1, [found()], [scanned(0)], [accepted()]), None, "open"),
    "open-other-solution": (OPEN, snapshot(1, [found(solution="s2")], [scanned(1)]), "superseded", "open"),
    "unconfirmed-good-scan": (UNCONFIRMED, snapshot(2, [], [scanned(2)]), "remediated", "remediated"),
    "unconfirmed-weak-scan": (UNCONFIRMED, snapshot(2, [], [scanned(2, 1)]), None, "unconfirmed"),
    "unconfirmed-found": (UNCONFIRMED, snapshot(2, [found()], [scanned(2)]), "still_there", "open"),
    "unconfirmed-excepted": (UNCONFIRMED, snapshot(2, [], [scanned(2)], [accepted()]), "excepted", "excepted"),
    "unconfirmed-asset-gone": (UNCONFIRMED, snapshot(2, [], []), "left_coverage", "left"),
    "remediated-found": (REMEDIATED, snapshot(2, [found()], [scanned(2)]), "rediscovered", "open"),
    "remediated-found-by-an-older-scan": (REMEDIATED, snapshot(2, [found()], [scanned(0)]), None, "remediated"),
    "remediated-found-in-an-older-snapshot": (REMEDIATED, snapshot(0, [found()], []), None, "remediated"),
    "remediated-missing": (REMEDIATED, snapshot(2, [], [scanned(2)]), None, "remediated"),
    "remediated-asset-gone": (REMEDIATED, snapshot(2, [], []), None, "remediated"),
    "remediated-excepted": (REMEDIATED, snapshot(2, [], [scanned(2)], [accepted()]), None, "remediated"),
    "excepted-still": (EXCEPTED, snapshot(2, [], [scanned(2)], [accepted()]), None, "excepted"),
    "excepted-found": (EXCEPTED, snapshot(2, [found()], [scanned(2)]), "exception_lapsed", "open"),
    "excepted-lapsed-and-missing": (EXCEPTED, snapshot(2, [], [scanned(2)]), None, "excepted"),
    "excepted-past-its-date": (
        EXCEPTED,
        snapshot(2, [], [scanned(1)], [accepted(expires=date(2026, 3, 3))]),
        None,
        "excepted",
    ),
    "exception-gone-good-scan": (GONE, snapshot(3, [], [scanned(3)]), "remediated", "remediated"),
    "exception-gone-weak-scan": (GONE, snapshot(3, [], [scanned(3, 1)]), None, "excepted"),
    "exception-gone-same-scan": (GONE, snapshot(3, [], [scanned(2)]), None, "excepted"),
    "exception-gone-found": (GONE, snapshot(3, [found()], [scanned(3)]), "exception_lapsed", "open"),
    "exception-gone-found-by-the-same-scan": (
        GONE,
        snapshot(3, [found()], [scanned(2)]),
        "exception_lapsed",
        "open",
    ),
    "exception-gone-and-back": (GONE, snapshot(3, [], [scanned(3)], [accepted()]), None, "excepted"),
    "exception-gone-asset-gone": (GONE, snapshot(3, [], []), "left_coverage", "left"),
    "excepted-asset-gone": (EXCEPTED, snapshot(2, [], []), "left_coverage", "left"),
    "left-found": (LEFT, snapshot(2, [found()], [scanned(2)]), "rediscovered", "open"),
    "left-back-and-proved": (LEFT, snapshot(2, [], [scanned(2)]), "remediated", "remediated"),
    "left-back-and-not-proved": (LEFT, snapshot(2, [], [scanned(0)]), "unconfirmed", "unconfirmed"),
    "left-back-and-excepted": (LEFT, snapshot(2, [], [scanned(2)], [accepted()]), "excepted", "excepted"),
    "left-still": (LEFT, snapshot(2, [], []), None, "left"),
}


@pytest.mark.parametrize(("ledger", "said", "kind", "state"), SCAN_TABLE.values(), ids=SCAN_TABLE.keys())
def test_a_source_that_tells_its_scans(ledger: pl.DataFrame, said: Snapshot, kind: str | None, state: str) -> None:
    observed = observe(said, ledger)
    assert kinds(observed) == ([kind] if kind else [])
    assert states(after(ledger, observed)) == [state]
    if kind:
        row = observed.observations.row(0, named=True)
        assert row["before"] == (ledger["state"][0] if len(ledger) else None)


FILE_TABLE = {
    "asset-not-in-it": (OPEN, [], None, "open"),
    "asset-not-in-it-unconfirmed": (UNCONFIRMED, [], None, "unconfirmed"),
    "asset-not-in-it-excepted": (EXCEPTED, [], None, "excepted"),
    "asset-not-in-it-and-gone-before": (LEFT, [], None, "left"),
    "later-and-no-worse": (OPEN, [scanned(2)], "remediated", "remediated"),
    "later-and-worse": (OPEN, [scanned(2, 1)], "unconfirmed", "unconfirmed"),
    "the-same-scan": (OPEN, [scanned(0)], "unconfirmed", "unconfirmed"),
    "never-assessed": (OPEN, [scanned(2, scan_started=None)], "unconfirmed", "unconfirmed"),
    "an-older-scan": (REMEDIATED, [scanned(0)], None, "remediated"),
}


@pytest.mark.parametrize(("ledger", "covered", "kind", "state"), FILE_TABLE.values(), ids=FILE_TABLE.keys())
def test_a_file_proves_what_a_scan_proves_for_the_assets_in_it(
    ledger: pl.DataFrame, covered: list[dict[str, Any]], kind: str | None, state: str
) -> None:
    observed = observe(snapshot(2, [], covered, proof=Proof.FILE), ledger)
    assert kinds(observed) == ([kind] if kind else [])
    assert states(after(ledger, observed)) == [state]


def assessed(day: int, *findings: dict[str, Any], dated: int | None = None, **more: Any) -> Snapshot:
    """What a source says that tells when its assets were assessed, and not with which credentials."""
    covered = scanned(day if dated is None else dated, None)
    return snapshot(day, list(findings), [covered | more], proof=Proof.ASSESSED)


NEVER = {"scan": None, "scan_started": None}
ASSESSED_TABLE = {
    "assessed-again": (OPEN, assessed(1), "no_longer_reported", "unconfirmed", 1),
    "first-seen-without-credentials": (
        ledger_of(assessed(0, found())),
        assessed(1),
        "no_longer_reported",
        "unconfirmed",
        1,
    ),
    "not-assessed-since": (OPEN, assessed(1, dated=0), "unconfirmed", "unconfirmed", 0),
    "by-a-scan-that-is-not-told": (OPEN, assessed(1, **NEVER), "unconfirmed", "unconfirmed", 0),
    "asset-gone": (OPEN, snapshot(1, [], [], proof=Proof.ASSESSED), "left_coverage", "left", 0),
    "assessed-twice": (ledger_of(assessed(0, found()), assessed(1)), assessed(2), None, "unconfirmed", 2),
    "unconfirmed-and-not-assessed": (UNCONFIRMED, assessed(2, dated=0), None, "unconfirmed", 0),
    "never-remediated": (
        ledger_of(assessed(0, found()), assessed(1), assessed(2)),
        assessed(9),
        None,
        "unconfirmed",
        2,
    ),
    "found-again": (ledger_of(assessed(0, found()), assessed(1)), assessed(2, found()), "still_there", "open", 0),
    "excepted-no-more": (EXCEPTED, assessed(2), None, "excepted", 1),
    "excepted-and-then-assessed": (GONE, assessed(3), "no_longer_reported", "unconfirmed", 2),
    "excepted-and-not-assessed": (GONE, assessed(3, dated=2), None, "excepted", 1),
    "left-and-back": (LEFT, assessed(2), "no_longer_reported", "unconfirmed", 1),
    "left-and-back-not-assessed": (LEFT, assessed(2, dated=0), "unconfirmed", "unconfirmed", 0),
    "remediated-before": (REMEDIATED, assessed(2), None, "remediated", 0),
    # Another source of truth takes over, as when a console's user got the right to reports.
    "missed-and-then-proved": (
        ledger_of(snapshot(0, [found()], [scanned(0)]), assessed(1)),
        snapshot(2, [], [scanned(2)]),
        "remediated",
        "remediated",
        0,
    ),
    "missed-and-the-same-scan-again": (
        ledger_of(snapshot(0, [found()], [scanned(0)]), assessed(1)),
        snapshot(2, [], [scanned(1)]),
        None,
        "unconfirmed",
        1,
    ),
    "missed-and-its-credentials-were-never-told": (
        ledger_of(assessed(0, found()), assessed(1)),
        snapshot(2, [], [scanned(2)]),
        None,
        "unconfirmed",
        2,
    ),
}


@pytest.mark.parametrize(
    ("ledger", "said", "kind", "state", "missed"), ASSESSED_TABLE.values(), ids=ASSESSED_TABLE.keys()
)
def test_a_source_that_tells_no_credentials(
    ledger: pl.DataFrame, said: Snapshot, kind: str | None, state: str, missed: int
) -> None:
    observed = observe(said, ledger)
    assert kinds(observed) == ([kind] if kind else [])
    ledger = after(ledger, observed)
    assert (states(ledger), ledger["missed"].to_list()) == ([state], [missed])


CREDENTIALS = (None, -1, 1, 2, 3, 4)
# Which scans prove a finding gone that was seen with credentials 3 = 4, 1 = 2, -1 or untold ones.
GOOD_ENOUGH = {None: {None}, -1: {-1}, 1: {1, 2, 3, 4}, 2: {1, 2, 3, 4}, 3: {3, 4}, 4: {3, 4}}


@pytest.mark.parametrize("now", CREDENTIALS, ids=lambda value: f"now-{value}")
@pytest.mark.parametrize("before", CREDENTIALS, ids=lambda value: f"seen-with-{value}")
def test_credentials(before: int | None, now: int | None) -> None:
    ledger = ledger_of(snapshot(0, [found()], [scanned(0, before)]))
    otherwise = "no_longer_reported" if before is None else "unconfirmed"
    expected = "remediated" if now in GOOD_ENOUGH[before] else otherwise
    assert kinds(observe(snapshot(1, [], [scanned(1, now)]), ledger)) == [expected]


@pytest.mark.parametrize(
    ("seen_with", "kept"),
    [
        pytest.param([4, 1], 1, id="the-weaker-is-enough-to-see-it"),
        pytest.param([1, 4], 1, id="and-stays-so"),
        pytest.param([4, None], 4, id="untold-changes-nothing"),
        pytest.param([None, 3], 3, id="told-later"),
        pytest.param([-1, 4], 4, id="not-applicable-is-not-the-weakest"),
        pytest.param([4, -1], -1, id="the-newer-where-they-cannot-be-compared"),
        pytest.param([3, 4], 3, id="equal"),
    ],
)
def test_credentials_that_are_kept(seen_with: list[int | None], kept: int) -> None:
    ledger = ledger_of(*(snapshot(day, [found()], [scanned(day, one)]) for day, one in enumerate(seen_with)))
    assert ledger["credentials"].to_list() == [kept]


@pytest.mark.parametrize(
    ("last_found", "kind"),
    [
        pytest.param(MONDAY + 2 * DAY, "unconfirmed", id="seen-after-the-scan-began"),
        pytest.param(MONDAY + DAY, "unconfirmed", id="seen-when-the-scan-began"),
        pytest.param(MONDAY + DAY - timedelta(seconds=1), "remediated", id="seen-before-the-scan-began"),
    ],
)
def test_the_scan_starts_after_the_finding_was_last_seen(last_found: datetime, kind: str) -> None:
    ledger = ledger_of(snapshot(0, [found(last_found=last_found)], [scanned(0)]))
    assert kinds(observe(snapshot(2, [], [scanned(1)]), ledger)) == [kind]


def test_the_assessed_time_stands_in_for_a_scans_start() -> None:
    assessed = {"asset": "a1", "assessed": MONDAY + DAY, "credentials": 4}
    assert kinds(observe(snapshot(1, [], [assessed]), OPEN)) == ["remediated"]


def test_a_scan_from_the_time_of_an_exception_proves_nothing() -> None:
    excepted = [snapshot(0, [found()], [scanned(0)]), snapshot(1, [], [scanned(1)], [accepted()])]
    gone = ledger_of(*excepted, snapshot(2, [], [scanned(2)]))
    assert gone.select("state", "missed", "scan_started").rows() == [("excepted", 1, MONDAY + 2 * DAY)]
    assert gone["since"].equals(EXCEPTED["since"])
    assert observe(snapshot(3, [], [scanned(2)]), gone).delta.is_empty()
    assert kinds(observe(snapshot(4, [], [scanned(4)]), gone)) == ["remediated"]


def test_an_exception_that_is_back_takes_the_mark_away() -> None:
    back = after(GONE, observe(snapshot(3, [], [scanned(3)], [accepted()]), GONE))
    assert back.select("state", "missed").rows() == [("excepted", 0)]
    again = observe(snapshot(4, [], [scanned(4)]), back)
    assert kinds(again) == [] and after(back, again)["missed"].to_list() == [1]


def test_what_is_remediated_or_found_after_an_exception_has_no_mark() -> None:
    for findings in ([], [found()]):
        said = snapshot(3, findings, [scanned(3)])
        assert observe(said, GONE).delta["missed"].to_list() == [0]


def test_the_evidence_of_a_change_is_in_the_ledger() -> None:
    row = REMEDIATED.row(0, named=True)
    assert (row["scan"], row["scan_started"]) == ("scan 1", MONDAY + DAY)
    assert row["since"] == MONDAY + DAY + timedelta(hours=6)
    assert row["last_found"] == MONDAY


def test_an_unconfirmed_finding_keeps_the_scan_that_saw_it() -> None:
    assert UNCONFIRMED["scan"].to_list() == ["scan 0"]


def test_the_time_of_first_finding_is_kept() -> None:
    first = found(first_found=MONDAY - 9 * DAY)
    ledger = ledger_of(snapshot(0, [first], [scanned(0)]), snapshot(1, [found(first_found=MONDAY)], [scanned(1)]))
    assert ledger["first_found"].to_list() == [MONDAY - 9 * DAY]


def test_what_is_seen_again_is_no_news_and_moves_the_proof() -> None:
    observed = observe(snapshot(1, [found()], [scanned(1)]), OPEN)
    assert kinds(observed) == []
    assert observed.delta["scan"].to_list() == ["scan 1"]
    # Missing in the same scan's later snapshot: that scan had seen it.
    assert kinds(observe(snapshot(2, [], [scanned(1)]), after(OPEN, observed))) == ["unconfirmed"]


@pytest.mark.parametrize("change", [{"instances": 2}, {"last_found": MONDAY + DAY}], ids=["instances", "last-found"])
def test_a_detail_that_changes_is_written_once(change: dict[str, Any]) -> None:
    said = snapshot(1, [found(**change)], [scanned(0)])
    observed = observe(said, OPEN)
    assert kinds(observed) == [] and len(observed.delta) == 1
    assert len(observe(said, after(OPEN, observed)).delta) == 0


@pytest.mark.parametrize(
    ("scanned_before", "expected"),
    [
        pytest.param(2, [], id="scanned-later-without-it"),
        pytest.param(1, ["new"], id="by-the-same-scan"),
        pytest.param(0, ["new"], id="scanned-before"),
        pytest.param(None, ["new"], id="never-scanned"),
    ],
)
@pytest.mark.parametrize("proof", [Proof.FILE, Proof.SCAN, Proof.NOTHING])
def test_what_only_an_older_scan_saw_is_no_news(proof: Proof, scanned_before: int | None, expected: list[str]) -> None:
    moment = None if scanned_before is None else MONDAY + scanned_before * DAY
    before = frame(SCANNED, {"asset": "a1", "scan_started": moment}, {"asset": "a2", "scan_started": MONDAY + 9 * DAY})
    observed = observe(snapshot(3, [found()], [scanned(1)], proof=proof), empty_ledger(), before)
    assert kinds(observed) == expected and len(observed.delta) == len(expected)


def overlapping(hour: int, *, fixed: bool = False) -> Snapshot:
    """What a scan told that began on day 0 and came to the asset on day 1, at an hour, where another began at two."""
    seen = MONDAY + DAY + timedelta(hours=hour - 2)
    one = snapshot(2, [] if fixed else [found(last_found=seen)], [scanned(0)], proof=Proof.NOTHING)
    gone = frame(FIXED, {"asset": "a1", "vulnerability": "v1", "fixed": seen}) if fixed else one.fixed
    return replace(one, fixed=gone)


@pytest.mark.parametrize(("hour", "expected"), [(1, []), (9, ["new"])])
def test_a_scan_that_began_before_another_may_have_come_after_it(hour: int, expected: list[str]) -> None:
    before = frame(SCANNED, {"asset": "a1", "scan_started": MONDAY + DAY})
    assert kinds(observe(overlapping(hour), empty_ledger(), before)) == expected


@pytest.mark.parametrize(("hour", "expected"), [(1, "open"), (9, "remediated")])
def test_what_such_a_scan_calls_fixed_is_fixed(hour: int, expected: str) -> None:
    ledger = ledger_of(snapshot(1, [found()], [scanned(1)], proof=Proof.NOTHING))
    assert states(after(ledger, observe(overlapping(hour, fixed=True), ledger))) == [expected]


@pytest.mark.parametrize(("hour", "expected"), [(1, "remediated"), (9, "open")])
def test_what_such_a_scan_found_again_is_open(hour: int, expected: str) -> None:
    ledger = ledger_of(snapshot(0, [found()], [scanned(0)]), snapshot(1, [], [scanned(1)]))
    assert states(ledger) == ["remediated"]
    assert states(after(ledger, observe(overlapping(hour), ledger))) == [expected]


# A source that holds all findings of its devices, and no scans.


def report(day: int, *findings: dict[str, Any], dated: int | None = None, **more: Any) -> Snapshot:
    device = {"asset": "a1", "assessed": None if dated is None else MONDAY + dated * DAY}
    return snapshot(day, list(findings), [device], proof=Proof.DEVICES, **more)


@pytest.mark.parametrize("dates", [(0, 1, 2, 3), (None, None, None, None)], ids=["dated", "undated"])
def test_reports_in_a_row_without_the_finding_are_counted(dates: tuple[int | None, ...]) -> None:
    ledger = ledger_of(report(0, found(), dated=dates[0]))
    told = []
    for day, dated in enumerate(dates[1:], start=1):
        for _ in range(2):
            observed = observe(report(day, dated=dated), ledger)
            ledger = after(ledger, observed)
            told.append((kinds(observed), ledger["missed"][0], states(ledger)[0]))
    # Each report twice: the second time changes nothing. It is news once, and counted to two.
    assert told == [
        (["no_longer_reported"], 1, "unconfirmed"),
        ([], 1, "unconfirmed"),
        ([], 2, "unconfirmed"),
        ([], 2, "unconfirmed"),
        ([], 2, "unconfirmed"),
        ([], 2, "unconfirmed"),
    ]


DEVICES_TABLE = {
    "not-newer": ([report(0, found(), dated=0), report(1, dated=0)], [], "open", 0),
    "device-not-in-it": (
        [report(0, found(), dated=0), snapshot(1, [], [], proof=Proof.DEVICES)],
        [],
        "open",
        0,
    ),
    "found-again": (
        [report(0, found(), dated=0), report(1, dated=1), report(2, found(), dated=2)],
        ["still_there"],
        "open",
        0,
    ),
    "counted-anew": (
        [report(0, found(), dated=0), report(1, dated=1), report(2, found(), dated=2), report(3, dated=3)],
        ["no_longer_reported"],
        "unconfirmed",
        1,
    ),
    "never-remediated-by-absence": (
        [report(0, found(), dated=0), *(report(day, dated=day) for day in range(1, 9))],
        [],
        "unconfirmed",
        2,
    ),
}


@pytest.mark.parametrize(("said", "kind", "state", "missed"), DEVICES_TABLE.values(), ids=DEVICES_TABLE.keys())
def test_a_source_that_tells_its_devices(said: list[Snapshot], kind: list[str], state: str, missed: int) -> None:
    ledger = ledger_of(*said[:-1])
    observed = observe(said[-1], ledger)
    assert kinds(observed) == kind
    ledger = after(ledger, observed)
    assert (states(ledger), ledger["missed"].to_list()) == ([state], [missed])


@pytest.mark.parametrize("dated", [0, None], ids=["dated", "undated"])
def test_the_report_with_which_an_exception_lapses_is_not_counted_again(dated: int | None) -> None:
    excepted = ledger_of(report(0, found(), dated=dated), report(1, dated=dated, exceptions=[accepted()]))
    lapsed = observe(report(2, dated=dated), excepted)
    assert kinds(lapsed) == ["exception_lapsed"]
    assert observe(report(2, dated=dated), after(excepted, lapsed)).delta.is_empty()


def test_an_exception_of_a_source_that_tells_its_devices() -> None:
    ledger = ledger_of(report(0, found(), dated=0))
    assert kinds(observe(report(1, dated=1, exceptions=[accepted()]), ledger)) == ["excepted"]


@pytest.mark.parametrize("ledger", [OPEN, UNCONFIRMED, REMEDIATED, EXCEPTED, LEFT], ids=lambda frame: frame["state"][0])
def test_absence_from_a_list_proves_nothing(ledger: pl.DataFrame) -> None:
    said = snapshot(5, [], [scanned(5)], proof=Proof.NOTHING)
    assert len(observe(said, ledger).delta) == 0


def test_what_a_list_holds_is_believed() -> None:
    said = snapshot(5, [found(), found("a2")], [], proof=Proof.NOTHING)
    assert kinds(observe(said, REMEDIATED)) == ["rediscovered", "new"]


def test_a_source_speaks_of_each_finding_alone() -> None:
    ledger = ledger_of(
        snapshot(0, [found(), found("a2"), found("a3")], [scanned(0, asset=a) for a in ("a1", "a2", "a3")])
    )
    said = snapshot(1, [found("a2")], [scanned(1), scanned(1, asset="a2"), scanned(0, asset="a3")])
    assert kinds(observe(said, ledger)) == ["remediated", "unconfirmed"]


# Properties

assets = st.sampled_from(["a1", "a2", "a3"])
times = st.none() | st.integers(-1, 6).map(lambda day: MONDAY + day * DAY)
findings_rows = st.builds(
    lambda asset, vulnerability, solution, last, instances: found(
        asset, vulnerability, solution, last_found=last, instances=instances
    ),
    assets,
    st.sampled_from(["v1", "v2"]),
    st.sampled_from(["s1", "s2"]),
    times,
    st.none() | st.integers(1, 2),
)
coverage_rows = st.builds(
    lambda asset, scan, started, credentials: {
        "asset": asset,
        "scan": scan,
        "scan_started": started,
        "credentials": credentials,
    },
    assets,
    st.none() | st.sampled_from(["x", "y"]),
    times,
    st.sampled_from(CREDENTIALS),
)
exception_rows = st.builds(
    lambda asset, status, expires: accepted(status, expires, asset),
    assets,
    st.sampled_from(["Approved", "Rejected"]),
    st.none() | st.just(date(2026, 3, 4)),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Snapshot]:
    proofs = draw(st.sampled_from([*([proof] for proof in Proof), list(Proof)]))
    return [
        snapshot(
            day,
            draw(st.lists(findings_rows, max_size=6)),
            draw(st.lists(coverage_rows, max_size=4)),
            draw(st.lists(exception_rows, max_size=2)),
            draw(st.sampled_from(proofs)),
        )
        for day in sorted(draw(st.lists(st.integers(0, 5), min_size=1, max_size=5)))
    ]


@settings(deadline=None)
@given(histories())
def test_the_same_snapshot_again_changes_nothing(history: list[Snapshot]) -> None:
    ledger = empty_ledger()
    for said in history:
        ledger = after(ledger, observe(said, ledger))
        again = observe(said, ledger)
        assert again.delta.is_empty() and again.observations.is_empty()


@settings(deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_the_order_of_rows_never_matters(history: list[Snapshot], chance: random.Random) -> None:
    ledger = ledger_of(*history[:-1])
    said = history[-1]

    def shuffled(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.sample(fraction=1, shuffle=True, seed=chance.randrange(1000))

    other = Snapshot(
        said.taken, said.proof, *(shuffled(one) for one in (said.findings, said.assets, said.coverage, said.exceptions))
    )
    one, two = observe(said, ledger), observe(other, shuffled(ledger))
    assert one.delta.equals(two.delta) and one.observations.equals(two.observations)


@settings(deadline=None)
@given(histories())
def test_nothing_is_remediated_without_a_later_scan_and_good_enough_credentials(history: list[Snapshot]) -> None:
    ledger = empty_ledger()
    for said in history:
        observed = observe(said, ledger)
        settled = observed.delta.filter(pl.col("state") == "remediated")
        for row in settled.iter_rows(named=True):
            assert said.proof in (Proof.SCAN, Proof.FILE)
            before = ledger.filter(asset=row["asset"], vulnerability=row["vulnerability"]).row(0, named=True)
            scans = said.coverage.filter(pl.col("asset") == row["asset"]).rows(named=True)
            proofs = [one for one in scans if one["credentials"] in GOOD_ENOUGH[before["credentials"]]]
            assert any(one["scan_started"] and one["scan_started"] > before["last_found"] for one in proofs)
        ledger = after(ledger, observed)


@settings(deadline=None)
@given(histories())
def test_the_delta_has_the_ledgers_columns_and_each_finding_once(history: list[Snapshot]) -> None:
    observed = observe(history[-1], ledger_of(*history[:-1]))
    assert dict(observed.delta.schema) == {name: pl.Schema(LEDGER)[name] for name in LEDGER}
    assert observed.delta.select(KEY).n_unique() == len(observed.delta)
    assert not observed.observations["kind"].is_in(["seen_again", "missed_again"]).any()
