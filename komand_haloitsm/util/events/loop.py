"""The loop of a trigger: poll, recheck pending tickets, decide, deliver, save; until it is stopped."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Mapping

from ..halo.changes import OVERLAP, Snapshot, changed_since, clock_of, snapshot_of
from ..halo.errors import HaloError
from ..halo.tickets.read import TicketReader
from ..halo.values.sort_key import SortKey
from ..halo.webhook import Notice
from .decide import Event, EventPolicy, LastSeen, Watermark
from .delivery import Delivery
from .lifecycle import Stopped, Stopping
from .store import Store

Row = dict[str, Any]

LONGEST_CATCH_UP = timedelta(days=7)
_FIRST_BACKOFF = 5.0
_LONGEST_BACKOFF = 300.0
_MOST_ACTIONS = 10_000
_MOST_PENDING = 1_000
_REFUSALS_BELIEVED = 3
# Compared with our own clock, which may be a day wrong. It only saves a request: Halo's clock decides.
_MAY_BE_TOO_OLD = LONGEST_CATCH_UP - timedelta(days=1)
# Errors on reading a ticket's actions that waiting does not change. All others are temporary.
_UNREADABLE = frozenset({"forbidden", "unauthorized", "not_found", "refused", "unknown_shape"})


@dataclass(frozen=True)
class Dependencies:
    """What a loop needs. ``output(event, ticket)`` makes the event's body; ``interval`` is in seconds."""

    reader: TicketReader
    store: Store
    policy: EventPolicy
    delivery: Delivery
    stopping: Stopping
    output: Callable[[Event, Row], Mapping[str, Any]]
    interval: float
    logger: Any
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)


class TriggerLoop:
    """Runs until stopped. Errors from Halo never end it: it logs the first one and goes on trying, more slowly.

    An error with one ticket does not delay the other tickets. That ticket stays pending and is rechecked less and less
    often.
    """

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps
        self._failures = 0
        self._polled_since_start = False
        # ticket id -> (failures so far, the ``clock`` time before which it is not tried again)
        self._postponed: dict[int, tuple[int, float]] = {}
        self._refusals_of_actions = 0

    def run(self) -> None:
        """Poll every ``interval`` seconds, and recheck pending tickets without delay. Returns when stopped."""
        deps = self._deps
        next_poll = deps.clock()
        while not deps.stopping.stopped:
            try:
                if deps.clock() >= next_poll:
                    self._poll()
                    next_poll = deps.clock() + deps.interval
                self._recheck_pending()
                self._recovered()
            except HaloError as error:
                next_poll = deps.clock() + self._backoff(error)
                self._rest(next_poll, wake=False)
                continue
            self._rest(next_poll, wake=True)

    def _rest(self, until: float, *, wake: bool) -> None:
        """Rest until it is time to poll. With ``wake``, a ticket that becomes pending ends the rest too.

        Without ``wake`` (while Halo fails) it does not: each webhook would send another request to a failing Halo.
        """
        deps = self._deps
        while not deps.stopping.stopped and (left := until - deps.clock()) > 0:
            deps.stopping.rest(left)
            if wake:
                return

    def _backoff(self, error: HaloError) -> float:
        deps = self._deps
        self._failures += 1
        if self._failures == 1:
            deps.logger.error(
                f"HaloITSM trigger: {error.cause} {error.assistance} {in_short(error)} It goes on trying."
            )
        return self._pause(self._failures)

    @staticmethod
    def _pause(failures: int) -> float:
        return float(min(_FIRST_BACKOFF * 2.0 ** min(failures - 1, 10), _LONGEST_BACKOFF))

    def _recovered(self) -> None:
        if self._failures:
            self._deps.logger.info(f"HaloITSM trigger: HaloITSM answers again after {self._failures} failed attempts.")
            self._failures = 0

    def _poll(self) -> None:
        deps = self._deps
        watermark = deps.store.watermark()
        if watermark is None:
            self._begin()
            return
        first = not self._polled_since_start
        if first and (deps.policy.ticket_id is not None or self._may_be_too_old()):
            with deps.stopping.breakable():
                _, response = next(iter(deps.reader.pages({"page_size": "1"})))
            self._forget_what_is_too_old(clock_of(response))
        if deps.policy.ticket_id is not None:
            self._check(deps.policy.ticket_id)
        else:
            self._catch_up(first)
        self._polled_since_start = True

    def _begin(self) -> None:
        """The very first start: everything that exists now counts as old, and nothing is delivered."""
        deps = self._deps
        with deps.stopping.breakable():
            rows, response = next(iter(deps.reader.pages({})))
            numbers = [snapshot.ticket_id for snapshot in map(snapshot_of, rows) if snapshot]
            newest_first = numbers == sorted(numbers, reverse=True)
            # The plain list may leave out tickets that were closed long ago. The newest ticket may be one of those.
            closed, _ = next(iter(deps.reader.pages({"closed_only": "true"})))
            numbers += [snapshot.ticket_id for snapshot in map(snapshot_of, closed) if snapshot]
            newest_change = max(
                (snapshot.sort_key for snapshot in map(snapshot_of, rows) if snapshot), default=SortKey()
            )
            began = clock_of(response) or newest_change
            if deps.policy.ticket_id is None:
                old = changed_since(deps.reader, began.earlier(OVERLAP)).rows
            else:
                ticket = deps.reader.find(deps.policy.ticket_id)
                snapshot = snapshot_of(ticket) if ticket else None
                old = [(snapshot, ticket)] if snapshot and ticket else []
        # Halo's clock, not the newest change: a ticket may be dated in the future. Tickets that changed later than this
        # were read just now and are saved as seen.
        watermark = Watermark(
            began,
            max([0, *numbers, *(snapshot.ticket_id for snapshot, _ in old)]) if newest_first else None,
        )
        seen = [
            (snapshot.ticket_id, LastSeen(snapshot.sort_key, snapshot.status_id, snapshot.content_key))
            for snapshot, _ in old
        ]
        deps.store.begin(watermark, began, seen)
        self._polled_since_start = True
        deps.logger.info("HaloITSM trigger: started; events from now on are delivered.")

    def _may_be_too_old(self) -> bool:
        """Whether the last poll may be too long ago to catch up from; Halo's clock is then asked before reading."""
        cursor = self._deps.store.cursor().moment
        return cursor is None or self._deps.now() - cursor > _MAY_BE_TOO_OLD

    def _forget_what_is_too_old(self, halo_time: SortKey) -> None:
        """After a pause of more than seven days by Halo's clock, count all that happened before them as old."""
        horizon = halo_time.earlier(LONGEST_CATCH_UP)
        if horizon > self._deps.store.cursor():
            self._deps.logger.warning("HaloITSM trigger: what happened more than seven days ago is left out.")
            self._deps.store.forget_before(horizon)

    def _catch_up(self, first: bool) -> None:
        deps = self._deps
        watermark = deps.store.watermark() or Watermark("")
        with deps.stopping.breakable():
            changes = changed_since(deps.reader, max(deps.store.cursor().earlier(OVERLAP), SortKey(watermark.horizon)))
        if first:
            self._forget_what_is_too_old(changes.halo_time)
            watermark = deps.store.watermark() or watermark
        in_a_row = 0
        for snapshot, row in changes.rows:
            try:
                self._process(snapshot, row, watermark)
                in_a_row = 0
            except HaloError as error:
                in_a_row += 1
                if is_general(error) or in_a_row > 1:
                    raise
                # It stays pending, so that the cursor can move on without it.
                deps.store.add_pending([Notice(snapshot.ticket_id)])
                self._postpone(snapshot.ticket_id, error)
        # The cursor moves only now: after a crash, what was not yet delivered must be found again.
        newest = max((snapshot.sort_key for snapshot, _ in changes.rows), default=SortKey())
        # The cursor follows Halo's clock even when that was set back. Otherwise no poll would find anything until the
        # clock reaches the old cursor again.
        cursor = changes.halo_time or max(deps.store.cursor(), newest)
        deps.store.advance(cursor, cursor.earlier(2 * OVERLAP))

    def _recheck_pending(self) -> None:
        deps = self._deps
        rechecked: set[int] = set()
        while not deps.stopping.stopped:
            due = [
                (item.ticket_id, item.number)
                for item in deps.store.pending(_MOST_PENDING)
                if self._is_due(item.ticket_id) and item.number not in rechecked
            ]
            if not due:
                return
            for ticket_id, number in due:
                rechecked.add(number)
                self._recheck(ticket_id, number)

    def _recheck(self, ticket_id: int, number: int) -> None:
        deps = self._deps
        try:
            if deps.policy.ticket_id in (None, ticket_id):
                self._check(ticket_id)
        except HaloError as error:
            if is_general(error):
                raise
            self._postpone(ticket_id, error)
            deps.store.postpone_pending(ticket_id, number)
            return
        self._postponed.pop(ticket_id, None)
        deps.store.drop_pending([(ticket_id, number)])

    def _is_due(self, ticket_id: int) -> bool:
        return self._deps.clock() >= self._postponed.get(ticket_id, (0, 0.0))[1]

    def _postpone(self, ticket_id: int, error: HaloError) -> None:
        failures = self._postponed.get(ticket_id, (0, 0.0))[0] + 1
        if failures == 1:
            self._deps.logger.warning(
                f"HaloITSM trigger: ticket {ticket_id} is tried again: {error.cause} {in_short(error)}"
            )
        self._postponed[ticket_id] = (failures, self._deps.clock() + self._pause(failures))

    def _check(self, ticket_id: int) -> None:
        deps = self._deps
        with deps.stopping.breakable():
            try:
                ticket = deps.reader.get(ticket_id)
            except HaloError as error:
                # The ticket was deleted, is hidden from the agent, or never existed. It makes no events.
                if error.kind in ("not_found", "unauthorized"):
                    deps.logger.info(
                        f"HaloITSM trigger: no ticket {ticket_id} is there for the API application's agent."
                    )
                    return
                raise
        snapshot = snapshot_of(ticket)
        watermark = deps.store.watermark()
        if snapshot is not None and watermark is not None:
            self._process(snapshot, ticket, watermark)

    def _process(self, now: Snapshot, ticket: Row, watermark: Watermark) -> None:
        deps = self._deps
        seen = deps.store.seen(now.ticket_id)
        actions = None
        if deps.policy.needs_actions(seen, now, watermark):
            with deps.stopping.breakable():
                actions = self._actions(now.ticket_id, seen)
        for step in deps.policy.decide(seen, now, watermark, actions):
            if step.event is not None:
                with deps.stopping.breakable():
                    output = deps.output(step.event, ticket)
                if not deps.delivery.deliver(step.event.event_id, output):
                    raise Stopped
            deps.store.save([(now.ticket_id, step.seen)])

    def _actions(self, ticket_id: int, seen: LastSeen | None) -> list[Row] | None:
        """The ticket's actions, at least back to the last one seen. None when they cannot be read."""
        count = 50
        while True:
            try:
                rows, _ = self._deps.reader.actions(ticket_id, count)
            except HaloError as error:
                self._refusals_of_actions += 1
                # A single refusal may be temporary, and without the actions the transitions between two snapshots are
                # lost. So the error is raised, and the ticket tried again, until several refusals came in a row.
                if error.kind in _UNREADABLE and self._refusals_of_actions >= _REFUSALS_BELIEVED:
                    return None
                raise
            self._refusals_of_actions = 0
            oldest = min(
                (SortKey.of(row.get("actiondatecreated") or row.get("datetime")) for row in rows), default=SortKey()
            )
            numbers = [row["id"] for row in rows if isinstance(row.get("id"), int)]
            reached = seen is not None and (
                min(numbers, default=0) <= seen.action_id if seen.action_id is not None else oldest < seen.sort_key
            )
            if reached or len(rows) < count or count >= _MOST_ACTIONS:
                return rows
            count = min(count * 20, _MOST_ACTIONS)


def is_general(error: HaloError) -> bool:
    """Whether an error concerns Halo as a whole, or the network on the way to it, rather than one ticket."""
    return error.status is None or error.status in (429, 502, 503, 504)


def in_short(error: HaloError) -> str:
    """The kind and status of an error. What Halo said is left out: it may quote a ticket, which must not be logged."""
    return f"({error.kind}, HTTP {error.status})" if error.status else f"({error.kind})"
