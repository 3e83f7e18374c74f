"""Closes tickets: which status closes, whether an answer says that the ticket is closed, and the closure itself."""

from __future__ import annotations

from typing import Any, Callable, ContextManager, Mapping, Sequence

from ..errors import HaloError, UncertainWrite
from ..http.session import Session
from ..values.ids import as_id, positive_id
from ..values.markup import to_text
from ..values.stored_text import may_be_stored_as
from .comment import CommentWriter
from .exactly_once import ExactlyOnce
from .lookups import Lookups
from .output import is_closed
from .read import TicketReader
from .update import TicketUpdater

Row = Mapping[str, Any]
Ticket = dict[str, Any]


class TicketCloser:
    """Closes tickets, in one operation, whose session ``session`` is, and that of ``once`` and ``commenting()``."""

    def __init__(
        self,
        session: Session,
        once: ExactlyOnce,
        lookups: Lookups,
        commenting: Callable[[], ContextManager[CommentWriter]],
    ) -> None:
        self._session = session
        self._reader = TicketReader(session)
        self._updater = TicketUpdater(session)
        self._once = once
        self._commenting = commenting
        self._lookups = lookups

    def close(self, ticket_id: int, status_id: int | None, resolution: str | None) -> Ticket:
        """The closed ticket. Raises HaloError when Halo does not say that it is closed."""
        status = closed_status(self._statuses(status_id), status_id)
        body: Ticket = {"status_id": status}
        if resolution:
            body["closure_note"] = resolution
        ticket = self._close(positive_id(ticket_id), body)
        if has_status(ticket, status) and self._closed(ticket) is None:
            # The answer does not tell, nor do the statuses: the ticket itself has a date of closure (official).
            ticket = self._reader.get(ticket_id)
        if not has_status(ticket, status) or not self._closed(ticket):
            raise not_closed(ticket_id, ticket, status)
        if resolution and not kept_note(ticket, resolution):
            with self._commenting() as comments:
                # Halo's answer does not show the note. If no action of the ticket does either, it is added.
                if not comments.has_note(ticket_id, resolution):
                    comments.add(ticket_id, resolution, private=True)
        return ticket

    def _close(self, ticket_id: int, body: Ticket) -> Ticket:
        try:
            if "closure_note" not in body:
                return self._updater.update(ticket_id, body)
            # With a note it must not be done twice, so after a lost answer the ticket is looked at first.
            return self._updater.update(ticket_id, body, self._post_once)
        except UncertainWrite:
            raise
        except HaloError as error:
            return self._closed_before(ticket_id, body["status_id"], error)

    def _post_once(self, body: Ticket) -> Ticket:
        return self._once.run(
            lambda: self._updater.post(body, repeatable=False),
            lambda: [ticket for ticket in [self._reader.get(body["id"])] if has_status(ticket, body["status_id"])],
            reliable=lambda: True,
        )

    def _closed_before(self, ticket_id: int, status_id: int, refusal: HaloError) -> Ticket:
        """The ticket when it is closed already, which may be why Halo refuses to touch it. Else raises ``refusal``."""
        if refusal.status not in (400, 403):
            raise refusal
        ticket = self._reader.find(ticket_id)
        if ticket is None or not has_status(ticket, status_id) or not self._closed(ticket):
            raise refusal
        return ticket

    def _statuses(self, wanted: int | None) -> list[Row]:
        try:
            return self._lookups.rows("status", self._session, enough=lambda rows: _tells(rows, wanted))
        except HaloError:
            if wanted is None:
                raise
            # An agent without the right to read statuses can still close with one that is given.
            return []

    def _closed(self, ticket: Row) -> bool | None:
        return is_closed(ticket, self._lookups.closed(as_id(ticket.get("status_id"))))


def closed_status(statuses: Sequence[Row], wanted: int | None) -> int:
    """The status that closes: ``wanted``, else the only closed one, else the closed one named Closed.

    Of two with that name the one of type 0 counts: it is a ticket's, the other belongs to something else (seen live).

    ``statuses`` are the lookup's rows (with ``closed``), empty when they cannot be read. Raises HaloError when
    ``wanted`` is known not to close, or when none can be chosen. Status ids differ from instance to instance.
    """
    closing = [row for row in statuses if row.get("closed")]
    if wanted is not None:
        if closing and wanted not in {as_id(row.get("id")) for row in closing}:
            raise _refusal(f"Status {wanted} is not a closed status.", closing)
        return wanted
    named = [row for row in closing or statuses if str(row.get("name")).strip().casefold() == "closed"]
    if len(named) > 1:
        named = [row for row in named if str(row.get("type")) in ("0", "0.0")]
    chosen = closing if len(closing) == 1 else named
    number = as_id(chosen[0].get("id")) if len(chosen) == 1 else None
    if number is None:
        raise _refusal("The closed status of the instance is not clear.", closing or statuses)
    return number


def _tells(statuses: Sequence[Row], wanted: int | None) -> bool:
    """Whether ``closed_status`` finds one among these."""
    try:
        closed_status(statuses, wanted)
    except HaloError:
        return False
    return True


def has_status(ticket: Row, status_id: int) -> bool:
    """Whether a ticket is in a status."""
    return as_id(ticket.get("status_id")) == status_id


def kept_note(ticket: Row, resolution: str) -> bool:
    """Whether Halo's answer to a close shows the resolution as its closure note (documented fields)."""
    plain, markup = ticket.get("closure_note"), ticket.get("closure_note_html")
    return (isinstance(plain, str) and may_be_stored_as(resolution, plain)) or (
        isinstance(markup, str) and may_be_stored_as(resolution, to_text(markup))
    )


def not_closed(ticket_id: int, ticket: Row, status_id: int) -> HaloError:
    """The error for a ticket that Halo did not close although it accepted the request."""
    now = as_id(ticket.get("status_id"))
    return HaloError(
        kind="not_closed",
        cause=f"HaloITSM accepted the request, but ticket {ticket_id} is not closed.",
        assistance="Check that the status closes tickets, that no approval or workflow step holds the ticket, and that "
        'the API agent\'s role has "Can always update Ticket Statuses and re-assign Tickets outside of actions".',
        data=f"Asked for status {status_id}, the ticket is in status {now}.",
    )


def _refusal(cause: str, rows: Sequence[Row]) -> HaloError:
    there = ", ".join(f"{as_id(row.get('id'))} {row.get('name')}" for row in rows[:40])
    return HaloError(
        kind="input",
        cause=cause,
        assistance=f"Give one of these as Closed Status ID: {there or 'none could be read'}. Nothing was changed.",
    )
