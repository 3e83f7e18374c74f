"""The settings of the service: sources and their schedule, due days, what is kept, the key, and what runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ...domain.project import DUE_DAYS
from ...enrichment.cisco.reading import access
from ...jobs.feed_tasks import ask_to_ask_cisco, ask_to_enrich
from ...jobs.incoming import new_token
from ...jobs.status import feeds, workers
from ...jobs.tasks import ask_to_read
from ...sources.reading import is_read
from ...sources.scanner import NAMES
from ...store import audit, models, second_factors
from ...store.grading import formula
from ...store.json_keys import change_keys
from ...store.versions import ChangedMeanwhile, change_version
from ..numbers import DIGITS, number_in
from ..roles import ADMIN, ANALYST, VIEWER, needs
from ..sources.form import LONGEST_PAUSE
from ..vulnerabilities.rows import DUE, due_days

LONGEST_DUE = 3650


class DueForm(forms.Form):
    """After how many days findings are due that are in no project, by severity."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        for name in DUE_DAYS:
            self.fields[name] = forms.IntegerField(min_value=0, max_value=LONGEST_DUE, label=name.capitalize())


@needs(VIEWER)
@require_safe
def service(request: HttpRequest) -> HttpResponse:
    """All of them, and the links to where the others are."""
    known = {
        "sources": [_source(row) for row in models.Source.objects.order_by("name")],
        "kinds": NAMES,
        "connections": models.Connection.objects.order_by("name"),
        "feeds": [{**one, "read": one["read"] and datetime.fromisoformat(one["read"])} for one in feeds()],
        "workers": workers(),
        "keep_days": settings.KEEP_DAYS,
        "networks": settings.NETWORKS,
        "due": due_days(),
        "grading": formula() is not None,
        "is_required": second_factors.is_required(),
        "provider": settings.OPEN_ID,
        "token": request.session.pop("token", None),
    }
    return render(request, "service/service.html", known)


@needs(ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def change_due_days(request: HttpRequest) -> HttpResponse:
    """A form with the days, by severity. Projects keep their own."""
    row, _ = models.Setting.objects.get_or_create(name=DUE)
    form = DueForm(request.POST or None, initial=due_days())
    differs = False
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                before = due_days()
                change_version(row, number_in(request.POST.get("version"), 9), value=form.cleaned_data)
                changed = audit.changes(before, form.cleaned_data)
                audit.record(str(request.user), "due days changed", changed=changed)
        except ChangedMeanwhile:
            row.refresh_from_db()
            differs = True
        else:
            messages.success(request, "The days are stored.")
            return redirect("service")
    status = 409 if differs else 400 if form.errors else 200
    known = {"form": form, "version": row.version, "differs": differs, "stored": due_days()}
    return render(request, "service/due.html", known, status=status)


@needs(ANALYST)
@require_POST
def read_now(request: HttpRequest, number: int) -> HttpResponse:
    """Ask for a reading of a source."""
    row = get_object_or_404(models.Source, pk=number)
    if not is_read(row):
        messages.error(request, f"{row.name} is a series of files: import a report.")
    else:
        waits = not ask_to_read(row.pk)
        messages.success(request, "A reading waits in the queue already." if waits else "A reading is asked for.")
    return redirect("service")


@needs(ANALYST)
@require_POST
def stop_reading(request: HttpRequest, number: int) -> HttpResponse:
    """Ask for the end of a reading of a source."""
    running = models.Run.objects.filter(source_id=number, kind="read", finished=None)
    for run in running:
        change_keys(run, "detail", {"stop": str(request.user)})
    if running:
        messages.success(request, "The reading ends soon. Nothing of it is stored.")
    else:
        messages.error(request, "No reading of this source is running.")
    return redirect("service")


@needs(ADMIN)
@require_POST
def read_feeds_now(request: HttpRequest) -> HttpResponse:
    """Ask for a reading of the feeds about CVEs."""
    models.Feed.objects.update(due=None)
    waits = not ask_to_enrich()
    if access() is not None:
        ask_to_ask_cisco()
    messages.success(request, "A reading waits in the queue already." if waits else "A reading is asked for.")
    return redirect("service")


@needs(ADMIN)
@require_POST
def schedule(request: HttpRequest, number: int) -> HttpResponse:
    """How many minutes are at least between two readings of a source."""
    row = get_object_or_404(models.Source, pk=number)
    text = request.POST.get("every", "")
    # No number has more digits, and Python refuses to read one of thousands.
    if not text.isdecimal() or len(text) > DIGITS or int(text) > LONGEST_PAUSE:
        messages.error(request, f"Give a number of minutes, {LONGEST_PAUSE} at most; 0: in each round.")
        return redirect("service")
    with transaction.atomic():
        before = row.settings.get("every", 0)
        change_keys(row, "settings", {"every": int(text)})
        # Whoever has the scanner's form open has seen the pause of before.
        models.Source.objects.filter(pk=row.pk).update(version=F("version") + 1)
        audit.record(str(request.user), "schedule changed", row.name, every=[before, int(text)])
    messages.success(request, f"{row.name} is read every {text} minutes at most.")
    return redirect("service")


@needs(ADMIN)
@require_POST
def token(request: HttpRequest, number: int) -> HttpResponse:
    """A new token with which programs send reports of a watched source. It is shown once."""
    row = get_object_or_404(models.Source, pk=number, settings__has_key="watch")
    with transaction.atomic():
        request.session["token"] = {"name": row.name, "token": new_token(row)}
        audit.record(str(request.user), "token made", row.name)
    return redirect("service")


@needs(ADMIN)
@require_POST
def require_second_factor(request: HttpRequest) -> HttpResponse:
    """Whether everybody needs a second factor: ``required`` is yes or no. Who has none is signed out by it."""
    required = request.POST.get("required") == "yes"
    if required and second_factors.of(request.user) is None:
        messages.error(request, "Set up your own second factor first: you would be signed out.")
        return redirect("second-factor")
    second_factors.require(required, str(request.user))
    messages.success(request, "It is required now." if required else "It is left to each now.")
    return redirect("service")


def _source(row: models.Source) -> dict[str, Any]:
    return {
        "row": row,
        "is_read": is_read(row),
        "every": row.settings.get("every", 0),
        "watched": (row.settings.get("watch") or {}).get("folder"),
        "run": row.runs.order_by("-pk").first(),
    }
