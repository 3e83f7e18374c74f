"""The names that a person chooses from: what an instance has of each kind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from haloitsm_client import HaloClient, HaloError
from haloitsm_client.tickets.lookups import name_of

from .asking import is_away
from .instance import Instance, Options

STATUS = "status"
# The kinds of Lookups.rows that the wizard offers, as people call them.
KINDS = {"tickettype": "ticket types", "priority": "priorities", "agent": "agents", "team": "teams"}
MOST = 5000
# How an agent sees a field that a new ticket of the type has to have (a guess).
_REQUIRED = 2


@dataclass(frozen=True)
class Lists:
    """Names by kind, and why a list could not be read, by kind."""

    names: dict[str, list[str]] = field(default_factory=dict)
    trouble: dict[str, HaloError] = field(default_factory=dict)


def read_lists(client: HaloClient, kinds: Iterable[str]) -> Lists:
    """The names of these kinds, each once; statuses in the instance's order, others by name. One of more than MOST is
    left out: nobody chooses from it.

    A list that may not be read is told in ``trouble``. Raises HaloError where HaloITSM is away, as the others would
    fail as well, and HaloAway.
    """
    lists = Lists()
    for kind in kinds:
        try:
            names = _names(client, kind)
            if len(names) <= MOST:
                lists.names[kind] = names
        except HaloError as error:
            if is_away(error):
                raise
            lists.trouble[kind] = error
    return lists


def _names(client: HaloClient, kind: str) -> list[str]:
    if kind == STATUS:
        return list(dict.fromkeys(Instance(client, Options()).status_map().names.values()))
    return sorted({name for row in client.lookups.rows(kind) if (name := name_of(kind, row))}, key=str.casefold)


def mandatory_fields(client: HaloClient, ticket_type: str) -> list[dict[str, Any]]:
    """The fields that HaloITSM's description calls mandatory for new tickets of a type: ``name``, ``label`` and whether
    it is a ``custom`` one. None for a type that there is none of. Raises HaloError."""
    number = client.lookups.number("tickettype", ticket_type)
    found = []
    for row in client.lookups.type_fields(number) if number is not None else []:
        told = row.get("fieldinfo")
        info = told if isinstance(told, dict) else {}
        name = str(info.get("name") or row.get("fieldname") or "")
        if name and (info.get("mandatory") is True or row.get("technew") == _REQUIRED):
            custom = bool(info.get("custom")) or name.startswith("CF")
            found.append({"name": name, "label": str(info.get("label") or name), "custom": custom})
    return found
