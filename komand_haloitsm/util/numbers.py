"""Whole numbers out of what JSON and people write. Pure."""

from __future__ import annotations

import re
from typing import Any

_DIGITS = re.compile(r"\s*([+-]?[0-9]{1,20})(?:\.0*)?\s*", re.ASCII)


def whole_number(value: Any) -> int | None:
    """``18`` from ``18``, ``18.0``, ``"18"`` or ``"18.0"``; None for anything else, a boolean included."""
    if value.__class__ is int:
        return int(value)
    if isinstance(value, str):
        found = _DIGITS.fullmatch(value)
        return int(found.group(1)) if found else None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return None
