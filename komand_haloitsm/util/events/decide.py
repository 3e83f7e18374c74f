"""Decides which events follow from the snapshot of a ticket and from what was last seen of that ticket. Pure.

The result is a list of steps, in order. Each step has an event and what to save once that event is delivered. A crash
between two steps therefore repeats at most one event, with the same ``event_id``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Mapping, Sequence

from ..halo.changes import SHORT_DATE, Snapshot
from ..halo.values.ids import as_id, whole_number
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
    - ``restored`` is when Halo was found to be restored from a backup, "" when it was not. Its ids were used before.
    """

    sort_key: str
    newest_old_id: int | None = None
    horizon: str = ""
    restored: str = ""


@dataclass(frozen=True)
class Event:
    """An event. Finding the same change again gives the same ``event_id``; ``outputs`` accompany the ticket."""

    event_id: str
    outputs: Mapping[str, int | list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """An event, and what to save as seen once it is delivered. ``event`` is None when there is only state to save."""

    event: Event | None
    seen: LastSeen


@dataclass(frozen=True)
class Origin:
    """Who may have made a change. ``own_agent`` is the API application's agent, whose changes are to be left out; None
    where they are not, where it is not known, and where others are known to have made changes as well. ``told`` is the
    agent that a webhook named, None without one. ``newest`` are the ticket's newest actions, where that was enough."""

    own_agent: int | None = None
    told: int | None = None
    newest: Sequence[Row] = ()


@dataclass(frozen=True)
class EventPolicy:
    """Which events one trigger, with its filters, makes from the snapshot of a ticket.

    ``decide`` returns the steps. The ticket's actions are None when they were not needed or cannot be read.
    ``needs_actions`` says whether they must be read first; with ``needs_every_action``, all of them since the ticket
    was last seen. ``ticket_id`` is the only ticket to watch, None for all tickets. ``skips_own_changes``: whether to
    find out who made a change.
    """

    decide: Callable[[LastSeen | None, Snapshot, Watermark, Sequence[Row] | None, Origin], list[Step]]
    needs_actions: Callable[[LastSeen | None, Snapshot, Watermark, Origin], bool] = lambda *_: False
    ticket_id: int | None = None
    skips_own_changes: bool = False
    needs_every_action: bool = False


# No clock of Halo's is behind itself by more than this.
_SURELY_LATER = timedelta(minutes=5)


def has_moved(seen: LastSeen | None, now: Snapshot, watermark: Watermark) -> bool:
    """Whether the ticket has changed: its last_update is later, or it is the same and the content differs.

    The second case is two updates within the same second. A last_update that went back is no change: the snapshot is
    outdated (a stale response, a page that came late). But one that was in the future, and is not any more, was put
    right.
    """
    if seen is None:
        return now.sort_key > max(watermark.sort_key, watermark.horizon)
    if _is_same_moment(seen, now):
        return _differs(seen, now)
    return now.sort_key > watermark.horizon and (now.sort_key > seen.sort_key or _was_put_right(seen, now))


def _is_same_moment(seen: LastSeen, now: Snapshot) -> bool:
    """Whether two dates are one: a list writes three fractional digits where a single ticket has seven (seen live)."""
    if seen.sort_key == now.sort_key:
        return True
    first, second = SortKey(seen.sort_key).moment, now.sort_key.moment
    if first is None or second is None or (SHORT_DATE in seen.content_key) == (SHORT_DATE in now.content_key):
        return False
    return abs(first - second) < timedelta(milliseconds=1)


def _was_put_right(seen: LastSeen, now: Snapshot) -> bool:
    latest = now.read_at.earlier(-_SURELY_LATER)
    return bool(latest) and seen.sort_key > latest >= now.sort_key


def is_another(seen: LastSeen | None, now: Snapshot) -> bool:
    """Whether a ticket is another one than was last seen under its id: a Halo restored from a backup uses ids again.

    It is, if it occurred after the other one had last changed. A person who corrects when a ticket occurred sets it to
    an earlier time than that of the ticket's last change.
    """
    return (
        seen is not None
        and seen.occurred is not None
        and now.occurred is not None
        and now.occurred > seen.occurred
        and SortKey.at(datetime.fromtimestamp(now.occurred, timezone.utc)) > seen.sort_key
    )


def _differs(seen: LastSeen, now: Snapshot) -> bool:
    return bool(_differences(seen, now))


def _differences(seen: LastSeen, now: Snapshot) -> set[str]:
    known = seen.content_key.keys() & now.content_key.keys()
    return {name for name in known if seen.content_key[name] != now.content_key[name]}


# The fields of a content key by the names that the ticket in an event has for them.
_SHOWN_AS = {"team": "team_name"}


def _changed_fields(seen: LastSeen | None, now: Snapshot, status_before: int | None) -> list[str]:
    """The names of the fields that are known to differ from what was last seen, sorted."""
    names = _differences(seen, now) - {SHORT_DATE} if seen else set()
    if status_before is not None and now.status_id is not None and status_before != now.status_id:
        names = names | {"status_id"}
    return sorted(_SHOWN_AS.get(name, name) for name in names)


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
        return [Step(None, as_seen(now, seen))] if has_moved(seen, now, watermark) else []
    filters = (("tickettype_id", tickettype_id), ("priority_id", priority_id))
    fits = all(wanted is None or now.content_key.get(name) == wanted for name, wanted in filters)
    event = Event(f"{now.ticket_id}-created{_life(now, watermark)}") if fits and is_new(now, watermark) else None
    return [Step(event, as_seen(now, seen))]


def is_new(now: Snapshot, watermark: Watermark) -> bool:
    """Whether a ticket was logged after the trigger started: by its id, and by its date where that proves nothing."""
    if watermark.newest_old_id is not None and now.ticket_id > watermark.newest_old_id:
        return True
    return (watermark.newest_old_id is None or bool(watermark.restored)) and now.created > watermark.sort_key


def hints_at_a_restored_halo(now: Snapshot, watermark: Watermark) -> bool:
    """Whether a ticket never seen has an old id and a new date: its id was used before, or its date changed."""
    return not is_new(now, watermark) and now.created > watermark.sort_key


def _life(now: Snapshot, watermark: Watermark) -> str:
    """The end of an ``event_id`` that a Halo uses again after it was restored from a backup: when the ticket began."""
    return f"-{now.created}" if watermark.restored else ""


def decide_updated(
    seen: LastSeen | None,
    now: Snapshot,
    watermark: Watermark,
    actions: Sequence[Row] | None = None,
    origin: Origin = Origin(),
    *,
    status_changed: bool = False,
) -> list[Step]:
    """The event ``N-updated-TIME`` for a ticket that has changed.

    A ticket that was only logged makes no such event. A ticket that was changed before it was first seen, if only by
    one of Halo's rules, makes one; so does one whose last_update is not the time when it was logged.

    The output ``previous_status_id`` is the status last seen; for a ticket never seen it comes from the actions since
    the watermark. ``changed_fields`` are the fields of the ticket that are known to differ, left out where none is.
    With ``status_changed``, there is an event only where the status is known to differ.
    """
    if not has_moved(seen, now, watermark):
        return [] if seen else [Step(None, as_seen(now, seen))]
    if actions is not None:
        actions = _up_to(now, actions)
    known = actions or origin.newest
    after = replace(as_seen(now, seen), action_id=_newest(known))
    if (seen is None and now.sort_key == now.created) or _is_own(seen, now, watermark, actions, origin):
        return [Step(None, after)]
    before = seen.status_id if seen else _status_before(actions, watermark)
    outputs: dict[str, int | list[str]] = {"previous_status_id": before} if before else {}
    if changed := _changed_fields(seen, now, before):
        outputs["changed_fields"] = changed
    if status_changed and (before is None or before == now.status_id):
        return [Step(None, after)]
    return [Step(Event(f"{now.ticket_id}-updated-{now.sort_key}{_again(after)}", outputs), after)]


# How soon after a change its consequences follow: what Halo's rules do to the ticket.
_RULES_FOLLOW = timedelta(seconds=5)
# An action is dated a little later than the change of its ticket.
_DATED_LATER = timedelta(seconds=2)
# The fields of a content key whose change is not known to leave an action.
_SILENT = frozenset({"summary", "priority_id", "tickettype_id", "client_id", "user_id"})
# who_type of an action (seen in clients).
_SYSTEM = 0


def _is_own(
    seen: LastSeen | None, now: Snapshot, watermark: Watermark, actions: Sequence[Row] | None, origin: Origin
) -> bool:
    """Whether only the agent that is to be left out has changed the ticket: by its actions, else by a webhook's word.

    What the system did within seconds of such an action counts as its consequence. A field that may change without an
    action, and did, may have been changed by somebody else.
    """
    if origin.own_agent is None:
        return False
    fresh = _fresh(seen, watermark, actions or ())
    if not fresh:
        return origin.told == origin.own_agent
    is_silent = seen is not None and bool(_SILENT & _differences(seen, now)) and not any(map(_is_the_systems, fresh))
    if is_silent and origin.told != origin.own_agent:
        return False
    return _are_own(fresh, actions or (), origin.own_agent)


def _are_own(some: Sequence[Row], actions: Sequence[Row], own_agent: int | None) -> bool:
    own = _own_actions(actions, own_agent)
    return all(number_of(row) in own for row in some)


def _own_actions(actions: Sequence[Row], own_agent: int | None) -> frozenset[int]:
    """The numbers of the actions of the own agent, and of what the system did within seconds of one."""
    own: set[int] = set()
    last = ""
    for row in sorted(actions, key=number_of) if own_agent is not None else ():
        if as_id(row.get("who_agentid")) == own_agent:
            last = SortKey(time_of(row)).earlier(-_RULES_FOLLOW)
            own.add(number_of(row))
        elif _is_the_systems(row) and time_of(row) <= last:
            own.add(number_of(row))
    return frozenset(own)


def with_others(seen: LastSeen | None, watermark: Watermark, some: Sequence[Row], origin: Origin) -> Origin:
    """``origin``, without the own agent where some of a ticket's actions, which need not be all, show that others have
    changed it as well."""
    if _are_own(_fresh(seen, watermark, some), some, origin.own_agent):
        return origin
    return Origin(None, origin.told, some)


def are_all_since(seen: LastSeen | None, now: Snapshot, some: Sequence[Row], since: str) -> bool:
    """Whether some of a ticket's actions are all of them since it was last seen, or all at all if it never was.

    The actions of a ticket are numbered from 1 (seen live), and each change of its status begins where the one before
    ended. ``some`` has all since ``since``, "" where that is not known.
    """
    first = 1 if seen is None else None if seen.action_id is None else seen.action_id + 1
    numbers = sorted(number for number in map(number_of, some) if number >= (first or 1))
    if not numbers or numbers != list(range(first or numbers[0], (first or numbers[0]) + len(numbers))):
        return False
    changes = [one for one in _transitions(some) if one.action_id >= numbers[0]]
    if seen is not None and first is None:
        if not since or seen.sort_key < since:
            return False
        changes = [one for one in changes if one.at >= seen.sort_key]
    statuses = [seen.status_id if seen else changes[0].old if changes else now.status_id]
    for one in changes:
        if one.old != statuses[-1]:
            return False
        statuses.append(one.new)
    return statuses[-1] == now.status_id


def _fresh(seen: LastSeen | None, watermark: Watermark, actions: Sequence[Row]) -> list[Row]:
    """The actions since the ticket was last seen. An action is dated a little later than what it tells of."""
    after = max(seen.sort_key if seen else watermark.sort_key, watermark.horizon)
    known = seen.action_id or 0 if seen else 0
    return [row for row in actions if time_of(row) > after and number_of(row) > known]


def _up_to(now: Snapshot, actions: Sequence[Row]) -> Sequence[Row]:
    """The actions that the snapshot can show. Those of later, which were read after it, are left to the next look."""
    latest = max(now.read_at, now.sort_key).earlier(-_DATED_LATER) if now.read_at else ""
    return [row for row in actions if not latest or time_of(row) <= latest]


def _is_the_systems(row: Row) -> bool:
    return whole_number(row.get("who_type")) == _SYSTEM


def time_of(row: Row) -> SortKey:
    """When an action was made, "" where it does not tell."""
    return SortKey.of(row.get("actiondatecreated")) or SortKey.of(row.get("datetime"))


def number_of(row: Row) -> int:
    """The number of an action, which counts from 1 in each ticket; 0 where it has none."""
    return as_id(row.get("id")) or 0


def _newest(actions: Sequence[Row] | None) -> int | None:
    return max(filter(None, map(number_of, actions or ())), default=None)


def _status_before(actions: Sequence[Row] | None, watermark: Watermark) -> int | None:
    transitions = _transitions(actions or ())
    return next((one.old for one in transitions if one.at > watermark.sort_key), None)


def decide_status_changed(
    seen: LastSeen | None,
    now: Snapshot,
    watermark: Watermark,
    actions: Sequence[Row] | None,
    origin: Origin = Origin(),
    *,
    new_status_id: int | None = None,
) -> list[Step]:
    """An event for every status transition since the ticket was last seen, in order, from the ticket's actions.

    ``actions`` is None where they cannot be read. Then the status last seen and the present status make one transition.
    A ticket that was never seen and has no readable actions makes none: an old status is never invented.
    """
    if not has_moved(seen, now, watermark):
        return [] if seen else [Step(None, as_seen(now, seen))]
    steps: list[Step] = []
    current = seen or LastSeen("", None)
    last = _newest(actions)
    if seen and (last or 0) < (seen.action_id or 0):
        # Actions were deleted, or Halo was restored from a backup: their numbers will be used again.
        seen = replace(seen, action_id=None)
    fresh = [] if actions is None else _since(seen, watermark, _transitions(actions))
    own = _own_actions(actions or (), origin.own_agent)
    for one in fresh:
        current = replace(current, status_id=one.new, action_id=one.action_id)
        left_out = one.action_id in own or new_status_id not in (None, one.new)
        steps.append(Step(None if left_out else one.event(now, watermark), current))
    ahead = bool(fresh) and fresh[-1].at > now.sort_key
    # A status change that left no action still makes an event. But when an action is newer than the ticket as read, a
    # different status proves nothing: the ticket was read before that action.
    if current.status_id and now.status_id and current.status_id != now.status_id and not ahead:
        again = _again(as_seen(now, seen))
        event_id = f"{now.ticket_id}-status-{current.status_id}-{now.status_id}-{now.sort_key}{again}"
        event = Event(event_id, {"old_status_id": current.status_id, "new_status_id": now.status_id})
        left_out = new_status_id not in (None, now.status_id) or _is_own(seen, now, watermark, actions, origin)
        # The action of this change may appear later, so the next comparison must not start from the last action's id.
        # Without an ``action_id`` it goes by time and status instead.
        current, last = replace(current, status_id=now.status_id, action_id=None), None
        steps.append(Step(None if left_out else event, current))
    status = current.status_id if ahead else now.status_id or current.status_id
    return [*steps, Step(None, replace(as_seen(now, seen), status_id=status, action_id=last))]


@dataclass(frozen=True)
class _Transition:
    """A change of status, as an action tells of it."""

    action_id: int
    at: str
    old: int
    new: int

    def event(self, now: Snapshot, watermark: Watermark) -> Event:
        return Event(
            f"{now.ticket_id}-status-{self.action_id}{_life(now, watermark)}",
            {"old_status_id": self.old, "new_status_id": self.new},
        )


def _transitions(actions: Sequence[Row]) -> list[_Transition]:
    """The changes of status that the actions tell of, oldest first."""
    found = []
    for row in actions:
        number, old, new = as_id(row.get("id")), as_id(row.get("old_status")), as_id(row.get("new_status"))
        if number and old and new and old != new:
            found.append(_Transition(number, time_of(row), old, new))
    return sorted(found, key=lambda one: (one.action_id, one.at))


def _since(seen: LastSeen | None, watermark: Watermark, transitions: list[_Transition]) -> list[_Transition]:
    """The transitions since the ticket was last seen: by action id where that is known, else by time.

    By time, the transition that led to the status last seen can have the same time as that snapshot. It is left out: a
    transition that follows must start from that status, and this one does not.
    """
    transitions = [one for one in transitions if not one.at or one.at > watermark.horizon]
    if seen is None:
        return [one for one in transitions if one.at > watermark.sort_key]
    if seen.action_id is not None:
        return [one for one in transitions if one.action_id > seen.action_id]
    later = [one for one in transitions if one.at >= seen.sort_key]
    while later and seen.status_id and later[0].old != seen.status_id:
        later.pop(0)
    return later


def _again(after: LastSeen) -> str:
    """The end of the ``event_id`` that tells apart several changes with the same last_update."""
    return f"-{after.repeats}" if after.repeats else ""


def as_seen(now: Snapshot, seen: LastSeen | None) -> LastSeen:
    """What to save as seen after a snapshot. Fields that are only in the earlier state are kept."""
    if seen is None:
        return LastSeen(now.sort_key, now.status_id, dict(now.content_key), occurred=now.occurred)
    return LastSeen(
        now.sort_key,
        now.status_id or seen.status_id,
        {**{name: key for name, key in seen.content_key.items() if name != SHORT_DATE}, **now.content_key},
        seen.action_id,
        seen.repeats + 1 if seen.sort_key == now.sort_key else 0,
        now.occurred or seen.occurred,
    )
