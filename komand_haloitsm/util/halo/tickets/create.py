"""Creates tickets, each exactly once."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Iterable, Iterator, Mapping

from ..errors import HaloError, invalid_input
from ..http.messages import Request
from ..http.session import Session
from ..values.dates import parse_date
from ..values.ids import as_id
from ..values.markup import same_text, text_of
from .exactly_once import ExactlyOnce
from .output import created_at
from .read import TicketReader, newest_first

Ticket = dict[str, Any]

# How many tickets are opened to see whether their details have a reference line that the list did not show.
_OPENED_FOR_REFERENCE = 25


class TicketCreator:
    """Creates tickets, in one operation: ``session`` is the operation's, and so is that of ``once``."""

    def __init__(self, session: Session, once: ExactlyOnce) -> None:
        self._reader = TicketReader(session)
        self._once = once

    def create(self, body: Ticket) -> Ticket:
        """The ticket that was made from ``body``, fields as Halo takes them. Raises HaloError."""
        _check(body)
        with self._once.exclusive():
            return self._create(body)

    def create_unless_there(self, body: Ticket, key: str) -> tuple[Ticket, bool]:
        """The ticket with this external reference, and whether it was made now. Raises HaloError."""
        _check(body)
        with self._once.exclusive():
            existing = self.by_reference(key)
            if existing is not None:
                return existing, False
            details = str(body.get("details") or "").rstrip()
            ticket = self._create({**body, "details": f"{details}\n\n{reference_line(key)}".lstrip()})
            self._once.claims.note_reference(key, as_id(ticket["id"]) or 0)
            return ticket, True

    def by_reference(self, key: str) -> Ticket | None:
        """The ticket, open or closed, whose details have the line of this reference; None when there is none.

        Raises HaloError when there are several, and when Halo lists too many to be sure that there is none.
        """
        listed: dict[int, Ticket] = {}
        for query in ({}, {"closed_only": "true"}):
            for rows, _ in self._reader.pages({"search_details": key, **query}):
                listed |= {as_id(row.get("id")) or 0: row for row in rows}
        remembered = self._once.claims.by_reference(key)
        if remembered:
            # Made by this process a moment ago: Halo's search may not have it yet.
            listed.setdefault(remembered, {"id": remembered})
        found = self._having_reference(list(listed.values()), key)
        if len(found) > 1:
            raise HaloError(
                kind="ambiguous_reference",
                cause=f"Several tickets carry this external reference: {', '.join(str(row['id']) for row in found)}.",
                assistance="Remove the Reference line from the details of all but one of them in HaloITSM.",
            )
        return found[0] if found else None

    def _having_reference(self, rows: list[Ticket], key: str) -> list[Ticket]:
        """Those of the rows that carry the reference, each opened: a row may show its details cut or not at all."""
        few = len(rows) <= _OPENED_FOR_REFERENCE
        likely = [row for row in rows if few or not _details(row) or has_reference(row, key)]
        if len(likely) > _OPENED_FOR_REFERENCE:
            raise HaloError(
                kind="unsearchable",
                cause="HaloITSM lists too many tickets for this external reference to tell which one carries it.",
                assistance="Use a longer, unique External Reference. Nothing was created.",
                data=f"{len(rows)} tickets came back for one reference.",
            )
        opened = (self._reader.find(as_id(row.get("id")) or 0) for row in likely)
        return [ticket for ticket in opened if ticket is not None and has_reference(ticket, key)]

    def _create(self, body: Ticket) -> Ticket:
        request = Request("POST", "/Tickets", body=[body], repeatable=False)
        return self._once.create(request, lambda: list(self._made_from(body)), identity)

    def _made_from(self, body: Ticket) -> Iterable[Ticket]:
        """The tickets that say what ``body`` says, were made in this operation, and are claimed by no other call."""
        for row in self._recent():
            if same_text(str(body["summary"]), str(row.get("summary"))):
                ticket = self._reader.get(as_id(row.get("id")) or 0)
                if same_text(_details(body), _details(ticket)):
                    yield ticket

    def _recent(self) -> Iterator[Ticket]:
        for rows, response in self._reader.newest():
            since = self._once.sent_after(response)
            fresh = [row for row in rows if (created := created_at(row)) is None or created >= since]
            yield from (row for row in fresh if not self._once.claims.is_claimed(identity(row)))
            if len(fresh) < len(rows) and rows == newest_first(rows):
                return


def identity(ticket: Mapping[str, Any]) -> tuple[int | None, datetime | None]:
    """What tells a ticket from all others that a Halo ever had: its id, and when it was made, to the second.

    An instance that was set up anew gives out its ids again.
    """
    made = parse_date(ticket.get("dateoccurred"))
    return as_id(ticket.get("id")), made and made.replace(microsecond=0)


def reference_line(key: str) -> str:
    """The last line of the details of a ticket with an external reference."""
    return f"Reference: {key}"


def has_reference(ticket: Mapping[str, Any], key: str) -> bool:
    """Whether a line of the details is the reference, white space aside: ``A1`` is not ``A10``."""
    return any(" ".join(line.split()) == reference_line(key) for line in _details(ticket).splitlines())


def _details(ticket: Mapping[str, Any]) -> str:
    return text_of(ticket, "details", "details_html")


def _check(body: Ticket) -> None:
    if not isinstance(body.get("summary"), str) or not body["summary"].strip():
        raise invalid_input("summary", "is required and must not be empty")
    if body.get("id"):
        raise invalid_input("id", "must not be given: HaloITSM would change that ticket instead of creating one")
