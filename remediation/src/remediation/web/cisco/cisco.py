"""The page of the access to Cisco's openVuln: entered, tested, taken away, and what was asked with it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from ...enrichment.cisco.allowance import A_DAY, used
from ...enrichment.cisco.reading import NAME
from ...enrichment.cisco.stored import Unfit, forget_access, store_access, typed_access
from ...jobs.cisco import check_access
from ...jobs.feed_tasks import ask_to_ask_cisco
from ...store import models
from ...store.advisories import due, wanted
from ...store.secrets import KeyTrouble
from ...store.versions import ChangedMeanwhile
from ..numbers import number_in
from ..roles import ADMIN, needs


class AccessForm(forms.Form):
    """``secret`` may be left empty where there is one already, which stays."""

    client_id = forms.CharField(max_length=200, label="Client id")
    secret = forms.CharField(
        max_length=1000,
        required=False,
        label="Client secret",
        help_text="It is sealed, and never shown. Empty: the one that is stored stays.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


@needs(ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def cisco(request: HttpRequest) -> HttpResponse:
    """``do``: save, test or remove."""
    row = models.Cisco.objects.order_by("pk").first()
    # What the person has seen: 0 where there was none.
    version = number_in(request.POST["version"], 9) if "version" in request.POST else row.version if row else 0
    if request.method == "POST" and request.POST.get("do") == "remove":
        forget_access(str(request.user))
        messages.success(request, "The access is taken away. What Cisco has told stays, and is not read anew.")
        return redirect("cisco")
    form = AccessForm(request.POST or None, initial={"client_id": row.client_id if row else ""})
    tested: dict[str, Any] | None = None
    status = 200
    if request.method == "POST" and not form.is_valid():
        status = 400
    elif request.method == "POST":
        given = form.cleaned_data["client_id"].strip(), form.cleaned_data["secret"].strip()
        try:
            if request.POST.get("do") == "test":
                tested = {"wrong": _tested(*given)}
            else:
                store_access(*given, version if row else None, str(request.user))
                ask_to_ask_cisco()
                messages.success(request, "The access is stored. Cisco is asked soon.")
                return redirect("cisco")
        except (Unfit, KeyTrouble) as error:
            form.add_error(None, str(error))
            status = 400
        except ChangedMeanwhile as error:
            form.add_error(None, f"{error} Load the page again to see it.")
            status = 409
    known = {"form": form, "row": row, "version": version, "tested": tested, **_state(row)}
    return render(request, "cisco/cisco.html", known, status=status)


def _tested(client_id: str, secret: str) -> str:
    """Why Cisco does not answer with what was typed, "" where it does. Raises Unfit and KeyTrouble."""
    if not settings.CISCO["api"]:
        return "The service is told to ask Cisco nothing: REMEDIATION_CISCO_URL is off."
    return check_access(typed_access(client_id, secret))


def _state(row: models.Cisco | None) -> dict[str, Any]:
    now = timezone.now()
    return {
        "is_off": not settings.CISCO["api"],
        "feed": models.Feed.objects.filter(name=NAME).first() or models.Feed(name=NAME),
        "advisories": models.Advisory.objects.count(),
        "answers": models.CiscoAnswer.objects.exclude(read=None).count(),
        "left": len(due(wanted(), now)),
        "used": used(row, now) if row else 0,
        "a_day": A_DAY,
        "waits": row.waits_until if row and row.waits_until and row.waits_until > now else None,
        "refused": models.CiscoAnswer.objects.exclude(said="").order_by("about")[:50],
    }
