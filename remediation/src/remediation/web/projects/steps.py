"""A step of a stored plan as a person reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from ...store import models


@dataclass(frozen=True)
class ShownStep:
    """``ticket`` is Halo's number, None where there is none yet. ``about`` is what the ticket stands for. ``looks`` is
    what is written, ``evidence`` what it rests on: names and values. ``playbook`` is
    the address of its playbook, "" where there is none."""

    kind: str
    about: str
    ticket: int | None
    reason: str
    state: str
    result: str
    looks: list[tuple[str, str]]
    evidence: list[tuple[str, str]]
    playbook: str = ""


def shown(steps: Iterable[models.Step], project: models.Project) -> list[ShownStep]:
    """The steps with their tickets and remedies, by two questions to the database."""
    rows = [(step, *ticket_of(step.key)) for step in steps]
    keys = {key for _, key, _ in rows}
    tickets = models.Ticket.objects.filter(project=project, key__in=keys)
    known = {(ticket.key, ticket.generation): ticket for ticket in tickets}
    remedies = dict(models.Remedy.objects.filter(source=project.source_id, remedy__in=keys).values_list("remedy", "pk"))
    return [
        ShownStep(
            step.kind,
            key,
            getattr(known.get((key, generation)), "halo_id", None),
            step.reason,
            step.state,
            words(step.result),
            looks(step.body),
            evidence(step.evidence),
            _playbook(known.get((key, generation)), remedies.get(key)),
        )
        for step, key, generation in rows
    ]


def _playbook(ticket: models.Ticket | None, remedy: int | None) -> str:
    """Of what a ticket tells of or, before there is one, of the remedy that it is to stand for."""
    if ticket is not None and ticket.kind == "child" and ticket.note.get("told"):
        return reverse("ticket-playbook", args=[ticket.pk])
    return reverse("remedy-playbook", args=[remedy]) if remedy else ""


def words(result: Mapping[str, Any]) -> str:
    """What a step's result says: why it was not done, or what came of it."""
    if "said" in result:
        return str(result["said"])
    if "ticket" in result:
        return f"ticket {result['ticket']}{' was made before' if result.get('adopted') else ''}"
    if "comment" in result:
        return f"comment {result['comment']}"
    if "found" in result:
        return "it was so already"
    if "key" in result:
        return f"the ticket stands for {result['key']} now"
    if "status" in result:
        return f"HaloITSM's status {result['status']}"
    if "agent" in result:
        return f"HaloITSM's agent {result['agent']}"
    # Of an investigation.
    return str(result.get("state") or result.get("assignee") or "")


# What a step's body holds that the other side gets, in the order in which a person reads it.
_LOOKS = {
    "summary": "Summary",
    "status": "Status",
    "priority": "Priority",
    "due": "Due",
    "agent": "Agent",
    "team": "Team",
    "details": "Details",
    "text": "Comment",
    "state": "Investigation's status",
    "disposition": "Disposition",
    "email": "Given to",
}
MOST_ASSETS = 50


def looks(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a ticket or a comment will look like."""
    found = [(title, str(body[name])) for name, title in _LOOKS.items() if body.get(name)]
    fields = body.get("customfields") or {}
    found += [(f"Field {name}", str(value)) for name, value in fields.items()]
    return [*found, ("Attached", "the whole list of assets, as CSV")] if body.get("attachment") else found


def evidence(known: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The scans and assets behind a step."""
    assets, scans = known.get("assets") or [], known.get("scans") or []
    more = f" and {len(assets) - MOST_ASSETS} more" if len(assets) > MOST_ASSETS else ""
    found = [("Assets", ", ".join(map(str, assets[:MOST_ASSETS])) + more)] if assets else []
    found += [("Scans", ", ".join(map(str, scans)))] if scans else []
    found += [("Investigation", str(known["investigation"]))] if known.get("investigation") else []
    return [*found, ("Findings", str(known["findings"]))] if known.get("findings") else found


def ticket_of(key: str) -> tuple[str, int]:
    """What a ticket stands for, and its generation, out of the key of a step (``domain.plan``)."""
    about, _, rest = key.rpartition("/")[0].rpartition("/")[0].rpartition("/")
    return (about, int(rest)) if about and rest.isdecimal() else (key, 1)
