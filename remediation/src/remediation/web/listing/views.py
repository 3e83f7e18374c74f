"""Views of lists that people save: filters, order and columns under a name."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from ...store import models
from ..roles import VIEWER, needs

# The pages of lists, by the lists' names.
PAGES = {name: name for name in ("vulnerabilities", "devices", "tickets", "acceptances", "remedies")}
LONGEST = 100


@needs(VIEWER)
@require_POST
def save(request: HttpRequest, listing: str) -> HttpResponse:
    """Keep the reader's view under ``name``; one of that name is replaced."""
    name = request.POST.get("name", "").strip()
    if listing not in PAGES or not name or len(name) > LONGEST:
        return HttpResponseBadRequest(
            f"A view needs a name of at most {LONGEST} characters.", content_type="text/plain"
        )
    query = urlencode(list(QueryDict(request.POST.get("query", "")).lists()), doseq=True)
    models.SavedView.objects.update_or_create(user=request.user, listing=listing, name=name, defaults={"query": query})
    return redirect(f"{_page(listing)}?{query}")


@needs(VIEWER)
@require_POST
def remove(request: HttpRequest, number: int) -> HttpResponse:
    """Remove one of the reader's own views."""
    view = get_object_or_404(models.SavedView, pk=number, user=request.user)
    view.delete()
    return redirect(_page(view.listing))


def _page(listing: str) -> str:
    from django.urls import reverse

    return reverse(PAGES[listing])
