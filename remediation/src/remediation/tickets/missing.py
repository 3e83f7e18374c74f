"""Tickets that Halo no longer shows: kept in a ticket's note as ``missing``, the time at which that was noticed."""

from __future__ import annotations

from datetime import datetime

from ..store import models
from ..store.json_keys import change_keys

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
