"""The very first start of a trigger: what exists then is old."""

from __future__ import annotations

from datetime import timedelta
from itertools import chain
from typing import Iterator

from ..halo.changes import CLOSED, OVERLAP, changed_since, clock_of, skew_of, snapshot_of
from ..halo.http.messages import Response
from ..halo.values.sort_key import SortKey
from .decide import Watermark, as_seen
from .dependencies import LONGEST_CATCH_UP, Dependencies, Row
from .halo_clock import HaloClock

# A first start that gets its answer as soon as this was not kept waiting.
_AT_ONCE = timedelta(seconds=5)
# A last_update may be so much older than the change (see OVERLAP, which is longer). A ticket that was never seen and
# has such a date was not among those of the overlap when the trigger started: so it has changed since.
_DATED_EARLIER = timedelta(seconds=90)


def begin(deps: Dependencies, halo_clock: HaloClock) -> SortKey:
    """Save that everything that exists now counts as old, and nothing of it is delivered. Returns that time.

    Where Halo did not answer at first, what existed when it was first asked counts as old.
    """
    first_asked = deps.store.asked_first(SortKey.at(deps.now())).moment
    with deps.stopping.breakable():
        pages = deps.reader.pages({})
        rows, response = next(pages)
        newest_change = max((one.sort_key for one in map(snapshot_of, rows) if one), default=SortKey())
        # Where Halo tells no time: a ticket may be dated in the future.
        began = clock_of(response) or min(newest_change, SortKey.at(deps.now()))
        halo_clock.told(skew_of(response, deps.reader.now))
        waited = deps.now() - first_asked if first_asked else timedelta()
        waited = min(waited, LONGEST_CATCH_UP) if waited > _AT_ONCE else timedelta()
        start = began.earlier(waited)
        until = start if waited else None
        # The plain list may leave out tickets that were closed long ago. The newest ticket may be one of those.
        newest = [_newest_id(chain([(rows, response)], pages), until), _newest_id(deps.reader.pages(CLOSED), until)]
        if deps.policy.ticket_id is None:
            old = changed_since(deps.reader, start.earlier(OVERLAP), closed=deps.hides_closed()).rows
        else:
            ticket = deps.reader.find(deps.policy.ticket_id)
            snapshot = snapshot_of(ticket) if ticket else None
            old = [(snapshot, ticket)] if snapshot and ticket else []
    # Halo's clock, not the newest change: a ticket may be dated in the future. Tickets that changed later than this
    # were read just now and are saved as seen, unless the trigger had to wait for Halo.
    seen = [one for one, _ in old if not waited or one.sort_key <= start]
    known = [number for number in newest if number is not None] + [one.ticket_id for one in seen]
    newest_old_id = None if None in newest else max(known)
    deps.store.begin(
        Watermark(start.earlier(_DATED_EARLIER), newest_old_id),
        start,
        [(one.ticket_id, as_seen(one, None)) for one in seen],
    )
    deps.logger.info("HaloITSM trigger: started; events from now on are delivered.")
    return start


def _newest_id(pages: Iterator[tuple[list[Row], Response]], until: SortKey | None) -> int | None:
    """The highest id of a list's tickets, of those created at ``until`` or before; None where its order tells none."""
    for rows, _ in pages:
        snapshots = [one for one in map(snapshot_of, rows) if one]
        numbers = [one.ticket_id for one in snapshots]
        if numbers != sorted(numbers, reverse=True):
            return None
        old = [one.ticket_id for one in snapshots if until is None or one.created <= until]
        if old:
            return max(old)
    return 0
