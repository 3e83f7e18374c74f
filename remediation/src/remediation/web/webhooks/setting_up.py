"""The page on which a connection gets an address for webhooks, with each step that is to be done in HaloITSM."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from ...store import audit, models
from ...tickets.webhook import end_webhook, new_webhook
from ..roles import ADMIN, needs

MADE = "webhook"


@needs(ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def webhook(request: HttpRequest, number: int) -> HttpResponse:
    """``do``: make another address and secret, which are shown once, or end."""
    row = get_object_or_404(models.Connection, pk=number)
    if request.method == "POST":
        with transaction.atomic():
            if request.POST.get("do") == "end":
                end_webhook(row)
                audit.record(str(request.user), "webhook ended", row.name)
            else:
                made = new_webhook(row)
                address = reverse("halo-webhook", args=[made.token])
                request.session[MADE] = {
                    "connection": row.pk,
                    "secret": made.secret,
                    "address": (
                        settings.PUBLIC_URL + address if settings.PUBLIC_URL else request.build_absolute_uri(address)
                    ),
                }
                audit.record(str(request.user), "webhook made", row.name)
        return redirect("webhook", number)
    shown = request.session.get(MADE)
    if shown and shown["connection"] == row.pk:
        del request.session[MADE]
    else:
        shown = None
    known = {"row": row, "made": shown, "has_public_url": bool(settings.PUBLIC_URL)}
    return render(request, "webhooks/webhook.html", known)
