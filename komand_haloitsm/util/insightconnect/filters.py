"""Says in the log which of a trigger's filters no ticket can ever match, because HaloITSM has no such record."""

from __future__ import annotations

from typing import Any, Mapping

from ..halo.errors import HaloError, NotFound
from ..halo.http.retry import RetryPolicy
from ..halo.values.ids import as_id
from .inputs import given_id
from .titles import TITLES

# The list of each filter, and the field of its rows that tickets refer to.
_LISTS = {
    "tickettype_id": ("tickettype", "id"),
    "priority_id": ("priority", "priorityid"),
    "new_status_id": ("status", "id"),
}
_NAMES = {"tickettype_id": "ticket type", "priority_id": "priority", "new_status_id": "status", "ticket_id": "ticket"}


def tell_unknown_filters(params: Mapping[str, Any], client: Any, logger: Any) -> None:
    """Warn of each filter among the inputs whose id HaloITSM does not have. What cannot be looked up is not told."""
    for name, what in _NAMES.items():
        number = given_id(params, name)
        if number is not None and not _may_exist(name, number, client):
            logger.warning(
                f"HaloITSM trigger: the input {TITLES[name]} is {number}, but HaloITSM shows no {what} with this ID. "
                "Until there is one, this trigger delivers nothing. Check the input."
            )


def _may_exist(name: str, number: int, client: Any) -> bool:
    try:
        if name == "ticket_id":
            client.reader(RetryPolicy(max_wait=0.0)).get(number)
            return True
        kind, field = _LISTS[name]
        return any(as_id(row.get(field)) == number for row in client.lookups.rows(kind))
    except NotFound:
        return False
    except HaloError:
        return True
