"""The plugin's ``ticket`` output."""

from __future__ import annotations

from typing import Any, Mapping

from ..halo.tickets.output import from_halo


def ticket_output(ticket: Mapping[str, Any], client: Any) -> dict[str, Any]:
    """The ``ticket`` output for a Halo ticket, with names from ``client``'s lookups and a link to the ticket."""
    return from_halo(ticket, client.names_for(ticket), client.address)
