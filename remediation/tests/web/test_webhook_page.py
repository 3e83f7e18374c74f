"""The page on which a connection gets an address for webhooks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_network

import pytest
from django.test import Client

from halo_emulator import Fault, HaloEmulator
from halo_emulator.webhooks import signature
from remediation.store import models
from remediation.store.secrets import open_, seal
from remediation.tickets.webhook import sender_of

from .test_connections import text_of


def test_address_and_secret_are_shown_once_and_ended(
    as_role: Callable[[str], Client], project: models.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django.conf.settings.PUBLIC_URL", "https://remediation.example")
    admin, place = as_role("admin"), f"/connections/{project.connection_id}/webhook/"
    assert "Make an address" in text_of(admin.get(place))
    page = admin.post(place, {"do": "make"}, follow=True).content.decode()
    address, secret = re.findall(r"<dd><code>([^<]+)</code>", page)
    assert re.fullmatch(r"https://remediation\.example/webhooks/halo/[\w-]{43}", address)
    assert open_(models.Connection.objects.get().webhook_secret) == secret
    again = admin.get(place).content.decode()
    assert secret not in again and address not in again and "No webhook has come yet" in again
    viewed = as_role("viewer").get(f"/connections/{project.connection_id}/").content.decode()
    assert "None has come yet." in viewed and secret not in viewed and place not in viewed
    assert "secret" not in str(list(models.AuditEntry.objects.values())) and models.AuditEntry.objects.count() == 1
    admin.post(place, {"do": "end"})
    assert models.Connection.objects.get().webhook_secret == "" and "Make an address" in text_of(admin.get(place))


def test_only_an_administrator_sets_it_up(as_role: Callable[[str], Client], project: models.Project) -> None:
    place = f"/connections/{project.connection_id}/webhook/"
    assert as_role("approver").post(place, {"do": "make"}).status_code == 403
    assert as_role("approver").get(place).status_code == 403
    assert models.Connection.objects.get().webhook_address == ""


@pytest.fixture
def halo() -> Iterator[HaloEmulator]:
    with HaloEmulator() as running:
        yield running


@pytest.fixture
def connected(project: models.Project, halo: HaloEmulator, monkeypatch: pytest.MonkeyPatch) -> models.Connection:
    """The project's connection leads to an emulated Halo, and the service has an address."""
    monkeypatch.setattr("django.conf.settings.NETWORKS", [ip_network("127.0.0.0/8")])
    monkeypatch.setattr("django.conf.settings.PUBLIC_URL", "https://remediation.example")
    where = {"resource_server": halo.resource_server, "auth_server": halo.auth_server, "client_id": halo.client_id}
    models.Connection.objects.update(settings=where, secret=seal(halo.client_secret))
    return models.Connection.objects.get()


def test_it_sets_itself_up_in_halo(
    as_role: Callable[[str], Client], connected: models.Connection, halo: HaloEmulator
) -> None:
    admin, place = as_role("admin"), f"/connections/{connected.pk}/webhook/"
    page = admin.post(place, {"do": "set-up"}, follow=True)
    assert "HaloITSM has the webhook and its events." in text_of(page)
    (made,) = halo.webhooks
    connected.refresh_from_db()
    assert made["secret"] == open_(connected.webhook_secret) and made["authentication"] == "hmac"
    assert made["url"].startswith("https://remediation.example/webhooks/halo/")
    assert {"ticket updated", "ticket status changed", "ticket closed", "ticket deleted"} <= made["events"]
    sender = sender_of(made["url"].rpartition("/")[2], b"{}", {"Token": signature(made["secret"], b"{}")})
    assert sender == connected


@pytest.mark.parametrize(
    ("fault", "said", "made"),
    [
        (Fault("status", method="POST", path="webhook", status=403), "HaloITSM made no webhook.", 0),
        (Fault("status", method="POST", path="notification", status=403, times=9), "perhaps not its events", 1),
        # What was made and not answered is found, and not made again.
        (Fault("drop", method="POST", path="webhook", after_commit=True), "has the webhook and its events", 1),
        (Fault("drop", method="POST", path="webhook"), "does not list it", 0),
        (Fault("status", path="", status=500, times=90), "Do it by hand", 0),
    ],
)
def test_what_halo_does_not_take_is_done_by_hand(
    as_role: Callable[[str], Client],
    connected: models.Connection,
    halo: HaloEmulator,
    fault: Fault,
    said: str,
    made: int,
) -> None:
    halo.inject(fault)
    page = as_role("admin").post(f"/connections/{connected.pk}/webhook/", {"do": "set-up"}, follow=True)
    assert said in text_of(page) and len(halo.webhooks) == made
    # Whatever came of it, both are shown to be entered by hand.
    assert "Payload URL" in text_of(page)
