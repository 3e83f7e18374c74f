"""The page of all projects, in their order."""

from __future__ import annotations

from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ...service_day import service_day
from ...store import models
from ..roles import VIEWER, needs
from .progress import with_progress


@needs(VIEWER)
@require_safe
def all_projects(request: HttpRequest) -> HttpResponse:
    """The page: how far each is, when it is due, and whether it is held or paused."""
    newer = models.Plan.objects.filter(project=OuterRef("project"), pk__gt=OuterRef("pk"))
    held = models.Plan.objects.filter(~Exists(newer), project=OuterRef("pk"), held=True, approved_at=None)
    rows = with_progress(
        models.Project.objects.select_related("source", "connection", "investigation_source")
    ).annotate(held=Exists(held))
    rows = rows.order_by("position", "pk")
    return render(request, "projects/projects.html", {"projects": rows, "today": service_day().isoformat()})
