"""One connection shared by many threads, as the runtime shares it among the steps of all workflows."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from steps import connected, connection_to, run_action

from halo_emulator import Fault


def create(connection, number):
    given = {"summary": f"Finding {number}", "details": "From one of eight threads.", "tickettype_id": 1}
    return run_action(connection, "create_ticket", **given)["ticket"]["id"]


def tokens(halo):
    return [request for request in halo.requests if request.path == "/auth/token" and request.status == 200]


# A life of below a second is told as 0, so the client learns of the end by a 401; one of a second is known beforehand.
@pytest.mark.parametrize("lifetime", [0.3, 1])
def test_fifty_creates_from_eight_threads_while_the_token_expires(halo, lifetime):
    halo.token_lifetime = lifetime
    halo.inject(Fault("hang", method="POST", path="tickets", seconds=0.02, times=None))
    connection = connected(connection_to(halo))
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: create(connection, number), range(50)))
    assert len(set(made)) == 50 and len(halo.tickets) == 6 + 50
    assert sorted(
        ticket["summary"] for ticket in halo.tickets.values() if ticket["summary"].startswith("Finding ")
    ) == (sorted(f"Finding {number}" for number in range(50)))
    assert len(tokens(halo)) > 1 and halo.peak_token_requests == 1


def test_fifty_creates_from_eight_threads_while_the_tokens_are_revoked(halo):
    connection = connected(connection_to(halo))

    def step(number):
        if number in (13, 27):
            halo.revoke_tokens()
        return create(connection, number)

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(step, range(50)))
    assert len(set(made)) == 50 and len(halo.tickets) == 6 + 50
    assert 1 < len(tokens(halo)) <= 3 and halo.peak_token_requests == 1


def test_reads_of_eight_threads_share_one_token_request(halo):
    connection = connected(connection_to(halo))
    halo.inject(Fault("hang", path="auth/token", seconds=0.05, times=None))
    for _ in range(2):
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: run_action(connection, "get_ticket", ticket_id=2102)["found"], range(24)))
        assert all(found)
        halo.revoke_tokens()
    assert len(tokens(halo)) == 2 and halo.peak_token_requests == 1


def test_lists_are_read_once_however_many_threads_ask(halo):
    connection = connected(connection_to(halo))
    halo.inject(Fault("hang", path="agent", seconds=0.05, times=None))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: run_action(connection, "get_ticket", ticket_id=2102), range(16)))
    assert [request.path for request in halo.requests].count("/api/Agent") == 1
