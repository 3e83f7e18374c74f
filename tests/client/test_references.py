"""Guards references: one is told from another whatever Halo does to it, and a batch of them costs little."""

from __future__ import annotations

import unicodedata

import pytest
from fast_client import FIRST, NEW, answered, fast_client, in_another_process, made, meanwhile

from halo_emulator import Fault, text_changes
from halo_emulator.ticket_writes import create_ticket
from komand_haloitsm.util.halo.errors import HaloError

KEPT = pytest.mark.parametrize("kept", [True, False], ids=["key kept", "key not kept"])
COMPOSED = unicodedata.normalize("NFC", "\u00dcberpr\u00fcfung-17")
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)


def signs(ticket):
    return {"details": f"{ticket['details']}\n-- \nHandled by the desk"}


# ------------------------------------------------------------------------------------------ one and another

PAIRS = {
    "a beginning": ("INV-1", "INV-10"),
    "another case": ("INV-1", "inv-1"),
    "SQL": ("x'; DROP--", "x"),
    "an expression": (".*", "abc"),
    "a wildcard": ("%", "abc"),
    "markup": ("a<b>c", "a"),
    "a very long one": ("A" * 5000, "A" * 4999),
    "two lines": ("line\none", "line"),
    "an address": ("?a=1&copy=2", "?a=1\u00a9=2"),
}


@KEPT
@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_two_references_have_a_ticket_each_and_each_is_found_again(halo, kept, pair):
    halo.keeps_external_id = kept
    client = fast_client(halo)
    tickets = [client.create_ticket_once(NEW, reference)[0]["id"] for reference in pair]
    assert tickets == made(halo) and len(tickets) == 2
    client = in_another_process(halo)
    again = [client.create_ticket_once(NEW, reference) for reference in pair]
    assert [(ticket["id"], created) for ticket, created in again] == [(number, False) for number in tickets]


def test_two_ways_to_compose_a_reference_are_one_reference(halo):
    client = fast_client(halo)
    first, _ = client.create_ticket_once(NEW, COMPOSED)
    again, created = client.create_ticket_once(NEW, DECOMPOSED)
    assert (again["id"], created) == (first["id"], False)
    assert set(client.find_references([COMPOSED, DECOMPOSED])) == {COMPOSED, DECOMPOSED}


@pytest.mark.parametrize(
    "mine, other",
    [
        ("PROJ-1-23", "PROJ-12-3"),
        ("10.0.0.1:11", "10.0.0.11:1"),
        ("INV-1", "INV-1-2"),
        ("inv-1", "INV-1"),
        ("a+b", "a b"),
    ],
)
def test_a_lost_ticket_is_not_mistaken_for_that_of_a_similar_reference(halo, mine, other):
    """The request is lost on its way, while another process makes a ticket with the same text for another reference."""
    halo.keeps_external_id = False
    client = fast_client(halo)
    theirs = {**NEW, "details": f"{NEW['details']}\n\nReference: {other}"}
    meanwhile(client, "/Tickets", lambda: create_ticket(halo.lists, theirs, halo.api_agent_id))
    halo.inject(Fault("drop", method="POST", path="tickets"))
    ticket, created = client.create_ticket_once(NEW, mine)
    assert created and ticket["details"].endswith(f"Reference: {mine}") and len(made(halo)) == 2


def test_a_text_that_quotes_a_reference_is_not_its_ticket(halo):
    halo.keeps_external_id = False
    client = fast_client(halo)
    quoting = {**NEW, "details": "Follow-up of a case.\nReference: INV-1\nSee there."}
    other, _ = client.create_ticket_once(quoting, "INV-2")
    ticket, created = client.create_ticket_once({**NEW, "summary": "The case itself"}, "INV-1")
    assert created and ticket["id"] != other["id"]


def test_what_another_system_wrote_into_the_key_field_is_not_our_reference(halo):
    theirs = {"summary": "Synchronised", "details": "x", "tickettype_id": 1, "third_party_id_string": "1042"}
    create_ticket(halo.lists, theirs, halo.screen_agent_id)
    ticket, created = fast_client(halo).create_ticket_once(NEW, "1042")
    assert created and made(halo) == [ticket["id"]]


# ------------------------------------------------------------------------------------------ the line and its changes

CHANGES = {
    "escaped": {"stored_text": text_changes.escaped},
    "cut at 255": {"stored_text": text_changes.cut_at_255},
    "question marks": {"stored_text": text_changes.question_marks},
    "joined lines": {"stored_text": text_changes.joined_lines},
    "another form of Unicode": {"stored_text": text_changes.nfc},
    "trimmed": {"stored_text": text_changes.trimmed},
    "a signature": {"rules": [signs]},
}


@pytest.mark.parametrize("again_in", [fast_client, in_another_process], ids=["same process", "another process"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_reference_is_found_by_its_line_whatever_became_of_the_text(halo, change, again_in):
    halo.keeps_external_id = False
    for name, value in CHANGES[change].items():
        setattr(halo, name, value)
    first, _ = fast_client(halo).create_ticket_once(NEW, "INV-1 & co")
    again, created = again_in(halo).create_ticket_once(NEW, "INV-1 & co")
    assert (again["id"], created) == (first["id"], False) and made(halo) == [first["id"]]


def test_a_line_above_a_signature_is_found_among_children(halo):
    halo.keeps_external_id, halo.rules = False, [signs]
    client = fast_client(halo)
    parent = client.create_ticket(FIRST)["id"]
    child, _ = client.create_ticket_once({**NEW, "parent_id": parent}, "solution-1")
    found = client.find_references(["solution-1"], parent_id=parent)
    assert [ticket["id"] for ticket in found["solution-1"]] == [child["id"]]


@pytest.mark.parametrize(
    "change", [{"details": "New details"}, {"details_html": "<p>New details</p>"}], ids=["text", "HTML"]
)
@pytest.mark.parametrize("rules", [[], [signs]], ids=["as sent", "signed by a rule"])
def test_new_details_keep_the_line(halo, change, rules):
    halo.keeps_external_id, halo.rules = False, rules
    client = fast_client(halo)
    ticket, _ = client.create_ticket_once(NEW, "INV-1")
    client.update_ticket(ticket["id"], change)
    stored = halo.tickets[ticket["id"]]["details"]
    assert "New details" in stored and "Reference: INV-1" in stored
    again, created = in_another_process(halo).create_ticket_once(NEW, "INV-1")
    assert (again["id"], created) == (ticket["id"], False)


def test_details_in_html_get_the_line_and_lose_nothing(halo):
    fields = {"summary": NEW["summary"], "details_html": "<b>Important</b>", "tickettype_id": 1}
    ticket, _ = fast_client(halo).create_ticket_once(fields, "INV-1")
    stored = halo.tickets[ticket["id"]]["details"]
    assert "Important" in stored and stored.endswith("Reference: INV-1")


# ------------------------------------------------------------------------------------------ many at once


@KEPT
def test_children_on_pages_of_fifty_are_all_found(halo, kept):
    halo.page_cap, halo.keeps_external_id = 50, kept
    client = fast_client(halo, read_timeout=1)
    parent = client.create_ticket(FIRST)["id"]
    for number in range(60):
        child = {**NEW, "details": f"x\n\nReference: R-{number}", "third_party_id_string": f"R-{number}"}
        create_ticket(halo.lists, {**child, "parent_id": parent}, halo.api_agent_id)
    references = [f"R-{number}" for number in range(60)]
    assert sorted(client.find_references(references, parent_id=parent)) == sorted(references)


def test_a_search_on_pages_of_fifty_gives_as_many_as_wanted(halo):
    halo.page_cap = 50
    for number in range(110):
        create_ticket(
            halo.lists, {"summary": f"Old {number}", "details": "x", "tickettype_id": 1}, halo.screen_agent_id
        )
    assert len(fast_client(halo).search_tickets({}, 100)) == 100


@pytest.mark.parametrize("kept, shown", [(True, False), (False, True)], ids=["not in rows", "not kept"])
def test_children_whose_rows_show_no_reference_cost_one_request_each(halo, kept, shown):
    halo.keeps_external_id, halo.shows_external_id_in_lists = kept, shown
    client = fast_client(halo, read_timeout=1)
    parent = client.create_ticket(FIRST)["id"]
    for number in range(60):
        child = {**NEW, "details": f"x\n\nReference: R-{number}", "third_party_id_string": f"R-{number}"}
        state = {"status_id": 9 if number % 2 else 1, "agent_id": 6}
        create_ticket(halo.lists, {**child, **state, "parent_id": parent}, halo.api_agent_id)
    halo.forget_requests()
    found = client.find_references([f"R-{number}" for number in range(60)], parent_id=parent)
    assert len(found) == 60 and len(halo.requests) <= 65


def test_rows_that_do_not_show_their_parent_are_opened(halo):
    def without_parent(request, answer):
        if (request.method, request.path) == ("GET", "/Tickets"):
            for row in answer.data["tickets"]:
                row.pop("parent_id", None)
        return answer

    client = fast_client(halo)
    answered(client, without_parent)
    parent = client.create_ticket(FIRST)["id"]
    client.create_ticket_once({**NEW, "parent_id": parent}, "S-1")
    assert set(client.find_references(["S-1"], parent_id=parent)) == {"S-1"}


def test_closed_children_of_a_closed_parent_are_found_where_the_list_hides_them(halo):
    halo.recently_closed_days, halo.closing_needs_agent = 0, False
    client = fast_client(halo)
    parent = client.create_ticket(FIRST)["id"]
    child, _ = client.create_ticket_once({**NEW, "parent_id": parent}, "S-1")
    for number in (child["id"], parent):
        client.close_ticket(number)
    assert set(client.find_references(["S-1"], parent_id=parent)) == {"S-1"}
    assert set(client.find_references(["S-1"])) == {"S-1"}


def test_a_reference_is_in_no_error(halo):
    said = {"message": "Invalid search: patient-Jane-Roe"}
    halo.inject(Fault("status", method="GET", path="tickets", status=400, body=said))
    with pytest.raises(HaloError) as error:
        fast_client(halo).create_ticket_once(NEW, "patient-Jane-Roe")
    assert "Jane" not in str(error.value) + error.value.said


# ------------------------------------------------------------------------------------------ one among very many


def siblings(halo, count, **more):
    client = fast_client(halo, read_timeout=1)
    parent = client.create_ticket(FIRST)["id"]
    for number in range(count):
        child = {**NEW, "details": f"x\n\nReference: R-{number}", "third_party_id_string": f"R-{number}", **more}
        create_ticket(halo.lists, {**child, "parent_id": parent}, halo.api_agent_id)
    return parent


def lists(halo):
    return [request for request in halo.requests if (request.method, request.path) == ("GET", "/api/Tickets")]


def test_one_reference_among_many_children_is_asked_for_by_itself(halo):
    parent = siblings(halo, 500)
    halo.forget_requests()
    client = in_another_process(halo, read_timeout=1)
    found = client.find_references(["R-7"], parent_id=parent)
    assert [ticket["third_party_id_string"] for ticket in found["R-7"]] == ["R-7"]
    assert not client.find_references(["R-none"], parent_id=parent)
    # The first page of children, and the open and the closed tickets with the key.
    assert len(lists(halo)) == 2 * 3
    halo.forget_requests()
    assert len(client.find_references([f"R-{number}" for number in range(9)], parent_id=parent)) == 9
    assert len(lists(halo)) == 6


@pytest.mark.parametrize("trust", ["filter ignored", "a sibling without a key"])
def test_all_children_are_listed_where_the_key_proves_nothing(halo, trust):
    parent = siblings(halo, 500)
    if trust == "filter ignored":
        halo.ignored_parameters = {"third_party_id_string"}
    else:
        create_ticket(halo.lists, {**NEW, "parent_id": parent}, halo.screen_agent_id)
    halo.forget_requests()
    client = in_another_process(halo, read_timeout=1)
    assert set(client.find_references(["R-7"], parent_id=parent)) == {"R-7"}
    assert len(lists(halo)) >= 6


# ------------------------------------------------------------------------------------------ twins


def test_a_twin_is_closed_with_a_note_that_names_the_first(halo):
    halo.closing_needs_agent = False
    client = fast_client(halo)
    first, second = (client.create_ticket_once(NEW, "INV-1", known_absent=True)[0]["id"] for _ in range(2))
    client.close_duplicate(second, first)
    assert halo.tickets[second]["status_id"] == 9 and halo.tickets[first]["status_id"] == 1
    assert any(f"Duplicate of ticket {first}" in action["note"] for action in halo.actions[second])


def test_a_copy_that_a_person_made_is_not_closed(halo):
    halo.closing_needs_agent = False
    client = fast_client(halo)
    first = client.create_ticket_once(NEW, "INV-1")[0]
    copy = {name: first[name] for name in ("summary", "details", "third_party_id_string")}
    theirs = create_ticket(halo.lists, copy, halo.screen_agent_id)["id"]
    with pytest.raises(HaloError) as error:
        client.close_duplicate(theirs, first["id"])
    assert error.value.kind == "not_ours" and halo.tickets[theirs]["status_id"] == 1
