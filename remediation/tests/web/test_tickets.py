"""Tickets in the pages, and one click to a ticket: exactly one, for exactly what was shown."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone

import pytest
from django.db import connection as database
from django.test import Client

from halo_emulator import HaloEmulator
from remediation.domain.planning import plan
from remediation.jobs.tasks import run_project, tie_ticket
from remediation.store import models
from remediation.store.intake import take_in
from remediation.store.json_keys import change_keys
from remediation.tickets.world import world_of
from tests.jobs.conftest import connected, waiting_jobs

from ..store.scans import scan, tell
from .test_connections import text_of

DAY = datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc)
FOUND = {"web": ["critical-1", "low-9"], "db": ["critical-1", "high-2"]}


@pytest.fixture
def halo() -> Iterator[HaloEmulator]:
    with HaloEmulator() as running:
        yield running


@pytest.fixture
def connection(store: str, halo: HaloEmulator) -> models.Connection:
    return connected(halo)


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
    return [
        one for one in halo.tickets.values() if str(one.get("third_party_id_string") or "").startswith("remediation:")
    ]


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
        assert "on its way" in text_of(analyst.get(asked.headers["Location"]))
    assert "2 of its 2 findings somebody has asked for a ticket already" in text_of(analyst.get(address))
    project = models.Project.objects.get()
    assert waiting_jobs() == [f"project-{project.pk}"]
    run_all()
    (made,) = children(halo)
    ticket = models.Ticket.objects.get(kind="child")
    assert ticket.halo_id == made["id"] and ticket.assets == ["db", "web"] and ticket.vulnerabilities == ["critical-1"]
    assert models.AuditEntry.objects.filter(what="ticket asked for", who="analyst").count() == 1
    assert f"there is a ticket. {made['id']}:" in text_of(analyst.get(asked.headers["Location"]))
    assert not models.Ticket.objects.filter(kind="parent").exists() and not made.get("parent_id")

    # Clicked once more, nothing is made; the page says who has it.
    again = text_of(analyst.get(address))
    assert f"2 of its 2 findings are covered by ticket {made['id']}" in again and "Open the ticket" not in again
    refused = analyst.post("/tickets/new", {"vulnerability": number_of("critical-1")})
    assert refused.status_code == 200 and "No ticket was asked for" in text_of(refused)
    run_all()
    assert len(children(halo)) == 1

    # A device that is found later is not in it, until somebody asks for it.
    take_in(source, scan({**FOUND, "app": ["critical-1"]}, DAY + timedelta(days=1)))
    run_all()
    ticket.refresh_from_db()
    assert ticket.assets == ["db", "web"]
    text = text_of(analyst.get(address))
    assert "2 of its 3 findings are covered" in text and f"Ticket {made['id']} stands for it already." in text
    assert "New: app.example." in text or "Open: app.example." in text
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
    assert (
        f"1 of its 2 findings are covered by ticket {first} (Not Started), and stay there." in text and "low-9" in text
    )
    analyst.post("/tickets/new", {"device": device.pk})
    run_all()
    assert len(children(halo)) == 2
    newest = models.Ticket.objects.filter(kind="child").order_by("-halo_id")[0]
    assert (newest.key, newest.vulnerabilities) == ("web", ["low-9"])
    assert newest.title == "web.example (1 findings, low)"
    assert models.Ticket.objects.get(halo_id=first).title == "critical-1 (2 assets, critical)"
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
    for word in ("web.example", "2 open", "done", "Make a ticket", "Summary"):
        assert word in page, word
    listing = viewer.get("/tickets/?kind=child&status=Not+Started").content.decode()
    assert f"/tickets/{row.pk}/" in listing
    assert "Nothing passes these filters" in viewer.get("/tickets/?missing=yes").content.decode()
    change_keys(row, "note", {"rescan": "a scan of <2> of its hosts was asked for"})
    page = viewer.get(f"/tickets/{row.pk}/").content.decode()
    assert "Since it is called done, a scan of &lt;2&gt; of its hosts was asked for." in page


def test_what_is_asked_for_again_after_it_was_settled_is_a_new_ticket(
    connection: models.Connection, source: models.Source, halo: HaloEmulator, as_role: Callable[[str], Client]
) -> None:
    analyst = as_role("analyst")
    analyst.post("/tickets/new", {"vulnerability": number_of("critical-1")})
    run_all()
    take_in(source, scan({"web": ["low-9"], "db": ["high-2"]}, DAY + timedelta(days=1)))
    run_all()
    first = models.Ticket.objects.get()
    assert first.status == "Remediated"
    take_in(source, scan({"web": ["low-9"], "db": ["high-2"], "app": ["critical-1"]}, DAY + timedelta(days=2)))
    text = text_of(analyst.get(f"/tickets/new?vulnerability={number_of('critical-1')}"))
    assert f"Follows ticket {first.halo_id}" in text and "Open the ticket" in text
    analyst.post("/tickets/new", {"vulnerability": number_of("critical-1")})
    run_all()
    assert [row.assets for row in models.Ticket.objects.order_by("generation")] == [["app", "db", "web"], ["app"]]
    assert len(children(halo)) == 2


def test_two_people_at_once_make_one_ticket(
    connection: models.Connection, source: models.Source, halo: HaloEmulator, as_role: Callable[[str], Client]
) -> None:
    browsers = [as_role("analyst"), as_role("approver")]
    number, device = number_of("critical-1"), models.Device.objects.get(name="web.example").pk
    begin = threading.Barrier(2)
    answers: list[int] = []

    def click(browser: Client) -> None:
        try:
            begin.wait(30)
            for asked in ({"vulnerability": number}, {"device": device}):
                answers.append(browser.post("/tickets/new", asked).status_code)
        finally:
            database.close()

    threads = [threading.Thread(target=click, args=[browser]) for browser in browsers]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert answers == [302] * 4
    assert models.Project.objects.count() == 2 and models.ListedFinding.objects.count() == 3
    run_all()
    assert len(children(halo)) == 2
    told = [sorted(ticket.note["told"]) for ticket in models.Ticket.objects.order_by("key")]
    assert told == [["db|critical-1", "web|critical-1"], ["web|low-9"]]


def test_a_project_of_nothing_that_anybody_picked_takes_in_nothing(
    connection: models.Connection, source: models.Source, halo: HaloEmulator, as_role: Callable[[str], Client]
) -> None:
    analyst = as_role("analyst")
    analyst.post("/tickets/new", {"vulnerability": number_of("critical-1")})
    models.ListedFinding.objects.all().delete()
    run_all()
    assert children(halo) == []
    models.Finding.objects.update(state="remediated")
    assert "Nothing of it is open." in text_of(analyst.get(f"/tickets/new?vulnerability={number_of('low-9')}"))
    analyst.post("/tickets/new", {"vulnerability": number_of("low-9")})
    run_all()
    assert children(halo) == []


def test_a_risk_that_is_accepted_gets_no_ticket(
    connection: models.Connection, source: models.Source, halo: HaloEmulator, as_role: Callable[[str], Client]
) -> None:
    models.RiskAcceptance.objects.create(source=source, asset="db", reason="r", approver="x", expires="2099-01-01")
    analyst = as_role("analyst")
    text = text_of(analyst.get(f"/tickets/new?vulnerability={number_of('critical-1')}"))
    assert "Of 1 of its 2 findings the risk is accepted" in text
    analyst.post("/tickets/new", {"vulnerability": number_of("critical-1")})
    run_all()
    assert models.Ticket.objects.get().assets == ["web"]


@pytest.mark.long
def test_many_that_were_asked_for_wait_for_nobody(
    connection: models.Connection, source: models.Source, halo: HaloEmulator, as_role: Callable[[str], Client]
) -> None:
    analyst = as_role("analyst")
    analyst.post("/tickets/new", {"vulnerability": number_of("critical-1")})
    take_in(source, scan({f"h{number}": ["high-2"] for number in range(105)} | FOUND, DAY + timedelta(days=1)))
    devices = models.Asset.objects.filter(asset__startswith="h").values_list("device", flat=True)
    for device in devices:
        analyst.post("/tickets/new", {"device": device})
    for project, count in zip(models.Project.objects.order_by("pk"), (1, 105)):
        made = plan(world_of(project, DAY.date()))
        assert (len(made.steps), made.held) == (count, "")


def test_people_pause_detach_and_attach_a_ticket(
    connection: models.Connection, source: models.Source, halo: HaloEmulator, as_role: Callable[[str], Client]
) -> None:
    analyst, viewer = as_role("analyst"), as_role("viewer")
    asked = {"vulnerability": number_of("critical-1")}
    analyst.post("/tickets/new", asked)
    run_all()
    row = models.Ticket.objects.get()
    address = f"/tickets/{row.pk}/"
    assert 'method="post" action="/tickets/' not in viewer.get(address).content.decode()
    for action in ("pause", "resume", "detach", "attach", "tie"):
        assert viewer.post(f"{address}{action}").status_code == 403
    analyst.post(f"{address}pause")
    text = text_of(analyst.get(address))
    assert "Paused by analyst." in text and "Let it go on" in text
    assert f"{row.halo_id}" in text_of(viewer.get("/tickets/?said=paused"))
    take_in(source, scan({"web": ["low-9"], "db": ["high-2"]}, DAY + timedelta(days=1)))
    run_all()
    assert "paused by analyst" in text_of(analyst.get(address))
    assert models.Ticket.objects.get().status == "Not Started"
    analyst.post(f"{address}resume")
    assert waiting_jobs()[-1] == f"project-{row.project_id}"
    run_all()
    assert models.Ticket.objects.get().status == "Remediated"
    analyst.post(f"{address}detach")
    assert "Detached by analyst." in text_of(analyst.get(address)) and "Attach it again" in text_of(
        analyst.get(address)
    )
    assert "No ticket tells of it." in text_of(analyst.get(f"/vulnerabilities/{number_of('critical-1')}/"))
    analyst.post(f"{address}attach")
    assert models.Ticket.objects.get().assets == ["db", "web"]
    whats = models.AuditEntry.objects.filter(of=f"ticket {row.halo_id}").order_by("pk").values_list("what", flat=True)
    assert list(whats) == ["ticket paused", "ticket resumed", "ticket detached", "ticket attached again"]


def test_a_detached_ticket_is_made_again_when_a_person_asks_for_it(
    connection: models.Connection, source: models.Source, halo: HaloEmulator, as_role: Callable[[str], Client]
) -> None:
    analyst = as_role("analyst")
    asked = {"vulnerability": number_of("critical-1")}
    analyst.post("/tickets/new", asked)
    run_all()
    row = models.Ticket.objects.get()
    analyst.post(f"/tickets/{row.pk}/detach")
    # Also another project, which would take them in, leaves them alone.
    models.Project.objects.create(name="all", slug="all", connection=connection, source=source, position=1)
    run_all()
    told = [sorted(one.note["told"]) for one in models.Ticket.objects.filter(kind="child", project__slug="all")]
    assert sorted(told) == [["db|high-2"], ["web|low-9"]]
    plan = models.Plan.objects.filter(project__slug="all").latest("pk")
    assert f"detached by analyst: ticket {row.halo_id}" in [one["reason"] for one in plan.not_done]
    assert "Open the ticket" in text_of(analyst.get("/tickets/new", asked))
    analyst.post("/tickets/new", asked)
    run_all()
    newest = models.Ticket.objects.filter(project=row.project).latest("generation")
    assert newest.halo_id != row.halo_id and newest.assets == ["db", "web"]
    assert "Another ticket has taken its place" in text_of(analyst.post(f"/tickets/{row.pk}/attach", follow=True))


def test_findings_are_tied_to_another_ticket(
    connection: models.Connection, source: models.Source, halo: HaloEmulator, as_role: Callable[[str], Client]
) -> None:
    analyst = as_role("analyst")
    analyst.post("/tickets/new", {"vulnerability": number_of("critical-1")})
    run_all()
    row = models.Ticket.objects.get()
    address = f"/tickets/{row.pk}/"
    first = row.halo_id
    other = min(number for number in halo.tickets if number != first)
    for text in ("", "x", "0", "99999999999", "-1"):
        page = analyst.post(f"{address}tie", {"to": text})
        assert page.status_code == 400 and 'aria-describedby="tie-error"' in page.content.decode()
    analyst.post(f"{address}tie", {"to": str(other)})
    assert f"to be tied to ticket {other}" in text_of(analyst.get(address))
    assert waiting_jobs()[-1] == f"tie-{row.pk}"
    tie_ticket(row.pk)
    assert waiting_jobs()[-1] == f"project-{row.project_id}" or f"project-{row.project_id}" in waiting_jobs()
    run_all()
    text = text_of(analyst.get(address))
    assert f"analyst tied it to ticket {other}; it was ticket {first} before" in text
    assert models.Ticket.objects.get().halo_id == other
    notes = [str(action["note"]) for action in halo.actions[other]]
    assert any(f"analyst tied what ticket {first} stood for to this ticket" in note for note in notes)

    analyst.post(f"{address}tie", {"to": "987654"})
    tie_ticket(row.pk)
    assert "HaloITSM has no ticket 987654" in text_of(analyst.get(address))
    tie_ticket(row.pk)
    assert models.Ticket.objects.get().halo_id == other


def test_the_list_finds_tickets_by_device_cve_and_what_halo_shows(
    connection: models.Connection, source: models.Source, halo: HaloEmulator, as_role: Callable[[str], Client]
) -> None:
    tell("high-2", cves=["CVE-2026-1234"])
    analyst = as_role("analyst")
    for name in ("critical-1", "high-2"):
        analyst.post("/tickets/new", {"vulnerability": number_of(name)})
    run_all()
    both = {row.vulnerabilities[0]: str(row.halo_id) for row in models.Ticket.objects.all()}
    halo.change_ticket(int(both["high-2"]), status_id=2, agent_id=3)
    run_all()

    def found(**query: str) -> set[str]:
        text = text_of(analyst.get("/tickets/", query))
        return {name for name, number in both.items() if f" {number} " in text}

    assert found() == {"critical-1", "high-2"}
    assert found(device="web") == {"critical-1"} and found(device="db.example") == {"critical-1", "high-2"}
    assert found(cve="cve-2026-1234") == {"high-2"}
    assert found(settled="yes") == set() and found(settled="no") == {"critical-1", "high-2"}
    assert found(project=str(models.Project.objects.get().pk)) == {"critical-1", "high-2"}
    assert found(project="0") == set()
    agent = next(str(one["name"]) for one in halo.lists.agents if one["id"] == 3)
    text = text_of(analyst.get("/tickets/"))
    assert agent in text and "In Progress" in text
    due = models.Ticket.objects.get(vulnerabilities=["high-2"]).due
    assert due and due.isoformat() in text
    assert agent in text_of(analyst.get(f"/tickets/{models.Ticket.objects.get(vulnerabilities=['high-2']).pk}/"))


def test_a_ticket_tells_when_it_was_last_in_step(as_role: Callable[[str], Client], project: models.Project) -> None:
    row = models.Ticket.objects.get(halo_id=2107)
    viewer, words = as_role("viewer"), "Last in step with HaloITSM"

    def told() -> str:
        return text_of(viewer.get(f"/tickets/{row.pk}/")).partition(words)[2].partition("Last change")[0].strip()

    assert told() == "–"
    models.Connection.objects.update(settings={"cursor": "2026-11-21T04:05:06.123456700"})
    assert told().startswith("2026-11-21 04:05")
    entry = models.Journal.objects.create(ticket=row, event="unknown")
    assert told() == "–", "nobody knows what became of a write"
    entry.delete()
    models.Ticket.objects.filter(pk=row.pk).update(note={"missing": "2026-11-22T00:00:00+00:00"})
    assert told() == "not since it is not shown any more"
