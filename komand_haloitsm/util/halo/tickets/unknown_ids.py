"""Explains a refusal by the ids that were sent and that the instance does not have.

Whether and in which words Halo refuses an unknown id is not known. So nothing is looked up unless a write was refused:
a list may leave out what an agent may use all the same, as Halo's list of agents does (documented).
"""

from __future__ import annotations

from typing import Any, Iterable, Mapping

from ..errors import HaloError, UncertainWrite, converted_to
from ..values.ids import as_id
from .lookups import Lookups

_KINDS = {
    "tickettype_id": ("tickettype", "ticket type"),
    "status_id": ("status", "status"),
    "priority_id": ("priority", "priority"),
    "agent_id": ("agent", "agent"),
}
# Other statuses do not speak of what was sent.
_REFUSALS = frozenset({400, 404, 500})


def explained(error: HaloError, sent: Mapping[str, Any], lookups: Lookups) -> HaloError:
    """``error``, with the ids in ``sent`` that the instance does not list and those that it lists in their place.

    What Halo said stays: the refusal may have another reason.
    """
    if isinstance(error, UncertainWrite) or not (error.kind == "not_carried_out" or error.status in _REFUSALS):
        return error
    unknown = unknown_ids(sent, lookups)
    if not unknown:
        return error
    cause, assistance = error.in_words({})
    return converted_to(
        error,
        type(error),
        cause=f"{cause} {_lacks(unknown)}",
        assistance=f"{_instead(unknown)} {assistance}",
    )


def check_told(what: str, differing: Iterable[str], sent: Mapping[str, Any], lookups: Lookups) -> None:
    """Raises HaloError where the instance does not have an id that was sent and that its answer does not show.

    ``differing`` are the fields that the answer shows otherwise, ``what`` is what was done all the same. A rule may
    have changed an id that there is: that is no error.
    """
    unknown = unknown_ids({name: sent.get(name) for name in differing}, lookups)
    if unknown:
        raise HaloError(
            kind="not_carried_out",
            cause=f"{what}. {_lacks(unknown)}",
            assistance=f"{_instead(unknown)} Set it with {{update}}: running {{create}} again may make a second one.",
            data="The answer to POST /Tickets shows another value.",
        )


def _lacks(unknown: Mapping[str, tuple[str, str]]) -> str:
    return f"HaloITSM lists no {' and no '.join(unknown)}."


def _instead(unknown: Mapping[str, tuple[str, str]]) -> str:
    return " ".join(f"Use one of these for the {one}: {names}." for one, names in unknown.values())


def unknown_ids(sent: Mapping[str, Any], lookups: Lookups) -> dict[str, tuple[str, str]]:
    """What the instance does not have, such as ``status with ID 99``: what it is, and those that it has."""
    found: dict[str, tuple[str, str]] = {}
    for name, (kind, what) in _KINDS.items():
        number = as_id(sent.get(name))
        there = lookups.in_place_of(kind, number) if number is not None else ""
        if there:
            found[f"{what} with ID {number}"] = (what, there)
    return found
