"""How many requests HaloITSM gets, by its own log, once the token and the lists are in memory."""

from math import ceil

import pytest
from steps import run_action, warmed


@pytest.fixture
def warm(connection):
    return warmed(connection)


def sent(halo, connection, name, **given):
    halo.forget_requests()
    output = run_action(connection, name, **given)
    return [(request.method, request.path) for request in halo.requests], output


def test_create_takes_one_request(halo, warm):
    everything = {"priority_id": 2, "category_id": 31, "agent_id": 5, "team_id": 2, "client_id": 12}
    requests, _ = sent(halo, warm, "create_ticket", summary="S", details="D", tickettype_id=1, **everything)
    assert requests == [("POST", "/api/Tickets")]


def test_update_takes_one_request(halo, warm):
    requests, _ = sent(halo, warm, "update_ticket", ticket_id=2102, status_id=3, agent_id=4, priority_id=1)
    assert requests == [("POST", "/api/Tickets")]


@pytest.mark.parametrize("more", [{}, {"resolution": "Sender blocked."}])
def test_close_with_an_explicit_status_takes_one_request(halo, warm, more):
    requests, output = sent(halo, warm, "close_ticket", ticket_id=2102, closed_status_id=9, **more)
    assert requests == [("POST", "/api/Tickets")] and output["ticket"]["closed"] is True


def test_get_takes_one_request(halo, warm):
    requests, _ = sent(halo, warm, "get_ticket", ticket_id=2102)
    assert requests == [("GET", "/api/Tickets/2102")]


@pytest.mark.parametrize("asked", ["as many as there are", "10000"])
@pytest.mark.parametrize("number", [1, 100, 101, 250])
def test_search_takes_a_request_for_each_hundred(halo, warm, number, asked):
    for count in range(number):
        halo.log_ticket(summary=f"Scan finding {count}", agent_id=5)
    most = 10000 if asked == "10000" else number
    requests, output = sent(halo, warm, "search_tickets", summary_contains="Scan finding", max_results=most)
    assert output["count"] == number
    assert requests == [("GET", "/api/Tickets")] * ceil(number / 100)


def test_comment_takes_two_requests(halo, warm):
    """The number of the newest action, read before, tells the new one from an older one with the same text."""
    requests, _ = sent(halo, warm, "add_comment", ticket_id=2102, comment="C")
    assert requests == [("GET", "/api/Actions"), ("POST", "/api/Actions")]


def test_assign_by_agent_takes_one_request(halo, warm):
    requests, _ = sent(halo, warm, "assign_ticket", ticket_id=2102, agent_id=5)
    assert requests == [("POST", "/api/Tickets")]


def test_the_token_and_the_lists_are_read_once(halo, connection):
    for _ in range(3):
        run_action(connection, "get_ticket", ticket_id=2102)
        run_action(connection, "search_tickets")
    paths = [request.path for request in halo.requests]
    assert paths.count("/auth/token") == 1
    # Statuses are read with the closed ones and without.
    assert all(
        paths.count(f"/api/{name}") == (2 if name == "Status" else 1) for name in ("Status", "Agent", "Priority")
    )
