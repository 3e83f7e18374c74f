"""The rows of a trigger's state: its tables, and what is sound in a row that may have been damaged. Pure.

A database can pass SQLite's integrity check and still have values that were never written into it.
"""

from __future__ import annotations

import json
import re
from typing import Any, Callable

# The keys, in the column face, of what is no field of the ticket: LastSeen.repeats and LastSeen.occurred.
REPEATS = "same"
OCCURRED = "occurred"

Row = tuple[Any, ...]

# The columns of each table, its key first, in the order in which rows have to be inserted: triggers in the database
# delete from later tables (see database.py).
COLUMNS: dict[str, tuple[str, ...]] = {
    "fact": ("name", "value"),
    "seen": ("ticket_id", "stamp", "status_id", "face", "action_id"),
    "hint": ("ticket_id", "number"),
    "notice": ("ticket_id", "sent", "agent_id"),
    "parked": ("number", "event_id", "ticket_id", "outputs"),
}
_MOMENTS = frozenset({"baseline", "cursor", "limit", "window", "asked_first", "polled", "restored"})


def sound(table: str, row: Row) -> Row | None:
    """The row with what is damaged in it left out; None when too little is left. A sound row is returned as it is."""
    return _SOUND[table](*row)


def _fact(name: Any, value: Any) -> Row | None:
    if not isinstance(name, str) or not isinstance(value, str):
        return None
    if (name in _MOMENTS and not _is_moment(value)) or (name == "floor_id" and not re.fullmatch("[0-9]*", value)):
        return None
    return name, value


def _seen(ticket_id: Any, stamp: Any, status_id: Any, face: Any, action_id: Any) -> Row | None:
    if not isinstance(ticket_id, int) or not _is_moment(stamp):
        return None
    face = face if _is_numbers(face) else "{}"
    return ticket_id, stamp, _number(status_id), face, _number(action_id)


def _hint(ticket_id: Any, number: Any) -> Row | None:
    return (ticket_id, number if isinstance(number, int) else 0) if isinstance(ticket_id, int) else None


def _notice(ticket_id: Any, sent: Any, agent_id: Any) -> Row | None:
    whole = isinstance(ticket_id, int) and _is_moment(sent) and _number(agent_id) == agent_id
    return (ticket_id, sent, agent_id) if whole else None


def _parked(number: Any, event_id: Any, ticket_id: Any, outputs: Any) -> Row | None:
    whole = isinstance(number, int) and isinstance(event_id, str) and isinstance(ticket_id, int)
    return (number, event_id, ticket_id, outputs) if whole and _are_outputs(outputs) else None


_SOUND: dict[str, Callable[..., Row | None]] = {
    "fact": _fact,
    "seen": _seen,
    "hint": _hint,
    "notice": _notice,
    "parked": _parked,
}


def _is_moment(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[-0-9T:.]*", value) is not None


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _is_numbers(text: Any) -> bool:
    """Whether a text is a JSON object whose values are integers."""
    try:
        values = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return False
    return isinstance(values, dict) and all(isinstance(value, int) for value in values.values())


def _are_outputs(text: Any) -> bool:
    """Whether a text is a JSON object whose values are integers or lists of texts."""
    try:
        values = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return False
    return isinstance(values, dict) and all(
        isinstance(value, int) or (isinstance(value, list) and all(isinstance(one, str) for one in value))
        for value in values.values()
    )


def age(row: Row) -> tuple[str, int, int, int]:
    """Sorts rows of the table seen about one ticket: the later state of the ticket, or the fuller one, is greater."""
    _, stamp, _, face, action_id = row
    content = json.loads(face)
    return stamp, content.get(REPEATS, 0), action_id or 0, len(content)
