"""A step of a stored plan as a person reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...store import models


@dataclass(frozen=True)
class ShownStep:
    """``ticket`` is Halo's number, None where there is none yet. ``about`` is what the ticket stands for."""

    kind: str
    about: str
    ticket: int | None
    reason: str
    state: str
    result: str


def shown(steps: Iterable[models.Step], project: models.Project) -> list[ShownStep]:
    """The steps with their tickets, by one question to the database."""
    rows = [(step, *_ticket_of(step.key)) for step in steps]
    known = {
        (ticket.key, ticket.generation): ticket.halo_id
        for ticket in models.Ticket.objects.filter(project=project, key__in={key for _, key, _ in rows})
    }
    return [
        ShownStep(step.kind, key, known.get((key, generation)), step.reason, step.state, words(step.result))
        for step, key, generation in rows
    ]


def words(result: Mapping[str, Any]) -> str:
    """What a step's result says: why it was not done, or what came of it."""
    if "said" in result:
        return str(result["said"])
    if "ticket" in result:
        return f"ticket {result['ticket']}{' was made before' if result.get('adopted') else ''}"
    if "comment" in result:
        return f"comment {result['comment']}"
    if "found" in result:
        return "the comment was there already"
    if "key" in result:
        return f"the ticket stands for {result['key']} now"
    if "status" in result:
        return f"HaloITSM's status {result['status']}"
    return ""


def _ticket_of(key: str) -> tuple[str, int]:
    """What a ticket stands for, and its generation, out of a step's key (``domain.plan``)."""
    about, _, rest = key.rpartition("/")[0].rpartition("/")[0].rpartition("/")
    return (about, int(rest)) if about and rest.isdecimal() else (key, 1)
