"""Creates tickets, each exactly once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Callable, Iterable, Iterator, Mapping

from .dates import parse_date
from .errors import HaloITSMError, UncertainWriteError, retold
from .exchange import Answer, Request
from .inputs import bad_input
from .markup import same_text, text_of
from .reading import TicketReader, newest_first
from .reconcile import Ledger, OnceOnly, sent_at
from .rows import single
from .tickets import as_id, created_at

Ticket = dict[str, Any]

# How many tickets are opened to see whether their details have a reference line that the list did not show.
_OPENED_FOR_REFERENCE = 25


@dataclass(frozen=True)
class Desk:
    """What a write that must happen once works with.

    ``call(request, since=..., policy=...)`` sends; ``patience`` is how many seconds it waits for its turn; ``clock``
    (in seconds) and ``now`` are the time.
    """

    call: Callable[..., Answer]
    reader: TicketReader
    ledger: Ledger
    once: OnceOnly
    patience: float
    clock: Callable[[], float]
    now: Callable[[], datetime]

    def began_at(self, answer: Answer, began: float) -> datetime:
        """The moment ``began``, a time of the clock, by Halo's own clock in ``answer``."""
        return sent_at(answer, self.clock() - began, self.now())


class TicketCreator:
    """Creates tickets."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def create(self, body: Ticket) -> Ticket:
        """The ticket that was made from ``body``, fields as Halo takes them. Raises HaloITSMError."""
        _check(body)
        began = self._desk.clock()
        with self._desk.ledger.turn(self._desk.patience):
            return self._create(body, began)

    def create_unless_there(self, body: Ticket, key: str) -> tuple[Ticket, bool]:
        """The ticket with this external reference, and whether it was made now. Raises HaloITSMError."""
        _check(body)
        began = self._desk.clock()
        with self._desk.ledger.turn(self._desk.patience):
            existing = self.by_reference(key)
            if existing is not None:
                return existing, False
            details = str(body.get("details") or "").rstrip()
            ticket = self._create({**body, "details": f"{details}\n\n{reference_line(key)}".lstrip()}, began)
            self._desk.ledger.note_reference(key, as_id(ticket["id"]) or 0)
            return ticket, True

    def by_reference(self, key: str) -> Ticket | None:
        """The ticket, open or closed, whose details have the line of this reference; None when there is none.

        Raises HaloITSMError when there are several, and when Halo lists too many to be sure that there is none.
        """
        listed: dict[int, Ticket] = {}
        for query in ({}, {"closed_only": "true"}):
            for rows, _ in self._desk.reader.pages({"search_details": key, **query}):
                listed |= {as_id(row.get("id")) or 0: row for row in rows}
        remembered = self._desk.ledger.by_reference(key)
        if remembered:
            # Made by this process a moment ago: Halo's search may not have it yet.
            listed.setdefault(remembered, {"id": remembered})
        found = self._having_reference(list(listed.values()), key)
        if len(found) > 1:
            raise HaloITSMError(
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
            raise HaloITSMError(
                kind="unsearchable",
                cause="HaloITSM lists too many tickets for this external reference to tell which one carries it.",
                assistance="Use a longer, unique External Reference. Nothing was created.",
                data=f"{len(rows)} tickets came back for one reference.",
            )
        opened = (self._desk.reader.find(as_id(row.get("id")) or 0) for row in likely)
        return [ticket for ticket in opened if ticket is not None and has_reference(ticket, key)]

    def _create(self, body: Ticket, began: float) -> Ticket:
        request = Request("POST", "/Tickets", body=[body], repeatable=False)
        ticket = self._desk.once.run(
            lambda: single_made(request, self._desk.call(request, since=began)),
            lambda: list(self._made_since(body, began)),
            "The ticket",
        )
        self._desk.ledger.give(identity(ticket))
        return ticket

    def _made_since(self, body: Ticket, began: float) -> Iterable[Ticket]:
        """The tickets that say what ``body`` says, were made since ``began``, and were given to no call."""
        for row in self._recent(began):
            if same_text(str(body["summary"]), str(row.get("summary"))):
                ticket = self._desk.reader.get(as_id(row.get("id")) or 0, since=began)
                if same_text(_details(body), _details(ticket)):
                    yield ticket

    def _recent(self, began: float) -> Iterator[Ticket]:
        for rows, answer in self._desk.reader.newest(began):
            since = self._desk.began_at(answer, began)
            fresh = [row for row in rows if (created := created_at(row)) is None or created >= since]
            yield from (row for row in fresh if not self._desk.ledger.was_given(identity(row)))
            if len(fresh) < len(rows) and rows == newest_first(rows):
                return


def identity(ticket: Mapping[str, Any]) -> tuple[int | None, datetime | None]:
    """What tells a ticket from all others that a Halo ever had: its id, and when it was made, to the second.

    An instance that was set up anew gives out its ids again.
    """
    made = parse_date(ticket.get("dateoccurred"))
    return as_id(ticket.get("id")), made and made.replace(microsecond=0)


def single_made(request: Request, answer: Answer) -> Ticket:
    """The object that a create was answered with.

    Raises UncertainWriteError when Halo said yes in a form that tells no id: it most likely has made it.
    """
    try:
        return single(request, answer.data)
    except HaloITSMError as error:
        raise retold(error, UncertainWriteError) from None


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
        raise bad_input("summary", "is required and must not be empty")
    if body.get("id"):
        raise bad_input("id", "must not be given: HaloITSM would change that ticket instead of creating one")
