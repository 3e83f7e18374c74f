"""Defects of group B: what is tried again, how long is waited, and what is never done twice."""

import threading
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate

import pytest
from steps import SkippedTime, connected, connection_to, impatient, run_action, warmed

from halo_emulator import Fault
from halo_emulator.ticket_writes import create_ticket
from komand_haloitsm.util.halo.tickets.exactly_once import claim_registry
from komand_haloitsm.util.insightconnect.errors import HaloITSMError, UncertainWriteError

NEW = {"summary": "Beaconing from nwc-app-02", "details": "Seen twice.", "tickettype_id": 1}


def posts(halo, path="/api/Tickets"):
    return [request for request in halo.requests if request.method == "POST" and request.path == path]


def named(halo, summary=NEW["summary"]):
    return [ticket for ticket in halo.tickets.values() if ticket["summary"] == summary]


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_refused_create_is_not_sent_again(halo, status):
    halo.inject(Fault("status", method="POST", path="tickets", status=status, times=None))
    with pytest.raises(HaloITSMError):
        run_action(impatient(halo), "create_ticket", **NEW)
    assert len(posts(halo)) == 1 and named(halo) == []


@pytest.mark.parametrize("kind", ["status", "drop", "html", "truncated", "hang"])
def test_a_create_with_an_unknown_outcome_is_looked_up_and_adopted(halo, kind):
    halo.inject(Fault(kind, method="POST", path="tickets", status=500, after_commit=True, times=None))
    output = run_action(impatient(halo), "create_ticket", **NEW)
    (ticket,) = named(halo)
    assert (output["ticket"]["id"], output["created"]) == (ticket["id"], True)
    assert len(posts(halo)) == 1


@pytest.mark.parametrize("kept, sends", [(True, 2), (False, 1)], ids=["key kept", "key not kept"])
def test_a_create_without_an_answer_is_sent_again_once_at_most(halo, kept, sends):
    """Halo may still be at work: only where the key proves the absence of the first is a second one sent."""
    connection = warmed(impatient(halo))
    halo.keeps_external_id = kept
    claim_registry(connection.client.address, "The ticket").keeps_key[("third_party_id_string", 1)] = kept
    halo.forget_requests()
    halo.inject(Fault("status", method="POST", path="tickets", status=502, times=None))
    with pytest.raises(UncertainWriteError, match="may exist"):
        run_action(connection, "create_ticket", **NEW)
    assert len(posts(halo)) == sends and named(halo) == []


def test_a_create_whose_connection_breaks_is_sent_again_once(halo):
    connection = warmed(impatient(halo))
    halo.forget_requests()
    halo.inject(Fault("drop", method="POST", path="tickets", times=None))
    with pytest.raises(UncertainWriteError, match="may exist"):
        run_action(connection, "create_ticket", **NEW)
    assert len(posts(halo)) == 2 and named(halo) == []


def test_a_lost_create_that_cannot_be_looked_up_may_exist(halo):
    connection = warmed(impatient(halo))
    halo.inject(Fault("status", status=503, times=None))
    halo.forget_requests()
    with pytest.raises(UncertainWriteError, match="may exist") as lost:
        run_action(connection, "create_ticket", **NEW)
    assert len(posts(halo)) == 1 and "look in HaloITSM" in lost.value.assistance


def test_a_lost_create_of_which_there_are_two_is_not_guessed(halo):
    """Another process of the same API application creates the same text just then, and the key is not kept."""
    halo.keeps_external_id = False
    connection = impatient(halo)

    def another_process(_):
        halo.rules = []
        create_ticket(halo.lists, NEW, halo.api_agent_id)
        return {}

    halo.rules = [another_process]
    halo.inject(Fault("drop", method="POST", path="tickets", after_commit=True))
    with pytest.raises(UncertainWriteError, match="may exist") as lost:
        run_action(connection, "create_ticket", **NEW)
    twins = [ticket["id"] for ticket in named(halo)]
    assert len(twins) == 2 and all(str(number) in lost.value.data for number in twins)


def test_a_ticket_about_another_address_is_never_adopted(halo):
    connection = warmed(impatient(halo))
    other = halo.log_ticket(summary="Port scan by 12.3.4.5", details="Seen twice.")["id"]
    halo.inject(Fault("drop", method="POST", path="tickets"))
    given = {**NEW, "summary": "Port scan by 1.23.4.5"}
    assert run_action(connection, "create_ticket", **given)["ticket"]["id"] != other


def test_a_ticket_that_another_call_was_given_is_never_adopted(halo):
    connection = impatient(halo)
    first = run_action(connection, "create_ticket", **NEW)["ticket"]["id"]
    halo.inject(Fault("drop", method="POST", path="tickets"))
    second = run_action(connection, "create_ticket", **NEW)["ticket"]["id"]
    assert first != second and len(named(halo)) == 2


def test_a_ticket_of_another_connection_is_never_adopted_either(halo):
    first = run_action(impatient(halo), "create_ticket", **NEW)["ticket"]["id"]
    halo.inject(Fault("drop", method="POST", path="tickets", after_commit=True))
    second = run_action(impatient(halo), "create_ticket", **NEW)["ticket"]["id"]
    assert first != second and len(named(halo)) == 2


@pytest.mark.parametrize("offset", [-86400, 86400])
def test_halos_own_clock_decides_what_is_new(halo, offset):
    halo.log_ticket(summary=NEW["summary"], details=NEW["details"], dateoccurred="2020-01-01T00:00:00Z")
    halo.clock_offset = offset
    halo.inject(Fault("drop", method="POST", path="tickets", after_commit=True))
    output = run_action(impatient(halo), "create_ticket", **NEW)
    assert output["ticket"]["id"] == max(halo.tickets) and len(named(halo)) == 2


@pytest.mark.parametrize("after_commit", [False, True])
def test_a_lost_comment_is_there_once(halo, after_commit):
    connection = impatient(halo)
    run_action(connection, "add_comment", ticket_id=2102, comment="Blocked.")
    halo.inject(Fault("drop", method="POST", path="actions", after_commit=after_commit))
    output = run_action(connection, "add_comment", ticket_id=2102, comment="Blocked.")
    notes = [action["id"] for action in halo.actions[2102] if action["note"] == "Blocked."]
    assert len(notes) == 2 and notes[1] == output["comment_id"]


def test_a_comment_of_somebody_else_is_not_adopted_as_a_private_one(halo):
    connection = impatient(halo)
    halo.add_note(2102, "Blocked.")
    halo.inject(Fault("drop", method="POST", path="actions"))
    output = run_action(connection, "add_comment", ticket_id=2102, comment="Blocked.", is_private=True)
    assert halo.actions[2102][-1]["id"] == output["comment_id"] and halo.actions[2102][-1]["hiddenfromuser"] is True


def http_date(halo, seconds):
    return formatdate(halo.lists.clock.seconds() + seconds, usegmt=True)


def test_retry_after_in_seconds_is_honoured(halo):
    skipped = SkippedTime()
    halo.inject(Fault("status", path="tickets", status=429, headers=(("Retry-After", "7"),)))
    assert run_action(impatient(halo, skipped, max_wait=60.0), "get_ticket", ticket_id=2102)["found"] is True
    assert skipped.slept == [7.0]


@pytest.mark.parametrize("offset", [0, 3600])
def test_retry_after_as_a_date_is_measured_on_halos_clock(halo, offset):
    skipped = SkippedTime()
    halo.clock_offset = offset
    halo.inject(Fault("status", path="tickets", status=503, headers=(("Retry-After", http_date(halo, 20)),)))
    assert run_action(impatient(halo, skipped, max_wait=60.0), "get_ticket", ticket_id=2102)["found"] is True
    assert len(skipped.slept) == 1 and 17 <= skipped.slept[0] <= 20


def test_past_the_cap_the_error_says_how_long_halo_wanted_us_to_wait(halo):
    skipped = SkippedTime()
    connection = warmed(impatient(halo, skipped, max_wait=120.0))
    halo.inject(Fault("status", status=429, headers=(("Retry-After", "300"),), times=None))
    with pytest.raises(HaloITSMError, match="300 seconds") as limited:
        run_action(connection, "create_ticket", **NEW)
    assert "Rate Limit Reached" in limited.value.data and skipped.slept == []


def test_waits_grow_and_their_sum_is_capped(halo):
    skipped = SkippedTime()
    connection = warmed(impatient(halo, skipped, max_wait=120.0))
    halo.inject(Fault("status", path="tickets", status=503, times=None))
    with pytest.raises(HaloITSMError):
        run_action(connection, "update_ticket", ticket_id=2102, priority_id=1)
    assert skipped.slept[:5] == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert skipped.slept == sorted(skipped.slept) and 60 <= sum(skipped.slept) <= 120


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_reads_are_not_repeated_where_it_cannot_help(halo, status):
    halo.inject(Fault("status", path="tickets", status=status, times=None))
    with pytest.raises(HaloITSMError):
        # On a busy machine, even a refusal may take a while. An answer that is late would be asked for again.
        run_action(impatient(halo, read_timeout=10.0), "search_tickets")
    assert len([request for request in halo.requests if request.path == "/api/Tickets"]) == 1


@pytest.mark.parametrize("ticket_id", [None, 0, -1, "", "new", True, 1.5, [], {}])
def test_an_update_without_a_positive_id_cannot_be_sent(halo, connection, ticket_id):
    client = connection.client
    for change in (
        lambda: client.update_ticket(ticket_id, {"summary": "S"}),
        lambda: client.assign_ticket(ticket_id, agent_id=5),
        lambda: client.close_ticket(ticket_id, status_id=9, resolution="R"),
        lambda: client.add_comment(ticket_id, "C"),
    ):
        with pytest.raises(HaloITSMError, match="Ticket ID"):
            change()
    assert [request for request in halo.requests if request.method == "POST" and request.path != "/auth/token"] == []


def test_an_id_among_the_fields_does_not_redirect_an_update(halo, connection):
    connection.client.update_ticket(2102, {"id": 2103, "summary": "Changed"})
    assert (halo.tickets[2102]["summary"], halo.tickets[2103]["summary"][:3]) == ("Changed", "CVE")
    with pytest.raises(HaloITSMError, match="id"):
        connection.client.create_ticket({**NEW, "id": 2103})


def test_an_unknown_ticket_is_not_created_by_an_update(halo, connection):
    before = len(halo.tickets)
    for name, given in (
        ("update_ticket", {"priority_id": 1}),
        ("assign_ticket", {"agent_id": 5}),
        ("close_ticket", {}),
        ("add_comment", {"comment": "C"}),
    ):
        with pytest.raises(HaloITSMError, match="4711"):
            run_action(connection, name, ticket_id=4711, **given)
    assert len(halo.tickets) == before


def test_creates_take_turns(halo):
    """Parallel creates have been reported to collide in Halo's ticket numbering: one is under way at a time."""
    connections = [connected(connection_to(halo)) for _ in range(2)]
    halo.inject(Fault("hang", method="POST", path="tickets", seconds=0.02, times=None))
    under_way, done = [], threading.Event()

    def watch():
        while not done.wait(0.002):
            under_way.append(sum(request.status == 0 for request in posts(halo)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(8) as pool:
        tickets = list(pool.map(lambda n: run_action(connections[n % 2], "create_ticket", **NEW), range(12)))
    done.set()
    watcher.join()
    assert max(under_way) == 1
    assert len({output["ticket"]["id"] for output in tickets}) == len(named(halo)) == 12


@pytest.mark.parametrize("number", [2103, 4711])
def test_an_update_that_is_answered_by_another_ticket_is_no_success(halo, connection, number):
    halo.inject(Fault("status", method="POST", path="tickets", status=201, body={"id": number, "summary": "S"}))
    with pytest.raises(HaloITSMError, match=str(number)):
        run_action(connection, "update_ticket", ticket_id=2102, priority_id=1)
