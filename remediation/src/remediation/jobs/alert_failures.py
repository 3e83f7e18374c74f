"""Messages with alerts that could not be sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from ..domain.sending import State
from ..store import models


def not_sent() -> list[dict[str, Any]]:
    """What was tried and could not be sent yet, or was given up in the last week, by rule and recipient: the newest of
    each, with its number, and why."""
    week = timezone.now() - timedelta(days=7)
    tried = models.AlertMessage.objects.filter(state=State.PLANNED.value, tries__gt=0)
    given_up = models.AlertMessage.objects.filter(state=State.FAILED.value, at__gte=week)
    newest = {(one.rule_id, one.recipient): one for one in (tried | given_up).select_related("rule").order_by("pk")}
    return [
        {"rule": one.rule.name, "number": one.rule_id, "to": one.recipient, "alerts": one.count, "wrong": one.said}
        for one in newest.values()
    ]
