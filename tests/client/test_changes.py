"""Guards what is read of changes: also of closed tickets that lists hide, and how far the clocks are apart."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from fast_client import fast_client

from komand_haloitsm.util.halo.changes import changed_since
from komand_haloitsm.util.halo.http.retry import RetryPolicy
from komand_haloitsm.util.halo.values.sort_key import SortKey


def changes(halo, *, closed=True, **clock):
    since = SortKey.at(datetime.now(timezone.utc) - timedelta(hours=1))
    return changed_since(fast_client(halo, **clock).reader(RetryPolicy()), since, closed=closed)


def numbers(found):
    return {snapshot.ticket_id for snapshot, _ in found.rows}


@pytest.mark.parametrize("ignored", [set(), {"lastupdatefromdate"}, {"order"}], ids=str)
def test_a_closing_is_seen_where_the_list_of_changes_hides_closed_tickets(halo, ignored):
    halo.recently_closed_days, halo.hides_closed_changes, halo.ignored_parameters = 0, True, ignored
    halo.change_ticket(2102, status_id=9)
    assert 2102 not in numbers(changes(halo, closed=False))
    found = changes(halo)
    assert {2101, 2102} <= numbers(found) and len(numbers(found)) == len(found.rows)
    assert next(row["status_id"] for snapshot, row in found.rows if snapshot.ticket_id == 2102) == 9


def test_a_ticket_in_both_lists_comes_once_as_it_is_now(halo):
    halo.change_ticket(2102, status_id=9)
    found = changes(halo)
    assert len([snapshot for snapshot, _ in found.rows if snapshot.ticket_id == 2102]) == 1


@pytest.mark.parametrize("ahead", [0, 90, -3600])
def test_the_skew_is_halos_clock_less_ours(halo, ahead):
    halo.clock_offset = ahead
    skew = changes(halo).skew
    # The Date header has whole seconds.
    assert skew is not None and ahead - 3 < skew <= ahead + 1
    there = changes(halo, now=lambda: datetime.now(timezone.utc) + timedelta(seconds=ahead)).skew
    assert there is not None and -3 < there <= 1
