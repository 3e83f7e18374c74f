"""What people do with a ticket: pause it, let it go on, detach and attach it, tie its findings to another one."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from ...jobs.tasks import ask_to_run, ask_to_tie
from ...store import models
from ...tickets import attention
from ..numbers import number_in
from ..roles import ANALYST, needs
from .tickets import known_of

# What HaloITSM numbers at most.
_MOST = 2**31 - 1


@needs(ANALYST)
@require_POST
def pause(request: HttpRequest, number: int) -> HttpResponse:
    """Plan and write nothing for a ticket until somebody lets it go on."""
    said = "The ticket is paused: nothing is planned for it or written to it until somebody lets it go on."
    return _done(request, number, attention.pause, said, runs=False)


@needs(ANALYST)
@require_POST
def go_on(request: HttpRequest, number: int) -> HttpResponse:
    """Let a paused ticket go on."""
    return _done(request, number, attention.go_on, "The ticket goes on with the next run.", runs=True)


@needs(ANALYST)
@require_POST
def detach(request: HttpRequest, number: int) -> HttpResponse:
    """Forget a ticket, and make no other one of its findings until a person asks for it."""
    said = "The ticket is detached. It stays in HaloITSM as it is, and its findings get no other one by themselves."
    return _done(request, number, attention.detach, said, runs=False)


@needs(ANALYST)
@require_POST
def attach(request: HttpRequest, number: int) -> HttpResponse:
    """Take care of a detached ticket again."""
    return _done(request, number, attention.attach, "The ticket is taken care of again.", runs=True)


def _done(
    request: HttpRequest, number: int, do: Callable[[models.Ticket, str], None], said: str, *, runs: bool
) -> HttpResponse:
    row = get_object_or_404(models.Ticket.objects.select_related("project"), pk=number)
    try:
        with transaction.atomic():
            do(row, str(request.user))
            if runs and not row.project.paused:
                ask_to_run(row.project)
    except attention.NotPossible as error:
        messages.error(request, str(error))
    else:
        messages.success(request, said)
    return redirect("ticket", number)


@needs(ANALYST)
@require_POST
def tie(request: HttpRequest, number: int) -> HttpResponse:
    """Tie a ticket's findings to the one of HaloITSM's with the number ``to``."""
    row = get_object_or_404(models.Ticket.objects.select_related("project__connection"), pk=number)
    typed = request.POST.get("to", "").strip().removeprefix("#")
    wanted = number_in(typed, 10)
    if not 0 < wanted <= _MOST:
        known = {**known_of(row), "typed": typed, "tie_error": "Give the number of a ticket in HaloITSM, as in 2107."}
        return render(request, "tickets/ticket.html", known, status=400)
    try:
        with transaction.atomic():
            attention.ask_to_tie(row, wanted, str(request.user))
            ask_to_tie(row)
    except attention.NotPossible as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"Ticket {wanted} is looked up in HaloITSM. What comes of it is shown here.")
    return redirect("ticket", number)
