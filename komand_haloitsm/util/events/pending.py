"""The pending tickets in a trigger's database: those that a webhook has named and that are not rechecked yet."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace
from typing import Iterable, Sequence

from ..halo.values.sort_key import SortKey
from ..halo.webhook import Notice


@dataclass(frozen=True)
class Pending:
    """A ticket that may have changed. A ticket that is named again while it is pending gets another ``number``.

    ``sent`` is when the last of its notices was sent, "" when one does not say. ``agent_id`` is the agent whose changes
    all of them tell of, None when they name several or one names none.
    """

    ticket_id: int
    number: int
    sent: SortKey = SortKey()
    agent_id: int | None = None


_PENDING = """
SELECT hint.ticket_id, hint.number, coalesce(notice.sent, ''), notice.agent_id
FROM hint LEFT JOIN notice ON notice.ticket_id = hint.ticket_id
"""


def list_pending(database: sqlite3.Connection, most: int = -1) -> list[Pending]:
    """Those that have been pending for the longest, at most so many; all with -1."""
    return _listed(database, "ORDER BY hint.number LIMIT ?", most)


def _listed(database: sqlite3.Connection, which: str, value: int) -> list[Pending]:
    return [
        Pending(ticket_id, number, SortKey(sent), agent_id)
        for ticket_id, number, sent, agent_id in database.execute(f"{_PENDING} {which}", (value,))
    ]


def name_again(database: sqlite3.Connection, notices: Iterable[Notice | Pending]) -> None:
    """Makes tickets pending, behind all others, with what is said of them added to what has been said."""
    named: dict[int, Notice | Pending] = {}
    for notice in notices:
        before = named.get(notice.ticket_id)
        if before is None:
            before = next(iter(_listed(database, "WHERE hint.ticket_id = ?", notice.ticket_id)), None)
        named[notice.ticket_id] = _together(before, notice) if before else notice
    number = next_number(database)
    database.executemany(
        "INSERT OR REPLACE INTO hint VALUES (?, ?)",
        [(ticket_id, number + place) for place, ticket_id in enumerate(named)],
    )
    database.executemany(
        "INSERT INTO notice VALUES (?, ?, ?)",
        [(item.ticket_id, item.sent, item.agent_id) for item in named.values() if item.sent or item.agent_id],
    )


def _together(one: Notice | Pending, other: Notice | Pending) -> Notice | Pending:
    sent = max(one.sent, other.sent) if one.sent and other.sent else SortKey()
    return replace(other, sent=sent, agent_id=other.agent_id if one.agent_id == other.agent_id else None)


def next_number(database: sqlite3.Connection) -> int:
    """A number after those of all pending tickets."""
    return int(database.execute("SELECT coalesce(max(number), 0) + 1 FROM hint").fetchone()[0])


def postpone(database: sqlite3.Connection, ticket_id: int, number: int) -> None:
    """Moves a ticket behind all others. One that was named again since ``number`` was read keeps its place."""
    values = (next_number(database), ticket_id, number)
    database.execute("UPDATE hint SET number = ? WHERE ticket_id = ? AND number = ?", values)


def drop(database: sqlite3.Connection, pairs: Sequence[tuple[int, int]]) -> None:
    """Removes tickets, each as its id and number. One that was named again since then stays pending."""
    database.executemany("DELETE FROM hint WHERE ticket_id = ? AND number = ?", pairs)
