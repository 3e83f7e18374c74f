"""Which names people may give to projects, connections and sources."""

from __future__ import annotations

LONGEST = 200


def refused(name: str) -> str:
    """Why a text can be no name, as the end of a sentence; empty where it can."""
    if not name.strip():
        return "it is empty"
    if name != name.strip():
        return "it begins or ends with a blank"
    if len(name) > LONGEST:
        return f"it has {len(name)} characters, and {LONGEST} are the most"
    if not name.isprintable():
        return "it holds a character that cannot be printed"
    return ""
