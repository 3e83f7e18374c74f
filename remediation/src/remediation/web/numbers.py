"""Numbers that a browser sends: whatever else stands there is none."""

from __future__ import annotations

# So many digits does the database's largest number have at least.
DIGITS = 18


def number_in(text: str | None, digits: int = DIGITS) -> int:
    """The number that a text is, of so many digits at most; 0 where it is none."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) <= digits else 0
