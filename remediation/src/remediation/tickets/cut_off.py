"""Writes that a process was cut off at. Halo may still be at the last request of a process that is gone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from ..store import models

# How long a process that ended may have been busy with its last write, and how long Halo may be with one request.
CALL_LASTS = timedelta(seconds=165)
REQUEST_LASTS = 35.0

# What the journal says last of a write of which nobody knows what became.
OPEN = (models.Journal.Event.ABOUT, models.Journal.Event.UNKNOWN)
# What a journal entry's detail has where it is of a playbook: the names of its files.
PLAYBOOK = "playbook"


def open_write(row: models.Ticket) -> models.Journal | None:
    """The newest entry in a ticket's journal, if nobody knows what became of its write."""
    # A playbook is attached beside what a ticket tells: it hides no write that a run is to look after.
    newest = row.journal.exclude(detail__has_key=PLAYBOOK).order_by("-pk").first()
    return newest if newest and newest.event in OPEN else None


class CutOff:
    """Waits once in a run for the end of what a process before it may have sent last.

    ``now`` is the present, ``sleep`` waits for seconds, ``say(text)`` gets a line about it.
    """

    def __init__(self, now: Callable[[], datetime], sleep: Callable[[float], None], say: Callable[[str], None]) -> None:
        self._now = now
        self._sleep = sleep
        self._say = say
        self._waited = False

    def is_recent(self, entry: models.Journal | None) -> bool:
        """Whether a process ended in the middle of a write, so shortly ago that Halo may be at it."""
        is_about = entry is not None and entry.event == models.Journal.Event.ABOUT
        return is_about and entry.at > self._now() - CALL_LASTS  # type: ignore[union-attr]  # it is one

    def wait(self) -> None:
        """Let Halo come to the end of it."""
        if not self._waited:
            self._say(
                f"  The run before was cut off in the middle of a write: waiting {REQUEST_LASTS:.0f} s for its end."
            )
            self._sleep(REQUEST_LASTS)
            self._waited = True
