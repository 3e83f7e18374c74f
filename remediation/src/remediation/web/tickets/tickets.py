"""The pages of tickets: the list of all, and one with its devices, its findings, what was done and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from haloitsm_client.values.dates import parse_date

from ...domain.ticket import WORDS, Pair, pair_of
from ...store import models
from ...store.exploited_devices import with_kev
from ...tickets.attention import DETACHED, NOT_TIED, TYING, left_alone_by
from ...tickets.cut_off import open_write
from ...tickets.keeping import JOINED, RESCAN
from ...tickets.missing import is_missing
from ...tickets.portal import link_of
from ..listing.listed import listed
from ..projects.steps import shown
from ..roles import VIEWER, needs
from .rows import tickets

# So many devices are shown as chips; findings have pages.
MOST = 60
ROWS = 100
NEWEST = 50


@needs(VIEWER)
@require_safe
def all_tickets(request: HttpRequest) -> HttpResponseBase:
    """The list."""
    empty = "There is no ticket yet. A project makes them, or one click on a vulnerability or a device."
    return listed(request, tickets(), "tickets/tickets.html", cell="tickets/cell.html", empty=empty)


@needs(VIEWER)
@require_safe
def ticket(request: HttpRequest, number: int) -> HttpResponseBase:
    """One ticket, by the service's own number. Its findings have pages: ``?findings=2``."""
    row = get_object_or_404(models.Ticket.objects.select_related("project__connection"), pk=number)
    return render(request, "tickets/ticket.html", known_of(row, request.GET.get("findings")))


def known_of(row: models.Ticket, page: str | None = None) -> dict[str, Any]:
    """What the page of a ticket shows."""
    told = {pair_of(text): state for text, state in (row.note.get("told") or {}).items()}
    findings = Paginator(sorted(told), ROWS).get_page(page)
    steps = models.Step.objects.filter(plan__project=row.project, key__startswith=f"{row.name}/").order_by("-pk")
    plan = row.project.plans.order_by("-pk").first()
    names = row.project.connection.settings.get("halo_statuses") or {}
    assets = sorted({asset for asset, _ in told})
    devices = _devices(row, assets[:MOST])
    return {
        "row": row,
        "link": link_of(row),
        "in_step": in_step(row),
        "halo_status": names.get(str(row.halo_status_id), row.halo_status_id),
        "left_alone": left_alone_by(row),
        "tying": row.note.get(TYING),
        "joinings": _joinings(row),
        "not_tied": row.note.get(NOT_TIED),
        "devices": devices,
        "of_devices": sorted({one["device"] for one in devices if one["device"]}),
        "more_devices": max(len(assets) - MOST, 0),
        "page": findings,
        "findings": _findings(row, list(findings), told),
        "rescan": row.note.get(RESCAN),
        "not_done": [one["reason"] for one in (plan.not_done if plan else []) if one["key"] in (row.name, row.key)],
        "steps": shown(steps[:NEWEST], row.project),
        "journal": row.journal.order_by("-pk").select_related("step")[:NEWEST],
    }


def in_step(row: models.Ticket) -> datetime | None:
    """When a ticket was last in step with HaloITSM, by its clock: as of then, all changes there were read back.

    None where that is not known, as while nobody knows what became of a write, and for one that HaloITSM does not show
    or that nobody follows.
    """
    if row.halo_id is None or is_missing(row) or DETACHED in row.note or open_write(row):
        return None
    return parse_date(row.project.connection.settings.get("cursor"))


def _devices(row: models.Ticket, assets: Sequence[str]) -> list[dict[str, Any]]:
    """The ticket's assets as devices: how much of it its source has found on each, how bad, and whether something that
    any source has found there is in CISA's catalogue."""
    rows = list(models.Asset.objects.filter(source=row.project.source_id, asset__in=assets))
    kev = with_kev({asset.device_id for asset in rows if asset.device_id})
    found = [
        {
            "name": asset.host_name or asset.ip or asset.asset,
            "device": asset.device_id,
            "kev": asset.device_id in kev,
            "open": asset.critical + asset.high + asset.medium + asset.low + asset.none,
            "worst": next((name for name in ("critical", "high", "medium", "low") if getattr(asset, name)), "none"),
        }
        for asset in rows
    ]
    return sorted(found, key=lambda one: str(one["name"]))


def _findings(row: models.Ticket, pairs: Sequence[Pair], told: dict[Pair, str]) -> list[dict[str, Any]]:
    """What the ticket has told of findings, and what is believed of them now, by names."""
    source = row.project.source_id
    here = {"asset__in": {asset for asset, _ in pairs}}
    there = {"vulnerability__in": {vulnerability for _, vulnerability in pairs}}
    assets = {one.asset: one for one in models.Asset.objects.filter(source=source, **here)}
    known = {one.vulnerability: one for one in models.Vulnerability.objects.filter(source=source, **there)}
    states = models.Finding.objects.filter(source=source, **here, **there)
    now = {(asset, name): state for asset, name, state in states.values_list("asset", "vulnerability", "state")}
    return [
        {
            "device": asset,
            "of": assets.get(asset),
            "title": vulnerability,
            "vulnerability": known.get(vulnerability),
            "told": _word(told[asset, vulnerability]),
            "now": _word(now.get((asset, vulnerability), "")),
        }
        for asset, vulnerability in pairs
    ]


def _joinings(row: models.Ticket) -> list[dict[str, Any]]:
    """What people decided to deal with together with a ticket, the newest first."""
    decisions = models.Consolidation.objects.filter(tickets__contains=[row.pk], stays__isnull=False).order_by("-pk")
    found = []
    for one in decisions.select_related("stays__project")[:NEWEST]:
        others = models.Ticket.objects.filter(pk__in=[number for number in one.tickets if number != one.stays_id])
        is_first = one.stays_id == row.pk
        found.append(
            {
                "row": one,
                "tickets": list(others.defer("note").order_by("pk")[:MOST]) if is_first else [one.stays],
                "is_first": is_first,
                "more": max(len(one.tickets) - 1 - MOST, 0) if is_first else 0,
                "waits": str(one.pk) in (row.note.get(JOINED) or {}),
            }
        )
    return found


def _word(state: str) -> str:
    return WORDS.get(state, (state or "Not known any more", ""))[0]
