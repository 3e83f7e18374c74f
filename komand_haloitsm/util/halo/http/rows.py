"""Reads lists from Halo's responses: a bare array, or an envelope that has the rows under a key. Pure."""

from __future__ import annotations

from typing import Any

from ..values.ids import as_id
from .error_texts import misunderstood
from .messages import Request


def rows_of(request: Request, data: Any, *keys: str) -> list[dict[str, Any]]:
    """The rows of a list response. ``keys`` are the envelope's keys that may hold them.

    Raises HaloError for any other shape: an empty list in its place would mean "there are none", which may be wrong.
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
    """The ``record_count`` of a list's envelope, None if it has none. It is the total only with paging (seen live)."""
    total = data.get("record_count") if isinstance(data, dict) else None
    return total if isinstance(total, int) and not isinstance(total, bool) else None


def single(request: Request, data: Any) -> dict[str, Any]:
    """The single object of a POST or GET response. A list with one object is accepted too (seen in clients).

    Raises HaloError for anything else, including an object without an id.
    """
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    if not isinstance(data, dict) or as_id(data.get("id")) is None:
        raise misunderstood(request, "no single object with an id")
    return data
