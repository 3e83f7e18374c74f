"""The pages on which an administrator makes and changes a rule for alerts."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from ... import mail
from ...jobs import alert_rule
from ...jobs.alert_rule import WebhookSecret
from ...store import models
from ...store.secrets import KeyTrouble
from ...store.versions import ChangedMeanwhile
from ..numbers import number_in
from ..roles import ADMIN, needs
from .form import RuleForm, entered
from .preview import preview


@needs(ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def add_rule(request: HttpRequest) -> HttpResponse:
    """A new rule."""
    return _form(request, None)


@needs(ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def change_rule(request: HttpRequest, number: int) -> HttpResponse:
    """Another rule instead of a stored one."""
    return _form(request, get_object_or_404(models.AlertRule, pk=number))


def _form(request: HttpRequest, row: models.AlertRule | None) -> HttpResponse:
    """``do`` is preview or save."""
    known, trouble = None, ""
    if row is not None:
        try:
            known = WebhookSecret.of(row)
        except KeyTrouble as error:
            known, trouble = WebhookSecret(), str(error)
    form = RuleForm(request.POST or None, known=known, initial=entered(row) if row else {})
    version = number_in(request.POST.get("version"), 9) or (row.version if row else 0)
    status, shown = 200, None
    if request.method == "POST" and not form.is_valid():
        status = 400
    elif request.method == "POST" and request.POST.get("do") == "preview":
        shown = preview(form.cleaned_data["rule"], form.cleaned_data["name"], row, timezone.now())
    elif request.method == "POST":
        try:
            with transaction.atomic():
                stored = _stored(form.cleaned_data, row, version, str(request.user))
        except (IntegrityError, KeyTrouble) as error:
            is_name = isinstance(error, IntegrityError)
            form.add_error(
                "name" if is_name else None, "There is a rule of that name already." if is_name else str(error)
            )
            status = 400
        except ChangedMeanwhile as error:
            form.add_error(None, f"{error} Load the page again to see it.")
            status = 409
        else:
            messages.success(request, f"{stored.name} is stored.")
            return redirect("alert-rule", stored.pk)
    found: dict[str, Any] = {"form": form, "rule": row, "version": version, "preview": shown, "trouble": trouble}
    return render(request, "alerts/form.html", {**found, "mail_is_off": not mail.is_set_up()}, status=status)


def _stored(given: dict[str, Any], row: models.AlertRule | None, version: int, by: str) -> models.AlertRule:
    """Raises IntegrityError, KeyTrouble and ChangedMeanwhile."""
    rule, secret, now = given["rule"], given["secret"], timezone.now()
    if row is None:
        return alert_rule.add_rule(given["name"], rule, secret, now, by, past=given["past"])
    alert_rule.change_rule(row, version, given["name"], rule, secret, now, by)
    return row
