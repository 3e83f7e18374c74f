"""A trigger's poll: changes come in batches, the oldest first, and go on where they were interrupted, whatever Halo's
list ignores, misunderstands or cuts."""

import random
from datetime import timedelta

import pytest

from komand_haloitsm.util.events.poll import Batch, poll
from komand_haloitsm.util.halo.changes import OVERLAP, STATES, read_page
from komand_haloitsm.util.halo.values.sort_key import SortKey

from .ticket_list import SINCE, Halo, date, tickets

ODD = {
    "none": {},
    "no window": {"ignored": ("lastupdatefromdate",)},
    "no order": {"ignored": ("order",)},
    "no direction": {"ignored": ("orderdesc",)},
    "no order at all": {"ignored": ("order", "orderdesc")},
    "nothing but pages": {"ignored": ("lastupdatefromdate", "order", "orderdesc")},
    "short pages": {"cap": 50},
    "short pages, each counted by itself": {"cap": 50, "counts_pages": True},
    "no count": {"counted": False},
    "ten hours behind": {"zone": -10},
    "eight hours ahead": {"zone": 8},
}


def batches(halo, since=SINCE, most=None):
    """The batches of a poll, each with the number of requests before it; ``most`` ends it after so many."""
    reading, answer, reader, found = poll(since, STATES[:1]), None, halo.reader(), []
    while most is None or len(found) < most:
        try:
            step = reading.send(answer)
        except StopIteration:
            break
        answer = None if isinstance(step, Batch) else read_page(reader, step)
        if isinstance(step, Batch):
            found.append((len(halo.reads), step))
    return found


def ids(found):
    return [snapshot.ticket_id for _, batch in found for snapshot, _ in batch.tickets]


def spread(count: int) -> list[dict]:
    """Tickets that changed over half a day."""
    return [{"id": number, "last_update": date(1 + (number ^ 1) * 45_000 / count)} for number in range(1, count + 1)]


@pytest.mark.parametrize("count", [0, 1, 50, 100, 101, 500, 501, 1200])
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_everything_comes_and_the_oldest_change_first(odd, count):
    halo = Halo([*tickets(230, first=5000, at=-90_000), *spread(count)], **odd)
    halo.now = 50_000
    found = batches(halo)
    sort_keys = [snapshot.sort_key for _, batch in found for snapshot, _ in batch.tickets]
    assert sorted(set(ids(found))) == list(range(1, count + 1)) and sort_keys == sorted(sort_keys)
    assert [batch.upto for _, batch in found] == [batch.tickets[-1][0].sort_key for _, batch in found]
    assert all(len(batch.tickets) <= 100 for _, batch in found)


def test_a_backlog_is_handled_page_by_page():
    halo = Halo(spread(20_000))
    found = batches(halo)
    first, last = found[0][0], found[-1][0]
    # Five pages of the newest, a trial of the parameters, and then the oldest.
    assert first == 7 and last <= 210 and len(found) >= 200


@pytest.mark.parametrize("zone", [-10, 1, 8, 14])
def test_a_list_that_takes_the_moment_for_local_time_is_not_asked_for_the_oldest(zone):
    halo = Halo(spread(1200), zone=zone)
    assert set(ids(batches(halo))) == set(range(1, 1201))
    assert sum(read["orderdesc"] == "false" for read in halo.reads) == 1


def test_what_is_done_is_not_read_again_after_a_restart():
    halo = Halo(spread(5000))
    first = batches(halo, most=20)
    halo.reads.clear()
    # Where the overlap begins, 20 changes are known.
    second = batches(halo, first[-1][1].upto.earlier(OVERLAP))
    assert set(ids(first)) | set(ids(second)) == set(range(1, 5001))
    assert len(set(ids(first)) & set(ids(second))) < 25 and len(halo.reads) < 45


def test_more_changes_at_one_moment_than_a_page_holds():
    rows = [{"id": number, "last_update": date(100 if number <= 730 else number)} for number in range(1, 1200)]
    assert sorted(set(ids(batches(Halo(rows))))) == list(range(1, 1200))


@pytest.mark.parametrize("touched", [5, 150, 250, 725])
@pytest.mark.parametrize("page", [2, 3, 8])
@pytest.mark.parametrize("deleted", [False, True], ids=["changes", "is deleted"])
def test_a_ticket_that_leaves_a_moment_of_many_changes_hides_no_other(touched, page, deleted):
    halo, left = Halo([{"id": n, "last_update": date(100 if n <= 730 else 1000 + (n ^ 1))} for n in range(1, 1500)]), []
    halo.now = 50_000

    def before(number: int) -> None:
        # The newest changes come first, and each page of the oldest ones may be read twice.
        if number == page and halo.reads[-1]["orderdesc"] == "false" and len(left) < 3:
            left.append(touched + len(left))
            halo.rows.pop(left[-1]) if deleted else halo.touch(left[-1])

    halo.before = before
    found = batches(halo)
    assert left and set(ids(found)) >= set(range(1, 1500)) - set(left)
    assert sum(int(read["page_no"]) > 1 for read in halo.reads) < 30


def test_a_total_that_is_always_too_large_does_not_make_the_oldest_endless():
    halo = Halo(spread(1200))
    call, reads = halo.call, []

    def wrong(request, policy):
        response = call(request, policy)
        # Past its end the list shows its last page again.
        reads.append(response.data["tickets"] or reads[-1])
        response.data.update(tickets=reads[-1], record_count=100_000)
        return response

    halo.call = wrong
    assert set(ids(batches(halo))) == set(range(1, 1201)) and len(reads) < 25


@pytest.mark.parametrize("odd", ["none", "no window", "no order at all", "short pages, each counted by itself"])
@pytest.mark.parametrize("seed", range(4))
def test_what_changes_meanwhile_is_found_now_or_by_the_next_poll(odd, seed):
    dice, halo = random.Random(seed), Halo(spread(1500), **ODD[odd])
    halo.now = 50_000
    end = []

    def before(_) -> None:
        for _ in range(3):
            halo.touch(dice.randrange(1, 1501))
        if dice.random() < 0.2:
            halo.rows.pop(dice.choice(sorted(halo.rows)))
        end.append(SortKey.of(date(halo.now)))

    halo.before = before
    found = batches(halo)
    halo.before = lambda _: None
    again = batches(halo, min(end[0], found[-1][1].upto).earlier(OVERLAP))
    last = {}
    for _, batch in [*found, *again]:
        last |= {snapshot.ticket_id: snapshot.sort_key for snapshot, _ in batch.tickets}
    assert {number: last[number] for number in halo.rows} == {
        number: SortKey.of(row["last_update"]) for number, row in halo.rows.items()
    }


def test_a_page_that_could_not_be_read_is_read_later():
    halo = Halo(spread(800))
    reading, reader = poll(SINCE, STATES[:1]), halo.reader()
    asked = reading.send(None)
    for _ in range(3):
        asked = reading.send(read_page(reader, asked))
    # An error on reading leaves the poll as it is: it has not got its answer yet.
    assert asked.number == 4
    found = []
    step = reading.send(read_page(reader, asked))
    while True:
        try:
            step = reading.send(found.append(step) if isinstance(step, Batch) else read_page(reader, step))
        except StopIteration:
            break
    assert len({one.ticket_id for batch in found for one, _ in batch.tickets}) == 800


def test_two_lists_are_merged_by_time():
    closed, plain = [5, 6, 7], [1, 2, 3]
    rows = {number: {"id": number, "last_update": date(number)} for number in [*closed, *plain]}
    halo = Halo(rows.values())
    call = halo.call

    def by_state(request, policy):
        shown = closed if "closed_only" in request.query else plain
        halo.rows = {number: rows[number] for number in shown}
        return call(request, policy)

    halo.call = by_state
    reading, reader, found = poll(SINCE, STATES), halo.reader(), []
    step = reading.send(None)
    with pytest.raises(StopIteration):
        while True:
            step = reading.send(found.append(step) if isinstance(step, Batch) else read_page(reader, step))
    assert [one.ticket_id for batch in found for one, _ in batch.tickets] == [1, 2, 3, 5, 6, 7]


def test_a_poll_without_a_moment_reads_everything():
    assert len(ids(batches(Halo(spread(700)), SortKey()))) == 700


def test_the_overlap_is_longer_than_a_last_update_is_late():
    assert OVERLAP > timedelta(seconds=90)
