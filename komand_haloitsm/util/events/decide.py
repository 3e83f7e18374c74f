"""Which events a look at a ticket makes. Pure: what was seen before, what is there now, nothing else.

A look yields steps, in order. Each step is an event and what is known once it is delivered, so that a crash between two
steps repeats at most one event, with the same ``event_id``.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field, replace
from typing import Any, Mapping, Sequence

from ..dates import parse_date
from ..tickets import as_id

Row = Mapping[str, Any]

# What tells two states of a ticket apart when their last_update is the same; all in list and detail alike (seen live).
_FACE = ("summary", "team")
# Beside them in what was seen: how many changes there were at the same last_update.
_SAME = "same"
_FACE_IDS = ("status_id", "priority_id", "agent_id", "tickettype_id", "client_id", "user_id")


@dataclass(frozen=True)
class Look:
    """A ticket as Halo shows it now. ``stamp`` is its last_update as a text that sorts by time, "" when it has none."""

    ticket_id: int
    stamp: str
    created: str
    status_id: int | None
    face: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """What was last seen of a ticket. ``action_id``: its newest action then, None when its actions were not read."""

    stamp: str
    status_id: int | None = None
    face: Mapping[str, Any] = field(default_factory=dict)
    action_id: int | None = None


@dataclass(frozen=True)
class Baseline:
    """What is old: tickets never seen that were last updated at ``stamp`` or before, tickets with an id up to
    ``floor_id``, and whatever happened at ``limit`` or before, which is too long ago to catch up with.

    ``floor_id`` is None when the newest id at the start is not known; then the date of creation decides.
    """

    stamp: str
    floor_id: int | None = None
    limit: str = ""


@dataclass(frozen=True)
class Event:
    """``event_id`` is the same whenever the same thing is found again; ``outputs`` go beside the ticket."""

    event_id: str
    outputs: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """``event`` is None when only what is known changes."""

    event: Event | None
    seen: Seen


def stamp(value: Any) -> str:
    """A Halo date as text that sorts by time, nine fractional digits (Halo has seven); "" for none."""
    moment = parse_date(value)
    if moment is None:
        return ""
    fraction = re.search(r"[.,]([0-9]+)", value)
    rest = fraction.group(1)[6:9] if fraction else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}{rest:0<3}"


def look_at(ticket: Row) -> Look | None:
    """A Halo ticket, from a list or by itself, as a look; None when it has no id."""
    ticket_id = as_id(ticket.get("id"))
    if ticket_id is None:
        return None
    face: dict[str, Any] = {name: as_id(ticket.get(name)) for name in _FACE_IDS}
    face |= {name: ticket.get(name) for name in _FACE if isinstance(ticket.get(name), str)}
    updated = next(filter(None, (stamp(ticket.get(name)) for name in ("last_update", "lastupdate", "flastupdate"))), "")
    created = stamp(ticket.get("datecreated")) or stamp(ticket.get("dateoccurred"))
    return Look(
        ticket_id,
        updated or stamp(ticket.get("lastactiondate")) or created,
        created,
        as_id(ticket.get("status_id")),
        {name: _short(value) for name, value in face.items() if value is not None},
    )


def _short(value: Any) -> Any:
    """Texts are only compared, never shown: a number stands for them, so that no ticket text is stored."""
    return value if isinstance(value, int) else _checksum(str(value))


def _checksum(text: str) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))


def has_moved(seen: Seen | None, now: Look, baseline: Baseline) -> bool:
    """Whether there is news: last_update moved on, or stands still while the ticket does not (same-second updates).

    A ticket whose last_update went back (a stale answer, a late page) is no news.
    """
    if seen is None or now.stamp != seen.stamp:
        return now.stamp > max(seen.stamp if seen else baseline.stamp, baseline.limit)
    return _differs(seen, now)


def _differs(seen: Seen, now: Look) -> bool:
    return any(seen.face[name] != now.face[name] for name in seen.face.keys() & now.face.keys())


def decide_created(
    seen: Seen | None,
    now: Look,
    baseline: Baseline,
    *,
    tickettype_id: int | None = None,
    priority_id: int | None = None,
) -> list[Step]:
    """``N-created`` at the first look at a ticket that is new since the trigger started.

    The filters are judged at that look; a ticket that comes to match them later is not created then.
    """
    if seen is not None:
        return [Step(None, _as_seen(now, seen))] if has_moved(seen, now, baseline) else []
    filters = (("tickettype_id", tickettype_id), ("priority_id", priority_id))
    fits = all(wanted is None or now.face.get(name) == wanted for name, wanted in filters)
    event = Event(f"{now.ticket_id}-created") if fits and is_new(now, baseline) else None
    return [Step(event, _as_seen(now, seen))]


def is_new(now: Look, baseline: Baseline) -> bool:
    """Whether a ticket was logged after the trigger started."""
    return now.ticket_id > baseline.floor_id if baseline.floor_id is not None else now.created > baseline.stamp


def decide_updated(
    seen: Seen | None,
    now: Look,
    baseline: Baseline,
    actions: Sequence[Row] | None = None,
    *,
    status_changed: bool = False,
) -> list[Step]:
    """``N-updated-TIME`` when last_update moved. A ticket that was only logged is not updated; one that was changed
    since, be it by a rule of Halo's, before it was first seen, is.

    ``previous_status_id`` is the status of the last look, or what the actions since the baseline say of it. With
    ``status_changed`` only where the status is known to differ.
    """
    if not has_moved(seen, now, baseline):
        return [] if seen else [Step(None, _as_seen(now, seen))]
    after = _as_seen(now, seen)
    if seen is None and now.stamp == now.created:
        return [Step(None, after)]
    before = seen.status_id if seen else _status_before(actions, baseline)
    outputs = {"previous_status_id": before} if before else {}
    if status_changed and (before is None or before == now.status_id):
        return [Step(None, after)]
    return [Step(Event(f"{now.ticket_id}-updated-{now.stamp}{_again(after)}", outputs), after)]


def _status_before(actions: Sequence[Row] | None, baseline: Baseline) -> int | None:
    transitions = _transitions(actions or ())
    return next((old for _, at, old, _ in transitions if at > baseline.stamp), None)


def decide_status_changed(
    seen: Seen | None,
    now: Look,
    baseline: Baseline,
    actions: Sequence[Row] | None,
    *,
    new_status_id: int | None = None,
) -> list[Step]:
    """An event for every transition since the last look, in order, from the ticket's actions.

    ``actions`` is None where they cannot be read: then the status of the last look and that of now are one transition.
    A first look without actions is none: an old status is never invented.
    """
    if not has_moved(seen, now, baseline):
        return [] if seen else [Step(None, _as_seen(now, seen))]
    steps: list[Step] = []
    current = seen or Seen("", None)
    fresh = [] if actions is None else _since(seen, baseline, _transitions(actions))
    last = max((number for number in (as_id(row.get("id")) for row in actions or ()) if number), default=None)
    for action_id, _, old, new in fresh:
        current = replace(current, status_id=new, action_id=action_id)
        steps.append(Step(_transition(f"{now.ticket_id}-status-{action_id}", old, new, new_status_id), current))
    ahead = bool(fresh) and fresh[-1][1] > now.stamp
    # A change that left no action is still a change; but actions that are newer than the ticket as read prove nothing.
    if current.status_id and now.status_id and current.status_id != now.status_id and not ahead:
        again = _again(_as_seen(now, seen))
        event_id = f"{now.ticket_id}-status-{current.status_id}-{now.status_id}-{now.stamp}{again}"
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
            found.append((number, stamp(row.get("actiondatecreated")) or stamp(row.get("datetime")), old, new))
    return sorted(found)


def _since(
    seen: Seen | None, baseline: Baseline, transitions: list[tuple[int, str, int, int]]
) -> list[tuple[int, str, int, int]]:
    """The transitions after the last look: by action number where it is known, else by time.

    By time, the transition that led to the status of the last look may carry the same moment: it does not start from
    that status, so it is left out.
    """
    transitions = [item for item in transitions if not item[1] or item[1] > baseline.limit]
    if seen is None:
        return [item for item in transitions if item[1] > baseline.stamp]
    if seen.action_id is not None:
        return [item for item in transitions if item[0] > seen.action_id]
    later = [item for item in transitions if item[1] >= seen.stamp]
    while later and seen.status_id and later[0][2] != seen.status_id:
        later.pop(0)
    return later


def _again(after: Seen) -> str:
    """What tells apart the changes that a last_update which stands still has in common."""
    return f"-{after.face[_SAME]}" if after.face[_SAME] else ""


def _as_seen(now: Look, seen: Seen | None) -> Seen:
    """What is known after the look; fields that only the last look had are kept."""
    face = {**(seen.face if seen else {}), **now.face}
    face[_SAME] = face.get(_SAME, 0) + 1 if seen and seen.stamp == now.stamp else 0
    return Seen(now.stamp, now.status_id or (seen.status_id if seen else None), face, seen.action_id if seen else None)
