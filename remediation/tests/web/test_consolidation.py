"""What could be one, as pages show it: each number as the ledger and the tickets tell it, and what people decide."""

from __future__ import annotations

import html
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from ipaddress import ip_network
from typing import Any

import pytest
from django.test import Client

from halo_emulator import HaloEmulator
from remediation.jobs.tasks import run_project
from remediation.store import models
from remediation.store.acceptances import accept, recount
from remediation.store.intake import take_in
from remediation.tickets.keeping import JOINED
from tests.jobs.conftest import connected, waiting_jobs

from ..store.scans import scan, tell
from .test_connections import text_of
from .test_lists import rows

DAY = datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc)
HOSTILE = '"><script>alert(1)</script>'
FOUND = {
    "web": ["critical-1", "high-2", "low-3"],
    "db": ["critical-1", "medium-4"],
    "app": ["medium-4", "medium-5", "low-6"],
    "old": ["none-7"],
}


@pytest.fixture
def halo(store: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[HaloEmulator]:
    monkeypatch.setattr("django.conf.settings.NETWORKS", [ip_network("127.0.0.0/8")])
    with HaloEmulator() as running:
        connected(running)
        yield running


@pytest.fixture
def source(store: str) -> models.Source:
    row = models.Source.objects.create(name="console", kind="insightvm")
    take_in(row, scan(FOUND, DAY))
    return row


@pytest.fixture
def project(halo: HaloEmulator, source: models.Source) -> models.Project:
    """A ticket for each vulnerability that is high or critical: one of two devices, one of web."""
    connection = models.Connection.objects.get()
    settings = {"granularity": "vulnerability", "min_severity": "high"}
    row = models.Project.objects.create(
        name="High", slug="high", connection=connection, source=source, settings=settings
    )
    run_project(row.pk)
    return row


def by_device(source: models.Source, halo: HaloEmulator) -> models.Project:
    """A ticket for each device of what is low: of web, which has another, and of app."""
    connection = models.Connection.objects.get()
    settings = {"granularity": "asset", "min_severity": "low"}
    row = models.Project.objects.create(
        name="Low", slug="low", position=1, connection=connection, source=source, settings=settings
    )
    run_project(row.pk)
    return row


def headings(client: Client, address: str = "/consolidation/") -> list[str]:
    page = client.get(address)
    assert page.status_code == 200, text_of(page)
    return [
        " ".join(html.unescape(re.sub(r"<[^>]*>", "", text)).split())
        for text in re.findall(r"<h3>(.*?)</h3>", page.content.decode(), re.S)
    ]


def asked() -> list[str]:
    """The same asked of the tickets and the ledger, one finding by one."""
    device_of = {(one.source_id, one.asset): one.device_id for one in models.Asset.objects.all()}
    names = {one.pk: one.name for one in models.Device.objects.all()}
    alone: dict[int, set[int]] = defaultdict(set)
    told: dict[int, set[str]] = defaultdict(set)
    for ticket in models.Ticket.objects.filter(kind="child").select_related("project"):
        pairs = [text.split("|") for text in ticket.note["told"]]
        told[ticket.project.source_id or 0] |= set(ticket.note["told"])
        devices = {device_of[ticket.project.source_id or 0, asset] for asset, _ in pairs}
        if len(devices) == 1:
            alone[devices.pop() or 0].add(ticket.pk)
    found = [(-len(some), f"{len(some)} tickets on {names[device]} could be one") for device, some in alone.items()]
    tickets = [text for count, text in sorted(found) if count < -1]
    free: dict[tuple[str, str], set[str]] = defaultdict(set)
    covered: set[tuple[str, str]] = set()
    accepted = set(models.RiskAcceptance.objects.values_list("vulnerability", flat=True))
    for one in models.Finding.objects.filter(state__in=["open", "unconfirmed"]).exclude(vulnerability__in=accepted):
        text, name = f"{one.asset}|{one.vulnerability}", names[device_of[one.source_id, one.asset] or 0]
        of = [("on", name), ("with", one.solution or one.vulnerability)]
        for subject in of:
            free[subject].add(text)
        if text in told[one.source_id]:
            covered |= set(of)
    # Nothing of them is told by a ticket, and at least two findings are to be told.
    left = sorted(
        (-len(texts), word, name)
        for (word, name), texts in free.items()
        if len(texts) > 1 and (word, name) not in covered
    )
    return [*tickets, *(f"{-count} findings {word} {name} could be told in one ticket" for count, word, name in left)]


def forms(client: Client) -> list[dict[str, str]]:
    """The suggestions' keys and versions, in their order."""
    page = client.get("/consolidation/").content.decode()
    found = re.findall(
        r'action="/consolidation/reject".*?name="key" value="(\w+)".*?name="version" value="(\w+)"', page, re.S
    )
    return [{"key": key, "version": version} for key, version in found]


def test_the_numbers_are_those_of_the_tickets_and_the_ledger(
    person: Client, project: models.Project, source: models.Source, halo: HaloEmulator
) -> None:
    shown = headings(person)
    # critical-1 is on two devices, so its ticket is about none of them.
    assert (
        shown
        == asked()
        == [
            "3 findings on app.example could be told in one ticket",
            "2 findings with fix medium-4 could be told in one ticket",
        ]
    )
    by_device(source, halo)
    shown = headings(person)
    assert shown == asked() == ["2 tickets on web.example could be one"]
    page = text_of(person.get("/consolidation/"))
    assert "1 ticket less to deal with. Together they tell of 2 findings" in page
    assert "Stays, because of those with the most findings, 1, it is the oldest" in page
    # With what a person accepts, and what is not there any more.
    accept(source, asset=None, solution=None, vulnerability="low-6", reason="x", until=date(2999, 1, 1), by="lead")
    recount(source.pk, date.today())
    shown = headings(person)
    assert shown == asked() == ["2 tickets on web.example could be one"], "app has a ticket"
    models.Journal.objects.all().delete()
    models.Ticket.objects.all().delete()
    shown = headings(person)
    assert sorted(shown) == sorted(asked()) and "2 findings on app.example could be told in one ticket" in shown


def test_an_analyst_joins_tickets(
    as_role: Callable[[str], Client], project: models.Project, source: models.Source, halo: HaloEmulator
) -> None:
    other = by_device(source, halo)
    high, low = (models.Ticket.objects.get(key=key) for key in ("high-2", "web"))
    number = models.Device.objects.get(name="web.example").pk
    viewer, analyst = as_role("viewer"), as_role("analyst")
    link = f"/consolidation/?ticket={high.pk}"
    page = viewer.get(f"/devices/{number}/")
    assert f'<a href="{link}">2 tickets on this device could be one</a>' in page.content.decode()
    assert headings(viewer, link) == ["2 tickets on web.example could be one"]
    assert "<button" not in viewer.get("/consolidation/").content.decode().split("<main")[1]
    (form,) = forms(analyst)
    assert viewer.post("/consolidation/carry-out", form).status_code == 403
    done = analyst.post("/consolidation/carry-out", form, follow=True)
    assert "The tickets are joined." in text_of(done) and "2 of 2 not told yet" in text_of(done)
    assert {f"project-{project.pk}", f"project-{other.pk}"} <= set(waiting_jobs())
    # A double click changes nothing, and says so.
    again = analyst.post("/consolidation/carry-out", form)
    assert again.status_code == 409 and "Nothing was done" in text_of(again)
    for one in (project, other):
        run_project(one.pk)
    page = text_of(viewer.get("/consolidation/"))
    assert "joined , all told" in page and f"{high.halo_id} stays; {low.halo_id}" in page and "analyst" in page
    said = {key: [one["note"] for one in halo.actions[key]] for key in (high.halo_id, low.halo_id)}
    assert sum("dealt with here, as analyst decided" in text for text in said[high.halo_id]) == 1
    assert sum(f"together with ticket {high.halo_id}" in text for text in said[low.halo_id]) == 1
    assert "Dealt with together with" in text_of(viewer.get(f"/tickets/{low.pk}/"))
    assert "Dealt with here as well:" in text_of(viewer.get(f"/tickets/{high.pk}/"))
    assert headings(viewer) == []


def test_an_analyst_rejects_with_a_reason(
    as_role: Callable[[str], Client], project: models.Project, source: models.Source
) -> None:
    viewer, analyst = as_role("viewer"), as_role("analyst")
    first, second = forms(analyst)
    for reason in ("", "   ", "x" * 2001):
        answer = analyst.post("/consolidation/reject", {**first, "reason": reason})
        assert answer.status_code == 400 and "why it is rejected" in text_of(answer)
    assert 'value="' + "x" * 2001 in answer.content.decode(), "what was typed is there still"
    assert viewer.post("/consolidation/reject", {**first, "reason": "no"}).status_code == 403
    assert not models.Consolidation.objects.exists()
    assert analyst.post("/consolidation/reject", {**first, "reason": HOSTILE}).status_code == 302
    page = analyst.get("/consolidation/")
    assert (
        f"rejected: {HOSTILE}" in html.unescape(page.content.decode()) and "<script>alert" not in page.content.decode()
    )
    assert forms(analyst) == [second]
    late = analyst.post("/consolidation/reject", {**first, "reason": "typed in vain"})
    assert late.status_code == 409
    # What has no ticket cannot be joined.
    assert analyst.post("/consolidation/carry-out", second).status_code == 409
    for odd in ({}, {"key": "x" * 10_000, "version": "\u2028"}, {**second, "version": "0"}):
        assert analyst.post("/consolidation/carry-out", odd).status_code == 409
    # It comes back with another vulnerability, and not with another day.
    take_in(source, scan(FOUND, DAY + timedelta(days=1)))
    assert len(forms(analyst)) == 1
    take_in(source, scan({**FOUND, "app": [*FOUND["app"], "low-8"]}, DAY + timedelta(days=2)))
    assert "4 findings on app.example could be told in one ticket" in headings(analyst)


def test_findings_lead_to_a_ticket(
    as_role: Callable[[str], Client], project: models.Project, source: models.Source
) -> None:
    analyst = as_role("analyst")
    page = analyst.get("/consolidation/").content.decode()
    device = models.Device.objects.get(name="app.example").pk
    remedy = models.Remedy.objects.get(remedy="fix medium-4").pk
    for link in (f"/tickets/new?device={device}", f"/tickets/new?remedy={remedy}"):
        assert f'href="{link}"' in page
        assert "Open the ticket" in text_of(analyst.get(link))


def test_tickets_with_one_solution_are_told_on_its_page(
    person: Client, halo: HaloEmulator, source: models.Source
) -> None:
    findings = models.Finding.objects.filter(vulnerability__in=["low-3", "low-6"])
    findings.update(solution="harden")
    recount(source.pk, date.today())
    connection = models.Connection.objects.get()
    row = models.Project.objects.create(
        name="All",
        slug="all",
        connection=connection,
        source=source,
        settings={"granularity": "vulnerability", "min_severity": "low", "scope": {}},
    )
    run_project(row.pk)
    remedy = models.Remedy.objects.get(remedy="harden")
    stays = models.Ticket.objects.get(key="low-3")
    page = person.get(f"/remedies/{remedy.pk}/").content.decode()
    assert f'<a href="/consolidation/?ticket={stays.pk}">2 tickets with this solution could be one</a>' in page
    assert "2 tickets with harden could be one" in headings(person, f"/consolidation/?ticket={stays.pk}")
    # high-2 and low-3 are on web alone, too: what overlaps is suggested beside it.
    assert "2 tickets on web.example could be one" in headings(person)


def test_hostile_titles_stay_text(
    as_role: Callable[[str], Client], project: models.Project, source: models.Source, halo: HaloEmulator
) -> None:
    by_device(source, halo)
    models.Ticket.objects.all().update(title=HOSTILE + "x" * 10_000)
    models.Device.objects.all().update(name=HOSTILE)
    models.Solution.objects.all().update(name=HOSTILE)
    number = models.Device.objects.order_by("pk")[0].pk
    analyst = as_role("analyst")
    assert analyst.post("/consolidation/carry-out", forms(analyst)[0]).status_code == 302
    for address in ("/consolidation/", f"/consolidation/devices?device={number}"):
        page = analyst.get(address).content.decode()
        assert "<script>alert" not in page and "&lt;script&gt;alert" in page, address
    for address in (
        "/consolidation/?page=x&ticket=-1",
        "/consolidation/?ticket=" + "9" * 40,
        "/consolidation/?page=-3",
    ):
        assert analyst.get(address).status_code == 200


def plan_rows(page: Any) -> dict[str, list[str]]:
    lines = re.findall(r"<tr><th scope=\"row\">(.*?)</tr>", page.content.decode(), re.S)
    cells = [
        [html.unescape(re.sub(r"<[^>]*>", "", cell)).strip() for cell in re.split(r"<td[^>]*>", line)] for line in lines
    ]
    return {name: rest for name, *rest in cells}


def test_a_ticket_that_names_a_device_leads_to_its_vulnerabilities_and_to_one_plan(
    as_role: Callable[[str], Client], project: models.Project, source: models.Source, halo: HaloEmulator
) -> None:
    """The second example of the analysts' guide, for two devices."""
    tell("medium-4", kev=True)
    tell("low-3", kev=True)
    accept(source, asset="web", solution=None, vulnerability="low-3", reason="x", until=date(2999, 1, 1), by="lead")
    recount(source.pk, date.today())
    take_in(models.Source.objects.create(name="other", kind="insightvm"), scan({"web2": ["low-9"]}, DAY))
    analyst = as_role("analyst")
    ticket = halo.log_ticket(summary="Trouble with app.example and web.example")["id"]
    page = analyst.get("/tickets/look-up", {"number": ticket})
    text = page.content.decode()
    web, app = (models.Device.objects.get(name=name).pk for name in ("web.example", "app.example"))
    named = plan_rows(page)
    # What is accepted is neither counted nor in KEV.
    assert named["web.example"][:3] == ["2", "Critical", "no"] and named["app.example"][:3] == ["3", "Medium", "yes"]
    assert f'href="/vulnerabilities/?device_number={web}"' in text
    assert rows(analyst, f"/vulnerabilities/?device_number={web}") == ["critical-1", "high-2"]
    for odd in ("0", "-1", "1e300"):
        assert rows(analyst, f"/vulnerabilities/?device_number={odd}") in ([], ["critical-1", "high-2"]), odd
    address = html.unescape(re.search(r'href="(/consolidation/devices\?[^"]+)"', text)[1])  # type: ignore[index]
    page = as_role("viewer").get(address)
    assert "Tickets by solution" not in text_of(page)
    page = analyst.get(address)
    known = {
        (one.solution or ""): one
        for one in models.Finding.objects.filter(asset__in=["web", "app"]).exclude(asset="web", vulnerability="low-3")
    }
    shown = plan_rows(page)
    assert list(shown) == ["fix critical-1", "fix high-2", "fix medium-4", "fix medium-5", "fix low-6"]
    assert shown.keys() == known.keys()
    told = {text for one in models.Ticket.objects.all() for text in one.note.get("told") or ()}
    for name, (findings, covered, worst, kev, where, everywhere) in shown.items():
        mine = models.Finding.objects.filter(source=source, solution=name)
        here = [one for one in mine.filter(asset__in=["web", "app"])]
        assert int(findings) == len(here), name
        assert int(covered) == sum(f"{one.asset}|{one.vulnerability}" in told for one in here), name
        assert worst == name[4:-2].capitalize() and kev == ("yes" if name == "fix medium-4" else "no")
        assert where == ", ".join(sorted({f"{one.asset}.example" for one in here})), name
        assert int(everywhere) == mine.values("asset").distinct().count(), name
    assert f"{len(known)} findings are open on them, and {len(shown)} solutions" in text_of(page)
    # One click, and each solution without a ticket gets one.
    address = html.unescape(re.search(r'href="(/tickets/new\?[^"]+)"', page.content.decode())[1])  # type: ignore[index]
    form = analyst.get(address)
    assert "3 tickets at most" in text_of(form)
    hidden = re.findall(r'name="(remedy)" value="(\d+)"', form.content.decode())
    given = {"remedy": [value for _, value in hidden], "connection": models.Connection.objects.get().pk}
    assert analyst.post("/tickets/new", given).status_code == 302
    single = models.Project.objects.get(settings__picked=True)
    run_project(single.pk)
    made = set(single.tickets.exclude(halo_id=None).values_list("key", flat=True))
    assert made == {"fix medium-4", "fix medium-5", "fix low-6"}
    shown = plan_rows(analyst.get(f"/consolidation/devices?device={web}&device={app}&device=x&device=0"))
    assert all(row[0] == row[1] for row in shown.values())


def test_a_ticket_over_many_devices_leads_to_each(
    person: Client, project: models.Project, source: models.Source
) -> None:
    tell("medium-4", kev=True)
    row = models.Ticket.objects.get(key="critical-1")
    text = person.get(f"/tickets/{row.pk}/").content.decode()
    web, db = (models.Device.objects.get(name=name).pk for name in ("web.example", "db.example"))
    for number in (web, db):
        assert f'href="/devices/{number}/"' in text and f'href="/vulnerabilities/?device_number={number}"' in text
    assert f"/consolidation/devices?device={web}&amp;device={db}" in text or (
        f"/consolidation/devices?device={db}&amp;device={web}" in text
    )
    chips = re.search(r'<ul class="chips">(.*?)</ul>', text, re.S)
    assert chips and chips[1].count("in KEV") == 1 and "2 open, critical" in chips[1] and "3 open, critical" in chips[1]


def test_no_device_is_no_plan(person: Client) -> None:
    for address in ("/consolidation/devices", "/consolidation/devices?device=77&device=x"):
        assert "No device is named" in text_of(person.get(address))


def test_a_paused_project_is_told_of(
    as_role: Callable[[str], Client], project: models.Project, source: models.Source, halo: HaloEmulator
) -> None:
    by_device(source, halo)
    models.Project.objects.filter(pk=project.pk).update(paused=True)
    analyst = as_role("analyst")
    done = analyst.post("/consolidation/carry-out", forms(analyst)[0], follow=True)
    assert "Those of High are told when an approver lets it run again" in text_of(done)
    assert f"project-{project.pk}" not in waiting_jobs()
    assert models.Ticket.objects.filter(note__has_key=JOINED).count() == 2
