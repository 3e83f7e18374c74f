"""The page of the weekly report, to be read, printed or taken as a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from ...domain import weekly as report
from ...domain.week import Week, week_of
from ...store.weekly import MOST_LATE, weekly
from ..differences.differences import day_in
from ..listing.listed import defused
from ..roles import VIEWER, needs

# So many weeks can be chosen, and so many late tickets are in a file.
WEEKS = 53
MOST_IN_FILE = 10_000


@needs(VIEWER)
@require_safe
def weekly_report(request: HttpRequest, printed: bool = False) -> HttpResponse:
    """The report of a week: that which ``?week=2026-11-16`` is in, else the last whole one. ``export=csv``: as a file;
    ``printed``: to be printed."""
    current = week_of(timezone.now().date())
    given = request.GET.get("week")
    day = day_in(given) if given else current.before.first
    # Further back, there is nothing that anybody counted.
    if day is None or not 2000 <= day.year <= current.first.year + 1:
        raise Http404("This is no day, as in 2026-11-16.")
    week = week_of(day)
    if request.GET.get("export") == "csv":
        return _file(weekly(week, MOST_IN_FILE))
    made = weekly(week)
    known: dict[str, Any] = {
        "made": made,
        "week": week,
        "is_over": week.until <= timezone.now(),
        "summary": report.summary(made),
        "not_read": report.not_read(made),
        "more_late": max(made.late_count - MOST_LATE, 0),
        "weeks": _weeks(current, week),
        "nobody": report.NOBODY,
        "day_before": (week.first - timedelta(days=1)).isoformat(),
    }
    return render(request, "weekly/printed.html" if printed else "weekly/weekly.html", known)


def _weeks(current: Week, chosen: Week) -> list[Week]:
    newest = [Week(current.first - timedelta(days=7 * count)) for count in range(WEEKS)]
    return newest if chosen in newest else [*newest, chosen]


HEAD = ("part", "name", "came", "went", "open_before", "open", "read", "late", "due", "owner", "project", "title")


def _file(made: report.Weekly) -> HttpResponse:
    text = io.StringIO()
    lines = csv.DictWriter(text, HEAD, lineterminator="\r\n")
    lines.writeheader()
    for line in _lines(made):
        lines.writerow({name: defused(value) for name, value in line.items()})
    name = f"weekly-{made.week.first.isoformat()}.csv"
    return HttpResponse(
        text.getvalue(), content_type="text/csv", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def _lines(made: report.Weekly) -> Iterator[dict[str, Any]]:
    for one in made.sources:
        yield {
            "part": "source",
            "name": one.name,
            "came": one.came,
            "went": one.went,
            "open_before": one.before,
            "open": one.open,
            "read": "yes" if one.is_read else "no",
        }
    for part, of in (("severity", made.severities), ("owner", made.owners)):
        for line in of:
            yield {"part": part, "name": line.name, "came": line.came, "went": line.went}
    for owner, count in made.late_owners:
        yield {"part": "late by owner", "name": owner, "late": count}
    for ticket in made.late:
        yield {
            "part": "late ticket",
            "name": ticket.halo_id,
            "late": 1,
            "due": ticket.due.isoformat(),
            "owner": ticket.owner,
            "project": ticket.project,
            "title": ticket.title,
        }
