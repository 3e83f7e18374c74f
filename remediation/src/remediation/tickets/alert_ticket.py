"""A ticket of HaloITSM that tells of alerts: made once for each message, and found again by its reference.

It belongs to no project: nobody reads it back, and no scan settles it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any


from haloitsm_client import HaloClient, HaloError, UncertainWrite

from ..store import models
from .asking import HaloAway, asked, in_words
from .cut_off import OPEN
from .instance import NotInHalo
from .journal import Journal
from .open_comments import ABSENT_BEFORE_RETRY
from .run import ConnectionRun, client_of

# Not as those of a project's tickets begin, which reconciling looks for.
OURS = "remediation-alert:"


# In seconds. What takes longer is tried again later, and others wait for it meanwhile.
LIMITS = {"connect_timeout": 10.0, "read_timeout": 30.0, "max_wait": 10.0}


class MayBeMade(Exception):
    """A ticket may have been made and is not shown yet. It is looked for again later."""


def _client(connection: models.Connection, before_request: Callable[[], None]) -> HaloClient:
    return client_of(connection, before_request, **LIMITS)


class AlertTickets(ConnectionRun):
    """Makes tickets in a connection's HaloITSM. What is raised is as in ConnectionRun, and Busy."""

    def __init__(self, connection: models.Connection, *, now: Callable[[], datetime]) -> None:
        super().__init__(connection, now=now, make_client=_client)

    def make(self, reference: str, body: Mapping[str, Any]) -> int:
        """The number of the ticket with a reference; it is made with ``summary`` and ``details`` where there is none.

        Raises HaloError, UncertainWrite among them, HaloAway, NotInHalo, Busy and MayBeMade.
        """
        if self._budget.pause():
            raise HaloAway("As many requests were sent to HaloITSM as are allowed in five minutes.")
        with self._one_writer() as journal:
            found = asked(partial(self._instance.references, [reference], None)).get(reference)
            if found:
                self._note(journal, "done", reference, {"ticket": found[0].halo_id, "found": True})
                return found[0].halo_id
            newest = models.Journal.objects.filter(reference=reference).order_by("-pk").first()
            if newest and newest.event in OPEN and newest.at > self._now() - ABSENT_BEFORE_RETRY:
                raise MayBeMade(
                    "It may have been made. It was looked for and is not there; after ten minutes of absence it is "
                    "made again."
                )
            fields = asked(partial(self._instance.fields, body, parent_id=None, is_parent=False))
            return self._made(journal, reference, fields)

    def _made(self, journal: Journal, reference: str, fields: Mapping[str, Any]) -> int:
        self._note(journal, "about", reference, {})
        try:
            shown, _ = asked(partial(self._instance.create, fields, reference))
        except UncertainWrite as error:
            self._note(journal, "unknown", reference, {"said": error.cause})
            raise
        except (HaloError, HaloAway, NotInHalo) as error:
            self._note(journal, "failed", reference, {"said": in_words(error)})
            raise
        self._note(journal, "done", reference, {"ticket": shown.halo_id})
        return shown.halo_id

    def _note(self, journal: Journal, event: str, reference: str, detail: Mapping[str, Any]) -> None:
        with journal.held():
            models.Journal.objects.create(event=event, reference=reference, detail=dict(detail), at=self._now())
