"""The pages of vulnerabilities: the list of all, and one with its devices, solution, history and tickets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from ...domain.ledger import State
from ...jobs.status import feeds
from ...service_day import service_day
from ...store import models
from ...store.addressed import ADDRESSED, WORDS
from ...store.advisories import about_vulnerability
from ...store.counts import ACCEPTED
from ...store.grading import explained, formula
from ...store.listing import Column, Filter, Listing
from ..listing.listed import listed
from ..roles import VIEWER, needs
from .rows import due_days, vulnerabilities

NEWEST = 50


@needs(VIEWER)
@require_safe
def all_vulnerabilities(request: HttpRequest) -> HttpResponseBase:
    """The list."""
    return listed(
        request,
        vulnerabilities(due_days(), is_graded=formula() is not None),
        "vulnerabilities/vulnerabilities.html",
        cell="vulnerabilities/cell.html",
        empty="No device has a vulnerability that is known here. Read a source or import a report.",
        bulk=True,
    )


@needs(VIEWER)
@require_safe
def vulnerability(request: HttpRequest, number: int) -> HttpResponseBase:
    """One vulnerability of one source, with a list of the devices that have it."""
    row = get_object_or_404(models.Vulnerability.objects.select_related("source", "enrichment"), pk=number)
    mine = {"source": row.source_id, "vulnerability": row.vulnerability}
    solutions = models.Finding.objects.filter(**mine, solution__isnull=False).values("solution")
    tickets = models.Ticket.objects.filter(
        project__source=row.source_id, vulnerabilities__contains=[row.vulnerability], halo_id__isnull=False
    ).select_related("project")
    same = models.SearchedVulnerability.objects.filter(
        cves__overlap=row.cves, source=OuterRef("source"), vulnerability=OuterRef("vulnerability")
    )
    others = models.Vulnerability.objects.filter(Exists(same)).exclude(pk=row.pk).select_related("source")
    known: dict[str, Any] = {
        "row": row,
        "solutions": models.Solution.objects.filter(source=row.source_id, solution__in=solutions)[:20],
        "tickets": tickets.order_by("-pk")[:NEWEST],
        "history": _named(history(mine), row.source_id),
        "feeds": {one["feed"]: one for one in feeds()},
        "cves": models.Cve.objects.filter(cve__in=[cve.strip().upper() for cve in row.cves]).order_by("cve"),
        "advisories": about_vulnerability(row),
        "graded": explained(row),
        "others": others[:20] if row.cves else [],
    }
    return listed(
        request,
        devices_with(row),
        "vulnerabilities/vulnerability.html",
        cell="vulnerabilities/device_cell.html",
        empty="No device has it now.",
        **known,
    )


def _named(rows: Iterable[models.Observation], source: int) -> list[tuple[models.Observation, models.Asset | None]]:
    """Each with its asset, as far as the source knows it still."""
    newest = list(rows)
    known = models.Asset.objects.filter(source=source, asset__in={one.asset for one in newest})
    by_key = {one.asset: one for one in known}
    return [(one, by_key.get(one.asset)) for one in newest]


def history(of: dict[str, object]) -> QuerySet[models.Observation]:
    """The newest observations."""
    # By its assets, because the index of the observations begins with them.
    assets = models.Finding.objects.filter(**of).values("asset")
    rows = models.Observation.objects.filter(**of, asset__in=assets)
    # A snapshot's frames are the whole of it.
    return rows.order_by("-place").select_related("snapshot").defer("snapshot__frames")[:NEWEST]


_STATE = f"""CASE WHEN {ACCEPTED} THEN '{State.EXCEPTED.value}'
    WHEN {ADDRESSED} THEN finding.state || ': {WORDS}' ELSE finding.state END"""


def devices_with(row: models.Vulnerability) -> Listing:
    """The assets that have a vulnerability."""
    return Listing(
        name="devices with it",
        rows="""store_finding AS finding JOIN store_asset AS asset
            ON asset.source_id = finding.source_id AND asset.asset = finding.asset
            WHERE finding.source_id = %(source)s AND finding.vulnerability = %(vulnerability)s
              AND finding.state IN ('open', 'unconfirmed')""",
        key="asset.id",
        columns=(
            Column(
                "name",
                "Device",
                "coalesce(asset.host_name, asset.ip, asset.asset)",
                order="finding.asset",
                order_type="text",
            ),
            Column("device", "", "asset.device_id", shown=False),
            Column("ip", "Address", "asset.ip"),
            Column("os", "System", "asset.os"),
            # It is on these devices, and not among those that are counted.
            Column("state", "State", _STATE),
            Column("first_found", "First found", "finding.first_found", "day"),
            Column("last_found", "Last seen", "finding.last_found", "time"),
            Column("owner", "Owner", "asset.owner_tags", "texts"),
        ),
        filters=(
            Filter("host", "Device", "strpos(lower(asset.host_name), lower(%(host)s)) > 0 OR asset.ip = %(host)s"),
        ),
        order="name",
        given={"source": row.source_id, "vulnerability": row.vulnerability, "today": service_day()},
    )
