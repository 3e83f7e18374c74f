"""A register is brought, shown with what it would change, and taken in as it was shown or not at all."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from ...sources.errors import SourceError
from ...sources.private_folder import NoRoom, private_folder
from ...sources.register_file import ReadRegister, read_register
from ...store import models
from ...store.register import Look, RegisterChanged, SharedNames, draft, drafted as devices_of, look, take_in
from ..roles import ADMIN, needs
from .form import FIELDS, RegisterForm

# Devices and assets that are named of each kind.
MOST = 50
LONGEST_NAME = 200


@needs(ADMIN)
@require_POST
def bring(request: HttpRequest) -> HttpResponse:
    """Read the file. What is wrong with it is said with its lines, and nothing of it is kept."""
    form = RegisterForm(request.POST, request.FILES)
    if not form.is_valid():
        return render(request, "register/brought.html", {"form": form}, status=400)
    file = form.cleaned_data["file"]
    try:
        found = _read(file, form.chosen())
    except (SourceError, NoRoom) as error:
        known = {"form": form, "error": str(error), "name": file.name}
        return render(request, "register/brought.html", known, status=400)
    name, keeps = (file.name or "register")[:LONGEST_NAME], form.cleaned_data["keeps"]
    try:
        look(found.entries, keeps=keeps)
    except SharedNames as error:
        return render(request, "register/brought.html", {"form": form, "error": str(error), "name": name}, status=400)
    row = draft(str(request.user), name, found.entries, found.columns, keeps=keeps)
    return redirect("register-draft", row.pk)


@needs(ADMIN)
@require_safe
def drafted(request: HttpRequest, number: int) -> HttpResponse:
    """What was brought, and what it would change."""
    row = models.RegisterDraft.objects.filter(pk=number).first()
    if row is None:
        return _gone(request)
    try:
        shown = look(devices_of(row), keeps=row.keeps)
    except SharedNames as error:
        messages.error(request, str(error))
        return redirect("register")
    changes = shown.difference
    kinds = [
        ("New", changes.new),
        ("Changed", changes.changed),
        ("Gone, because the file does not hold them", changes.gone),
    ]
    known = {
        "row": row,
        "look": shown,
        "columns": [(title, row.columns[name]) for name, title in FIELDS.items() if name in row.columns],
        "kinds": [(title, some[:MOST], max(len(some) - MOST, 0)) for title, some in kinds],
        "moves": _moves(shown),
        "more_moves": max(_moving(shown).height - MOST, 0) if shown.assets.height else 0,
    }
    return render(request, "register/draft.html", known)


@needs(ADMIN)
@require_POST
def take_in_draft(request: HttpRequest, number: int) -> HttpResponse:
    """Take it in as it was shown."""
    row = models.RegisterDraft.objects.filter(pk=number).first()
    if row is None:
        return _gone(request)
    try:
        changes = take_in(devices_of(row), request.POST.get("seen", ""), str(request.user), row.name, keeps=row.keeps)
    except (RegisterChanged, SharedNames) as error:
        messages.error(request, f"{error} See what it changes now.")
        return redirect("register-draft", number)
    models.RegisterDraft.objects.filter(pk=number).delete()
    if changes.is_none:
        messages.success(request, "The register holds the same already. Nothing was changed.")
    else:
        what = (
            f"{len(changes.new)} new, {len(changes.changed)} changed, {len(changes.gone)} gone, {changes.same} the same"
        )
        messages.success(request, f"The register was taken in: {what}.")
    return redirect("register")


def _gone(request: HttpRequest) -> HttpResponse:
    messages.error(request, "This file is not here any more: it was taken in, or a week has passed.")
    return redirect("register")


def _read(file: UploadedFile, chosen: dict[str, str]) -> ReadRegister:
    with private_folder() as folder:
        place = folder / "brought"
        with place.open("wb") as to:
            for part in file.chunks():
                to.write(part)
        return read_register(place, chosen)


def _moving(shown: Look) -> Any:
    assets = shown.assets
    return assets.filter(assets["before"].ne_missing(assets["after"]))


def _moves(shown: Look) -> list[dict[str, Any]]:
    """The first assets that go to another device, by names."""
    if not shown.assets.height:
        return []
    rows = _moving(shown).head(MOST).to_dicts()
    devices = models.Device.objects.in_bulk({row[side] for row in rows for side in ("before", "after") if row[side]})
    some = models.Asset.objects.filter(asset__in=[row["asset"] for row in rows]).select_related("source")
    assets = {(one.source_id, one.asset): one for one in some}
    return [
        {
            "asset": assets[row["source"], row["asset"]],
            "before": devices.get(row["before"]),
            "after": devices.get(row["after"]),
        }
        for row in rows
        if (row["source"], row["asset"]) in assets
    ]
