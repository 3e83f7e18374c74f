"""The loop of a trigger: poll and follow hints, decide, deliver, save; until it is stopped."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Mapping, Sequence

from ..dates import parse_date
from ..errors import HaloITSMError
from ..reading import TicketReader
from .decide import Baseline, Event, Look, Seen, Step, look_at, stamp
from .delivery import Delivery
from .poll import OVERLAP, changed_since, clock_of, earlier
from .stopping import Stopped, Stopping
from .store import Store

Row = dict[str, Any]

LONGEST_CATCH_UP = timedelta(days=7)
_FIRST_BACKOFF = 5.0
_LONGEST_BACKOFF = 300.0
_MOST_ACTIONS = 10_000
_MOST_HINTS = 1_000
_REFUSALS_BELIEVED = 3
# By our own clock, which may be wrong by a day; it only saves a request, Halo's decides.
_MAY_BE_TOO_OLD = LONGEST_CATCH_UP - timedelta(days=1)
# Refusals of a ticket's actions that no waiting changes; anything else is an error of the moment.
_UNREADABLE = frozenset({"forbidden", "unauthorized", "not_found", "refused", "unknown_shape"})


@dataclass(frozen=True)
class Rule:
    """Which events a look makes, for one trigger with its filters.

    ``decide`` gives the steps of a look; its actions are None when they were not asked for or cannot be read.
    ``needs_actions`` says whether they are needed to decide. ``ticket_id`` is the only ticket to watch, None for all.
    """

    decide: Callable[[Seen | None, Look, Baseline, Sequence[Row] | None], list[Step]]
    needs_actions: Callable[[Seen | None, Look, Baseline], bool] = lambda seen, now, baseline: False
    ticket_id: int | None = None


@dataclass(frozen=True)
class Parts:
    """What a loop works with. ``output(event, ticket)`` makes the event's body; ``interval`` is in seconds."""

    reader: TicketReader
    store: Store
    rule: Rule
    delivery: Delivery
    stopping: Stopping
    output: Callable[[Event, Row], Mapping[str, Any]]
    interval: float
    logger: Any
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)


class TriggerLoop:
    """Runs until stopped. Errors from Halo never end it: they are told once, and it goes on, more slowly.

    An error with one ticket does not hold up the others: it becomes a hint, which is tried again, less and less often.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._failures = 0
        self._polled_since_start = False
        # ticket id -> (failures so far, time of the clock before which it is not tried again)
        self._postponed: dict[int, tuple[int, float]] = {}
        self._refusals_of_actions = 0

    def run(self) -> None:
        """Poll every ``interval`` seconds, follow hints at once. Returns when stopped."""
        parts = self._parts
        next_poll = parts.clock()
        while not parts.stopping.stopped:
            try:
                if parts.clock() >= next_poll:
                    self._poll()
                    next_poll = parts.clock() + parts.interval
                self._follow_hints()
                self._recovered()
            except HaloITSMError as error:
                next_poll = parts.clock() + self._backoff(error)
                self._rest(next_poll, hints=False)
                continue
            self._rest(next_poll, hints=True)

    def _rest(self, until: float, *, hints: bool) -> None:
        """Until it is time to poll, or a hint comes; while Halo fails a hint changes nothing."""
        parts = self._parts
        while not parts.stopping.stopped and (left := until - parts.clock()) > 0:
            parts.stopping.rest(left)
            if hints:
                return

    def _backoff(self, error: HaloITSMError) -> float:
        parts = self._parts
        self._failures += 1
        if self._failures == 1:
            parts.logger.error(
                f"HaloITSM trigger: {error.cause} {error.assistance} {in_short(error)} It goes on trying."
            )
        return self._pause(self._failures)

    @staticmethod
    def _pause(failures: int) -> float:
        return float(min(_FIRST_BACKOFF * 2.0 ** min(failures - 1, 10), _LONGEST_BACKOFF))

    def _recovered(self) -> None:
        if self._failures:
            self._parts.logger.info(f"HaloITSM trigger: HaloITSM answers again after {self._failures} failed attempts.")
            self._failures = 0

    def _poll(self) -> None:
        parts = self._parts
        baseline = parts.store.baseline()
        if baseline is None:
            self._begin()
            return
        first = not self._polled_since_start
        if first and (parts.rule.ticket_id is not None or self._may_be_too_old()):
            with parts.stopping.breakable():
                _, answer = next(iter(parts.reader.pages({"page_size": "1"})))
            self._forget_what_is_too_old(clock_of(answer))
        if parts.rule.ticket_id is not None:
            self._look_by_id(parts.rule.ticket_id)
        else:
            self._catch_up(first)
        self._polled_since_start = True

    def _begin(self) -> None:
        """The first start: what there is now is old. Nothing is delivered."""
        parts = self._parts
        with parts.stopping.breakable():
            rows, answer = next(iter(parts.reader.pages({})))
            numbers = [look.ticket_id for look in map(look_at, rows) if look]
            newest_first = numbers == sorted(numbers, reverse=True)
            # The plain list may leave out what was closed long ago, and that may be the newest ticket.
            closed, _ = next(iter(parts.reader.pages({"closed_only": "true"})))
            numbers += [look.ticket_id for look in map(look_at, closed) if look]
            newest_change = max((look.stamp for look in map(look_at, rows) if look), default="")
            began = clock_of(answer) or newest_change
            if parts.rule.ticket_id is None:
                old = changed_since(parts.reader, earlier(began, OVERLAP)).rows
            else:
                ticket = parts.reader.find(parts.rule.ticket_id)
                look = look_at(ticket) if ticket else None
                old = [(look, ticket)] if look and ticket else []
        # Not the newest change: a ticket may be dated in the future, and what is newer than this was seen just now.
        baseline = Baseline(
            began,
            max([0, *numbers, *(look.ticket_id for look, _ in old)]) if newest_first else None,
        )
        seen = [(look.ticket_id, Seen(look.stamp, look.status_id, look.face)) for look, _ in old]
        parts.store.begin(baseline, began, seen)
        self._polled_since_start = True
        parts.logger.info("HaloITSM trigger: started; events from now on are delivered.")

    def _may_be_too_old(self) -> bool:
        """Whether to ask Halo's clock before reading, since the last poll may be too long ago to read from there."""
        cursor = parse_date(self._parts.store.cursor())
        return cursor is None or self._parts.now() - cursor > _MAY_BE_TOO_OLD

    def _forget_what_is_too_old(self, halo_time: str) -> None:
        """After a pause of more than seven days, by Halo's clock, what is older than that counts as old."""
        limit = earlier(halo_time, LONGEST_CATCH_UP)
        if limit > self._parts.store.cursor():
            self._parts.logger.warning("HaloITSM trigger: what happened more than seven days ago is left out.")
            self._parts.store.forget_before(limit)

    def _catch_up(self, first: bool) -> None:
        parts = self._parts
        baseline = parts.store.baseline() or Baseline("")
        with parts.stopping.breakable():
            changes = changed_since(parts.reader, max(earlier(parts.store.cursor(), OVERLAP), baseline.limit))
        if first:
            self._forget_what_is_too_old(changes.halo_time)
            baseline = parts.store.baseline() or baseline
        in_a_row = 0
        for look, row in changes.rows:
            try:
                self._look(look, row, baseline)
                in_a_row = 0
            except HaloITSMError as error:
                in_a_row += 1
                if is_general(error) or in_a_row > 1:
                    raise
                # Kept as a hint, so that the cursor can move on without it.
                parts.store.hint([look.ticket_id])
                self._postpone(look.ticket_id, error)
        # Only now: what is not yet delivered must be found again after a crash.
        newest = max((look.stamp for look, _ in changes.rows), default="")
        # Halo's clock may have been put back: then its own time counts, or nothing would be found until it is made up.
        cursor = changes.halo_time or max(parts.store.cursor(), newest)
        parts.store.advance(cursor, earlier(cursor, 2 * OVERLAP))

    def _follow_hints(self) -> None:
        parts = self._parts
        followed: set[int] = set()
        while not parts.stopping.stopped:
            due = [item for item in parts.store.hints(_MOST_HINTS) if self._is_due(item[0]) and item[1] not in followed]
            if not due:
                return
            for ticket_id, number in due:
                followed.add(number)
                self._follow(ticket_id, number)

    def _follow(self, ticket_id: int, number: int) -> None:
        parts = self._parts
        try:
            if parts.rule.ticket_id in (None, ticket_id):
                self._look_by_id(ticket_id)
        except HaloITSMError as error:
            if is_general(error):
                raise
            self._postpone(ticket_id, error)
            parts.store.postpone_hint(ticket_id, number)
            return
        self._postponed.pop(ticket_id, None)
        parts.store.drop_hint(ticket_id, number)

    def _is_due(self, ticket_id: int) -> bool:
        return self._parts.clock() >= self._postponed.get(ticket_id, (0, 0.0))[1]

    def _postpone(self, ticket_id: int, error: HaloITSMError) -> None:
        failures = self._postponed.get(ticket_id, (0, 0.0))[0] + 1
        if failures == 1:
            self._parts.logger.warning(
                f"HaloITSM trigger: ticket {ticket_id} is tried again: {error.cause} {in_short(error)}"
            )
        self._postponed[ticket_id] = (failures, self._parts.clock() + self._pause(failures))

    def _look_by_id(self, ticket_id: int) -> None:
        parts = self._parts
        with parts.stopping.breakable():
            try:
                ticket = parts.reader.get(ticket_id)
            except HaloITSMError as error:
                # Deleted, hidden from the agent, or never there: such a ticket makes no events.
                if error.kind in ("not_found", "unauthorized"):
                    parts.logger.info(
                        f"HaloITSM trigger: no ticket {ticket_id} is there for the API application's agent."
                    )
                    return
                raise
        look = look_at(ticket)
        baseline = parts.store.baseline()
        if look is not None and baseline is not None:
            self._look(look, ticket, baseline)

    def _look(self, now: Look, ticket: Row, baseline: Baseline) -> None:
        parts = self._parts
        seen = parts.store.seen(now.ticket_id)
        actions = None
        if parts.rule.needs_actions(seen, now, baseline):
            with parts.stopping.breakable():
                actions = self._actions(now.ticket_id, seen)
        for step in parts.rule.decide(seen, now, baseline, actions):
            if step.event is not None:
                with parts.stopping.breakable():
                    output = parts.output(step.event, ticket)
                if not parts.delivery.deliver(step.event.event_id, output):
                    raise Stopped
            parts.store.save([(now.ticket_id, step.seen)])

    def _actions(self, ticket_id: int, seen: Seen | None) -> list[Row] | None:
        """The ticket's actions, at least back to the last one seen; None where they cannot be read."""
        count = 50
        while True:
            try:
                rows, _ = self._parts.reader.actions(ticket_id, count)
            except HaloITSMError as error:
                self._refusals_of_actions += 1
                # One refusal may be a mishap, and the transitions between two looks are lost without the actions.
                if error.kind in _UNREADABLE and self._refusals_of_actions >= _REFUSALS_BELIEVED:
                    return None
                raise
            self._refusals_of_actions = 0
            oldest = min((stamp(row.get("actiondatecreated") or row.get("datetime")) for row in rows), default="")
            numbers = [row["id"] for row in rows if isinstance(row.get("id"), int)]
            reached = seen is not None and (
                min(numbers, default=0) <= seen.action_id if seen.action_id is not None else oldest < seen.stamp
            )
            if reached or len(rows) < count or count >= _MOST_ACTIONS:
                return rows
            count = min(count * 20, _MOST_ACTIONS)


def is_general(error: HaloITSMError) -> bool:
    """Whether an error speaks of Halo as a whole, or the way to it, rather than of one ticket."""
    return error.status is None or error.status in (429, 502, 503, 504)


def in_short(error: HaloITSMError) -> str:
    """Kind and status of an error. Not what Halo said: it may quote a ticket, and a log is no place for that."""
    return f"({error.kind}, HTTP {error.status})" if error.status else f"({error.kind})"
