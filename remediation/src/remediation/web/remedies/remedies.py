"""The pages of remedies: which remove most, and one with what it removes, where, and who owns that."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from ...store import models
from ...store.consolidation import suggestion_with
from ...store.remedies import called
from ..listing.listed import listed
from ..roles import VIEWER, needs
from .rows import devices_of, remedies

MOST = 100


@needs(VIEWER)
@require_safe
def all_remedies(request: HttpRequest) -> HttpResponseBase:
    """The list."""
    empty = "Nothing that is open can be remedied. Read a source or import a report."
    return listed(request, remedies(), "remedies/remedies.html", cell="remedies/cell.html", empty=empty)


@needs(VIEWER)
@require_safe
def remedy(request: HttpRequest, number: int) -> HttpResponseBase:
    """One remedy, with a list of its devices."""
    row = get_object_or_404(models.Remedy.objects.select_related("source"), pk=number)
    of = {"source": row.source_id, "vulnerability__in": row.vulnerabilities}
    known: dict[str, Any] = {
        "row": row,
        "could_be_one": suggestion_with(row),
        "name": called(row),
        "counts": {name: getattr(row, name) for name in ("critical", "high", "medium", "low", "none")},
        "solution": models.Solution.objects.filter(source=row.source_id, solution=row.remedy).first(),
        "vulnerabilities": models.Vulnerability.objects.select_related("enrichment")
        .filter(**of)
        .order_by("-rank", "pk")[:MOST],
        "more": max(len(row.vulnerabilities) - MOST, 0),
    }
    cell = "remedies/device_cell.html"
    empty = "No device needs it now."
    return listed(request, devices_of(row), "remedies/remedy.html", cell=cell, empty=empty, **known)
