"""The pages of investigations: the list of all that are known, and one with its ticket and what was done."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from ...domain.investigation_settings import DISPOSITIONS
from ...store import models
from ..listing.listed import listed
from ..projects.steps import shown
from ..roles import VIEWER, needs
from .rows import investigations

NEWEST = 50


@needs(VIEWER)
@require_safe
def all_investigations(request: HttpRequest) -> HttpResponseBase:
    """The list."""
    empty = "No investigation is known yet. They are read once an organisation of InsightIDR is connected."
    sources = models.InvestigationSource.objects.select_related("project").order_by("name")
    return listed(
        request,
        investigations(),
        "investigations/investigations.html",
        cell="investigations/cell.html",
        empty=empty,
        sources=sources,
    )


@needs(VIEWER)
@require_safe
def investigation(request: HttpRequest, number: int) -> HttpResponse:
    """One investigation, by the service's own number."""
    rows = models.Investigation.objects.select_related("source__project", "ticket")
    row = get_object_or_404(rows, pk=number)
    project = row.source.project
    plan = project.plans.order_by("-pk").first()
    steps = models.Step.objects.filter(plan__project=project, key__startswith=f"{row.rrn}/").order_by("-pk")
    known = {
        "row": row,
        "dispositions": DISPOSITIONS,
        "not_done": [
            one["reason"] for one in (plan.not_done if plan else []) if one["key"].rpartition("/")[0] == row.rrn
        ],
        "steps": shown(steps[:NEWEST], project),
    }
    return render(request, "investigations/investigation.html", known)
