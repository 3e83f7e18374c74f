"""Tickets that Halo no longer shows: kept in a ticket's note as ``missing``, the time at which that was noticed."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from ..store import models

_MARK = "missing"


def is_missing(row: models.Ticket) -> bool:
    """Whether Halo did not show a ticket when it was looked for last."""
    return _MARK in row.note


def mark_missing(row: models.Ticket, now: datetime) -> bool:
    """Keep that Halo does not show a ticket, since ``now`` unless it is known. Whether that is news."""
    return _change(row, now)


def found_again(row: models.Ticket) -> bool:
    """Keep that Halo shows a ticket. Whether that is news."""
    return _change(row, None)


@transaction.atomic
def _change(row: models.Ticket, since: datetime | None) -> bool:
    # Read anew: another process may have stored something else in the note meanwhile.
    row.note = models.Ticket.objects.select_for_update().only("note").get(pk=row.pk).note
    if is_missing(row) is (since is not None):
        return False
    if since is None:
        del row.note[_MARK]
    else:
        row.note[_MARK] = since.isoformat()
    row.save(update_fields=["note"])
    return True
