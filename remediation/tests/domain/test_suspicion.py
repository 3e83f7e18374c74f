"""Suspicious input changes nothing: rule 3 of "From a scan to tickets"."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from remediation.domain.snapshot import ASSETS, COVERAGE, FINDINGS, Proof, Snapshot
from remediation.domain.suspicion import suspicions, within_coverage


def snapshot(covered: int, *found_on: str, proof: Proof = Proof.SCAN) -> Snapshot:
    findings = pl.DataFrame({"asset": list(found_on)}, schema_overrides={"asset": pl.String})
    coverage = pl.DataFrame(
        {"asset": [f"a{number}" for number in range(covered)]}, schema_overrides={"asset": pl.String}
    )
    return Snapshot(datetime(2026, 3, 2, tzinfo=UTC), proof, findings, pl.DataFrame(schema=ASSETS), coverage)


@pytest.mark.parametrize(
    ("said", "before", "reasons"),
    [
        pytest.param(snapshot(0), 0, ["the source covers no asset at all"], id="no-coverage-at-first"),
        pytest.param(snapshot(0), 9, ["the source covers no asset at all"], id="no-coverage"),
        pytest.param(snapshot(49), 100, ["coverage shrank from 100 assets to 49"], id="more-than-half-gone"),
        pytest.param(snapshot(50), 100, [], id="half-gone"),
        pytest.param(snapshot(1), 0, [], id="first-snapshot"),
        pytest.param(snapshot(200), 100, [], id="coverage-grew"),
        pytest.param(snapshot(100), 100, [], id="no-findings-is-good-news"),
        pytest.param(snapshot(2, "a0", "a1", "a1"), 2, [], id="findings-within-coverage"),
        pytest.param(
            snapshot(50, "a0", *"uvwxyz"), 50, ["6 assets have findings and are not in the coverage"], id="outside-it"
        ),
        pytest.param(snapshot(1, *"xxyyz"), 1, [], id="a-few-that-came-up-in-between"),
        pytest.param(snapshot(50, *"vwxyz"), 50, [], id="a-tenth-came-up-in-between"),
        pytest.param(
            snapshot(1, *"vwxyz"),
            3,
            ["coverage shrank from 3 assets to 1", "5 assets have findings and are not in the coverage"],
            id="two-reasons",
        ),
        pytest.param(snapshot(4, proof=Proof.ASSESSED), 9, ["coverage shrank from 9 assets to 4"], id="assessments"),
        pytest.param(snapshot(4, proof=Proof.FILE), 9, ["coverage shrank from 9 assets to 4"], id="a-full-file"),
        pytest.param(snapshot(5, proof=Proof.FILE), 9, [], id="a-full-file-that-holds-most"),
        pytest.param(snapshot(0, proof=Proof.FILE), 9, ["the source covers no asset at all"], id="an-empty-file"),
        pytest.param(snapshot(0, proof=Proof.DEVICES), 9, [], id="a-report-covers-what-it-lists"),
        pytest.param(snapshot(0, "x", proof=Proof.NOTHING), 9, [], id="a-list-covers-nothing"),
    ],
)
def test_suspicions(said: Snapshot, before: int, reasons: list[str]) -> None:
    assert suspicions(said, before) == reasons


def test_findings_outside_the_coverage_are_left_out() -> None:
    said, outside = within_coverage(snapshot(2, "a0", "x", "a1", "x"))
    assert (said.findings["asset"].to_list(), outside) == (["a0", "a1"], ["x"])


@pytest.mark.parametrize(
    "said", [snapshot(2, "a0"), snapshot(0, "x", proof=Proof.NOTHING)], ids=["all-covered", "a-list-covers-nothing"]
)
def test_nothing_else_is_left_out(said: Snapshot) -> None:
    assert within_coverage(said) == (said, [])


def test_an_asset_counts_once() -> None:
    coverage = pl.DataFrame({"asset": ["a"] * 100})
    said = Snapshot(
        datetime(2026, 3, 2, tzinfo=UTC),
        Proof.SCAN,
        pl.DataFrame(schema=FINDINGS),
        pl.DataFrame(schema=ASSETS),
        coverage,
    )
    assert suspicions(said, 100) == ["coverage shrank from 100 assets to 1"]
    assert set(coverage.columns) <= set(COVERAGE)
