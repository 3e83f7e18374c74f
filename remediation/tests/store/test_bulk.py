"""Frames go into the tables and come out again, and what has not changed is not written."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest
from django.db import connection, transaction
from polars.testing import assert_frame_equal

from remediation.domain.ledger import KEY, LEDGER, State
from remediation.domain.observe import OBSERVATIONS
from remediation.domain.snapshot import ASSETS, COVERAGE, DESCRIPTIONS, EXCEPTIONS, FINDINGS, UTC_TIME, Proof, Snapshot
from remediation.store import bulk, intake, models
from remediation.store.cves import tell_vulnerabilities
from remediation.store.intake import take_in
from remediation.store.packing import content_hash

NOON = datetime(2026, 6, 1, 12, 0, 0, 123456, timezone.utc)
DAY = timedelta(days=1)
HOSTILE = 'a "quote", a \\N, a \\, {brace}, \ta line\nbreak\r\n é 漢 \'; DROP TABLE x'


@pytest.fixture
def source(store: str) -> int:
    return models.Source.objects.create(name="console", kind="insightvm").pk


def ledger(*rows: dict[str, Any]) -> pl.DataFrame:
    """Rows of the ledger, whole where the test does not care."""
    plain = {
        "asset": "1",
        "vulnerability": "cve-1",
        "solution": "patch",
        "state": "open",
        "since": NOON,
        "first_found": NOON,
        "last_found": NOON,
        "instances": 1,
        "scan": "7",
        "scan_started": NOON,
        "credentials": 4,
        "missed": 0,
    }
    return pl.DataFrame([plain | row for row in rows], schema=LEDGER)


def many(rows: int) -> pl.DataFrame:
    """A ledger of as many findings, a hundred for each asset."""
    number = pl.int_range(rows, eager=True)
    return (
        pl.DataFrame(
            {
                "asset": (number // 100).cast(pl.String),
                "vulnerability": "cve-2026-" + (number % 100).cast(pl.String),
                "solution": "patch-" + (number % 50).cast(pl.String),
            }
        )
        .select(
            *KEY,
            "solution",
            **{name: pl.lit(value) for name, value in ledger({}).drop(*KEY, "solution").row(0, named=True).items()},
        )
        .cast(LEDGER)
    )


def snapshot(**frames: list[dict[str, Any]]) -> Snapshot:
    """A snapshot with the rows; what a row does not name is null."""
    schemas = {"findings": FINDINGS, "assets": ASSETS, "coverage": COVERAGE, "exceptions": EXCEPTIONS}
    made = {name: pl.DataFrame(frames.get(name, []), schema=schema) for name, schema in schemas.items()}
    return Snapshot(taken=NOON, proof=Proof.SCAN, rows=3, **made)


def versions(table: str) -> dict[str, str]:
    """Which transaction wrote or locked each row last: what is the same has not been touched."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT ctid::text, xmin::text || '-' || xmax::text FROM {table}")
        return dict(cursor.fetchall())


# The ledger


def test_a_ledger_comes_back_as_it_was(source: int) -> None:
    frame = ledger(
        {},
        {"asset": "2", "solution": None, "scan": "", "since": None, "instances": None, "credentials": -1},
        {
            "asset": HOSTILE,
            "vulnerability": HOSTILE,
            "scan": HOSTILE,
            "scan_started": datetime(1999, 1, 1, tzinfo=timezone.utc),
        },
    )
    assert bulk.write_ledger(source, frame) == 3
    read = bulk.read_ledger(source)
    assert read.schema == LEDGER
    assert_frame_equal(read.sort(KEY), frame.sort(KEY))


def test_an_empty_ledger_has_its_columns(source: int) -> None:
    assert_frame_equal(bulk.read_ledger(source), pl.DataFrame(schema=LEDGER))
    assert bulk.write_ledger(source, pl.DataFrame(schema=LEDGER)) == 0


def test_a_delta_changes_its_rows_and_no_others(source: int) -> None:
    bulk.write_ledger(source, many(300))
    before = versions("store_finding")
    delta = many(300).head(10).with_columns(state=pl.lit(State.REMEDIATED.value))
    assert bulk.write_ledger(source, pl.concat([delta, many(302).tail(2)])) == 12
    after = versions("store_finding")
    assert len(before.items() & after.items()) == 290
    assert dict(bulk.read_ledger(source)["state"].value_counts().iter_rows()) == {"open": 292, "remediated": 10}


def test_the_same_again_touches_nothing(source: int) -> None:
    frame = many(300).with_columns(since=pl.lit(None, dtype=LEDGER["since"]))
    bulk.write_ledger(source, frame)
    before = versions("store_finding")
    assert bulk.write_ledger(source, frame) == 0
    assert versions("store_finding") == before


def test_sources_are_apart(source: int) -> None:
    other = models.Source.objects.create(name="file", kind="file").pk
    bulk.write_ledger(source, ledger({}))
    bulk.write_ledger(other, ledger({"state": "remediated"}))
    assert bulk.read_ledger(source)["state"].to_list() == ["open"]
    assert bulk.read_ledger(other)["state"].to_list() == ["remediated"]


def test_a_write_belongs_to_the_transaction_around_it(source: int) -> None:
    with pytest.raises(RuntimeError, match="later"), transaction.atomic():
        bulk.write_ledger(source, ledger({}))
        raise RuntimeError("something later fails")
    assert bulk.read_ledger(source).is_empty()


def test_two_writes_may_be_in_one_transaction(source: int) -> None:
    with transaction.atomic():
        bulk.write_ledger(source, ledger({}))
        bulk.write_ledger(source, ledger({"state": "left"}))
    assert bulk.read_ledger(source)["state"].to_list() == ["left"]


def test_two_writers_of_one_source_come_one_after_the_other(source: int, store: str) -> None:
    def write(state: str) -> int:
        try:
            return bulk.write_ledger(source, many(5_000).with_columns(state=pl.lit(state)))
        finally:
            connection.close()  # each thread has its own

    with ThreadPoolExecutor(4) as pool:
        written = list(pool.map(write, ["open", "left", "open", "left"]))
    assert max(written) == 5_000
    assert bulk.read_ledger(source)["state"].n_unique() == 1


def test_the_orm_sees_the_ledger(source: int) -> None:
    bulk.write_ledger(source, ledger({}))
    row = models.Finding.objects.get(source=source, asset="1", vulnerability="cve-1")
    assert (row.state, row.since, row.credentials) == ("open", NOON, 4)


def test_a_hundred_thousand_rows_take_seconds_at_most(source: int) -> None:
    frame = many(100_000)
    times = []
    for work in (
        lambda: bulk.write_ledger(source, frame),
        lambda: bulk.write_ledger(source, frame.head(5_000).with_columns(missed=pl.lit(1, dtype=pl.Int64))),
        lambda: bulk.read_ledger(source),
    ):
        begin = time.perf_counter()
        work()
        times.append(round(time.perf_counter() - begin, 2))
    print("write, change 5 %, read:", times)
    assert times[0] < 5 and times[1] < 1 and times[2] < 2, times


# Assets


def test_assets_come_from_both_frames_with_their_coverage(source: int) -> None:
    taken = snapshot(
        assets=[{"asset": "1", "host_name": "web", "sites": ["DMZ", HOSTILE], "owner_tags": []}],
        coverage=[
            {"asset": "1", "host_name": "old name", "scan": "7", "scan_started": NOON, "credentials": 4},
            {"asset": "2", "ip": "10.0.0.2", "scan": "7"},
        ],
    )
    assert bulk.write_assets(source, taken) == 2
    read = bulk.read_assets(source).sort("asset")
    assert read.schema == bulk.ASSET_ROWS
    assert read["host_name"].to_list() == ["web", None]
    assert read["ip"].to_list() == [None, "10.0.0.2"]
    assert read["sites"].to_list() == [["DMZ", HOSTILE], []]
    assert read["scan_started"].to_list() == [NOON, None]
    assert read["covered"].to_list() == [True, True]
    assert bulk.write_assets(source, taken) == 0


def test_what_a_snapshot_does_not_tell_of_an_asset_stays(source: int) -> None:
    bulk.write_assets(source, snapshot(assets=[{"asset": "1", "host_name": "web", "sites": ["DMZ"]}]))
    bulk.write_assets(source, snapshot(coverage=[{"asset": "1", "scan": "8"}]))
    row = models.Asset.objects.get()
    assert (row.host_name, row.sites, row.scan, row.covered) == ("web", ["DMZ"], "8", True)


@pytest.mark.parametrize("column", ["scan_started", "assessed"])
def test_an_asset_whose_stored_scan_is_later_stays_as_it_is(source: int, column: str) -> None:
    def said(day: int, *assets: str) -> Snapshot:
        moment = NOON + timedelta(days=day)
        return snapshot(
            assets=[{"asset": asset, "host_name": f"{asset}-{day}", "owner_tags": [f"team {day}"]} for asset in assets],
            coverage=[{"asset": asset, "scan": str(day), column: moment} for asset in assets],
        )

    bulk.write_assets(source, said(8, "1"))
    assert bulk.write_assets(source, said(7, "1", "2")) == 1
    stored = bulk.read_assets(source).sort("asset").select("host_name", "owner_tags", "scan", "covered")
    assert stored.rows() == [("1-8", ["team 8"], "8", True), ("2-7", ["team 7"], "7", True)]
    assert bulk.write_assets(source, said(9, "1", "2")) == 2


def test_an_asset_leaves_the_coverage_of_a_scanner(source: int) -> None:
    both = snapshot(coverage=[{"asset": "1"}, {"asset": "2"}])
    bulk.write_assets(source, both)
    assert bulk.covered_assets(source) == 2
    assert bulk.write_assets(source, snapshot(coverage=[{"asset": "1"}])) == 1
    assert bulk.covered_assets(source) == 1
    assert (
        bulk.write_assets(source, snapshot(assets=[{"asset": "1"}])) == 1
    ), "it knows the asset, and covers it no more"
    assert bulk.covered_assets(source) == 0


def test_an_older_whole_file_covers_no_less(source: int) -> None:
    def said(day: int, *assets: str) -> Snapshot:
        moment = NOON + timedelta(days=day)
        rows = [{"asset": name, "scan_started": moment, "assessed": moment} for name in assets]
        return replace(snapshot(coverage=rows), proof=Proof.FILE)

    bulk.write_assets(source, said(5, "1", "2"))
    bulk.write_assets(source, said(1, "1"))
    assert bulk.covered_assets(source) == 2
    bulk.write_assets(source, said(9, "1"))
    assert bulk.covered_assets(source) == 1


@pytest.mark.parametrize("proof", [Proof.DEVICES, Proof.NOTHING])
def test_an_asset_that_a_file_does_not_list_stays_covered(source: int, proof: Proof) -> None:
    bulk.write_assets(source, replace(snapshot(coverage=[{"asset": "1"}, {"asset": "2"}]), proof=proof))
    bulk.write_assets(source, replace(snapshot(assets=[{"asset": "1"}]), proof=proof))
    assert bulk.covered_assets(source) == 2


# Vulnerabilities and solutions

FINDING = {
    "asset": "1",
    "vulnerability": "cve-1",
    "title": "A hole",
    "severity": "high",
    "cvss": 7.5,
    "risk": 500.0,
    "exploits": 1,
    "cves": ["CVE-2026-1"],
    "solution": "patch",
    "solution_name": "Patch it",
    "solution_fix": HOSTILE,
    "solution_type": "patch",
    "solution_url": "https://example.org",
    "solution_estimate": "PT10M",
}


def test_a_vulnerability_has_the_worst_that_is_told_of_it_in_any_order(source: int) -> None:
    rows = [
        FINDING,
        FINDING | {"asset": "2", "severity": "critical", "risk": 700.0},
        FINDING | {"asset": "3", "cvss": None},
    ]
    bulk.write_vulnerabilities(source, bulk.vulnerability_rows(snapshot(findings=rows)))
    tell_vulnerabilities(source)
    read = bulk.read_vulnerabilities(source)
    assert read.schema == bulk.ENRICHED_ROWS
    worst = ("cve-1", "A hole", "critical", None, 7.5, 700.0, None, None, 1, ["CVE-2026-1"], False, None)
    assert read.rows() == [worst]
    assert bulk.write_vulnerabilities(source, bulk.vulnerability_rows(snapshot(findings=rows[::-1]))) == 0


def test_a_description_stays_where_a_later_snapshot_tells_none_and_makes_no_vulnerability(source: int) -> None:
    told = pl.DataFrame({"vulnerability": ["cve-1", "never-found"], "description": [HOSTILE, "x"]}, DESCRIPTIONS)
    taken = snapshot(findings=[FINDING])
    assert bulk.write_vulnerabilities(source, bulk.vulnerability_rows(replace(taken, descriptions=told))) == 1
    assert bulk.write_vulnerabilities(source, bulk.vulnerability_rows(taken)) == 0
    assert list(models.Vulnerability.objects.values_list("vulnerability", "description")) == [("cve-1", HOSTILE)]
    other = told.with_columns(pl.lit("another").alias("description"))
    assert bulk.write_vulnerabilities(source, bulk.vulnerability_rows(replace(taken, descriptions=other))) == 1
    assert models.Vulnerability.objects.get().description == "another"


def test_no_words_are_left_for_later(source: int) -> None:
    """Each search would go through them."""
    assert bulk.write_vulnerabilities(source, bulk.vulnerability_rows(snapshot(findings=[FINDING]))) == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT gin_clean_pending_list('searched_words')")
        assert cursor.fetchone() == (0,), "pages of what is to be put into it later"


def test_a_solution_is_written_once_and_again_where_it_changed(source: int) -> None:
    rows = [FINDING, FINDING | {"asset": "2"}, FINDING | {"vulnerability": "cve-2", "solution": "other"}]
    assert bulk.write_solutions(source, bulk.solution_rows(snapshot(findings=rows))) == 2
    assert bulk.write_solutions(source, bulk.solution_rows(snapshot(findings=rows))) == 0
    changed = [row | {"solution_estimate": "PT1H"} if row["solution"] == "other" else row for row in rows]
    assert bulk.write_solutions(source, bulk.solution_rows(snapshot(findings=changed))) == 1
    read = bulk.read_solutions(source).sort("solution")
    assert read.schema == bulk.SOLUTION_ROWS
    assert read["solution_estimate"].to_list() == ["PT1H", "PT10M"]
    assert read["solution_fix"].to_list() == [HOSTILE] * 2


def test_findings_are_found_by_a_solution_whatever_its_vulnerabilities_were(source: int) -> None:
    own = FINDING | {"vulnerability": "cve-2"}
    for rows in ([FINDING], [own], [own | {"asset": "2", "solution": "other"}]):
        bulk.write_solutions(source, bulk.solution_rows(snapshot(findings=rows)))
    assert bulk.vulnerabilities_of(source, "patch") == ["cve-1", "cve-2"]
    assert bulk.vulnerabilities_of(source, "other") == ["cve-2"]
    assert bulk.vulnerabilities_of(source, "unknown") == []
    bulk.write_ledger(
        source,
        ledger(
            {"solution": "patch"},
            {"vulnerability": "cve-2", "solution": "patch"},
            {"asset": "2", "vulnerability": "cve-2", "solution": "other"},
        ),
    )
    found = {name: bulk.read_alive(source, "solution", name, 9).select(KEY).rows() for name in ("patch", "other", "x")}
    assert found == {"patch": [("1", "cve-1"), ("1", "cve-2")], "other": [("2", "cve-2")], "x": []}


def test_findings_have_everything_beside_them(source: int) -> None:
    taken = snapshot(findings=[FINDING], assets=[{"asset": "1", "host_name": "web", "owner_tags": ["Ann"]}])
    bulk.write_assets(source, taken)
    bulk.write_vulnerabilities(source, bulk.vulnerability_rows(taken))
    tell_vulnerabilities(source)
    bulk.write_solutions(source, bulk.solution_rows(taken))
    bulk.write_ledger(source, ledger({}, {"asset": "9", "vulnerability": "unknown", "solution": None}))
    first, second = bulk.read_findings(source).sort("asset").rows(named=True)
    assert (first["host_name"], first["title"], first["solution_name"], first["owner_tags"]) == (
        "web",
        "A hole",
        "Patch it",
        ["Ann"],
    )
    assert (first["scan"], first["severity"], second["severity"], second["host_name"]) == ("7", "high", "none", None)


# Observations and snapshots


def test_observations_are_appended_with_what_else_they_say(source: int) -> None:
    record = bulk.save_snapshot(source, snapshot())
    run = models.Run.objects.create(source_id=source, kind="read").pk
    one = {
        "asset": "1",
        "vulnerability": "cve-1",
        "solution": "patch",
        "kind": "remediated",
        "before": "open",
        "scan": "8",
    }
    frame = pl.DataFrame([one], schema=OBSERVATIONS)
    assert bulk.append_observations(source, record, frame, run_id=run) == 1
    later = bulk.save_snapshot(source, snapshot())
    assert bulk.append_observations(source, later, pl.concat([frame, frame.with_columns(asset=pl.lit("0"))])) == 2
    rows = models.Observation.objects.order_by("place")
    assert [row.asset for row in rows] == ["1", "1", "0"], "in the order of snapshots, and as a snapshot has them"
    assert [row.run_id for row in rows] == [run, None, None]
    assert (rows[0].kind, rows[0].detail, rows[0].snapshot_id) == (
        "remediated",
        {"before": "open", "scan": "8"},
        record,
    )
    assert abs(rows[0].at - datetime.now(timezone.utc)) < timedelta(minutes=5)
    assert bulk.append_observations(source, record, frame.clear()) == 0


WHOLE = {
    "findings": [FINDING | {"instances": 2, "first_found": NOON}, {"asset": "2", "vulnerability": HOSTILE, "cves": []}],
    "assets": [{"asset": "1", "sites": ["DMZ"], "owner_tags": []}, {"asset": "2"}],
    "coverage": [{"asset": "1", "scan_started": NOON, "credentials": -1}],
    "exceptions": [{"asset": "1", "vulnerability": "cve-1", "expires": date(2026, 12, 31), "status": "approved"}],
}


@pytest.mark.parametrize("frames", [WHOLE, {}], ids=["whole", "empty"])
@pytest.mark.parametrize("proof", list(Proof))
def test_a_snapshot_comes_back_as_it_was(source: int, frames: dict[str, Any], proof: Proof) -> None:
    taken = replace(snapshot(**frames), proof=proof)
    back = bulk.load_snapshot(bulk.save_snapshot(source, taken))
    assert (back.taken, back.proof, back.rows) == (NOON, proof, 3)
    for name in ("findings", "assets", "coverage", "exceptions"):
        assert_frame_equal(getattr(back, name), getattr(taken, name))
    record = models.SnapshotRecord.objects.get()
    assert (record.findings, record.assets) == (len(taken.findings), len(taken.coverage))
    assert record.content_hash == content_hash(taken)


def test_the_hash_is_of_the_content_alone() -> None:
    taken = snapshot(**WHOLE)
    later = replace(
        taken, taken=NOON + timedelta(days=7), findings=taken.findings.reverse(), assets=taken.assets.reverse()
    )
    assert content_hash(later) == content_hash(taken)
    for other in (
        replace(taken, proof=Proof.NOTHING),
        replace(taken, exceptions=taken.exceptions.clear()),
        replace(taken, findings=taken.findings.with_columns(title=pl.lit(""))),
        replace(taken, assets=taken.assets.with_columns(owner_tags=pl.lit(["x"], dtype=pl.List(pl.String)))),
    ):
        assert content_hash(other) != content_hash(taken)


@pytest.mark.parametrize("name", list(FINDINGS))
def test_the_hash_is_of_every_column_of_each_finding(name: str) -> None:
    made = snapshot(findings=[FINDING | {"asset": str(number)} for number in range(3)])
    kind = FINDINGS[name]
    values: dict[Any, list[Any]] = {
        pl.String: ["x", "y"],
        pl.List(pl.String): [[], ["x"]],
        UTC_TIME: [NOON, NOON + DAY],
    }
    hashes = {content_hash(made)}
    for value in values.get(kind, [7, 8]):
        second = pl.when(pl.col("asset") == "1").then(pl.lit(value, kind)).otherwise(name).alias(name)
        other = made.findings.with_columns(second)
        hashes.add(content_hash(replace(made, findings=other)))
        assert content_hash(replace(made, findings=other.reverse())) in hashes
    assert len(hashes) == 3


def test_an_exception_that_runs_out_is_news(source: int) -> None:
    console = models.Source.objects.get(pk=source)
    covered = {"asset": "1", "scan": "7", "scan_started": NOON, "credentials": 4}
    excepted = {"asset": "1", "vulnerability": "v", "exception": "e", "status": "Approved", "expires": NOON.date()}
    found = {"asset": "1", "vulnerability": "v", "severity": "high", "cves": []}
    take_in(console, snapshot(findings=[found], coverage=[covered]))
    assert take_in(console, snapshot(coverage=[covered], exceptions=[excepted])).observations == {"excepted": 1}
    said = snapshot(coverage=[covered], exceptions=[excepted])
    assert take_in(console, replace(said, taken=NOON + timedelta(hours=11))).unchanged
    later = replace(said, taken=NOON + timedelta(days=1))
    assert not take_in(console, later).unchanged
    finding = models.Finding.objects.get()
    assert (finding.state, finding.missed) == ("excepted", 1), "the next scan decides"
    assert take_in(console, replace(later, taken=NOON + timedelta(days=2))).unchanged


@pytest.mark.parametrize("is_answer", [True, False])
def test_what_a_scanner_says_again_may_be_news_and_an_old_file_is_none(source: int, is_answer: bool) -> None:
    found = {"asset": "1", "vulnerability": "v", "severity": "high", "cves": [], "last_found": NOON}
    accepted = {"asset": "1", "vulnerability": "v", "exception": "", "status": "approved"}
    first = replace(snapshot(findings=[found], coverage=[{"asset": "1"}]), proof=Proof.NOTHING)
    second = replace(snapshot(exceptions=[accepted], coverage=[{"asset": "1"}]), proof=Proof.NOTHING)
    of = models.Source.objects.get(pk=source)
    for minute, said in enumerate((first, second, first)):
        ended = take_in(of, replace(said, taken=NOON + timedelta(minutes=minute)), is_answer=is_answer)
    assert ended.unchanged is not is_answer
    assert models.Finding.objects.get().state == ("open" if is_answer else "excepted")


@pytest.mark.parametrize("made", ["content_hash", "pack", "counts"])
def test_nothing_is_kept_where_what_is_made_beside_fails(
    source: int, made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger is written by then: no memory may be left for the rest."""

    def fails(_: Snapshot) -> None:
        raise MemoryError(made)

    console = models.Source.objects.get(pk=source)
    taken = snapshot(findings=[FINDING], coverage=[{"asset": "1"}])
    with monkeypatch.context() as patched:
        patched.setattr(intake, made, fails)
        with pytest.raises(MemoryError, match=made):
            take_in(console, taken)
    tables = (models.Finding, models.SnapshotRecord, models.Asset, models.Solution, models.Vulnerability)
    assert [table.objects.count() for table in tables] == [0] * len(tables)
    assert take_in(console, taken).observations == {"new": 1}
