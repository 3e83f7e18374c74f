"""Adds notes to tickets, each exactly once, with the outcome that Halo wants for every action."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Mapping, Sequence

from ..errors import (
    Forbidden,
    HaloError,
    NotFound,
    Unauthorized,
    UncertainWrite,
    converted_to,
    invalid_input,
    missing_ticket,
)
from ..http.error_texts import misunderstood
from ..http.messages import Request
from ..http.retry import RetryPolicy
from ..http.session import Session
from ..values.dates import parse_date
from ..values.ids import as_id, positive_id, whole_number
from ..values.markup import text_of, to_html
from ..values.stored_text import may_be_stored_as
from .attachment import Attached
from .exactly_once import ExactlyOnce
from .outcomes import listed_outcomes, read_outcomes
from .own_agent import OwnAgent
from .read import RECENT_ACTIONS, TicketReader

Action = dict[str, Any]


class AddedComment(Action):
    """A note as Halo answers. ``attachments`` are the files that were given with it."""

    def __init__(self, action: Mapping[str, Any], attachments: Sequence[Attached] = ()) -> None:
        super().__init__(action)
        self.attachments = tuple(attachments)


PUBLIC_OUTCOME = "Public Note"
PRIVATE_OUTCOME = "Private Note"
# The list of outcomes only makes an error clearer.
_PATIENCE = RetryPolicy(max_wait=3.0)
# How many actions are read to find one among them.
MOST_ACTIONS = 1_000
# How many actions are read for the comments among them.
MOST_COMMENTS = 100
# who_type of an action: the system, as where a rule ran (seen in clients).
_SYSTEM = 0
# The Date header has whole seconds, and an action is dated before it is answered.
_CLOCK_SLACK = timedelta(seconds=5)


class CommentWriter:
    """Writes notes, in one operation: ``session`` is the operation's, and so is that of ``once``.

    ``outcomes``: the outcome's name by whether the note is private.
    """

    def __init__(self, session: Session, once: ExactlyOnce, own_agent: OwnAgent, outcomes: Mapping[bool, str]) -> None:
        self._session = session
        self._reader = TicketReader(session)
        self._once = once
        self._claims = once.claims
        self._own_agent = own_agent
        self._outcomes = outcomes
        self._newest_before: int | None = None

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
        self._newest_before = self._newest_action(ticket_id)
        try:
            return self._once.create(
                request,
                lambda: [row for row in self._newer(ticket_id) if self._may_be_it(row, ticket_id, text)],
                lambda action: _identity(ticket_id, action),
                fits=lambda action: as_id(action.get("ticket_id")) in (None, ticket_id),
            )
        except HaloError as error:
            raise self._explained(error, ticket_id, self._outcomes[private]) from None

    def _newest_action(self, ticket_id: int) -> int | None:
        """The number of the ticket's newest action, 0 for none; None where actions may not be read."""
        try:
            rows, _ = self._reader.actions(ticket_id, 1)
        except (Forbidden, NotFound, Unauthorized):
            return None
        return max((as_id(row.get("id")) or 0 for row in rows), default=0)

    def has_note(self, ticket_id: int, text: str) -> bool:
        """Whether the ticket got a note with this text in this operation. Raises HaloError."""
        rows, response = self._reader.actions(ticket_id)
        since = (response.date or self._session.clock.now()) - timedelta(seconds=self._session.elapsed) - _CLOCK_SLACK
        return any(may_be_stored_as(text, note_of(row)) and (made_at(row) or since) >= since for row in rows)

    def _newer(self, ticket_id: int) -> list[Action]:
        """The ticket's actions that are newer than the sending. Raises HaloError where that cannot be told."""
        before = self._newest_before
        if before is None:
            raise misunderstood(Request("GET", "/Actions"), "which actions were there before could not be read")
        for count in (RECENT_ACTIONS, MOST_ACTIONS):
            rows, _ = self._reader.actions(ticket_id, count)
            newer = [row for row in rows if (as_id(row.get("id")) or 0) > before]
            if len(newer) < len(rows) or len(rows) < count:
                break
        return newer

    def _may_be_it(self, row: Action, ticket_id: int, text: str) -> bool:
        # Whether it is private is not compared: a rule may have made it so. A change of the ticket is no note.
        is_change = any(row.get(name) for name in ("new_status", "new_agent", "new_team"))
        return (
            not is_change
            and not self._claims.is_claimed(_identity(ticket_id, row))
            and may_be_stored_as(text, note_of(row))
            and self._own_agent.may_have_done(row)
        )

    def _explained(self, error: HaloError, ticket_id: int, outcome: str) -> HaloError:
        if isinstance(error, UncertainWrite):
            return error
        if isinstance(error, NotFound):
            return missing_ticket(ticket_id, error)
        if error.kind != "outcome" and not isinstance(error, Forbidden):
            return error
        names = self._known_outcomes()
        known = f"The instance has these outcomes: {names}." if names else ""
        cause, assistance = error.in_words({})
        return converted_to(
            error,
            type(error),
            cause=f'{cause} The connection names it "{outcome}".',
            assistance=f"{assistance} {known}".strip(),
        )

    def _known_outcomes(self) -> str:
        try:
            return listed_outcomes(read_outcomes(self._session.begin(_PATIENCE)))
        except HaloError:
            return ""


def _identity(ticket_id: int, action: Mapping[str, Any]) -> tuple[int, int | None, datetime | None]:
    """What tells an action from all others: numbers of actions are unique per ticket only (seen live)."""
    made = made_at(action)
    return ticket_id, as_id(action.get("id")), made and made.replace(microsecond=0)


def is_comment(action: Mapping[str, Any]) -> bool:
    """Whether an action is somebody's text: a person's or an application's, not the system's."""
    return whole_number(action.get("who_type")) != _SYSTEM and bool(note_of(action).strip())


def note_of(action: Mapping[str, Any]) -> str:
    """The text of an action."""
    return text_of(action, "note", "note_html")


def made_at(action: Mapping[str, Any]) -> datetime | None:
    """When an action was made, as Halo dates it."""
    return parse_date(action.get("actiondatecreated")) or parse_date(action.get("datetime"))
