"""Reads tickets and their actions: one ticket, a list page by page, the newest tickets."""

from __future__ import annotations

from datetime import datetime
from itertools import count
from typing import Any, Iterator, Mapping

from ..errors import NotFound, missing_ticket
from ..http.error_texts import misunderstood
from ..http.messages import Request, Response
from ..http.rows import rows_of, single
from ..http.session import Session
from ..values.dates import format_date
from ..values.ids import as_id, positive_id
from .filters import PageEnd, TicketFilter, page_query

Ticket = dict[str, Any]

RECENT_ACTIONS = 50
# How many pages of newest tickets are read to find one that was made moments ago.
_RECENT_PAGES = 5
# A million tickets. No service desk has a longer list, and a longer one could not be read in time.
_MOST_PAGES = 10_000


class TicketReader:
    """Reads by requests of ``session``."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def now(self) -> datetime:
        """The present time by our own clock."""
        return self._session.clock.now()

    def get(self, ticket_id: int, *, details: bool = True) -> Ticket:
        """A ticket. Raises HaloError, NotFound when there is none, Unauthorized when the agent may not see it."""
        query = {"includedetails": "true" if details else "false"}
        request = Request("GET", f"/Tickets/{positive_id(ticket_id)}", query)
        try:
            return single(request, self._session.call(request).data)
        except NotFound as error:
            raise missing_ticket(ticket_id, error) from None

    def find(self, ticket_id: int) -> Ticket | None:
        """A ticket, or None when Halo has no such ticket. Raises HaloError for everything else."""
        try:
            return self.get(ticket_id)
        except NotFound:
            return None

    def pages(self, query: Mapping[str, str]) -> Iterator[tuple[list[Ticket], Response]]:
        """The ticket list page by page, newest first: the rows that no earlier page had, and the response.

        ``query`` may override the order and its direction. Reading ends at the last page, or at a page without a new
        row: a server that ignores the page number would go on for ever. Raises HaloError.
        """
        seen: set[int] = set()
        end = PageEnd()
        for number in count(1):
            rows, response = self.page(number, query)
            last = end.is_last(len(rows), response.data)
            fresh = []
            for row in rows:
                known = len(seen)
                seen.add(_number(row))
                if len(seen) > known:
                    fresh.append(row)
            yield fresh, response
            if last or not fresh:
                return

    def page(self, number: int, query: Mapping[str, str]) -> tuple[list[Ticket], Response]:
        """Page ``number`` (from 1) of the ticket list, newest first unless ``query`` has another order."""
        request = Request("GET", "/Tickets", {**page_query(number), **query})
        if number > _MOST_PAGES:
            raise misunderstood(request, f"its ticket list has no end after {_MOST_PAGES} pages")
        response = self._session.call(request)
        return rows_of(request, response.data, "tickets"), response

    def matching(
        self,
        wanted: TicketFilter,
        query: Mapping[str, str],
        team_name: str | None,
        enough: int,
        closing: Mapping[int, bool | None] | None = None,
    ) -> list[Ticket]:
        """Up to ``enough`` tickets that match, newest first; ``team_name`` and ``closing`` as for the filter."""
        found: list[Ticket] = []
        for rows, _ in self.pages(query):
            found += [row for row in rows if wanted.matches(row, team_name, closing)] if wanted.checks_rows else rows
            if len(found) >= enough:
                break
        return newest_first(found)[:enough]

    def newest(self, state: Mapping[str, str]) -> Iterator[tuple[list[Ticket], Response]]:
        """The newest tickets page by page, for a caller that stops when they are old enough.

        Raises HaloError when Halo does not list the newest first, or after five full pages: a ticket of the last
        minutes could then be on any page.
        """
        in_order = True
        for number, (rows, response) in enumerate(self.pages(state), start=1):
            if number > _RECENT_PAGES or not in_order:
                raise misunderstood(Request("GET", "/Tickets"), "the newest tickets do not come first")
            yield rows, response
            numbers = [_number(row) for row in rows]
            in_order = numbers == sorted(numbers, reverse=True)

    def actions(self, ticket_id: int, most: int = RECENT_ACTIONS) -> tuple[list[Ticket], Response]:
        """The newest ``most`` actions of a ticket, newest first as Halo returns them (seen live), and the response."""
        query = {"ticket_id": str(positive_id(ticket_id)), "count": str(most), "includehtmlnote": "true"}
        request = Request("GET", "/Actions", query)
        response = self._session.call(request)
        rows = rows_of(request, response.data, "actions")
        # A Halo that ignored the parameter ticket_id would return actions of other tickets.
        return [row for row in rows if as_id(row.get("ticket_id")) in (None, ticket_id)], response

    def actions_between(self, start: datetime, end: datetime, most: int) -> list[Ticket]:
        """Actions of all tickets of a time, one day at most, the newest ``most`` of them or fewer. Raises HaloError.

        That Halo lists them is seen live, the names of the parameters are documented only.
        """
        query = {"startdate": format_date(start), "enddate": format_date(end), "count": str(most)}
        request = Request("GET", "/Actions", query)
        rows = rows_of(request, self._session.call(request).data, "actions")
        return [row for row in rows if as_id(row.get("ticket_id"))]

    def action(self, ticket_id: int, number: int) -> Ticket | None:
        """One action of a ticket by its own number, which counts from 1 in each ticket; None when there is none."""
        request = Request("GET", f"/Actions/{positive_id(number)}", {"ticket_id": str(positive_id(ticket_id))})
        try:
            return single(request, self._session.call(request).data)
        except NotFound:
            return None


def newest_first(rows: list[Ticket]) -> list[Ticket]:
    """Rows sorted by ticket id, the highest first: Halo assigns ids in ascending order."""
    return sorted(rows, key=_number, reverse=True)


def _number(row: Mapping[str, Any]) -> int:
    return as_id(row.get("id")) or 0
