"""The access to openVuln in a browser, and what Cisco says on the pages of a vulnerability and a device."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone as clock

from remediation.jobs.cisco import ask_cisco
from remediation.store import models
from remediation.store.intake import take_in
from remediation.store.secrets import open_
from stand_ins.cisco_openvuln import CiscoOpenVuln
from tests.jobs.conftest import waiting_jobs

from ..store.scans import scan
from .test_connections import text_of

DAY = datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc)


@pytest.fixture
def admin(as_role: Callable[[str], Client]) -> Client:
    return as_role("admin")


def entered(cisco: CiscoOpenVuln, **other: str) -> dict[str, Any]:
    return {"client_id": cisco.client_id, "secret": cisco.client_secret, "do": "save", **other}


def test_it_is_entered_tested_changed_and_taken_away(admin: Client, cisco: CiscoOpenVuln) -> None:
    assert "Answers kept 0" in text_of(admin.get("/settings/cisco"))
    shown = text_of(admin.post("/settings/cisco", entered(cisco, do="test")))
    assert "good Cisco answers" in shown and not models.Cisco.objects.exists()
    assert "gives no token" in text_of(admin.post("/settings/cisco", entered(cisco, do="test", secret="wrong")))
    assert admin.post("/settings/cisco", entered(cisco)).status_code == 302
    row = models.Cisco.objects.get()
    assert open_(row.secret) == cisco.client_secret != row.secret and waiting_jobs() == ["cisco"]
    # It is never shown, and stays where the field is left empty.
    page = admin.get("/settings/cisco")
    assert cisco.client_secret not in page.content.decode() and row.secret not in page.content.decode()
    assert "good Cisco answers" in text_of(admin.post("/settings/cisco", entered(cisco, do="test", secret="")))
    assert admin.post("/settings/cisco", entered(cisco, secret="", client_id="other")).status_code == 302
    row.refresh_from_db()
    assert (row.client_id, open_(row.secret)) == ("other", cisco.client_secret)
    assert admin.post("/settings/cisco", entered(cisco, version="0")).status_code == 409, "two entered the first one"
    late = admin.post("/settings/cisco", entered(cisco, version="1"))
    assert late.status_code == 409 and "Somebody else changed this" in text_of(late)
    admin.post("/settings/cisco", {"do": "remove"})
    assert not models.Cisco.objects.exists()
    audit = list(models.AuditEntry.objects.order_by("pk").values_list("what", flat=True))
    assert audit == ["access to openVuln stored"] * 2 + ["access to openVuln taken away"]
    assert cisco.client_secret not in str(list(models.AuditEntry.objects.values()))


def test_what_cannot_be_an_access_is_refused(admin: Client, cisco: CiscoOpenVuln) -> None:
    for wrong in ({"client_id": ""}, {"secret": ""}, {"client_id": "a\nb"}, {"secret": "x" * 1001}):
        assert admin.post("/settings/cisco", entered(cisco, **wrong)).status_code == 400, wrong
    assert not models.Cisco.objects.exists() and not cisco.requests


def test_only_administrators_may(as_role: Callable[[str], Client], cisco: CiscoOpenVuln) -> None:
    approver = as_role("approver")
    assert approver.get("/settings/cisco").status_code == 403
    assert approver.post("/settings/cisco", entered(cisco)).status_code == 403
    assert "/settings/cisco" not in approver.get("/settings/").content.decode()


@pytest.fixture
def world(admin: Client, cisco: CiscoOpenVuln) -> models.Source:
    source = models.Source.objects.create(name="console", kind="insightvm")
    take_in(source, scan({"switch": ["high-1"], "old": ["high-1"]}, DAY))
    models.Vulnerability.objects.update(cves=["CVE-2026-30001"], title="Cisco IOS XE: web UI", cvss=7.5)
    models.Asset.objects.filter(asset="switch").update(os="Cisco IOS XE 17.9.1")
    models.Asset.objects.filter(asset="old").update(os="Cisco IOS 15.2(4)M6")
    return source


def device(person: Client, name: str) -> str:
    number = models.Asset.objects.get(asset=name).device_id
    return text_of(person.get(f"/devices/{number}/"))


def test_what_cisco_says_is_shown_with_source_and_date(
    admin: Client, world: models.Source, cisco: CiscoOpenVuln
) -> None:
    assert "Cisco is not asked: there is no access" in device(admin, "switch")
    admin.post("/settings/cisco", entered(cisco))
    assert "Cisco was not asked yet" in device(admin, "switch")
    cisco.publish("cisco-sa-hostile", "<script>alert(1)</script>", ["CVE-2026-30001"], fixed={("iosxe", "17.9.1"): []})
    cisco.releases.add(("ios", "15.2(4)M6"))
    ask_cisco(sleep=lambda _: None)
    today = clock.localdate().isoformat()
    shown = device(admin, "switch")
    assert f"Cisco, read {today}: this release has" in shown and "cisco-sa-iosxe-webui-x1" in shown
    assert "17.9.4a yes" in shown and "none told yes" in shown
    assert f"Cisco, read {today}: no advisory is about this release" in device(admin, "old")
    page = admin.get(f"/vulnerabilities/{models.Vulnerability.objects.get().pk}/")
    assert b"<script>alert" not in page.content
    shown = text_of(page)
    assert f"Cisco IOS XE 17.9.1: 17.9.4a (Cisco, read {today})" in shown and "Critical 9.8" in shown
    # What the scanner said is there as before.
    assert models.Vulnerability.objects.values_list("severity", "cvss").get() == ("high", 7.5)
    assert models.Advisory.objects.count() == 2
    settings = text_of(admin.get("/settings/"))
    assert f"2 advisories, asked for until {today}" in settings
    # A finding that is gone is not open.
    models.Finding.objects.update(state="remediated")
    assert "17.9.4a no" in device(admin, "switch")


def test_a_release_that_cisco_does_not_know_is_told(admin: Client, world: models.Source, cisco: CiscoOpenVuln) -> None:
    admin.post("/settings/cisco", entered(cisco))
    ask_cisco(sleep=lambda _: None)
    assert "INVALID_VERSION" in device(admin, "old")
    shown = text_of(admin.get("/settings/cisco"))
    assert "release ios 15.2(4)M6" in shown and "Still to be asked 0" in shown
    sent = len(cisco.requests)
    assert f"Requests in 24 hours {sent} of 4,500" in shown
