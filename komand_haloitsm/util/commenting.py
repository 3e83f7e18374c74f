"""Adds notes to tickets, each exactly once, with the outcome that Halo wants for every action."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Mapping

from .creating import Desk, single_made
from .dates import parse_date
from .errors import HaloITSMError, UncertainWriteError, missing_ticket, retold
from .exchange import Request
from .inputs import bad_input, positive
from .markup import same_text, text_of, to_html
from .retry import RetryPolicy
from .rows import rows_of
from .tickets import as_id

Action = dict[str, Any]

PUBLIC_OUTCOME = "Public Note"
PRIVATE_OUTCOME = "Private Note"
# The list of outcomes only makes an error clearer.
_PATIENCE = RetryPolicy(max_wait=3.0)


class CommentWriter:
    """Writes notes. ``outcomes``: the outcome's name by whether the note is private."""

    def __init__(self, desk: Desk, outcomes: Mapping[bool, str]) -> None:
        self._desk = desk
        self._outcomes = outcomes

    def add(self, ticket_id: int, text: str, private: bool) -> Action:
        """The action that was made. Raises HaloITSMError; where the outcome is refused, with those that there are."""
        if not isinstance(text, str) or not text.strip():
            raise bad_input("comment", "is required and must not be empty")
        # Halo refuses an action without an outcome (seen live).
        note = {
            "ticket_id": positive(ticket_id),
            "outcome": self._outcomes[private],
            "note_html": to_html(text),
            "hiddenfromuser": private,
        }
        request = Request("POST", "/Actions", body=[note], repeatable=False)
        began = self._desk.clock()
        with self._desk.ledger.turn(self._desk.patience):
            try:
                action = self._desk.once.run(
                    lambda: single_made(request, self._desk.call(request, since=began)),
                    lambda: self._made_since(ticket_id, text, private, began),
                    "The comment",
                )
            except HaloITSMError as error:
                raise self._explained(error, ticket_id, self._outcomes[private]) from None
            self._desk.ledger.give(_identity(ticket_id, action))
            return action

    def has_note(self, ticket_id: int, text: str, began: float) -> bool:
        """Whether the ticket got a note with this text after ``began``, a time of the clock. Raises HaloITSMError."""
        rows, answer = self._desk.reader.actions(ticket_id)
        since = self._desk.began_at(answer, began)
        return any(same_text(text, note_of(row)) and _made_at(row, since) >= since for row in rows)

    def _made_since(self, ticket_id: int, text: str, private: bool, began: float) -> list[Action]:
        rows, answer = self._desk.reader.actions(ticket_id, since=began)
        since = self._desk.began_at(answer, began)
        return [row for row in rows if self._may_be_it(row, ticket_id, text, private) and _made_at(row, since) >= since]

    def _may_be_it(self, row: Action, ticket_id: int, text: str, private: bool) -> bool:
        return (
            bool(row.get("hiddenfromuser")) == private
            and not self._desk.ledger.was_given(_identity(ticket_id, row))
            and same_text(text, note_of(row))
        )

    def _explained(self, error: HaloITSMError, ticket_id: int, outcome: str) -> HaloITSMError:
        if isinstance(error, UncertainWriteError):
            return error
        if error.kind == "not_found":
            return missing_ticket(ticket_id, error)
        if error.kind not in ("outcome", "forbidden"):
            return error
        names = self._outcome_names()
        known = f"The instance has these outcomes: {', '.join(names[:40])}." if names else ""
        return retold(
            error,
            HaloITSMError,
            cause=f'{error.cause} The connection names it "{outcome}".',
            assistance=f"{error.assistance} {known}".strip(),
        )

    def _outcome_names(self) -> list[str]:
        request = Request("GET", "/Outcome")
        try:
            rows = rows_of(request, self._desk.call(request, policy=_PATIENCE).data, "outcomes", "results")
        except HaloITSMError:
            return []
        return sorted({str(name) for name in (row.get("outcome") or row.get("name") for row in rows) if name})


def _identity(ticket_id: int, action: Mapping[str, Any]) -> tuple[int, int | None, datetime | None]:
    """What tells an action from all others: numbers of actions are unique per ticket only (seen live)."""
    made = parse_date(action.get("actiondatecreated")) or parse_date(action.get("datetime"))
    return ticket_id, as_id(action.get("id")), made and made.replace(microsecond=0)


def note_of(action: Mapping[str, Any]) -> str:
    """The text of an action."""
    return text_of(action, "note", "note_html")


def _made_at(action: Mapping[str, Any], otherwise: Any) -> Any:
    return parse_date(action.get("actiondatecreated")) or parse_date(action.get("datetime")) or otherwise
