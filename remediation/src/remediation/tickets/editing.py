"""A lead gives a project other settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from ..domain.membership import taken_out
from ..domain.project import Settings
from ..domain.ticket import pair_text
from ..service_day import service_day
from ..store import models
from ..store.json_keys import change_keys
from .world import findings_of, ticket_of


def change_settings(project: models.Project, changes: Mapping[str, Any]) -> int:
    """Change some settings; they act on new tickets.

    Raises ValueError for a setting that cannot be used, and for another granularity where there are tickets.

    Where the filters change, what they leave out now leaves its ticket with the next apply. Nothing else ever takes a
    finding out of its ticket. Returns how many findings that are.
    """
    before, after = Settings.from_table(project.settings), Settings.from_table({**project.settings, **changes})
    if before.granularity is not after.granularity and project.tickets.exists():
        raise ValueError(f"its tickets stand for {before.granularity.value}s. Make another project for the other kind.")
    with transaction.atomic():
        project.settings = after.to_table()
        project.save(update_fields=["settings"])
        if (before.scope, before.min_severity) == (after.scope, after.min_severity):
            return 0
        rows = list(models.Ticket.objects.filter(project=project, halo_id__isnull=False))
        out = taken_out(findings_of(project, service_day()), after, [ticket_of(row) for row in rows])
        for row in rows:
            pairs = [pair_text(pair) for pair in out.get(row.name, [])]
            if pairs != row.note.get("out", []):
                change_keys(row, "note", {"out": pairs})
        return sum(len(pairs) for pairs in out.values())
