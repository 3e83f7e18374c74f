"""Top remediations: each number as the ledger tells it one finding by one, and what leads from there to tickets."""

from __future__ import annotations

import html
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from django.db import connection, transaction
from django.test import Client

from halo_emulator import HaloEmulator
from remediation.domain.snapshot import Snapshot
from remediation.jobs.tasks import run_project
from remediation.store import migrations, models
from remediation.store.acceptances import accept, recount
from remediation.store.intake import take_in
from tests.jobs.conftest import connected

from ..store.scans import scan, tell
from .test_connections import text_of

DAY = datetime(2026, 11, 1, 1, 0, tzinfo=timezone.utc)
FOUND = {
    "web": ["critical-1", "critical-2", "low-3", "low-4"],
    "db": ["critical-1", "low-3", "medium-5"],
    "app": ["critical-2", "high-6", "none-7"],
}
FIXES = {"critical-1": "patch", "critical-2": "patch", "high-6": "patch", "low-3": "harden", "low-4": None}
RISK = {"critical-1": 900.0, "critical-2": 800.5, "low-3": 10.0, "high-6": 300.0, "medium-5": 100.0}


def report(found: dict[str, list[str]], day: int = 0) -> Snapshot:
    seen = scan(found, DAY + timedelta(days=day))
    name = pl.col("vulnerability")
    return replace(
        seen,
        findings=seen.findings.with_columns(
            name.replace_strict(FIXES, default=pl.col("solution"), return_dtype=pl.String).alias("solution"),
            name.replace_strict(RISK, default=None, return_dtype=pl.Float64).alias("risk"),
        ),
        assets=seen.assets.with_columns(
            pl.col("asset")
            .replace_strict({"web": ["Ann", "Ben"], "db": ["Ann"]}, default=[], return_dtype=pl.List(pl.String))
            .alias("owner_tags")
        ),
    )


@pytest.fixture
def source(store: str) -> models.Source:
    row = models.Source.objects.create(name="console", kind="insightvm")
    take_in(row, report(FOUND))
    other = models.Source.objects.create(name="other", kind="insightvm")
    take_in(other, report({"web": ["critical-1"]}))
    return row


def asked() -> dict[tuple[str, str], dict[str, Any]]:
    """What each remedy removes, by the ledger, one finding by one."""
    found: dict[tuple[str, str], dict[str, Any]] = defaultdict(lambda: defaultdict(set))
    today = date.today()
    accepted = [
        (one.source_id, one.asset, one.solution, one.vulnerability)
        for one in models.RiskAcceptance.objects.filter(withdrawn=None, expires__gte=today)
    ]
    for one in models.Finding.objects.filter(state__in=["open", "unconfirmed"]).select_related("source"):
        remedy = one.solution or one.vulnerability
        mine = (one.source_id, one.asset, remedy, one.vulnerability)
        if any(all(given in (None, own) for given, own in zip(each, mine)) for each in accepted):
            continue
        asset = models.Asset.objects.get(source=one.source_id, asset=one.asset)
        entry = found[one.source.name, remedy]
        entry["pairs"].add((one.asset, one.vulnerability))
        entry["owners"].update(asset.owner_tags)
    return found


def the_same_as_the_ledger() -> None:
    rows = {(one.source.name, one.remedy): one for one in models.Remedy.objects.select_related("source")}
    wanted = asked()
    assert rows.keys() == wanted.keys()
    for key, row in rows.items():
        pairs = wanted[key]["pairs"]
        names = [vulnerability for _, vulnerability in pairs]
        assert row.findings == len(pairs) and row.assets == len({asset for asset, _ in pairs}), key
        assert row.risk == (sum(RISK.get(name, 0) for name in names) if set(names) & RISK.keys() else None), key
        assert row.vulnerabilities == sorted(set(names)) and row.owners == sorted(wanted[key]["owners"]), key
        for severity in ("critical", "high", "medium", "low", "none"):
            assert getattr(row, severity) == sum(name.startswith(severity) for name in names), (key, severity)
    for asset in models.Asset.objects.select_related("source"):
        mine = [
            name
            for (source, _), entry in wanted.items()
            for own, name in entry["pairs"]
            if (source, own) == (asset.source.name, asset.asset)
        ]
        assert asset.risk == sum(RISK.get(name, 0) for name in mine), asset.asset
    for device in models.Device.objects.all():
        assert device.risk == sum(device.assets.values_list("risk", flat=True))


def test_each_number_is_that_of_the_ledger(source: models.Source) -> None:
    the_same_as_the_ledger()
    number = models.Remedy.objects.get(source=source, remedy="patch").pk
    take_in(source, report({**FOUND, "web": ["critical-1"], "app": ["none-7"], "new": ["critical-2"]}, 1))
    the_same_as_the_ledger()
    assert models.Remedy.objects.get(source=source, remedy="patch").pk == number, "its address stays"
    of = {"asset": "db", "solution": "patch", "vulnerability": None}
    accept(source, **of, reason="old", until=date(2999, 1, 1), by="lead")
    recount(source.pk, date.today())
    the_same_as_the_ledger()
    take_in(source, report({name: [] for name in (*FOUND, "new")}, 2))
    the_same_as_the_ledger()
    assert not models.Remedy.objects.filter(source=source).exists()


def test_what_was_there_before_is_counted_by_the_migration(source: models.Source) -> None:
    of = {"asset": "db", "solution": None, "vulnerability": "critical-1"}
    accept(source, **of, reason="old", until=date(2999, 1, 1), by="lead")
    recount(source.pk, date.today())
    models.Remedy.objects.all().delete()
    models.Asset.objects.update(risk=0)
    models.Device.objects.update(risk=0)
    # Whatever its number: those of other changes may come before it.
    (name,) = (one.stem for one in Path(migrations.__path__[0]).glob("*_differences_and_remedies.py"))
    migration = import_module(f"{migrations.__name__}.{name}")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(migration.REMEDIES)
    the_same_as_the_ledger()


def told(client: Client, address: str) -> list[dict[str, Any]]:
    page = client.get(address)
    assert page.status_code == 200
    return list(json.loads(b"".join(page.streaming_content)))  # type: ignore[attr-defined]


def test_those_that_remove_most_come_first(source: models.Source, person: Client) -> None:
    models.Solution.objects.filter(solution="patch").update(name="Install <the> patch")
    models.Vulnerability.objects.filter(vulnerability="low-4").update(title="Old cipher")
    tell("critical-2", kev=True, feed_epss=0.5)
    rows = told(person, f"/remedies/?source={source.pk}&export=json")
    total = sum(
        RISK.get(name, 0) for (of, _), entry in asked().items() for _, name in entry["pairs"] if of == "console"
    )
    first = rows[0]
    assert [row["title"] for row in rows[:3]] == ["Install <the> patch", "fix medium-5", "harden"]
    assert rows[-1]["title"] in ("Old cipher", "fix none-7")
    assert (first["risk"], first["share"]) == (3701, round(100 * 3701 / total))
    assert first["owners"] == ["Ann", "Ben"] and first["epss"] == 0.5 and first["kev"] is True
    assert [row["title"] for row in told(person, "/remedies/?kev=yes&export=json")] == ["Install <the> patch"]
    assert {row["title"] for row in told(person, "/remedies/?owner=Ben&export=json")} == {
        "Install <the> patch", "harden", "Old cipher",
    }  # fmt: skip
    assert "Install &lt;the&gt; patch" in person.get("/remedies/?words=PATCH").content.decode()
    models.Remedy.objects.update(risk=None)
    assert told(person, "/remedies/?export=json")[0]["title"] == "Install <the> patch", "else by what is worst"


def test_the_page_of_one_has_its_devices_and_owners(
    source: models.Source, person: Client, as_role: Callable[[str], Client]
) -> None:
    row = models.Remedy.objects.get(source=source, remedy="patch")
    pairs = asked()["console", "patch"]["pairs"]
    devices = {one["name"]: one["findings"] for one in told(person, f"/remedies/{row.pk}/?export=json")}
    assert devices == {f"{name}.example": sum(asset == name for asset, _ in pairs) for name in ("web", "db", "app")}
    page = text_of(person.get(f"/remedies/{row.pk}/"))
    assert "critical-1" in page and "Ann, Ben" in page and "Open HaloITSM ticket" not in page
    assert f"/tickets/new?remedy={row.pk}" in as_role("analyst").get(f"/remedies/{row.pk}/").content.decode()
    assert f"/projects/new?remedy={row.pk}" in as_role("approver").get(f"/remedies/{row.pk}/").content.decode()


def test_one_click_makes_one_ticket_of_a_solution(source: models.Source, as_role: Callable[[str], Client]) -> None:
    analyst = as_role("analyst")
    with HaloEmulator() as halo:
        connected(halo)
        number = models.Remedy.objects.get(source=source, remedy="patch").pk
        vulnerability = models.Vulnerability.objects.get(source=source, vulnerability="critical-2").pk
        analyst.post("/tickets/new", {"vulnerability": vulnerability})
        run_all()
        page = text_of(analyst.get(f"/tickets/new?remedy={number}"))
        assert "2 of its 5 findings are covered by ticket" in page
        analyst.post("/tickets/new", {"remedy": number})
        run_all()
        first, second = models.Ticket.objects.filter(kind="child").order_by("pk")
        assert first.vulnerabilities == ["critical-2"] and first.assets == ["app", "web"]
        assert second.key == "patch" and second.note["told"].keys() == {"web|critical-1", "db|critical-1", "app|high-6"}
        again = text_of(analyst.get(f"/tickets/new?remedy={number}"))
        assert "3 of its 5 findings are covered" in again and "Open the ticket" not in again
        # A vulnerability without a solution stands for itself.
        analyst.post("/tickets/new", {"remedy": models.Remedy.objects.get(remedy="low-4").pk})
        run_all()
        assert models.Ticket.objects.get(key="low-4").assets == ["web"]


def run_all() -> None:
    for project in models.Project.objects.order_by("position"):
        run_project(project.pk)


def test_a_project_of_a_remedy_takes_in_exactly_that(source: models.Source, as_role: Callable[[str], Client]) -> None:
    row = models.Remedy.objects.get(source=source, remedy="patch")
    approver = as_role("approver")
    with HaloEmulator() as halo:
        into = connected(halo)
        page = html.unescape(approver.get(f"/projects/new?remedy={row.pk}").content.decode())
        assert 'value="Everywhere: patch"' in page and ">\npatch</textarea>" in page
        form = {
            "name": "Everywhere: patch", "source": source.pk, "connection": into.pk, "solutions": "patch",
            "min_severity": "none", "granularity": "solution", "epss_from": 0.5, "mass_share": 30, "mass_least": 20,
            "most_creates": 100,
        }  # fmt: skip
        counted = text_of(approver.post("/projects/preview", form))
        assert f"{row.findings} findings" in counted and "1 solutions" in counted and f"{row.assets} devices" in counted
        assert approver.post("/projects/new", form).status_code == 302
        project = models.Project.objects.get()
        models.Project.objects.update(paused=False)
        run_project(project.pk)
        (ticket,) = models.Ticket.objects.filter(kind="child")
        assert len(ticket.note["told"]) == row.findings
    assert approver.get("/projects/new?remedy=999999").status_code == 200
