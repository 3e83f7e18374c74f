"""A console that is asked to scan what people call done: each refusal, each fault, and every sudden end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.utils import timezone
from psycopg.rows import dict_row

from remediation.domain.exceptions import LATE
from remediation.jobs.rescans import rescan, rescans
from remediation.sources.errors import NoRightToWrite, SourceBusy, SourceError, Unreachable
from remediation.sources.insightvm_scans import InsightVmScans
from remediation.store import models
from remediation.store.intake import take_in
from remediation.store.one_at_a_time import Lock
from remediation.store.secrets import seal
from stand_ins.insightvm_console import Console
from tests.store.scans import scan as scanned
from tests.sudden_end import Death, dying

DONE = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)
# Host name, address and sites, by the console's number.
ASSETS = {"1": ("10.0.0.1", ["HQ", "DMZ"]), "2": ("10.0.0.2", ["HQ"]), "3": ("10.0.0.3", ["Lab"])}


class Scene:
    """A console with the sites DMZ, HQ and Lab, numbered so, and a project with a ticket that a person calls done."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.now = timezone.now()
        for ip, sites in ASSETS.values():
            console.add_asset(f"host{ip[-1]}", ip, sites=sites)
        login = {"url": console.url, "user": console.user}
        self.source = models.Source.objects.create(
            name="c", kind="insightvm", settings=login, secret=seal(console.password)
        )
        take_in(self.source, scanned({asset: ["high-1"] for asset in ASSETS}, DONE - timedelta(days=1)))
        for asset, (ip, sites) in ASSETS.items():
            models.Asset.objects.filter(asset=asset).update(ip=ip, sites=sites)
        halo = models.Connection.objects.create(name="halo")
        self.project = models.Project.objects.create(name="p", slug="p", connection=halo, source=self.source)
        self.settings(rescan=True)
        self.ticket = self.done("s1", "1", "2")

    def settings(self, **settings: Any) -> None:
        self.project.settings = {**self.project.settings, **settings}
        self.project.save()

    def done(self, key: str, *assets: str) -> models.Ticket:
        told = {f"{asset}|high-1": "open" for asset in assets}
        return models.Ticket.objects.create(
            project=self.project,
            key=key,
            reference=key,
            halo_id=2100 + models.Ticket.objects.count(),
            status="Awaiting Verification",
            agreed_status="In Progress",
            halo_changed=DONE,
            note={"told": told},
        )

    def ask(self) -> bool:
        return rescan(models.Project.objects.get(), now=lambda: self.now, sleep=lambda _: None)

    def scans(self) -> list[dict[str, Any]]:
        query = "SELECT * FROM insightvm_truth.asked_scan ORDER BY scan_id"
        with psycopg.connect(self.console.conninfo, row_factory=dict_row) as connection:
            return connection.execute(query).fetchall()

    def end_all(self) -> None:
        for one in self.scans():
            if one["status"] == "running":
                self.console.end_scan(one["scan_id"])

    def told(self, ticket: models.Ticket | None = None) -> str:
        return str(models.Ticket.objects.get(pk=(ticket or self.ticket).pk).note.get("rescan", ""))


@pytest.fixture
def scene(store: str, database: str) -> Iterator[Scene]:
    with Console(database) as console:
        yield Scene(console)


def test_what_a_person_calls_done_is_scanned_once(scene: Scene) -> None:
    assert scene.ask()
    (one,) = scene.scans()
    assert (one["site"], one["hosts"]) == ("HQ", ["10.0.0.1", "10.0.0.2"])
    assert one["name"].startswith("HALO-2100 verification ")
    assert scene.told() == (
        f"a scan of 2 of its hosts in the site HQ was asked for at {scene.now:%Y-%m-%d %H:%M} UTC: "
        f"scan {one['scan_id']}"
    )
    assert models.AuditEntry.objects.get(what="scan begun").detail["hosts"] == one["hosts"]
    for status in ("aborted", "stopped", "finished"):
        scene.console.end_scan(one["scan_id"], status)
        assert not scene.ask(), "whatever came of the scan"
    assert len(scene.scans()) == 1
    # Called done anew, it is another time.
    models.Ticket.objects.update(halo_changed=DONE + timedelta(days=1))
    assert scene.ask() and len(scene.scans()) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"status": "In Progress"},
        {"agreed_status": "Awaiting Verification"},
        {"halo_changed": None},
        {"halo_id": None},
        {"kind": "parent"},
        {"note": {"told": {"1|high-1": "open"}, "paused": "anna"}},
        {"note": {"told": {"1|high-1": "open"}, "detached": "anna"}},
        {"note": {"told": {"1|high-1": "open"}, "missing": "2026"}},
    ],
)
def test_tickets_that_want_no_scan(scene: Scene, change: dict[str, Any]) -> None:
    models.Ticket.objects.update(**change)
    assert not scene.ask() and not scene.console.requests


def test_nothing_is_asked_for_unless_the_project_says_so(scene: Scene) -> None:
    scene.settings(rescan=False)
    assert not scene.ask() and not scene.console.requests and not rescans(scene.project)
    models.Project.objects.update(settings={})
    assert not scene.ask() and not scene.console.requests
    scene.settings(rescan=True)
    models.Source.objects.update(kind="nessus")
    assert not scene.ask() and not scene.console.requests


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"rescan_hosts": 1}, "no scan was asked for in the site HQ: it would be 2 hosts, and 1 are allowed"),
        ({"rescan_scans": 0}, "no scan was asked for in the site HQ: as many scans as are allowed in 24 hours"),
    ],
)
def test_caps(scene: Scene, settings: dict[str, Any], told: str) -> None:
    scene.settings(**settings)
    assert scene.ask() and scene.told().startswith(told) and not scene.scans()
    assert not scene.ask(), "that is no news"


def test_only_in_the_hours_that_are_set(scene: Scene) -> None:
    hour = timezone.localtime(scene.now).hour
    scene.settings(rescan_hours=f"{(hour + 1) % 24}-{(hour + 3) % 24}")
    scene.ask()
    assert "o'clock" in scene.told() and not scene.scans()
    scene.now += timedelta(hours=1)
    scene.ask()
    assert len(scene.scans()) == 1


def test_the_scans_of_a_day_are_counted(scene: Scene) -> None:
    scene.settings(rescan_scans=1)
    other = scene.done("s2", "3")
    scene.ask()
    assert len(scene.scans()) == 1 and "in 24 hours" in scene.told(other)
    scene.now += timedelta(days=1, minutes=1)
    scene.ask()
    assert [one["site"] for one in scene.scans()] == ["HQ", "Lab"]


@pytest.mark.parametrize("status", ["running", "paused", "dispatched", "integrating"])
def test_never_while_a_scan_of_the_site_is_at_work(scene: Scene, status: str) -> None:
    number = scene.console.ask_scan("HQ", "by hand", ["10.0.0.9"], status)
    scene.ask()
    assert len(scene.scans()) == 1 and "a scan of this site is at work" in scene.told()
    scene.console.end_scan(number)
    scene.ask()
    assert len(scene.scans()) == 2


def test_two_tickets_of_a_site_wait_for_each_other(scene: Scene) -> None:
    other = scene.done("s2", "2")
    scene.ask()
    assert len(scene.scans()) == 1 and "is at work" in scene.told(other)


def test_each_site_has_a_scan_of_its_own(scene: Scene) -> None:
    models.Ticket.objects.update(note={"told": {f"{asset}|high-1": "open" for asset in ASSETS}})
    scene.ask()
    assert [(one["site"], len(one["hosts"])) for one in scene.scans()] == [("HQ", 2), ("Lab", 1)]
    assert "in the site HQ" in scene.told() and "in the site Lab" in scene.told()


def test_what_is_left_of_it_is_scanned(scene: Scene) -> None:
    models.Asset.objects.update(sites=["HQ"])
    models.Finding.objects.filter(asset="1").update(state="remediated")
    scene.ask()
    assert scene.scans()[0]["hosts"] == ["10.0.0.2"]
    scene.end_all()
    models.Finding.objects.filter(asset="1").update(state="open")
    scene.ask()
    assert len(scene.scans()) == 1 and scene.told().endswith(
        "no scan was asked for in the site HQ: it has had one since the ticket is called done"
    )


def test_no_site_and_no_address(scene: Scene) -> None:
    models.Asset.objects.filter(asset__in=["1", "2"]).update(sites=["Paris"])
    scene.ask()
    assert scene.told() == "no scan was asked for of 2 of its hosts: they are in no site that the console shows"
    models.Asset.objects.update(ip=None, host_name=None)
    scene.ask()
    assert scene.told() == "no scan was asked for: no address of its assets is known" and not scene.scans()


def test_an_answer_that_is_lost_is_looked_up_by_name(scene: Scene) -> None:
    scene.console.lost_answers["POST /sites/.*"] = 1
    with pytest.raises(Unreachable):
        scene.ask()
    assert "not known yet whether it began" in scene.told()
    scene.console.end_scan(scene.scans()[0]["scan_id"])
    scene.now += 2 * LATE
    scene.ask()
    assert len(scene.scans()) == 1 and f"scan {scene.scans()[0]['scan_id']}" in scene.told()


def test_what_was_not_carried_out_is_sent_again_when_nothing_can_come_of_it(scene: Scene) -> None:
    scene.console.failing_routes["POST /sites/.*"] = 1
    with pytest.raises(SourceError):
        scene.ask()
    assert not scene.ask() and not scene.scans()
    scene.now += LATE
    assert scene.ask() and len(scene.scans()) == 1


def test_refusals(scene: Scene) -> None:
    scene.console.forbid_scans = True
    with pytest.raises(NoRightToWrite):
        scene.ask()
    scene.console.forbid_scans = False
    scene.console.password = "another"
    other = scene.done("s2", "3")
    with pytest.raises(SourceError):
        scene.ask()
    assert scene.told(other).startswith("a scan could not be asked for: The console refuses the user")
    assert not scene.scans()


def test_one_process_at_a_time_writes_to_a_console(scene: Scene, store: str) -> None:
    with psycopg.connect(store, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s, %s)", [Lock.WRITING, scene.source.pk])
        with pytest.raises(SourceBusy):
            scene.ask()
    assert not scene.console.requests


CALLS = ((models.Rescan, "save"), *((InsightVmScans, name) for name in ("sites", "active", "start")))


@pytest.mark.parametrize("after", [False, True])
def test_death_at_each_point(scene: Scene, monkeypatch: pytest.MonkeyPatch, after: bool) -> None:
    for number in range(1, 100):
        models.Ticket.objects.update(halo_changed=DONE + timedelta(days=number))
        scene.end_all()
        scene.now += timedelta(days=2)
        before = len(scene.scans())
        with monkeypatch.context() as patch:
            dying(patch, CALLS, number, after=after)
            try:
                scene.ask()
                break
            except Death:
                pass
        scene.ask()
        scene.now += LATE
        scene.end_all()
        scene.ask()
        assert len(scene.scans()) == before + 1, number
        assert not scene.ask()
    assert number == 6
