"""Snapshots of tickets, and which tickets have changed in Halo since a moment of Halo's own clock.

``changed_since`` asks for the tickets updated since then, last updated first. A build of Halo may ignore either
parameter, so neither is relied on: every row's date is checked, and reading stops early only where the rows themselves
prove the order. Where the plain list hides closed tickets, nobody has said whether this one does: ``closed`` asks for
them expressly.

A ticket that changes while pages are read moves to the front of this order and pushes others back. So a row can come
twice, but none is skipped. Where rows can move forward (another order, a deleted ticket), the list is read again.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Mapping

from .http.messages import Response
from .http.rows import total_of
from .tickets.read import TicketReader
from .values.dates import format_date
from .values.ids import as_id
from .values.sort_key import SortKey

Row = dict[str, Any]

# Each poll reads the last minute again. Halo dates a change before it commits it, and its Date header has only whole
# seconds.
OVERLAP = timedelta(seconds=60)
_PASSES = 3
# The fields that tell two states of a ticket apart when their last_update is the same. A ticket in a list and a ticket
# read by itself both have them (seen live).
_TEXTS = ("summary", "team")
_IDS = ("status_id", "priority_id", "agent_id", "tickettype_id", "client_id", "user_id")


@dataclass(frozen=True)
class Snapshot:
    """A ticket as Halo shows it at one time.

    ``sort_key`` is the time of its last update, "" when it has none; ``created`` is when it was logged.
    ``content_key`` holds ids as they are but texts as checksums, so that it can be stored without any ticket text.
    """

    ticket_id: int
    sort_key: SortKey
    created: SortKey
    status_id: int | None
    content_key: Mapping[str, int] = field(default_factory=dict)


def snapshot_of(ticket: Mapping[str, Any]) -> Snapshot | None:
    """The snapshot of a Halo ticket, from a list or read by itself; None when it has no id."""
    ticket_id = as_id(ticket.get("id"))
    if ticket_id is None:
        return None
    numbers = {name: as_id(ticket.get(name)) for name in _IDS}
    content_key = {name: number for name, number in numbers.items() if number is not None}
    content_key |= {name: _checksum(ticket[name]) for name in _TEXTS if isinstance(ticket.get(name), str)}
    updates = (SortKey.of(ticket.get(name)) for name in ("last_update", "lastupdate", "flastupdate"))
    updated = next(filter(None, updates), SortKey())
    created = SortKey.of(ticket.get("datecreated")) or SortKey.of(ticket.get("dateoccurred"))
    return Snapshot(
        ticket_id,
        updated or SortKey.of(ticket.get("lastactiondate")) or created,
        created,
        as_id(ticket.get("status_id")),
        content_key,
    )


def _checksum(text: str) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True)
class Changes:
    """The changed tickets, oldest change first, and Halo's clock when reading began ("" when Halo sent no Date).

    ``skew``: the seconds by which Halo's clock was ahead of ours then, to a second; None without a Date.
    """

    rows: list[tuple[Snapshot, Row]]
    halo_time: SortKey
    skew: float | None = None


def changed_since(reader: TicketReader, since: SortKey, *, closed: bool = False) -> Changes:
    """All tickets with a last_update at ``since`` or later. Raises HaloError.

    ``closed``: those that are closed are listed by themselves as well, after the others. A ticket that is closed
    meanwhile is then in one list or in both.
    """
    halo_time, skew = SortKey(), None
    found: dict[int, tuple[Snapshot, Row]] = {}
    for state in ({}, {"closed_only": "true"}) if closed else ({},):
        for _ in range(_PASSES):
            before = len(found)
            one = _read_list(reader, since, found, state)
            if not halo_time:
                halo_time, skew = one.halo_time, one.skew
            if one.complete or (len(found) == before and not one.vanished):
                break
    rows = sorted(found.values(), key=lambda item: (item[0].sort_key, item[0].ticket_id))
    return Changes(rows, halo_time, skew)


@dataclass
class _Reading:
    """One reading of the list, page by page: what the pages say about its order and completeness."""

    halo_time: SortKey = SortKey()
    skew: float | None = None
    pages: int = 0
    total: int = 0
    vanished: bool = False
    sort_keys: list[SortKey] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)

    def take(self, response: Response, snapshots: list[Snapshot], now: datetime) -> None:
        """Take note of a page that came just now."""
        self.pages += 1
        if self.pages == 1:
            self.halo_time, self.skew = clock_of(response), skew_of(response, now)
        total = total_of(response.data) or 0
        self.vanished = self.vanished or total < self.total
        self.total = total
        self.sort_keys += [snapshot.sort_key for snapshot in snapshots]
        self.numbers += [snapshot.ticket_id for snapshot in snapshots]

    @property
    def last_updated_first(self) -> bool:
        """Whether the rows prove that Halo sorts by last update.

        Tickets in the order of their ids do not prove it: if none was changed since it was logged, both orders agree.
        """
        return self.sort_keys == sorted(self.sort_keys, reverse=True) and self.numbers != sorted(
            self.numbers, reverse=True
        )

    @property
    def complete(self) -> bool:
        """Whether no row can have been skipped."""
        by_update = self.sort_keys == sorted(self.sort_keys, reverse=True)
        # In the order of ids, a change does not move a ticket.
        by_id = self.numbers in (sorted(self.numbers), sorted(self.numbers, reverse=True))
        return not self.vanished and (self.pages == 1 or by_update or by_id)


def _read_list(
    reader: TicketReader, since: SortKey, found: dict[int, tuple[Snapshot, Row]], state: Mapping[str, str]
) -> _Reading:
    """Read the list once into ``found``."""
    query = {"order": "last_update", "orderdesc": "true", **state}
    if since.moment:
        query["lastupdatefromdate"] = format_date(since.moment)
    reading = _Reading()
    for rows, response in reader.pages(query):
        pairs = [(snapshot, row) for snapshot, row in ((snapshot_of(row), row) for row in rows) if snapshot]
        reading.take(response, [snapshot for snapshot, _ in pairs], reader.now)
        for snapshot, row in pairs:
            known = found.get(snapshot.ticket_id)
            if snapshot.sort_key >= since and (known is None or known[0].sort_key <= snapshot.sort_key):
                found[snapshot.ticket_id] = (snapshot, row)
        if pairs and pairs[-1][0].sort_key < since and reading.last_updated_first:
            break
    return reading


def clock_of(response: Response) -> SortKey:
    """Halo's clock, "" when the response has no Date."""
    return SortKey.at(response.date)


def skew_of(response: Response, now: datetime) -> float | None:
    """The seconds by which Halo's clock is ahead of ours, by a response that came just now; None without a Date."""
    return (response.date - now).total_seconds() if response.date else None
