"""What people do with a project: plan it, run it, approve its plan, pause it, and move it among the others."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from ...jobs.tasks import ask_to_plan, ask_to_run
from ...store import audit, models
from ...tickets.approving import NotHeld, approve
from ..roles import ANALYST, APPROVER, needs


@needs(ANALYST)
@require_POST
def plan_now(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask for a new plan. Nothing is written to HaloITSM."""
    row = get_object_or_404(models.Project, slug=slug)
    waits = not ask_to_plan(row)
    messages.success(request, "A plan waits in the queue already." if waits else "A plan is asked for.")
    return redirect("project", slug)


@needs(APPROVER)
@require_POST
def run_now(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask for a run."""
    row = get_object_or_404(models.Project, slug=slug)
    with transaction.atomic():
        waits = not ask_to_run(row)
        audit.record(str(request.user), "run asked for", row.name)
    messages.success(request, "A run waits in the queue already." if waits else "A run is asked for.")
    return redirect("project", slug)


@needs(APPROVER)
@require_POST
def approve_plan(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Approve exactly the plan that was shown, and ask for the run that carries it out."""
    row = get_object_or_404(models.Project, slug=slug)
    try:
        with transaction.atomic():
            approve(row, number, str(request.user))
            ask_to_run(row)
    except NotHeld as error:
        messages.error(request, f"{error} Look at the newest plan, and approve that one.")
    else:
        messages.success(request, f"Plan {number} is approved. A run carries out what of it is still the same.")
    return redirect("project", slug)


@needs(APPROVER)
@require_POST
def pause(request: HttpRequest, slug: str) -> HttpResponse:
    """Let a project run no more, or again, as ``paused`` says."""
    row = get_object_or_404(models.Project, slug=slug)
    paused = request.POST.get("paused") == "yes"
    with transaction.atomic():
        models.Project.objects.filter(pk=row.pk).update(paused=paused)
        audit.record(str(request.user), "project paused" if paused else "project resumed", row.name)
        if not paused:
            ask_to_run(row)
    messages.success(request, "The project is paused." if paused else "The project runs again, now and in each round.")
    return redirect("project", slug)


@needs(APPROVER)
@require_POST
@transaction.atomic
def move(request: HttpRequest, slug: str) -> HttpResponse:
    """Move a project before the one above it or after the one below it. The first has what several would have."""
    rows = list(models.Project.objects.select_for_update().order_by("position", "pk"))
    place = next((place for place, one in enumerate(rows) if one.slug == slug), None)
    if place is None:
        return redirect("projects")
    other = place - 1 if request.POST.get("to") == "up" else place + 1
    if 0 <= other < len(rows):
        rows[place], rows[other] = rows[other], rows[place]
        for position, row in enumerate(rows, start=1):
            models.Project.objects.filter(pk=row.pk).update(position=position)
        audit.record(str(request.user), "project moved", rows[other].name, to=other + 1)
    return redirect("projects")
