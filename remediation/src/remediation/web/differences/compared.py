"""The page of a difference: how many findings became what, by severity, device and owner, and the list of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from ...domain.difference import WORDS
from ...store import models
from ...store.differences import (
    TooMany,
    Window,
    between_days,
    between_snapshots,
    by_device,
    by_owner,
    by_severity,
    differences,
)
from ...store.listing import NoSuch, every
from ..listing.listed import EXPORTS, listed, query_of
from ..numbers import number_in
from ..roles import VIEWER, needs
from .differences import day_in
from .rows import changed

# Of what is printed; a file has more.
MOST_PRINTED = 1000


@needs(VIEWER)
@require_safe
def of_days(request: HttpRequest, since: str, until: str, printed: bool = False) -> HttpResponseBase:
    """From the end of one day to the end of another; ``?source=3`` of one source only. ``printed``: to be printed."""
    first, second = day_in(since), day_in(until)
    if first is None or second is None or first >= second:
        raise Http404("These are no two days, the earlier one first.")
    chosen = number_in(request.GET.get("source"))
    name = get_object_or_404(models.Source, pk=chosen).name if request.GET.get("source") else "all sources"
    title = f"{first.isoformat()} to {second.isoformat()}"
    return _compared(request, between_days(first, second, chosen or None), {"title": title, "of": name}, printed)


@needs(VIEWER)
@require_safe
def of_snapshots(request: HttpRequest, before: int, after: int, printed: bool = False) -> HttpResponseBase:
    """From one snapshot of a source to a later one. ``printed``: to be printed."""
    records = models.SnapshotRecord.objects.select_related("source").defer("frames")
    first, second = get_object_or_404(records, pk=before), get_object_or_404(records, pk=after)
    if first.source_id != second.source_id or first.pk >= second.pk:
        raise Http404("These are no two snapshots of one source, the earlier one first.")
    title = f"{first.taken:%Y-%m-%d %H:%M} to {second.taken:%Y-%m-%d %H:%M} UTC"
    return _compared(request, between_snapshots(first, second), {"title": title, "of": first.source.name}, printed)


def _compared(request: HttpRequest, window: Window, known: dict[str, Any], printed: bool) -> HttpResponseBase:
    try:
        # A file takes its time.
        with differences(window, patient=request.GET.get("export") in EXPORTS):
            answer = _printed(request, window, known) if printed else _listed(request, window, known)
    except TooMany:
        return render(request, "differences/too_many.html", known, status=503)
    if isinstance(answer, StreamingHttpResponse):
        # It is read when the block has ended.
        answer.streaming_content = _again(window, answer.streaming_content)
    return answer


def _again(window: Window, parts: Any) -> Iterator[bytes]:
    with differences(window, patient=True):
        yield from parts


def _listed(request: HttpRequest, window: Window, known: dict[str, Any]) -> HttpResponseBase:
    # htmx and a file get the list alone.
    if not request.htmx and request.GET.get("export") not in EXPORTS:  # type: ignore[attr-defined]  # django_htmx
        known = {**known, **_summary(window)}
    return listed(
        request,
        changed(),
        "differences/difference.html",
        cell="differences/cell.html",
        empty="Nothing changed.",
        **known,
    )


def _summary(window: Window) -> dict[str, Any]:
    severities = by_severity(window)
    return {
        "kinds": [(kind.value, word) for kind, word in WORDS.items()],
        "totals": {kind.value: sum(line.counts.get(kind.value, 0) for line in severities) for kind in WORDS},
        "still": sum(line.still for line in severities),
        "severities": severities,
        "devices": by_device(window),
        "owners": by_owner(window),
        "snapshots": len(window.between),
    }


def _printed(request: HttpRequest, window: Window, known: dict[str, Any]) -> HttpResponse:
    listing = changed()
    try:
        rows = list(every(listing, query_of(request.GET, listing), MOST_PRINTED + 1))
    except NoSuch as trouble:
        raise Http404(str(trouble)) from None
    cut = {"rows": rows[:MOST_PRINTED], "is_cut": len(rows) > MOST_PRINTED, "back": request.path.removesuffix("print")}
    return render(request, "differences/printed.html", {**known, **_summary(window), **cut})
