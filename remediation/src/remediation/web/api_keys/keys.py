"""The page of API keys: who may use the JSON API, and as what."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from ...store import models
from ...store.api_keys import ROLES, end_key, make_key
from ..roles import ADMIN, NAMES, VIEWER, needs

MADE = "API key"
LONGEST_NAME = 100


class KeyForm(forms.Form):
    """A new key. Its name is told in the audit, and stays its own when the key has ended."""

    name = forms.CharField(max_length=LONGEST_NAME, help_text="Which program uses it.")
    role = forms.ChoiceField(choices=[(role, NAMES[role]) for role in ROLES], initial=VIEWER)


@needs(ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def api_keys(request: HttpRequest) -> HttpResponse:
    """All keys, and a form for one more, which is shown once."""
    form = KeyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        name, role = form.cleaned_data["name"], form.cleaned_data["role"]
        try:
            request.session[MADE] = {"name": name, "key": make_key(name, role, str(request.user))}
        except IntegrityError:
            form.add_error("name", "There is an API key of that name already, or there was one.")
        else:
            return redirect("api-keys")
    known = {
        "form": form,
        "keys": [(row, NAMES[row.role]) for row in models.ApiKey.objects.order_by("name")],
        "made": request.session.pop(MADE, None),
    }
    return render(request, "api_keys/keys.html", known, status=400 if form.errors else 200)


@needs(ADMIN)
@require_POST
def end_api_key(request: HttpRequest, number: int) -> HttpResponse:
    """End a key: from its next request on it is worth nothing."""
    end_key(number, timezone.now(), str(request.user))
    messages.success(request, "The key has ended. Who uses it is refused from now on.")
    return redirect("api-keys")
