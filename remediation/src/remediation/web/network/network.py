"""The network view: each segment with its devices, marked by the worst that is open on them, and its sum of risk."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ...domain.snapshot import SEVERITIES
from ...domain.subnets import Subnets
from ...store.listing import NoSuch
from ...store.segments import SUBNET, SegmentPage, segments
from ..numbers import number_in
from ..roles import VIEWER, needs
from .marks import LETTERS, marks

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
    """The page. ``by`` is one of WAYS; ``v4`` and ``v6``: how many bits name a subnet; ``after`` and ``before``: the
    place of another page."""
    given, error = request.GET, ""
    by, after, before = given.get("by", SUBNET), given.get("after", ""), given.get("before", "")
    subnets = Subnets()
    try:
        subnets = Subnets(*(number_in(given.get(name, str(usual)), 3) for name, usual in (("v4", 24), ("v6", 64))))
    except ValueError as trouble:
        error = str(trouble)
    if by not in WAYS:
        by, error = SUBNET, "Devices cannot be grouped by that."
    page = SegmentPage([], 0)
    try:
        if not error:
            page = segments(by, subnets, after=after, before=before, size=ROWS, members=MOST)
    except NoSuch as trouble:
        error = str(trouble)
    known = {
        "by": by,
        "ways": WAYS,
        "subnets": subnets,
        "error": error,
        "page": page,
        "segments": [(one, marks(one.members), max(one.devices - len(one.members), 0)) for one in page.segments],
        "severities": SEVERITIES,
        "marks": LETTERS,
        "none_called": "No address" if by == SUBNET else f"No {WAYS[by]}",
    }
    return render(request, "network/network.html", known, status=400 if error else 200)
