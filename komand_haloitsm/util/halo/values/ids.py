"""Reads ids and whole numbers from JSON values and typed text. Pure."""

from __future__ import annotations

import re
from typing import Any

from ..errors import invalid_input

# No database key is larger, and SQLite, where the triggers save ids, cannot hold more.
LARGEST_ID = 2**63 - 1
_DIGITS = re.compile(r"\s*([+-]?[0-9]{1,20})(?:\.0*)?\s*", re.ASCII)


def whole_number(value: Any) -> int | None:
    """``18`` from ``18``, ``18.0``, ``"18"`` or ``"18.0"``; None for anything else, including booleans."""
    if value.__class__ is int:
        return int(value)
    if isinstance(value, str):
        found = _DIGITS.fullmatch(value)
        return int(found.group(1)) if found else None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return None


def as_id(value: Any) -> int | None:
    """A positive id from ``18``, ``18.0`` or ``"18"`` (seen live); None for anything else.

    In places, Halo writes 0 or -1 for "none".
    """
    if value.__class__ is int:
        return value if 0 < value <= LARGEST_ID else None
    number = whole_number(value)
    return number if number is not None and 0 < number <= LARGEST_ID else None


def positive_id(value: Any, name: str = "ticket_id") -> int:
    """``value``, if it can be sent as an id. Raises InvalidInput if not: a change without an id would be a create."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LARGEST_ID:
        raise invalid_input(name, "must be a positive whole number")
    return value
