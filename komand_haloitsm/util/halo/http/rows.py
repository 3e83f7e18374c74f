"""Lists out of Halo's answers: a bare array, or an envelope with the rows under a key of its own. Pure."""

from __future__ import annotations

from typing import Any

from ..values.ids import as_id
from .error_texts import misunderstood
from .messages import Request


def rows_of(request: Request, data: Any, *keys: str) -> list[dict[str, Any]]:
    """The rows of a list answer. ``keys`` are the envelope's keys that may hold them.

    Raises HaloError for any other shape: an empty list made from an unknown shape would read as "there are none".
    """
    rows = data
    if isinstance(data, dict):
        rows = next((data[key] for key in keys if key in data), None)
        if rows is None and data.get("record_count") == 0:
            # Halo leaves out empty values (seen live).
            return []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise misunderstood(request, f"no list of {keys[0] if keys else 'rows'}")
    return rows


def total_of(data: Any) -> int | None:
    """``record_count`` of a list's envelope, None when it tells none. It is the total only when paging (seen live)."""
    total = data.get("record_count") if isinstance(data, dict) else None
    return total if isinstance(total, int) and not isinstance(total, bool) else None


def single(request: Request, data: Any) -> dict[str, Any]:
    """The one object of a POST or GET answer. Halo answers an object; a list of one is tolerated (seen in clients).

    Raises HaloError for anything else, an object without an id included.
    """
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    if not isinstance(data, dict) or as_id(data.get("id")) is None:
        raise misunderstood(request, "no single object with an id")
    return data
