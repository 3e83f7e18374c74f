"""From any ticket of HaloITSM to the vulnerabilities of the devices that it names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ...domain.snapshot import SEVERITIES
from ...jobs.telling import at_a_page
from ...store import models
from ...store.device_findings import AssetKey
from ...store.exploited_devices import with_kev
from ...store.mentioned import mentioned
from ...store.near import offers
from ...store.registered import unseen_names
from ...tickets.any_ticket import words_of_ticket
from ...tickets.page_client import page_client
from ..numbers import number_in
from ..roles import ANALYST, needs

MOST = 200


@dataclass(frozen=True)
class Named:
    """A device that a ticket names. ``total``: how many findings are open on it; ``kev``: whether one of them is in
    CISA's catalogue. ``tickets`` are ours that tell of it."""

    row: models.Device
    total: int
    worst: str
    kev: bool
    tickets: Sequence[models.Ticket]


@needs(ANALYST)
@require_safe
def look_up(request: HttpRequest) -> HttpResponse:
    """The page. ``number`` is HaloITSM's, ``connection`` says which HaloITSM's, if there are several."""
    connections = list(models.Connection.objects.order_by("name"))
    chosen = next((one for one in connections if str(one.pk) == request.GET.get("connection")), None)
    chosen = chosen or (connections[0] if len(connections) == 1 else None)
    typed = request.GET.get("number", "").strip().removeprefix("#")
    number = number_in(typed)
    known: dict[str, Any] = {"connections": connections, "connection": chosen, "typed": typed, "number": number}
    if not typed:
        return render(request, "tickets/look_up.html", known)
    if not number or chosen is None:
        known["error"] = "Enter the number of a ticket." if chosen else "Choose a HaloITSM."
        return render(request, "tickets/look_up.html", known, status=400)
    ours = models.Ticket.objects.filter(halo_id=number, project__connection=chosen).select_related("project").first()
    known["ours"] = ours
    try:
        words = words_of_ticket(page_client(chosen), number)
        devices = mentioned(words)
    except Exception as error:  # pylint: disable=broad-exception-caught  # each has its text
        known["error"] = f"Ticket {number} could not be read. {at_a_page(error)}"
        return render(request, "tickets/look_up.html", known, status=502)
    for device, key in _told_by(ours):
        devices.setdefault(device, set()).add(key)
    known |= {"offers": offers(words), "unseen": sorted(unseen_names(words))}
    known |= {"devices": _named(sorted(devices)[:MOST]), "more": max(len(devices) - MOST, 0), "is_read": True}
    return render(request, "tickets/look_up.html", known)


def _told_by(ours: models.Ticket | None) -> list[tuple[int, AssetKey]]:
    """The devices of a ticket of ours, also where its text names only some."""
    if ours is None or ours.project.source_id is None:
        return []
    rows = models.Asset.objects.filter(source=ours.project.source_id, asset__in=ours.assets, device__isnull=False)
    return [(row.device_id or 0, (row.source_id, row.asset)) for row in rows]


def _named(numbers: Sequence[int]) -> list[Named]:
    """The worst first."""
    kev = with_kev(numbers)
    tickets = _tickets(numbers)
    found = [
        Named(
            row,
            sum(getattr(row, name) for name in SEVERITIES),
            next((name for name in SEVERITIES if getattr(row, name)), ""),
            row.pk in kev,
            tickets[row.pk],
        )
        for row in models.Device.objects.filter(pk__in=numbers)
    ]
    return sorted(found, key=lambda one: ([-getattr(one.row, name) for name in SEVERITIES], one.row.name))


def _tickets(devices: Sequence[int]) -> dict[int, list[models.Ticket]]:
    """The tickets of each device, the newest first, by one question for each source."""
    known: dict[int, dict[str, int]] = {}
    assets = models.Asset.objects.filter(device__in=devices).values_list("source_id", "asset", "device_id")
    for source, asset, device in assets:
        known.setdefault(source, {})[asset] = device or 0
    found: dict[int, list[models.Ticket]] = {device: [] for device in devices}
    for source, mine in known.items():
        rows = models.Ticket.objects.filter(project__source=source, assets__overlap=list(mine), halo_id__isnull=False)
        for row in rows.select_related("project").order_by("-pk"):
            for device in {mine[asset] for asset in row.assets if asset in mine}:
                found[device].append(row)
    return found
