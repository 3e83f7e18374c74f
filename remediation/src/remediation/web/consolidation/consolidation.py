"""The page of what could be one, with what people decided of it before; and carrying out and rejecting it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from ...domain.consolidation import About, Suggestion
from ...jobs.tasks import ask_to_run
from ...store import models
from ...store.consolidation import names_of, remedies_of, suggestions
from ...tickets.joining import NotAsShown, carry_out, reject
from ...tickets.keeping import JOINED
from ..numbers import number_in
from ..roles import ANALYST, VIEWER, needs

ROWS, MOST_TICKETS, NEWEST = 25, 20, 50
LONGEST_REASON = 2000


@dataclass(frozen=True)
class Shown:
    """A suggestion with what its device or solution is called, and the pages that lead on. ``more``: so many of its
    tickets are not among those that are shown. ``typed`` is the reason that somebody has given for rejecting it."""

    row: Suggestion
    name: str
    page: str
    open_ticket: str
    stays: models.Ticket | None
    others: Sequence[models.Ticket]
    more: int
    typed: str = ""


@dataclass(frozen=True)
class Before:
    """What was decided. ``waiting``: so many of its tickets are not told yet."""

    row: models.Consolidation
    stays: models.Ticket | None
    others: Sequence[models.Ticket]
    more: int
    waiting: int


@needs(VIEWER)
@require_safe
def consolidation(request: HttpRequest) -> HttpResponse:
    """The page. ``ticket``: only what this one takes part in."""
    return _page(request)


@needs(ANALYST)
@require_POST
def carry_out_suggestion(request: HttpRequest) -> HttpResponse:
    """Join the tickets of a suggestion, by its ``key`` and the ``version`` that was shown."""
    try:
        with transaction.atomic():
            projects = carry_out(request.POST.get("key", ""), request.POST.get("version", ""), str(request.user))
            for project in projects:
                if not project.paused:
                    ask_to_run(project)
    except NotAsShown as trouble:
        return _page(request, str(trouble), 409)
    paused = ", ".join(project.name for project in projects if project.paused)
    later = f" Those of {paused} are told when an approver lets it run again: it is paused." if paused else ""
    messages.success(request, f"The tickets are joined. Each is told so with the next run of its project.{later}")
    return redirect("consolidation")


@needs(ANALYST)
@require_POST
def reject_suggestion(request: HttpRequest) -> HttpResponse:
    """Suggest it no more, by its ``key`` and ``version``, for a ``reason``."""
    reason = request.POST.get("reason", "").strip()
    if not reason or len(reason) > LONGEST_REASON:
        return _page(request, f"Say in 1 to {LONGEST_REASON} characters why it is rejected. Nothing was stored.", 400)
    try:
        reject(request.POST.get("key", ""), request.POST.get("version", ""), reason, str(request.user))
    except NotAsShown as trouble:
        return _page(request, str(trouble), 409)
    messages.success(request, "It is not suggested any more, unless something new is in it.")
    return redirect("consolidation")


def _page(request: HttpRequest, error: str = "", status: int = 200) -> HttpResponse:
    found = suggestions()
    ticket = number_in(request.GET.get("ticket"))
    if ticket:
        found = [one for one in found if ticket in one.tickets]
    key = request.POST.get("key", "")
    # What somebody has typed is shown again where it was typed.
    typed_at = next((place // ROWS + 1 for place, one in enumerate(found) if one.key == key), 1)
    page = Paginator(found, ROWS).get_page(request.GET.get("page") or typed_at)
    known: dict[str, Any] = {
        "error": error,
        "page": page,
        "suggestions": _shown(list(page), key, request.POST.get("reason", "")),
        "saved": sum(one.saved for one in found if one.tickets),
        "narrowed": bool(ticket),
        "longest": LONGEST_REASON,
        "before": _before(),
    }
    return render(request, "consolidation/consolidation.html", known, status=status)


def _shown(found: Sequence[Suggestion], key: str, reason: str) -> list[Shown]:
    """``reason`` is what somebody has typed for the suggestion with this key."""
    names, remedies = names_of(found), remedies_of(found)
    rows = _tickets({number for one in found for number in one.tickets[:MOST_TICKETS]})
    shown = []
    for one in found:
        tickets = [rows[number] for number in one.tickets[:MOST_TICKETS] if number in rows]
        is_device = one.about is About.DEVICE
        number = one.subject if is_device else remedies.get(one.subject)
        shown.append(
            Shown(
                row=one,
                name=names.get((one.about.value, one.subject), one.subject),
                page=reverse("device" if is_device else "remedy", args=[number]) if number else "",
                open_ticket=(
                    f"{reverse('open-ticket')}?{'device' if is_device else 'remedy'}={number}" if number else ""
                ),
                stays=tickets[0] if tickets else None,
                others=tickets[1:],
                more=len(one.tickets) - len(tickets),
                typed=reason if one.key == key else "",
            )
        )
    return shown


def _before() -> list[Before]:
    """The newest decisions."""
    decisions = list(models.Consolidation.objects.order_by("-pk")[:NEWEST])
    rows = _tickets({number for one in decisions for number in (*one.tickets[:MOST_TICKETS], one.stays_id) if number})
    waiting: dict[str, int] = {}
    of = {number for one in decisions if one.stays_id for number in one.tickets}
    told = models.Ticket.objects.filter(pk__in=of, note__has_key=JOINED).values_list(f"note__{JOINED}", flat=True)
    for number in (number for still in told for number in still):
        waiting[number] = waiting.get(number, 0) + 1
    before = []
    for one in decisions:
        others = [rows[number] for number in one.tickets[:MOST_TICKETS] if number in rows and number != one.stays_id]
        stays = rows.get(one.stays_id or 0)
        more = len(one.tickets) - len(others) - (one.stays_id is not None)
        before.append(Before(one, stays, others, max(more, 0), waiting.get(str(one.pk), 0)))
    return before


def _tickets(numbers: set[int]) -> dict[int, models.Ticket]:
    """By their numbers, without what they tell of each finding."""
    return models.Ticket.objects.select_related("project").defer("note").in_bulk(numbers)
