"""Guards what is taken for a lost write: never a change, another text, or what somebody else has written."""

from __future__ import annotations

import pytest
from fast_client import FIRST, NEW, fast_client, made, meanwhile, notes, outcome, posts

from halo_emulator import Fault
from halo_emulator.action_writes import add_action
from halo_emulator.ticket_writes import create_ticket
from komand_haloitsm.util.halo.errors import HaloError, UncertainWrite

MADE, NOT_MADE = (Fault("drop", method="POST", path="actions", after_commit=done) for done in (True, False))


@pytest.fixture(name="client")
def fixture_client(halo):
    """A client that has written a comment before."""
    client = fast_client(halo)
    client.add_comment(2103, "The first")
    return client


# ------------------------------------------------------------------------------------------------------- comments


@pytest.mark.parametrize("text", ["\U0001f44d", "Closed", "Kim", "???"])
def test_a_lost_comment_is_not_mistaken_for_an_assignment_or_a_closure(halo, client, text):
    """What another step of the same application does to the ticket is an action too, with words of Halo's own."""
    other = fast_client(halo)

    def assign_and_close():
        other.assign_ticket(2102, agent_id=3)
        other.close_ticket(2102)

    meanwhile(client, "/Actions", assign_and_close)
    halo.inject(NOT_MADE)
    assert [client.add_comment(2102, text)["id"]] == notes(halo, text)


@pytest.mark.parametrize(
    "mine, theirs",
    [
        ("host isolated", "Not isolated: host isolated by mistake"),
        ("10.0.0.1", "10.0.0.11"),
        ("Isolated", "Not isolated"),
        ("Blocked!", "Blocked"),
    ],
)
def test_a_lost_comment_is_not_mistaken_for_one_that_contains_it(halo, client, mine, theirs):
    action = {"note": theirs, "outcome": "Private Note", "hiddenfromuser": True}
    meanwhile(client, "/Actions", lambda: add_action(halo.lists, 2102, action, halo.api_agent_id))
    halo.inject(NOT_MADE)
    assert [client.add_comment(2102, mine)["id"]] == notes(halo, mine)


def test_a_lost_comment_is_not_mistaken_for_the_same_words_of_an_agent(halo, client):
    meanwhile(client, "/Actions", lambda: halo.add_note(2102, "Blocked by Kim"))
    halo.inject(NOT_MADE)
    comment = client.add_comment(2102, "Blocked by Kim")
    assert len(notes(halo, "Blocked by Kim")) == 2 and comment["id"] == notes(halo, "Blocked by Kim")[-1]


def test_a_lost_comment_is_found_beneath_sixty_newer_ones(halo, client):
    meanwhile(client, "/Actions", lambda: [halo.add_note(2102, f"Chatter {number}") for number in range(60)])
    halo.inject(MADE)
    assert [client.add_comment(2102, "Blocked by Kim")["id"]] == notes(halo, "Blocked by Kim")


@pytest.mark.parametrize("before, after", [(10, 0), (0, -8), (0, -3600), (0, 8)])
def test_a_lost_comment_is_found_though_the_database_clock_moved(halo, before, after):
    """Servers whose clocks differ, a clock put right, the end of daylight saving time."""
    halo.database_clock_offset = before
    client = fast_client(halo)
    client.add_comment(2103, "The first")
    halo.database_clock_offset = after
    halo.inject(MADE)
    assert [client.add_comment(2102, "Blocked by Kim")["id"]] == notes(halo, "Blocked by Kim")


@pytest.mark.parametrize("hours", [0, 2, -7])
def test_a_resolution_is_noted_once_whatever_the_time_zone_of_the_dates(halo, hours):
    halo.writes_local_time, halo.closing_needs_agent = hours, False
    fast_client(halo).close_ticket(2102, resolution="All hosts cleaned")
    assert sum("All hosts cleaned" in action["note"] for action in halo.actions[2102]) == 1


# -------------------------------------------------------------------------------------------------------- tickets


@pytest.mark.parametrize(
    "theirs, told",
    [
        ({"summary": "Malware on hosts A and B", "details": "See the log of host A and B"}, True),
        ({"summary": "Malware on hosts B", "details": "See the log of host A"}, False),
        ({"summary": "Malware on hosts A", "details": "See the log of host B"}, False),
    ],
    ids=["words added at the end", "another summary", "other details"],
)
def test_after_a_refusal_another_ticket_is_never_success(halo, theirs, told):
    """Words at the end may be a rule's, so that such a ticket is told; it is not taken."""
    halo.keeps_external_id = False
    client = fast_client(halo)
    lookalike = {**theirs, "tickettype_id": 1}
    meanwhile(client, "/Tickets", lambda: create_ticket(halo.lists, lookalike, halo.api_agent_id))
    halo.inject(Fault("status", method="POST", path="tickets", status=400, body={"message": "Category was required"}))
    mine = {"summary": "Malware on hosts A", "details": "See the log of host A", "tickettype_id": 1}
    with pytest.raises(HaloError, match="Category was required") as error:
        client.create_ticket(mine)
    assert isinstance(error.value, UncertainWrite) is told and posts(halo) == 1
    assert (str(max(halo.tickets)) in error.value.data) is told


@pytest.mark.parametrize(
    "change",
    [
        {"summary": "Beaconing from nwc-app-2"},
        {"details": "Seen twice on Sunday"},
        {"summary": "beaconing from nwc-app-02"},
    ],
    ids=["another host", "another day", "another case"],
)
def test_a_lost_ticket_is_not_mistaken_for_one_that_differs_by_a_sign(halo, change):
    halo.keeps_external_id = False
    client = fast_client(halo)
    meanwhile(client, "/Tickets", lambda: create_ticket(halo.lists, {**NEW, **change}, halo.api_agent_id))
    halo.inject(Fault("drop", method="POST", path="tickets"))
    assert client.create_ticket(NEW)["id"] == max(halo.tickets)


def test_a_lost_ticket_is_not_mistaken_for_one_with_the_same_text_by_a_user(halo):
    halo.keeps_external_id = False
    client = fast_client(halo)
    meanwhile(client, "/Tickets", lambda: halo.mail_in(NEW["summary"], NEW["details"]))
    halo.inject(Fault("drop", method="POST", path="tickets"))
    assert client.create_ticket(NEW)["id"] == max(halo.tickets) and len(made(halo)) == 2


def test_who_we_are_is_asked_again_where_halo_did_not_answer(halo):
    """Not knowing it means that everybody's notes may be ours: that must not last for the life of the process."""
    halo.keeps_external_id = False
    client = fast_client(halo)
    client.create_ticket(FIRST)
    halo.inject(Fault("status", method="GET", path="agent/me", status=500))
    halo.inject(Fault("drop", method="POST", path="tickets", after_commit=True))
    assert [client.create_ticket(NEW)["id"]] == made(halo)
    halo.inject(Fault("drop", method="POST", path="actions"))
    meanwhile(client, "/Actions", lambda: halo.add_note(2102, "Blocked by Kim"))
    assert client.add_comment(2102, "Blocked by Kim")["id"] == halo.actions[2102][-1]["id"]
    assert len(notes(halo, "Blocked by Kim")) == 2


def test_who_we_are_is_asked_once_where_the_agent_may_not_know(halo):
    halo.denied = {("GET", "agent")}
    client = fast_client(halo)
    for number in (1, 2):
        halo.inject(NOT_MADE)
        meanwhile(client, "/Actions", lambda: halo.add_note(2102, "Chatter"))
        assert isinstance(outcome(lambda text=f"Blocked {number}": client.add_comment(2102, text)), int)
    assert sum(request.path.lower().endswith("/agent/me") for request in halo.requests) <= 1
