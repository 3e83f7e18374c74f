"""What a person has called done waits for the next scan, which confirms or refutes it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest
from django.test import Client

from halo_emulator import HaloEmulator
from remediation.jobs.tasks import run_project
from remediation.store import models
from remediation.store.device_findings import findings_of_device
from remediation.store.intake import take_in
from tests.jobs.conftest import connected

from ..store.scans import scan
from .test_connections import text_of
from .test_lists import rows

NOW = datetime.now(timezone.utc)
WORDS = "addressed, waiting for the next scan"
RESOLVED = 8
# A key with what pairs are put together by.
ODD = "we|b\\1"
FOUND = {ODD: ["critical-1", "low-9"], "db": ["critical-1", "high-2"]}


@pytest.fixture
def halo() -> Iterator[HaloEmulator]:
    with HaloEmulator() as running:
        yield running


@pytest.fixture
def project(store: str, halo: HaloEmulator) -> models.Project:
    """A project with a ticket for each vulnerability, and a source that was read a day ago."""
    source = models.Source.objects.create(name="console", kind="insightvm")
    take_in(source, scan(FOUND, NOW - timedelta(days=1)))
    made = models.Project.objects.create(name="All", slug="all", connection=connected(halo), source=source)
    run_project(made.pk)
    return made


def close(project: models.Project, halo: HaloEmulator, key: str) -> None:
    """A person resolves a ticket, and the service reads that."""
    number = models.Ticket.objects.get(project=project, key=f"fix {key}").halo_id
    halo.change_ticket(number, status_id=RESOLVED, agent_id=3)
    run_project(project.pk)


def addressed() -> set[tuple[str, str]]:
    """What the pages of devices say, by device and vulnerability."""
    return {
        (device.name, line["vulnerabilities"][0])
        for device in models.Device.objects.all()
        for line in findings_of_device(device.pk).to_dicts()
        if line["addressed"]
    }


def test_a_resolved_ticket_addresses_its_findings_until_a_scan_confirms_or_refutes_it(
    project: models.Project, halo: HaloEmulator, person: Client
) -> None:
    assert not addressed() and rows(person, "/vulnerabilities/?addressed=yes") == []
    close(project, halo, "critical-1")
    ticket = models.Ticket.objects.get(key="fix critical-1")
    assert ticket.status == "Remediated" and ticket.agreed_status != "Remediated"
    assert addressed() == {(f"{ODD}.example", "critical-1"), ("db.example", "critical-1")}
    assert rows(person, "/vulnerabilities/?addressed=yes") == ["critical-1"]
    assert rows(person, "/vulnerabilities/?addressed=no") == ["high-2", "low-9"]
    number = models.Vulnerability.objects.get(vulnerability="critical-1").pk
    assert text_of(person.get(f"/vulnerabilities/{number}/")).count(f"open: {WORDS}") == 2
    other = models.Vulnerability.objects.get(vulnerability="high-2").pk
    assert WORDS not in text_of(person.get(f"/vulnerabilities/{other}/"))
    device = models.Device.objects.get(name="db.example").pk
    assert text_of(person.get(f"/devices/{device}/")).count(WORDS) == 1

    # A scan that began before is none that judges; one that began later refutes on db, and confirms on the other.
    take_in(project.source, scan(FOUND, NOW - timedelta(hours=1)))
    assert len(addressed()) == 2
    take_in(project.source, scan({ODD: ["low-9"], "db": ["critical-1"]}, NOW + timedelta(hours=1)))
    assert not addressed() and rows(person, "/vulnerabilities/?addressed=yes") == []
    run_project(project.pk)
    ticket.refresh_from_db()
    assert ticket.status == "In Progress", "the ticket says the same"


def test_what_scans_have_settled_or_people_have_detached_is_not_addressed(
    project: models.Project, halo: HaloEmulator
) -> None:
    close(project, halo, "low-9")
    assert addressed() == {(f"{ODD}.example", "low-9")}
    row = models.Ticket.objects.get(key="fix low-9")
    for change in (
        {"status": "Will Not Fix"},
        {"agreed_status": "Remediated"},
        {"note": {**row.note, "detached": "anna"}},
        {"note": {**row.note, "told": {next(iter(row.note["told"])): "out"}}},
    ):
        models.Ticket.objects.filter(pk=row.pk).update(**change)
        assert not addressed(), change
        row.save()
    assert addressed()
    models.Ticket.objects.filter(pk=row.pk).update(
        status="Awaiting Verification", agreed_status="Awaiting Verification"
    )
    assert addressed(), "however it came to wait"
