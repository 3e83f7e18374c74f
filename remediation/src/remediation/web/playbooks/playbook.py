"""The page of a playbook, its files, and the wish to have them attached to a ticket."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from ...domain.playbook import Fix, playbook_of
from ...jobs.tasks import ask_to_attach_playbook
from ...store import models
from ...store.playbooks import fixes_of_remedy, fixes_of_ticket
from ...store.remedies import called
from ...tickets.attention import NotPossible, left_alone_by
from ...tickets.cut_off import PLAYBOOK as WANTED
from ...tickets.playbook import SAID, ask_for_playbook
from ..roles import ANALYST, VIEWER, needs

PLAYBOOK, INVENTORY, BOTH = "playbook.yml", "inventory.yml", "playbook.zip"
FILES = (PLAYBOOK, INVENTORY, BOTH)
# What a zip says of when its files were changed: the same files make the same zip.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


@needs(VIEWER)
@require_safe
def of_remedy(request: HttpRequest, number: int) -> HttpResponse:
    """The page, of a remedy."""
    row = get_object_or_404(models.Remedy, pk=number)
    known: dict[str, object] = {"title": called(row), "back": reverse("remedy", args=[number]), "of": "remedy"}
    return _page(request, number, fixes_of_remedy(row), known)


@needs(VIEWER)
@require_safe
def of_ticket(request: HttpRequest, number: int) -> HttpResponse:
    """The page, of a ticket by the service's own number."""
    row = _ticket(number)
    known = {
        "title": row.title or "A ticket",
        "back": reverse("ticket", args=[number]),
        "of": "ticket",
        "row": row,
        "wanted": row.note.get(WANTED),
        "said": row.note.get(SAID),
        "left_alone": left_alone_by(row),
    }
    return _page(request, number, fixes_of_ticket(row), known)


@needs(VIEWER)
@require_safe
def download_of_remedy(request: HttpRequest, number: int, file: str) -> HttpResponse:
    """One of FILES, of a remedy."""
    del request
    return _download(fixes_of_remedy(get_object_or_404(models.Remedy, pk=number)), file)


@needs(VIEWER)
@require_safe
def download_of_ticket(request: HttpRequest, number: int, file: str) -> HttpResponse:
    """One of FILES, of a ticket."""
    del request
    return _download(fixes_of_ticket(_ticket(number)), file)


@needs(ANALYST)
@require_POST
def attach(request: HttpRequest, number: int) -> HttpResponse:
    """Ask for the playbook to be attached to its ticket in HaloITSM."""
    row = _ticket(number)
    try:
        if not fixes_of_ticket(row):
            raise NotPossible("Nothing that the ticket tells of is open, so there is no playbook.")
        with transaction.atomic():
            ask_for_playbook(row, str(request.user))
            ask_to_attach_playbook(row)
    except NotPossible as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "A worker attaches the playbook to the ticket. What comes of it is shown here.")
    return redirect("ticket-playbook", number)


def _ticket(number: int) -> models.Ticket:
    return get_object_or_404(models.Ticket.objects.select_related("project__connection"), pk=number)


def _page(request: HttpRequest, number: int, fixes: Sequence[Fix], known: dict[str, object]) -> HttpResponse:
    made = playbook_of(fixes) if fixes else None
    known = {**known, "number": number, "made": made}
    known["addresses"] = [(name, reverse(f"{known['of']}-playbook-file", args=[number, name])) for name in FILES]
    return render(request, "playbooks/playbook.html", known)


def _download(fixes: Sequence[Fix], file: str) -> HttpResponse:
    if file not in FILES or not fixes:
        raise Http404
    made = playbook_of(fixes)
    if file == BOTH:
        content, name, kind = io.BytesIO(), made.name.replace(".yml", ".zip"), "application/zip"
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, text in ((made.name, made.text), (made.inventory_name, made.inventory)):
                archive.writestr(zipfile.ZipInfo(member, _NO_TIME), text)
        body = content.getvalue()
    else:
        name = made.name if file == PLAYBOOK else made.inventory_name
        body, kind = (made.text if file == PLAYBOOK else made.inventory).encode(), "application/yaml"
    return HttpResponse(body, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
