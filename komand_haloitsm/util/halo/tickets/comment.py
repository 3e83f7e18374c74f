"""Adds notes to tickets, each exactly once, with the outcome that Halo wants for every action."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Mapping

from ..errors import Forbidden, HaloError, NotFound, UncertainWrite, converted_to, invalid_input, missing_ticket
from ..http.messages import Request
from ..http.retry import RetryPolicy
from ..http.rows import rows_of
from ..http.session import Session
from ..values.dates import parse_date
from ..values.ids import as_id, positive_id
from ..values.markup import same_text, text_of, to_html
from .exactly_once import ExactlyOnce
from .read import TicketReader

Action = dict[str, Any]

PUBLIC_OUTCOME = "Public Note"
PRIVATE_OUTCOME = "Private Note"
# The list of outcomes only makes an error clearer.
_PATIENCE = RetryPolicy(max_wait=3.0)


class CommentWriter:
    """Writes notes, in one operation: ``session`` is the operation's, and so is that of ``once``.

    ``outcomes``: the outcome's name by whether the note is private.
    """

    def __init__(self, session: Session, once: ExactlyOnce, outcomes: Mapping[bool, str]) -> None:
        self._session = session
        self._reader = TicketReader(session)
        self._once = once
        self._outcomes = outcomes

    def add(self, ticket_id: int, text: str, private: bool) -> Action:
        """The action that was made. Raises HaloError; where the outcome is refused, with those that there are."""
        if not isinstance(text, str) or not text.strip():
            raise invalid_input("comment", "is required and must not be empty")
        # Halo refuses an action without an outcome (seen live).
        note = {
            "ticket_id": positive_id(ticket_id),
            "outcome": self._outcomes[private],
            "note_html": to_html(text),
            "hiddenfromuser": private,
        }
        request = Request("POST", "/Actions", body=[note], repeatable=False)
        with self._once.exclusive():
            try:
                return self._once.create(
                    request,
                    lambda: self._made_from(ticket_id, text, private),
                    lambda action: _identity(ticket_id, action),
                )
            except HaloError as error:
                raise self._explained(error, ticket_id, self._outcomes[private]) from None

    def has_note(self, ticket_id: int, text: str) -> bool:
        """Whether the ticket got a note with this text in this operation. Raises HaloError."""
        rows, response = self._reader.actions(ticket_id)
        since = self._once.sent_after(response)
        return any(same_text(text, note_of(row)) and _made_at(row, since) >= since for row in rows)

    def _made_from(self, ticket_id: int, text: str, private: bool) -> list[Action]:
        rows, response = self._reader.actions(ticket_id)
        since = self._once.sent_after(response)
        return [row for row in rows if self._may_be_it(row, ticket_id, text, private) and _made_at(row, since) >= since]

    def _may_be_it(self, row: Action, ticket_id: int, text: str, private: bool) -> bool:
        return (
            bool(row.get("hiddenfromuser")) == private
            and not self._once.claims.is_claimed(_identity(ticket_id, row))
            and same_text(text, note_of(row))
        )

    def _explained(self, error: HaloError, ticket_id: int, outcome: str) -> HaloError:
        if isinstance(error, UncertainWrite):
            return error
        if isinstance(error, NotFound):
            return missing_ticket(ticket_id, error)
        if error.kind != "outcome" and not isinstance(error, Forbidden):
            return error
        names = self._outcome_names()
        known = f"The instance has these outcomes: {', '.join(names[:40])}." if names else ""
        cause, assistance = error.in_words({})
        return converted_to(
            error,
            type(error),
            cause=f'{cause} The connection names it "{outcome}".',
            assistance=f"{assistance} {known}".strip(),
        )

    def _outcome_names(self) -> list[str]:
        request = Request("GET", "/Outcome")
        try:
            response = self._session.begin(_PATIENCE).call(request)
            rows = rows_of(request, response.data, "outcomes", "results")
        except HaloError:
            return []
        return sorted({str(name) for name in (row.get("outcome") or row.get("name") for row in rows) if name})


def _identity(ticket_id: int, action: Mapping[str, Any]) -> tuple[int, int | None, datetime | None]:
    """What tells an action from all others: numbers of actions are unique per ticket only (seen live)."""
    made = parse_date(action.get("actiondatecreated")) or parse_date(action.get("datetime"))
    return ticket_id, as_id(action.get("id")), made and made.replace(microsecond=0)


def note_of(action: Mapping[str, Any]) -> str:
    """The text of an action."""
    return text_of(action, "note", "note_html")


def _made_at(action: Mapping[str, Any], otherwise: datetime) -> datetime:
    return parse_date(action.get("actiondatecreated")) or parse_date(action.get("datetime")) or otherwise
