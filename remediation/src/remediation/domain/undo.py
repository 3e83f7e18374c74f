"""A plan that takes back what an apply did, as far as it is ours: statuses, and comments by a correcting one. Pure.

A status that is set back counts as a person's, so no scan that is known already overrules it, and the next one may.
What people have done since stays, and so does what later plans have done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .plan import CREATES, PARENT_KEY, STATUSES, Kind, NotDone, Plan, Step
from .ticket import Ticket, gone, pair_text


@dataclass(frozen=True)
class Done:
    """A step that was carried out at ``at``. ``number`` is that of its row, ``ticket`` its ticket's name by now.

    Of a status: Halo's numbers of what it was ``before``, None where that is not known, and ``after``; whether a
    ``later`` step has set another one since; and whether a comment has ``announced`` that it is taken back.
    """

    number: int
    kind: Kind
    ticket: str
    at: datetime
    before: int | None = None
    after: int | None = None
    later: bool = False
    announced: bool = False


@dataclass(frozen=True)
class Shown:
    """A ticket as it is now, with Halo's number of its status."""

    ticket: Ticket
    status: int | None


def taken_back(done: Sequence[Done], tickets: Mapping[str, Shown], names: Mapping[int, str], by: str) -> Plan:
    """The plan, for the steps of one apply in their order. ``names`` are Halo's statuses, ``by`` is who wants it."""
    steps: list[Step] = []
    not_done: list[NotDone] = []
    # The project's own ticket follows the others in the next plan.
    for name in dict.fromkeys(one.ticket for one in done if not one.ticket.startswith(f"{PARENT_KEY}/")):
        shown = tickets.get(name)
        if shown is None:
            not_done.append(NotDone(name, "it is not a ticket of this project any more"))
            continue
        own = [one for one in done if one.ticket == name]
        _of_ticket(name, shown, own, names, by, steps, not_done)
    return Plan(tuple(steps), tuple(not_done))


def _of_ticket(
    name: str,
    shown: Shown,
    done: Sequence[Done],
    names: Mapping[int, str],
    by: str,
    steps: list[Step],
    not_done: list[NotDone],
) -> None:
    ticket = shown.ticket
    if ticket.missing:
        not_done.append(NotDone(name, gone(ticket.halo_id)))
        return
    if ticket.left_alone:
        not_done.append(NotDone(name, ticket.left_alone))
        return
    if any(one.kind in CREATES for one in done):
        not_done.append(NotDone(name, f"ticket {ticket.halo_id} was made by it, and stays until somebody closes it"))
    if any(one.kind is Kind.FOLLOW for one in done):
        not_done.append(NotDone(name, "what it stands for stays as it is"))
    sets = [one for one in done if one.kind in STATUSES]
    said = [one for one in done if one.kind is Kind.COMMENT]
    back = _status_before(name, shown, sets, names, not_done)
    is_announced = all(one.announced for one in sets)
    lines = [f"{by} takes back what was said here at {one.at:%Y-%m-%d %H:%M} UTC." for one in said]
    if back is not None and not is_announced:
        lines.append(f"{by} sets the status back to {names.get(back, back)}.")
    numbers = [one.number for one in sets] if back is not None else []
    reason = f"{by} takes it back"
    if lines:
        told = {pair_text(pair): state for pair, state in ticket.told.items()}
        body: dict[str, Any] = {"text": "\n".join(lines), "takes_back": [one.number for one in said]}
        body |= {"announces": numbers, "taken_back": True}
        steps.append(Step(Kind.COMMENT, ticket.key, ticket.generation, reason, body, told=told))
    if back is not None:
        body = {"restores": back, "takes_back": numbers}
        steps.append(Step(Kind.SET_STATUS, ticket.key, ticket.generation, reason, body))


def _status_before(
    name: str, shown: Shown, done: Sequence[Done], names: Mapping[int, str], not_done: list[NotDone]
) -> int | None:
    """Halo's number of the status to set back to, None where there is none."""
    if not done:
        return None
    last = done[-1]
    changed = shown.ticket.changed
    by_a_person = shown.status != last.after or (changed is not None and changed > last.at)
    if last.later or by_a_person:
        not_done.append(NotDone(name, f"its status was set since, to {names.get(shown.status or 0, 'another one')}"))
        return None
    if done[0].before is None:
        not_done.append(NotDone(name, "what its status was before is not known"))
    return done[0].before
