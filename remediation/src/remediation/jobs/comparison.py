"""When the tickets of a connection are to be compared with HaloITSM, and what the newest comparison has left to do.

In a connection's settings, COMPARED holds when that ``began`` and how many tickets are ``different``: pages ask for it
often, and the table of runs grows.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from ..domain.reconciling import READ_BACK, Difference
from ..store import models
from ..store.json_keys import change_keys

COMPARED = "compared"
EVERY = timedelta(days=1)


def keep_compared(
    connection: models.Connection, began: datetime, found: Iterable[Difference], *, applied: bool
) -> None:
    """Keep what a comparison has found that the next runs do not read back; nothing is left of one that was applied."""
    left = 0 if applied else sum(one.is_applied and one.remedy != READ_BACK for one in found)
    change_keys(connection, "settings", {COMPARED: {"began": began.isoformat(), "different": left}})


def is_comparison_due(connection: models.Connection, now: datetime) -> bool:
    """Whether a connection's tickets are to be compared with HaloITSM again: once a day, from a day after the first."""
    tickets = models.Ticket.objects.filter(project__connection=connection, halo_id__isnull=False)
    first = tickets.order_by("created").values_list("created", flat=True).first()
    if first is None:
        return False
    began = (connection.settings.get(COMPARED) or {}).get("began")
    return not timedelta(0) <= now - (datetime.fromisoformat(began) if began else first) < EVERY


def different(connection: models.Connection) -> int:
    """How many differences the newest comparison has found that the next runs do not read back, and nobody has put
    right."""
    return int((connection.settings.get(COMPARED) or {}).get("different", 0))
