"""The page on which a connection gets an address for webhooks, with each step that is to be done in HaloITSM."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from ...jobs.telling import at_a_page
from ...store import audit, models
from ...tickets.page_client import page_client
from ...tickets.webhook import Webhook, end_webhook, new_webhook
from ...tickets.webhook_setup import NotSetUp, set_up
from ..roles import ADMIN, needs

MADE = "webhook"


@needs(ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def webhook(request: HttpRequest, number: int) -> HttpResponse:
    """``do``: make another address and secret, which are shown once, and ``set-up`` both in HaloITSM too; or end."""
    row = get_object_or_404(models.Connection, pk=number)
    if request.method == "POST":
        with transaction.atomic():
            if request.POST.get("do") == "end":
                end_webhook(row)
                audit.record(str(request.user), "webhook ended", row.name)
            else:
                made = new_webhook(row)
                path = reverse("halo-webhook", args=[made.token])
                address = settings.PUBLIC_URL + path if settings.PUBLIC_URL else request.build_absolute_uri(path)
                request.session[MADE] = {"connection": row.pk, "secret": made.secret, "address": address}
                audit.record(str(request.user), "webhook made", row.name)
        if request.POST.get("do") == "set-up":
            _set_up(request, row, made, address)
        return redirect("webhook", number)
    shown = request.session.get(MADE)
    if shown and shown["connection"] == row.pk:
        del request.session[MADE]
    else:
        shown = None
    known = {"row": row, "made": shown, "has_public_url": bool(settings.PUBLIC_URL)}
    return render(request, "webhooks/webhook.html", known)


def _set_up(request: HttpRequest, row: models.Connection, made: Webhook, address: str) -> None:
    """Enter what was made in HaloITSM. What cannot be is left to a person, who sees both."""
    try:
        set_up(page_client(row), made, address)
    except NotSetUp as error:
        messages.error(request, str(error))
    except Exception as error:  # pylint: disable=broad-exception-caught  # each has its text
        messages.error(request, f"HaloITSM could not be asked. {at_a_page(error)} Do it by hand, as below.")
    else:
        audit.record(str(request.user), "webhook set up in HaloITSM", row.name)
        messages.success(
            request,
            "HaloITSM has the webhook and its events. Change a ticket of this service to see it. "
            "Webhooks of other tickets come as well, and are answered and ignored.",
        )
