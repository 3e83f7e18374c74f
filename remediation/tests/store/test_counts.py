"""What is counted beside vulnerabilities, assets and devices is what the ledger and the acceptances say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from typing import Any

from django.db import connection

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


def test_no_finding_is_looked_at_for_each_remedy_while_the_figures_are_old(store: str) -> None:
    """Figures from before a source was first read: its rows were taken for one, and looped over."""
    known, new = (models.Source.objects.create(name=name, kind="insightvm") for name in ("known", "new"))
    take_in(known, scan({"a": ["high-1"]}, DAY))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    many = {f"host{number}": [f"high-{number}", "low-1"] for number in range(200)}
    take_in(new, scan(many, DAY))
    looped, planned = [], 0

    def explained(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        nonlocal planned
        if isinstance(sql, str) and "counted_finding" in sql and sql.lstrip().startswith(("WITH", "DELETE")):
            execute(f"EXPLAIN {sql}", params, many, context)
            plan = "\n".join(line for (line,) in context["cursor"].fetchall())
            # What an array holds is looped over for its row.
            looped.extend(part for part in plan.split("Nested Loop")[1:] if "Function Scan on unnest" not in part)
            planned += 1
        return execute(sql, params, many, context)

    del many["host7"]
    with connection.execute_wrapper(explained):
        take_in(new, scan(many, DAY + timedelta(days=1)))
    assert planned == 4 and not looped
