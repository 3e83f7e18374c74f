"""How many requests HaloITSM gets, by its own log: within one process, and from processes of their own."""

import json
import stat
from math import ceil

import pytest
from entry_point import action_start, connection_test, run_on_stdin
from steps import connected, connection_to, run_action, warmed

from halo_emulator import Fault
from komand_haloitsm.util.halo.tickets import exactly_once

# ------------------------------------------------- within one process, once the token and the lists are in its memory


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
    # Whether a single full page is all there is, its count does not prove: it may be that of the page.
    ambiguous = number == 100 and most > number
    assert requests == [("GET", "/api/Tickets")] * (ceil(number / 100) + ambiguous)


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


# ----------------------------------------------------------------------------------------- in a process of its own


@pytest.fixture(name="cache")
def _cache(tmp_path, monkeypatch):
    """The cache folder of the runtime, in which no process has left anything yet."""
    monkeypatch.setenv("HALOITSM_WORKSPACE", str(tmp_path))
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


def in_a_process_of_its_own(halo, name, given):
    """The requests of a step that remembers nothing but what is in the cache folder."""
    exactly_once._REGISTRIES.clear()
    return sent(halo, connected(connection_to(halo)), name, **given)[0]


TOKEN, WRITE, LIST = ("POST", "/auth/token"), ("POST", "/api/Tickets"), ("GET", "/api/Tickets")
READ, NEWEST = ("GET", "/api/Tickets/2102"), ("GET", "/api/Tickets/N")
ACTIONS, NOTE = ("GET", "/api/Actions"), ("POST", "/api/Actions")
NEW = {"summary": "S", "details": "D", "tickettype_id": 1}
CLOSED = {"closed_status_id": 9, "resolution": "R"}
# How many requests a step sends in the first process of all, and which after the token in each of the next ten minutes.
ALONE = {
    "create": ("create_ticket", NEW, 6, [WRITE]),
    "create with a team and a category": ("create_ticket", {**NEW, "team_id": 2, "category_id": 31}, 8, [WRITE]),
    "get": ("get_ticket", {"ticket_id": 2102}, 6, [READ]),
    "search": ("search_tickets", {"summary_contains": "e"}, 10, [LIST]),
    "search in a status": ("search_tickets", {"status_id": 2}, 7, [LIST]),
    "search in a closed status": ("search_tickets", {"status_id": 9}, 7, [LIST]),
    "search in a team": ("search_tickets", {"team_id": 1}, 10, [LIST]),
    "update": ("update_ticket", {"ticket_id": 2102, "status_id": 3}, 6, [WRITE]),
    "assign to an agent": ("assign_ticket", {"ticket_id": 2102, "agent_id": 5}, 6, [WRITE]),
    "assign to a team": ("assign_ticket", {"ticket_id": 2102, "team_id": 1}, 7, [WRITE]),
    "close": ("close_ticket", {"ticket_id": 2102}, 6, [WRITE]),
    "close with a status": ("close_ticket", {"ticket_id": 2102, **CLOSED}, 6, [WRITE]),
    # These ask each time, because an old answer could lose a line of the details, or make a second comment or ticket.
    "update of details": ("update_ticket", {"ticket_id": 2102, "details": "New"}, 7, [READ, WRITE]),
    "comment": ("add_comment", {"ticket_id": 2102, "comment": "C"}, 3, [ACTIONS, NOTE]),
    "reference": ("create_ticket", {**NEW, "external_reference": "R-1"}, 12, [*[LIST] * 4, WRITE, LIST, NEWEST]),
    "reference that is there": ("create_ticket", {**NEW, "external_reference": "R-0"}, 12, [LIST, NEWEST, LIST]),
}


@pytest.mark.parametrize(("name", "given", "first", "later"), ALONE.values(), ids=list(ALONE))
def test_a_step_in_a_process_of_its_own(halo, cache, name, given, first, later):
    assert len(in_a_process_of_its_own(halo, name, given)) == first
    if given.get("external_reference") == "R-1":
        given = {**given, "external_reference": "R-2"}
    requests = in_a_process_of_its_own(halo, name, given)
    newest = str(max(halo.tickets))
    assert [(method, path.replace(newest, "N")) for method, path in requests] == [TOKEN, *later]


def test_steps_of_different_kinds_share_what_they_learn(halo, cache):
    for name, given, _, _ in ALONE.values():
        in_a_process_of_its_own(halo, name, given)
    for name, given, _, later in ALONE.values():
        if "external_reference" not in given:
            assert len(in_a_process_of_its_own(halo, name, given)) == 1 + len(later)


def test_closed_tickets_that_the_list_hides_are_asked_for_each_time(halo, cache):
    halo.recently_closed_days = 0
    for count in (11, 3):
        requests = in_a_process_of_its_own(halo, "search_tickets", {"summary_contains": "e"})
        assert len(requests) == count


def test_an_instance_that_keeps_no_keys_is_asked_for_its_newest_tickets_each_time(halo, cache):
    halo.keeps_external_id = False
    for requests in (6, 4):
        assert len(in_a_process_of_its_own(halo, "create_ticket", NEW)) == requests


@pytest.mark.parametrize("folder", ["missing", "a file"])
def test_without_a_cache_folder_a_step_works_as_ever(halo, cache, folder):
    cache.rmdir()
    if folder == "a file":
        cache.write_text("x")
    for _ in range(2):
        assert len(in_a_process_of_its_own(halo, "get_ticket", {"ticket_id": 2102})) == 6
    assert cache.exists() is (folder == "a file")


def test_a_list_that_cannot_be_asked_for_its_totals_is_asked_again(halo, cache):
    halo.inject(Fault("status", path="tickets", status=400, skip=1))
    in_a_process_of_its_own(halo, "search_tickets", {"summary_contains": "e"})
    assert len(in_a_process_of_its_own(halo, "search_tickets", {"summary_contains": "e"})) == 5


def test_two_connections_to_one_instance_share_no_names(halo, cache):
    given = {"ticket_id": 2102}
    in_a_process_of_its_own(halo, "get_ticket", given)
    other = connected(connection_to(halo, scope="read:tickets edit:tickets read:customers"))
    assert len(sent(halo, other, "get_ticket", **given)[0]) == 6 and len(list(cache.iterdir())) == 2


def test_the_real_entry_point_needs_the_token_and_its_own_request(halo, cache):
    params = connection_to(halo)
    for count in (6, 2):
        halo.forget_requests()
        output = run_on_stdin(action_start("get_ticket", {"ticket_id": 2102}, params)).output
        assert output["ticket"]["agent_name"] and len(halo.requests) == count


def test_the_connection_test_asks_halo_whatever_is_kept(halo, cache):
    run_action(connected(connection_to(halo)), "search_tickets")
    params = connection_to(halo)
    for faults in (0, 1):
        halo.forget_requests()
        if faults:
            halo.inject(Fault("status", path="tickets", status=403, times=None))
        outcome = run_on_stdin(connection_test(params), "test")
        assert outcome.succeeded is not bool(faults) and len(halo.requests) == (2 if faults else 3)


def test_no_text_of_a_ticket_and_no_secret_is_kept(halo, cache):
    params = connection_to(halo, webhook_secret={"secretKey": "planted-webhook-secret"})
    new = {"summary": "planted summary", "details": "planted details", "tickettype_id": 1, "team_id": 2}
    connection = connected(params)
    number = run_action(connection, "create_ticket", **new)["ticket"]["id"]
    run_action(connection, "create_ticket", **new, category_id=31, external_reference="planted reference")
    run_action(connection, "add_comment", ticket_id=number, comment="planted comment")
    assert run_action(connection, "search_tickets", summary_contains="planted")["count"] == 2
    run_action(connection, "assign_ticket", ticket_id=number, agent_id=5)
    run_action(connection, "close_ticket", ticket_id=number, resolution="planted resolution")
    (file,) = cache.iterdir()
    kept = file.read_text()
    answers = json.loads(kept)["answers"]
    assert {"status", "team", "agent", "category", "closed tickets are hidden"} <= set(answers)
    private = [halo.client_id, halo.client_secret, "planted", "Bearer", "@", "example.com"]
    private.append(connection.client._tokens._token)
    assert all(private) and [text for text in private if text in kept + file.name] == []
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


# ------------------------------------------------------------------------------- settings that are newer than the file


def test_a_team_that_is_new_is_known_to_the_next_step(halo, cache):
    in_a_process_of_its_own(halo, "assign_ticket", {"ticket_id": 2102, "team_id": 1})
    halo.lists.teams.append({**halo.lists.teams[0], "id": 77, "name": "Night shift"})
    exactly_once._REGISTRIES.clear()
    output = run_action(connected(connection_to(halo)), "assign_ticket", ticket_id=2102, team_id=77)
    assert output["ticket"]["team_name"] == "Night shift"


def test_a_status_that_closes_since_a_moment_ago_closes(halo, cache):
    in_a_process_of_its_own(halo, "close_ticket", {"ticket_id": 2103})
    halo.lists.closed_statuses.add(3)
    output = run_action(connected(connection_to(halo)), "close_ticket", ticket_id=2102, closed_status_id=3)
    assert output["ticket"]["closed"] is True
