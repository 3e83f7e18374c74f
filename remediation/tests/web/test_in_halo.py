"""A ticket as HaloITSM has it now, with what people have written on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_network

import pytest
from django.conf import settings
from django.test import Client

from halo_emulator import Fault, HaloEmulator
from remediation.store import models
from remediation.store.secrets import seal

from .test_connections import text_of


@pytest.fixture
def halo() -> Iterator[HaloEmulator]:
    with HaloEmulator() as running:
        yield running


@pytest.fixture
def ticket(store: str, halo: HaloEmulator, monkeypatch: pytest.MonkeyPatch) -> models.Ticket:
    monkeypatch.setattr(settings, "NETWORKS", [ip_network("127.0.0.0/8")])
    where = {"resource_server": halo.resource_server, "auth_server": halo.auth_server, "client_id": halo.client_id}
    connection = models.Connection.objects.create(name="halo", settings=where, secret=seal(halo.client_secret))
    project = models.Project.objects.create(name="dmz", slug="dmz", connection=connection)
    made = halo.log_ticket(summary="Patch web01", agent_id=3, deadlinedate="2026-12-24T00:00:00Z")
    halo.add_note(made["id"], "<b>Waiting</b> for the window", hidden=True)
    return models.Ticket.objects.create(project=project, key="s1", reference="r1", halo_id=made["id"], title="Patch")


def test_it_is_shown_as_it_is_there(as_role: Callable[[str], Client], ticket: models.Ticket) -> None:
    viewer = as_role("viewer")
    assert f"/tickets/{ticket.pk}/in-halo" in viewer.get(f"/tickets/{ticket.pk}/").content.decode()
    page = viewer.get(f"/tickets/{ticket.pk}/in-halo")
    text = text_of(page)
    assert page.status_code == 200 and "Marcus Okafor" in text and "2026-12-24" in text
    assert "<b>Waiting</b>" in text and "(private)" in text and "<b>Waiting" not in page.content.decode()


def test_what_cannot_be_read_is_said(
    as_role: Callable[[str], Client], ticket: models.Ticket, halo: HaloEmulator
) -> None:
    halo.inject(Fault("status", status=500, times=50))
    page = as_role("viewer").get(f"/tickets/{ticket.pk}/in-halo")
    assert page.status_code == 502 and "It could not be read." in text_of(page)
    halo.clear_faults()
    halo.delete_ticket(ticket.halo_id or 0)
    assert as_role("viewer").get(f"/tickets/{ticket.pk}/in-halo").status_code == 502
