"""The plugin's ``ticket`` output."""

from __future__ import annotations

from typing import Any, Mapping

from ..halo.tickets.output import from_halo


def ticket_output(ticket: Mapping[str, Any], client: Any) -> dict[str, Any]:
    """The ``ticket`` type from a Halo ticket, with the names that ``client`` knows and a link to its instance."""
    return from_halo(ticket, client.names_for(ticket), client.address)
