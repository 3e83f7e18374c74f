"""The pages on which an organisation of InsightIDR is added, tested and changed."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from ...domain.investigation_settings import USUAL_STATES
from ...investigations.source import settings_of, store_source
from ...jobs.check import check_typed_investigations
from ...jobs.tasks import ask_to_plan
from ...sources.scanner import Unfit
from ...store import audit, models
from ...store.projects import NotMade
from ...store.versions import ChangedMeanwhile
from ..numbers import number_in
from ..roles import ADMIN, needs
from .form import SourceForm, entered


@needs(ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def add_source(request: HttpRequest) -> HttpResponse:
    """A new organisation. Nothing is made of it before somebody has seen its first plan."""
    return _form(request, None)


@needs(ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def change_source(request: HttpRequest, number: int) -> HttpResponse:
    """Other details, rules and maps of an organisation."""
    rows = models.InvestigationSource.objects.select_related("project__connection")
    return _form(request, get_object_or_404(rows, pk=number))


def _form(request: HttpRequest, row: models.InvestigationSource | None) -> HttpResponse:
    """``do`` is test or save."""
    names: dict[str, str] = row.project.connection.settings.get("halo_statuses") or {} if row else {}
    there = {name.casefold() for name in names.values()}
    usual = {state: name for state, name in USUAL_STATES.items() if name.casefold() in there}
    initial = entered(row, settings_of(row), usual) if row else {}
    form = SourceForm(request.POST or None, known=row, names=names, initial=initial)
    version = number_in(request.POST.get("version"), 9) or (row.version if row else 0)
    tested, status = None, 200
    if request.method == "POST" and not form.is_valid():
        status = 400
    elif request.method == "POST" and request.POST.get("do") == "test":
        tested = check_typed_investigations(form.cleaned_data["details"], form.cleaned_data["secret"], row)
    elif request.method == "POST":
        try:
            return _stored(request, form, row, version)
        except (Unfit, NotMade) as error:
            field = getattr(error, "field", "name")
            form.add_error(field if field in form.fields else None, str(error))
            status = 400
        except ChangedMeanwhile as error:
            form.add_error(None, f"{error} Load the page again to see it.")
            status = 409
    known = {"form": form, "source": row, "version": version, "tested": tested}
    return render(request, "investigations/source.html", known, status=status)


def _stored(
    request: HttpRequest, form: SourceForm, row: models.InvestigationSource | None, version: int
) -> HttpResponse:
    """Raises Unfit, NotMade and ChangedMeanwhile."""
    before = dict(row.settings) if row else {}
    given = form.cleaned_data
    with transaction.atomic():
        stored = store_source(
            given["details"], given["how"], given["secret"], row, given["connection"], version=version if row else None
        )
        changed = audit.changes(before, stored.settings)
        if given["secret"]:
            changed["secret"] = ["", "stored"]
        what = "investigations changed" if row else "investigations added"
        audit.record(str(request.user), what, stored.name, changed=changed)
    ask_to_plan(stored.project)
    paused = " It is paused: look at its first plan here, then resume it." if stored.project.paused else ""
    messages.success(request, f"{stored.name} is stored. A plan is asked for.{paused}")
    return redirect("project", stored.project.slug)
