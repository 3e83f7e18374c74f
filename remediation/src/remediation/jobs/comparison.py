"""When the tickets of a connection are to be compared with HaloITSM, and what the newest comparison has left to do."""

from __future__ import annotations

from datetime import datetime, timedelta

from ..domain.reconciling import READ_BACK
from ..ending import Ending
from ..store import models

EVERY = timedelta(days=1)


def is_comparison_due(connection: models.Connection, now: datetime) -> bool:
    """Whether a connection's tickets are to be compared with HaloITSM again: once a day, from a day after the first."""
    runs = models.Run.objects.filter(kind="reconcile", detail__connection=connection.pk).exclude(finished=None)
    last = runs.exclude(outcome=Ending.FAILED.word).order_by("-pk").values_list("started", flat=True).first()
    tickets = models.Ticket.objects.filter(project__connection=connection, halo_id__isnull=False)
    first = tickets.order_by("created").values_list("created", flat=True).first()
    return first is not None and not timedelta(0) <= now - (last or first) < EVERY


def different(connection: models.Connection) -> int:
    """How many differences the newest comparison has found that the next runs do not read back, and nobody has put
    right."""
    runs = models.Run.objects.filter(kind="reconcile", detail__connection=connection.pk).exclude(finished=None)
    newest = runs.order_by("-pk").first()
    found = newest.detail.get("found") or () if newest and not newest.detail.get("applied") else ()
    return sum(one["is_applied"] and one["remedy"] != READ_BACK for one in found)
