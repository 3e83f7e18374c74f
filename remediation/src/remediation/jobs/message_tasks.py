"""The jobs that send messages to people: alerts and the weekly report."""

from __future__ import annotations

import logging

from django.utils import timezone
from procrastinate.contrib.django import app

from ..ending import Ending
from ..store import models
from . import weekly, work
from .alert_round import alert_all
from .queue import ask, ended_of

ALERTS, WEEKLY = "alerts", "weekly"

_log = logging.getLogger(__name__)


@app.periodic(cron="* * * * *", periodic_id=ALERTS)
@app.task(name=ALERTS, lock=ALERTS, queueing_lock=ALERTS)
def look_for_alerts(timestamp: int) -> None:  # pylint: disable=unused-argument  # always given
    """Find what people are to be alerted of, and send it. The next minute goes on with what could not be done."""

    def alerted() -> work.Ended:
        if any((done := alert_all(timezone.now())).values()):
            _log.info("Alerts: %s made, %s messages, %s sent.", done["made"], done["messages"], done["sent"])
        return work.Ended(dict(done), "")

    ended = ended_of(alerted, models.AlertRule.objects.exists)
    if ended is not None and ended.ending is not Ending.DONE:
        _log.error("Alerts could not be looked for. %s", ended.text)


@app.task(name="send_weekly")
def send_weekly() -> None:
    """Send what is due of weekly reports."""
    ended = ended_of(lambda: work.Ended({"states": weekly.send_due(timezone.now)}, ""), ask_to_send_weekly)
    if ended is not None:
        _log.info("Weekly reports were sent: %s.", ended.value.get("states") or ended.ending.word)


def ask_to_send_weekly() -> bool:
    """Put the sending of weekly reports into the queue; False where it waits there already."""
    return ask("send_weekly", lock=WEEKLY, once=WEEKLY, pause=0)


@app.periodic(cron="*/10 * * * *", periodic_id=WEEKLY)
@app.task(name=WEEKLY, lock="look-weekly", queueing_lock="look-weekly")
def look_for_due_weekly(timestamp: int) -> None:  # pylint: disable=unused-argument  # always given
    """Make the weekly report that is due, and ask for the sending of what is."""
    now = timezone.now()
    report = weekly.make_due(now)
    if report is not None:
        _log.info("The report of the week of %s was made.", report.week)
    if weekly.waiting(now):
        ask_to_send_weekly()
