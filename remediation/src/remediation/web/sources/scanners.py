"""The pages on which a scanner is added, tested and changed."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from ...jobs.check import check_typed_source
from ...jobs.tasks import ask_to_read
from ...sources.reading import KINDS
from ...sources.scanner import NAMES, Unfit, store_scanner
from ...store import audit, models
from ...store.secrets import seal
from ...store.versions import ChangedMeanwhile
from ..numbers import number_in
from ..roles import ADMIN, needs
from .form import ScannerForm, of_source


@needs(ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def add_scanner(request: HttpRequest, kind: str) -> HttpResponse:
    """A scanner of a kind that can be asked. Once it is stored, it is read."""
    if kind not in KINDS:
        raise Http404("There is no such kind of scanner.")
    return _form(request, kind, None)


@needs(ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def change_scanner(request: HttpRequest, number: int) -> HttpResponse:
    """Other details of a scanner. Its name stays, because projects and tickets show it."""
    row = get_object_or_404(models.Source, pk=number, kind__in=KINDS)
    return _form(request, row.kind, row)


def _form(request: HttpRequest, kind: str, row: models.Source | None) -> HttpResponse:
    """``do`` is test or save."""
    form = ScannerForm(request.POST or None, kind=kind, known=row, initial=of_source(row) if row else {})
    # What the person has seen: a form that comes back keeps it, so that the change of somebody else stays one.
    version = number_in(request.POST.get("version"), 9) or (row.version if row else 0)
    tested, status = None, 200
    if request.method == "POST" and not form.is_valid():
        status = 400
    elif request.method == "POST" and request.POST.get("do") == "test":
        tested = check_typed_source(_typed(form, row))
    elif request.method == "POST":
        try:
            return _stored(request, form, row, version)
        except Unfit as error:
            form.add_error(error.field if error.field in form.fields else None, str(error))
            status = 400
        except ChangedMeanwhile as error:
            form.add_error(None, f"{error} Load the page again to see it.")
            status = 409
    known = {"form": form, "kind": NAMES[kind], "source": row, "version": version, "tested": tested}
    return render(request, "sources/scanner.html", known, status=status)


def _typed(form: ScannerForm, row: models.Source | None) -> models.Source:
    """A source that is not stored, with what was typed."""
    details, secret = form.cleaned_data["details"], form.cleaned_data["secret"]
    sealed = seal(secret) if secret else row.secret if row else ""
    return models.Source(name=details.name, kind=details.kind, settings=details.settings(), secret=sealed)


def _stored(request: HttpRequest, form: ScannerForm, row: models.Source | None, version: int) -> HttpResponse:
    details, secret = form.cleaned_data["details"], form.cleaned_data["secret"]
    before = dict(row.settings) if row else {}
    with transaction.atomic():
        stored = store_scanner(
            details, secret, row, moved=form.cleaned_data.get("moved", False), version=version if row else None
        )
        changed = audit.changes(before, stored.settings)
        if secret:
            changed["secret"] = ["", "stored"]
        audit.record(str(request.user), "scanner changed" if row else "scanner added", stored.name, changed=changed)
    ask_to_read(stored.pk)
    messages.success(request, f"{stored.name} is stored. A reading is asked for.")
    return redirect("service")
