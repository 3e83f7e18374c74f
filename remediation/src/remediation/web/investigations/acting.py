"""What people do with an investigation: ask for a ticket, decide which side counts, say how it ended."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from ...investigations import deciding
from ...jobs.tasks import ask_to_run
from ...store import models
from ..roles import ANALYST, needs


@needs(ANALYST)
@require_POST
def ask(request: HttpRequest, number: int) -> HttpResponse:
    """Have a ticket made for it, whatever the rule says."""
    return _done(request, number, deciding.ask_for_ticket)


@needs(ANALYST)
@require_POST
def decide(request: HttpRequest, number: int) -> HttpResponse:
    """Let one side's status count: ``side`` is halo or insightidr."""
    side = request.POST.get("side", "")
    return _done(request, number, lambda row, by: deciding.decide(row, side, by))


@needs(ANALYST)
@require_POST
def dispose(request: HttpRequest, number: int) -> HttpResponse:
    """Say how it ended: ``disposition``."""
    word = request.POST.get("disposition", "")
    return _done(request, number, lambda row, by: deciding.choose_disposition(row, word, by))


def _done(request: HttpRequest, number: int, do: Callable[[models.Investigation, str], None]) -> HttpResponse:
    row = get_object_or_404(models.Investigation.objects.select_related("source__project"), pk=number)
    project = row.source.project
    try:
        with transaction.atomic():
            do(row, str(request.user))
            if not project.paused:
                ask_to_run(project)
    except deciding.NotPossible as error:
        messages.error(request, str(error))
    else:
        when = "once somebody resumes them: they are paused" if project.paused else "with the next run, now"
        messages.success(request, f"Kept. Investigations of {row.source.name} are looked at {when}.")
    return redirect("investigation", number)
