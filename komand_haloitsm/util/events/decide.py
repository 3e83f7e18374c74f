"""Decides which events follow from the snapshot of a ticket and from what was last seen of that ticket. Pure.

The result is a list of steps, in order. Each step has an event and what to save once that event is delivered. A crash
between two steps therefore repeats at most one event, with the same ``event_id``.
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

    ``action_id`` is the id of its newest action at that time, None when that is not known (its actions were not read,
    for example). ``repeats`` is how many earlier changes had the same ``sort_key``: Halo's last_update can stay the
    same while the ticket changes. ``occurred`` is when the ticket occurred, in seconds since 1970, None when that is
    not known: it tells apart two tickets that had one id, as happens where a Halo is restored from a backup.
    """

    sort_key: str
    status_id: int | None = None
    content_key: Mapping[str, int] = field(default_factory=dict)
    action_id: int | None = None
    repeats: int = 0
    occurred: int | None = None


@dataclass(frozen=True)
class Watermark:
    """What counts as old and makes no event.

    - A ticket that was never seen is unchanged if it was last updated at ``sort_key`` or before.
    - A ticket is not new if its id is at most ``newest_old_id``. That is None when the newest id at the start is not
      known; then the ticket's creation date is compared with ``sort_key`` instead.
    - Whatever happened at ``horizon`` or before is too long ago to catch up with.
    """

    sort_key: str
    newest_old_id: int | None = None
    horizon: str = ""


@dataclass(frozen=True)
class Event:
    """An event. Finding the same change again gives the same ``event_id``; ``outputs`` accompany the ticket."""

    event_id: str
    outputs: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """An event, and what to save as seen once it is delivered. ``event`` is None when there is only state to save."""

    event: Event | None
    seen: LastSeen


@dataclass(frozen=True)
class EventPolicy:
    """Which events one trigger, with its filters, makes from the snapshot of a ticket.

    ``decide`` returns the steps. Its last argument, the ticket's actions, is None when they were not needed or cannot
    be read. ``needs_actions`` says whether they must be read first. ``ticket_id`` is the only ticket to watch, None for
    all tickets.
    """

    decide: Callable[[LastSeen | None, Snapshot, Watermark, Sequence[Row] | None], list[Step]]
    needs_actions: Callable[[LastSeen | None, Snapshot, Watermark], bool] = lambda seen, now, watermark: False
    ticket_id: int | None = None


def has_moved(seen: LastSeen | None, now: Snapshot, watermark: Watermark) -> bool:
    """Whether the ticket has changed: its last_update is later, or it is the same and the content differs.

    The second case is two updates within the same second. A last_update that went back is no change: the snapshot is
    outdated (a stale response, a page that came late).
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
    """The event ``N-created`` for the first snapshot of a ticket that was logged after the trigger started.

    Only that first snapshot is compared with the filters: a ticket that matches them later makes no such event.
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
    """The event ``N-updated-TIME`` for a ticket that has changed.

    A ticket that was only logged makes no such event. A ticket that was changed before it was first seen, if only by
    one of Halo's rules, makes one.

    The output ``previous_status_id`` is the status last seen; for a ticket never seen it comes from the actions since
    the watermark. With ``status_changed``, there is an event only where the status is known to differ.
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
    """An event for every status transition since the ticket was last seen, in order, from the ticket's actions.

    ``actions`` is None where they cannot be read. Then the status last seen and the present status make one transition.
    A ticket that was never seen and has no readable actions makes none: an old status is never invented.
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
    # A status change that left no action still makes an event. But when an action is newer than the ticket as read, a
    # different status proves nothing: the ticket was read before that action.
    if current.status_id and now.status_id and current.status_id != now.status_id and not ahead:
        again = _again(_as_seen(now, seen))
        event_id = f"{now.ticket_id}-status-{current.status_id}-{now.status_id}-{now.sort_key}{again}"
        event = _transition(event_id, current.status_id, now.status_id, new_status_id)
        # The action of this change may appear later, so the next comparison must not start from the last action's id.
        # Without an ``action_id`` it goes by time and status instead.
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
    """The transitions since the ticket was last seen: by action id where that is known, else by time.

    By time, the transition that led to the status last seen can have the same time as that snapshot. It is left out: a
    transition that follows must start from that status, and this one does not.
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
    """The end of the ``event_id`` that tells apart several changes with the same last_update."""
    return f"-{after.repeats}" if after.repeats else ""


def _as_seen(now: Snapshot, seen: LastSeen | None) -> LastSeen:
    """What to save as seen after a snapshot. Fields that are only in the earlier state are kept."""
    if seen is None:
        return LastSeen(now.sort_key, now.status_id, dict(now.content_key))
    return LastSeen(
        now.sort_key,
        now.status_id or seen.status_id,
        {**seen.content_key, **now.content_key},
        seen.action_id,
        seen.repeats + 1 if seen.sort_key == now.sort_key else 0,
    )
