"""Tickets that name devices otherwise than scans do, with the device that may be meant; and a name that is added."""

from __future__ import annotations

from functools import cached_property

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from ...domain.near_names import KnownNames
from ...domain.register import key_of
from ...store import models
from ...store.near import NotAdded, Offer, add_name, known_names, offers
from ..listing.listed import listed
from ..numbers import number_in
from ..roles import ADMIN, VIEWER, needs
from .ticket_rows import MISMATCHES


class _Offers:
    """For a name that a ticket has: the device that may be meant. What is known is read when the first is asked for."""

    @cached_property
    def _known(self) -> KnownNames:
        return known_names()

    def get(self, name: str) -> Offer | None:
        """None where there is none."""
        found = offers([key_of(name)], self._known)
        return found[0] if found else None


@needs(VIEWER)
@require_safe
def mismatches(request: HttpRequest) -> HttpResponseBase:
    """The list of such tickets of ours."""
    empty = "Each open ticket names its devices as scans do."
    cell = "register/mismatch_cell.html"
    return listed(request, MISMATCHES, "register/mismatches.html", cell=cell, empty=empty, offers=_Offers())


@needs(ADMIN)
@require_POST
def add_other_name(request: HttpRequest) -> HttpResponse:
    """Make ``word`` another name of ``device``. Goes back to the ticket that was looked up, if it says which."""
    device = get_object_or_404(models.Device, pk=number_in(request.POST.get("device")))
    word = request.POST.get("word", "")
    try:
        sources = add_name(device, word, str(request.user))
    except NotAdded as error:
        messages.error(request, f"Nothing was changed. {error}")
    else:
        messages.success(request, f"{word} is another name of {device.name} now, in the rules of {', '.join(sources)}.")
    ticket, halo = number_in(request.POST.get("number")), number_in(request.POST.get("connection"))
    if ticket:
        return redirect(f"{reverse('look-up-ticket')}?number={ticket}&connection={halo}")
    return redirect("mismatches")
