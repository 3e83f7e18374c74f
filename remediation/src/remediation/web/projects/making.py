"""Makes projects and changes them, and shows meanwhile what a scope takes in."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from ...domain.project import Granularity, Settings
from ...jobs.tasks import ask_to_plan
from ...store import audit, models
from ...store.remedies import called
from ...store.projects import NotMade, create_project, with_defaults
from ...store.scope_counts import TooMany, count_scope
from ...store.versions import ChangedMeanwhile, change_version
from ...tickets.editing import change_settings
from ..numbers import number_in
from ..roles import APPROVER, VIEWER, needs
from .form import LONGEST_NAME, ProjectForm, entered, shown_of


@needs(APPROVER)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """A form, and the project that it makes: paused, with its first plan under way. ``?remedy=7``: it is about that."""
    form = ProjectForm(request.POST or None, initial={**_initial(), **_about(number_in(request.GET.get("remedy")))})
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            with transaction.atomic():
                made = create_project(given["name"], given["connection"], given["source"], form.settings(), paused=True)
                audit.record(str(request.user), "project made", made.name, settings=made.settings)
                ask_to_plan(made)
        except NotMade as error:
            form.add_error("name", str(error))
        else:
            messages.success(
                request, "The project is made and paused: look at its first plan, then resume it to let it run."
            )
            return redirect("project", made.slug)
    return _form(request, form, "New project")


@needs(APPROVER)
@require_http_methods(["GET", "HEAD", "POST"])
def change(request: HttpRequest, slug: str) -> HttpResponse:
    """A form with the project's settings. Who saves later than somebody else is told."""
    row = get_object_or_404(models.Project, slug=slug)
    fixed = row.tickets.exists()
    form = ProjectForm(request.POST or None, initial=entered(row), fixed=fixed)
    version = number_in(request.POST.get("version"), 9) if request.method == "POST" else row.version
    if request.method == "POST" and form.is_valid():
        try:
            left = _changed(request, row, version, form)
        except ChangedMeanwhile:
            row.refresh_from_db()
            return _form(request, form, f"Change {row.name}", row, conflict=entered(row))
        except (NotMade, ValueError) as error:
            form.add_error(None, str(error))
        else:
            more = f" {left} of its findings leave their tickets with the next run." if left else ""
            messages.success(request, f"The project is changed.{more}")
            return redirect("project", row.slug)
    return _form(request, form, f"Change {row.name}", row, version=version)


@transaction.atomic
def _changed(request: HttpRequest, row: models.Project, version: int, form: ProjectForm) -> int:
    """Store what was entered. Returns how many findings leave their tickets. Raises ChangedMeanwhile and ValueError."""
    given, before = form.cleaned_data, dict(row.settings)
    if models.Project.objects.filter(name=given["name"]).exclude(pk=row.pk).exists():
        raise NotMade(f"There is a project named {given['name']!r} already.")
    names = {"name": given["name"], "source": given["source"], "connection": given["connection"]}
    change_version(row, version, **names)
    left = change_settings(row, form.settings())
    audit.record(str(request.user), "project changed", row.name, changed=audit.changes(before, row.settings))
    return left


def _form(
    request: HttpRequest, form: ProjectForm, title: str, row: models.Project | None = None, **more: Any
) -> HttpResponse:
    conflict = more.get("conflict")
    known = {
        "form": form,
        "title": title,
        "project": row,
        "version": more.get("version", row.version if row else ""),
        "stored": [(field.label, conflict.get(field.name)) for field in form if conflict] if conflict else [],
        "differs": conflict is not None,
    }
    status = 409 if conflict is not None else 400 if form.errors else 200
    return render(request, "projects/form.html", known, status=status)


def _initial() -> dict[str, Any]:
    """What a new project begins with: the only source and connection, and the connection's defaults."""
    connections, sources = models.Connection.objects.all()[:2], models.Source.objects.all()[:2]
    only = connections[0] if len(connections) == 1 else None
    shown = shown_of(with_defaults(only, {})) if only else {}
    return {**shown, "connection": only, "source": sources[0] if len(sources) == 1 else None}


def _about(remedy: int) -> dict[str, Any]:
    """What the form of a project begins with that carries out one solution."""
    row = models.Remedy.objects.filter(pk=remedy).first()
    if row is None:
        return {}
    name = f"Everywhere: {called(row)}"
    scope = {"solutions": row.remedy, "min_severity": "none", "granularity": Granularity.SOLUTION_OWNER.value}
    return {"name": name[:LONGEST_NAME], "source": row.source_id, **scope}


@needs(VIEWER)
@require_POST
def preview(request: HttpRequest) -> HttpResponse:
    """What the scope that is being entered takes in, for the form."""
    given = request.POST.copy()
    given["name"] = given.get("name") or "preview"
    row = models.Project.objects.filter(slug=given.get("of", "")).first()
    form = ProjectForm(given, initial=entered(row) if row else {}, fixed=bool(row and row.tickets.exists()))
    known: dict[str, Any] = {}
    if form.is_valid():
        settings = Settings.from_table(with_defaults(form.cleaned_data["connection"], form.settings()))
        try:
            known["counts"] = count_scope(form.cleaned_data["source"].pk, settings)
        except TooMany:
            known["too_many"] = True
    return render(request, "projects/preview.html", known)
