"""The pages of imports: all of them, and one from what was recognised to what it has changed."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ...jobs import uploads
from ...jobs.report_tasks import ask_to_look, ask_to_take_in
from ...sources.any_report import kind_of
from ...sources.delimited import header_of
from ...sources.errors import SourceError
from ...store import audit, models
from ..roles import ANALYST, APPROVER, VIEWER, is_at_least, needs
from .form import MAPPED, ReportForm

NEWEST = 50
SHOWN = 100
State = models.Upload.State
AT_WORK = (State.LOOKING, State.IMPORTING)
# Reports that can be looked at, again or for the first time.
CAN_LOOK = (State.SENT, State.LOOKED, State.REFUSED, State.CANCELLED)


@needs(VIEWER)
@require_safe
def all_imports(request: HttpRequest) -> HttpResponse:
    """The place to drop a file, and what was brought lately, by browsers and otherwise."""
    runs = models.Run.objects.filter(kind="import").select_related("source").order_by("-pk")[:NEWEST]
    known = {"uploads": models.Upload.objects.order_by("-pk")[:NEWEST], "runs": runs}
    return render(request, "imports/imports.html", known)


@needs(VIEWER, to_write=ANALYST)
@require_http_methods(["GET", "HEAD", "POST"])
def one_import(request: HttpRequest, number: int) -> HttpResponse:
    """One report. POST: what its person says of it, after which it is looked at."""
    upload = get_object_or_404(models.Upload, pk=number)
    recognised, columns = _recognised(upload)
    form = ReportForm(request.POST or None, columns=columns, initial=_entered(upload))
    if request.method == "POST" and form.is_valid() and upload.state in CAN_LOOK:
        said = {"source": form.cleaned_data["source"].strip(), "options": form.options(), "result": {}}
        with transaction.atomic():
            if _begun(upload, State.LOOKING, **said):
                ask_to_look(upload)
        return redirect("import", upload.pk)
    known = {"form": form, "recognised": recognised, "columns": columns, **_shown(upload)}
    return render(request, "imports/import.html", known, status=400 if form.errors else 200)


@needs(VIEWER)
@require_safe
def progress(request: HttpRequest, number: int) -> HttpResponse:
    """The part of the page that tells how far it is, which asks for itself as long as somebody is at work."""
    upload = get_object_or_404(models.Upload, pk=number)
    answer = render(request, "imports/progress.html", _shown(upload))
    if upload.state not in AT_WORK:
        answer.headers["HX-Refresh"] = "true"
    return answer


@needs(ANALYST)
@require_POST
def confirm(request: HttpRequest, number: int) -> HttpResponse:
    """Take it in as it was looked at. With ``accept``, an approver's word that coverage that shrank is real.

    ``seen`` is what the page showed: somebody else may have had it looked at in another way since.
    """
    upload = get_object_or_404(models.Upload, pk=number)
    if request.POST.get("seen") != seen_of(upload):
        messages.error(request, "It was looked at in another way since this was shown to you. See what it changes now.")
        return redirect("import", number)
    accept = request.POST.get("accept") == "yes"
    if accept and not is_at_least(request.role, APPROVER):  # type: ignore[attr-defined]  # of the middleware
        messages.error(request, "Only an approver accepts coverage that shrank.")
        return redirect("import", number)
    can = upload.state == State.LOOKED or (accept and upload.state == State.REFUSED and upload.result.get("suspicious"))
    if not can:
        messages.error(request, "It is not ready to be taken in: look at it first.")
        return redirect("import", number)
    with transaction.atomic():
        if _begun(upload, State.IMPORTING, options={**upload.options, "accept": accept}):
            what, coverage = "report taken in", upload.options.get("coverage")
            what = f"{what}, coverage accepted" if accept else what
            audit.record(str(request.user), what, upload.source, file=upload.name, coverage=coverage)
            ask_to_take_in(upload)
    return redirect("import", number)


def seen_of(upload: models.Upload) -> str:
    """What its person said of it, when it was looked at, as a form sends it back."""
    said = json.dumps([upload.source, upload.options], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


def _begun(upload: models.Upload, state: str, **fields: Any) -> bool:
    """Move it on from what it was when it was read; False where somebody, or a second click, was faster."""
    read = {"state": upload.state, "source": upload.source, "options": upload.options}
    rows = models.Upload.objects.filter(pk=upload.pk, **read)
    return bool(rows.update(state=state, told="It waits in the queue.", cancel=False, **fields))


@needs(ANALYST)
@require_POST
def cancel(request: HttpRequest, number: int) -> HttpResponse:
    """Stop what is at work on it; what is at a later step by then is not stopped."""
    upload = get_object_or_404(models.Upload, pk=number)
    models.Upload.objects.filter(pk=number, state__in=AT_WORK).update(cancel=True)
    models.Upload.objects.filter(pk=number, state=State.SENDING).update(state=State.CANCELLED, told="It was not sent.")
    messages.success(request, "It is stopped as soon as the step that it is at allows it.")
    return redirect("import", upload.pk)


@needs(VIEWER)
@require_safe
def errors(_: HttpRequest, number: int) -> HttpResponseBase:
    """All that was wrong with its rows, as CSV."""
    place = uploads.errors_of(get_object_or_404(models.Upload, pk=number))
    if not place.is_file():
        raise Http404
    return FileResponse(place.open("rb"), as_attachment=True, filename=f"errors-{number}.csv", content_type="text/csv")


def _shown(upload: models.Upload) -> dict[str, Any]:
    return {
        "upload": upload,
        "seen": seen_of(upload),
        "at_work": upload.state in AT_WORK,
        "can_look": upload.state in CAN_LOOK,
        "errors_there": uploads.errors_of(upload).is_file(),
        "source": models.Source.objects.filter(name=upload.source).first() if upload.source else None,
        "projects": models.Project.objects.filter(source__name=upload.source) if upload.source else [],
    }


def _recognised(upload: models.Upload) -> tuple[str, list[str]]:
    """The kind of a report that is whole, and, where it is of none, its columns to be mapped."""
    place = uploads.report_of(upload)
    if upload.state == State.SENDING or not place.is_file():
        return "", []
    try:
        return kind_of(place, {}), []
    except (SourceError, OSError):
        pass
    try:
        return "", header_of(place)
    except (SourceError, OSError):
        return "", []


def _entered(upload: models.Upload) -> dict[str, Any]:
    options = upload.options
    lists = {name: ", ".join(options.get(name) or ()) for name in ("vendors", "sites", "clean_hosts")}
    mapping = {f"map_{name}": (options.get("mapping") or {}).get(name, "") for name in MAPPED}
    return {
        "source": upload.source,
        "coverage": options.get("coverage", "listed"),
        "severities": options.get("severities"),
        **lists,
        **mapping,
    }
