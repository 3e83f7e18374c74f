"""The network view: each segment with its devices, marked by the worst that is open on them, and its sum of risk."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ...domain.snapshot import SEVERITIES
from ...domain.subnets import Subnets
from ...store.segments import SUBNET, segments
from ..numbers import number_in
from ..roles import VIEWER, needs

WAYS = {
    SUBNET: "subnet",
    "sites": "site",
    "owner_tags": "owner tag",
    "location_tags": "location tag",
    "criticality_tags": "criticality tag",
    "custom_tags": "other tag",
}
# Segments of a page, and devices of a segment.
ROWS, MOST = 25, 40


@needs(VIEWER)
@require_safe
def network(request: HttpRequest) -> HttpResponse:
    """The page. ``by`` is one of WAYS; ``v4`` and ``v6``: how many bits name a subnet."""
    given, error = request.GET, ""
    by = given.get("by", SUBNET)
    subnets = Subnets()
    try:
        subnets = Subnets(*(number_in(given.get(name, str(usual)), 3) for name, usual in (("v4", 24), ("v6", 64))))
    except ValueError as trouble:
        error = str(trouble)
    if by not in WAYS:
        by, error = SUBNET, "Devices cannot be grouped by that."
    found = [] if error else segments(by, subnets)
    page = Paginator(found, ROWS).get_page(given.get("page"))
    known = {
        "by": by,
        "ways": WAYS,
        "subnets": subnets,
        "error": error,
        "page": page,
        "segments": [(one, one.members[:MOST], max(len(one.members) - MOST, 0)) for one in page],
        "severities": SEVERITIES,
        "marks": {name: name[0].upper() for name in SEVERITIES} | {"": "·"},
        "none_called": "No address" if by == SUBNET else f"No {WAYS[by]}",
    }
    return render(request, "network/network.html", known, status=400 if error else 200)
