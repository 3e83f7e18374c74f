"""The page on which a connection gets an address for webhooks."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client

from remediation.store import models
from remediation.store.secrets import open_

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
