"""Guards how far a key is believed: one that a field keeps, clears or changes proves no more than the answers show."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from fast_client import FIRST, NEW, answered, fast_client, in_another_process, made, outcome, posts

from halo_emulator import Fault
from halo_emulator.ticket_writes import create_ticket
from komand_haloitsm.util.halo.errors import HaloError, UncertainWrite
from tools.odd_halos import SPEED

OTHER_TYPE = {**NEW, "tickettype_id": 2}
LOST, NOT_MADE = Fault("drop", method="POST", path="tickets", after_commit=True), Fault(
    "drop", method="POST", path="tickets"
)


def clears_the_key_of_type_2(ticket: dict[str, Any]) -> dict[str, Any]:
    return {"third_party_id_string": ""} if ticket["tickettype_id"] == 2 else {}


def older_tickets(halo, count: int) -> None:
    for number in range(count):
        create_ticket(
            halo.lists, {"summary": f"Old {number}", "details": "x", "tickettype_id": 1}, halo.screen_agent_id
        )


# ------------------------------------------------------------------------------------------ a key that is not kept


@pytest.mark.parametrize("lost", [LOST, NOT_MADE], ids=["made", "not made"])
def test_keys_kept_for_one_type_prove_nothing_for_another(halo, lost):
    halo.rules = [clears_the_key_of_type_2]
    client = fast_client(halo)
    client.create_ticket(FIRST)
    halo.inject(lost)
    assert [client.create_ticket(OTHER_TYPE)["id"]] == made(halo)


def test_a_key_that_is_cleared_from_now_on_makes_no_second_ticket(halo):
    client = fast_client(halo)
    client.create_ticket({**FIRST, "tickettype_id": 2})
    halo.rules = [clears_the_key_of_type_2]
    halo.inject(LOST)
    error = outcome(lambda: client.create_ticket(OTHER_TYPE))
    assert isinstance(error, UncertainWrite) and error.kind == "may_exist" and len(made(halo)) == 1


def test_a_key_that_vanishes_a_moment_after_the_answer_makes_no_second_ticket(halo):
    client = fast_client(halo)
    client.create_ticket(FIRST)
    halo.keeps_external_id = False
    halo.inject(LOST)
    error = outcome(lambda: client.create_ticket(NEW))
    assert isinstance(error, UncertainWrite) and len(made(halo)) == 1


def test_what_one_client_knows_of_its_key_field_is_not_believed_of_another_field(halo):
    fast_client(halo).create_ticket(FIRST)
    without = fast_client(halo, external_id_field="none")
    halo.inject(LOST)
    assert [without.create_ticket(NEW)["id"]] == made(halo)


def test_creates_of_a_type_whose_key_is_cleared_keep_no_other_create_waiting(halo):
    halo.rules = [clears_the_key_of_type_2]
    client = fast_client(halo, read_timeout=3)
    client.create_ticket(FIRST)
    halo.inject(Fault("hang", method="POST", path="tickets", seconds=30 / SPEED, times=None))
    with ThreadPoolExecutor(4) as pool:
        tickets = list(pool.map(client.create_ticket, [OTHER_TYPE, NEW, NEW, NEW]))
    assert sorted(ticket["id"] for ticket in tickets) == made(halo)


# ------------------------------------------------------------------------------------------ a list that does not tell


def test_an_ignored_filter_and_rows_without_the_key_are_not_taken_for_absence(halo):
    """Sixty tickets, any of which may carry the key: too many to open, so that nobody can say that it is not there."""
    older_tickets(halo, 60)
    halo.ignored_parameters, halo.shows_external_id_in_lists = {"third_party_id_string"}, False
    client = fast_client(halo)
    client.create_ticket(FIRST)
    halo.inject(LOST)
    error = outcome(lambda: client.create_ticket(NEW))
    assert isinstance(error, UncertainWrite) and len(made(halo)) == 1


def test_rows_whose_key_is_empty_are_opened(halo):
    """Details show the key, and list rows have the field without its value."""

    def emptied(request, answer):
        if (request.method, request.path) == ("GET", "/Tickets"):
            for row in answer.data["tickets"]:
                row["third_party_id_string"] = ""
        return answer

    client = fast_client(halo)
    answered(client, emptied)
    client.create_ticket(FIRST)
    halo.inject(LOST)
    assert [client.create_ticket(NEW)["id"]] == made(halo)


def test_an_old_reference_is_not_taken_for_new_where_every_filter_is_ignored(halo):
    first, _ = fast_client(halo).create_ticket_once(NEW, "INV-1")
    older_tickets(halo, 550)
    halo.ignored_parameters = {"third_party_id_string", "search", "search_details"}
    client = in_another_process(halo)
    client.create_ticket(FIRST)
    halo.forget_requests()
    with pytest.raises(HaloError) as error:
        client.create_ticket_once(NEW, "INV-1")
    assert error.value.kind == "unsearchable" and posts(halo) == 0 and made(halo) == [first["id"]]


# ------------------------------------------------------------------------------------------ a field that changes it

CHANGES = {
    "cut at 20": lambda key: key[:20],
    "in upper case": str.upper,
    "in ASCII": lambda key: key.encode("ascii", "replace").decode(),
}


def keeps_it_changed(halo, change: str) -> None:
    halo.rules = [lambda ticket: {"third_party_id_string": CHANGES[change](ticket.get("third_party_id_string") or "")}]


@pytest.mark.parametrize("reference", ["", "\u00dcberpr\u00fcfung-17"], ids=["no reference", "a reference"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_lost_ticket_is_found_where_the_field_changes_its_key(halo, change, reference):
    keeps_it_changed(halo, change)
    client = fast_client(halo)
    halo.inject(LOST)
    ticket = client.create_ticket_once(NEW, reference)[0] if reference else client.create_ticket(NEW)
    assert [ticket["id"]] == made(halo)


@pytest.mark.parametrize("change", CHANGES)
def test_a_reference_given_again_is_found_where_the_field_changes_it(halo, change):
    keeps_it_changed(halo, change)
    reference = "\u00dcberpr\u00fcfung:project:7:solution-17"
    first, _ = fast_client(halo).create_ticket_once(NEW, reference)
    again, created = in_another_process(halo).create_ticket_once(NEW, reference)
    assert (again["id"], created) == (first["id"], False) and made(halo) == [first["id"]]


# ------------------------------------------------------------------------------------------ after a second send


def test_a_ticket_that_was_made_is_returned_though_nobody_can_look_for_its_twins(halo):
    client = fast_client(halo)
    client.create_ticket(FIRST)
    sends: list[str] = []

    def unreadable_after_the_second_send(request, answer):
        if (request.method, request.path) == ("POST", "/Tickets"):
            sends.append(request.path)
            if len(sends) == 2:
                halo.inject(Fault("status", method="GET", path="tickets", status=500, times=None))
        return answer

    answered(client, unreadable_after_the_second_send)
    halo.inject(NOT_MADE)
    assert [client.create_ticket(NEW)["id"]] == made(halo)


def test_a_second_failure_does_not_hide_that_the_first_send_may_come_late(halo):
    client = fast_client(halo)
    client.create_ticket(FIRST)
    halo.inject(Fault("late", method="POST", path="tickets", seconds=70 / SPEED, answers=503))
    halo.inject(Fault("status", method="POST", path="tickets", status=503))
    assert isinstance(outcome(lambda: client.create_ticket(NEW)), UncertainWrite)
    until = time.monotonic() + 2
    while not made(halo) and time.monotonic() < until:
        time.sleep(0.01)
    assert len(made(halo)) == 1


def test_an_answer_without_key_and_text_is_not_taken_for_absence(halo):
    """Keys are kept; but a rule gives one ticket another summary and clears its key."""
    client = fast_client(halo)
    client.create_ticket(FIRST)
    halo.rules = [lambda ticket: {"third_party_id_string": "", "summary": "Rewritten"}]
    error = outcome(lambda: client.create_ticket(NEW))
    assert isinstance(error, UncertainWrite) and error.kind == "may_exist" and len(made(halo, "Rewritten")) == 1


# ------------------------------------------------------------------------------ what another process has seen of keys


def paths(halo) -> list[tuple[str, str]]:
    return [(request.method, request.path.removeprefix("/api")) for request in halo.requests][1:]


LIST, CREATE = ("GET", "/Tickets"), ("POST", "/Tickets")


@pytest.fixture(name="next_process")
def _next_process(halo, tmp_path):
    """Makes the client of a process that starts some seconds from now, and counts its requests."""

    def client(later: float = 0.0, **settings: Any):
        halo.forget_requests()
        now = datetime.now(timezone.utc) + timedelta(seconds=later)
        return in_another_process(halo, cache_folder=tmp_path, now=lambda: now, **settings)

    return client


def test_a_process_after_a_kept_key_reads_no_list_before_it_creates(halo, next_process):
    next_process().create_ticket(FIRST)
    assert paths(halo) == [LIST, LIST, CREATE]
    for _ in range(2):
        next_process(1).create_ticket(NEW)
        assert paths(halo) == [CREATE]


@pytest.mark.parametrize(
    ("later", "settings", "fields"),
    [
        (601, {}, NEW),
        (1, {}, OTHER_TYPE),
        (1, {"external_id_field": "CFInsightReference"}, NEW),
        (1, {"external_id_field": "none"}, NEW),
    ],
    ids=["ten minutes later", "for another type", "for a custom field", "for no field"],
)
def test_what_was_seen_of_keys_is_believed_of_nothing_else(halo, next_process, later, settings, fields):
    halo.rules = [clears_the_key_of_type_2]
    for kind in ({**FIRST, "tickettype_id": 2}, FIRST):
        next_process(**settings).create_ticket(kind)
    next_process(later, **settings).create_ticket(fields)
    assert paths(halo) == [LIST, LIST, CREATE]


def test_a_key_that_was_not_kept_ends_it_for_all_processes(halo, next_process):
    next_process().create_ticket(FIRST)
    halo.keeps_external_id = False
    next_process(1).create_ticket(NEW)
    assert paths(halo) == [CREATE]
    next_process(2).create_ticket(NEW)
    assert paths(halo) == [LIST, LIST, CREATE]


def test_so_it_does_when_a_process_notices_that_knew_of_keys_by_itself(halo, next_process):
    client = next_process()
    client.create_ticket(FIRST)
    halo.keeps_external_id = False
    client.create_ticket(NEW)
    next_process(1).create_ticket(NEW)
    assert paths(halo) == [LIST, LIST, CREATE]


@pytest.mark.parametrize("lost", [LOST, NOT_MADE], ids=["made", "not made"])
def test_a_lost_create_of_such_a_process_is_one_ticket(halo, next_process, lost):
    next_process().create_ticket(FIRST)
    halo.inject(lost)
    assert [next_process(1).create_ticket(NEW)["id"]] == made(halo)


@pytest.mark.parametrize("lost", [LOST, NOT_MADE], ids=["made", "not made"])
def test_where_the_key_is_not_kept_any_more_there_is_no_second_ticket(halo, next_process, lost):
    next_process().create_ticket(FIRST)
    client, halo.keeps_external_id = next_process(1), False
    halo.inject(lost)
    result = outcome(lambda: client.create_ticket(NEW))
    if lost is LOST:
        assert isinstance(result, UncertainWrite) and str(made(halo)[0]) in result.data and len(made(halo)) == 1
    else:
        assert [result] == made(halo)


def test_a_ticket_of_a_process_before_is_not_taken_for_the_lost_one(halo, next_process):
    """Two alerts with one text within ten minutes, and the instance has just stopped to keep keys."""
    next_process().create_ticket(FIRST)
    client, halo.keeps_external_id = next_process(1), False
    create_ticket(halo.lists, NEW, halo.api_agent_id)
    halo.inject(NOT_MADE)
    result = outcome(lambda: client.create_ticket(NEW))
    assert isinstance(result, UncertainWrite) and str(made(halo)[0]) in result.data and len(made(halo)) == 1


@pytest.mark.parametrize("kept", [True, False], ids=["keys are kept", "keys are not kept any more"])
def test_a_restored_halo_gets_no_second_ticket(halo, next_process, kept):
    """It gives out again the ids of tickets that it had before."""
    older_tickets(halo, 20)
    next_process().create_ticket(FIRST)
    for number in made(halo, ""):
        del halo.lists.tickets[number]
    halo.lists._next_ticket = 2107
    client, halo.keeps_external_id = next_process(1), kept
    halo.inject(LOST)
    result = outcome(lambda: client.create_ticket(NEW))
    assert len(made(halo)) == 1 and (result == made(halo)[0] if kept else isinstance(result, UncertainWrite))


def test_a_list_that_does_not_begin_with_the_newest_proves_no_absence(halo, next_process):
    older_tickets(halo, 85)
    next_process().create_ticket(FIRST)
    older_tickets(halo, 20)
    client = next_process(1)
    halo.ignored_parameters, halo.keeps_external_id = {"orderdesc"}, False
    halo.inject(LOST)
    assert isinstance(outcome(lambda: client.create_ticket(NEW)), UncertainWrite) and len(made(halo)) == 1


def test_so_many_newer_tickets_that_they_cannot_be_opened_prove_no_absence(halo, next_process):
    """The list tells nothing of keys, and a rule has rewritten the summary."""
    next_process().create_ticket(FIRST)
    older_tickets(halo, 60)
    client = next_process(1)
    halo.ignored_parameters, halo.shows_external_id_in_lists = {"third_party_id_string"}, False
    halo.rules = [lambda ticket: {"summary": "Rewritten"}]
    halo.inject(LOST)
    result = outcome(lambda: client.create_ticket(NEW))
    assert isinstance(result, UncertainWrite) and len(made(halo, "Rewritten")) == 1


@pytest.mark.parametrize("others", [5, 60])
def test_a_limited_create_of_such_a_process_waits_and_is_one_ticket(halo, next_process, others):
    next_process().create_ticket(FIRST)
    for _ in range(5):
        in_another_process(halo).create_ticket({**NEW, "summary": "Another of ours"})
    older_tickets(halo, others)
    client = next_process(1)
    halo.inject(Fault("status", method="POST", path="tickets", status=429))
    assert [client.create_ticket(NEW)["id"]] == made(halo)
    # Of the tickets since then, those that show another key and those of which there are too many are not opened.
    opened = [path for _, path in paths(halo) if path.startswith("/Tickets/")]
    assert len(set(opened)) == (others if others < 40 else 0)


def test_a_reference_is_looked_for_as_thoroughly_as_ever(halo, next_process):
    """Only the two lists for the highest id are saved: that nothing carries a reference is asked of Halo each time."""
    client = next_process()
    client.create_ticket_once(NEW, "INV-1")
    first = paths(halo)
    again, created = next_process(1).create_ticket_once(NEW, "INV-1")
    assert not created and [again["id"]] == made(halo)
    next_process(2).create_ticket_once({**NEW, "summary": "Another"}, "INV-2")
    assert len(first) == 9 and len(paths(halo)) == 7 and paths(halo)[:5] == [LIST] * 4 + [CREATE]
