"""Reads what people did in Halo: the statuses of our tickets, by what changed since the last look."""

from __future__ import annotations

from haloitsm_client import NotFound, Unauthorized

from ..domain.status import StatusMap
from ..store import models
from .instance import Instance, Shown


def read_back(connection: models.Connection, instance: Instance, statuses: StatusMap) -> int:
    """Bring the stored statuses of a connection's tickets up to date; how many changed. Raises HaloError.

    A poll alone is always complete: the moment up to which it read is saved only after what it found.
    """
    known = {
        row.halo_id: row for row in models.Ticket.objects.filter(project__connection=connection, halo_id__isnull=False)
    }
    cursor = connection.settings.get("cursor", "")
    shown, moment = instance.changes(cursor)
    if not cursor:
        shown = [one for one in (_shown(instance, number) for number in known if number) if one is not None]
    changed = sum(_take(known[one.halo_id], one, statuses) for one in shown if one.halo_id in known)
    connection.settings = {**connection.settings, "cursor": str(moment)}
    connection.save(update_fields=["settings"])
    return changed


def _shown(instance: Instance, number: int) -> Shown | None:
    try:
        return instance.show(number)
    except (NotFound, Unauthorized):
        return None


def _take(row: models.Ticket, shown: Shown, statuses: StatusMap) -> bool:
    if row.halo_status_id == shown.status_id:
        return False
    ours = statuses.read(shown.status_id)
    row.halo_status_id = shown.status_id
    row.status = ours.value if ours else ""
    row.halo_changed = shown.changed
    row.save()
    return True
