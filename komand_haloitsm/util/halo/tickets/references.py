"""Finds tickets by their key or external reference.

A ticket that this client made carries its external reference twice: in the key field, where the instance keeps it, and
as the last line of its details. The key field is exact. The line is for people, for instances without the field and for
tickets of version 1.0.0; anybody can write such a line, so it counts only in a ticket that the application's own agent
made.
"""

from __future__ import annotations

import html
import unicodedata
from typing import Any, Iterable, Iterator, Mapping

from ..errors import HaloError
from ..values.ids import as_id
from ..values.markup import text_of
from .exactly_once import ClaimRegistry
from .external_key import KeyField
from .own_agent import OwnAgent
from .read import TicketReader

Ticket = dict[str, Any]

# How many tickets are opened to see whether they carry a key or a reference that the list did not show.
MOST_OPENED = 40
# How many pages are read for one question: an instance that ignores the filter lists all that it has.
_MOST_PAGES = 5
_ANY_STATE: tuple[Mapping[str, str], ...] = ({}, {"closed_only": "true"})
_PLAIN: tuple[Mapping[str, str], ...] = ({},)


class _TooMany(Exception):
    """The list has more rows than can be looked at."""


class ReferenceSearch:
    """Searches within one operation, to whose session ``reader`` belongs."""

    def __init__(self, reader: TicketReader, key_field: KeyField, claims: ClaimRegistry, own_agent: OwnAgent) -> None:
        self._reader = reader
        self._key_field = key_field
        self._claims = claims
        self._own_agent = own_agent

    def by_key(self, key: str, *, closed: bool = True) -> list[Ticket]:
        """The tickets whose key field holds ``key``, the oldest first. Raises HaloError.

        ``closed`` says whether also those are wanted that the plain list may leave out.
        """
        if not self._key_field.name:
            return []
        found: dict[int, Ticket] = {}
        for state in _ANY_STATE if closed else _PLAIN:
            try:
                rows = self._rows({**self._key_field.query(key), **state}, key)
            except _TooMany:
                continue
            found |= {as_id(row["id"]) or 0: row for row in self._opened(rows) if self.has_key(row, key)}
        return [found[number] for number in sorted(found)]

    def _rows(self, query: Mapping[str, str], key: str) -> list[Ticket]:
        """The first page's rows that may carry the key: an exact filter gives no more than a page."""
        rows, _ = next(iter(self._reader.pages(query)))
        shown = [row for row in rows if self._key_field.of(row) is not None]
        unclear = [row for row in rows if self._key_field.of(row) is None and as_id(row.get("id"))]
        if len(unclear) > MOST_OPENED:
            raise _TooMany
        return [row for row in shown if self.has_key(row, key)] + unclear

    def _opened(self, rows: Iterable[Ticket]) -> Iterator[Ticket]:
        for row in rows:
            ticket = self._reader.find(as_id(row.get("id")) or 0)
            if ticket is not None:
                yield ticket

    def has_key(self, ticket: Mapping[str, Any], key: str) -> bool:
        """Whether a ticket's key field holds ``key``."""
        held = self._key_field.of(ticket)
        return held is not None and same_key(held, key)

    def has_other_key(self, ticket: Mapping[str, Any], key: str) -> bool:
        """Whether a ticket's key field holds another key, so that it is somebody else's."""
        held = self._key_field.of(ticket)
        return bool(held) and not same_key(held or "", key)

    def by_reference(self, reference: str) -> list[Ticket]:
        """The tickets, open or closed, that carry an external reference and are ours, the oldest first.

        Raises HaloError when Halo lists too many to be sure that there is none.
        """
        found = self.by_key(reference)
        remembered = self._claims.by_reference(reference)
        if not found and remembered:
            # Made by this process a moment ago: Halo's list may not have it yet.
            ticket = self._reader.find(remembered)
            found = [ticket] if ticket and self._carries(ticket, reference) else []
        return found or self.by_line(reference)

    def _carries(self, ticket: Ticket, reference: str) -> bool:
        return self.has_key(ticket, reference) or has_reference(ticket, reference)

    def by_line(self, reference: str, *, closed: bool = True) -> list[Ticket]:
        """The tickets of our own agent whose details have the reference's line, the oldest first."""
        found: dict[int, Ticket] = {}
        for state in _ANY_STATE if closed else _PLAIN:
            for ticket in self._opened(self._with_line(reference, state)):
                number = as_id(ticket["id"]) or 0
                if number not in found and has_reference(ticket, reference) and self._is_ours(ticket, reference):
                    found[number] = ticket
        return [found[number] for number in sorted(found)]

    def _is_ours(self, ticket: Ticket, reference: str) -> bool:
        if self.has_other_key(ticket, reference):
            return False
        return self.has_key(ticket, reference) or self._own_agent.may_have_made(as_id(ticket["id"]) or 0, self._reader)

    def _with_line(self, reference: str, state: Mapping[str, str]) -> list[Ticket]:
        """Rows that may have the line: by a search in the details, else by a search in everything."""
        listed = 0
        for parameter in ("search_details", "search"):
            try:
                rows = self._all_rows({parameter: reference, **state})
            except _TooMany:
                continue
            few = len(rows) <= MOST_OPENED
            likely = [row for row in rows if few or not _details(row) or has_reference(row, reference)]
            if len(likely) <= MOST_OPENED:
                return likely
            listed = len(rows)
        if self._claims.keeps_key:
            # The key field has told already that none of them is ours.
            return []
        raise HaloError(
            kind="unsearchable",
            cause="HaloITSM lists too many tickets for this external reference to tell which one carries it.",
            assistance="Use a longer, unique External Reference. Nothing was created.",
            data=f"{listed or f'More than {_MOST_PAGES} pages of'} tickets came back for one reference.",
        )

    def _all_rows(self, query: Mapping[str, str]) -> list[Ticket]:
        found: list[Ticket] = []
        for number, (rows, _) in enumerate(self._reader.pages(query), start=1):
            if number > _MOST_PAGES:
                raise _TooMany
            found += rows
        return found

    def among_children(self, references: Iterable[str], parent_id: int) -> dict[str, list[Ticket]]:
        """The children of a ticket by those of the references that they carry. Raises HaloError."""
        wanted = {_normal(reference): reference for reference in references}
        found: dict[str, dict[int, Ticket]] = {}
        for state in _ANY_STATE:
            for rows, _ in self._reader.pages({"parent_id": str(parent_id), **state}):
                for row in rows:
                    ticket = (
                        row if self._key_field.of(row) is not None else self._reader.find(as_id(row.get("id")) or 0)
                    )
                    key = self._reference_of(ticket) if ticket and as_id(ticket.get("parent_id")) == parent_id else ""
                    if ticket and key in wanted:
                        found.setdefault(wanted[key], {})[as_id(ticket["id"]) or 0] = ticket
        return {reference: [rows[number] for number in sorted(rows)] for reference, rows in found.items()}

    def _reference_of(self, ticket: Mapping[str, Any]) -> str:
        return _normal(self._key_field.of(ticket) or "") or _normal(line_of(ticket))


def _normal(key: str) -> str:
    return unicodedata.normalize("NFC", html.unescape(" ".join(key.split())))


def same_key(one: str, other: str) -> bool:
    """Whether two keys are the same, white space, escaping and the composition of Unicode aside. Case counts."""
    return _normal(one) == _normal(other)


_LINE = "Reference: "


def reference_line(key: str) -> str:
    """The last line of the details of a ticket with an external reference."""
    return f"{_LINE}{key}"


def has_reference(ticket: Mapping[str, Any], key: str) -> bool:
    """Whether a line of the details is the reference: ``A1`` is not ``A10``."""
    return any(same_key(line, reference_line(key)) for line in _details(ticket).splitlines())


def line_of(ticket: Mapping[str, Any]) -> str:
    """The reference of the last line of the details, "" where that is none."""
    lines = [" ".join(line.split()) for line in _details(ticket).splitlines() if line.strip()]
    return lines[-1].removeprefix(_LINE) if lines and lines[-1].startswith(_LINE) else ""


def _details(ticket: Mapping[str, Any]) -> str:
    return text_of(ticket, "details", "details_html")
