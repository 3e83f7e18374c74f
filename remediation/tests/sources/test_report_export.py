"""A snapshot that is written to a file and read again is the same."""

from __future__ import annotations

import io
from datetime import datetime, timezone
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from remediation.domain.snapshot import SEVERITIES, Proof, Snapshot
from remediation.sources import insightvm_console
from remediation.sources.report_export import ESCAPED, exported
from remediation.sources.report_file import Holds, read_report
from remediation.sources.scanner_rows import SCANNER_ROWS
from remediation.sources.scanner_snapshot import snapshot_of_rows
from stand_ins.insightvm_console import Console

TAKEN = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)


def again(snapshot: Snapshot) -> Snapshot:
    file = io.BytesIO()
    exported(snapshot).write_csv(file)
    return read_report(file.getvalue(), taken=snapshot.taken, holds=Holds.LISTED)


def told(snapshot: Snapshot) -> list[list[dict[str, Any]]]:
    """What there is of assets with findings. An empty list is the same as none."""
    with_findings = snapshot.findings.select("asset").unique()
    frames = (
        snapshot.findings.sort("asset", "vulnerability"),
        *(one.join(with_findings, on="asset").sort("asset") for one in (snapshot.assets, snapshot.coverage)),
    )
    lists = pl.col(pl.List(pl.String)).fill_null(pl.lit([], pl.List(pl.String)))
    return [frame.with_columns(lists).to_dicts() for frame in frames]


def test_what_a_console_says(console: Console) -> None:
    said = insightvm_console.InsightVmConsole(console.url, console.user, console.password).snapshot()
    assert said.findings.height > 10 and told(again(said)) == told(said)


TEXT = st.text(st.characters(blacklist_characters="\0|,", blacklist_categories=["Cs"]), min_size=1, max_size=10)
STAMP = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(lambda one: f"{one:%Y-%m-%d %H:%M:%S}")
ROW = st.fixed_dictionaries(
    {
        "asset_id": st.sampled_from(["a", "=a", "'+b", "-1"]),
        "vulnerability": st.sampled_from(["v1", "@v2", "''=v3"]),
        "severity": st.sampled_from(SEVERITIES),
        "title": TEXT | st.sampled_from(["=cmd|' /C calc'!A0", "'quoted'", "a\r\nb"]),
        "solution_fix": TEXT,
        "cvss3": st.sampled_from([None, "7.5", "0"]),
        "vpr": st.sampled_from([None, "9.1"]),
        "epss": st.sampled_from([None, "0.25"]),
        "family": st.sampled_from([None, "CISCO"]),
        "cves": st.sampled_from([None, "CVE-2026-1000 CVE-2026-1001"]),
        "sites": st.sampled_from([None, "A|B"]),
        "owner_tags": st.sampled_from([None, "x|=y"]),
        "first_found": STAMP,
        "last_found": STAMP,
        "assessed": STAMP,
        "scan_started": STAMP,
    }
)


@given(st.lists(ROW, min_size=1, max_size=6))
def test_what_any_scanner_says(cells: list[dict[str, Any]]) -> None:
    said, errors = snapshot_of_rows(pl.DataFrame(cells, schema=SCANNER_ROWS), taken=TAKEN, proof=Proof.NOTHING)
    assert errors.is_empty()
    # Where no scan is told, ours takes the time of the assessment for its beginning.
    whole = said.coverage.filter(pl.col("scan_started").is_not_null())["asset"]
    if whole.len() < said.coverage.height:
        return
    assert told(again(said)) == told(said)


def test_a_spreadsheet_takes_no_cell_for_a_formula() -> None:
    cells = {"asset_id": "=a", "vulnerability": "+v", "title": "@t", "severity": "high", "solution_fix": "-f"}
    said, _ = snapshot_of_rows(pl.DataFrame([cells], schema=SCANNER_ROWS), taken=TAKEN, proof=Proof.NOTHING)
    row = exported(said).row(0, named=True)
    assert row[ESCAPED] == "yes"
    assert not [name for name, cell in row.items() if cell and cell.startswith(("=", "+", "-", "@"))]
