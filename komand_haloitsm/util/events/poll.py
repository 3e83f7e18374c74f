"""What has changed in Halo since a moment of Halo's own clock.

Asks for the tickets updated since then, last updated first. Every row is checked against the moment, and the order by
the rows themselves, since a build of Halo may ignore either parameter: then more pages are read, and the result is the
same. With this order a ticket that changes while pages are read moves to the front and pushes others back: a row can
come twice, but is not skipped. Only a deleted ticket pulls rows forward; that shows in the count, and is read again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Mapping

from ..dates import format_date, parse_date
from ..exchange import Answer
from ..reading import TicketReader
from .decide import Look, look_at, stamp

Row = dict[str, Any]

# Halo stamps a change before it commits it, and its Date header has whole seconds: the last minute is read again.
OVERLAP = timedelta(seconds=60)
_PASSES = 3


@dataclass(frozen=True)
class Changes:
    """The changed tickets, oldest change first, and Halo's clock when the reading began ("" when it does not tell)."""

    rows: list[tuple[Look, Row]]
    halo_time: str


def changed_since(reader: TicketReader, since: str) -> Changes:
    """All tickets with a last_update at ``since`` (a stamp) or later. Raises HaloITSMError."""
    halo_time = ""
    found: dict[int, tuple[Look, Row]] = {}
    for _ in range(_PASSES):
        time_of_pass, complete = _pass(reader, since, found)
        halo_time = halo_time or time_of_pass
        if complete:
            break
    return Changes(sorted(found.values(), key=lambda item: (item[0].stamp, item[0].ticket_id)), halo_time)


def _pass(reader: TicketReader, since: str, found: dict[int, tuple[Look, Row]]) -> tuple[str, bool]:
    """Read the list once into ``found``: Halo's clock at its begin, and whether no ticket vanished meanwhile."""
    moment = parse_date(since)
    query = {"order": "last_update", "orderdesc": "true"}
    if moment:
        query["lastupdatefromdate"] = format_date(moment)
    halo_time, total, complete = "", 0, True
    for number, (rows, answer) in enumerate(reader.pages(query), start=1):
        if number == 1:
            halo_time = clock_of(answer)
        before, total = total, _total(answer)
        complete = complete and total >= before
        stamps = [_keep(row, since, found) for row in rows]
        if stamps and stamps == sorted(stamps, reverse=True) and stamps[-1] < since:
            break
    return halo_time, complete


def _keep(row: Row, since: str, found: dict[int, tuple[Look, Row]]) -> str:
    look = look_at(row)
    if look is None:
        return ""
    known = found.get(look.ticket_id)
    if look.stamp >= since and (known is None or known[0].stamp <= look.stamp):
        found[look.ticket_id] = (look, row)
    return look.stamp


def _total(answer: Answer) -> int:
    total = answer.data.get("record_count") if isinstance(answer.data, Mapping) else None
    return total if isinstance(total, int) else 0


def clock_of(answer: Answer) -> str:
    """Halo's clock as a stamp, "" when the answer has no Date."""
    return stamp(format_date(answer.date)) if answer.date else ""


def earlier(moment: str, by: timedelta) -> str:
    """The stamp ``by`` before another."""
    parsed = parse_date(moment)
    return stamp(format_date(parsed - by)) if parsed else ""
