"""The plugin's outputs ``ticket``, ``attachments`` and ``comments``."""

from __future__ import annotations

from typing import Any, Iterable, Mapping

from ..halo.tickets.attachment import Attached
from ..halo.tickets.comment import made_at, note_of
from ..halo.tickets.output import from_halo
from ..halo.values.dates import format_date
from ..halo.values.ids import as_id


def ticket_output(ticket: Mapping[str, Any], client: Any) -> dict[str, Any]:
    """The ``ticket`` output for a Halo ticket, with names from ``client``'s lookups and a link to the ticket."""
    return from_halo(ticket, client.names_for(ticket), client.address)


def attachments_output(attached: Iterable[Attached]) -> list[dict[str, Any]]:
    """The ``attachments`` output for files at a ticket."""
    return [{"id": one.number, "filename": one.name, "uploaded": one.uploaded} for one in attached]


def comment_output(action: Mapping[str, Any]) -> dict[str, Any]:
    """One of the ``comments`` output for one of Halo's actions, without what Halo does not give."""
    when, hidden = made_at(action), action.get("hiddenfromuser")
    texts = {name: action.get(name) for name in ("who", "outcome")}
    found = {
        "id": as_id(action.get("id")),
        **{name: text if isinstance(text, str) and text else None for name, text in texts.items()},
        "when": format_date(when) if when else None,
        "private": hidden if isinstance(hidden, bool) else None,
        "text": note_of(action),
    }
    return {name: value for name, value in found.items() if value is not None}
