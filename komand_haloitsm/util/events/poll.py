"""What has changed in Halo since a moment of Halo's own clock.

Asks for the tickets updated since then, last updated first, and believes neither parameter, since a build of Halo may
ignore one: every row is checked against the moment, and reading stops early only where the rows themselves prove the
order. In this order a ticket that changes while pages are read moves to the front and pushes others back: a row can
come twice, but none is skipped. Where rows can move forward (another order, a deleted ticket) the list is read again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from ..dates import format_date, parse_date
from ..exchange import Answer
from ..reading import TicketReader
from ..rows import total_of
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
        before = len(found)
        one = _read_list(reader, since, found)
        halo_time = halo_time or one.halo_time
        if one.complete or (len(found) == before and not one.vanished):
            break
    return Changes(sorted(found.values(), key=lambda item: (item[0].stamp, item[0].ticket_id)), halo_time)


@dataclass
class _Reading:
    """One reading of the list: what its pages say about it."""

    halo_time: str = ""
    pages: int = 0
    total: int = 0
    vanished: bool = False
    stamps: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)

    def take(self, answer: Answer, looks: list[Look]) -> None:
        """Note a page."""
        self.pages += 1
        if self.pages == 1:
            self.halo_time = clock_of(answer)
        total = total_of(answer.data) or 0
        self.vanished = self.vanished or total < self.total
        self.total = total
        self.stamps += [look.stamp for look in looks]
        self.numbers += [look.ticket_id for look in looks]

    @property
    def last_updated_first(self) -> bool:
        """Whether the order is as asked for, and not by chance: tickets that nobody touched are in it by their ids."""
        return self.stamps == sorted(self.stamps, reverse=True) and self.numbers != sorted(self.numbers, reverse=True)

    @property
    def complete(self) -> bool:
        """Whether no row can have been skipped."""
        by_update = self.stamps == sorted(self.stamps, reverse=True)
        # In the order of their ids tickets stay where they are, whatever happens to them.
        by_id = self.numbers in (sorted(self.numbers), sorted(self.numbers, reverse=True))
        return not self.vanished and (self.pages == 1 or by_update or by_id)


def _read_list(reader: TicketReader, since: str, found: dict[int, tuple[Look, Row]]) -> _Reading:
    """Read the list once into ``found``."""
    moment = parse_date(since)
    query = {"order": "last_update", "orderdesc": "true"}
    if moment:
        query["lastupdatefromdate"] = format_date(moment)
    reading = _Reading()
    for rows, answer in reader.pages(query):
        pairs = [(look, row) for look, row in ((look_at(row), row) for row in rows) if look]
        reading.take(answer, [look for look, _ in pairs])
        for look, row in pairs:
            known = found.get(look.ticket_id)
            if look.stamp >= since and (known is None or known[0].stamp <= look.stamp):
                found[look.ticket_id] = (look, row)
        if pairs and pairs[-1][0].stamp < since and reading.last_updated_first:
            break
    return reading


def clock_of(answer: Answer) -> str:
    """Halo's clock as a stamp, "" when the answer has no Date."""
    return stamp(format_date(answer.date)) if answer.date else ""


def earlier(moment: str, by: timedelta) -> str:
    """The stamp ``by`` before another, "" for none."""
    parsed = parse_date(moment)
    return stamp(format_date(parsed - by)) if parsed else ""
