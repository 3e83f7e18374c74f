"""What is connected, for all to read: the list, and one connection."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from ...domain.mapped_names import KINDS
from ...domain.project import Settings
from ...domain.status import WITHDRAWN, Status
from ...jobs.tasks import ask_to_look_up
from ...store import models
from ...store.projects import DEFAULTS
from ...tickets.budget import Budget
from ...tickets.mapped_names import LOOKED_UP, gone_names
from ..roles import ANALYST, VIEWER, needs
from .assignment import FIELDS, SHARES


@needs(VIEWER)
@require_safe
def all_connections(request: HttpRequest) -> HttpResponse:
    """The list, and what somebody has begun and not enabled yet."""
    live = Q(projects__tickets__halo_id__isnull=False)
    rows = models.Connection.objects.annotate(
        project_count=Count("projects", distinct=True),
        ticket_count=Count("projects__tickets", filter=live, distinct=True),
    )
    known = {
        "rows": [{"row": row, "budget": Budget(row, timezone.now).shown()} for row in rows.order_by("name")],
        "drafts": models.ConnectionDraft.objects.select_related("connection").order_by("name", "pk"),
    }
    return render(request, "connections/connections.html", known)


@needs(VIEWER)
@require_safe
def connection(request: HttpRequest, number: int) -> HttpResponse:
    """One connection: where it leads, what statuses stand for, what tickets say, who gets them, its projects."""
    row = get_object_or_404(models.Connection, pk=number)
    settings = row.settings
    kept = Settings.from_table(settings.get(DEFAULTS) or {})
    chosen = {ours.casefold(): name for ours, name in (settings.get("statuses") or {}).items()}
    looked_up = settings.get(LOOKED_UP) or {}
    known: dict[str, Any] = {
        "row": row,
        "looked_up": looked_up and datetime.fromisoformat(looked_up["at"]),
        "gone": gone_names(row),
        "unread": [(KINDS[kind].capitalize(), text) for kind, text in looked_up.get("unread", {}).items()],
        "statuses": [(ours, chosen.get(ours.casefold(), "")) for ours in (*(one.value for one in Status), WITHDRAWN)],
        "reads": settings.get("reads") or {},
        "kept": kept,
        "by_severity": [(name, kept.priorities[name], days) for name, days in kept.due_days.items()],
        "budget": Budget(row, timezone.now).shown(),
        "projects": row.projects.order_by("position"),
        "fields": FIELDS,
        "shares": SHARES,
        "draft": models.ConnectionDraft.objects.filter(connection=row).first(),
    }
    return render(request, "connections/connection.html", known)


@needs(ANALYST)
@require_POST
def look_up_names(request: HttpRequest, number: int) -> HttpResponse:
    """Ask for a look at what the connection and its projects name in HaloITSM."""
    row = get_object_or_404(models.Connection, pk=number)
    waits = not ask_to_look_up(row.pk)
    messages.success(request, "A look waits in the queue already." if waits else "A look is asked for.")
    return redirect("connection", number)
