"""Whether anything is wrong or waits, for the command line and for the pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateWorker

from ..store import models
from .rescue import SILENCE


def status() -> dict[str, Any]:
    """All projects (``projects``, JSON-able), and whether nothing is held and nothing waits (``ok``).

    Of each project: its name (``project``), how many ``tickets`` it has in Halo, whether its newest plan is ``held``, a
    text for each step that is ``waiting``, and what is ``not_done``, each with ``key`` and ``reason``.
    """
    projects = [_of_project(row) for row in models.Project.objects.order_by("position")]
    return {"projects": projects, "ok": not any(project["held"] or project["waiting"] for project in projects)}


def _of_project(row: models.Project) -> dict[str, Any]:
    newest = models.Plan.objects.filter(project=row).order_by("-pk").first()
    steps = list(newest.steps.exclude(state="done")) if newest else []
    return {
        "project": row.name,
        "tickets": models.Ticket.objects.filter(project=row, halo_id__isnull=False).count(),
        "held": bool(newest and newest.held and newest.approved_at is None),
        "waiting": [f"{step.kind} {step.key}: {step.result.get('said', step.reason)}" for step in steps],
        "not_done": newest.not_done if newest else [],
    }


def workers() -> int:
    """How many workers are alive."""
    alive = timezone.now() - timedelta(seconds=SILENCE)
    return ProcrastinateWorker.objects.filter(last_heartbeat__gte=alive).count()
