"""Guards how far a key is believed: one that a field keeps, clears or changes proves no more than the answers show."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
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
