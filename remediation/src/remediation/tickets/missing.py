"""Tickets that Halo no longer shows: kept in a ticket's note as ``missing``, the time at which that was noticed."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from ..domain.ticket import gone
from ..store import models
from ..store.json_keys import change_keys
from .journal import Journal
from .references import free_reference, parts_of

_MARK = "missing"


def is_missing(row: models.Ticket) -> bool:
    """Whether Halo did not show a ticket when it was looked for last."""
    return _MARK in row.note


def mark_missing(row: models.Ticket, now: datetime) -> bool:
    """Keep that Halo does not show a ticket, since ``now`` unless it is known. Whether that is news."""
    row.refresh_from_db(fields=["note"])
    if is_missing(row):
        return False
    change_keys(row, "note", {_MARK: now.isoformat()})
    return True


def found_again(row: models.Ticket) -> bool:
    """Keep that Halo shows a ticket. Whether that is news."""
    row.refresh_from_db(fields=["note"])
    if not is_missing(row):
        return False
    change_keys(row, "note", {}, without=[_MARK])
    return True


@transaction.atomic
def make_anew(row: models.Ticket, by: str, journal: Journal, now: datetime) -> None:
    """Forget which ticket of Halo's a missing one was, so that the next plan creates it anew; ``by`` wants that.

    The new one gets a reference of its own, because the lost one may only be hidden. The journal stays, and tells of
    this. For the connection's one writer.
    """
    said = f"{gone(row.halo_id)}; {by} has it made anew"
    journal.note(models.Journal.Event.FAILED, row, None, {"said": said}, now)
    key, number = parts_of(row.reference)
    row.reference = free_reference(row.project, key, number + 1)
    row.halo_id = row.halo_status_id = row.halo_changed = None
    row.status = row.agreed_status = ""
    row.note = {}
    row.save()
    # Whatever the rule says by now: a person wants it.
    models.Investigation.objects.filter(ticket=row).update(asked_by=by)
