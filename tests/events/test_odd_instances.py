"""The loop of the triggers against instances of Halo that differ: in what their lists hide, cut, count and date, in
what they refuse, and in how many requests they allow. Minutes are skipped."""

import pytest
from steps import TRIGGERS

from halo_emulator import Fault
from komand_haloitsm.util.events.delivery import NotAccepted
from komand_haloitsm.util.halo.values.sort_key import SortKey
from komand_haloitsm.util.halo.webhook import Notice

from .watched import CLOSED, IN_PROGRESS, NEW, RESOLVED, Script, flap, log_many, notices, nothing, paths, told

OWN, OTHER = 6, 3


def counted(halo) -> int:
    """The requests so far, which are forgotten."""
    count = len(halo.requests)
    halo.forget_requests()
    return count


# -- what lists hide, cut, count and date ----------------------------------------------------------------------------

INSTANCES = {
    "closed tickets hidden": {"recently_closed_days": 0, "hides_closed_changes": True},
    "pages of 50": {"page_cap": 50},
    "pages of 50, not told": {"page_cap": 50, "tells_page_size": False},
    "pages of 50, told as 100, each counted by itself": {
        "page_cap": 50,
        "tells_page_size_asked_for": True,
        "counts_per_page": True,
    },
    "last_update 90 s behind": {"last_update_behind": 90},
    "eight hours ahead": {"reads_local_time": 8},
    "eight hours behind": {"reads_local_time": -8},
    "50 actions at most": {"actions_cap": 50},
    "no list of all actions": {"lists_actions_by_date": False},
    "no list by ids": {"ignored_parameters": {"ticketids"}},
}


@pytest.mark.parametrize("name", TRIGGERS)
@pytest.mark.parametrize("settings", INSTANCES.values(), ids=INSTANCES)
def test_every_event_is_delivered_once(halo, watch, name, settings):
    for setting, value in settings.items():
        setattr(halo, setting, value)
    trigger, made = watch(name), []
    script = Script([], halo)

    def work() -> None:
        made.extend(log_many(halo, 120))
        for number in (2101, 2103):
            flap(halo, number)
        halo.change_ticket(2104, status_id=CLOSED)
        trigger.store.add_pending(notices(2101, 2103, 2104, 2105, *made[:5]))

    def close() -> None:
        for number in made[:60]:
            halo.change_ticket(number, status_id=CLOSED)

    script.steps = [nothing, work, nothing, nothing, close, nothing, nothing]
    trigger.run_on(script)
    assert len(trigger.ids()) == len(set(trigger.ids()))
    expected = {
        "ticket_created": sorted(made),
        # Where changes are dated too early, that a ticket was only logged cannot be told.
        "ticket_updated": sorted([2101, 2103, 2104, *made[:60], *(made if halo.last_update_behind else ())]),
        "ticket_status_changed": sorted([2101] * 3 + [2103] * 3 + [2104] + made[:60]),
    }
    assert sorted(trigger.tickets()) == expected[name]


@pytest.mark.parametrize("cap", [50, None])
def test_sixty_changes_between_two_looks(halo, watch, cap):
    halo.actions_cap = cap
    trigger = watch("ticket_status_changed")
    statuses = [IN_PROGRESS, RESOLVED, NEW] * 20
    trigger.run(lambda: [halo.change_ticket(2101, status_id=status) for status in statuses], nothing)
    assert trigger.transitions() == list(zip([NEW, *statuses], statuses))


@pytest.mark.parametrize("name", TRIGGERS)
def test_changes_just_after_the_start_that_are_dated_before_it(halo, watch, name):
    halo.last_update_behind = 90
    halo.clock_offset = 600
    trigger, script, made = watch(name), Script([], halo), []

    def work() -> None:
        # A second after the start.
        script.pass_time(-59)
        flap(halo, 2101)
        halo.change_ticket(2103, summary="changed")
        made.append(halo.log_ticket(summary="new")["id"])

    script.steps = [work, nothing, nothing]
    trigger.run_on(script)
    expected = {"ticket_created": made, "ticket_updated": [2101, 2103, *made], "ticket_status_changed": [2101] * 3}
    assert trigger.tickets() == expected[name]


def test_a_date_in_the_future_that_is_put_right_swallows_no_change(halo, watch):
    trigger = watch("ticket_updated")
    trigger.run(
        lambda: halo.change_ticket(2101, last_update="2031-01-01T00:00:00Z"),
        lambda: halo.change_ticket(2101, summary="put right"),
        lambda: halo.change_ticket(2101, summary="and again"),
        nothing,
    )
    assert trigger.tickets() == [2101] * 3


def test_tickets_that_are_logged_while_halo_is_down_at_the_very_first_start(halo, watch):
    trigger, script, made = watch("ticket_created"), Script([], halo), []
    # What there was before the start was logged long ago.
    halo.clock_offset = 600
    halo.inject(Fault("status", times=None))
    script.steps = [
        *[nothing] * 5,
        lambda: made.extend(log_many(halo, 130)),
        *[nothing] * 3,
        halo.clear_faults,
        *[nothing] * 3,
    ]
    trigger.run_on(script)
    assert sorted(trigger.tickets()) == made


def test_the_wait_for_the_very_first_start_survives_a_restart(halo, watch):
    trigger, made = watch("ticket_created"), []
    halo.clock_offset = 600
    halo.inject(Fault("status", times=None))
    script = Script([nothing] * 3, halo)
    trigger.run_on(script)
    made += log_many(halo, 2)
    halo.clear_faults()
    again = Script([nothing, nothing], halo)
    again.now = script.now
    trigger.run_on(again)
    assert trigger.tickets() == made


@pytest.mark.parametrize("name", TRIGGERS)
def test_a_halo_restored_from_a_backup_loses_no_new_tickets(halo, watch, caplog, name):
    trigger, script, made = watch(name), Script([], halo), []
    backup = halo.snapshot()
    lost = log_many(halo, 3)

    def use_ids_again() -> None:
        halo.restore(backup)
        made.extend(log_many(halo, 4))

    def change() -> None:
        for number in (lost[0], made[-1]):
            halo.change_ticket(number, status_id=IN_PROGRESS)

    # The trigger knows some of the lost tickets from its start, and some by an event.
    script.steps = [
        lambda: lost.extend(log_many(halo, 2)),
        lambda: halo.change_ticket(lost[3], status_id=IN_PROGRESS),
        use_ids_again,
        nothing,
        change,
        nothing,
    ]
    trigger.run_on(script)
    assert lost[:4] == made
    assert len(trigger.ids()) == len(set(trigger.ids()))
    expected = {
        "ticket_created": [*lost[3:], *made],
        "ticket_updated": [lost[3], lost[0], made[-1]],
        "ticket_status_changed": [lost[3], lost[0], made[-1]],
    }
    assert trigger.tickets() == expected[name]
    if name == "ticket_created":
        assert len([text for text in told(caplog) if "backup" in text]) == 1


def test_a_person_who_changes_when_a_ticket_occurred_restores_nothing(halo, watch, caplog):
    trigger, script = watch("ticket_created"), Script([], halo)

    def change(number: int):
        return lambda: halo.change_ticket(number, dateoccurred=halo.change_ticket(2101)["last_update"])

    script.steps = [change(2103), change(2103), change(2104), nothing]
    trigger.run_on(script)
    assert trigger.events == [] and told(caplog) == []


# -- what Halo allows and refuses ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRIGGERS)
def test_a_backlog_goes_on_where_halo_refused_to(halo, watch, name):
    trigger, script = watch(name, budget=40), Script([], halo)
    trigger.run_on(Script([nothing], halo))
    made = log_many(halo, 700)
    if name != "ticket_created":
        for number in made:
            halo.change_ticket(number, status_id=IN_PROGRESS)
    halo.forget_requests()
    halo.inject(Fault("status", status=429, headers=(("Retry-After", "7"),), skip=9, times=3))
    script.now = trigger.script.now
    script.steps = [nothing] * 12
    trigger.run_on(script)
    assert sorted(trigger.tickets()) == made
    # A status needs the actions of each ticket; all else is read by the page. For minutes, each poll reads all again.
    assert len(halo.requests) < (860 if name == "ticket_status_changed" else 170)
    assert script.rests.count(7.0) == 3


def test_what_is_done_of_a_backlog_stays_done(halo, watch):
    trigger = watch("ticket_created")
    trigger.run(nothing)
    made = log_many(halo, 1500)
    for _ in range(8):
        halo.forget_requests()
        halo.inject(Fault("status", status=503, skip=11, times=None))
        trigger.run(nothing)
        halo.clear_faults()
    trigger.run(nothing)
    assert sorted(trigger.tickets()) == made and len(trigger.ids()) == len(set(trigger.ids()))


def test_many_webhooks_cost_one_list(halo, watch):
    trigger = watch("ticket_updated")
    numbers = log_many(halo, 60)
    spent = []

    def webhooks() -> None:
        for number in numbers:
            halo.change_ticket(number, status_id=IN_PROGRESS)
            trigger.store.add_pending(notices(number))
        counted(halo)

    trigger.interval = 3600
    script = Script([])
    script.steps = [
        lambda: (webhooks(), setattr(script, "now", script.now - 3000)),
        lambda: spent.append(counted(halo)),
    ]
    trigger.run_on(script)
    assert sorted(trigger.tickets()) == numbers
    # The list of the tickets, that of their actions, and names.
    assert spent[0] <= 10


def test_a_webhook_older_than_the_last_reading_costs_nothing(halo, watch):
    trigger, script = watch("ticket_updated"), Script([], halo)
    sent, spent = [], []

    def change() -> None:
        sent.append(SortKey.of(halo.change_ticket(2101, status_id=IN_PROGRESS)["last_update"]))
        trigger.store.add_pending([Notice(2101, sent[0], OTHER)])

    def replay() -> None:
        counted(halo)
        trigger.store.add_pending([Notice(2101, sent[0], OTHER)])
        # The rest before the next poll is over at once, as a webhook ends it.
        script.now -= script.rests[-1] - 1

    script.steps = [nothing, change, *[replay] * 20, lambda: spent.append(counted(halo))]
    trigger.interval = 10_000
    trigger.run_on(script)
    assert trigger.tickets() == [2101] and trigger.store is not None
    assert spent == [0]


def test_a_refusal_that_stays_gives_a_ticket_up(halo, watch, caplog):
    trigger, script = watch("ticket_created"), Script([], halo)
    # No poll has the ticket: it was last changed long ago.
    halo.clock_offset = 600
    halo.inject(Fault("status", method="GET", path="tickets/2105", status=403, times=None))
    script.steps = [lambda: trigger.store.add_pending(notices(2105)), *[nothing] * 12]
    trigger.run_on(script)
    assert paths(halo).count("/api/Tickets/2105") == 3
    assert ["given up" in text for text in told(caplog)] == [False, True]


def test_some_tickets_whose_actions_cannot_be_read_hold_up_no_other(halo, watch):
    halo.lists_actions_by_date = False
    trigger, made, bad = watch("ticket_status_changed"), [], set()
    read = trigger.connection.client.reader

    def reader(policy):
        inner = read(policy)
        actions = inner.actions

        def failing(ticket_id, *more):
            if ticket_id in bad:
                halo.inject(Fault("status", path="actions", status=500, times=1))
            return actions(ticket_id, *more)

        inner.actions = failing
        return inner

    trigger.connection.client.reader = reader

    def change() -> None:
        made.extend(log_many(halo, 8))
        bad.update(made[1:5])
        for number in made:
            halo.change_ticket(number, status_id=IN_PROGRESS)

    trigger.run(change, *[nothing] * 30)
    assert sorted(trigger.tickets()) == sorted(set(made) - bad)
    bad.clear()
    trigger.run(*[nothing] * 10)
    assert sorted(trigger.tickets()) == sorted(made)


def test_an_event_waits_for_its_ticket_and_not_for_the_next_poll(halo, watch):
    trigger, script = watch("ticket_updated", interval=3600), Script([], halo)

    def webhook() -> None:
        halo.change_ticket(2101, status_id=IN_PROGRESS)
        halo.inject(Fault("status", method="GET", path="tickets/2101", status=500, times=1))
        trigger.store.add_pending(notices(2101))
        script.pass_time(-3590)

    script.steps = [webhook, nothing]
    trigger.run_on(script)
    assert trigger.tickets() == [2101] and script.rests[1] == 5


# -- events that the orchestrator refuses ----------------------------------------------------------------------------


def test_an_event_that_is_refused_holds_up_no_other(halo, watch, caplog):
    trigger, refused = watch("ticket_created"), []

    def send(event) -> None:
        if event["ticket"]["summary"] == "poison":
            refused.append(event["event_id"])
            raise NotAccepted("HTTP 413", 413)

    trigger.send = send
    made = []
    trigger.run(
        lambda: made.extend(halo.log_ticket(summary=text)["id"] for text in ("first", "poison", "last")),
        nothing,
        nothing,
    )
    assert trigger.tickets() == [made[0], made[2]]
    assert set(refused) == {f"{made[1]}-created"} and len(refused) == 3
    assert len([text for text in told(caplog) if str(made[1]) in text]) <= 2
    trigger.run(nothing, nothing)
    # Offered again at the start, and refused again.
    assert len(refused) == 6
    trigger.send = lambda event: None
    trigger.run(nothing, nothing)
    trigger.run(nothing, nothing)
    assert trigger.tickets() == [made[0], made[2], made[1]]


# -- own changes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("skip", [True, False])
def test_a_workflow_that_comments_does_not_start_itself(halo, watch, skip):
    trigger = watch("ticket_updated", skip_own_changes=skip)
    trigger.send = lambda event: trigger.connection.client.add_comment(event["ticket"]["id"], "seen", True)
    trigger.run(lambda: halo.change_ticket(2101, status_id=IN_PROGRESS), *[nothing] * 8)
    assert len(trigger.events) == (1 if skip else 9)
    trigger.run(lambda: halo.add_note(2101, "a person's"), nothing, nothing)
    assert len(trigger.events) >= 2


@pytest.mark.parametrize("by_date", [True, False])
def test_nor_do_many_at_once(halo, watch, by_date):
    halo.lists_actions_by_date = by_date
    trigger = watch("ticket_updated")
    numbers = log_many(halo, 30)
    trigger.send = lambda event: trigger.connection.client.add_comment(event["ticket"]["id"], "seen", True)
    trigger.run(
        lambda: [halo.change_ticket(number, status_id=IN_PROGRESS) for number in numbers],
        *[nothing] * 4,
        lambda: [halo.add_note(number, "a person's") for number in numbers[:10]],
        *[nothing] * 4,
    )
    # Where Halo does not list all actions, who made the first changes is not asked, and so the first comment of each
    # ticket cannot be told from them.
    once = [*numbers, *numbers[:10]]
    assert sorted(trigger.tickets()) == sorted(once if by_date else [*once, *numbers])


def test_own_transitions_are_left_out(halo, watch):
    trigger = watch("ticket_status_changed")
    trigger.run(
        lambda: halo.change_ticket(2101, status_id=IN_PROGRESS),
        lambda: trigger.connection.client.update_ticket(2101, {"status_id": RESOLVED}),
        lambda: halo.change_ticket(2101, status_id=NEW),
        nothing,
    )
    assert trigger.transitions() == [(NEW, IN_PROGRESS), (RESOLVED, NEW)]
