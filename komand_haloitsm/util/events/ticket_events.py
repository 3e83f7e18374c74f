"""Delivers the events of a ticket that was just read, and saves what was seen of it."""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta
from typing import Any, Sequence

from ..halo.changes import Snapshot, snapshot_of
from ..halo.errors import HaloError, missing_ticket
from ..halo.values.sort_key import SortKey
from .actions import Acted, actions_of_all, read_actions
from .decide import LastSeen, Origin, Watermark, are_all_since, hints_at_a_restored_halo, is_another, with_others
from .delivery import Delivered
from .dependencies import FEW, LASTING, REFUSALS_BELIEVED, Dependencies, Row, is_general
from .halo_clock import HaloClock
from .lifecycle import Stopped
from .store import Parked

_NOBODY = Acted({}, SortKey())
_MOST_REMEMBERED = 10_000
# The Date header has whole seconds, and a reading takes a moment.
_CLOCKS_AGREE = timedelta(seconds=2)


class TicketEvents:
    """Knows, beside the store, what need not outlive the process: which tickets were read and which had an event."""

    def __init__(self, deps: Dependencies, halo_clock: HaloClock) -> None:
        self._deps = deps
        self._halo_clock = halo_clock
        # ticket id -> Halo's clock when the ticket was last read
        self._read_at: OrderedDict[int, SortKey] = OrderedDict()
        self._had_event: OrderedDict[int, None] = OrderedDict()
        self._refusals_of_actions = 0
        # How many tickets have changed at once, and who acted on them: None where the build does not list that.
        self._changed = 0
        self._acted: Acted | None = _NOBODY
        self._told_unknown = False

    def read_at(self, ticket_id: int) -> SortKey:
        """When by Halo's clock the ticket was last read, "" when it was not or that is not known."""
        return self._read_at.get(ticket_id, SortKey())

    def expect(self, changed: Sequence[Snapshot]) -> None:
        """Call before ``deliver`` for each of these tickets: who acted on many of them is asked by one request."""
        deps = self._deps
        both = [(deps.store.seen(one.ticket_id), one) for one in changed]
        both = [(seen, one) for seen, one in both if seen is None or seen.sort_key != one.sort_key]
        self._changed = len(both)
        if self._acted is None:
            return
        self._acted = _NOBODY
        if not (deps.policy.skips_own_changes or deps.policy.needs_every_action) or len(both) <= FEW:
            return
        since = min(SortKey(seen.sort_key) if seen else min(one.created, one.sort_key) for seen, one in both)
        # A ticket may be dated in the future.
        until = max(one.sort_key for _, one in both)
        now = self._halo_clock.now()
        until = min(until, now) if now else until
        with deps.stopping.breakable():
            try:
                self._acted = actions_of_all(deps.reader, since, until)
            except HaloError as error:
                if is_general(error):
                    raise
                self._acted = None

    def deliver(
        self, now: Snapshot, ticket: Row, watermark: Watermark, *, told: int | None = None, failures: int = 0
    ) -> None:
        """Deliver the events of a ticket as it was read, and save it as seen. Raises HaloError, and Stopped.

        ``told`` is the agent that a webhook named; ``failures`` is how often this has failed for the ticket before.
        """
        deps = self._deps
        seen = deps.store.seen(now.ticket_id)
        if is_another(seen, now) or (seen is None and hints_at_a_restored_halo(now, watermark)):
            seen, now, ticket, watermark = self._looked_into(seen, now, watermark)
        origin = self._origin(seen, now, watermark, told)
        actions = self._needed_actions(seen, now, watermark, origin, failures)
        for step in deps.policy.decide(seen, now, watermark, actions, origin):
            if step.event is None:
                deps.store.save([(now.ticket_id, step.seen)])
                continue
            with deps.stopping.breakable():
                output = deps.output(step.event, ticket)
            outcome = deps.delivery.deliver(step.event.event_id, output)
            if outcome is Delivered.STOPPED:
                raise Stopped
            self._remember(self._had_event, now.ticket_id, None)
            if outcome is Delivered.REFUSED:
                deps.store.park(Parked(step.event.event_id, now.ticket_id, step.event.outputs), step.seen)
            else:
                deps.store.save([(now.ticket_id, step.seen)])
        if now.read_at:
            self._remember(self._read_at, now.ticket_id, now.read_at.earlier(_CLOCKS_AGREE))

    @staticmethod
    def _remember(kept: OrderedDict[int, Any], ticket_id: int, value: Any) -> None:
        kept[ticket_id] = value
        kept.move_to_end(ticket_id)
        if len(kept) > _MOST_REMEMBERED:
            kept.popitem(last=False)

    def _origin(self, seen: LastSeen | None, now: Snapshot, watermark: Watermark, told: int | None) -> Origin:
        """Whom to leave out. Many changes at once can only be asked for one by one where Halo does not list all actions
        of a time: then only those are asked for that had an event before. A ticket that started no workflow cannot
        have been changed by it."""
        deps = self._deps
        too_many = self._acted is None and self._changed > FEW and now.ticket_id not in self._had_event
        if not deps.policy.skips_own_changes or too_many:
            return Origin(None, told)
        with deps.stopping.breakable():
            origin = Origin(deps.own_agent(), told)
        if origin.own_agent is None and not self._told_unknown:
            self._told_unknown = True
            deps.logger.warning(
                "HaloITSM trigger: HaloITSM does not tell which agent the API application is (GET /Agent/me), so that "
                "its own changes make events. End a workflow that changes its ticket where it sees its own change."
            )
        if deps.policy.needs_every_action or self._acted is None:
            return origin
        return with_others(seen, watermark, self._acted.by_ticket.get(now.ticket_id, []), origin)

    def _needed_actions(
        self, seen: LastSeen | None, now: Snapshot, watermark: Watermark, origin: Origin, failures: int
    ) -> list[Row] | None:
        policy = self._deps.policy
        if not policy.needs_actions(seen, now, watermark, origin):
            return None
        acted = self._acted or _NOBODY
        some = acted.by_ticket.get(now.ticket_id, [])
        if are_all_since(seen, now, some, acted.since):
            return some
        with self._deps.stopping.breakable():
            return self._actions(now.ticket_id, seen, watermark, failures)

    def _looked_into(
        self, seen: LastSeen | None, now: Snapshot, watermark: Watermark
    ) -> tuple[LastSeen | None, Snapshot, Row, Watermark]:
        """The ticket as it is by itself: that tells when it was created, which no person changes.

        Where it was created after the one that was last seen under its id, Halo was restored from a backup.
        """
        deps = self._deps
        with deps.stopping.breakable():
            ticket = deps.reader.get(now.ticket_id)
        alone = snapshot_of(ticket, now.read_at) or now
        created = SortKey.of(ticket.get("datecreated"))
        if created > (seen.sort_key if seen else watermark.sort_key):
            if not watermark.restored:
                deps.logger.warning(
                    f"HaloITSM trigger: ticket {now.ticket_id} is another one than before: HaloITSM was restored from "
                    "a backup. Its new tickets make events, with event IDs of their own."
                )
                deps.store.found_restored(created)
            seen, watermark = None, deps.store.watermark() or watermark
        return seen, alone, ticket, watermark

    def _actions(self, ticket_id: int, seen: LastSeen | None, watermark: Watermark, failures: int) -> list[Row] | None:
        """The ticket's actions, at least back to the last one seen. None when they cannot be read."""
        try:
            rows = read_actions(self._deps.reader, ticket_id, seen, watermark)
            if not rows:
                # Every ticket has an opening action (seen live). This one was deleted since it was listed.
                raise missing_ticket(ticket_id, status=404)
        except HaloError as error:
            # A single refusal may be temporary, and without the actions the transitions between two snapshots are
            # lost. So the error is raised, and the ticket tried again, until several refusals came in a row: for this
            # ticket, or for whichever.
            self._refusals_of_actions += error.kind in LASTING and error.kind != "not_found"
            tries = max(self._refusals_of_actions, failures + 1)
            if error.kind in LASTING and tries >= REFUSALS_BELIEVED:
                return None
            raise
        self._refusals_of_actions = 0
        return rows
