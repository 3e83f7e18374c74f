"""The numbers of the overview, each with the address of the list that it counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.db.models import Sum
from django.urls import reverse

from ...domain.snapshot import SEVERITIES
from ...store import models
from ...store.listing import Query, count, counted
from ..vulnerabilities.rows import due_days, vulnerabilities

NEW_DAYS = 7
DAYS = 90


@dataclass(frozen=True)
class Figure:
    """A number as it is shown, what it counts, and where the list of that is."""

    title: str
    number: str
    address: str
    kind: str = ""


def figures() -> list[Figure]:
    """Vulnerabilities by severity, new ones and overdue ones, and devices with critical ones."""
    page, listing = reverse("vulnerabilities"), vulnerabilities(due_days())
    stored = models.Source.objects.aggregate(**{name: Sum(name) for name in SEVERITIES})
    found = [
        Figure(f"{name} vulnerabilities", f"{stored[name]:,}", f"{page}?{urlencode({'severity': name})}", name)
        for name in SEVERITIES
        if stored[name]
    ]
    for title, name, value in ((f"new in {NEW_DAYS} days", "new", str(NEW_DAYS)), ("overdue", "overdue", "yes")):
        number = count(listing, Query({name: [value]}))
        found.append(Figure(title, counted(number), f"{page}?{urlencode({name: value})}"))
    worst = models.Device.objects.filter(critical__gt=0).count()
    found.append(Figure("devices with a critical one", f"{worst:,}", f"{reverse('devices')}?severity=critical"))
    return found


def days() -> list[tuple[date, dict[str, int]]]:
    """What was open at the end of each day on which a source was read, by severity, over all sources: the newest."""
    rows = models.DailyCount.objects.order_by("day", "source_id").values("day", "source_id", *SEVERITIES)
    return carried(rows)[-DAYS:]


def carried(rows: Iterable[Mapping[str, Any]]) -> list[tuple[date, dict[str, int]]]:
    """Sums of all sources for each day that any has a row for. What a source said last holds until it says more.

    ``rows`` are ordered by day.
    """
    last: dict[int, Mapping[str, Any]] = {}
    sums: dict[date, dict[str, int]] = {}
    for row in rows:
        last[row["source_id"]] = row
        sums[row["day"]] = {name: sum(one[name] for one in last.values()) for name in SEVERITIES}
    return list(sums.items())


def changed(since: date) -> dict[str, int]:
    """How many findings came up and went since a day."""
    sums = models.DailyCount.objects.filter(day__gte=since).aggregate(new=Sum("new"), gone=Sum("gone"))
    return {name: value or 0 for name, value in sums.items()}
