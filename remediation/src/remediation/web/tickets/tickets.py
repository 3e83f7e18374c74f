"""The pages of tickets: the list of all, and one with its devices, its findings, what was done and why."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from ...domain.ticket import WORDS, pair_of
from ...store import models
from ..listing.listed import listed
from ..projects.steps import shown
from ..roles import VIEWER, needs
from .rows import TICKETS

MOST = 200
NEWEST = 50


@needs(VIEWER)
@require_safe
def all_tickets(request: HttpRequest) -> HttpResponseBase:
    """The list."""
    empty = "There is no ticket yet. A project makes them, or one click on a vulnerability or a device."
    return listed(request, TICKETS, "tickets/tickets.html", cell="tickets/cell.html", empty=empty)


@needs(VIEWER)
@require_safe
def ticket(request: HttpRequest, number: int) -> HttpResponseBase:
    """One ticket, by the service's own number."""
    row = get_object_or_404(models.Ticket.objects.select_related("project__connection"), pk=number)
    told = {pair_of(text): state for text, state in (row.note.get("told") or {}).items()}
    steps = models.Step.objects.filter(plan__project=row.project, key__startswith=f"{row.name}/").order_by("-pk")
    known = {
        "row": row,
        "link": link_of(row),
        "devices": _devices(row),
        "findings": _findings(row, told),
        "more": max(len(told) - MOST, 0),
        "steps": shown(steps[:NEWEST], row.project),
        "journal": row.journal.order_by("-pk").select_related("step")[:NEWEST],
    }
    return render(request, "tickets/ticket.html", known)


def link_of(row: models.Ticket) -> str:
    """The ticket in HaloITSM's agents' portal: ``/tickets?id=NUMBER`` beside the API's ``/api``. Seen in links of other
    integrations, not in a HaloITSM of ours."""
    server = urlsplit(str(row.project.connection.settings.get("resource_server", "")))
    if row.halo_id is None or server.scheme not in ("https", "http"):
        return ""
    return f"{server.scheme}://{server.netloc}/tickets?id={row.halo_id}"


def _devices(row: models.Ticket) -> list[dict[str, Any]]:
    """The ticket's assets as devices, with how much is open on each."""
    assets = models.Asset.objects.filter(source=row.project.source_id, asset__in=row.assets[:MOST])
    found = [
        {
            "name": asset.host_name or asset.ip or asset.asset,
            "device": asset.device_id,
            "open": asset.critical + asset.high + asset.medium + asset.low + asset.none,
            "worst": next((name for name in ("critical", "high", "medium", "low") if getattr(asset, name)), "none"),
        }
        for asset in assets
    ]
    return sorted(found, key=lambda one: str(one["name"]))


def _findings(row: models.Ticket, told: dict[tuple[str, str], str]) -> list[dict[str, str]]:
    """What the ticket has told of its findings, by names."""
    pairs = sorted(told)[:MOST]
    source = row.project.source_id
    hosts = dict(
        models.Asset.objects.filter(source=source, asset__in={asset for asset, _ in pairs}).values_list(
            "asset", "host_name"
        )
    )
    titles = dict(
        models.Vulnerability.objects.filter(source=source, vulnerability__in={one for _, one in pairs}).values_list(
            "vulnerability", "title"
        )
    )
    return [
        {
            "device": hosts.get(asset) or asset,
            "title": titles.get(vulnerability) or vulnerability,
            "state": WORDS.get(told[asset, vulnerability], (told[asset, vulnerability], ""))[0],
        }
        for asset, vulnerability in pairs
    ]
