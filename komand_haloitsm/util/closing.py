"""What closing a ticket needs to decide: which status closes, and whether an answer says that it is closed. Pure."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from .errors import HaloITSMError
from .markup import same_text, to_text
from .tickets import as_id

Row = Mapping[str, Any]


def closed_status(statuses: Sequence[Row], wanted: int | None) -> int:
    """The status that closes: ``wanted``, else the only closed one, else the closed one named Closed.

    ``statuses`` are the lookup's rows (with ``closed``), empty when they cannot be read. Raises HaloITSMError when
    ``wanted`` is known not to close, or when none can be chosen. Status ids differ from instance to instance.
    """
    closing = [row for row in statuses if row.get("closed")]
    if wanted is not None:
        if closing and wanted not in {as_id(row.get("id")) for row in closing}:
            raise _refusal(f"Status {wanted} is not a closed status.", closing)
        return wanted
    named = [row for row in closing or statuses if str(row.get("name")).strip().casefold() == "closed"]
    chosen = closing if len(closing) == 1 else named
    number = as_id(chosen[0].get("id")) if len(chosen) == 1 else None
    if number is None:
        raise _refusal("The closed status of the instance is not clear.", closing or statuses)
    return number


def has_status(ticket: Row, status_id: int) -> bool:
    """Whether a ticket is in a status."""
    return as_id(ticket.get("status_id")) == status_id


def kept_note(ticket: Row, resolution: str) -> bool:
    """Whether Halo's answer to a close shows the resolution as its closure note (documented fields)."""
    plain, markup = ticket.get("closure_note"), ticket.get("closure_note_html")
    return (isinstance(plain, str) and same_text(resolution, plain)) or (
        isinstance(markup, str) and same_text(resolution, to_text(markup))
    )


def not_closed(ticket_id: int, ticket: Row, status_id: int) -> HaloITSMError:
    """The error for a ticket that Halo did not close although it accepted the request."""
    now = as_id(ticket.get("status_id"))
    return HaloITSMError(
        kind="not_closed",
        cause=f"HaloITSM accepted the request, but ticket {ticket_id} is not closed.",
        assistance="Check that the status closes tickets, that no approval or workflow step holds the ticket, and that "
        'the API agent\'s role has "Can always update Ticket Statuses and re-assign Tickets outside of actions".',
        data=f"Asked for status {status_id}, the ticket is in status {now}.",
    )


def _refusal(cause: str, rows: Sequence[Row]) -> HaloITSMError:
    there = ", ".join(f"{as_id(row.get('id'))} {row.get('name')}" for row in rows[:40])
    return HaloITSMError(
        kind="input",
        cause=cause,
        assistance=f"Give one of these as Closed Status ID: {there or 'none could be read'}. Nothing was changed.",
    )
