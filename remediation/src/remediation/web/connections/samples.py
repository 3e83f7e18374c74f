"""Real findings of the store, on which a template is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


from ...domain.project import Settings
from ...service_day import service_day
from ...store import models
from ...tickets.preview import preview
from ..numbers import number_in

# So many vulnerabilities are offered, the worst first.
MOST = 20


def samples(data: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """Number, words and whether it is chosen, of vulnerabilities that assets have now."""
    rows = models.Vulnerability.objects.filter(alive__gt=0).order_by("-rank", "-pk")[:MOST]
    held = str(data.get("sample", ""))
    return [(str(row.pk), f"{row.title or row.vulnerability} ({row.severity})", str(row.pk) == held) for row in rows]


def preview_of(table: Mapping[str, Any], sample: str) -> dict[str, Any]:
    """What tickets would say by these settings, of a vulnerability by its number, else of the worst."""
    rows = models.Vulnerability.objects.filter(alive__gt=0)
    row = rows.filter(pk=number_in(sample)).first() or rows.order_by("-rank", "-pk").first()
    if row is None:
        return {"preview": None, "sample": None}
    try:
        settings = Settings.from_table(table)
    except (ValueError, TypeError) as error:
        return {"preview": None, "sample": row, "preview_trouble": str(error)}
    return {"preview": preview(row, "Your project", settings, service_day()), "sample": row}
