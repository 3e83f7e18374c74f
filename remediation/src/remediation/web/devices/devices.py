"""The pages of devices: the list of all, and one with its findings, tickets and assets."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from ...domain.ledger import ALIVE
from ...enrichment.cisco.reading import access
from ...jobs.status import feeds
from ...store import models
from ...store.addressed import WORDS
from ...store.advisories import Known, about_device
from ...store.consolidation import suggestion_on
from ...store.device_findings import findings_of_device
from ..listing.listed import listed
from ..roles import VIEWER, needs
from .rows import DEVICES


@needs(VIEWER)
@require_safe
def all_devices(request: HttpRequest) -> HttpResponseBase:
    """The list."""
    empty = "No device is known yet. Read a source or import a report."
    return listed(request, DEVICES, "devices/devices.html", cell="devices/cell.html", empty=empty)


@needs(VIEWER)
@require_safe
def device(request: HttpRequest, number: int) -> HttpResponseBase:
    """One device: what is open on it by CVE, what is not any more, its tickets, and the assets that it is."""
    row = get_object_or_404(models.Device, pk=number)
    assets = list(row.assets.select_related("source").order_by("source__name", "asset"))
    lines = findings_of_device(row.pk).to_dicts()
    cves = models.Cve.objects.in_bulk([line["cve"] for line in lines if line["cve"]])
    for line in lines:
        line["facts"] = cves.get(line["cve"])
    numbers = sorted({number for line in lines for number in line["tickets"]})
    known = {
        "row": row,
        "could_be_one": suggestion_on(row),
        "counts": {name: getattr(row, name) for name in ("critical", "high", "medium", "low", "none")},
        "assets": assets,
        "registered": row.registered.order_by("key"),
        "has_register": models.RegisteredDevice.objects.exists(),
        "open": [line for line in lines if set(line["states"]) & set(ALIVE)],
        "addressed": WORDS,
        "feeds": {one["feed"]: one for one in feeds()},
        "releases": _releases(assets, lines),
        "asks_cisco": access() is not None,
        "closed": [line for line in lines if not set(line["states"]) & set(ALIVE)],
        "tickets": models.Ticket.objects.filter(
            halo_id__in=numbers, project__source__in={one.source_id for one in assets}
        )
        .exclude(note__has_key="detached")
        .select_related("project")
        .order_by("-pk"),
    }
    return render(request, "devices/device.html", known)


def _releases(assets: list[models.Asset], lines: list[dict[str, Any]]) -> list[Known]:
    """What Cisco says of the releases that the device runs, each advisory with whether a scan has found it here."""
    is_open = {line["cve"] for line in lines if line["cve"] and set(line["states"]) & set(ALIVE)}
    releases = about_device(assets)
    for known in releases:
        for advisory in known.advisories:
            setattr(advisory, "is_open", not is_open.isdisjoint(advisory.cves))
    return releases
