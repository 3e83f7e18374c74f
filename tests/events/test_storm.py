"""Under kill -9, outages of Halo and the orchestrator, and disorderly webhooks, the three triggers lose nothing; and if
they did, the storm's account would say so. `python -m tools.storm` is the long version."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from halo_emulator import HaloEmulator
from tools.storm import SCHEMAS, Account, Plan, ServiceDesk, account_for, moment, run_storm

_SEED = 7


@pytest.fixture(scope="module")
def accounts():
    """The accounts of three storms, one for each trigger, all at once."""
    plans = [Plan(trigger, changes=150, seed=_SEED, kills=4, deadline=45.0) for trigger in SCHEMAS]
    with ThreadPoolExecutor(len(plans)) as pool:
        return {account.trigger: account for account in pool.map(run_storm, plans)}


@pytest.mark.parametrize("trigger", SCHEMAS)
def test_every_event_arrives_and_repeats_are_bounded_by_kills(accounts, trigger):
    account = accounts[trigger]
    assert account.passed, account.table()
    assert account.changes >= 150 and account.kills == 4 and account.due >= 10


def test_it_was_a_storm(accounts):
    """Both sides failed, and webhooks came through and were lost."""
    assert sum(account.attempts - account.delivered - account.twice for account in accounts.values()) > 0
    for account in accounts.values():
        assert account.halo_refusals > 0 and 0 < account.webhooks_taken < account.webhooks


# -- the account itself -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def desk():
    """A service desk that has made changes, without any process or server."""
    desk = ServiceDesk(HaloEmulator(), seed=3)
    desk.prepare()
    while desk.changes < 120:
        desk.act()
    assert any(desk.gone(number) for number in desk.logged | set(desk.states)), "no ticket was deleted"
    return desk


def _created(desk):
    return [{"event_id": f"{number}-created", "ticket": _ticket(number)} for number in sorted(desk.logged)]


def _updated(desk):
    return [
        {"event_id": f"{number}-updated-{at}", "ticket": _ticket(number, at)}
        for number, states in desk.states.items()
        for at, _ in states
    ]


def _status_changed(desk):
    return [
        {
            "event_id": f"{number}-status-{place}",
            "ticket": _ticket(number),
            "old_status_id": old,
            "new_status_id": new,
        }
        for number, steps in desk.transitions().items()
        for place, (old, new) in enumerate(steps)
    ]


def _ticket(number, at="2026-01-01T00:00:00"):
    return {"id": number, "summary": "S", "datemodified": f"{at}Z"}


_PERFECT = {"ticket_created": _created, "ticket_updated": _updated, "ticket_status_changed": _status_changed}


def _accounted(desk, trigger, events, allowed=0):
    return account_for(Account(trigger, 3, twice_allowed=allowed), desk, events)


def _last_of_a_visible_ticket(desk, events):
    return next(place for place in reversed(range(len(events))) if not desk.gone(events[place]["ticket"]["id"]))


@pytest.mark.parametrize("trigger", SCHEMAS)
class TestTheAccount:
    def test_is_content_with_all_events(self, desk, trigger):
        account = _accounted(desk, trigger, _PERFECT[trigger](desk))
        assert account.passed and account.due > 0, account.table()

    def test_misses_one(self, desk, trigger):
        events = _PERFECT[trigger](desk)
        del events[_last_of_a_visible_ticket(desk, events)]
        assert len(_accounted(desk, trigger, events).missing) == 1

    def test_does_not_miss_what_happened_to_a_deleted_ticket(self, desk, trigger):
        events = [event for event in _PERFECT[trigger](desk) if not desk.gone(event["ticket"]["id"])]
        assert _accounted(desk, trigger, events).passed

    def test_counts_repeats_against_what_is_allowed(self, desk, trigger):
        events = _PERFECT[trigger](desk)
        twice = [*events, events[0]]
        assert _accounted(desk, trigger, twice, allowed=1).passed
        assert not _accounted(desk, trigger, twice, allowed=0).passed

    def test_refuses_two_ids_for_one_thing(self, desk, trigger):
        events = _PERFECT[trigger](desk)
        again = {**events[-1], "event_id": "another"}
        assert not _accounted(desk, trigger, [*events, again], allowed=9).passed

    def test_refuses_what_never_happened(self, desk, trigger):
        events = _PERFECT[trigger](desk)
        old = min(desk.halo.tickets)
        invented = {**events[0], "event_id": "invented", "ticket": _ticket(old, "2020-01-01T00:00:00")}
        assert old not in desk.logged | set(desk.states)
        assert not _accounted(desk, trigger, [*events, invented], allowed=9).passed

    def test_refuses_what_breaks_the_schema(self, desk, trigger):
        events = _PERFECT[trigger](desk)
        assert not _accounted(desk, trigger, [{**events[0], "event_id": None}, *events[1:]]).passed
        assert not _accounted(desk, trigger, [{**events[0], "surplus": 1}, *events[1:]]).passed


def test_the_account_refuses_transitions_out_of_order(desk):
    events = _status_changed(desk)
    number = next(number for number, steps in desk.transitions().items() if len(set(steps)) > 1)
    places = [place for place, event in enumerate(events) if event["ticket"]["id"] == number]
    events[places[0]], events[places[-1]] = events[places[-1]], events[places[0]]
    if desk.transitions()[number][0] == desk.transitions()[number][-1]:
        pytest.fail("choose another seed: the ticket's first and last transitions are the same")
    assert not _accounted(desk, "ticket_status_changed", events).passed


def test_the_account_refuses_a_previous_status_that_never_was(desk):
    events = _updated(desk)
    assert not _accounted(desk, "ticket_updated", [{**events[0], "previous_status_id": 77}, *events[1:]]).passed


@pytest.mark.parametrize(("previous", "passes"), [(2, True), (8, False)])
def test_the_account_knows_the_status_from_before_the_storm(previous, passes):
    desk = ServiceDesk(HaloEmulator(), seed=3)
    desk.prepare(1)
    (number,) = desk._open
    desk._change(number, summary="Only this")
    assert _accounted(desk, "ticket_updated", [{**_updated(desk)[0], "previous_status_id": previous}]).passed is passes


def test_the_same_seed_makes_the_same_changes():
    def told(seed):
        desk = ServiceDesk(HaloEmulator(), seed)
        desk.prepare()
        while desk.changes < 60:
            desk.act()
        return desk.transitions(), sorted(desk.logged)

    assert told(5) == told(5) != told(6)


def test_dates_of_halo_and_of_events_are_compared_to_microseconds():
    assert moment("2026-01-02T03:04:05.1234567Z") == moment("2026-01-02T03:04:05.123456Z")
    assert moment("2026-01-02T03:04:05Z") == "2026-01-02T03:04:05.000000"
