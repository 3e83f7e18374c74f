"""Search filters: as Halo's query parameters, and again as checks on the rows that come back. Pure.

Halo ignores a query parameter that it does not know and then returns everything (seen live). Which parameters a build
knows is not documented by version. So each row is checked: where it has the field of a filter, it must match.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Mapping

from ..http.rows import total_of
from ..values.dates import format_date, parse_date
from ..values.ids import as_id
from .output import is_closed

Ticket = Mapping[str, Any]
# Halo cuts larger pages to this size without an error (seen live).
PAGE_SIZE = 100


@dataclass(frozen=True)
class TicketFilter:
    """What a search asks for. None means any value. Dates are aware UTC datetimes, and both ends are included.

    ``open_only`` leaves out tickets that are known to be closed.
    """

    summary_contains: str | None = None
    status_id: int | None = None
    agent_id: int | None = None
    team_id: int | None = None
    priority_id: int | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    tickettype_id: int | None = None
    client_id: int | None = None
    user_id: int | None = None
    open_only: bool = False
    other: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_halo(cls, parameters: Mapping[str, Any]) -> TicketFilter:
        """A filter from Halo's own list parameters. Those without a check on the rows are only passed on to Halo."""
        rest = {name: value for name, value in parameters.items() if value is not None}
        known: dict[str, Any] = {}
        if isinstance(rest.get("search_summary"), str):
            known["summary_contains"] = rest.pop("search_summary")
        for parameter, name in (
            ("status_id", "status_id"),
            ("agent_id", "agent_id"),
            ("team", "team_id"),
            ("priority", "priority_id"),
            ("requesttype_id", "tickettype_id"),
            ("client_id", "client_id"),
            ("user_id", "user_id"),
        ):
            if as_id(rest.get(parameter)) is not None:
                known[name] = as_id(rest.pop(parameter))
        if str(rest.get("open_only")).lower() == "true":
            known["open_only"] = bool(rest.pop("open_only"))
        return cls(**known, other={name: str(value) for name, value in rest.items()})

    def query(self) -> dict[str, str]:
        """Halo's parameters: the list names team and priority without ``_id``, and calls a type a request type
        (official, seen live)."""
        query: dict[str, Any] = {
            "search_summary": self.summary_contains,
            "status_id": self.status_id,
            "agent_id": self.agent_id,
            "team": self.team_id,
            "priority": self.priority_id,
            "requesttype_id": self.tickettype_id,
            "client_id": self.client_id,
            "user_id": self.user_id,
            "open_only": "true" if self.open_only else None,
        }
        if self.created_after or self.created_before:
            # "dateoccured" is Halo's documented spelling. Dates without datesearch have no effect (seen in one client).
            query["datesearch"] = "dateoccured"
            query["startdate"] = format_date(self.created_after) if self.created_after else None
            query["enddate"] = format_date(self.created_before) if self.created_before else None
        return {**self.other, **{name: str(value) for name, value in query.items() if value is not None}}

    @property
    def checks_rows(self) -> bool:
        """Whether the filter has anything to check rows for."""
        return replace(self, other={}) != TicketFilter()

    def matches(
        self, row: Ticket, team_name: str | None = None, closing: Mapping[int, bool | None] | None = None
    ) -> bool:
        """Whether a row does not contradict the filter.

        ``team_name`` is the name of ``team_id`` where known; ``closing`` says of statuses whether they are closed ones.
        """
        return (
            self._summary_matches(row)
            and self._id_matches(row, "status_id", self.status_id)
            and self._id_matches(row, "agent_id", self.agent_id)
            and self._id_matches(row, "priority_id", self.priority_id)
            and self._id_matches(row, "team_id", self.team_id)
            and self._id_matches(row, "tickettype_id", self.tickettype_id)
            and self._id_matches(row, "client_id", self.client_id)
            and self._id_matches(row, "user_id", self.user_id)
            and not (self.open_only and is_closed(row, (closing or {}).get(as_id(row.get("status_id")) or 0)))
            and self._team_matches(row, team_name)
            and self._date_matches(row)
        )

    @staticmethod
    def _id_matches(row: Ticket, field_name: str, wanted: int | None) -> bool:
        # Halo's 0 or -1 means "none", so it does not match. Only an absent field tells nothing.
        return wanted is None or row.get(field_name) is None or as_id(row.get(field_name)) == wanted

    def _summary_matches(self, row: Ticket) -> bool:
        summary = row.get("summary")
        if self.summary_contains is None or not isinstance(summary, str):
            return True
        return self.summary_contains.strip().casefold() in summary.casefold()

    def _team_matches(self, row: Ticket, team_name: str | None) -> bool:
        # List rows have the team's name but not its id (seen live).
        name = row.get("team")
        if self.team_id is None or team_name is None or not isinstance(name, str) or as_id(row.get("team_id")):
            return True
        return name.strip().casefold() == team_name.strip().casefold()

    def _date_matches(self, row: Ticket) -> bool:
        if self.created_after is None and self.created_before is None:
            return True
        occurred = parse_date(row.get("dateoccurred")) or parse_date(row.get("datecreated"))
        if occurred is None:
            return True
        return not (self.created_after and occurred < self.created_after) and not (
            self.created_before and occurred > self.created_before
        )


def page_query(number: int) -> dict[str, str]:
    """The query for page ``number`` (from 1) of a list, newest ticket first. ``pageinate`` is Halo's spelling."""
    return {**paged(number), "order": "id", "orderdesc": "true"}


def paged(number: int) -> dict[str, str]:
    """The query for page ``number`` (from 1) of any list, in its own order."""
    return {"pageinate": "true", "page_size": str(PAGE_SIZE), "page_no": str(number)}


_LIKELY_CAPS = frozenset({10, 20, 25, 50, PAGE_SIZE})


class PageEnd:
    """Tells from the pages of one list, as they come, which is the last.

    An instance may give fewer rows a page than were asked for, and need not say so; its ``record_count`` may be the
    total (seen live) or the number of rows on the page. No page counts its own rows as more than came so far: a count
    that is larger is a total, and there is another page, however short this one is. Otherwise a page counts as the last
    one if it is shorter than what Halo says or an earlier page shows that a page holds, or if a total that can be told
    from a count per page is reached. Where neither is certain, there may be another one: that takes a page of 10, 20,
    25, 50 or 100 rows.

    A total may be wrong. So a page without rows is always the last one, and whoever reads ends at a page without a new
    row.
    """

    def __init__(self) -> None:
        self._longest = 0
        self._rows = 0

    def is_last(self, rows: int, envelope: Mapping[str, Any] | Any) -> bool:
        """Whether the page that came just now, with so many rows, is the last one."""
        self._rows += rows
        first, self._longest = self._longest == 0, max(self._longest, rows)
        total = total_of(envelope)
        if rows == 0:
            return True
        if total is not None and total > self._rows:
            return False
        if rows < self._longest:
            return True
        if total is not None and not first and total > rows:
            return True
        told = envelope.get("page_size") if isinstance(envelope, Mapping) else None
        return rows < min(as_id(told) or PAGE_SIZE, PAGE_SIZE) and rows not in _LIKELY_CAPS
