"""The benchmarks do the work that they measure, in sizes that prove nothing; no test here looks at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import __main__ as command
from bench import enrichment, imports, observe, pages, plan, sync
from bench.child import Taken, compared, taken
from bench.findings import report, snapshot
from halo_emulator import HaloEmulator
from remediation.store import models
from tools.bench.__main__ import benchmark
from tools.bench.measure import Result


def test_a_side_is_measured_in_a_process_of_its_own() -> None:
    found = taken("observe", "anti_joined", 1000)
    assert found.value == 10 and found.wall > 0 and found.memory > 10


def test_a_side_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="no_such_side"):
        taken("observe", "no_such_side")


def test_a_ratio_is_held_against_its_goal() -> None:
    result = Result("name", "Title", "Method")
    ours, floor = [Taken(6.0, 6.0, 100.0)] * 3, [Taken(2.0, 3.0, 50.0)] * 3
    for most in (3.0, 2.5, None):
        compared(result, "what", ours, floor, most)
    ratios = [row for row in result.rows if row.what == "what: wall clock / floor"]
    assert [(row.figure.median, row.met) for row in ratios] == [(3.0, True), (3.0, False), (3.0, None)]


def test_each_name_is_a_benchmark() -> None:
    assert all(callable(benchmark(name, "bench")) for name in command.NAMES)


def test_the_made_up_world_is_as_it_says() -> None:
    rows = report(2000)
    assert rows.select("asset_id", "vulnerability_key").n_unique() == 2000
    assert rows["asset_id"].n_unique() == rows["solution_key"].n_unique() == 20
    assert 700 < len(rows.write_csv()) / 2000 < 800
    again = report(2000, scanned_again=0.05)
    assert (rows != again).sum_horizontal().gt(0).sum() == 100
    assert snapshot(2000, without=0.01).findings.height == 1980


def test_only_what_was_scanned_again_or_is_gone_is_observed() -> None:
    assert observe.observed(1000, 0.0)() == 10
    assert observe.observed(1000, 1.0)() == 1000


@pytest.mark.parametrize("long_lists", [False, True])
def test_a_plan_has_a_ticket_for_each_solution_and_then_nothing(long_lists: bool) -> None:
    solutions = plan.floor(3000, long_lists)()
    assert plan.first(3000, long_lists)() == solutions * (2 if long_lists else 1) + 1
    assert plan.converged(3000, long_lists)() == 0


def test_a_report_is_imported_and_the_floors_store_as_much(store: str, tmp_path: Path) -> None:
    file = str(tmp_path / "report.csv")
    report(1000).write_csv(file)
    assert imports.imported(file)() == 1000
    assert imports.copied(file)() == 1000
    imports.keyed()()
    assert imports.upserted(file)() == 1000
    assert models.Finding.objects.count() == 1000


def test_what_feeds_tell_is_put_beside_findings_once(store: str) -> None:
    enrichment.known(1000)()
    assert enrichment.joined(1000)() == 1000
    assert enrichment.told(1000)() == models.Vulnerability.objects.count()
    assert enrichment.again(1000)() == 0


@pytest.mark.long
def test_the_pages_are_answered(store: str) -> None:
    pages.stored(1000)()
    assert min(pages.asked(1000)().values()) > 0


def test_a_first_run_makes_all_tickets_and_the_next_none(store: str) -> None:
    with sync._halo() as halo:
        where = (halo.resource_server, halo.auth_server, halo.client_id, halo.client_secret)
        sync.prepared(1000, False, *where)()
        before = len(halo.tickets)
        assert sync.ran(0)() == 11 == len(halo.tickets) - before
        assert sync.ran(0)() == 0
        sync.posted(*where, [{"summary": "one", "details": "more", "tickettype_id": 1}], 2)()
        assert len(halo.tickets) - before == 13


def test_requests_are_counted_by_what_they_are_for(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sides = {name: [] for name in ("first", "floor", *sync._AGAIN)}

    def here(module: str, side: str, *arguments: object, database: str = "") -> Taken:
        return Taken(1.0, 1.0, 1.0, getattr(sync, side)(*arguments)())

    monkeypatch.setattr(sync, "taken", here)
    with sync._halo() as halo:
        counts = sync._round(halo, 1000, False, "", sides)
    assert counts["tickets"] == 11 and counts["some changed: changes"] == 10
    assert counts["nothing changed: writes"] == 0 < counts["nothing changed: reads"]
    assert isinstance(halo, HaloEmulator) and all(sides.values())
