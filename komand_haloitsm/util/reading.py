"""Reads tickets and their actions: one, a list page by page, the newest."""

from __future__ import annotations

from typing import Any, Callable, Iterator, Mapping

from .errors import HaloITSMError, misunderstood, missing_ticket
from .exchange import Answer, Request
from .inputs import positive
from .rows import rows_of, single
from .search import PAGE_SIZE, TicketFilter, is_last_page, page_query
from .tickets import as_id

Ticket = dict[str, Any]

RECENT_ACTIONS = 50
# How many pages of newest tickets are read to find one that was made moments ago.
_RECENT_PAGES = 5
# A million tickets: no list of a service desk is longer, and none that is longer can be read in time.
_MOST_PAGES = 10_000


class TicketReader:
    """Reads by ``call(request, since=...)``; ``since`` as in Transport.call."""

    def __init__(self, call: Callable[..., Answer]) -> None:
        self._call = call

    def get(self, ticket_id: int, *, details: bool = True, since: float | None = None) -> Ticket:
        """A ticket. Raises HaloITSMError, of kind ``not_found`` when there is none, ``unauthorized`` when hidden."""
        query = {"includedetails": "true" if details else "false"}
        request = Request("GET", f"/Tickets/{positive(ticket_id)}", query)
        try:
            return single(request, self._call(request, since=since).data)
        except HaloITSMError as error:
            if error.kind == "not_found":
                raise missing_ticket(ticket_id, error) from None
            raise

    def find(self, ticket_id: int) -> Ticket | None:
        """A ticket, or None when Halo has no such ticket. Raises HaloITSMError for everything else."""
        try:
            return self.get(ticket_id)
        except HaloITSMError as error:
            if error.kind == "not_found":
                return None
            raise

    def pages(self, query: Mapping[str, str], since: float | None = None) -> Iterator[tuple[list[Ticket], Answer]]:
        """The ticket list page by page, newest first, without rows that an earlier page had, each with its answer.

        ``query`` may override order and direction. Ends at the last page, or at one that brings nothing new: a server
        that ignores the page number would go on for ever. Raises HaloITSMError.
        """
        seen: set[int] = set()
        number = 0
        while True:
            number += 1
            request = Request("GET", "/Tickets", {**page_query(number), **query})
            if number > _MOST_PAGES:
                raise misunderstood(request, f"its ticket list has no end after {_MOST_PAGES} pages")
            answer = self._call(request, since=since)
            rows = rows_of(request, answer.data, "tickets")
            fresh = [row for row in rows if _number(row) not in seen]
            seen.update(map(_number, fresh))
            yield fresh, answer
            if not fresh or is_last_page(number, len(rows), answer.data):
                return

    def matching(
        self, wanted: TicketFilter, query: Mapping[str, str], team_name: str | None, enough: int
    ) -> list[Ticket]:
        """Up to ``enough`` tickets that match, newest first."""
        found: list[Ticket] = []
        for rows, _ in self.pages(query):
            found += [row for row in rows if wanted.matches(row, team_name)] if wanted.checks_rows else rows
            if len(found) >= enough:
                break
        return newest_first(found)[:enough]

    def newest(self, since: float) -> Iterator[tuple[list[Ticket], Answer]]:
        """The newest tickets page by page, for a caller that stops when they are old enough.

        Raises HaloITSMError when Halo does not list the newest first, or after five full pages: then a ticket of the
        last minutes could be anywhere.
        """
        for number, (rows, answer) in enumerate(self.pages({}, since), start=1):
            yield rows, answer
            numbers = [_number(row) for row in rows]
            full = len(rows) == PAGE_SIZE
            if full and (number == _RECENT_PAGES or numbers != sorted(numbers, reverse=True)):
                raise misunderstood(Request("GET", "/Tickets"), "the newest tickets do not come first")

    def actions(
        self, ticket_id: int, count: int = RECENT_ACTIONS, since: float | None = None
    ) -> tuple[list[Ticket], Answer]:
        """The newest ``count`` actions of a ticket, newest first as Halo gives them (seen live), and their answer."""
        query = {"ticket_id": str(positive(ticket_id)), "count": str(count), "includehtmlnote": "true"}
        request = Request("GET", "/Actions", query)
        answer = self._call(request, since=since)
        rows = rows_of(request, answer.data, "actions")
        # Were the parameter not understood, actions of other tickets would come.
        return [row for row in rows if as_id(row.get("ticket_id")) in (None, ticket_id)], answer


def newest_first(rows: list[Ticket]) -> list[Ticket]:
    """Rows by ticket id, the highest first: ids are given out in order."""
    return sorted(rows, key=_number, reverse=True)


def _number(row: Mapping[str, Any]) -> int:
    return as_id(row.get("id")) or 0
