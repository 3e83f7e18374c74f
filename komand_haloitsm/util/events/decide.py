"""Which events the snapshot of a ticket makes, beside what was last seen of that ticket. Pure.

A snapshot yields steps, in order. Each step is an event and what is known once it is delivered, so that a crash between
two steps repeats at most one event, with the same ``event_id``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Callable, Mapping, Sequence

from ..halo.changes import Snapshot
from ..halo.values.ids import as_id
from ..halo.values.sort_key import SortKey

Row = Mapping[str, Any]


@dataclass(frozen=True)
class LastSeen:
    """What was last seen of a ticket.

    ``action_id`` is its newest action then, None when its actions were not read. ``repeats`` is how many changes were
    seen before at the same ``sort_key``: Halo's last_update can stand still while the ticket changes.
    """

    sort_key: str
    status_id: int | None = None
    content_key: Mapping[str, int] = field(default_factory=dict)
    action_id: int | None = None
    repeats: int = 0


@dataclass(frozen=True)
class Watermark:
    """What is old and makes no event.

    That is: a ticket never seen that was last updated at ``sort_key`` or before, as a new ticket one with an id up to
    ``newest_old_id``, and whatever happened at ``horizon`` or before, which is too long ago to catch up with.

    ``newest_old_id`` is None when the newest id at the start is not known; then the date of creation decides.
    """

    sort_key: str
    newest_old_id: int | None = None
    horizon: str = ""


@dataclass(frozen=True)
class Event:
    """``event_id`` is the same whenever the same thing is found again; ``outputs`` go beside the ticket."""

    event_id: str
    outputs: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """``event`` is None when only what is known changes."""

    event: Event | None
    seen: LastSeen


@dataclass(frozen=True)
class EventPolicy:
    """Which events the snapshot of a ticket makes, for one trigger with its filters.

    ``decide`` gives the steps; the actions of the ticket are None when they were not asked for or cannot be read.
    ``needs_actions`` says whether they are needed to decide. ``ticket_id`` is the only ticket to watch, None for all.
    """

    decide: Callable[[LastSeen | None, Snapshot, Watermark, Sequence[Row] | None], list[Step]]
    needs_actions: Callable[[LastSeen | None, Snapshot, Watermark], bool] = lambda seen, now, watermark: False
    ticket_id: int | None = None


def has_moved(seen: LastSeen | None, now: Snapshot, watermark: Watermark) -> bool:
    """Whether there is news: last_update moved on, or stands still while the ticket does not (same-second updates).

    A ticket whose last_update went back (a stale answer, a late page) is no news.
    """
    if seen is None or now.sort_key != seen.sort_key:
        return now.sort_key > max(seen.sort_key if seen else watermark.sort_key, watermark.horizon)
    return _differs(seen, now)


def _differs(seen: LastSeen, now: Snapshot) -> bool:
    return any(
        seen.content_key[name] != now.content_key[name] for name in seen.content_key.keys() & now.content_key.keys()
    )


def decide_created(
    seen: LastSeen | None,
    now: Snapshot,
    watermark: Watermark,
    *,
    tickettype_id: int | None = None,
    priority_id: int | None = None,
) -> list[Step]:
    """``N-created`` at the first look at a ticket that is new since the trigger started.

    The filters are judged at that look; a ticket that comes to match them later is not created then.
    """
    if seen is not None:
        return [Step(None, _as_seen(now, seen))] if has_moved(seen, now, watermark) else []
    filters = (("tickettype_id", tickettype_id), ("priority_id", priority_id))
    fits = all(wanted is None or now.content_key.get(name) == wanted for name, wanted in filters)
    event = Event(f"{now.ticket_id}-created") if fits and is_new(now, watermark) else None
    return [Step(event, _as_seen(now, seen))]


def is_new(now: Snapshot, watermark: Watermark) -> bool:
    """Whether a ticket was logged after the trigger started."""
    return (
        now.ticket_id > watermark.newest_old_id
        if watermark.newest_old_id is not None
        else now.created > watermark.sort_key
    )


def decide_updated(
    seen: LastSeen | None,
    now: Snapshot,
    watermark: Watermark,
    actions: Sequence[Row] | None = None,
    *,
    status_changed: bool = False,
) -> list[Step]:
    """``N-updated-TIME`` when last_update moved. A ticket that was only logged is not updated; one that was changed
    since, be it by a rule of Halo's, before it was first seen, is.

    ``previous_status_id`` is the status of the last look, or what the actions since the baseline say of it. With
    ``status_changed`` only where the status is known to differ.
    """
    if not has_moved(seen, now, watermark):
        return [] if seen else [Step(None, _as_seen(now, seen))]
    after = _as_seen(now, seen)
    if seen is None and now.sort_key == now.created:
        return [Step(None, after)]
    before = seen.status_id if seen else _status_before(actions, watermark)
    outputs = {"previous_status_id": before} if before else {}
    if status_changed and (before is None or before == now.status_id):
        return [Step(None, after)]
    return [Step(Event(f"{now.ticket_id}-updated-{now.sort_key}{_again(after)}", outputs), after)]


def _status_before(actions: Sequence[Row] | None, watermark: Watermark) -> int | None:
    transitions = _transitions(actions or ())
    return next((old for _, at, old, _ in transitions if at > watermark.sort_key), None)


def decide_status_changed(
    seen: LastSeen | None,
    now: Snapshot,
    watermark: Watermark,
    actions: Sequence[Row] | None,
    *,
    new_status_id: int | None = None,
) -> list[Step]:
    """An event for every transition since the last look, in order, from the ticket's actions.

    ``actions`` is None where they cannot be read: then the status of the last look and that of now are one transition.
    A first look without actions is none: an old status is never invented.
    """
    if not has_moved(seen, now, watermark):
        return [] if seen else [Step(None, _as_seen(now, seen))]
    steps: list[Step] = []
    current = seen or LastSeen("", None)
    fresh = [] if actions is None else _since(seen, watermark, _transitions(actions))
    last = max((number for number in (as_id(row.get("id")) for row in actions or ()) if number), default=None)
    for action_id, _, old, new in fresh:
        current = replace(current, status_id=new, action_id=action_id)
        steps.append(Step(_transition(f"{now.ticket_id}-status-{action_id}", old, new, new_status_id), current))
    ahead = bool(fresh) and fresh[-1][1] > now.sort_key
    # A change that left no action is still a change; but actions that are newer than the ticket as read prove nothing.
    if current.status_id and now.status_id and current.status_id != now.status_id and not ahead:
        again = _again(_as_seen(now, seen))
        event_id = f"{now.ticket_id}-status-{current.status_id}-{now.status_id}-{now.sort_key}{again}"
        event = _transition(event_id, current.status_id, now.status_id, new_status_id)
        # Its action may show later: from here on not the number of the last action decides, but time and status.
        current, last = replace(current, status_id=now.status_id, action_id=None), None
        steps.append(Step(event, current))
    status = current.status_id if ahead else now.status_id or current.status_id
    return [*steps, Step(None, replace(_as_seen(now, seen), status_id=status, action_id=last))]


def _transition(event_id: str, old: int, new: int, wanted: int | None) -> Event | None:
    if wanted is not None and new != wanted:
        return None
    return Event(event_id, {"old_status_id": old, "new_status_id": new})


def _transitions(actions: Sequence[Row]) -> list[tuple[int, str, int, int]]:
    """(action id, time, old status, new status) of the actions that changed the status, oldest first."""
    found = []
    for row in actions:
        number, old, new = as_id(row.get("id")), as_id(row.get("old_status")), as_id(row.get("new_status"))
        if number and old and new and old != new:
            found.append(
                (number, SortKey.of(row.get("actiondatecreated")) or SortKey.of(row.get("datetime")), old, new)
            )
    return sorted(found)


def _since(
    seen: LastSeen | None, watermark: Watermark, transitions: list[tuple[int, str, int, int]]
) -> list[tuple[int, str, int, int]]:
    """The transitions after the last look: by action number where it is known, else by time.

    By time, the transition that led to the status of the last look may carry the same moment: it does not start from
    that status, so it is left out.
    """
    transitions = [item for item in transitions if not item[1] or item[1] > watermark.horizon]
    if seen is None:
        return [item for item in transitions if item[1] > watermark.sort_key]
    if seen.action_id is not None:
        return [item for item in transitions if item[0] > seen.action_id]
    later = [item for item in transitions if item[1] >= seen.sort_key]
    while later and seen.status_id and later[0][2] != seen.status_id:
        later.pop(0)
    return later


def _again(after: LastSeen) -> str:
    """What tells apart the changes that a last_update which stands still has in common."""
    return f"-{after.repeats}" if after.repeats else ""


def _as_seen(now: Snapshot, seen: LastSeen | None) -> LastSeen:
    """What is known after the look; fields that only the last look had are kept."""
    if seen is None:
        return LastSeen(now.sort_key, now.status_id, dict(now.content_key))
    return LastSeen(
        now.sort_key,
        now.status_id or seen.status_id,
        {**seen.content_key, **now.content_key},
        seen.action_id,
        seen.repeats + 1 if seen.sort_key == now.sort_key else 0,
    )
