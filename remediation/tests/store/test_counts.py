"""What is counted beside vulnerabilities, assets and devices is what the ledger and the acceptances say."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

from remediation.store import models
from remediation.store.acceptances import recount
from remediation.store.intake import take_in

from .scans import scan

DAY = datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc)


def alive() -> dict[str, int]:
    return dict(models.Vulnerability.objects.values_list("vulnerability", "alive"))


def test_counts_follow_scans_and_acceptances(store: str) -> None:
    source = models.Source.objects.create(name="console", kind="insightvm")
    take_in(source, scan({"a": ["high-1", "low-1"], "b": ["high-1", "critical-1"]}, DAY))
    assert alive() == {"high-1": 2, "low-1": 1, "critical-1": 1}
    assert models.Source.objects.values_list("critical", "high", "medium", "low", "none").get() == (1, 1, 0, 1, 0)
    take_in(source, scan({"a": ["low-1"], "b": ["high-1", "critical-1"]}, DAY + timedelta(days=1)))
    assert alive() == {"high-1": 1, "low-1": 1, "critical-1": 1}
    device = models.Device.objects.get(name="b.example")
    assert (device.critical, device.high, device.low) == (1, 1, 0)
    assert device.assessed == DAY + timedelta(days=1)
    days = list(models.DailyCount.objects.order_by("day").values_list("high", "low", "new", "gone"))
    assert days == [(2, 1, 4, 0), (1, 1, 0, 1)]
    assert models.Vulnerability.objects.get(vulnerability="critical-1").rank == 4

    today = date(2026, 11, 22)
    held = models.RiskAcceptance.objects.create(
        source=source, solution="fix high-1", reason="", approver="", expires=today
    )
    recount(source.pk, today)
    assert models.Source.objects.get().high == 0
    assert alive()["high-1"] == 0 and models.Device.objects.get(name="b.example").high == 0
    recount(source.pk, today + timedelta(days=1))
    assert alive()["high-1"] == 1, "it has expired"
    held.asset = "a"
    held.save()
    recount(source.pk, today)
    assert alive()["high-1"] == 1, "it is of another asset"
