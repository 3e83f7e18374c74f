"""The comments of Get Ticket, and the further fields of a ticket, through the plugin's real entry point."""

import pytest
from steps import checked


@pytest.fixture
def step(plugin_server, connection_params):
    """Runs an action through the plugin server; an output has passed its schema."""
    return lambda name, **given: checked(name, plugin_server.run(name, given, connection_params).output)


def test_comments_are_there_when_asked_for_newest_first(halo, step):
    halo.add_note(2102, "From an agent & a <tag>")
    step("add_comment", ticket_id=2102, comment="From us", is_private=True)
    comments = step("get_ticket", ticket_id=2102, include_comments=True)["comments"]
    assert [one["text"] for one in comments[:2]] == ["From us", "From an agent & a <tag>"]
    own = halo.actions[2102][-1]
    assert comments[0] == {
        "id": own["id"],
        "who": "InsightConnect API",
        "when": f"{own['datetime'][:26].rstrip('0')}Z",
        "outcome": "Private Note",
        "private": True,
        "text": "From us",
    }
    assert (comments[1]["who"], comments[1]["private"]) == ("Marcus Okafor", False)
    numbers = [one["id"] for one in comments]
    assert numbers == sorted(numbers, reverse=True)


def test_what_the_system_did_and_what_has_no_text_is_no_comment(halo, step):
    halo.change_ticket(2102, agent_id=5)
    outcomes = {one["outcome"] for one in step("get_ticket", ticket_id=2102, include_comments=True)["comments"]}
    assert {row["outcome"] for row in halo.actions[2102]} >= {"Rule Applied", "Re-Assign"}
    assert outcomes.isdisjoint({"Rule Applied", "Re-Assign"})


def test_without_asking_there_are_none_and_no_request_for_them(halo, step):
    assert "comments" not in step("get_ticket", ticket_id=2102)
    assert not [request for request in halo.requests if request.path == "/api/Actions"]
    assert step("get_ticket", ticket_id=4711, include_comments=True) == {"ticket": {}, "found": False}


def test_comments_that_may_not_be_read_are_an_error(halo, plugin_server, connection_params):
    halo.denied = {("GET", "actions")}
    failed = plugin_server.run("get_ticket", {"ticket_id": 2102, "include_comments": True}, connection_params)
    assert not failed.succeeded and "read:tickets" in failed.exception["assistance"]


def test_the_further_fields_of_a_ticket_come_where_halo_gives_them(halo, step):
    step("close_ticket", ticket_id=2102, resolution="False alarm")
    ticket = step("get_ticket", ticket_id=2102)["ticket"]
    assert (ticket["reference"], ticket["tickettype_name"]) == ("IN-0002102", "Incident")
    assert (ticket["user_email"], ticket["closure_note"]) == ("alice.brandt@northwind.example", "False alarm")
    assert ticket["dateclosed"][:19] == halo.tickets[2102]["dateclosed"][:19]
    child = step("create_ticket", summary="S", details="D", tickettype_id=1, parent_id=2102)["ticket"]
    assert child["parent_id"] == 2102
    assert {"dateclosed", "closure_note", "fixbydate", "user_email"}.isdisjoint(child)


def test_the_date_by_which_to_fix_comes_where_it_is_set(halo, step):
    with halo.lists.lock:
        halo.lists.put({**halo.lists.tickets[2102], "fixbydate": "2026-03-01T12:00:00.5000000Z"})
        halo.lists.put({**halo.lists.tickets[2103], "fixbydate": "1900-01-01T00:00:00"})
    assert step("get_ticket", ticket_id=2102)["ticket"]["fixbydate"] == "2026-03-01T12:00:00.5Z"
    assert "fixbydate" not in step("get_ticket", ticket_id=2103)["ticket"]
