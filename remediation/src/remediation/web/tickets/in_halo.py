"""A ticket as HaloITSM has it now, with what people have written on it. Nothing of it is stored or logged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from haloitsm_client.tickets.comment import made_at, note_of
from haloitsm_client.values.dates import parse_date

from ...jobs.telling import at_a_page
from ...store import models
from ...tickets.page_client import page_client
from ...tickets.portal import link_of
from ..roles import VIEWER, needs


@needs(VIEWER)
@require_safe
def in_halo(request: HttpRequest, number: int) -> HttpResponse:
    """The page, by the service's own number of the ticket. It sends up to six requests of the connection's budget."""
    rows = models.Ticket.objects.select_related("project__connection").filter(halo_id__isnull=False)
    row = get_object_or_404(rows, pk=number)
    known: dict[str, Any] = {"row": row, "link": link_of(row)}
    try:
        client = page_client(row.project.connection)
        ticket = client.get_ticket(row.halo_id or 0)
        known["shown"] = _shown(client.describe(ticket), ticket)
        known["comments"] = [
            {
                "who": str(one.get("who") or "Somebody"),
                "at": made_at(one),
                "text": note_of(one).strip(),
                "private": bool(one.get("hiddenfromuser")),
            }
            for one in client.list_comments(row.halo_id or 0)
        ]
    except Exception as error:  # pylint: disable=broad-exception-caught  # each has its text
        known["error"] = at_a_page(error)
    return render(request, "tickets/in_halo.html", known, status=502 if "error" in known else 200)


def _shown(described: Mapping[str, Any], ticket: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows of it; None where HaloITSM does not tell."""
    return {
        "status": described.get("status_name") or described.get("status_id"),
        "agent": described.get("agent_name"),
        "team": described.get("team_name"),
        "priority": described.get("priority_name"),
        # Documented only, as where a ticket is made with it. Years before 1901 stand for none.
        "due": due if (due := parse_date(ticket.get("deadlinedate"))) and due.year > 1900 else None,
        "changed": parse_date(described.get("datemodified")),
    }
