"""The last page of the wizard: what is missing, what changes, and the first project."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from haloitsm_client import HaloClient

from ...domain.names import refused
from ...jobs.tasks import ask_to_plan
from ...store import audit, models
from ...store.drafts import BASE, discard as remove
from ...store.drafts import merged, put_in_place
from ...store.projects import NotMade, create_project
from ...store.versions import ChangedMeanwhile
from ...tickets.instance import Instance, Options
from ...tickets.lists import KINDS, STATUS
from ..numbers import number_in
from ..roles import ADMIN, needs
from . import conflicts
from .halo_lists import asked, refresh
from .steps import TITLES, forms_of, settings_of, shown


class FirstProject(forms.Form):
    """The project that is planned first."""

    project = forms.CharField(label="Name of the first project", max_length=200, strip=False)
    source = forms.ModelChoiceField(
        label="Findings of", queryset=models.Source.objects.order_by("name"), empty_label="Choose a source"
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["source"].label_from_instance = lambda row: row.name  # type: ignore[attr-defined]  # Django's own
        sources = list(models.Source.objects.order_by("name")[:2])
        if len(sources) == 1:
            self.fields["source"].initial = sources[0].pk

    def clean_project(self) -> str:
        """A name that no other project has."""
        name: str = self.cleaned_data["project"]
        if why := refused(name):
            raise forms.ValidationError(f"This cannot be a name: {why}.")
        if models.Project.objects.filter(name=name).exists():
            raise forms.ValidationError(f"There is a project named {name!r} already.")
        return name


@needs(ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def enable(request: HttpRequest, number: int) -> HttpResponse:
    """*Save and enable* puts the draft in place, makes the first project and asks for its plan; ``save`` does without a
    project."""
    draft = models.ConnectionDraft.objects.select_related("connection").filter(pk=number).first()
    if draft is None:
        if request.method == "POST":
            return conflicts.gone(request)
        draft = get_object_or_404(models.ConnectionDraft, pk=number)
    if request.method != "POST":
        return _page(request, draft, FirstProject(), trouble=refresh(draft, ["tickettype"]))
    with_project = request.POST.get("do") == "enable"
    form = FirstProject(request.POST if with_project else None)
    if with_project and not form.is_valid():
        return _page(request, draft, form)
    trouble = refresh(draft, [STATUS, *KINDS], anew=True)
    checked = forms_of(draft)
    if trouble or not all(one.is_valid() for one in checked.values()):
        return _page(request, draft, form, trouble=trouble)
    settings = settings_of(checked)
    if trouble := _not_in_halo(draft, settings):
        return _page(request, draft, form, trouble=trouble)
    return _put(request, draft, checked["details"].cleaned_data["name"], settings, form)


def _put(
    request: HttpRequest, draft: models.ConnectionDraft, name: str, settings: dict[str, Any], form: FirstProject
) -> HttpResponse:
    """Put the draft in place, with a project where the form is for one."""
    version, based_on = (number_in(request.POST.get(field), 9) for field in ("version", "based_on"))
    number, who, project = draft.pk, str(request.user.get_username()), None
    try:
        with transaction.atomic():
            connection = put_in_place(draft, version, based_on, name, settings, who)
            if form.is_bound:
                project = _first_project(connection, form.cleaned_data, who)
    except NotMade as error:
        return _page(request, draft, form, trouble=[str(error)])
    except ChangedMeanwhile:
        return _meanwhile(request, number, form)
    if project is None:
        messages.success(request, f"{name} is saved. It counts from the next run of its projects.")
        return redirect("connection", connection.pk)
    messages.success(
        request,
        f"{name} is enabled, and {project.name} is made. Its first plan is being made: read it, then resume the "
        "project. Until then, nothing is written to HaloITSM.",
    )
    return redirect("project", project.slug)


def _first_project(connection: models.Connection, wanted: dict[str, Any], who: str) -> models.Project:
    """The project, paused: it is planned and not run."""
    project = create_project(wanted["project"], connection, wanted["source"], {}, paused=True)
    audit.record(who, "project made", project.name, connection=connection.name, source=wanted["source"].name)
    ask_to_plan(project)
    return project


def _not_in_halo(draft: models.ConnectionDraft, settings: dict[str, Any]) -> list[str]:
    """What the settings name and HaloITSM does not have."""

    def look(client: HaloClient) -> bool:
        instance = Instance(client, Options.from_table(settings))
        instance.status_map()
        instance.require_named()
        return True

    _, trouble = asked(draft, look)
    return [trouble] if trouble else []


def _meanwhile(request: HttpRequest, number: int, form: FirstProject) -> HttpResponse:
    draft = models.ConnectionDraft.objects.select_related("connection").filter(pk=number).first()
    if draft is None:
        return conflicts.gone(request)
    return _page(request, draft, form, status=409, is_conflict=True)


def _page(
    request: HttpRequest, draft: models.ConnectionDraft, form: FirstProject, *, status: int = 200, **more: Any
) -> HttpResponse:
    checked = forms_of(draft)
    is_complete = all(one.is_valid() for one in checked.values())
    warnings = [text for step in ("statuses", "template") for text in checked[step].warnings()]
    connection = draft.connection
    known = {
        "draft": draft,
        "version": draft.version,
        "based_on": connection.version if connection else 0,
        "form": form,
        "steps": shown(draft, "enable"),
        "step": "enable",
        "is_complete": is_complete,
        "titles": TITLES,
        "warnings": warnings,
        "has_sources": models.Source.objects.exists(),
        "changes": _changes(draft, settings_of(checked)) if connection and is_complete else [],
        **more,
    }
    return render(request, "connections/enable.html", known, status=status)


def _changes(draft: models.ConnectionDraft, settings: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What saving would change of the connection as it is now: the setting, before and after."""
    stored = draft.connection.settings if draft.connection else {}
    whole = merged(draft.seen.get(BASE) or {}, settings, stored)
    found = []
    for key, (before, after) in audit.changes(_flat(stored), _flat(whole)).items():
        if before or after:
            found.append((_name(key), _words(before), _words(after)))
    if draft.connection and draft.connection.secret != draft.secret:
        found.append(("client secret", "the stored one", "the one that you entered"))
    return found


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flat(value, f"{prefix}{key}: ") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _name(key: str) -> str:
    """A setting as the page of the ticket template calls it."""
    for ours, words in (("child_", "a solution's ticket: "), ("parent_", "the project's ticket: "), ("_", " ")):
        key = key.replace(ours, words)
    return key


def _words(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(_words(one) for one in value) or "not set"
    if isinstance(value, dict):
        return ", ".join(f"{key} {one}" for key, one in value.items() if one)
    return "not set" if value in (None, "") else str(value)


@needs(ADMIN)
@require_POST
def discard(request: HttpRequest, number: int) -> HttpResponse:
    """Remove what was entered; a connection that it was about stays as it is."""
    draft = models.ConnectionDraft.objects.filter(pk=number).first()
    if draft is None:
        return conflicts.gone(request)
    try:
        remove(draft, number_in(request.POST.get("version"), 9))
    except ChangedMeanwhile:
        messages.error(request, "Somebody else entered something after this was shown to you. Nothing was discarded.")
        return redirect("connections")
    messages.success(request, f"What was entered of {draft.name or 'a new connection'} is discarded.")
    return redirect("connections")
