"""The loop of a trigger: poll, recheck pending tickets, decide, deliver, save; until it is stopped."""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from functools import partial
from typing import Callable

from ..halo.changes import (
    OVERLAP,
    STATES,
    Asked,
    Page,
    Snapshot,
    changed_since,
    clock_of,
    read_page,
    skew_of,
    snapshot_of,
)
from ..halo.errors import HaloError
from ..halo.values.sort_key import SortKey
from ..halo.webhook import Notice
from .decide import Event, Watermark, as_seen
from .delivery import Delivered
from .dependencies import FEW, LASTING, LONGEST_CATCH_UP, REFUSALS_BELIEVED, Dependencies, Row, in_short, is_general
from .first_start import begin
from .halo_clock import HaloClock
from .lifecycle import Stopped
from .pending import Pending
from .poll import Batch, Poll, poll
from .store import Parked
from .ticket_events import TicketEvents

_FIRST_BACKOFF = 5.0
_LONGEST_BACKOFF = 300.0
# A pause that Halo asks for is taken as it is so often in a row, and no longer one than this.
_TRUSTED = 5
_LONGEST_TOLD = 900.0
_MOST_PENDING = 1_000
_PAGE = 100
# Later than this, no list shows a change for the first time.
_LATEST_TO_APPEAR = timedelta(minutes=2)
# Two clocks of Halo's, of its dates and of its responses, may differ by this much.
_CLOCKS_DIFFER = timedelta(minutes=5)
# After so many failures in a row a poll begins anew.
_MOST_FAILURES_OF_A_POLL = 5
# Compared with our own clock, which may be a day wrong. It only saves a request: Halo's clock decides.
_MAY_BE_TOO_OLD = LONGEST_CATCH_UP - timedelta(days=1)
_MISSING = frozenset({"not_found", "unauthorized"})


class TriggerLoop:
    """Runs until stopped. Errors from Halo never end it: it logs the first one and goes on trying, more slowly.

    An error with one ticket does not delay the other tickets. That ticket stays pending and is rechecked less and less
    often. A poll goes on where an error interrupted it.
    """

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps
        self._failures = 0
        self._next_poll = deps.clock()
        self._polled_since_start = False
        # The poll that is under way, what it has asked for, and the changes of its batch that are not done yet.
        self._poll: Poll | None = None
        self._asked: Asked | None = None
        self._batch: deque[tuple[Snapshot, Row]] = deque()
        self._upto = SortKey()
        # The pending tickets, with their numbers, when the page was asked for that the batch is of.
        self._pending_before: dict[int, int] = {}
        self._polled_at = SortKey()
        self._states = STATES
        self._halo_clock = HaloClock(deps.now)
        self._events = TicketEvents(deps, self._halo_clock)
        self._failures_of_poll = 0
        self._parked: deque[Parked] | None = None
        self._next_offer = 0.0
        self._knows_ticket_ids = True
        # Pending tickets that a list of theirs did not have, or not as they are now: they are read one by one.
        self._alone: set[int] = set()
        # ticket id -> how often in a row an error came with it that is one of Halo as a whole, or seemed to be
        self._general: dict[int, int] = {}
        # ticket id -> (failures so far, the ``clock`` time before which it is not tried again)
        self._postponed: dict[int, tuple[int, float]] = {}
        self._next_recheck: float | None = None

    def run(self) -> None:
        """Poll every ``interval`` seconds, and recheck pending tickets without delay. Returns when stopped."""
        deps = self._deps
        while not deps.stopping.stopped:
            try:
                if self._recheck_pending() | self._poll_on() | self._offer_parked():
                    continue
            except HaloError as error:
                self._rest(deps.clock() + self._backoff(error), wake=False)
                continue
            self._rest(min(self._next_poll, self._next_recheck or self._next_poll), wake=True)

    def _rest(self, until: float, *, wake: bool) -> None:
        """Rest until there is something to do. With ``wake``, a ticket that becomes pending ends the rest too.

        Without ``wake`` (while Halo fails) it does not: each webhook would send another request to a failing Halo.
        """
        deps = self._deps
        while not deps.stopping.stopped and (left := until - deps.clock()) > 0:
            deps.stopping.rest(left)
            if wake:
                return

    def _backoff(self, error: HaloError) -> float:
        """The seconds until Halo is tried again: as many as it asks for, else more each time."""
        deps = self._deps
        self._failures += 1
        if self._failures == 1:
            deps.logger.error(
                f"HaloITSM trigger: {error.cause} {error.assistance} {in_short(error)} It goes on trying."
            )
        told, own = min(error.wait, _LONGEST_TOLD), self._pause(self._failures)
        return told if told and self._failures <= _TRUSTED else max(told, own)

    @staticmethod
    def _pause(failures: int) -> float:
        return float(min(_FIRST_BACKOFF * 2.0 ** min(failures - 1, 10), _LONGEST_BACKOFF))

    def _answered(self) -> None:
        """Halo has answered a request as it should."""
        if self._failures:
            self._deps.logger.info(f"HaloITSM trigger: HaloITSM answers again after {self._failures} failed attempts.")
            self._failures = 0

    # -- polling

    def _poll_on(self) -> bool:
        """Do a part of the poll that is under way or due: one request, or one batch. False when none is."""
        deps = self._deps
        if self._batch:
            self._do_batch()
            return True
        if self._poll is None:
            if deps.clock() < self._next_poll:
                return False
            if deps.store.watermark() is None:
                self._polled_at = begin(deps, self._halo_clock)
                self._done(1)
                return True
            self._forget_what_is_too_old()
            if deps.policy.ticket_id is not None:
                self._check_watched(deps.policy.ticket_id)
                self._done(1)
                return True
            self._start_poll()
        page = None
        if self._asked is not None:
            self._pending_before = {one.ticket_id: one.number for one in deps.store.pending(_MOST_PENDING)}
            page = self._read_page(self._asked)
        self._send(page)
        return True

    def _read_page(self, asked: Asked) -> Page:
        deps = self._deps
        try:
            with deps.stopping.breakable():
                page = read_page(deps.reader, asked)
        except HaloError:
            self._failures_of_poll += 1
            if self._failures_of_poll >= _MOST_FAILURES_OF_A_POLL:
                self._failures_of_poll, self._poll, self._asked = 0, None, None
            raise
        self._failures_of_poll = 0
        self._told_time(page)
        return page

    @property
    def _watermark(self) -> Watermark:
        """What counts as old; nothing before the first start is complete."""
        return self._deps.store.watermark() or Watermark("")

    def _start_poll(self) -> None:
        deps = self._deps
        since = max(deps.store.cursor().earlier(OVERLAP), SortKey(self._watermark.horizon))
        with deps.stopping.breakable():
            self._states = STATES if deps.hides_closed() else STATES[:1]
        self._poll, self._asked, self._polled_at = poll(since, self._states), None, SortKey()

    def _send(self, page: Page | None) -> None:
        """Let the poll go on with the page that it asked for, to its next page, its next batch, or its end."""
        assert self._poll is not None  # nosec B101: _poll_on has seen to it
        self._asked = None
        try:
            step = self._poll.send(page)
        except StopIteration:
            self._poll = None
            self._done(len(self._states))
            return
        if isinstance(step, Batch):
            self._batch, self._upto = deque(step.tickets), step.upto
        else:
            self._asked = step

    def _told_time(self, page: Page) -> None:
        self._answered()
        self._halo_clock.told(page.skew)
        if not page.halo_time:
            return
        self._polled_at = self._polled_at or page.halo_time
        self._forget_what_is_too_old(page.halo_time)
        watermark = self._watermark
        # Halo's clock was ahead when the trigger started, and is right again.
        if watermark.horizon > page.halo_time:
            self._deps.store.forget_before(page.halo_time.earlier(LONGEST_CATCH_UP))
        if SortKey(watermark.sort_key) > page.halo_time.earlier(-_CLOCKS_DIFFER):
            self._lower_watermark(watermark, page.halo_time)

    def _lower_watermark(self, watermark: Watermark, halo_time: SortKey) -> None:
        """Let what happens from now on be new. What is dated later but is old, since it happened before the start, is
        saved as seen."""
        deps = self._deps
        with deps.stopping.breakable():
            later = changed_since(deps.reader, halo_time, closed=len(self._states) > 1).rows
        old = [one for one, _ in later if one.sort_key <= watermark.sort_key and deps.store.seen(one.ticket_id) is None]
        deps.store.save([(one.ticket_id, as_seen(one, None)) for one in old])
        deps.store.lower_watermark(halo_time)
        deps.logger.warning("HaloITSM trigger: HaloITSM's clock was set back. What happens from now on is new.")

    def _do_batch(self) -> None:
        deps = self._deps
        self._events.expect([snapshot for snapshot, _ in self._batch])
        done: list[tuple[int, int]] = []
        in_a_row = 0
        try:
            while self._batch:
                snapshot, row = self._batch[0]
                ticket_id = snapshot.ticket_id
                try:
                    is_news = self._is_news(snapshot)
                    self._deliver(snapshot, row)
                    in_a_row = 0
                    # A webhook may tell of more than a list that is behind: it must show a change to be believed.
                    if is_news and ticket_id in self._pending_before:
                        done.append((ticket_id, self._pending_before[ticket_id]))
                except HaloError as error:
                    in_a_row += 1
                    if self._is_general(ticket_id, error) or in_a_row > 1:
                        raise
                    # It stays pending, so that the cursor can move on without it.
                    deps.store.add_pending([Notice(ticket_id)])
                    self._postpone(ticket_id, error)
                self._batch.popleft()
        finally:
            deps.store.drop_pending(done)
        # The cursor moves only now: after a crash, what was not yet delivered must be found again.
        self._advance(self._upto)

    def _advance(self, upto: SortKey) -> None:
        """Save that all changes up to a moment are done.

        A ticket may be dated in the future: the cursor stays behind Halo's clock. It follows that clock also when that
        was set back. Otherwise no poll would find anything until the clock reaches the old cursor again.
        """
        store = self._deps.store
        # Where Halo tells no time, by our own clock.
        now = self._halo_clock.now() or SortKey.at(self._deps.now())
        cursor = min(max(store.cursor(), upto), now)
        if cursor != store.cursor():
            store.advance(cursor, cursor.earlier(2 * OVERLAP))

    def _done(self, requests: int) -> None:
        """A poll is complete. The next one comes after the interval; later, where that would use up the budget."""
        deps = self._deps
        if self._polled_at:
            # While nothing changes, the cursor follows at a distance. Otherwise each poll would read again what
            # happened just before the last change, which may be many pages.
            self._advance(self._polled_at.earlier(_LATEST_TO_APPEAR))
            deps.store.polled(self._polled_at)
        self._next_poll = deps.clock() + max(deps.interval, 1.25 * requests * deps.seconds_per_request)
        if not self._polled_since_start:
            self._polled_since_start = True
            with deps.stopping.breakable():
                deps.started()

    def _forget_what_is_too_old(self, halo_time: SortKey = SortKey()) -> None:
        """At a start after a pause of more than seven days by Halo's clock, count all that happened before as old."""
        deps = self._deps
        if self._polled_since_start:
            return
        polled_at = deps.store.polled_at() or deps.store.cursor()
        if not halo_time:
            moment = polled_at.moment
            if deps.policy.ticket_id is None and moment and deps.now() - moment <= _MAY_BE_TOO_OLD:
                return
            with deps.stopping.breakable():
                _, response = deps.reader.page(1, {"page_size": "1"})
            halo_time = clock_of(response)
            self._halo_clock.told(skew_of(response, deps.reader.now))
        horizon = halo_time.earlier(LONGEST_CATCH_UP)
        if horizon > max(polled_at, self._watermark.horizon):
            deps.logger.warning("HaloITSM trigger: what happened more than seven days ago is left out.")
            deps.store.forget_before(horizon)

    def _check_watched(self, ticket_id: int) -> None:
        self._polled_at = self._halo_clock.now()
        try:
            self._check(ticket_id)
        except HaloError as error:
            if error.kind not in _MISSING:
                raise
            self._tell_missing(ticket_id)

    def _tell_missing(self, ticket_id: int) -> None:
        # The ticket was deleted, is hidden from the agent, or never existed. It makes no events.
        self._deps.logger.info(f"HaloITSM trigger: no ticket {ticket_id} is there for the API application's agent.")

    # -- pending tickets

    def _recheck_pending(self) -> bool:
        """Recheck some of the pending tickets. False when none is due."""
        deps = self._deps
        if deps.store.watermark() is None:
            return False
        listed = deps.store.pending(_MOST_PENDING)
        needless = [one for one in listed if self._is_needless(one)]
        if needless:
            deps.store.drop_pending((one.ticket_id, one.number) for one in needless)
            listed = [one for one in listed if one not in needless]
        due = [one for one in listed if self._due_at(one.ticket_id) <= deps.clock()]
        self._next_recheck = min((self._due_at(one.ticket_id) for one in listed), default=None)
        self._alone &= {one.ticket_id for one in listed}
        together = [one for one in due if one.ticket_id not in self._alone] if self._knows_ticket_ids else []
        if len(together) > FEW:
            self._recheck_by_list(together[:_PAGE])
        # A few at a time: a poll may be due meanwhile.
        for one in [one for one in due if len(together) <= FEW or one.ticket_id in self._alone][:FEW]:
            self._recheck(one, partial(self._check, one.ticket_id, one.agent_id))
        return bool(due)

    def _is_needless(self, one: Pending) -> bool:
        """Whether the ticket is not watched, or was read after the webhooks that named it were sent."""
        if self._deps.policy.ticket_id not in (None, one.ticket_id):
            return True
        return bool(one.sent) and one.sent <= self._events.read_at(one.ticket_id)

    def _recheck_by_list(self, due: list[Pending]) -> None:
        """Recheck up to a page of tickets by one list of theirs. Those that it does not have stay for the next time."""
        deps = self._deps
        wanted = {one.ticket_id: one for one in due}
        try:
            with deps.stopping.breakable():
                page = read_page(deps.reader, Asked(1, {"ticketids": ",".join(map(str, wanted))}))
        except HaloError as error:
            if self._is_general(0, error):
                raise
            self._knows_ticket_ids = False
            return
        self._general.pop(0, None)
        self._answered()
        self._halo_clock.told(page.skew)
        found = [(one, row) for one, row in page.tickets if one.ticket_id in wanted]
        if len(found) < len(page.tickets):
            # The build ignores the parameter, which is only documented.
            self._knows_ticket_ids = False
            return
        if not found:
            self._alone.update(wanted)
            return
        self._events.expect([snapshot for snapshot, _ in found])
        for snapshot, row in sorted(found, key=lambda item: item[0].sort_key):
            one = wanted[snapshot.ticket_id]
            if self._is_news(snapshot):
                self._recheck(one, partial(self._deliver, snapshot, row, one.agent_id))
            else:
                # The list may be behind.
                self._alone.add(one.ticket_id)

    def _is_news(self, snapshot: Snapshot) -> bool:
        seen = self._deps.store.seen(snapshot.ticket_id)
        return seen is None or seen.sort_key != snapshot.sort_key

    def _is_general(self, ticket_id: int, error: HaloError) -> bool:
        """Whether an error that came with a ticket is one of Halo as a whole. One that comes with the same ticket again
        and again is that ticket's. A ticket id of 0 stands for the list by ids."""
        if not is_general(error):
            return False
        self._general[ticket_id] = self._general.get(ticket_id, 0) + 1
        if self._general[ticket_id] < REFUSALS_BELIEVED:
            return True
        self._general.pop(ticket_id)
        return False

    def _recheck(self, one: Pending, work: Callable[[], None]) -> None:
        """Do ``work`` for a pending ticket, which is then pending no longer; where it fails, it is put off."""
        deps = self._deps
        try:
            work()
        except HaloError as error:
            if self._is_general(one.ticket_id, error):
                raise
            if self._postpone(one.ticket_id, error) < REFUSALS_BELIEVED or error.kind not in LASTING:
                deps.store.postpone_pending(one.ticket_id, one.number)
                return
            if error.kind in _MISSING:
                self._tell_missing(one.ticket_id)
            else:
                deps.logger.warning(f"HaloITSM trigger: ticket {one.ticket_id} is given up. {in_short(error)}")
        self._postponed.pop(one.ticket_id, None)
        deps.store.drop_pending([(one.ticket_id, one.number)])

    def _due_at(self, ticket_id: int) -> float:
        return self._postponed.get(ticket_id, (0, 0.0))[1]

    def _postpone(self, ticket_id: int, error: HaloError) -> int:
        """Put off a ticket, and return how often it has been."""
        failures = self._postponed.get(ticket_id, (0, 0.0))[0] + 1
        if failures == 1 and error.kind not in _MISSING:
            self._deps.logger.warning(
                f"HaloITSM trigger: ticket {ticket_id} is tried again: {error.cause} {in_short(error)}"
            )
        self._postponed[ticket_id] = (failures, self._deps.clock() + self._pause(failures))
        return failures

    def _check(self, ticket_id: int, told: int | None = None) -> None:
        """Read a ticket and deliver its events. ``told`` is the agent that a webhook named."""
        with self._deps.stopping.breakable():
            read_at = self._halo_clock.now()
            ticket = self._deps.reader.get(ticket_id)
        self._answered()
        snapshot = snapshot_of(ticket, read_at)
        if snapshot is not None:
            self._events.expect([snapshot])
            self._deliver(snapshot, ticket, told)

    def _deliver(self, snapshot: Snapshot, ticket: Row, told: int | None = None) -> None:
        failures = self._postponed.get(snapshot.ticket_id, (0, 0.0))[0]
        self._events.deliver(snapshot, ticket, self._watermark, told=told, failures=failures)
        self._postponed.pop(snapshot.ticket_id, None)
        self._general.pop(snapshot.ticket_id, None)

    # -- parked events

    def _offer_parked(self) -> bool:
        """Offer an event again that the orchestrator refused before this start. False when all were offered."""
        deps = self._deps
        if not self._polled_since_start or deps.clock() < self._next_offer:
            return False
        if self._parked is None:
            self._parked = deque(deps.store.parked())
        if not self._parked:
            return False
        parked = self._parked[0]
        try:
            with deps.stopping.breakable():
                ticket = deps.reader.get(parked.ticket_id)
                output = deps.output(Event(parked.event_id, parked.outputs), ticket)
            outcome = deps.delivery.deliver(parked.event_id, output)
            if outcome is Delivered.STOPPED:
                raise Stopped
            if outcome is Delivered.DONE:
                deps.store.unpark(parked.event_id)
        except HaloError as error:
            if is_general(error):
                # Later: it holds up nothing.
                self._parked.rotate(-1)
                self._next_offer = deps.clock() + _LONGEST_BACKOFF
                return False
            if error.kind == "not_found":
                self._tell_missing(parked.ticket_id)
                deps.store.unpark(parked.event_id)
        self._parked.popleft()
        return True
