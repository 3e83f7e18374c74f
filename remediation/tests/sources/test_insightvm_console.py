"""A console's snapshot, over HTTP and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from remediation.domain.snapshot import ASSETS, COVERAGE, EXCEPTIONS, FINDINGS, Snapshot
from remediation.sources.insightvm_console import InsightVmConsole
from stand_ins.insightvm_console import Console

WEB01 = "web01.corp.example"


@pytest.fixture
def console(database: str) -> Iterator[Console]:
    with Console(database) as running:
        running.seed_demo()
        yield running


def snapshot(console: Console) -> Snapshot:
    return InsightVmConsole(console.url, console.user, console.password, sleep=lambda seconds: None).snapshot()


def keys(found: Snapshot) -> set[tuple[str, str]]:
    return set(found.findings.select("asset", "vulnerability").iter_rows())


def test_the_frames_have_the_names_and_types_of_a_snapshot(console: Console) -> None:
    console.scan()
    console.approve(console.except_(WEB01, "tlsv1_0-enabled"))
    console.scan()
    found = snapshot(console)
    for frame, schema in (
        (found.findings, FINDINGS),
        (found.assets, ASSETS),
        (found.coverage, COVERAGE),
        (found.exceptions, EXCEPTIONS),
    ):
        assert frame.height > 0
        assert dict(frame.schema) == schema
        assert frame.columns == list(schema)


def test_a_patch_shows_once_it_is_scanned(console: Console) -> None:
    before = keys(snapshot(console))
    console.patch(WEB01, "msft-cve-2026-10001")
    assert keys(snapshot(console)) == before
    console.scan()
    assert before - keys(snapshot(console)) == {("1", "msft-cve-2026-10001")}


def test_no_report_is_left(console: Console) -> None:
    snapshot(console)
    assert console.reports == []
    assert [path for method, path in console.requests if method == "POST" and path == "/api/3/reports"] == [
        "/api/3/reports"
    ] * 3
