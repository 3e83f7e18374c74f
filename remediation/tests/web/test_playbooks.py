"""Playbooks by the pages: of a remedy, of a ticket and of a project's step, with numbers as the ledger tells them."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import yaml
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from halo_emulator import Fault, HaloEmulator
from remediation.jobs.tasks import attach_playbook, run_project
from remediation.store import models
from remediation.store.acceptances import accept, recount
from remediation.store.intake import take_in
from tests.jobs.conftest import connected, waiting_jobs

from ..store.scans import scan
from .test_connections import text_of

FOUND = {"web": ["critical-1", "low-9"], "db": ["critical-1", "high-2"]}
NASTY = "Run this:\nyum update openssl\n</textarea><script>alert(1)</script> {{ 7 * 7 }} $(reboot)"


@pytest.fixture
def halo() -> Iterator[HaloEmulator]:
    with HaloEmulator() as running:
        yield running


@pytest.fixture
def project(store: str, halo: HaloEmulator) -> models.Project:
    source = models.Source.objects.create(name="console", kind="insightvm")
    take_in(source, scan(FOUND, timezone.now() - timedelta(days=1)))
    models.Solution.objects.update(fix=NASTY)
    made = models.Project.objects.create(name="all", slug="all", connection=connected(halo), source=source)
    run_project(made.pk)
    return made


def ledger(ticket: models.Ticket) -> tuple[set[str], set[str]]:
    """The solutions and assets of what a ticket tells of that is open, one finding by one."""
    solutions, assets = set(), set()
    for text in ticket.note["told"]:
        asset, vulnerability = text.split("|")
        one = models.Finding.objects.get(source=ticket.project.source_id, asset=asset, vulnerability=vulnerability)
        if one.state in ("open", "unconfirmed"):
            solutions.add(one.solution or one.vulnerability)
            assets.add(asset)
    return solutions, assets


def fact(page: HttpResponse, name: str) -> int:
    """A number of the page's."""
    found = re.search(rf"<dt>{name}</dt><dd>(\d+)</dd>", page.content.decode())
    assert found, name
    return int(found[1])


def a_ticket() -> models.Ticket:
    return next(one for one in models.Ticket.objects.filter(kind="child") if len(one.assets) == 2)


def test_the_playbook_of_a_remedy(project: models.Project, person: Client) -> None:
    for remedy in models.Remedy.objects.all():
        address = f"/remedies/{remedy.pk}/playbook"
        assert address in person.get(f"/remedies/{remedy.pk}/").content.decode()
        page = person.get(address)
        assert b"<script>alert" not in page.content
        devices = models.Finding.objects.filter(
            solution=remedy.remedy, vulnerability__in=remedy.vulnerabilities, state__in=["open", "unconfirmed"]
        )
        assert fact(page, "Devices") == len(set(devices.values_list("asset", flat=True))) == remedy.assets
        assert (fact(page, "Solutions"), fact(page, "Of these for a person")) == (1, 0)
    files = zipfile.ZipFile(io.BytesIO(person.get(f"{address}/playbook.zip").content))
    playbook, inventory = files.namelist()
    answer = person.get(f"{address}/playbook.yml")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{playbook}"'
    assert answer.content == files.read(playbook)
    assert person.get(f"{address}/inventory.yml").content == files.read(inventory)
    hosts = yaml.safe_load(files.read(inventory))["all"]["children"]["remedy_1"]["hosts"]
    assert len(hosts) == remedy.assets
    assert person.get(f"{address}/other.yml").status_code == 404
    assert person.get("/remedies/999/playbook").status_code == 404


def test_what_is_accepted_or_gone_is_not_in_it(project: models.Project, person: Client) -> None:
    ticket, source = a_ticket(), project.source
    assert source
    accept(source, asset="db", solution=None, vulnerability=None, reason="x", until=timezone.localdate(), by="anna")
    recount(source.pk, timezone.localdate())
    assert fact(person.get(f"/tickets/{ticket.pk}/playbook"), "Devices") == 1
    take_in(source, scan({"web": [], "db": []}, timezone.now()))
    text = text_of(person.get(f"/tickets/{ticket.pk}/playbook"))
    assert (
        "Nothing of it is open now" in text
        and person.get(f"/tickets/{ticket.pk}/playbook/playbook.yml").status_code == 404
    )


def test_it_is_attached_once(
    project: models.Project, halo: HaloEmulator, as_role: Callable[[str], Client], person: Client
) -> None:
    ticket, analyst = a_ticket(), as_role("analyst")
    address = f"/tickets/{ticket.pk}/playbook"
    assert address in person.get(f"/tickets/{ticket.pk}/").content.decode()
    assert address in person.get("/projects/all/").content.decode(), "the step has it as well"
    assert person.post(f"{address}/attach").status_code == 403
    page = analyst.get(address)
    solutions, assets = ledger(ticket)
    assert (fact(page, "Solutions"), fact(page, "Devices")) == (len(solutions), len(assets))
    for _ in range(2):
        assert analyst.post(f"{address}/attach").status_code == 302
    assert waiting_jobs().count(f"playbook-{ticket.pk}") == 1
    assert "analyst wants it" in text_of(analyst.get(address)) and not files(halo, ticket)
    attach_playbook(ticket.pk)
    attached = files(halo, ticket)
    assert [name.partition("-")[0] for name in attached] == ["playbook", "inventory"]
    assert analyst.get(f"{address}/playbook.yml").content == attached[next(iter(attached))]
    assert f"are attached to ticket {ticket.halo_id}" in text_of(analyst.get(address))
    assert models.AuditEntry.objects.filter(what="playbook to be attached", who="analyst").count() == 2
    # Nothing has changed: nothing is attached. Something has: it is.
    analyst.post(f"{address}/attach")
    attach_playbook(ticket.pk)
    assert files(halo, ticket) == attached
    attach_playbook(ticket.pk)
    assert files(halo, ticket) == attached, "nobody has asked"
    models.Solution.objects.update(fix="Turn it off.")
    analyst.post(f"{address}/attach")
    attach_playbook(ticket.pk)
    assert len(files(halo, ticket)) == 3, "the inventory is the same"
    ticket.refresh_from_db()
    assert [one.event for one in ticket.journal.filter(detail__has_key="playbook")] == ["about", "done"] * 3
    assert "Attach the playbook" in text_of(person.get(f"/tickets/{ticket.pk}/"))


def files(halo: HaloEmulator, ticket: models.Ticket) -> dict[str, bytes]:
    return {str(row["filename"]): row["content"] for row in halo.attachments.get(ticket.halo_id or 0, [])}


def test_a_refusal_is_told(project: models.Project, halo: HaloEmulator, as_role: Callable[[str], Client]) -> None:
    ticket, analyst = a_ticket(), as_role("analyst")
    address = f"/tickets/{ticket.pk}/playbook"
    halo.inject(
        Fault("status", "POST", "attachment", status=400, body={"message": "This file type is not allowed"}, times=None)
    )
    analyst.post(f"{address}/attach")
    attach_playbook(ticket.pk)
    assert "It was not attached. HaloITSM did not take it." in text_of(analyst.get(address))
    ticket.refresh_from_db()
    assert ticket.note["playbook_said"] and "playbook" not in ticket.note


def test_a_paused_ticket_and_one_that_is_not_made_get_none(
    project: models.Project, as_role: Callable[[str], Client]
) -> None:
    ticket, analyst = a_ticket(), as_role("analyst")
    address = f"/tickets/{ticket.pk}/playbook"
    analyst.post(f"/tickets/{ticket.pk}/pause")
    assert "Attach to ticket" not in text_of(analyst.get(address))
    analyst.post(f"{address}/attach")
    assert f"playbook-{ticket.pk}" not in waiting_jobs()
    assert "paused by analyst" in text_of(analyst.get(address))
    models.Ticket.objects.filter(pk=ticket.pk).update(halo_id=None, note={"told": ticket.note["told"]})
    analyst.post(f"{address}/attach")
    assert "not made in HaloITSM yet" in text_of(analyst.get(address))
    assert f"playbook-{ticket.pk}" not in waiting_jobs()
