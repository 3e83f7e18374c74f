"""The first page: whether anything is wrong or waits, what was done lately, and what there is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from ...jobs.status import status, workers
from ...service_day import service_day
from ...store import models
from ..alerts.alerts import told_who
from ..projects.progress import with_progress
from ..roles import VIEWER, needs
from .figures import NEW_DAYS, changed, days, figures

NEWEST_RUNS = 20
# Of what waits and of what is not done, a project's own page has the rest.
SHOWN = 5


@needs(VIEWER)
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """The page."""
    now = status(most=SHOWN)
    stored = {row.name: row for row in with_progress(models.Project.objects.all())}
    projects = [
        _shown(project, stored[project["project"]]) for project in now["projects"] if project["project"] in stored
    ]
    runs = models.Run.objects.select_related("source", "project").order_by("-pk")
    week = timezone.now().date() - timedelta(days=NEW_DAYS)
    known: dict[str, Any] = {
        "ok": now["ok"],
        "projects": projects,
        "feeds": [feed for feed in now["feeds"] if feed["wrong"]],
        "alerts": told_who(now["alerts"]),
        "workers": workers(),
        "figures": figures(),
        "days": days(),
        "changed": changed(week),
        "new_days": NEW_DAYS,
        "runs": runs[:NEWEST_RUNS],
        "sources": [_source(row) for row in models.Source.objects.order_by("name")],
        "connections": _connections(now["connections"]),
    }
    return render(request, "overview/overview.html", known)


def _shown(project: dict[str, Any], row: Any) -> dict[str, Any]:
    waiting, not_done = project["waiting"], project["not_done"]
    due = row.settings.get("due")
    return {
        **project,
        "slug": row.slug,
        "made": row.made,
        "closed": row.closed,
        "due": due,
        "is_late": bool(due and due < service_day().isoformat() and row.closed < row.made),
        "paused": row.paused,
        "waiting_shown": waiting,
        "waiting_more": project["waits"] - SHOWN,
        "not_done_shown": not_done[:SHOWN],
        "not_done_more": len(not_done) - SHOWN,
    }


def _connections(known: list[dict[str, Any]]) -> list[dict[str, Any]]:
    told = {one["connection"]: one for one in known}
    rows = models.Connection.objects.annotate(count=Count("projects")).order_by("name")
    return [
        {**told.get(row.name, {}), "pk": row.pk, "name": row.name, "settings": row.settings, "count": row.count}
        for row in rows
    ]


def _source(row: models.Source) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "snapshot": row.snapshots.defer("frames").order_by("-pk").first(),
        "run": row.runs.order_by("-pk").first(),
    }
