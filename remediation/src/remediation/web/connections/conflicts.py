"""Two people enter something at the same time: the later one is told, and nothing of theirs is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from .entered import entered_of


def differences(
    form: Any, stored: Mapping[str, Sequence[str]], sent: Mapping[str, Sequence[str]]
) -> list[tuple[str, str]]:
    """The fields in which what is stored now is otherwise than what was sent: their labels and what is stored."""
    names = [name for name in {**stored, **sent} if list(stored.get(name, [])) != list(sent.get(name, []))]
    found = []
    for name in names:
        field = form.fields.get(name)
        label = field.label if field is not None and field.label else name.replace("_", " ").capitalize()
        found.append((label, ", ".join(filter(None, stored.get(name, []))) or "nothing"))
    return found


def gone(request: HttpRequest) -> HttpResponse:
    """What somebody sends to a draft that is gone, to copy it."""
    sent = {name: ", ".join(filter(None, values)) for name, values in entered_of(request.POST).items()}
    return render(request, "connections/gone.html", {"sent": {k: v for k, v in sent.items() if v}}, status=409)
