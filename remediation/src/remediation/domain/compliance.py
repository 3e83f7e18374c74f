"""The lines that no ticket of a template is without. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def lines_of(text: str) -> tuple[str, ...]:
    """The lines of a text, each once, without spaces around them and without empty ones."""
    return tuple(dict.fromkeys(line for row in text.splitlines() if (line := row.strip())))


def ended_with(text: str, lines: Sequence[str]) -> str:
    """A text that ends with the lines, each once. One that does so already stays as it is, to the last character."""
    required = [flat for line in lines if (flat := " ".join(line.split()))]
    if not required:
        return text
    rows = text.split("\n")
    ends = rows[-len(required) :] == required
    above = rows[: -len(required)] if ends else rows
    kept = [row for row in above if row.strip() not in required]
    if ends and kept == above:
        return text
    head = "\n".join(kept).rstrip()
    return "\n".join([head, "", *required]) if head else "\n".join(required)
