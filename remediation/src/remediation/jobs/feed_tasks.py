"""The jobs about what others tell of vulnerabilities: the feeds, and Cisco."""

from __future__ import annotations

import logging

from django.utils import timezone
from procrastinate.contrib.django import app

from ..ending import Ending
from . import cisco, enrich, work
from .queue import PAUSE, ask, ended_of

FEEDS = "feeds"

_log = logging.getLogger(__name__)


def ask_to_enrich(*, pause: int = 0) -> bool:
    """Put the reading of the feeds that are due into the queue; False where it waits there already."""
    return ask("enrich", lock="enrich", once="enrich", pause=pause)


@app.task(name="enrich")
def read_due_feeds() -> None:
    """Read the feeds about CVEs that are due."""

    def read() -> work.Ended:
        done = enrich.read_feeds(enrich.due_feeds(timezone.now()))
        for name, ended in done.items():
            _log.info("The feed %s was read: %s.", name, ended.ending.word)
        return work.Ended({}, "")

    ended = ended_of(read, lambda: ask_to_enrich(pause=PAUSE))
    if ended is not None and ended.ending is not Ending.DONE:
        _log.error("What the feeds tell was not put beside the vulnerabilities. %s", ended.text)


@app.periodic(cron="*/10 * * * *", periodic_id=FEEDS)
@app.task(name=FEEDS, lock=FEEDS, queueing_lock=FEEDS)
def look_for_due_feeds(timestamp: int) -> None:  # pylint: disable=unused-argument  # always given
    """Ask for the reading of the feeds where one is due: once a day, and after a failure sooner."""
    if enrich.due_feeds(timezone.now()):
        ask_to_enrich()
    if cisco.is_due(timezone.now()):
        ask_to_ask_cisco()


def ask_to_ask_cisco(*, pause: int = 0) -> bool:
    """Put the asking of Cisco into the queue; False where it waits there already."""
    return ask("ask_cisco", lock="cisco", once="cisco", pause=pause)


@app.task(name="ask_cisco")
def ask_cisco() -> None:
    """Ask Cisco a part of what is worth knowing."""
    ended = ended_of(lambda: cisco.ask_cisco() or work.Ended({}, ""), lambda: ask_to_ask_cisco(pause=PAUSE))
    if ended is not None:
        _log.info("Cisco was asked: %s.", ended.ending.word)
