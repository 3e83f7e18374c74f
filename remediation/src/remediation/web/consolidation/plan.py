"""What is open on some devices as one plan by solution, with tickets by one click."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from ...store import models
from ...store.device_plan import Job, jobs_on
from ..numbers import number_in
from ..roles import VIEWER, needs
from ..tickets.opening import MOST as MOST_TICKETS

# So many devices can be named at once, and so many solutions are shown; of each, so many of its devices.
MOST_DEVICES, MOST_JOBS, FEW = 200, 200, 10


@needs(VIEWER)
@require_safe
def device_plan(request: HttpRequest) -> HttpResponse:
    """The page, of each ``device`` by its number."""
    numbers = [number_in(text) for text in request.GET.getlist("device")[:MOST_DEVICES]]
    devices = list(models.Device.objects.filter(pk__in=numbers).order_by("name", "pk"))
    jobs = jobs_on([one.pk for one in devices]) if devices else []
    names = {one.pk: one for one in devices}
    known = {
        "devices": devices,
        "jobs": [(job, [names[number] for number in sorted(job.devices)][:FEW]) for job in jobs[:MOST_JOBS]],
        "few": FEW,
        "more": max(len(jobs) - MOST_JOBS, 0),
        "findings": sum(job.findings for job in jobs),
        "told": sum(job.told for job in jobs),
        "solutions": len(jobs),
        "open_tickets": _open_tickets(jobs),
    }
    return render(request, "consolidation/plan.html", known)


def _open_tickets(jobs: Sequence[Job]) -> str:
    """The address that offers tickets for what no ticket tells of yet, "" where that is nothing."""
    asked = [("remedy", job.number) for job in jobs if job.number and job.told < job.findings][:MOST_TICKETS]
    return f"{reverse('open-ticket')}?{urlencode(asked)}" if asked else ""
