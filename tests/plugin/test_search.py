"""Defects of group E: filters that filter, pages that end, answers that are understood or refused."""

import pytest
import responses
from steps import connected, run_action

from komand_haloitsm.util.insightconnect.errors import HaloITSMError

HALO = "https://halo.example.com"
PARAMS = {
    "client_id": {"secretKey": "an-id"},
    "client_secret": {"secretKey": "a-secret"},
    "authorization_server": f"{HALO}/auth",
    "resource_server": f"{HALO}/api",
}


def lists(halo):
    """The queries for pages of tickets; one-row pages only ask how many open and closed ones there are."""
    queries = [request.query for request in halo.requests if request.path == "/api/Tickets"]
    return [query for query in queries if query["page_size"] != "1"]


def test_the_further_filters_work_through_the_entry_point(halo, plugin_server, connection_params):
    halo.ignored_parameters = {"requesttype_id", "client_id", "user_id", "open_only"}
    wanted = {"tickettype_id": 1, "client_id": 12, "user_id": 53, "open_only": False}
    for open_only, found in ((False, [2106]), (True, [])):
        given = {**wanted, "open_only": open_only}
        rows = plugin_server.run("search_tickets", given, connection_params).output["tickets"]
        assert [row["id"] for row in rows] == found


def test_open_only_never_asks_for_closed_tickets(halo, run):
    halo.recently_closed_days = 0
    assert 2106 not in [row["id"] for row in run("search_tickets", open_only=True)["tickets"]]
    assert run("search_tickets", open_only=True, status_id=9) == {"tickets": [], "count": 0}
    assert not [request for request in halo.requests if "closed_only" in request.query]


def log_many(halo, number, **fields):
    return [halo.log_ticket(summary=f"Scan finding {count}", **fields)["id"] for count in range(number)]


def test_more_than_a_page_is_found(halo, run):
    made = log_many(halo, 450)
    output = run("search_tickets", summary_contains="Scan finding", max_results=400)
    assert output["count"] == len(output["tickets"]) == 400
    assert [ticket["id"] for ticket in output["tickets"]] == sorted(made, reverse=True)[:400]
    pages = [query["page_no"] for query in lists(halo)]
    assert pages == ["1", "2", "3", "4"] and {query["page_size"] for query in lists(halo)} == {"100"}
    assert {query["pageinate"] for query in lists(halo)} == {"true"}


def test_all_is_found_where_there_is_less_than_asked_for(halo, run):
    log_many(halo, 120)
    assert run("search_tickets", summary_contains="Scan finding", max_results=10000)["count"] == 120


def test_fifty_are_found_when_no_number_is_given(halo, run):
    log_many(halo, 60)
    assert run("search_tickets", summary_contains="Scan finding")["count"] == 50


@pytest.mark.parametrize("number", [-1, 10001])
def test_max_results_is_from_1_to_10000(halo, run, number):
    with pytest.raises(HaloITSMError, match="Max Results"):
        run("search_tickets", max_results=number)
    assert halo.requests == []


# Filter, Halo's own name of the parameter, and the seeded tickets that match.
FILTERS = [
    ({"summary_contains": "cve-2021"}, {"search_summary": "cve-2021"}, [2103]),
    ({"status_id": 28}, {"status_id": "28"}, [2105]),
    ({"status_id": 9}, {"status_id": "9"}, [2106]),
    ({"agent_id": 3}, {"agent_id": "3"}, [2106, 2102]),
    ({"team_id": 3}, {"team": "3"}, [2105]),
    ({"priority_id": 1}, {"priority": "1"}, [2103]),
    ({"tickettype_id": 21}, {"requesttype_id": "21"}, [2103]),
    ({"client_id": 13}, {"client_id": "13"}, [2105, 2104]),
    ({"user_id": 52}, {"user_id": "52"}, [2102, 2101]),
    ({"open_only": True, "agent_id": 3}, {"open_only": "true"}, [2102]),
    ({"agent_id": 3, "status_id": 2}, {"agent_id": "3", "status_id": "2"}, [2102]),
    ({"summary_contains": "nothing has this"}, {"search_summary": "nothing has this"}, []),
]
NAMES = [
    "summary",
    "open status",
    "closed status",
    "agent",
    "team",
    "priority",
    "type",
    "client",
    "user",
    "open",
    "two",
    "none",
]


@pytest.mark.parametrize("wanted, parameters, found", FILTERS, ids=NAMES)
def test_filters_travel_by_halos_real_parameters(halo, run, wanted, parameters, found):
    assert [ticket["id"] for ticket in run("search_tickets", **wanted)["tickets"]] == found
    assert lists(halo) and all(parameters.items() <= query.items() for query in lists(halo))


@pytest.mark.parametrize("wanted, parameters, found", FILTERS, ids=NAMES)
def test_filters_hold_where_halo_ignores_their_parameter(halo, run, wanted, parameters, found):
    """A build that does not know a parameter returns everything. A row without the field of a filter tells nothing."""
    halo.change_ticket(2105, user_id=54)
    halo.ignored_parameters = set(parameters)
    assert [ticket["id"] for ticket in run("search_tickets", **wanted)["tickets"]] == found


def test_filters_hold_over_pages_where_halo_ignores_their_parameter(halo, run):
    wanted = log_many(halo, 30, priority_id=1)
    log_many(halo, 220, priority_id=3)
    halo.ignored_parameters = {"priority", "search_summary"}
    output = run("search_tickets", priority_id=1, summary_contains="Scan finding", max_results=30)
    assert [ticket["id"] for ticket in output["tickets"]] == wanted[::-1]


def dated(halo):
    return [
        halo.log_ticket(summary="Dated", dateoccurred=f"2026-03-0{day}T12:00:00Z", agent_id=3, status_id=status)["id"]
        for day, status in ((1, 2), (2, 9), (3, 2))
    ]


BETWEEN = [
    ({"created_after": "2026-03-02T00:00:00Z", "created_before": "2026-03-02T23:00:00Z"}, [1]),
    ({"created_after": "2026-03-02T00:00:00Z", "created_before": "2026-03-09"}, [2, 1]),
    ({"created_before": "2026-03-02T12:00:00Z"}, [1, 0]),
    ({"created_after": "2026-03-02T14:00:00+02:00", "created_before": "2026-03-03"}, [1]),
]


@pytest.mark.parametrize("ignored", [set(), {"datesearch"}], ids=["known", "ignored"])
@pytest.mark.parametrize("between, places", BETWEEN)
def test_created_between_goes_by_datesearch(halo, run, between, places, ignored):
    tickets = dated(halo)
    halo.ignored_parameters = ignored
    output = run("search_tickets", summary_contains="Dated", **between)
    assert [ticket["id"] for ticket in output["tickets"]] == [tickets[place] for place in places]
    query = lists(halo)[0]
    assert query["datesearch"].lower() in ("dateoccured", "dateoccurred")
    assert query.keys() & {"startdate", "enddate"} == {
        {"created_after": "startdate", "created_before": "enddate"}[name] for name in between
    }


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "01.02.2026", "2026-02-30T00:00:00Z"])
def test_what_is_no_date_is_an_error(halo, run, text):
    with pytest.raises(HaloITSMError, match="Created After"):
        run("search_tickets", created_after=text)
    assert halo.requests == []


def test_open_and_recently_closed_tickets_are_found_alike(halo, run):
    assert {ticket["id"] for ticket in run("search_tickets")["tickets"]} == set(halo.tickets)


def close_long_ago(halo, ticket_id):
    halo.change_ticket(ticket_id, dateclosed="2024-01-01T00:00:00Z", last_update="2024-01-01T00:00:00Z")


def test_tickets_closed_long_ago_are_found_when_they_are_all_there_is(halo, run):
    close_long_ago(halo, 2106)
    assert [ticket["id"] for ticket in run("search_tickets", summary_contains="quarantined")["tickets"]] == [2106]
    assert [ticket["id"] for ticket in run("search_tickets", status_id=9)["tickets"]] == [2106]


def test_tickets_closed_long_ago_are_found_beside_open_ones(halo, run):
    close_long_ago(halo, 2106)
    found = {ticket["id"] for ticket in run("search_tickets", summary_contains="nwc-")["tickets"]}
    assert found == {2103, 2106}


def test_newest_come_first(halo, run):
    log_many(halo, 5)
    numbers = [ticket["id"] for ticket in run("search_tickets")["tickets"]]
    assert numbers == sorted(numbers, reverse=True)
    assert {(query["order"], query["orderdesc"]) for query in lists(halo)} == {("id", "true")}


def test_deleted_tickets_are_not_found(halo, run):
    halo.delete_ticket(2102)
    assert 2102 not in {ticket["id"] for ticket in run("search_tickets")["tickets"]}


def search(body, **given):
    with responses.RequestsMock(assert_all_requests_are_fired=False) as canned:
        canned.post(f"{HALO}/auth/token", json={"access_token": "t0", "expires_in": 3600})
        for name in ("Status", "Priority", "Team", "Agent", "Category"):
            canned.get(f"{HALO}/api/{name}", json=[])
        canned.get(f"{HALO}/api/Tickets", json=body)
        return run_action(connected(PARAMS), "search_tickets", **given)


@pytest.mark.parametrize(
    "body", [[{"id": 7}], {"tickets": [{"id": 7}]}, {"record_count": 1, "page_no": 1, "tickets": [{"id": 7}]}]
)
def test_known_envelopes_are_read(body):
    assert [ticket["id"] for ticket in search(body)["tickets"]] == [7]


@pytest.mark.parametrize("body", [[], {"tickets": []}, {"record_count": 0}, {"record_count": 0, "tickets": []}])
def test_known_empty_envelopes_are_empty(body):
    assert search(body) == {"tickets": [], "count": 0}


@pytest.mark.parametrize(
    "body", [{}, {"rows": [{"id": 7}]}, {"record_count": 3}, {"tickets": {}}, {"tickets": [7]}, "none", 0, None]
)
def test_unknown_envelopes_are_an_error_and_not_an_empty_list(body):
    with pytest.raises(HaloITSMError) as unknown:
        search(body)
    assert unknown.value.cause and unknown.value.assistance


def test_a_server_that_ignores_the_page_number_does_not_go_on_for_ever():
    rows = [{"id": number} for number in range(1, 101)]
    assert search({"tickets": rows, "record_count": 100000}, max_results=5000)["count"] == 100
