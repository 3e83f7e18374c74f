"""The plugin's outputs ``ticket``, ``attachments`` and ``comments``."""

from __future__ import annotations

from typing import Any, Iterable, Mapping

from ..halo.tickets.attachment import Attached
from ..halo.tickets.output import from_halo


def ticket_output(ticket: Mapping[str, Any], client: Any) -> dict[str, Any]:
    """The ``ticket`` output for a Halo ticket, with names from ``client``'s lookups and a link to the ticket."""
    return from_halo(ticket, client.names_for(ticket), client.address)


def attachments_output(attached: Iterable[Attached]) -> list[dict[str, Any]]:
    """The ``attachments`` output for files at a ticket."""
    return [{"id": one.number, "filename": one.name, "uploaded": one.uploaded} for one in attached]
