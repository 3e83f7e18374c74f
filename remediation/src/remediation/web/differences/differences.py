"""The page on which two moments are chosen. It shows as well what needs no choice."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from ...store import models
from ...store.recurring import recurring
from ..listing.choices import named
from ..numbers import number_in
from ..roles import VIEWER, needs
from .chart import times

# The periods that one click leads to; the form begins with the first.
WEEKS = (1, 4, 13)
# Of each source, so many of the newest snapshots can be chosen.
NEWEST = 30
MOST_RECURRING = 20


@needs(VIEWER)
@require_safe
def differences(request: HttpRequest) -> HttpResponse:
    """The page. With ``since`` and ``until``, or ``before`` and ``after``, it leads to the difference."""
    error, given = "", request.GET
    if given.get("since") or given.get("until"):
        since, until = day_in(given.get("since")), day_in(given.get("until"))
        if since and until and since < until:
            only = f"?source={given['source']}" if number_in(given.get("source")) else ""
            address = reverse("difference-of-days", args=[since.isoformat(), until.isoformat()])
            return redirect(f"{address}{only}")
        error = "Choose two days, the earlier one first."
    elif before := number_in(given.get("before")):
        after = number_in(given.get("after"))
        of = models.SnapshotRecord.objects.filter(pk__in={before, after}).values_list("source", flat=True)
        if len(of) == 2 and of[0] == of[1]:
            return redirect("difference-of-snapshots", *sorted((before, after)))
        error = "Choose two snapshots of one source."
    today = timezone.now().date()
    known: dict[str, Any] = {
        "error": error,
        "since": given.get("since") or (today - timedelta(weeks=WEEKS[0])).isoformat(),
        "until": given.get("until") or today.isoformat(),
        "weeks": [(count, (today - timedelta(weeks=count)).isoformat()) for count in WEEKS],
        "today": today.isoformat(),
        "sources": named(models.Source),
        "snapshots": _snapshots(),
        "recurring": recurring(MOST_RECURRING),
        "times": times(),
        "counted": models.DailyCount.objects.exists(),
    }
    return render(request, "differences/differences.html", known, status=400 if error else 200)


def day_in(text: str | None) -> date | None:
    """The day that a text is, as in 2026-11-20; None where it is none."""
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None


def _snapshots() -> list[models.SnapshotRecord]:
    """The newest of each source, each with its source."""
    return [
        record
        for source in models.Source.objects.order_by("name")
        for record in source.snapshots.select_related("source").defer("frames").order_by("-pk")[:NEWEST]
    ]
