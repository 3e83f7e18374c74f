"""Reads what has changed since a moment, for a trigger: in batches, the oldest change first. Pure.

Usually one page of the newest changes reaches back to the last poll. Where a few pages do not, there is a backlog. Then
the list is asked for the oldest changes first, always from the last one that is done: each page is a batch of its own,
and a trigger that is stopped goes on from there. That relies on two parameters that a build may ignore or understand in
another way, so both are tried on a change that is known. Where either fails, the whole list is read before the first
batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generator, Mapping, Sequence

from ..halo.changes import Asked, Found, ListReading, Page, Row, Snapshot, keep, newest_first, oldest_change_first
from ..halo.tickets.filters import PAGE_SIZE, PageEnd
from ..halo.values.dates import format_date
from ..halo.values.sort_key import SortKey

State = Mapping[str, str]
Tickets = list[tuple[Snapshot, Row]]

_PAGES_BEFORE_BACKLOG = 5


@dataclass(frozen=True)
class Batch:
    """Changed tickets, the oldest change first. Once they are done, all changes up to ``upto`` are."""

    tickets: Tickets
    upto: SortKey


# Each Asked is to be answered with its Page, each Batch with None.
Poll = Generator["Asked | Batch", Any, None]


def poll(since: SortKey, states: Sequence[State]) -> Poll:
    """Reads the changes at ``since`` and later from the lists of all ``states``."""
    found: Found = {}
    for state in states:
        reading = ListReading()
        yield from reading.pages(since, found, state, _PAGES_BEFORE_BACKLOG)
        if not (reading.full and reading.complete):
            break
    else:
        yield from _batches(found)
        return
    backlog = bool(since) and not reading.full and reading.last_updated_first
    if backlog and (yield from _knows_oldest_first(reading.sort_keys[-1], state)):
        done = yield from _oldest_first(since, states)
        if done is None:
            return
        since = done
    found = {}
    yield from newest_first(since, found, states)
    yield from _batches(found)


def _batches(found: Found) -> Poll:
    tickets = oldest_change_first(found)
    for first in range(0, len(tickets), PAGE_SIZE):
        batch = tickets[first : first + PAGE_SIZE]
        yield Batch(batch, batch[-1][0].sort_key)


def _knows_oldest_first(known: SortKey, state: State) -> Generator[Asked, Any, bool]:
    """Whether a list that is asked for the changes since a known one, the oldest first, begins with that one."""
    page = yield Asked(1, _since(known, state))
    return bool(page.tickets) and page.tickets[0][0].sort_key == known


def _oldest_first(since: SortKey, states: Sequence[State]) -> Generator[Asked | Batch, Any, SortKey | None]:
    """Yields the changes batch by batch. Returns None when all are done, else the moment up to which they are."""
    while True:
        found: Found = {}
        reached: list[SortKey] = []
        for state in states:
            part = yield from _next_changes(since, state)
            if part is None:
                return since
            tickets, are_all = part
            for snapshot, row in tickets:
                keep(found, snapshot, row, since)
            if not are_all:
                reached.append(tickets[-1][0].sort_key)
        # What one list shows beyond the end of another's page has to wait: it may not be the oldest.
        ready = [item for item in oldest_change_first(found) if not reached or item[0].sort_key <= min(reached)]
        if ready:
            yield Batch(ready, ready[-1][0].sort_key)
        if not reached:
            return None
        since = min(reached)


def _next_changes(since: SortKey, state: State) -> Generator[Asked, Any, tuple[Tickets, bool] | None]:
    """The oldest changes, at least one of them later than ``since`` if there is any, and whether they are all.

    None where the rows are in another order or older, which they are not where the parameters hold.

    More than one page is read only where changes of one moment fill a page. A ticket that changes meanwhile leaves its
    place, and the rows behind it move up, perhaps to a page that was read. So the pages are read a second time, from
    the last to the first: now a row can only move to a page that is still to come.
    """
    tickets: Tickets = []
    ids: set[int] = set()
    end, number, last = PageEnd(), 0, False
    while not last and not (tickets and tickets[-1][0].sort_key > since):
        number += 1
        page = yield from _oldest_page(number, since, state)
        if page is None:
            return None
        tickets += page.tickets
        known = len(ids)
        ids.update(snapshot.ticket_id for snapshot, _ in page.tickets)
        last = end.is_last(page.length, page.envelope) or len(ids) == known
    for again in range(number - 1, 0, -1):
        page = yield from _oldest_page(again, since, state)
        if page is None:
            return None
        tickets = page.tickets + tickets
    return tickets, last


def _oldest_page(number: int, since: SortKey, state: State) -> Generator[Asked, Page, Page | None]:
    """A page of the list, the oldest change first. None where the rows are in another order or older."""
    page = yield Asked(number, _since(since, state))
    sort_keys = [snapshot.sort_key for snapshot, _ in page.tickets]
    right = sort_keys == sorted(sort_keys) and (not sort_keys or sort_keys[0] >= SortKey.at(since.moment))
    return page if right else None


def _since(moment: SortKey, state: State) -> dict[str, str]:
    since = moment.moment
    from_date = {"lastupdatefromdate": format_date(since)} if since else {}
    return {"order": "last_update", "orderdesc": "false", **from_date, **state}
