"""How long snapshots are kept whole."""

from __future__ import annotations

from datetime import datetime, timedelta

from . import models


def empty_old_frames(source_id: int, now: datetime, days: int) -> int:
    """Empty the frames of the source's snapshots that were read more than ``days`` days ago; returns how many.

    The record of each stays. The newest snapshot of a source keeps its frames, however old it is.
    """
    snapshots = models.SnapshotRecord.objects.filter(source=source_id)
    newest = snapshots.order_by("-pk").values("pk")[:1]
    old = snapshots.filter(read__lt=now - timedelta(days=days), frames__isnull=False).exclude(pk__in=newest)
    return old.update(frames=None)
