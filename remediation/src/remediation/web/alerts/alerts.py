"""The pages of rules for alerts: all of them, and one with what it would send now and what it has sent."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Max, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from ... import mail
from ...domain.alerting import NAMES, Kind, Rule
from ...jobs.alert_failures import not_sent
from ...store import models
from ..roles import VIEWER, needs
from .preview import preview

NEWEST = 20
WAYS = {"webhook": "webhook", "halo": "HaloITSM ticket"}


@needs(VIEWER)
@require_safe
def alerts(request: HttpRequest) -> HttpResponse:
    """All rules."""
    rows = models.AlertRule.objects.annotate(
        last=Max("messages__at", filter=Q(messages__state="done")),
    ).order_by("name")
    waiting = dict(models.Alert.objects.filter(message=None).values_list("rule").annotate(count=Count("pk")))
    rules = [{"row": row, "about": about(row), "waiting": waiting.get(row.pk, 0), "last": row.last} for row in rows]
    known: dict[str, Any] = {"rules": rules, "not_sent": told_who(not_sent()), "mail_is_off": not mail.is_set_up()}
    return render(request, "alerts/alerts.html", known)


@needs(VIEWER)
@require_safe
def alert_rule(request: HttpRequest, number: int) -> HttpResponse:
    """One rule."""
    row = get_object_or_404(models.AlertRule, pk=number)
    rule = Rule.from_table(row.settings)
    newest = [{"row": one, "to": who(one.recipient)} for one in row.messages.order_by("-pk")[:NEWEST]]
    known: dict[str, Any] = {
        "row": row,
        "rule": rule,
        "about": about(row),
        "source": models.Source.objects.filter(pk=rule.source or 0).first(),
        "project": models.Project.objects.filter(pk=rule.project or 0).first(),
        "preview": preview(rule, row.name, row, timezone.now()),
        "newest": newest,
        "waiting": row.alerts.filter(message=None).count(),
        "mail_is_off": bool(rule.mails) and not mail.is_set_up(),
    }
    return render(request, "alerts/rule.html", known)


def about(row: models.AlertRule) -> dict[str, list[str]]:
    """What a rule tells of, and to whom, in words."""
    rule = Rule.from_table(row.settings)
    return {
        "kinds": [NAMES[Kind(kind)] for kind in rule.kinds],
        "to": [f"webhook at {rule.webhook}" if one == "webhook" else who(one) for one in rule.recipients],
        "later": [f"{to} after {days} day{'' if days == 1 else 's'}" for days, to in rule.escalation],
    }


def who(recipient: str) -> str:
    """A recipient in words."""
    way, _, address = recipient.partition(":")
    return address or WAYS.get(way, way)


def told_who(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same with each recipient in words."""
    return [{**one, "to": who(one["to"])} for one in rows]
