"""Reads any ticket of HaloITSM for the devices that it names. Nothing of its text is stored, logged or shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from haloitsm_client import HaloClient
from haloitsm_client.values.markup import text_of

from ..domain.mentions import words_in


def words_of_ticket(client: HaloClient, number: int) -> frozenset[str]:
    """The words of its summary, its details, its custom fields and its assets, as ``domain.mentions`` tells them apart.

    Raises HaloError, NotFound where HaloITSM shows no such ticket.
    """
    return words_in(_texts(client.get_ticket(number)))


def _texts(ticket: Mapping[str, Any]) -> Iterator[str]:
    yield str(ticket.get("summary") or "")
    yield text_of(ticket, "details", "details_html")
    # What names a machine is another field for each asset type (key_field, inventory_number), so all are looked at.
    for name in ("assets", "customfields"):
        for row in ticket.get(name) or ():
            if isinstance(row, Mapping):
                yield from (value for value in row.values() if isinstance(value, str))
