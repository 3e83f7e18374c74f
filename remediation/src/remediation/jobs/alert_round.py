"""One round of alerts: what is new for each rule, the messages of that, and their sending."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from django.db import InterfaceError, OperationalError

from ..ending import unexpected
from ..store import alert_subjects, models
from .alert_sending import send_due
from .alerts import gather, look

_log = logging.getLogger(__name__)


def alert_all(now: datetime) -> dict[str, int]:
    """How many alerts were ``made``, put into ``messages`` and how many of these were ``sent``. A rule that fails stops
    no other. Raises OperationalError and InterfaceError."""
    rules = list(models.AlertRule.objects.filter(paused=False).order_by("pk").values_list("pk", flat=True))
    mark = alert_subjects.mark() if rules else ""
    made = sum(_counted(lambda rule, at: look(rule, at, mark), number, now) for number in rules)
    messages = sum(_counted(gather, number, now) for number in rules)
    return {"made": made, "messages": messages, "sent": send_due(now)}


def _counted(do: Callable[[int, datetime], int], number: int, now: datetime) -> int:
    try:
        return do(number, now)
    except Exception as error:  # pylint: disable=broad-exception-caught  # the others have their turn
        if isinstance(error, (OperationalError, InterfaceError)):
            raise
        _log.error("Alert rule %s: %s", number, unexpected(error))
        return 0
