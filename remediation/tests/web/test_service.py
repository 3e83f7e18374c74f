"""Settings: who may, what is counted then, and that the later of two is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from django.test import Client

from remediation.jobs.incoming import source_of
from remediation.store import models
from remediation.store.intake import take_in
from remediation.store.secrets import seal
from tests.jobs.conftest import waiting_jobs

from ..store.scans import scan
from .test_connections import text_of

DAY = datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc)


@pytest.fixture
def source(store: str) -> models.Source:
    row = models.Source.objects.create(name="console", kind="insightvm", settings={"every": 5})
    take_in(row, scan({"web": ["critical-1", "low-9"], "db": ["critical-1"]}, DAY))
    return row


def test_due_days_move_what_is_overdue_and_the_later_of_two_is_told(
    source: models.Source, as_role: Callable[[str], Client]
) -> None:
    admin = as_role("admin")
    days = {"critical": 1, "high": 30, "medium": 60, "low": 3650, "none": 90}
    assert admin.post("/settings/due", {**days, "version": "1"}).status_code == 302
    assert "low-9" not in text_of(admin.get("/vulnerabilities/?overdue=yes"))
    assert "critical-1" in text_of(admin.get("/vulnerabilities/?overdue=yes"))
    late = admin.post("/settings/due", {**days, "critical": 9, "version": "1"})
    assert late.status_code == 409 and "critical 1" in text_of(late) and 'value="9"' in late.content.decode()
    assert admin.post("/settings/due", {**days, "critical": 9, "version": "2"}).status_code == 302
    assert admin.post("/settings/due", {**days, "critical": -1, "version": "3"}).status_code == 400


def test_sources_are_scheduled_and_read(source: models.Source, as_role: Callable[[str], Client]) -> None:
    admin, viewer = as_role("admin"), as_role("viewer")
    admin.post(f"/settings/sources/{source.pk}/schedule", {"every": "45"})
    source.refresh_from_db()
    assert source.settings["every"] == 45
    for wrong in ("x", "9" * 5000):
        answer = admin.post(f"/settings/sources/{source.pk}/schedule", {"every": wrong}, follow=True)
        assert "Give a number" in text_of(answer)
    admin.post(f"/settings/sources/{source.pk}/read")
    assert waiting_jobs() == [f"source-{source.pk}"]
    page = viewer.get("/settings/").content.decode()
    assert "console" in page and page.count('method="post"') == 1, "signing out"


def test_a_token_is_shown_once(source: models.Source, as_role: Callable[[str], Client]) -> None:
    admin = as_role("admin")
    assert admin.post(f"/settings/sources/{source.pk}/token").status_code == 404, "it watches no folder"
    models.Source.objects.update(settings={"watch": {"folder": "/somewhere"}})
    admin.post(f"/settings/sources/{source.pk}/token")
    text = text_of(admin.get("/settings/"))
    token = text.split("worth nothing any more: ")[1].split()[0]
    assert source_of(token) == source
    assert token not in text_of(admin.get("/settings/"))
    assert token not in str(list(models.AuditEntry.objects.values_list("detail", flat=True)))


def test_keys_are_changed_and_forgotten(
    source: models.Source, as_role: Callable[[str], Client], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REMEDIATION_KEY")
    monkeypatch.setattr("django.conf.settings.DATA", tmp_path)
    models.Source.objects.update(secret=seal("a secret of this test"))
    admin = as_role("admin")
    assert "1 secrets are sealed with the first key" in text_of(
        admin.post("/settings/keys", {"do": "rotate"}, follow=True)
    )
    key = (tmp_path / "key").read_text()
    page = admin.get("/settings/keys").content.decode()
    assert "Forget the older keys" in page and not any(part in page for part in key.split())
    assert "Only the first key is kept" in text_of(admin.post("/settings/keys", {"do": "forget"}, follow=True))
    assert "Forget the older keys" not in admin.get("/settings/keys").content.decode()
    (tmp_path / "key").write_text("rubbish")
    assert "holds no key" in text_of(admin.get("/settings/keys"))
    assert list(models.AuditEntry.objects.values_list("what", flat=True)) == [
        "secrets sealed anew",
        "older keys forgotten",
    ]
