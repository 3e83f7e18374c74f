"""The charts of how long fixing takes, as images. The page has the same numbers as a table."""

from __future__ import annotations

from datetime import date, timedelta

import pygal  # type: ignore[import-untyped]
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from ...domain.snapshot import SEVERITIES
from ...store.fix_times import FixTime, fix_times
from ..overview.chart import look
from ..roles import VIEWER, needs

MONTHS = 12


def times() -> list[FixTime]:
    """Those of the last months."""
    return fix_times((timezone.now().date() - timedelta(days=30 * (MONTHS - 1))).replace(day=1))


@needs(VIEWER)
@require_safe
def fix_chart(request: HttpRequest) -> HttpResponse:
    """The median of each month and severity; with ``?most=1`` the days after which nine in ten were fixed, with
    ``?dark=1`` for a dark page."""
    found = {(one.month, one.severity): one.most if request.GET.get("most") else one.median for one in times()}
    months = sorted({month for month, _ in found})
    drawn = pygal.Bar(**look(request), y_title="Days")
    drawn.x_labels = [_name(month) for month in months]
    # All of them, so that each keeps its colour.
    for severity in SEVERITIES:
        drawn.add(severity.capitalize(), [_shown(found.get((month, severity))) for month in months])
    return HttpResponse(drawn.render(), content_type="image/svg+xml")


def _name(month: date) -> str:
    return f"{month:%Y-%m}"


def _shown(days: float | None) -> float | None:
    return None if days is None else round(days, 1)
