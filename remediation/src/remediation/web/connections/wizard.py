"""The four steps. What is sent is kept in the draft also where it cannot be used yet, and is corrected when it is shown
again. Nothing here changes a connection: that does ``finish``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from ...domain.project import Settings
from ...jobs.check import check_typed
from ...store import models
from ...store.drafts import begin, keep, note
from ...store.secrets import KeyTrouble, seal
from ...store.versions import ChangedMeanwhile
from ...tickets.lists import STATUS
from ..numbers import number_in
from ..roles import ADMIN, needs
from . import assignment as rules
from . import conflicts
from .details import Details
from .entered import entered_of
from .halo_lists import chosen_types, connection_of, forget, lists_of, refresh
from .samples import preview_of, samples
from .statuses import OURS
from .steps import TITLES, form_of, of_connection, shown
from .variables import MEANINGS

# What follows each step.
_NEXT = dict(zip(TITLES, [*list(TITLES)[1:], "enable"]))
PAGE = require_http_methods(["GET", "HEAD", "POST"])


@needs(ADMIN)
@PAGE
def new(request: HttpRequest) -> HttpResponse:
    """The first step before there is a draft; sending it makes one."""
    if request.method != "POST":
        form = Details(draft=None)
        return render(
            request, "connections/details.html", {"form": form, "steps": shown(None, "details"), "draft": None}
        )
    draft = begin(_who(request), {})
    return _details_sent(request, draft, draft.version)


@needs(ADMIN)
@require_POST
def change(request: HttpRequest, number: int) -> HttpResponse:
    """Begin to change a connection, or go on with that."""
    connection = get_object_or_404(models.Connection, pk=number)
    draft = begin(_who(request), of_connection(connection), connection)
    return redirect("draft-details", draft.pk)


@needs(ADMIN)
@PAGE
def details(request: HttpRequest, number: int) -> HttpResponse:
    """Where HaloITSM is, and whether it lets the service in."""
    draft = _draft(request, number)
    if isinstance(draft, HttpResponse):
        return draft
    if request.method == "POST":
        return _details_sent(request, draft, _version(request))
    return _page(request, draft, "details", form_of("details", draft))


def _details_sent(request: HttpRequest, draft: models.ConnectionDraft, version: int) -> HttpResponse:
    form = form_of("details", draft, request.POST)
    is_valid, is_for_another, typed = form.is_valid(), not form.has_secret, request.POST.get("secret", "").strip()
    try:
        kept = "" if is_for_another else draft.secret
        keep(
            draft,
            version,
            _who(request),
            name=form.cleaned_data.get("name", draft.name),
            entered={**draft.entered, "details": entered_of(request.POST)},
            secret=seal(typed) if typed else kept,
        )
    except KeyTrouble as error:
        form.add_error("secret", str(error))
        return _page(request, draft, "details", form, status=500)
    except ChangedMeanwhile as error:
        return _meanwhile(request, error, "details")
    if is_for_another:
        forget(draft)
    elif typed:
        note(draft, checked=[])
    act = request.POST.get("do")
    if not is_valid and act != "leave":
        return _page(request, draft, "details", form)
    if act != "test":
        return _onwards(request, draft, "details")
    _test(draft)
    return redirect(reverse("draft-details", args=[draft.pk]) + "#test")


def _test(draft: models.ConnectionDraft) -> None:
    connection = connection_of(draft)
    if connection is not None:
        checks = [vars(one) for one in check_typed(connection)]
        note(draft, checked=checks, checked_at=timezone.now().isoformat())


@needs(ADMIN)
@PAGE
def statuses(request: HttpRequest, number: int) -> HttpResponse:
    """The mapping of statuses. HaloITSM's are read anew whenever the page is shown."""
    draft = _draft(request, number)
    if isinstance(draft, HttpResponse):
        return draft
    if request.method == "POST":
        if request.htmx:  # type: ignore[attr-defined]  # by its middleware
            form = form_of("statuses", draft, request.POST)
            return render(request, "connections/status_warnings.html", {"warnings": form.warnings()})
        if STATUS not in lists_of(draft):
            # The page had nothing to choose from.
            return _onwards(request, draft, "statuses")
        return _sent(request, draft, "statuses")
    trouble = refresh(draft, [STATUS], anew=True)
    return _page(request, draft, "statuses", form_of("statuses", draft), trouble=trouble)


@needs(ADMIN)
@PAGE
def template(request: HttpRequest, number: int) -> HttpResponse:
    """What tickets are and say, with a preview of what is entered at the moment."""
    draft = _draft(request, number)
    if isinstance(draft, HttpResponse):
        return draft
    if request.method == "POST":
        if request.htmx:  # type: ignore[attr-defined]  # by its middleware
            known = _preview(draft, form_of("template", draft, request.POST), request.POST)
            return render(request, "connections/preview.html", {**known, "live": True})
        return _sent(request, draft, "template")
    trouble = refresh(draft, ["tickettype", "priority", "agent"], anew="anew" in request.GET)
    form = form_of("template", draft)
    return _page(request, draft, "template", form, trouble=trouble)


@needs(ADMIN)
@PAGE
def assignment(request: HttpRequest, number: int) -> HttpResponse:
    """Who gets tickets. Buttons add, remove and move rules, and try them on a device."""
    draft = _draft(request, number)
    if isinstance(draft, HttpResponse):
        return draft
    trouble: list[str] = []
    if request.method != "POST":
        trouble = refresh(draft, ["agent", "team"], anew="anew" in request.GET)
        return _page(request, draft, "assignment", form_of("assignment", draft), trouble=trouble)
    act = request.POST.get("do", "")
    if act == "try":
        form = form_of("assignment", draft, request.POST)
        return _page(request, draft, "assignment", form, version=_version(request), **_tried(request, form))
    if act.partition("-")[0] in ("add", "remove", "up", "down"):
        return _sent(request, draft, "assignment", rules.moved(entered_of(request.POST), act), stay=True)
    return _sent(request, draft, "assignment")


def _tried(request: HttpRequest, form: rules.Assignment) -> dict[str, Any]:
    """The rules as they are entered, on a device."""
    text = request.POST.get("device", "")
    device = rules.find_device(text)
    usable = [row.rule for row in form.rows if row.rule]
    agent, team = (str(form.data.get(name, "")).strip() or None for name in ("default_agent", "default_team"))
    settings = Settings(rules=tuple(usable), default_agent=agent, default_team=team)
    left_out = [row.number for row in form.rows if not row.rule]
    found = list(rules.trials(device, settings)) if device else []
    return {"device_text": text, "device": device, "trials": found, "left_out": left_out, "is_tried": True}


def _sent(
    request: HttpRequest,
    draft: models.ConnectionDraft,
    step: str,
    entered: Mapping[str, list[str]] | None = None,
    *,
    stay: bool = False,
) -> HttpResponse:
    """Keep what was sent, and go on if it can be used. ``entered``: that, in place of what was sent."""
    kept = dict(entered) if entered is not None else entered_of(request.POST)
    types, trouble = chosen_types(draft), []
    try:
        keep(draft, _version(request), _who(request), entered={**draft.entered, step: kept})
    except ChangedMeanwhile as error:
        return _meanwhile(request, error, step)
    if stay:
        return redirect(f"draft-{step}", draft.pk)
    if step == "template":
        trouble = refresh(draft, ["tickettype"])
    form = form_of(step, draft)
    # What another ticket type wants is told before somebody goes on.
    is_news = types != chosen_types(draft) and bool(form.warnings())
    if (is_news or not form.is_valid()) and request.POST.get("do") != "leave":
        return _page(request, draft, step, form, trouble=trouble, is_news=is_news)
    return _onwards(request, draft, step)


def _onwards(request: HttpRequest, draft: models.ConnectionDraft, step: str) -> HttpResponse:
    act = request.POST.get("do")
    if act == "leave":
        return _left(request, draft)
    return redirect(f"draft-{step if act == 'stay' else _NEXT[step]}", draft.pk)


def _left(request: HttpRequest, draft: models.ConnectionDraft) -> HttpResponse:
    messages.success(request, f"What you entered is kept. {draft.name or 'The connection'} is not changed by it yet.")
    return redirect("connections")


def _page(
    request: HttpRequest, draft: models.ConnectionDraft, step: str, form: Any, *, status: int = 200, **more: Any
) -> HttpResponse:
    known = {
        "draft": draft,
        "version": draft.version,
        "form": form,
        "steps": shown(draft, step),
        "step": step,
        "lists": lists_of(draft),
        **more,
    }
    if step == "statuses":
        known |= {"warnings": form.warnings(), "ours": OURS}
    if step == "template":
        known |= {"warnings": form.warnings(), "variables": MEANINGS, "samples": samples(form.data)}
        known |= _preview(draft, form, form.data)
    if step == "assignment":
        known |= {"fields": rules.FIELDS, "shares": rules.SHARES}
    return render(request, f"connections/{step}.html", known, status=status)


def _preview(draft: models.ConnectionDraft, form: Any, data: Mapping[str, Any]) -> dict[str, Any]:
    table, troubles = form.usable() if form.is_bound else ({}, {})
    others = form_of("assignment", draft)
    more = others.settings()["new_projects"] if others.is_valid() else {}
    return {**preview_of({**more, **table}, str(data.get("sample", ""))), "troubles": troubles}


def _meanwhile(request: HttpRequest, error: ChangedMeanwhile, step: str) -> HttpResponse:
    """The form again with what was sent, and beside it what is stored now."""
    draft = error.now
    if not isinstance(draft, models.ConnectionDraft):
        return conflicts.gone(request)
    stored = conflicts.differences(form_of(step, draft), draft.entered.get(step) or {}, entered_of(request.POST))
    form = form_of(step, draft, request.POST)
    return _page(request, draft, step, form, status=409, stored=stored, is_conflict=True)


def _draft(request: HttpRequest, number: int) -> models.ConnectionDraft | HttpResponse:
    """The draft. One that is gone while somebody sends something is told, with what was sent."""
    if request.method == "POST":
        found = models.ConnectionDraft.objects.filter(pk=number).first()
        return found or conflicts.gone(request)
    return get_object_or_404(models.ConnectionDraft, pk=number)


def _version(request: HttpRequest) -> int:
    return number_in(request.POST.get("version"), 9)


def _who(request: HttpRequest) -> str:
    return str(request.user.get_username())
