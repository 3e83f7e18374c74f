"""The pages of templates of tickets: analysts read them, administrators make, change and remove them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ...domain.ticket_template import BUILT_IN, TicketTemplate
from ...domain.wording import Wording
from ...service_day import service_day
from ...store import audit, models
from ...store.ticket_templates import all_templates, made_by_people, template_of
from ...store.versions import ChangedMeanwhile, change_version
from ...tickets.preview import worded
from ..connections.samples import samples
from ..connections.variables import MEANINGS
from ..numbers import number_in
from ..roles import ADMIN, ANALYST, needs
from .form import TemplateForm, initial_of

MOST = 200


@needs(ANALYST)
@require_safe
def all_ticket_templates(request: HttpRequest) -> HttpResponse:
    """The list: the built-in ones first."""
    known = {"built_in": BUILT_IN, "templates": models.TicketTemplate.objects.order_by("name")}
    return render(request, "ticket_templates/ticket_templates.html", known)


@needs(ANALYST)
@require_safe
def built_in(request: HttpRequest, name: str) -> HttpResponse:
    """A built-in one, to be read and copied."""
    if name not in BUILT_IN:
        raise Http404
    return _shown(request, BUILT_IN[name], name, None)


@needs(ANALYST, to_write=ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def ticket_template(request: HttpRequest, number: int) -> HttpResponse:
    """One that people have made. Administrators have a form."""
    row = get_object_or_404(models.TicketTemplate, pk=number)
    if request.method != "POST" and not _may_edit(request):
        return _shown(request, template_of(row), str(row.pk), row)
    form = TemplateForm(request.POST or None, initial=initial_of(template_of(row)), row=row)
    if request.method != "POST":
        return _page(request, form, row)
    if not form.is_valid():
        return _page(request, form, row, status=400)
    try:
        with transaction.atomic():
            before = initial_of(template_of(row))
            change_version(row, number_in(request.POST.get("version"), 9), **form.cleaned_data)
            changed = audit.changes(before, initial_of(template_of(row)))
            audit.record(str(request.user), "ticket template changed", row.name, fields=sorted(changed))
    except ChangedMeanwhile as error:
        if error.now is None:
            raise Http404 from None
        row.refresh_from_db()
        return _page(request, form, row, status=409, differs=True)
    except IntegrityError:
        form.add_error("name", "There is a template of this name already.")
        return _page(request, form, row, status=400)
    messages.success(request, "The template is stored. Tickets that are made already stay as they are.")
    return redirect("ticket-template", row.pk)


@needs(ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """A new one; ``of`` names the one that it is a copy of, by the word that chooses it."""
    known = all_templates()
    of = known.get(request.GET.get("of", ""))
    initial = {**initial_of(of), "name": _free_name(of.name)} if of else {}
    form = TemplateForm(request.POST or None, initial=initial)
    if request.method != "POST":
        return _page(request, form, None)
    if form.is_valid():
        if len(known) >= MOST:
            form.add_error(None, f"There are {len(known)} templates. Remove one first.")
        else:
            try:
                with transaction.atomic():
                    row = models.TicketTemplate.objects.create(**form.cleaned_data)
                    audit.record(str(request.user), "ticket template made", row.name)
            except IntegrityError:
                # Somebody else was faster.
                form.add_error("name", "There is a template of this name already.")
            else:
                messages.success(request, "The template is made. It can be chosen for new tickets.")
                return redirect("ticket-template", row.pk)
    return _page(request, form, None, status=400)


@needs(ADMIN)
@require_POST
def remove(request: HttpRequest, number: int) -> HttpResponse:
    """Remove one. Tickets that somebody has asked for with it get it still."""
    row = get_object_or_404(models.TicketTemplate, pk=number)
    with transaction.atomic():
        audit.record(str(request.user), "ticket template removed", row.name)
        row.delete()
    messages.success(request, f"The template {row.name} is removed.")
    return redirect("ticket-templates")


@needs(ADMIN)
@require_POST
def preview(request: HttpRequest) -> HttpResponse:
    """What a ticket would say by what is entered at the moment."""
    form = TemplateForm(request.POST)
    form.is_valid()
    known = {**_preview(form.usable(), request.POST), "troubles": form.troubles(), "live": True}
    return render(request, "ticket_templates/preview.html", known)


def _page(
    request: HttpRequest,
    form: TemplateForm,
    row: models.TicketTemplate | None,
    *,
    status: int = 200,
    differs: bool = False,
) -> HttpResponse:
    shown: TicketTemplate | None = None
    if form.is_bound:
        form.is_valid()
        shown = form.usable()
    elif form.initial:
        shown = TicketTemplate(**{**form.initial, "compliance": tuple(form.initial["compliance"].splitlines())})
    known = {
        "form": form,
        "row": row,
        "differs": differs,
        "variables": MEANINGS,
        "samples": samples(request.POST),
        **_preview(shown, request.POST),
    }
    return render(request, "ticket_templates/ticket_template.html", known, status=status)


def _shown(request: HttpRequest, one: TicketTemplate, word: str, row: models.TicketTemplate | None) -> HttpResponse:
    """For reading."""
    known = {"one": one, "word": word, "row": row, **_preview(one, request.GET)}
    return render(request, "ticket_templates/read.html", known)


def _preview(one: TicketTemplate | None, given: Mapping[str, Any]) -> dict[str, Any]:
    rows = models.Vulnerability.objects.filter(alive__gt=0)
    row = rows.filter(pk=number_in(given.get("sample"))).first() or rows.order_by("-rank", "-pk").first()
    body = worded(row, Wording(one), service_day()) if row and one else None
    return {"body": body, "sample": row, "is_unusable": one is None}


def _free_name(name: str) -> str:
    """A name for a copy that no template has."""
    taken = {one.name.casefold() for one in made_by_people().values()}
    known = (f"{name}, copy{f' {number}' if number > 1 else ''}" for number in range(1, MOST + 2))
    return next(one for one in known if one.casefold() not in taken)


def _may_edit(request: HttpRequest) -> bool:
    return getattr(request, "role", None) == ADMIN
