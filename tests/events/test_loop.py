"""The loop of the triggers against the emulator, in this process and on a clock of its own. Events are delivered once
and in order, across restarts, outages, deleted and merged tickets, filters and pending tickets."""

import io
import logging
import socket
import threading
import time
from types import SimpleNamespace

import pytest
import requests
from insightconnect_plugin_runtime.exceptions import PluginException
from steps import TRIGGERS, connected, connection_to

from halo_emulator import Fault
from komand_haloitsm.util.events.delivery import NotAccepted
from komand_haloitsm.util.events.store import open_store

from .watched import (
    CLOSED,
    DAY,
    IN_PROGRESS,
    LOGGER,
    NEW,
    RESOLVED,
    Killed,
    Script,
    flap,
    notices,
    nothing,
    paths,
    told,
)

SECRET = "webhook-secret"


# -- the first start and after --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRIGGERS)
@pytest.mark.parametrize("ignored", [(), ("lastupdatefromdate",), ("order", "orderdesc")], ids="+".join)
def test_the_first_start_delivers_nothing_old(halo, watch, name, ignored):
    halo.ignored_parameters = set(ignored)
    halo.change_ticket(2103, status_id=IN_PROGRESS)
    halo.log_ticket(summary="moments before")
    trigger = watch(name)
    trigger.run(nothing, nothing)
    trigger.run(nothing)
    assert trigger.events == []


def test_created(halo, watch):
    made = []
    trigger = watch("ticket_created")
    trigger.run(
        lambda: made.extend(halo.log_ticket(summary=f"new {number}")["id"] for number in range(3)),
        lambda: (halo.change_ticket(made[0], summary="changed"), halo.change_ticket(2101, summary="an old one")),
        nothing,
    )
    assert trigger.ids() == [f"{number}-created" for number in made]
    assert [event["ticket"]["summary"] for _, event in trigger.events] == ["new 0", "new 1", "new 2"]


def test_more_new_tickets_than_a_page_holds(halo, watch):
    trigger = watch("ticket_created")
    trigger.run(lambda: [halo.log_ticket(summary=f"new {number}") for number in range(120)], nothing)
    assert trigger.tickets() == sorted(number for number in halo.tickets if number > 2106)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [0, 1, 2]),
        ({"tickettype_id": 21}, [0, 1]),
        ({"priority_id": 1}, [0, 2]),
        ({"tickettype_id": 21, "priority_id": 1}, [0]),
        ({"tickettype_id": 0, "priority_id": None}, [0, 1, 2]),
    ],
)
def test_filters_of_created(halo, watch, filters, expected):
    made, kinds = [], [(21, 1), (21, 3), (1, 1)]
    trigger = watch("ticket_created", **filters)
    trigger.run(
        lambda: made.extend(halo.log_ticket(summary="x", tickettype_id=a, priority_id=b)["id"] for a, b in kinds),
        nothing,
    )
    assert trigger.tickets() == [made[place] for place in expected]


def test_updated(halo, watch):
    trigger = watch("ticket_updated")
    trigger.run(
        lambda: (
            halo.change_ticket(2101, summary="x"),
            halo.add_note(2101, "y"),
            halo.change_ticket(2102, priority_id=1),
        ),
        nothing,
        lambda: halo.add_note(2101, "again"),
        lambda: halo.log_ticket(summary="only logged"),
        nothing,
    )
    assert trigger.tickets() == [2101, 2102, 2101]
    assert len(set(trigger.ids())) == 3


def test_previous_status(halo, watch):
    trigger = watch("ticket_updated")
    trigger.run(
        lambda: halo.change_ticket(2101, status_id=IN_PROGRESS), lambda: halo.change_ticket(2101, status_id=RESOLVED)
    )
    assert [event.get("previous_status_id") for _, event in trigger.events] == [NEW, IN_PROGRESS]


def test_changed_fields(halo, watch):
    trigger = watch("ticket_updated")
    trigger.run(
        lambda: halo.change_ticket(2101, status_id=IN_PROGRESS, priority_id=1),
        lambda: halo.change_ticket(2101, team_id=3, agent_id=4, summary="x"),
        lambda: halo.add_note(2101, "y"),
    )
    assert [event.get("changed_fields") for _, event in trigger.events] == [
        ["priority_id", "status_id"],
        ["agent_id", "summary", "team_name"],
        None,
    ]


def test_only_updates_that_change_the_status(halo, watch):
    trigger = watch("ticket_updated", status_changed=True)
    trigger.run(
        lambda: halo.change_ticket(2101, summary="x"),
        lambda: halo.change_ticket(2101, status_id=IN_PROGRESS),
        lambda: (halo.change_ticket(2101, status_id=RESOLVED), halo.change_ticket(2101, status_id=IN_PROGRESS)),
        lambda: halo.change_ticket(2103, status_id=IN_PROGRESS),
        nothing,
    )
    assert [(event["ticket"]["id"], event["previous_status_id"]) for _, event in trigger.events] == [
        (2101, 1),
        (2103, 3),
    ]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [(1, 2), (2, 8), (8, 1)]),
        ({"new_status_id": RESOLVED}, [(2, 8)]),
        ({"ticket_id": 2101}, [(1, 2), (2, 8), (8, 1)]),
        ({"ticket_id": 2103}, []),
    ],
)
def test_every_transition_between_two_snapshots(halo, watch, filters, expected):
    trigger = watch("ticket_status_changed", **filters)
    trigger.run(lambda: flap(halo, 2101), lambda: halo.add_note(2101, "x"), nothing)
    assert trigger.transitions() == expected


def test_a_list_that_cannot_be_read_leaves_the_last_status(halo, watch):
    halo.denied = {("GET", "actions")}
    trigger = watch("ticket_status_changed")
    trigger.run(
        lambda: flap(halo, 2101),
        lambda: halo.change_ticket(2101, status_id=RESOLVED),
        lambda: halo.log_ticket(summary="x"),
    )
    assert trigger.transitions() == [(NEW, RESOLVED)]


def test_a_ticket_with_very_many_actions(halo, watch):
    trigger = watch("ticket_status_changed")

    def work() -> None:
        halo.change_ticket(2101, status_id=IN_PROGRESS)
        for number in range(120):
            halo.add_note(2101, f"note {number}")
        halo.change_ticket(2101, status_id=RESOLVED)

    trigger.run(work, nothing)
    assert trigger.transitions() == [(1, 2), (2, 8)]


@pytest.mark.parametrize("name", ["ticket_updated", "ticket_status_changed"])
def test_a_single_ticket(halo, watch, name):
    trigger = watch(name, ticket_id=2101)
    trigger.run(
        lambda: (halo.change_ticket(2103, status_id=IN_PROGRESS), halo.change_ticket(2101, status_id=IN_PROGRESS)),
        lambda: trigger.store.add_pending(notices(2103, 2101)),
        nothing,
    )
    assert trigger.tickets() == [2101]


def test_an_idle_poll_is_one_request(halo, watch):
    trigger = watch("ticket_status_changed")
    counts = []

    def count() -> None:
        counts.append(len(paths(halo)))
        halo.forget_requests()

    trigger.run(count, count, count, nothing)
    assert counts[1:] == [1, 1]


@pytest.mark.parametrize("offset", [DAY, DAY * 400])
def test_only_halos_clock_counts(halo, watch, offset):
    halo.clock_offset = offset
    # All that the emulator begins with is of another time.
    trigger = watch("ticket_status_changed")
    trigger.run(nothing)
    trigger.run(lambda: halo.log_ticket(summary="x"), lambda: halo.change_ticket(2107, status_id=IN_PROGRESS), nothing)
    assert [(event["ticket"]["id"], *pair) for (_, event), pair in zip(trigger.events, trigger.transitions())] == [
        (2107, 1, 2)
    ]


@pytest.mark.parametrize("name", ["ticket_updated", "ticket_status_changed"])
def test_a_ticket_dated_in_the_future_hides_no_other(halo, watch, name):
    halo.change_ticket(2104, last_update="2031-01-01T00:00:00Z")
    # The others were last changed long before the start.
    halo.clock_offset = 3600
    trigger = watch(name)
    trigger.run(
        lambda: halo.change_ticket(2101, status_id=IN_PROGRESS), lambda: halo.change_ticket(2103, status_id=IN_PROGRESS)
    )
    assert trigger.tickets() == [2101, 2103]


def test_a_halo_whose_clock_is_moved_on_by_a_day(halo, watch):
    trigger = watch("ticket_created")
    trigger.run(lambda: setattr(halo, "clock_offset", DAY), lambda: halo.log_ticket(summary="x"), nothing)
    assert trigger.tickets() == [2107]


# -- deleted, merged, closed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRIGGERS)
def test_a_deleted_ticket_is_no_event_and_no_error(halo, watch, caplog, name):
    trigger = watch(name)
    trigger.run(
        lambda: (
            halo.change_ticket(2101, status_id=IN_PROGRESS),
            halo.delete_ticket(2101),
            trigger.store.add_pending(notices(2101)),
        ),
        lambda: (
            halo.delete_ticket(halo.log_ticket(summary="x")["id"]),
            trigger.store.add_pending(notices(2107, 2106, 999_999)),
        ),
        nothing,
    )
    assert trigger.events == [] and told(caplog) == []
    assert trigger.path.exists()


def test_a_single_ticket_that_is_deleted_and_another_that_is_hidden(halo, watch, caplog):
    trigger = watch("ticket_updated", ticket_id=2101)
    trigger.run(lambda: halo.delete_ticket(2101), nothing)
    other = watch("ticket_updated", ticket_id=2103, trigger_id="t-2")
    other.run(lambda: halo.hidden_tickets.add(2103), nothing)
    assert (trigger.events, other.events, told(caplog)) == ([], [], [])


def test_a_merged_ticket(halo, watch):
    trigger = watch("ticket_updated")
    trigger.run(lambda: halo.merge_tickets(2103, 2101), nothing, nothing)
    assert trigger.tickets().count(2103) == 1 and set(trigger.tickets()) <= {2103, 2101}


@pytest.mark.parametrize("recent", [30, 0])
def test_a_ticket_that_is_closed_and_opened_again(halo, watch, recent):
    halo.recently_closed_days = recent
    trigger = watch("ticket_status_changed")
    trigger.run(
        lambda: halo.change_ticket(2102, status_id=CLOSED),
        lambda: halo.add_note(2102, "closed, but noted"),
        lambda: halo.change_ticket(2102, status_id=NEW),
        nothing,
    )
    assert trigger.transitions() == [(IN_PROGRESS, CLOSED), (CLOSED, NEW)]


# -- pending tickets ------------------------------------------------------------------------------------------------


def test_a_pending_ticket_is_rechecked_before_the_next_poll(halo, watch):
    trigger = watch("ticket_created", interval=3600)
    script = Script([])

    def webhook() -> None:
        # Long before the next poll: only the pending ticket can bring the event.
        script.now -= 3000
        trigger.store.add_pending(notices(halo.log_ticket(summary="x")["id"]) * 2)
        halo.forget_requests()

    script.steps = [webhook]
    trigger.run_on(script)
    assert trigger.tickets() == [2107]
    assert [path for path in paths(halo) if path == "/api/Tickets"] == []


@pytest.mark.parametrize("name", TRIGGERS)
def test_pending_tickets_that_have_not_changed_make_no_event(halo, watch, name):
    trigger = watch(name)
    halo.change_ticket(2103, status_id=IN_PROGRESS)
    trigger.run(
        lambda: trigger.store.add_pending(notices(*sorted(halo.tickets))),
        lambda: trigger.store.add_pending(notices(*sorted(halo.tickets))),
        nothing,
    )
    assert trigger.events == []


def test_duplicate_late_and_forged_webhooks_make_no_second_event(halo, watch):
    trigger = watch("ticket_status_changed")

    def add_pending() -> None:
        trigger.store.add_pending(notices(2101, 2103, 10**9))

    trigger.run(lambda: (flap(halo, 2101), add_pending()), add_pending, nothing, add_pending, nothing)
    assert trigger.transitions() == [(1, 2), (2, 8), (8, 1)]


def test_tickets_that_were_pending_before_the_start_wait_for_it(halo, watch):
    trigger = watch("ticket_created")
    store = open_store(trigger.path, f"ticket_created None {trigger.connection.client.address}", LOGGER)
    store.add_pending(notices(2101))
    store.close()
    trigger.run(nothing)
    assert trigger.events == []


# -- restarts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("off", [0, 3600, 6 * DAY])
def test_a_restart_catches_up(halo, watch, off):
    trigger = watch("ticket_status_changed")
    trigger.run(lambda: halo.change_ticket(2101, status_id=IN_PROGRESS), nothing)
    flap(halo, 2103)
    halo.clock_offset += off
    trigger.run(lambda: halo.change_ticket(2104, status_id=NEW), nothing)
    trigger.run(nothing)
    assert trigger.transitions() == [(1, 2), (3, 2), (2, 8), (8, 1), (18, 1)]


@pytest.mark.parametrize("ignored", [(), ("lastupdatefromdate",)], ids="+".join)
def test_a_restart_catches_up_no_more_than_seven_days(halo, watch, caplog, ignored):
    halo.ignored_parameters = set(ignored)
    trigger = watch("ticket_updated")
    trigger.run(nothing)
    halo.change_ticket(2101, summary="ten days ago")
    halo.clock_offset += 4 * DAY
    halo.change_ticket(2103, summary="six days ago")
    halo.clock_offset += 6 * DAY
    trigger.run(nothing)
    assert trigger.tickets() == [2103]
    assert len([text for text in told(caplog) if "seven days" in text]) == 1


def test_a_pending_ticket_does_not_bring_back_what_is_older_than_seven_days(halo, watch):
    trigger = watch("ticket_updated")
    # None of the tickets was changed in the minute before the start.
    halo.clock_offset = 3600
    trigger.run(nothing)
    halo.change_ticket(2101, summary="ten days ago")
    halo.clock_offset += 10 * DAY
    trigger.run(nothing, lambda: trigger.store.add_pending(notices(2101)), nothing)
    assert trigger.events == []


def test_a_single_ticket_is_bounded_to_seven_days_as_well(halo, watch):
    trigger = watch("ticket_updated", ticket_id=2101)
    trigger.run(nothing)
    halo.change_ticket(2101, summary="ten days ago")
    halo.clock_offset += 10 * DAY
    trigger.run(nothing, nothing)
    assert trigger.events == []


@pytest.mark.parametrize("name", TRIGGERS)
def test_kills_at_every_event_lose_none_and_repeat_one_at_most(halo, watch, name):
    trigger = watch(name)
    trigger.run(nothing)
    for number in (2101, 2103, 2104):
        flap(halo, number)
    for number in range(4):
        halo.log_ticket(summary=f"new {number}")
    whole = {"ticket_created": 4, "ticket_updated": 3, "ticket_status_changed": 9}[name]
    kills = [0]

    def send(_event) -> None:
        # Every second time the orchestrator has the event, but the trigger does not know that.
        trigger.beats = getattr(trigger, "beats", 0) + 1
        if trigger.beats % 3 == 0:
            kills[0] += 1
            if kills[0] % 2:
                trigger.events.append((_event["event_id"], _event))
            raise Killed

    trigger.send = send
    for _ in range(20):
        trigger.run(nothing)
    assert len(set(trigger.ids())) == whole
    assert len(trigger.ids()) - whole <= kills[0]
    once = [event for _, event in dict(trigger.events).items()]
    if name == "ticket_status_changed":
        assert [event["new_status_id"] for event in once] == [IN_PROGRESS, RESOLVED, NEW] * 3


def test_an_orchestrator_that_refuses_for_a_while(halo, watch):
    trigger, refusals = watch("ticket_status_changed"), [True, True, False, True, False, False]

    def send(_event) -> None:
        if refusals and refusals.pop(0):
            raise NotAccepted("HTTP 500")

    trigger.send = send
    trigger.run(lambda: flap(halo, 2101), nothing)
    assert trigger.transitions() == [(1, 2), (2, 8), (8, 1)]


# -- Halo's outages -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", status=503, times=None),
        Fault("status", status=500, times=None),
        Fault("status", status=429, headers=(("Retry-After", "2"),), times=None),
        Fault("drop", times=None),
        Fault("html", times=None),
        Fault("truncated", times=None),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status}",
)
def test_an_outage_is_told_once_when_it_begins_and_once_when_it_ends(halo, watch, caplog, fault):
    caplog.set_level(logging.INFO)
    trigger = watch("ticket_created")
    trigger.run(nothing)
    caplog.clear()
    script = trigger.run(
        lambda: (halo.inject(fault), halo.log_ticket(summary="x")),
        *[nothing] * 8,
        halo.clear_faults,
        nothing,
        nothing,
    )
    said = told(caplog, logging.INFO)
    assert len([record for record in caplog.records if record.name == LOGGER.name and record.levelno >= 30]) == 1
    assert len([text for text in said if "answers again" in text]) == 1
    assert trigger.tickets() == [2107]
    pauses = script.rests[1:10]
    # A pause that Halo asks for is taken as it is at first.
    assert pauses == sorted(pauses) and pauses[0] == (2 if fault.status == 429 else 5) and pauses[-1] == 300


def test_an_outage_at_the_first_start(halo, watch):
    trigger = watch("ticket_created")
    halo.inject(Fault("status", times=None))
    trigger.run(nothing, nothing, halo.clear_faults, lambda: halo.log_ticket(summary="x"), nothing)
    assert trigger.tickets() == [2107]


def test_a_wrong_credential_does_not_end_it(halo, watch):
    trigger = watch("ticket_created")
    trigger.run(
        lambda: (halo.revoke_tokens(), halo.inject(Fault("status", path="auth/token", status=400, times=4))),
        lambda: halo.log_ticket(summary="x"),
        *[nothing] * 5,
    )
    assert trigger.tickets() == [2107]


def test_the_next_outage_is_told_as_well(halo, watch, caplog):
    trigger = watch("ticket_created")

    def down() -> None:
        halo.inject(Fault("status", times=None))

    trigger.run(down, nothing, halo.clear_faults, nothing, down, nothing, halo.clear_faults, nothing)
    assert len(told(caplog)) == 2


def test_an_error_in_the_middle_of_many_events_repeats_none(halo, watch):
    trigger = watch("ticket_status_changed")
    trigger.run(
        lambda: (
            [flap(halo, number) for number in (2101, 2103, 2104)],
            halo.inject(Fault("status", path="actions", skip=1, times=2)),
        ),
        *[nothing] * 4,
    )
    assert len(trigger.ids()) == len(set(trigger.ids())) == 9


def test_one_ticket_whose_actions_cannot_be_read_does_not_hold_up_the_others(halo, watch):
    trigger = watch("ticket_status_changed", interval=60)

    def work() -> None:
        halo.change_ticket(2101, status_id=IN_PROGRESS)
        halo.change_ticket(2103, status_id=IN_PROGRESS)

    made = trigger.connection.client.reader

    def reader(policy):
        inner = made(policy)
        real = inner.actions

        def failing(ticket_id, *more):
            if ticket_id == 2101:
                halo.inject(Fault("status", path="actions", status=500, times=1))
            return real(ticket_id, *more)

        inner.actions = failing
        return inner

    trigger.connection.client.reader = reader
    trigger.run(work, *[nothing] * 15)
    assert 2103 in trigger.tickets()


def test_one_ticket_that_cannot_be_read_does_not_slow_down_the_polls(halo, watch):
    trigger = watch("ticket_created", interval=60)
    halo.inject(Fault("status", method="GET", path="tickets/2105", status=500, times=None))
    script = trigger.run(lambda: trigger.store.add_pending(notices(2105)), *[nothing] * 12)
    assert max(script.rests) <= 120


# -- neighbours -----------------------------------------------------------------------------------------------------


def test_two_triggers_and_two_instances_in_one_folder(halo, watch):
    created = watch("ticket_created", trigger_id="a")
    one, two = (watch("ticket_status_changed", trigger_id=name) for name in ("b", "c"))
    for each in (created, one, two):
        each.run(nothing)
    halo.log_ticket(summary="x")
    flap(halo, 2101)
    one.run(nothing)
    halo.change_ticket(2101, status_id=RESOLVED)
    for each in (created, one, two, one):
        each.run(nothing)
    assert created.ids() == ["2107-created"]
    assert one.transitions() == two.transitions() == [(1, 2), (2, 8), (8, 1), (1, 8)]
    assert one.ids() == two.ids()


def test_a_trigger_that_is_given_another_ticket_starts_anew(halo, watch):
    watch("ticket_updated", ticket_id=2101).run(nothing)
    halo.change_ticket(2103, summary="before it was watched")
    other = watch("ticket_updated", ticket_id=2103)
    other.run(nothing, lambda: halo.change_ticket(2103, summary="since"), nothing)
    assert len(other.ids()) == 1


# -- the trigger as a whole -----------------------------------------------------------------------------------------


class Whole:
    """A trigger as the runtime makes it, running in a thread with a dispatcher that keeps what it gets."""

    def __init__(self, halo, name: str, trigger_id: str | None = "whole", **connection) -> None:
        self.events: list[dict] = []
        self.trigger = TRIGGERS[name]()
        self.trigger.connection = connected(connection_to(halo, **connection))
        self.trigger.connection.meta = SimpleNamespace(workflow=SimpleNamespace(triggerId=trigger_id))
        self.trigger.dispatcher = SimpleNamespace(write=lambda message: self.events.append(message["body"]["output"]))
        self.trigger.log_stream = io.StringIO()
        self.trigger.load_state()
        self.error: BaseException | None = None

    def start(self, **params) -> "Whole":
        def work() -> None:
            try:
                self.trigger.run(params)
            except BaseException as error:
                self.error = error

        self.thread = threading.Thread(target=work, daemon=True)
        self.thread.start()
        return self


def eventually(condition, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("HALOITSM_WORKSPACE", str(tmp_path))
    (tmp_path / "tmp").mkdir()
    return tmp_path


def free_port() -> int:
    with socket.create_server(("0.0.0.0", 0)) as free:
        return free.getsockname()[1]


def healthy(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/health", timeout=5).ok
    except requests.RequestException:
        return False


@pytest.mark.parametrize("payload", ["full", "event"])
@pytest.mark.parametrize("authentication", ["hmac", "basic"])
def test_a_webhook_brings_the_event_at_once(halo, workspace, authentication, payload):
    port = free_port()
    whole = Whole(halo, "ticket_created", webhook_secret={"secretKey": SECRET}).start(interval=3600, webhook_port=port)
    eventually(lambda: healthy(port))
    eventually(lambda: any("Tickets" in entry.path and entry.query.get("order") for entry in halo.requests))
    eventually(lambda: (workspace / "cache" / "whole.haloitsm.sqlite3").exists())
    address = f"http://127.0.0.1:{port}/halo"
    halo.add_webhook(address, authentication=authentication, secret=SECRET, payload=payload)
    time.sleep(0.2)
    halo.log_ticket(summary="Reception cannot print")
    eventually(lambda: whole.events)
    assert [event["event_id"] for event in whole.events] == ["2107-created"]
    assert whole.events[0]["ticket"]["summary"] == "Reception cannot print"
    (workspace / "tmp" / "terminate_trigger.flag").touch()
    whole.thread.join(10)
    assert not whole.thread.is_alive() and whole.error is None
    assert not (workspace / "tmp" / "terminate_trigger.flag").exists()


@pytest.mark.parametrize(
    ("params", "secret"),
    [
        ({"webhook_port": 8443}, ""),
        ({"webhook_port": 8443}, "   "),
        ({"webhook_port": 70_000}, SECRET),
        ({"webhook_port": -1}, SECRET),
        ({"interval": 4}, SECRET),
        ({"interval": -60}, SECRET),
        ({"interval": "soon"}, SECRET),
    ],
)
@pytest.mark.parametrize("name", TRIGGERS)
def test_what_can_never_work_ends_it_with_a_clear_error(halo, workspace, name, params, secret):
    whole = Whole(halo, name, webhook_secret={"secretKey": secret})
    with pytest.raises(PluginException) as caught:
        whole.trigger.run(params)
    assert caught.value.cause and caught.value.assistance
    assert halo.requests == []


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("ticket_created", {"tickettype_id": -1}),
        ("ticket_created", {"priority_id": "high"}),
        ("ticket_updated", {"ticket_id": -5}),
        ("ticket_updated", {"status_changed": "maybe"}),
        ("ticket_status_changed", {"new_status_id": "closed"}),
        ("ticket_status_changed", {"ticket_id": 1.5}),
    ],
)
def test_bad_filters_end_it_with_a_clear_error(halo, workspace, name, params):
    with pytest.raises(PluginException):
        Whole(halo, name).trigger.run(params)


def test_a_port_in_use_ends_it_with_a_clear_error(halo, workspace):
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PluginException, match=str(port)):
            Whole(halo, "ticket_created", webhook_secret={"secretKey": SECRET}).trigger.run({"webhook_port": port})


@pytest.mark.parametrize("trigger_id", ["whole", None, "../outside"])
def test_it_starts_whatever_its_place_and_its_name_are(halo, workspace, caplog, trigger_id):
    (workspace / "cache").mkdir()
    (workspace / "cache" / "whole.json").write_text("{broken")
    (workspace / "cache" / "whole.haloitsm.sqlite3").write_bytes(b"garbage" * 999)
    whole = Whole(halo, "ticket_created", trigger_id).start()
    eventually(lambda: any("events from now on" in record.getMessage() for record in caplog.records) or halo.requests)
    (workspace / "tmp" / "terminate_trigger.flag").touch()
    whole.thread.join(10)
    assert not whole.thread.is_alive() and whole.error is None
    assert {path.name for path in workspace.iterdir()} == {"cache", "tmp"}
