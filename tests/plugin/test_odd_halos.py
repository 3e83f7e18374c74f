"""One create, one ticket: Halos that are slow, that lag, that rewrite texts, that answer wrongly, and other processes.

Time runs a hundred times as fast for the client: what it takes for a minute is 0.6 seconds here.
"""

import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from entry_point import ROOT
from steps import connected, connection_to, impatient, run_action, warmed

from halo_emulator import Fault
from halo_emulator.ticket_writes import create_ticket
from komand_haloitsm.util.halo.tickets.exactly_once import claim_registry
from komand_haloitsm.util.insightconnect.errors import HaloITSMError, UncertainWriteError
from tools.odd_halos import NOTE_CHANGES, SPEED, TICKET_CHANGES, FastTime, set_up

NEW = {
    "summary": "Beaconing from nwc-app-02 & <others>",
    "details": "Seen twice.\nOn Monday \U0001f525",
    "tickettype_id": 1,
}
COMMENT = {"ticket_id": 2102, "comment": "Blocked & <closed> \U0001f525\nby Kim"}


def client_of(halo, **more):
    fast = FastTime()
    return impatient(halo, **{"clock": fast.clock, "sleep": fast.sleep, "read_timeout": 0.1, **more})


def made(halo):
    """The tickets and comments beyond those that were there before."""
    notes = [action for action in halo.actions[2102] if "Blocked" in action["note"]]
    return len(halo.tickets) - 6, len(notes)


def posts(halo):
    return sum(request.method == "POST" and "token" not in request.path for request in halo.requests)


KEPT = pytest.mark.parametrize("kept", [True, False], ids=["key kept", "key not kept"])


# ------------------------------------------------------------------------------------------------------------ slow


def late(path, seconds, **more):
    return Fault("late", method="POST", path=path, seconds=seconds / SPEED, **more)


@KEPT
@pytest.mark.parametrize("answers", [None, 504, 502], ids=["no answer", "504", "502"])
@pytest.mark.parametrize("seconds", [10, 45])
def test_a_ticket_that_halo_makes_after_the_client_gave_up_is_the_one(halo, kept, answers, seconds):
    halo.keeps_external_id = kept
    connection = client_of(halo)
    run_action(connection, "create_ticket", **{**NEW, "summary": "The first"})
    halo.inject(late("tickets", seconds, answers=answers))
    output = run_action(connection, "create_ticket", **NEW)
    assert output["created"] is True and output["ticket"]["id"] == max(halo.tickets) and made(halo) == (2, 0)


@pytest.mark.parametrize("seconds", [10, 45])
def test_a_ticket_with_a_reference_that_halo_makes_late_is_the_one(halo, seconds):
    connection = warmed(client_of(halo))
    halo.inject(late("tickets", seconds))
    output = run_action(connection, "create_ticket", external_reference="INV-1", **NEW)
    assert output["created"] is True and made(halo) == (1, 0)
    assert run_action(connection, "create_ticket", external_reference="INV-1", **NEW)["created"] is False


@pytest.mark.parametrize("answers", [None, 504], ids=["no answer", "504"])
@pytest.mark.parametrize("seconds", [10, 45])
def test_a_comment_that_halo_makes_late_is_the_one(halo, answers, seconds):
    connection = client_of(halo)
    halo.inject(late("actions", seconds, answers=answers))
    output = run_action(connection, "add_comment", **COMMENT)
    assert output["comment_id"] == halo.actions[2102][-1]["id"] and made(halo) == (0, 1)


def test_a_ticket_that_is_made_long_after_the_second_send_carries_the_same_key(halo):
    """After a minute of absence a second one is sent. The first comes all the same, too late for this step to know."""
    connection = warmed(client_of(halo))
    halo.inject(late("tickets", 150, answers=504))
    output = run_action(connection, "create_ticket", **NEW)
    assert output["created"] is True
    deadline = time.monotonic() + 5
    while made(halo)[0] < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    key = halo.tickets[output["ticket"]["id"]]["third_party_id_string"]
    assert [
        ticket["third_party_id_string"] for ticket in halo.tickets.values() if ticket.get("third_party_id_string")
    ] == [
        key,
        key,
    ]


def test_a_twin_that_is_there_after_the_second_send_is_told(halo, caplog):
    connection = warmed(client_of(halo, read_timeout=1.0))
    halo.inject(late("tickets", 70, answers=504))
    halo.inject(Fault("hang", method="POST", path="tickets", seconds=25 / SPEED))
    output = run_action(connection, "create_ticket", **NEW)
    first, second = sorted(number for number in halo.tickets if number > 2106)
    assert {output["ticket"]["id"], *output["duplicates"]} == {first, second}
    assert f"{first}" in caplog.text and f"{second}" in caplog.text


def test_what_halo_never_makes_may_exist_and_is_not_sent_a_third_time(halo):
    connection = warmed(client_of(halo))
    halo.forget_requests()
    halo.inject(Fault("status", method="POST", path="tickets", status=504, times=None))
    began = time.monotonic()
    with pytest.raises(UncertainWriteError, match="may exist"):
        run_action(connection, "create_ticket", **NEW)
    assert posts(halo) == 2 and made(halo) == (0, 0)
    assert 90 <= (time.monotonic() - began) * SPEED <= 300


# ---------------------------------------------------------------------------------------------- texts on their way


@KEPT
@pytest.mark.parametrize("change", TICKET_CHANGES)
@pytest.mark.parametrize("fault", ["drop", "500"])
def test_a_lost_ticket_is_found_whatever_became_of_its_texts(halo, kept, change, fault):
    halo.keeps_external_id = kept
    summary = "Cafe\u0301 " + "x" * 300 if change == "cut at 255" else NEW["summary"]
    # The same text as before, by the same application: it is not this one.
    create_ticket(halo.lists, {**NEW, "summary": summary}, halo.api_agent_id)
    set_up(halo, TICKET_CHANGES[change])
    halo.inject(
        Fault("drop" if fault == "drop" else "status", method="POST", path="tickets", status=500, after_commit=True)
    )
    output = run_action(client_of(halo), "create_ticket", **{**NEW, "summary": summary})
    assert output["ticket"]["id"] == max(halo.tickets) and made(halo) == (2, 0)


@KEPT
@pytest.mark.parametrize("change", TICKET_CHANGES)
def test_a_ticket_that_was_never_made_is_sent_once_more(halo, kept, change):
    halo.keeps_external_id = kept
    create_ticket(halo.lists, NEW, halo.api_agent_id)
    set_up(halo, TICKET_CHANGES[change])
    halo.inject(Fault("drop", method="POST", path="tickets"))
    output = run_action(client_of(halo), "create_ticket", **NEW)
    assert output["ticket"]["id"] == max(halo.tickets) and made(halo) == (2, 0) and "duplicates" not in output


@pytest.mark.parametrize("known", [True, False], ids=["after another comment", "the first comment"])
@pytest.mark.parametrize("change", NOTE_CHANGES)
@pytest.mark.parametrize("after_commit", [True, False], ids=["made", "not made"])
def test_a_lost_comment_is_there_once_whatever_became_of_its_text(halo, change, after_commit, known):
    set_up(halo, NOTE_CHANGES[change])
    connection = client_of(halo)
    if known:
        run_action(connection, "add_comment", ticket_id=2103, comment="Shows how this instance dates its actions.")
    # The same text as before: it is not this one.
    halo.add_note(2102, COMMENT["comment"])
    time.sleep(8 / SPEED)
    halo.inject(Fault("drop", method="POST", path="actions", after_commit=after_commit))
    output = run_action(connection, "add_comment", **COMMENT)
    assert output["comment_id"] == halo.actions[2102][-1]["id"] and made(halo) == (0, 2)


# ------------------------------------------------------------------------------------------------- any answer after it


REFUSALS = (302, 400, 403, 404, 405, 409, 413)
OTHERS = (401, 408, 429, 500, 502, 503, 504)


@KEPT
@pytest.mark.parametrize("status", [*REFUSALS, *OTHERS])
def test_any_answer_after_the_work_was_done_is_looked_into(halo, kept, status):
    """Where the key is not kept and Halo has said no, what looks like it is told and not taken."""
    halo.keeps_external_id = kept
    connection = client_of(halo)
    headers = (("Location", "https://elsewhere.example/"),) if status == 302 else ()
    halo.inject(Fault("status", method="POST", path="tickets", status=status, after_commit=True, headers=headers))
    if status in REFUSALS and not kept:
        with pytest.raises(UncertainWriteError, match="may exist") as told:
            run_action(connection, "create_ticket", **NEW)
        assert str(max(halo.tickets)) in told.value.data
    else:
        output = run_action(connection, "create_ticket", **NEW)
        assert output["ticket"]["id"] == max(halo.tickets)
    assert made(halo) == (1, 0)


@pytest.mark.parametrize("status", [*REFUSALS, *OTHERS])
def test_any_answer_after_a_comment_was_made_is_looked_into(halo, status):
    halo.inject(Fault("status", method="POST", path="actions", status=status, after_commit=True))
    if status in REFUSALS:
        with pytest.raises(UncertainWriteError, match="may exist"):
            run_action(client_of(halo), "add_comment", **COMMENT)
    else:
        output = run_action(client_of(halo), "add_comment", **COMMENT)
        assert output["comment_id"] == halo.actions[2102][-1]["id"]
    assert made(halo) == (0, 1)


@pytest.mark.parametrize("status", [302, 400, 403, 404, 409])
def test_a_refusal_of_which_nothing_is_there_is_a_refusal_after_one_look(halo, status):
    connection = warmed(client_of(halo))
    halo.forget_requests()
    halo.inject(Fault("status", method="POST", path="tickets", status=status))
    with pytest.raises(HaloITSMError) as refused:
        run_action(connection, "create_ticket", **NEW)
    assert not isinstance(refused.value, UncertainWriteError) and refused.value.status == status
    assert posts(halo) == 1 and len(halo.requests) <= 8 and made(halo) == (0, 0)


def test_a_refusal_that_cannot_be_looked_into_says_so(halo):
    connection = warmed(client_of(halo))
    halo.inject(Fault("status", method="POST", path="tickets", status=409, after_commit=True))
    halo.inject(Fault("status", method="GET", path="tickets", status=500, times=None))
    with pytest.raises(HaloITSMError) as refused:
        run_action(connection, "create_ticket", **NEW)
    assert "look in HaloITSM" in refused.value.assistance


def test_an_agent_that_may_create_but_not_read_still_creates(halo, connection):
    halo.denied = {("GET", "tickets")}
    assert run_action(connection, "create_ticket", **NEW)["created"] is True
    assert run_action(connection, "update_ticket", ticket_id=2102, details="New details.")["success"] is True


# -------------------------------------------------------------------------------------------------- several processes

STEP = """
    import json, sys, time
    from komand_haloitsm.connection import Connection
    from komand_haloitsm.actions import CreateTicket

    given = json.loads(sys.stdin.read())
    action = CreateTicket()
    action.connection = Connection()
    action.connection.connect(given["connection"])
    action.connection.client.test()
    time.sleep(max(0, given["at"] - time.time()))
    try:
        output = action.run(given["input"])
        result = {"id": output["ticket"]["id"], "created": output["created"], "duplicates": output.get("duplicates")}
    except Exception as error:
        result = {"kind": getattr(error, "kind", type(error).__name__)}
    sys.stderr.write("RESULT " + json.dumps(result))
"""


def at_once(halo, inputs, at=1.5):
    """The results of Create Ticket in processes of their own, all at the same time."""
    import json

    moment = time.time() + at
    processes = []
    for given in inputs:
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(STEP)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        process.stdin.write(json.dumps({"connection": connection_to(halo), "input": given, "at": moment}))
        process.stdin.close()
        processes.append(process)
    said = [process.stderr.read() for process in processes]
    for process in processes:
        process.wait(60)
    return [json.loads(text.partition("RESULT ")[2]) for text in said]


@KEPT
def test_two_processes_with_one_reference_agree_on_one_ticket(halo, kept):
    halo.keeps_external_id = kept
    halo.closing_needs_agent = False
    # Each look takes a while, so that both see nothing and both create.
    halo.inject(Fault("hang", method="GET", path="tickets", seconds=0.3, times=8))
    given = {**NEW, "external_reference": "INV-4711"}
    results = at_once(halo, [given, given])
    tickets = sorted(number for number in halo.tickets if number > 2106)
    assert {result["id"] for result in results} == {tickets[0]}
    assert sum(result["created"] for result in results) == 1
    still_open = [number for number in tickets if halo.tickets[number]["status_id"] != 9]
    assert still_open == [tickets[0]]
    for number in tickets[1:]:
        assert any(f"Duplicate of ticket {tickets[0]}" in action["note"] for action in halo.actions[number])


@pytest.mark.long
def test_two_processes_that_send_the_same_text_have_a_ticket_each_where_the_key_is_kept(halo):
    """The answer of one is lost, and what it sent was not carried out: it must not take the other's for its own."""
    halo.inject(Fault("drop", method="POST", path="tickets"))
    results = at_once(halo, [NEW, NEW])
    assert len({result["id"] for result in results}) == 2 and made(halo) == (2, 0)


# ------------------------------------------------------------------------------------------------- many at once


def test_sixteen_creates_at_a_slow_halo_all_succeed(halo):
    """Each needs twelve seconds: one after the other they would take longer than a step may wait."""
    connection = warmed(client_of(halo, max_wait=120.0))
    halo.inject(Fault("hang", method="POST", path="tickets", seconds=0.08, times=None))
    with ThreadPoolExecutor(16) as pool:
        outputs = list(pool.map(lambda _: run_action(connection, "create_ticket", **NEW), range(16)))
    assert len({output["ticket"]["id"] for output in outputs}) == 16 and made(halo) == (16, 0)


@KEPT
def test_sixteen_threads_of_identical_creates_with_lost_answers(halo, kept):
    halo.keeps_external_id = kept
    connection = client_of(halo)
    halo.inject(Fault("drop", method="POST", path="tickets", after_commit=True, times=4, skip=2))
    with ThreadPoolExecutor(16) as pool:
        outputs = list(pool.map(lambda _: run_action(connection, "create_ticket", **NEW), range(16)))
    assert len({output["ticket"]["id"] for output in outputs}) == 16 and made(halo) == (16, 0)


# ------------------------------------------------------------------------------------------------- for programs


def test_a_batch_of_references_costs_one_request_a_ticket(halo, connection):
    client = connection.client
    parent = client.create_ticket({"summary": "Patch the DMZ", "details": "d", "tickettype_id": 1})["id"]
    references = [f"project:7:solution-{number}" for number in range(30)]
    assert client.find_references(references, parent_id=parent) == {}
    halo.forget_requests()
    for reference in references:
        fields = {"summary": reference, "details": "d", "tickettype_id": 1, "parent_id": parent}
        ticket, created = client.create_ticket_once(fields, reference, known_absent=True)
        assert created and ticket.duplicates == ()
    assert len(halo.requests) == 30
    halo.forget_requests()
    found = client.find_references(references, parent_id=parent)
    assert sorted(found) == sorted(references) and all(len(tickets) == 1 for tickets in found.values())
    assert len(halo.requests) == 2


@KEPT
def test_references_are_found_without_a_parent_too(halo, connection, kept):
    halo.keeps_external_id = kept
    client = connection.client
    first, _ = client.create_ticket_once({"summary": "s", "details": "d", "tickettype_id": 1}, "INV-1")
    found = client.find_references(["INV-1", "INV-2"])
    assert {reference: [ticket["id"] for ticket in tickets] for reference, tickets in found.items()} == {
        "INV-1": [first["id"]]
    }


# ------------------------------------------------------------------------------------------------- where the key goes


@pytest.mark.parametrize("after_commit", [True, False], ids=["made", "not made"])
def test_the_key_can_go_into_a_custom_field(halo, after_commit):
    halo.keeps_external_id, halo.rules = False, [lambda _: {"summary": "Rewritten by a rule", "details": "as well"}]
    connection = client_of(halo, external_id_field="CFInsightReference")
    for count in (1, 2):
        halo.inject(Fault("drop", method="POST", path="tickets", after_commit=after_commit))
        output = run_action(connection, "create_ticket", **NEW)
        assert output["ticket"]["id"] == max(halo.tickets) and made(halo) == (count, 0)
    (field,) = [
        item for item in halo.tickets[output["ticket"]["id"]]["customfields"] if item["name"] == "CFInsightReference"
    ]
    assert field["value"].startswith("ic-")
    assert claim_registry(connection.client.address, "The ticket").keeps_key[("CFInsightReference", 1)] is True


def test_without_a_field_for_it_no_key_is_sent(halo):
    connection = connected({**connection_to(halo), "external_id_field": "none"})
    run_action(connection, "create_ticket", **NEW)
    (request,) = [request for request in halo.requests if request.path == "/api/Tickets" and request.method == "POST"]
    assert "third_party_id_string" not in request.body[0] and "customfields" not in request.body[0]
