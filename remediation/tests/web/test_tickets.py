"""Tickets in the pages, and one click to a ticket: exactly one, for exactly what was shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone

import pytest
from django.test import Client

from halo_emulator import HaloEmulator
from remediation.jobs.tasks import run_project
from remediation.store import models
from remediation.store.intake import take_in
from remediation.store.secrets import seal
from tests.jobs.conftest import waiting_jobs

from ..store.scans import scan
from .test_connections import text_of

DAY = datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc)
FOUND = {"web": ["critical-1", "low-9"], "db": ["critical-1", "high-2"]}


@pytest.fixture
def halo() -> Iterator[HaloEmulator]:
    with HaloEmulator() as running:
        yield running


@pytest.fixture
def connection(store: str, halo: HaloEmulator) -> models.Connection:
    settings = {
        "resource_server": halo.resource_server,
        "auth_server": halo.auth_server,
        "client_id": halo.client_id,
        "ticket_type": "Vulnerability",
        "parent_type": "Vulnerability",
    }
    return models.Connection.objects.create(name="halo", settings=settings, secret=seal(halo.client_secret))


@pytest.fixture
def source(store: str) -> models.Source:
    row = models.Source.objects.create(name="console", kind="insightvm")
    take_in(row, scan(FOUND, DAY))
    return row


def number_of(vulnerability: str) -> int:
    return models.Vulnerability.objects.get(vulnerability=vulnerability).pk


def run_all() -> None:
    for project in models.Project.objects.order_by("position"):
        run_project(project.pk)


def children(halo: HaloEmulator) -> list[dict[str, object]]:
    """The tickets that the service made: those of the emulator have no reference."""
    return [one for one in halo.tickets.values() if str(one.get("third_party_id_string") or "").startswith("remediation:")]


def test_one_click_makes_one_ticket_with_exactly_those_findings(
    connection: models.Connection, source: models.Source, halo: HaloEmulator, as_role: Callable[[str], Client]
) -> None:
    analyst = as_role("analyst")
    page = analyst.get(f"/vulnerabilities/{number_of('critical-1')}/").content.decode()
    address = f"/tickets/new?vulnerability={number_of('critical-1')}"
    assert address in page
    text = text_of(analyst.get(address))
    assert "Summary" in text and "web.example" in text and "db.example" in text and "Open the ticket" in text
    assert not models.Project.objects.exists(), "showing makes nothing"
    for _ in range(2):
        asked = analyst.post("/tickets/new", {"vulnerability": number_of("critical-1")})
        assert asked.status_code == 302
    project = models.Project.objects.get()
    assert waiting_jobs() == [f"project-{project.pk}"]
    run_all()
    (made,) = children(halo)
    ticket = models.Ticket.objects.get(kind="child")
    assert ticket.halo_id == made["id"] and ticket.assets == ["db", "web"] and ticket.vulnerabilities == ["critical-1"]
    assert models.AuditEntry.objects.filter(what="ticket asked for", who="analyst").count() == 2

    # Clicked once more, nothing is made; the page says who has it.
    again = text_of(analyst.get(address))
    assert f"2 of its 2 findings are covered by ticket {made['id']}" in again and "Open the ticket" not in again
    analyst.post("/tickets/new", {"vulnerability": number_of("critical-1")})
    run_all()
    assert len(children(halo)) == 1

    # A device that is found later is not in it, until somebody asks for it.
    take_in(source, scan({**FOUND, "app": ["critical-1"]}, DAY + timedelta(days=1)))
    run_all()
    ticket.refresh_from_db()
    assert ticket.assets == ["db", "web"]
    assert "2 of its 3 findings are covered" in text_of(analyst.get(address))
    analyst.post("/tickets/new", {"vulnerability": number_of("critical-1")})
    run_all()
    ticket.refresh_from_db()
    assert ticket.assets == ["app", "db", "web"] and len(children(halo)) == 1

    # Scans settle it as any other.
    take_in(source, scan({name: ["low-9"] for name in ("web", "db", "app")}, DAY + timedelta(days=2)))
    run_all()
    ticket.refresh_from_db()
    assert ticket.status == "Remediated"


def test_one_ticket_for_a_device_and_what_another_ticket_has_stays_there(
    connection: models.Connection, source: models.Source, halo: HaloEmulator, as_role: Callable[[str], Client]
) -> None:
    analyst = as_role("analyst")
    analyst.post("/tickets/new", {"vulnerability": number_of("critical-1")})
    run_all()
    first = children(halo)[0]["id"]
    device = models.Device.objects.get(name="web.example")
    text = text_of(analyst.get(f"/tickets/new?device={device.pk}"))
    assert f"1 of its 2 findings are covered by ticket {first}, and stay there." in text and "low-9" in text
    analyst.post("/tickets/new", {"device": device.pk})
    run_all()
    assert len(children(halo)) == 2
    newest = models.Ticket.objects.filter(kind="child").order_by("-halo_id")[0]
    assert (newest.key, newest.vulnerabilities) == ("web", ["low-9"])
    page = text_of(analyst.get(f"/devices/{device.pk}/"))
    assert str(first) in page and str(newest.halo_id) in page


def test_a_click_comes_before_projects_that_would_take_it_in_later(
    connection: models.Connection, source: models.Source, halo: HaloEmulator, as_role: Callable[[str], Client]
) -> None:
    wide = models.Project.objects.create(name="all", slug="all", connection=connection, source=source, position=1)
    as_role("analyst").post("/tickets/new", {"vulnerability": number_of("high-2")})
    run_all()
    assert models.Project.objects.order_by("position")[1] == wide
    told = [ticket.note["told"] for ticket in models.Ticket.objects.filter(kind="child")]
    assert sorted(pair for one in told for pair in one) == ["db|critical-1", "db|high-2", "web|critical-1", "web|low-9"]


def test_chosen_rows_become_a_ticket_each(
    connection: models.Connection, source: models.Source, halo: HaloEmulator, as_role: Callable[[str], Client]
) -> None:
    analyst = as_role("analyst")
    page = analyst.get("/vulnerabilities/").content.decode()
    assert 'form="bulk"' in page and 'id="bulk"' in page
    chosen = [number_of("high-2"), number_of("low-9")]
    assert "2 tickets at most" in text_of(analyst.get("/tickets/new", {"chosen": chosen}))
    analyst.post("/tickets/new", {"chosen": chosen})
    run_all()
    assert len(children(halo)) == 2


def test_who_may_not_is_refused_and_sees_no_button(
    connection: models.Connection, source: models.Source, person: Client
) -> None:
    number = number_of("critical-1")
    assert person.post("/tickets/new", {"vulnerability": number}).status_code == 403
    for address in (f"/vulnerabilities/{number}/", "/vulnerabilities/"):
        page = person.get(address).content.decode()
        assert "/tickets/new" not in page and 'form="bulk"' not in page


@pytest.mark.parametrize("query", ["", "vulnerability=9999", "chosen=x", "vulnerability=99999999999999999999999"])
def test_nothing_that_there_is(query: str, connection: models.Connection, as_role: Callable[[str], Client]) -> None:
    assert "Nothing is chosen." in text_of(as_role("analyst").get(f"/tickets/new?{query}"))


def test_without_a_connection(source: models.Source, as_role: Callable[[str], Client]) -> None:
    text = text_of(as_role("analyst").get(f"/tickets/new?vulnerability={number_of('low-9')}"))
    assert "No HaloITSM is connected yet." in text


def test_a_tickets_page_tells_all_of_it(
    connection: models.Connection, source: models.Source, halo: HaloEmulator, as_role: Callable[[str], Client]
) -> None:
    models.Vulnerability.objects.filter(vulnerability="critical-1").update(title="<img src=x>")
    as_role("analyst").post("/tickets/new", {"vulnerability": number_of("critical-1")})
    run_all()
    row = models.Ticket.objects.get(kind="child")
    viewer = as_role("viewer")
    page = viewer.get(f"/tickets/{row.pk}/").content.decode()
    assert "<img" not in page and "&lt;img src=x&gt;" in page
    host = halo.resource_server.removesuffix("/api")
    assert f'href="{host}/tickets?id={row.halo_id}"' in page
    for word in ("web.example", "2 open", "done", "create", "Summary"):
        assert word in page, word
    listing = viewer.get("/tickets/?kind=child&status=Not+Started").content.decode()
    assert f"/tickets/{row.pk}/" in listing
    assert "Nothing passes these filters" in viewer.get("/tickets/?missing=yes").content.decode()
