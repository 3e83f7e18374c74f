"""Reads what people did in Halo: the statuses of our tickets, by what changed since the last look."""

from __future__ import annotations

from datetime import datetime
from typing import Mapping

from haloitsm_client import NotFound, Unauthorized

from ..domain.status import Status, StatusMap
from ..store import models
from .instance import Instance, Shown


def read_back(connection: models.Connection, instance: Instance, statuses: StatusMap) -> int:
    """Bring the stored statuses of a connection's tickets up to date; how many changed. Raises HaloError.

    A poll alone is always complete: the moment up to which it read is saved only after what it found.
    """
    tickets = models.Ticket.objects.filter(project__connection=connection, halo_id__isnull=False)
    known = {row.halo_id: row for row in tickets if row.halo_id}
    cursor = connection.settings.get("cursor", "")
    shown, moment = instance.changes(cursor)
    if not cursor:
        shown = _all(known, instance)
    changed = sum(
        _take(known[one.halo_id], one.status_id, one.changed, statuses) for one in shown if one.halo_id in known
    )
    # What nobody had mapped may be mapped by now.
    changed += sum(
        _take(row, row.halo_status_id, row.halo_changed, statuses) for row in known.values() if not row.status
    )
    connection.settings = {**connection.settings, "cursor": str(moment)}
    connection.save(update_fields=["settings"])
    return changed


def _all(known: Mapping[int, models.Ticket], instance: Instance) -> list[Shown]:
    """All tickets: the children by their parents' lists, what is in no list each by itself."""
    listed: dict[int, Shown] = {}
    for number, row in known.items():
        if row.kind == "parent":
            listed |= {one.halo_id: one for one in instance.children(number)}
    others = (_shown(instance, number) for number in known if number not in listed)
    return [*listed.values(), *(one for one in others if one is not None)]


def _shown(instance: Instance, number: int) -> Shown | None:
    try:
        return instance.show(number)
    except (NotFound, Unauthorized):
        return None


def _take(row: models.Ticket, status_id: int | None, moment: datetime | None, statuses: StatusMap) -> bool:
    """Keep a status of Halo's, and whether it is another one. A status that did not change keeps its meaning."""
    ours = statuses.read(status_id)
    if row.halo_status_id == status_id and (row.status or ours is None):
        return False
    written = _written(row)
    if written is not None and statuses.write.get(written) == status_id:
        # Our own, by a process that ended before it could say so.
        ours = written
        row.agreed_status = written.value
    row.halo_status_id, row.halo_changed = status_id, moment
    row.status = ours.value if ours else ""
    row.save(update_fields=["halo_status_id", "halo_changed", "status", "agreed_status"])
    return True


def _written(row: models.Ticket) -> Status | None:
    """The status that was about to be set, where it is not known what became of that."""
    newest = row.journal.order_by("-pk").first()
    if newest is None or newest.event != "about" or newest.step is None or "status" not in newest.step.body:
        return None
    return Status(newest.step.body["status"])
