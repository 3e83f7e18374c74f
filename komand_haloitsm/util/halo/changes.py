"""Snapshots of tickets, and which tickets have changed in Halo since a moment of Halo's own clock.

``changed_since`` asks for the tickets updated since then, last updated first. A build of Halo may ignore either
parameter, so neither is relied on: every row's date is checked, and reading stops early only where the rows themselves
prove the order. Where the plain list hides closed tickets, nobody has said whether this one does: ``closed`` asks for
them expressly.

A ticket that changes while pages are read moves to the front of this order and pushes others back. So a row can come
twice, but none is skipped. Where rows can move forward (another order, a deleted ticket), the list is read again.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generator, Mapping, Sequence

from .http.messages import Response
from .http.rows import total_of
from .tickets.filters import PageEnd
from .tickets.read import TicketReader
from .values.dates import format_date, parse_date
from .values.ids import as_id
from .values.sort_key import SortKey

Row = dict[str, Any]

# Each poll reads the last minutes again. Halo dates a change before it commits it, its Date header has only whole
# seconds, and a last_update may be up to 90 seconds older than the change (a guess to be safe).
OVERLAP = timedelta(seconds=180)
_PASSES = 3
# No zone's time is further from UTC.
_LOCAL_TIME = timedelta(hours=15)
# No zone's time is so near to UTC, but for those that are the same.
_NO_ZONE = timedelta(minutes=15)
# A list may show a last_update with fewer digits than Halo compares.
_ROUNDED = timedelta(seconds=1)
# The lists that together have every ticket: a plain list may leave out the closed ones.
CLOSED: Mapping[str, str] = {"closed_only": "true"}
STATES: tuple[Mapping[str, str], ...] = ({}, CLOSED)
# The fields that tell two states of a ticket apart when their last_update is the same. A ticket in a list and a ticket
# read by itself both have them (seen live).
_TEXTS = ("summary", "team")
_IDS = ("status_id", "priority_id", "agent_id", "tickettype_id", "client_id", "user_id")
# In a content key: that the date of the last update has three fractional digits at most.
SHORT_DATE = "short_date"


@dataclass(frozen=True)
class Snapshot:
    """A ticket as Halo shows it at one time.

    ``sort_key`` is the time of its last update, "" when it has none; ``created`` is when it was logged.
    ``content_key`` holds ids as they are but texts as checksums, so that it can be stored without any ticket text.
    ``read_at`` is Halo's clock when the ticket was read, "" when that is not known. ``occurred`` is when the ticket
    occurred, in seconds since 1970: lists and single tickets both tell that (seen live).
    """

    ticket_id: int
    sort_key: SortKey
    created: SortKey
    status_id: int | None
    content_key: Mapping[str, int] = field(default_factory=dict)
    read_at: SortKey = SortKey()
    occurred: int | None = None


# Tickets by id, each as it was read.
Found = dict[int, tuple[Snapshot, Row]]


def snapshot_of(ticket: Mapping[str, Any], read_at: SortKey = SortKey()) -> Snapshot | None:
    """The snapshot of a Halo ticket, from a list or read by itself; None when it has no id."""
    ticket_id = as_id(ticket.get("id"))
    if ticket_id is None:
        return None
    numbers = {name: as_id(ticket.get(name)) for name in _IDS}
    content_key = {name: number for name, number in numbers.items() if number is not None}
    content_key |= {name: _checksum(ticket[name]) for name in _TEXTS if isinstance(ticket.get(name), str)}
    updates = (
        (ticket.get(name), SortKey.of(ticket.get(name))) for name in ("last_update", "lastupdate", "flastupdate")
    )
    text, updated = next((pair for pair in updates if pair[1]), ("", SortKey()))
    fraction = re.search(r"[.,]([0-9]+)", str(text))
    if updated and len(fraction.group(1) if fraction else "") <= 3:
        content_key[SHORT_DATE] = 1
    occurred = parse_date(ticket.get("dateoccurred"))
    created = SortKey.of(ticket.get("datecreated")) or SortKey.of(ticket.get("dateoccurred"))
    return Snapshot(
        ticket_id,
        updated or SortKey.of(ticket.get("lastactiondate")) or created,
        created,
        as_id(ticket.get("status_id")),
        content_key,
        read_at,
        int(occurred.timestamp()) if occurred else None,
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
    found: Found = {}
    reading = newest_first(since, found, STATES if closed else STATES[:1])
    halo_time, skew = SortKey(), None
    try:
        asked = next(reading)
        while True:
            page = read_page(reader, asked)
            if not halo_time:
                halo_time, skew = page.halo_time, page.skew
            asked = reading.send(page)
    except StopIteration:
        return Changes(oldest_change_first(found), halo_time, skew)


def oldest_change_first(found: Found) -> list[tuple[Snapshot, Row]]:
    """The tickets by the time of their last update, then by their ids."""
    return sorted(found.values(), key=lambda item: (item[0].sort_key, item[0].ticket_id))


@dataclass(frozen=True)
class Asked:
    """A page of the ticket list that is to be read next: its number, from 1, and what its query adds."""

    number: int
    query: Mapping[str, str]


@dataclass(frozen=True)
class Page:
    """A page of the ticket list. ``tickets`` are its rows with their snapshots; ``length`` counts all its rows.

    ``halo_time`` is Halo's clock ("" without a Date), ``skew`` the seconds by which it is ahead of ours.
    """

    tickets: list[tuple[Snapshot, Row]]
    length: int
    envelope: Any
    halo_time: SortKey
    skew: float | None


def read_page(reader: TicketReader, asked: Asked) -> Page:
    """The page that was asked for. Raises HaloError."""
    rows, response = reader.page(asked.number, asked.query)
    halo_time = clock_of(response)
    tickets = [(snapshot, row) for snapshot, row in ((snapshot_of(row, halo_time), row) for row in rows) if snapshot]
    return Page(tickets, len(rows), response.data, halo_time, skew_of(response, reader.now))


# A reading decides from the pages so far which one to ask for next. Whoever drives it reads that page and sends it
# back, so that a page that cannot be read now can be read later: nothing of what was read is lost.
Reading = Generator[Asked, Page, None]


def newest_first(since: SortKey, found: Found, states: Sequence[Mapping[str, str]]) -> Reading:
    """Reads the list of each state from its newest change back to ``since``, into ``found``."""
    for state in states:
        for _ in range(_PASSES):
            before = len(found)
            one = ListReading()
            yield from one.pages(since, found, state)
            if one.complete or (len(found) == before and not one.vanished):
                break


@dataclass
class ListReading:
    """One reading of the list, page by page: what the pages say about its order and completeness."""

    total: int = 0
    vanished: bool = False
    full: bool = False
    sort_keys: list[SortKey] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    read: int = 0

    def pages(self, since: SortKey, found: Found, state: Mapping[str, str], most: int | None = None) -> Reading:
        """Asks for the pages, the newest change first, until they reach ``since``, end, or are ``most``.

        The list is asked for the changes of some hours more. A build that takes the moment for local time, which is
        not known of any, would otherwise leave out changes. They cost nothing, since the rows are in order. Where the
        first page does not prove that order, they may cost many pages: see ``_start``.
        """
        start, page = yield from _start(since, state)
        ids, end = set[int](), PageEnd()
        while not self.full and (most is None or self.read < most):
            page = page or (yield Asked(self.read + 1, _query(start, state)))
            self._take(page)
            for snapshot, row in page.tickets:
                keep(found, snapshot, row, since)
            known = len(ids)
            ids.update(snapshot.ticket_id for snapshot, _ in page.tickets)
            last = end.is_last(page.length, page.envelope)
            past = bool(page.tickets) and page.tickets[-1][0].sort_key < since and self.last_updated_first
            self.full = last or past or len(ids) == known
            page = None

    def _take(self, page: Page) -> None:
        self.read += 1
        total = total_of(page.envelope) or 0
        # Where each page counts its own rows, the last page has fewer than the others.
        self.vanished = self.vanished or (total < self.total and total != page.length)
        self.total = total
        self.sort_keys += [snapshot.sort_key for snapshot, _ in page.tickets]
        self.numbers += [snapshot.ticket_id for snapshot, _ in page.tickets]

    @property
    def last_updated_first(self) -> bool:
        """Whether the rows prove that Halo sorts by last update.

        Tickets in the order of their ids do not prove it: if none was changed since it was logged, both orders agree.
        """
        return _falling(self.sort_keys) and not _falling(self.numbers)

    @property
    def complete(self) -> bool:
        """Whether no row can have been skipped."""
        # In the order of ids, a change does not move a ticket.
        by_id = _falling(self.numbers) or self.numbers == sorted(self.numbers)
        return not self.vanished and (self.read == 1 or _falling(self.sort_keys) or by_id)


def _start(since: SortKey, state: Mapping[str, str]) -> Generator[Asked, Page, tuple[SortKey, Page | None]]:
    """The moment since which the list is to be asked for changes, and its first page where that was read for it.

    That is some hours before ``since``, unless the first page shows that this may cost many pages more:

    - Its rows are not in the order of their updates. Then it is ``since`` itself.
    - Its rows are in that order and in the order of their ids as well, as those of tickets that were only logged.
      Then a trial asks for the changes since that of a ticket on the page, or a few minutes before. A build that shows
      the ticket again does not take the moment for one that is hours later, so the hours before are not needed.
    """
    early = since.earlier(_LOCAL_TIME)
    page = yield Asked(1, _query(early, state))
    snapshots = [snapshot for snapshot, _ in page.tickets]
    if not _falling([one.sort_key for one in snapshots]):
        return since, None
    if not snapshots or not _falling([one.ticket_id for one in snapshots]):
        return early, page
    known = next((one for one in snapshots if one.sort_key <= since), snapshots[-1])
    tried = known.sort_key.earlier(_ROUNDED)
    if tried.earlier(_NO_ZONE) <= since:
        # So near to ``since``, the trial is the first page of the changes since then.
        tried = min(tried, since)
    if tried <= early or PageEnd().is_last(page.length, page.envelope):
        return early, page
    trial = yield Asked(1, _query(tried, state))
    if (known.ticket_id, known.sort_key) not in ((one.ticket_id, one.sort_key) for one, _ in trial.tickets):
        return early, page
    return (tried, trial) if tried <= since else (since, None)


def _falling(values: Sequence[Any]) -> bool:
    return list(values) == sorted(values, reverse=True)


def _query(since: SortKey, state: Mapping[str, str]) -> dict[str, str]:
    query = {"order": "last_update", "orderdesc": "true", **state}
    return {**query, "lastupdatefromdate": format_date(since.moment)} if since.moment else query


def keep(found: Found, snapshot: Snapshot, row: Row, since: SortKey) -> None:
    """Keep the row of a ticket that changed at ``since`` or later, unless a later state of it is known."""
    known = found.get(snapshot.ticket_id)
    if snapshot.sort_key >= since and (known is None or known[0].sort_key <= snapshot.sort_key):
        found[snapshot.ticket_id] = (snapshot, row)


def clock_of(response: Response) -> SortKey:
    """Halo's clock, "" when the response has no Date."""
    return SortKey.at(response.date)


def skew_of(response: Response, now: datetime) -> float | None:
    """The seconds by which Halo's clock is ahead of ours, by a response that came just now; None without a Date."""
    return (response.date - now).total_seconds() if response.date else None
