"""Finds tickets by their key or external reference.

A ticket that this client made carries its external reference twice: in the key field, where the instance keeps it, and
as the last line of its details. The key field is exact. The line is for people, for instances without the field and for
tickets of version 1.0.0; anybody can write such a line, so it counts only in a ticket that the application's own agent
made.
"""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from typing import Any, Iterable, Iterator, Mapping

from ..errors import HaloError
from ..http.rows import total_of
from ..values.ids import as_id
from ..values.markup import text_of
from .exactly_once import ClaimRegistry
from .external_key import KeyField
from .filters import PAGE_SIZE
from .own_agent import OwnAgent
from .read import TicketReader

Ticket = dict[str, Any]

# How many tickets are opened to see whether they carry a key or a reference that the list did not show.
MOST_OPENED = 40
# How many pages are read for one question: an instance that ignores the filter lists all that it has.
_MOST_PAGES = 5
_ANY_STATE: tuple[Mapping[str, str], ...] = ({}, {"closed_only": "true"})
_PLAIN: tuple[Mapping[str, str], ...] = ({},)


class Unanswered(Exception):
    """The list has ignored the filter, or has more rows than can be looked at: it proves no absence."""


class ReferenceSearch:
    """Searches within one operation, to whose session ``reader`` belongs."""

    def __init__(self, reader: TicketReader, key_field: KeyField, claims: ClaimRegistry, own_agent: OwnAgent) -> None:
        self._reader = reader
        self._key_field = key_field
        self._claims = claims
        self._own_agent = own_agent

    def by_key(self, key: str, *, closed: bool = True) -> list[Ticket]:
        """The tickets whose key field holds ``key``, the oldest first. Raises HaloError, and Unanswered.

        ``closed`` says whether also those are wanted that the plain list may leave out.
        """
        if not self._key_field.name:
            return []
        found: dict[int, Ticket] = {}
        for state in _ANY_STATE if closed else _PLAIN:
            rows = self._rows({**self._key_field.query(key), **state}, key)
            found |= {as_id(row["id"]) or 0: row for row in self._opened(rows) if self.has_key(row, key)}
        return [found[number] for number in sorted(found)]

    def _rows(self, query: Mapping[str, str], key: str) -> list[Ticket]:
        """The first page's rows that may carry the key: an exact filter gives no more than a page."""
        rows, _ = next(iter(self._reader.pages(query)))
        foreign = [row for row in rows if self.has_other_key(row, key)]
        likely = [row for row in rows if not self.has_other_key(row, key) and as_id(row.get("id"))]
        if (foreign and not self._key_field.is_custom) or len(likely) > MOST_OPENED:
            raise Unanswered
        return likely

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
        """Whether a ticket's key field holds another key, so that it is somebody else's.

        A field that has cut the key, changed its case or lost its letters beyond ASCII holds no other one.
        """
        held = _comparable(self._key_field.of(ticket) or "")
        return bool(held) and not _comparable(key).startswith(held)

    def by_reference(self, reference: str) -> list[Ticket]:
        """The tickets, open or closed, that carry an external reference and are ours, the oldest first.

        Raises HaloError when Halo lists too many to be sure that there is none.
        """
        answered = bool(self._key_field.name)
        found: list[Ticket] = []
        try:
            found = [ticket for ticket in self.by_key(reference) if self.is_ours(ticket, reference)]
        except Unanswered:
            answered = False
        remembered = self._claims.by_reference(reference)
        if not found and remembered:
            # Made by this process a moment ago: Halo's list may not have it yet.
            ticket = self._reader.find(remembered)
            found = [ticket] if ticket else []
        return found or self.by_line(reference, key_answered=answered)

    def by_line(self, reference: str, *, closed: bool = True, key_answered: bool = False) -> list[Ticket]:
        """The tickets of our own agent whose details have the reference's line, the oldest first.

        ``key_answered``: the key field has told that none carries it, so that a list without end is no error.
        """
        found: dict[int, Ticket] = {}
        for state in _ANY_STATE if closed else _PLAIN:
            for ticket in self._opened(self._with_line(reference, state, key_answered)):
                number = as_id(ticket["id"]) or 0
                if number not in found and has_reference(ticket, reference) and self.is_ours(ticket, reference):
                    found[number] = ticket
        return [found[number] for number in sorted(found)]

    def is_ours(self, ticket: Ticket, reference: str) -> bool:
        """Whether the application's own agent made it: others may use the same field, and anybody can write a line."""
        if self.has_other_key(ticket, reference):
            return False
        if self.has_key(ticket, reference) and has_reference(ticket, reference):
            return True
        return self._own_agent.may_have_made(as_id(ticket["id"]) or 0, self._reader)

    def _with_line(self, reference: str, state: Mapping[str, str], key_answered: bool) -> list[Ticket]:
        """Rows that may have the line: by a search in the details, else by a search in everything."""
        listed = 0
        for parameter in ("search_details", "search"):
            try:
                rows = self._all_rows({parameter: searchable(reference), **state})
            except Unanswered:
                continue
            few = len(rows) <= MOST_OPENED
            likely = [row for row in rows if few or not _details(row) or has_reference(row, reference)]
            if len(likely) <= MOST_OPENED:
                return likely
            listed = len(rows)
        if key_answered:
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
                raise Unanswered
            found += rows
        return found

    def by_key_or_line(self, reference: str) -> list[Ticket]:
        """As ``by_reference``, for tickets of this version: where keys are known to be kept, nothing else is asked."""
        keeps = any(kept for (name, _), kept in self._claims.keeps_key.items() if name == self._key_field.name)
        if not keeps or self._key_field.is_custom:
            return self.by_reference(reference)
        try:
            return [ticket for ticket in self.by_key(reference) if self.is_ours(ticket, reference)]
        except Unanswered:
            return self.by_line(reference)

    def among_children(self, references: Iterable[str], parent_id: int) -> dict[str, list[Ticket]]:
        """The children of a ticket by those of the references that they carry. Raises HaloError, and Unanswered."""
        wanted = {_normal(reference): reference for reference in references}
        found: dict[str, dict[int, Ticket]] = {}
        seen: set[int] = set()
        for state in _ANY_STATE:
            for rows, response in self._reader.pages({"parent_id": str(parent_id), **state}):
                if any(as_id(row.get("parent_id")) not in (None, parent_id) for row in rows):
                    raise Unanswered
                if not seen and self._is_cheaper_by_key(len(wanted), rows, total_of(response.data)):
                    with suppress(Unanswered):
                        return self._by_keys(wanted.values())
                for row in rows:
                    number = as_id(row.get("id")) or 0
                    if number not in seen:
                        seen.add(number)
                        self._sort_in(row, parent_id, wanted, found)
        return {reference: [rows[number] for number in sorted(rows)] for reference, rows in found.items()}

    def _is_cheaper_by_key(self, count: int, rows: list[Ticket], total: int | None) -> bool:
        """Whether so many references cost fewer requests by themselves than the pages of so many children.

        Only where every row shows a key: then the instance keeps keys, and a look by key proves absence.
        """
        if self._key_field.is_custom or not rows or total is None:
            return False
        return count * len(_ANY_STATE) < total // PAGE_SIZE and all(self._key_field.of(row) for row in rows)

    def _by_keys(self, references: Iterable[str]) -> dict[str, list[Ticket]]:
        """The tickets of references, each asked for by its key. Raises HaloError, and Unanswered."""
        found = {reference: self.by_key(reference) for reference in references}
        return {
            reference: [ticket for ticket in tickets if self.is_ours(ticket, reference)]
            for reference, tickets in found.items()
        }

    def _sort_in(
        self, row: Ticket, parent_id: int, wanted: Mapping[str, str], found: dict[str, dict[int, Ticket]]
    ) -> None:
        shows_all = bool(self._key_field.of(row)) and as_id(row.get("parent_id")) == parent_id
        ticket = row if shows_all else self._reader.find(as_id(row.get("id")) or 0)
        if ticket is not None and as_id(ticket.get("parent_id")) == parent_id:
            reference = wanted.get(self._reference_of(ticket))
            if reference is not None:
                found.setdefault(reference, {})[as_id(ticket["id"]) or 0] = ticket

    def _reference_of(self, ticket: Mapping[str, Any]) -> str:
        return _normal(self._key_field.of(ticket) or "") or _normal(line_of(ticket))


# What Halo escapes. Nothing else is undone: a reference may hold an address with "&copy=1".
_ESCAPES = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#39;", "'"), ("&amp;", "&"))


def _normal(key: str) -> str:
    key = " ".join(key.split())
    for escaped, plain in _ESCAPES:
        key = key.replace(escaped, plain)
    return unicodedata.normalize("NFC", key)


def _comparable(key: str) -> str:
    """A key without case and without what a data base may lose of it."""
    return "".join(char if char.isascii() else "?" for char in _normal(key)).casefold()


def same_key(one: str, other: str) -> bool:
    """Whether two keys are the same, white space, escaping and the composition of Unicode aside. Case counts."""
    return _normal(one) == _normal(other)


def searchable(reference: str) -> str:
    """The longest piece of a reference that is stored and searched for as it is, whatever is done to its signs."""
    return max(re.findall(r"[A-Za-z0-9.:_/-]+", reference), key=len, default=reference)


_LINE = "Reference: "


def reference_line(key: str) -> str:
    """The last line of the details of a ticket with an external reference."""
    return f"{_LINE}{key}"


def has_reference(ticket: Mapping[str, Any], key: str) -> bool:
    """Whether the reference's line in the details is that of ``key``: ``A1`` is not ``A10``."""
    held = line_of(ticket)
    return bool(held) and same_key(held, key)


def line_of(ticket: Mapping[str, Any]) -> str:
    """The reference in the details, "" where there is none.

    The last one counts: texts may quote others. A rule may have put lines after it, or Halo may have joined the lines.
    """
    details = _details(ticket)
    lines = [" ".join(line.split()) for line in details.splitlines()]
    found = [line.removeprefix(_LINE) for line in lines if line.startswith(_LINE)]
    # Two line breaks stood before it: where lines are joined, two spaces.
    return found[-1] if found else details.rpartition(f"  {_LINE}")[2].strip() if f"  {_LINE}" in details else ""


def _details(ticket: Mapping[str, Any]) -> str:
    return text_of(ticket, "details", "details_html")
