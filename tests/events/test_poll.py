"""Which tickets have changed since a moment of Halo's clock, whichever parameters Halo ignores, and whatever changes
while its pages are read."""

import random
from datetime import datetime, timedelta

import pytest
from scripted_session import ScriptedSession
from steps import connected, connection_to

from komand_haloitsm.util.halo.changes import OVERLAP, changed_since, clock_of
from komand_haloitsm.util.halo.errors import HaloError
from komand_haloitsm.util.halo.http.messages import Response
from komand_haloitsm.util.halo.http.retry import RetryPolicy
from komand_haloitsm.util.halo.tickets.read import TicketReader
from komand_haloitsm.util.halo.values.sort_key import SortKey

from .ticket_list import SINCE, START, Halo, date, numbers, tickets

IGNORED = [
    (),
    ("lastupdatefromdate",),
    ("order",),
    ("orderdesc",),
    ("order", "orderdesc"),
    ("lastupdatefromdate", "order"),
    ("lastupdatefromdate", "orderdesc"),
    ("lastupdatefromdate", "order", "orderdesc"),
]


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
@pytest.mark.parametrize("ignored", IGNORED, ids="+".join)
def test_whatever_parameter_is_ignored_the_result_is_the_same(ignored, count):
    old = tickets(230, first=1000, at=-5000)
    halo = Halo([*old, *tickets(count)], ignored=ignored)
    changes = changed_since(halo.reader(), SINCE)
    assert sorted(numbers(changes)) == list(range(1, count + 1))
    assert changes.halo_time == SortKey.of(date(10_000))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("ignored", IGNORED, ids="+".join)
def test_the_oldest_change_comes_first(ignored, seed):
    dice = random.Random(seed)
    rows = [{"id": number, "last_update": date(dice.randrange(-300, 300) / 7)} for number in range(1, 321)]
    changes = changed_since(Halo(rows, ignored=ignored).reader(), SINCE)
    expected = sorted(
        (SortKey.of(row["last_update"]), row["id"]) for row in rows if SortKey.of(row["last_update"]) >= SINCE
    )
    assert [(snapshot.sort_key, snapshot.ticket_id) for snapshot, _ in changes.rows] == expected


@pytest.mark.parametrize(("offset", "expected"), [(-0.000001, False), (0, True), (0.000001, True)])
@pytest.mark.parametrize("ignored", IGNORED, ids="+".join)
def test_the_edge_of_the_window(ignored, offset, expected):
    changes = changed_since(Halo([{"id": 7, "last_update": date(offset)}], ignored=ignored).reader(), SINCE)
    assert numbers(changes) == ([7] if expected else [])


def test_an_idle_poll_is_one_request():
    halo = Halo(tickets(2000, at=-5000))
    changed_since(halo.reader(), SINCE)
    assert len(halo.reads) == 1
    # Asked for the changes of some hours more, in case Halo reads the moment as local time.
    assert SortKey.of(halo.reads[0]["lastupdatefromdate"]) == SINCE.earlier(timedelta(hours=15))


def test_an_idle_poll_of_a_halo_that_knows_no_window_is_one_request():
    halo = Halo(tickets(2000, at=-5000), ignored=("lastupdatefromdate",))
    changed_since(halo.reader(), SINCE)
    assert len(halo.reads) == 1


def test_the_pages_end_where_the_window_does():
    halo = Halo([*tickets(150), *tickets(2000, first=1000, at=-5000)], ignored=("lastupdatefromdate",))
    assert len(numbers(changed_since(halo.reader(), SINCE))) == 150
    assert len(halo.reads) == 2


def logged(count: int, hours: float = 14.0) -> list[dict]:
    """Tickets that were only logged, the last one a second before SINCE: their order by update is that by id."""
    return [{"id": one, "last_update": date(-1 - (count - one) * hours * 3600 / count)} for one in range(1, count + 1)]


@pytest.mark.parametrize("new", [0, 1, 60, 98])
def test_tickets_that_were_only_logged_do_not_cost_the_pages_of_many_hours(new):
    halo = Halo([*logged(3000), *({"id": 9000 + one, "last_update": date(one)} for one in range(new))])
    assert numbers(changed_since(halo.reader(), SINCE)) == list(range(9000, 9000 + new))
    assert len(halo.reads) == 2


@pytest.mark.parametrize(("seconds", "requests"), [(0.1, 9), (2, 10)])
def test_a_flood_of_tickets_that_were_only_logged_costs_its_own_pages(seconds, requests):
    halo = Halo([*logged(3000), *({"id": 9000 + one, "last_update": date(seconds * one)} for one in range(730))])
    assert len(changed_since(halo.reader(), SINCE).rows) == 730
    # The first page of many hours, and eight pages. Where the first page is far from SINCE, the trial is one more.
    assert len(halo.reads) == requests


@pytest.mark.parametrize("ignored", [(), ("lastupdatefromdate",), ("order",)], ids="+".join)
@pytest.mark.parametrize("zone", [-12, -5, -0.5, 0, 8])
@pytest.mark.parametrize("hours", [0, 0.1, 3, 6, 14])
@pytest.mark.parametrize("touched", [False, True], ids=["none was touched", "an old one was touched"])
def test_tickets_that_were_only_logged_hide_no_change_in_any_zone(zone, ignored, hours, touched):
    # They have come in for a day, and so they did in the hours since the last poll.
    rows = [{"id": one, "last_update": date((one * (24 + hours) / 900 - 24) * 3600)} for one in range(1, 901)]
    halo = Halo(rows, ignored=ignored, zone=zone)
    halo.now = hours * 3600
    if touched:
        halo.touch(3)
    expected = {number for number, row in halo.rows.items() if row["last_update"] >= date(0)}
    assert set(numbers(changed_since(halo.reader(), SINCE))) == expected


def test_a_ticket_that_changes_before_the_trial_proves_no_zone():
    halo = Halo([*logged(900), *({"id": 9000 + one, "last_update": date(one)} for one in range(20))], zone=-5)
    halo.now = 30 * 3600
    # What changes between the two requests is later than the misread moment as well.
    halo.before = lambda _: halo.touch(9000) if len(halo.reads) == 1 else None
    assert set(numbers(changed_since(halo.reader(), SINCE))) >= set(range(9000, 9020))


def with_odd_pages(halo: Halo, change) -> Halo:
    """`change(page, rows, all rows)` gives the rows that a page shows in place of its own, and the count it tells."""
    call = halo.call

    def odd(request, policy):
        response = call(request, policy)
        rows, told = change(int(request.query["page_no"]), response.data["tickets"], response.data["record_count"])
        return Response(200, {"tickets": rows, "record_count": told}, date=response.date)

    halo.call = odd
    return halo


def test_dates_that_are_rounded_up_in_lists_do_not_cost_the_pages_of_many_hours():
    rows = [{**row, "last_update": f"{row['last_update'][:-8]}1230001Z"} for row in logged(3000)]
    shown = lambda _, found, told: ([{**row, "last_update": row["last_update"][:-8] + "124"} for row in found], told)
    halo = with_odd_pages(Halo(rows), shown)
    assert changed_since(halo.reader(), SINCE).rows == [] and len(halo.reads) == 2


@pytest.mark.parametrize("ignored", IGNORED, ids="+".join)
@pytest.mark.parametrize("short", [2, 3])
def test_a_short_page_in_the_middle_is_not_the_end(ignored, short):
    halo = with_odd_pages(
        Halo(tickets(450), ignored=ignored), lambda page, rows, told: (rows[:-1] if page == short else rows, told)
    )
    assert len(changed_since(halo.reader(), SINCE).rows) == 449


@pytest.mark.parametrize("ignored", IGNORED, ids="+".join)
@pytest.mark.parametrize("repeats", [False, True], ids=["empty at the end", "the last page again and again"])
def test_a_total_that_is_always_too_large_costs_one_page(ignored, repeats):
    shown = []

    def change(_, rows, __):
        shown.append(rows or (shown[-1] if repeats else []))
        return shown[-1], 100_000

    halo = with_odd_pages(Halo(tickets(350), ignored=ignored), change)
    assert len(changed_since(halo.reader(), SINCE).rows) == 350
    # Where nothing proves the order, the list is read again to be sure.
    assert len(halo.reads) <= 12


@pytest.mark.parametrize("ignored", [(), ("lastupdatefromdate",), ("order", "orderdesc")], ids="+".join)
def test_five_thousand_changed_tickets(ignored):
    halo = Halo(tickets(5000), ignored=ignored)
    assert sorted(numbers(changed_since(halo.reader(), SINCE))) == list(range(1, 5001))
    # Where nothing proves the order, it may be read again to be sure.
    assert len(halo.reads) in ((51, 101) if "order" in ignored else (50,))


# Where Halo ignores only the direction, the ticket that changed last comes last.
ASCENDING = [("orderdesc",), ("lastupdatefromdate", "orderdesc")]


@pytest.mark.parametrize("ignored", [each for each in IGNORED if each not in ASCENDING], ids="+".join)
@pytest.mark.parametrize("page", [2, 3])
@pytest.mark.parametrize("victim", [1, 100, 101, 200, 201, 250])
def test_a_ticket_that_changes_between_pages(ignored, page, victim):
    halo, changed = Halo(tickets(250), ignored=ignored), []

    def before(number: int) -> None:
        if number == page and not changed:
            changed.append(halo.touch(victim))

    halo.before = before
    changes = changed_since(halo.reader(), SINCE)
    found = numbers(changes)
    assert len(found) == len(set(found)) and set(found) >= set(range(1, 251)) - {victim}
    # The changed ticket is among them, or is found by the next poll, which starts from a little before this one.
    again = changed_since(halo.reader(), changes.halo_time.earlier(OVERLAP))
    assert victim in {*found, *numbers(again)}
    latest = [snapshot.sort_key for snapshot, _ in [*changes.rows, *again.rows] if snapshot.ticket_id == victim]
    assert max(latest) == SortKey.of(halo.rows[victim]["last_update"])


@pytest.mark.parametrize("ignored", ASCENDING, ids="+".join)
def test_a_ticket_that_changes_between_pages_in_ascending_order_hides_no_other(ignored):
    halo, changed = Halo(tickets(250), ignored=ignored), []
    halo.before = lambda page: changed.append(halo.touch(3)) if page == 2 and not changed else None
    found = set(numbers(changed_since(halo.reader(), SINCE)))
    assert found >= set(range(1, 251)) - {3}


@pytest.mark.parametrize("changed", [1, 50, 150])
def test_untouched_tickets_are_no_proof_of_the_order(changed):
    rows = [{"id": number, "last_update": date(number - 5000)} for number in range(1, 301)]
    halo = Halo(rows, ignored=("lastupdatefromdate", "order"))
    halo.touch(changed)
    assert numbers(changed_since(halo.reader(), SINCE)) == [changed]


@pytest.mark.parametrize("ignored", IGNORED, ids="+".join)
@pytest.mark.parametrize("page", [2, 3])
@pytest.mark.parametrize("victim", [1, 100, 101, 200, 250])
def test_a_ticket_that_is_deleted_between_pages_hides_no_other(ignored, page, victim):
    halo = Halo(tickets(250), ignored=ignored)
    halo.before = lambda number: halo.rows.pop(victim, None) if number == page else None
    found = numbers(changed_since(halo.reader(), SINCE))
    assert set(found) >= set(range(1, 251)) - {victim}
    assert len(found) == len(set(found))


@pytest.mark.parametrize("ignored", [(), ("lastupdatefromdate",)], ids="+".join)
def test_a_ticket_deleted_and_one_logged_between_pages_hide_no_other(ignored):
    halo = Halo(tickets(250), ignored=ignored)

    def before(number: int) -> None:
        if number == 2 and 250 in halo.rows:
            del halo.rows[250]
            halo.touch(9999)

    halo.before = before
    assert set(numbers(changed_since(halo.reader(), SINCE))) >= set(range(1, 250))


def test_a_halo_in_which_tickets_vanish_all_the_time_is_not_read_for_ever():
    halo = Halo(tickets(2000))
    halo.before = lambda number: halo.rows.pop(min(halo.rows))
    found = numbers(changed_since(halo.reader(), SINCE))
    assert set(found) >= set(halo.rows)
    assert len(halo.reads) < 200


def test_a_row_that_comes_twice_counts_as_it_was_last():
    halo = Halo(tickets(150))
    halo.before = lambda number: halo.touch(60, summary="late") if number == 2 else None
    rows = dict((snapshot.ticket_id, row) for snapshot, row in changed_since(halo.reader(), SINCE).rows)
    assert len(rows) == 150


@pytest.mark.parametrize("ignored", IGNORED, ids="+".join)
def test_without_a_date_header_the_clock_is_not_guessed(ignored):
    changes = changed_since(Halo(tickets(150), ignored=ignored, dated=False).reader(), SINCE)
    assert (sorted(numbers(changes)), changes.halo_time) == (list(range(1, 151)), "")


@pytest.mark.parametrize("counted", [True, False])
def test_without_a_count_the_pages_are_read_all_the_same(counted):
    assert len(changed_since(Halo(tickets(250), counted=counted).reader(), SINCE).rows) == 250


def test_the_clock_is_that_of_the_begin():
    halo = Halo(tickets(250))
    halo.before = lambda number: setattr(halo, "now", halo.now + 500)
    assert changed_since(halo.reader(), SINCE).halo_time == SortKey.of(date(10_500))


def test_without_a_moment_everything_is_found():
    halo = Halo(tickets(150))
    assert len(changed_since(halo.reader(), SortKey()).rows) == 150
    assert "lastupdatefromdate" not in halo.reads[0]


def test_rows_without_id_or_date_are_no_obstacle():
    halo = Halo([*tickets(3)])
    halo.rows["x"] = {"id": "x", "last_update": date(5)}
    halo.rows["y"] = {"id": 0, "last_update": date(5)}
    halo.rows[50] = {"id": 50, "last_update": "1900-01-01T00:00:00"}
    ids = changed_since(
        TicketReader(ScriptedSession(lambda *_: Response(200, {"tickets": [*halo.rows.values()]}))), SINCE
    )
    assert sorted(numbers(ids)) == [1, 2, 3]


@pytest.mark.parametrize(
    ("moment", "by", "expected"),
    [
        (SINCE, timedelta(seconds=60), SortKey.of(date(-60))),
        (SortKey.of(date(86400)), timedelta(days=1), SINCE),
        ("", OVERLAP, ""),
        (SortKey.of("2026-03-01T10:00:00.1234567Z"), timedelta(), SortKey.of("2026-03-01T10:00:00.123456Z")),
    ],
)
def test_earlier(moment, by, expected):
    assert SortKey(moment).earlier(by) == expected


def test_the_clock_of_a_response():
    assert clock_of(Response(200, date=START)) == SINCE
    assert clock_of(Response(200)) == ""


# -- against the emulator -------------------------------------------------------------------------------------------


@pytest.fixture
def reader(halo):
    return connected(connection_to(halo)).client.reader(RetryPolicy(max_wait=0.0))


@pytest.mark.parametrize("offset", [0, 86_400, -86_400, 86_400 * 400])
@pytest.mark.parametrize("ignored", [(), ("lastupdatefromdate",), ("order", "orderdesc")], ids="+".join)
def test_only_halos_clock_counts(halo, reader, offset, ignored):
    halo.clock_offset = offset
    halo.ignored_parameters = set(ignored)
    began = SortKey.of(halo.change_ticket(2101, summary="first")["last_update"])
    halo.change_ticket(2103, summary="then")
    halo.log_ticket(summary="last")
    changes = changed_since(reader, began)
    old = {snapshot.ticket_id for snapshot, _ in changes.rows if snapshot.sort_key < began}
    assert not old and numbers(changes) == [number for number in numbers(changes) if number not in old]
    assert {2101, 2103} <= set(numbers(changes))
    if offset >= 0:
        assert numbers(changes)[:2] == [2101, 2103]
    distance = abs(
        (datetime.fromisoformat(changes.halo_time[:19]) - datetime.fromisoformat(began[:19])).total_seconds()
    )
    assert distance < 60


def test_closed_tickets_are_among_the_changed(halo, reader):
    halo.recently_closed_days = 0
    began = SortKey.of(halo.change_ticket(2102, status_id=9)["last_update"])
    assert 2102 in numbers(changed_since(reader, began))


def test_deleted_and_merged_tickets_are_not(halo, reader):
    began = SortKey.of(halo.change_ticket(2101, summary="x")["last_update"])
    halo.delete_ticket(2101)
    halo.merge_tickets(2103, 2102)
    assert numbers(changed_since(reader, began)) == [2103]


def test_an_error_is_passed_on(halo, reader):
    halo.denied = {("GET", "tickets")}
    with pytest.raises(HaloError):
        changed_since(reader, SINCE)
