"""What a reviewer's attack on the triggers brought down, and must not bring down again: one bad ticket, a refused list,
wrong clocks, dates of another length, rules that answer our own changes. Each test says what must hold."""

import time
from datetime import datetime, timedelta

import pytest

import halo_emulator.ticket_search as ts
import komand_haloitsm.util.events.first_start as first_start
import komand_haloitsm.util.events.loop as loop
import komand_haloitsm.util.halo.changes as changes
from halo_emulator import Fault
from halo_emulator.ticket_writes import change_by_rule
from komand_haloitsm.util.events.delivery import NotAccepted
from komand_haloitsm.util.halo.errors import HaloError, ServerTrouble
from komand_haloitsm.util.halo.tickets.read import TicketReader
from komand_haloitsm.util.halo.values.sort_key import SortKey
from komand_haloitsm.util.halo.webhook import Notice

from .watched import CLOSED, IN_PROGRESS, NEW, RESOLVED, Script, log_many, notices, nothing, told


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("webhook", [True, False])
def test_three_digits_in_lists(halo, watch, monkeypatch, up, webhook):
    real = ts.list_row

    def row(store, ticket, query):
        r = real(store, ticket, query)
        for k in ("last_update", "dateoccurred", "lastactiondate"):
            if k in r:
                m = datetime.fromisoformat(r[k][:26])
                if up:
                    m += timedelta(microseconds=500)
                r[k] = m.isoformat(timespec="milliseconds")
        return r

    monkeypatch.setattr(ts, "list_row", row)
    trigger = watch("ticket_updated")

    def change():
        now = datetime.fromisoformat(halo.change_ticket(2101, priority_id=2)["last_update"][:26]) + timedelta(seconds=1)
        halo.change_ticket(2101, status_id=IN_PROGRESS, last_update=now.isoformat(timespec="seconds") + ".1237654Z")
        if webhook:
            trigger.store.add_pending(notices(2101))
            trigger.script.now -= 55  # recheck comes before the next poll

    def later():
        if not webhook:
            trigger.store.add_pending(notices(2101))
            trigger.script.now -= 55

    trigger.run(change, later, nothing, nothing, nothing)
    assert trigger.tickets() == [2101], trigger.ids()


@pytest.mark.parametrize(
    "fault",
    [
        dict(kind="status", status=504),
        dict(kind="drop"),
        dict(kind="html"),
        dict(kind="truncated"),
        dict(kind="status", status=200, body={"x": 1}),
        dict(kind="status", status=500),
    ],
    ids=str,
)
def test_one_bad_ticket_blocks_no_other(halo, watch, fault):
    trigger = watch("ticket_created")
    script = Script([], halo)
    halo.clock_offset = 600
    made = []

    def bad():
        halo.inject(Fault(method="GET", path="tickets/2105", times=None, **fault))
        trigger.store.add_pending(notices(2105))
        made.extend(log_many(halo, 3))

    script.steps = [bad, *[nothing] * 60]
    trigger.run_on(script)
    assert sorted(trigger.tickets()) == made, (len(script.rests), sum(script.rests))


def test_two_tickets_with_500_block_no_other(halo, watch, monkeypatch):
    trigger = watch("ticket_status_changed")
    script = Script([], halo)
    bad = {2101, 2103}
    reader_actions = None
    real = TicketReader.actions

    def actions(self, ticket_id, most=50):
        if ticket_id in bad:
            raise ServerTrouble(kind="server_error", cause="c", assistance="a", status=500)
        return real(self, ticket_id, most)

    def work():
        monkeypatch.setattr(TicketReader, "actions", actions)
        for n in (2101, 2103, 2104):
            halo.change_ticket(n, status_id=IN_PROGRESS)

    script.steps = [work, *[nothing] * 60]
    trigger.run_on(script)
    assert trigger.tickets() == [2104], (len(script.rests), sum(script.rests))


def change_one_to_the_end_of_time(halo):
    halo.change_ticket(2101, last_update="9999-12-31T23:59:59Z")
    for n in (2103, 2104, 2105, 2106):
        halo.change_ticket(n, status_id=IN_PROGRESS)


def test_end_of_time(halo, watch):
    trigger = watch("ticket_updated")
    trigger.run(lambda: change_one_to_the_end_of_time(halo), nothing, nothing)
    assert sorted(set(trigger.tickets())) == [2101, 2103, 2104, 2105, 2106]


def test_a_rule_that_follows_the_own_comment_in_another_look(halo, watch):
    trigger = watch("ticket_updated")
    trigger.send = lambda event: trigger.connection.client.add_comment(event["ticket"]["id"], "seen", True)

    count = [0]

    def rule():
        # Halo's rule reacts a second after each own comment
        acts = halo.actions[2101]
        own = [a for a in acts if a["who_agentid"] == halo.api_agent_id]
        if len(own) > count[0]:
            count[0] = len(own)
            change_by_rule(halo._store, 2101, {"priority_id": 1 + len(own) % 3})
        trigger.store.add_pending(notices(2101))
        trigger.script.now -= 59

    def look():
        trigger.store.add_pending(notices(2101))
        trigger.script.now -= 59

    trigger.run(lambda: halo.change_ticket(2101, status_id=IN_PROGRESS), look, *[rule, look] * 10)
    assert len(trigger.events) <= 2, len(trigger.events)


def test_status_and_rule_endless(halo, watch):
    trigger = watch("ticket_status_changed")

    def send(event):
        trigger.connection.client.update_ticket(event["ticket"]["id"], {"status_id": IN_PROGRESS})
        change_by_rule(halo._store, event["ticket"]["id"], {"status_id": RESOLVED})

    trigger.send = send
    trigger.run(lambda: halo.change_ticket(2101, status_id=RESOLVED), *[nothing] * 12)
    assert len(trigger.events) <= 2, trigger.transitions()


def test_whole_list_with_some_failures(halo, watch):
    halo.ignored_parameters = {"order", "lastupdatefromdate"}
    halo.page_cap = 10
    trigger, script, made = watch("ticket_created"), Script([], halo), []
    log_many(halo, 300)  # 31 pages
    real, count = TicketReader.page, [0]

    def page(self, number, query):
        count[0] += 1
        if count[0] % 4 == 0 and started:
            raise ServerTrouble(kind="unavailable", cause="c", assistance="a", status=503)
        return real(self, number, query)

    started = []

    def work():
        TicketReader.page = page
        started.append(1)
        made.extend(log_many(halo, 3))

    script.steps = [work, *[nothing] * 80]
    try:
        trigger.run_on(script)
    finally:
        TicketReader.page = real
    assert sorted(trigger.tickets()) == made, (count, sum(script.rests))


@pytest.mark.parametrize("status", [400, 403, 500])
def test_list_by_ids_is_refused(halo, watch, status):
    trigger, script, made = watch("ticket_created"), Script([], halo), []
    real = TicketReader.page

    def page(self, number, query):
        if "ticketids" in query:
            raise HaloError(kind="refused", cause="c", assistance="a", status=status)
        return real(self, number, query)

    def work():
        made.extend(log_many(halo, 5))
        trigger.store.add_pending(notices(*made))

    script.steps = [work, *[nothing] * 40]
    TicketReader.page = page
    try:
        trigger.run_on(script)
    finally:
        TicketReader.page = real
    assert sorted(trigger.tickets()) == made, sum(script.rests)


@pytest.mark.parametrize("ahead", [3600, 100])
def test_clock_set_back_after_first_start(halo, watch, ahead):
    trigger, script = watch("ticket_updated"), Script([], halo)

    def back():
        halo.clock_offset -= ahead

    def change():
        halo.change_ticket(2101, status_id=IN_PROGRESS)
        halo.change_ticket(2104, status_id=IN_PROGRESS)

    script.steps = [nothing, back, change, *[nothing] * 100]
    halo.clock_offset = 4000  # the seeds are old
    trigger.run_on(script)
    assert sorted(trigger.tickets()) == [2101, 2104]


@pytest.mark.parametrize("before", [True, False])
def test_no_date_and_a_future_ticket(halo, watch, monkeypatch, before):
    none = lambda *a: SortKey()
    for mod in (changes, loop, first_start):
        monkeypatch.setattr(mod, "clock_of", none, raising=False)
        monkeypatch.setattr(mod, "skew_of", lambda *a: None, raising=False)
    trigger, script = watch("ticket_updated"), Script([], halo)
    if before:
        halo.change_ticket(2103, last_update="2031-01-01T00:00:00Z")

    def future():
        if not before:
            halo.change_ticket(2103, last_update="2031-01-01T00:00:00Z")

    def change():
        halo.change_ticket(2101, status_id=IN_PROGRESS)

    script.steps = [future, *[nothing] * 5, change, *[nothing] * 10]
    trigger.run_on(script)
    assert 2101 in trigger.tickets(), trigger.ids()


def test_start_with_a_wrong_date(halo, watch):
    trigger, script = watch("ticket_updated"), Script([nothing, nothing], halo)
    trigger.run_on(script)
    now = script.now
    script = Script([], halo)
    script.now = now + 5
    right = halo.clock_offset
    halo.clock_offset += 9 * 86400

    def put_right():
        halo.clock_offset = right + 100

    def change():
        halo.change_ticket(2101, status_id=IN_PROGRESS)

    script.steps = [put_right, nothing, change, *[nothing] * 10]
    trigger.run_on(script)
    assert trigger.tickets() == [2101]


def test_mass_close_with_webhooks(halo, watch):
    halo.recently_closed_days, halo.hides_closed_changes = 0, True
    halo.ignored_parameters = set()
    trigger = watch("ticket_updated", budget=40)
    numbers = log_many(halo, 100)
    script, when = Script([], halo), []
    # a list by ids leaves out closed ones as well
    real = ts._asks_for_old
    ts._asks_for_old = lambda query, changes: "closed_only" in query
    start = []
    trigger.send = lambda event: when.append((event["ticket"]["id"], trigger.script.now - start[0])) if start else None

    def close():
        start.append(script.now)
        for n in numbers:
            halo.change_ticket(n, status_id=CLOSED)
        trigger.store.add_pending(notices(*numbers))
        halo.change_ticket(2101, status_id=IN_PROGRESS)

    script.steps = [*[nothing] * 10, close, *[nothing] * 5]
    try:
        trigger.run_on(script)
    finally:
        ts._asks_for_old = real
    at = dict(when)
    assert at[2101] < 400, (at[2101], max(at.values()), len(when))


@pytest.mark.parametrize("status", [403, 404, 401, 500])
def test_one_refusal_of_the_own_agent(halo, watch, caplog, status):
    trigger = watch("ticket_updated")
    trigger.send = lambda event: trigger.connection.client.add_comment(event["ticket"]["id"], "seen", True)
    halo.inject(Fault("status", path="agent/me", status=status, times=2 if status == 401 else 1))
    trigger.run(lambda: halo.change_ticket(2101, status_id=IN_PROGRESS), *[nothing] * 12)
    assert len(trigger.events) <= 2, (len(trigger.events), told(caplog))


def test_one_refusal_after_others(halo, watch):
    trigger = watch("ticket_status_changed")
    trigger.run(nothing)

    def work():
        for status in (IN_PROGRESS, RESOLVED, IN_PROGRESS):
            halo.change_ticket(2101, status_id=status)
        halo.inject(Fault("status", path="actions", status=503, times=2))
        halo.inject(Fault("status", path="actions", status=403, times=1))

    trigger.run(work, *[nothing] * 6)
    assert trigger.transitions() == [(NEW, IN_PROGRESS), (IN_PROGRESS, RESOLVED), (RESOLVED, IN_PROGRESS)]


def test_one_refusal_a_day(halo, watch):
    trigger, script = watch("ticket_status_changed"), Script([], halo)

    def day():
        for status in (IN_PROGRESS, RESOLVED, NEW):
            halo.change_ticket(2101, status_id=status)
        halo.inject(Fault("status", path="actions", status=403, times=1))

    quiet = lambda: script.pass_time(40_000)
    script.steps = [nothing] + [day, nothing, nothing, quiet, nothing] * 5
    trigger.run_on(script)
    assert len(trigger.transitions()) == 15, trigger.transitions()


def test_mass_delete_with_webhooks(halo, watch):
    trigger = watch("ticket_updated", budget=40)
    numbers = log_many(halo, 100)
    script, when, start = Script([], halo), {}, []
    trigger.send = lambda event: (
        when.setdefault(event["ticket"]["id"], trigger.script.now - start[0]) if start else None
    )

    def delete():
        start.append(script.now)
        halo.forget_requests()
        for n in numbers:
            halo.delete_ticket(n)
        trigger.store.add_pending(notices(*numbers))
        halo.change_ticket(2101, status_id=IN_PROGRESS)

    script.steps = [*[nothing] * 10, delete, *[nothing] * 30]
    trigger.run_on(script)
    assert when[2101] < 300, (when, len(halo.requests), script.now - start[0])


@pytest.mark.parametrize("name", ["ticket_updated", "ticket_status_changed"])
def test_actions_of_one_ticket_always_504(halo, watch, monkeypatch, name):
    trigger, script = watch(name), Script([], halo)
    real = TicketReader.actions

    def actions(self, ticket_id, most=50):
        if ticket_id == 2101:
            raise ServerTrouble(kind="unavailable", cause="c", assistance="a", status=504)
        return real(self, ticket_id, most)

    def work():
        monkeypatch.setattr(TicketReader, "actions", actions)
        halo.change_ticket(2101, status_id=IN_PROGRESS)
        halo.change_ticket(2103, status_id=IN_PROGRESS)

    script.steps = [work, *[nothing] * 60]
    trigger.run_on(script)
    assert 2103 in trigger.tickets(), sum(script.rests)


def test_tickets_whose_actions_are_hidden(halo, watch, monkeypatch):
    trigger, script, when = watch("ticket_status_changed"), Script([], halo), []
    real = TicketReader.actions

    def actions(self, ticket_id, most=50):
        rows, r = real(self, ticket_id, most)
        return ([], r) if ticket_id in hidden else (rows, r)

    hidden, numbers = set(), log_many(halo, 40)

    def work():
        hidden.update(numbers[::2])
        monkeypatch.setattr(TicketReader, "actions", actions)
        for n in numbers:
            halo.change_ticket(n, status_id=IN_PROGRESS)
        script.t = script.now

    trigger.send = lambda e: when.append(script.now - script.t)
    script.steps = [nothing, work, *[nothing] * 200]
    trigger.run_on(script)
    assert len(trigger.ids()) == 40 and max(when) < 120, (len(trigger.ids()), max(when))


def test_restored_twice(halo, watch):
    trigger, script, made = watch("ticket_created"), Script([], halo), []
    backup = halo.snapshot()

    def again():
        halo.restore(backup)
        made.extend(log_many(halo, 2))

    script.steps = [lambda: made.extend(log_many(halo, 2)), nothing, again, nothing, nothing, again, nothing, nothing]
    trigger.run_on(script)
    assert len(trigger.ids()) == 6 and len(set(trigger.ids())) == 6, trigger.ids()


def test_old_failures_count(halo, watch, caplog):
    trigger, script = watch("ticket_updated", skip_own_changes=False), Script([], halo)

    def day():
        halo.change_ticket(2101, summary="a")
        trigger.store.add_pending(notices(2101))
        script.now -= 55
        halo.inject(Fault("status", method="GET", path="tickets/2101", status=403, times=1))

    quiet = lambda: script.pass_time(40_000)
    script.steps = [nothing] + [day, nothing, nothing, quiet, nothing] * 4
    trigger.run_on(script)
    assert not [t for t in told(caplog) if "given up" in t], told(caplog)
    assert len(trigger.ids()) == 4


def test_a_parked_event_whose_ticket_times_out(halo, watch, monkeypatch):
    trigger, made, when = watch("ticket_updated", skip_own_changes=False), [], {}

    def refuse(event):
        raise NotAccepted("HTTP 413", 413)

    trigger.send = refuse
    trigger.run(lambda: halo.change_ticket(2101, status_id=IN_PROGRESS), nothing)
    trigger.send = lambda event: when.setdefault(event["ticket"]["id"], []).append(script.now)
    real = TicketReader.get

    def get(self, ticket_id, *, details=True):
        if ticket_id == 2101:
            raise ServerTrouble(kind="unavailable", cause="c", assistance="a", status=504)
        return real(self, ticket_id, details=details)

    monkeypatch.setattr(TicketReader, "get", get)
    script, at = Script([], halo), {}

    def change(n):
        def do():
            halo.change_ticket(n, status_id=IN_PROGRESS)
            at[n] = script.now

        return do

    script.steps = [*[nothing] * 30, change(2103), *[nothing] * 3, change(2104), *[nothing] * 10]
    trigger.run_on(script)
    assert when[2103][0] - at[2103] <= 90 and when[2104][0] - at[2104] <= 90, (when, at)


def test_webhooks_and_a_list_that_is_behind(halo, watch):
    trigger, script, when, at = watch("ticket_updated", interval=3600, skip_own_changes=False), Script([], halo), [], []
    numbers = log_many(halo, 6)

    def webhooks():
        halo.list_lag = 1.0
        for n in numbers:
            sent = halo.change_ticket(n, status_id=IN_PROGRESS)["last_update"]
            trigger.store.add_pending([Notice(n, SortKey.of(sent), 3)])
        at.append(script.now)
        script.pass_time(-3590)
        at[0] = script.now

    trigger.send = lambda event: when.append(script.now - at[0])
    script.steps = [nothing, webhooks, lambda: (time.sleep(1.1)), nothing, nothing]
    trigger.run_on(script)
    assert len(when) == 6 and max(when) < 600, when


def test_a_silent_change_beside_an_own_comment(halo, watch):
    trigger = watch("ticket_updated")

    def work():
        with halo._store.lock:
            t = dict(halo._store.tickets[2101])
            t["priority_id"] = 1 if t["priority_id"] != 1 else 2
            t["last_update"] = halo._clock.last_update_now()
            halo._store.put(t)
        trigger.connection.client.add_comment(2101, "by a workflow", True)

    trigger.run(lambda: halo.add_note(2101, "so that it is known"), nothing, work, nothing, nothing)
    assert trigger.tickets() == [2101, 2101], trigger.ids()


def test_the_same_by_the_emulators_own_screens(halo, watch):
    trigger = watch("ticket_updated")

    def work():
        halo.change_ticket(2101, priority_id=1, summary="changed by a person")
        trigger.connection.client.add_comment(2101, "by a workflow", True)

    trigger.run(lambda: halo.add_note(2101, "so that it is known"), nothing, work, nothing, nothing)
    assert trigger.tickets() == [2101, 2101], trigger.ids()


def test_a_workflow_that_updates_a_field_by_a_webhooks_word(halo, watch):
    trigger, n = watch("ticket_updated"), [0]

    def send(event):
        n[0] += 1
        trigger.connection.client.update_ticket(2101, {"summary": f"[{n[0]}] title"})

    trigger.send = send

    def look():
        sent = SortKey.of(halo.tickets[2101]["last_update"])
        trigger.store.add_pending([Notice(2101, sent, halo.api_agent_id)])

    trigger.run(lambda: halo.change_ticket(2101, status_id=IN_PROGRESS), *[look] * 10)
    assert len(trigger.events) <= 2, len(trigger.events)


def test_end_of_time_after_a_restart(halo, watch):
    trigger = watch("ticket_updated")
    died = 0
    for steps in ([lambda: change_one_to_the_end_of_time(halo), nothing], [nothing], [nothing]):
        try:
            trigger.run(*steps)
        except OverflowError:
            died += 1
    assert died == 0 and trigger.tickets()
