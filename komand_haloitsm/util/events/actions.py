"""Reads a ticket's actions back to the last one that was seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Mapping

from ..halo.changes import OVERLAP
from ..halo.tickets.read import TicketReader
from ..halo.values.ids import as_id
from ..halo.values.sort_key import SortKey
from .decide import LastSeen, Watermark, number_of, time_of

Row = dict[str, Any]

_AT_FIRST = 50
_MOST_ACTIONS = 10_000
_MOST_OF_ALL = 1_000
_LONGEST_RANGE = timedelta(days=1)
# An action is dated later than the change of its ticket, by as much as that may be dated too early.
_DATED_LATER = OVERLAP
# Read one by one where Halo gives fewer actions than were asked for.
_MOST_SINGLE = 200


def read_actions(reader: TicketReader, ticket_id: int, seen: LastSeen | None, watermark: Watermark) -> list[Row]:
    """The actions of a ticket, at least back to the last one seen, or back to the watermark. Raises HaloError.

    An instance may give fewer than are asked for. The others are then read one by one, since the actions of a ticket
    are numbered from 1 (seen live).
    """
    asked = _AT_FIRST
    while True:
        rows, _ = reader.actions(ticket_id, asked)
        if _reach(rows, seen, watermark) or asked >= _MOST_ACTIONS:
            return rows
        if len(rows) < asked:
            return rows + _older(reader, ticket_id, rows, seen, watermark)
        asked = min(asked * 20, _MOST_ACTIONS)


@dataclass(frozen=True)
class Acted:
    """The actions of all tickets of a time, by ticket; all of them since ``since``, "" where that is not known."""

    by_ticket: Mapping[int, list[Row]]
    since: SortKey


def actions_of_all(reader: TicketReader, since: SortKey, until: SortKey) -> Acted:
    """The actions of a time, of its last day where it is longer. Raises HaloError."""
    start, end = since.moment, until.earlier(-_DATED_LATER).moment
    if start is None or end is None:
        return Acted({}, SortKey())
    start = max(start, end - _LONGEST_RANGE)
    rows = reader.actions_between(start, end, _MOST_OF_ALL)
    found: dict[int, list[Row]] = {}
    for row in rows:
        found.setdefault(as_id(row.get("ticket_id")) or 0, []).append(row)
    if len(rows) >= _MOST_OF_ALL:
        return Acted(found, min(map(time_of, rows)))
    # Another round number of rows may be a cut as well.
    return Acted(found, SortKey() if len(rows) % 50 == 0 else SortKey.at(start))


def _older(
    reader: TicketReader, ticket_id: int, rows: list[Row], seen: LastSeen | None, watermark: Watermark
) -> list[Row]:
    oldest = min(filter(None, map(number_of, rows)), default=1)
    found: list[Row] = []
    for number in range(oldest - 1, max(oldest - 1 - _MOST_SINGLE, 0), -1):
        row = reader.action(ticket_id, number)
        if row is not None:
            found.append(row)
        if _reach(found, seen, watermark):
            break
    return found


def _reach(rows: list[Row], seen: LastSeen | None, watermark: Watermark) -> bool:
    """Whether the oldest of the actions was there when the ticket was last seen."""
    if not rows:
        return False
    if seen is not None and seen.action_id is not None:
        return min(map(number_of, rows)) <= seen.action_id
    oldest = min(map(time_of, rows))
    return oldest < (seen.sort_key if seen else watermark.sort_key)
