"""The project's own ticket: how it is made, its status, and what it tells of its children. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Protocol

from . import template, variables
from .membership import Rows
from .plan import PARENT_KEY, STATUSES, Kind, NotDone, Step
from .snapshot import SEVERITIES
from .status import ENDED, Status, of_parent
from .ticket import WORDS, Ticket


class Project(variables.Project, Protocol):
    """A project on a day."""

    @property
    def today(self) -> date:
        """The day."""


def create_parent(project: Project, rows: Rows, tickets: Sequence[Ticket], steps: Sequence[Step]) -> Step:
    """The step that makes the project's ticket; ``steps`` are those of its children."""
    settings = project.settings
    living = rows.all_living()
    severity = min(set(living["severity"]), key=SEVERITIES.index, default="none")
    due = settings.due.isoformat() if settings.due else None
    filled = variables.values(project, living, severity, due or "no date")
    body: dict[str, Any] = {
        "summary": template.summary(template.fill(settings.parent_summary, filled)),
        "details": template.fill(settings.parent_details, filled),
        "due": due,
        "priority": settings.priorities[severity],
        "agent": settings.default_agent,
        "team": settings.default_team,
        "numbers": numbers(rows, tickets, steps),
    }
    if settings.parent_fields:
        body["customfields"] = {name: template.fill(text, filled) for name, text in settings.parent_fields.items()}
    count = len(rows.alive)
    return Step(Kind.CREATE_PARENT, PARENT_KEY, 1, f"the project has {count} tickets' worth of work", body)


def follow_children(
    project: Project, parent: Ticket, tickets: Sequence[Ticket], steps: list[Step], not_done: list[NotDone]
) -> None:
    """The parent's status, by what its children will have after the steps. A person's word is not overruled."""
    wanted = _wanted(tickets, steps)
    if wanted is None or parent.status is wanted:
        return
    if parent.status is None:
        not_done.append(NotDone(PARENT_KEY, "its status in HaloITSM is not mapped to one of ours", needs_person=True))
    elif parent.agreed is not None and parent.status is not parent.agreed:
        words = f"somebody set it to {parent.status.value}, and its children are {wanted.value}"
        both_moved = wanted is not parent.agreed
        not_done.append(NotDone(PARENT_KEY, f"{words} now: a person decides" if both_moved else words, both_moved))
    elif project.settings.dynamic and wanted in ENDED:
        words = f"its children are {wanted.value}: the lead settles a dynamic project"
        not_done.append(NotDone(PARENT_KEY, words, needs_person=True))
    else:
        reason = f"its children are {wanted.value} at the most urgent"
        steps.append(Step(Kind.SET_STATUS, PARENT_KEY, parent.generation, reason, {"status": wanted.value}))


def agreement(parent: Ticket, tickets: Sequence[Ticket], steps: Sequence[Step]) -> Status | None:
    """The status that both sides have come to by themselves, where that is not what they last agreed on."""
    same = parent.status is not None and parent.status is _wanted(tickets, steps)
    return parent.status if same and parent.status is not parent.agreed else None


def _wanted(tickets: Sequence[Ticket], steps: Sequence[Step]) -> Status | None:
    return of_parent(status for status in _children(tickets, steps) if status)


def summarise(
    project: Project, parent: Ticket, rows: Rows, tickets: Sequence[Ticket], steps: Sequence[Step]
) -> list[Step]:
    """A comment with the children's numbers as they will be after the steps, if they changed, and not too often."""
    days = project.settings.summary_days
    now = numbers(rows, tickets, steps)
    is_too_soon = parent.numbers_told is not None and project.today < parent.numbers_told + timedelta(days=days)
    if not days or now == parent.numbers or is_too_soon:
        return []
    body = {"text": now, "numbers": now}
    return [Step(Kind.COMMENT, PARENT_KEY, parent.generation, "its children's numbers changed", body)]


def numbers(rows: Rows, tickets: Sequence[Ticket], steps: Sequence[Step]) -> str:
    """How many children have which status once the steps are done, and how many findings are in which state."""
    children = Counter(
        status.value if status else "with a status that is not mapped" for status in _children(tickets, steps)
    )
    names = [*(status.value for status in Status), "with a status that is not mapped"]
    findings = rows.states()
    told = ", ".join(f"{children[name]} {name}" for name in names if children[name])
    states = ", ".join(f"{findings[state]} {words[1]}" for state, words in WORDS.items() if findings.get(state))
    return f"Tickets: {told or 'none'}. Findings: {states or 'none'}."


def _children(tickets: Sequence[Ticket], steps: Sequence[Step]) -> list[Status | None]:
    """The statuses of the newest tickets of all keys, once the steps are done."""
    coming = {
        (step.ticket_key, step.generation): Status(step.body["status"]) for step in steps if step.kind in STATUSES
    }
    created = {step.ticket_key for step in steps if step.kind is Kind.CREATE}
    there = [
        coming.get((ticket.key, ticket.generation), ticket.status)
        for ticket in tickets
        # A linked ticket takes the place of the one before it.
        if ticket.halo_id and ticket.key not in created
    ]
    return [*there, *(Status.NOT_STARTED for _ in created)]
