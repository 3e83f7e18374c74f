"""GET /Tickets."""

import re
import time

import pytest

ALL = [2106, 2105, 2104, 2103, 2102, 2101]


def test_newest_first_in_an_envelope(api):
    body = api.get("/Tickets").json()
    assert [row["id"] for row in body["tickets"]] == ALL
    assert set(body) == {"record_count", "tickets", "include_children"} and body["include_children"] is False


@pytest.mark.parametrize(
    "query, ids",
    [
        ({"search": "LOG4J"}, [2103]),
        ({"search": "backup"}, [2105]),
        ({"search_summary": "log4j"}, []),
        ({"search_details": "log4j"}, [2103]),
        ({"search_id": 2104}, [2104]),
        ({"ticketids": "2101,2106"}, [2106, 2101]),
        ({"status_id": 28}, [2105]),
        ({"status": "28,18"}, [2105, 2104]),
        ({"agent_id": 3}, [2106, 2102]),
        ({"agent": "2,4"}, [2105, 2104]),
        ({"team": "3"}, [2105]),
        ({"team": "1,3"}, [2105, 2104, 2101]),
        ({"priority": "1"}, [2103]),
        ({"requesttype_id": 21}, [2103]),
        ({"requesttype": "2,21"}, [2104, 2103]),
        ({"client_id": 13}, [2105, 2104]),
        ({"client_ids": "12"}, [2106, 2103, 2102, 2101]),
        ({"site_id": 18}, [2102, 2101]),
        ({"user_id": 54}, [2104]),
        ({"category_1": "31,32"}, [2106, 2102]),
        ({"category_2": "41"}, [2103]),
        ({"category_2": "31"}, []),
        ({"open_only": "true"}, [2105, 2104, 2103, 2102, 2101]),
        ({"closed_only": "true"}, [2106]),
        ({"status_id": 9, "agent_id": 5}, []),
        ({"count": 2}, [2106, 2105]),
        ({"order": "id", "orderdesc": "false"}, ALL[::-1]),
        ({"order": "id", "orderdesc": "true"}, ALL),
        ({"order": "priority_id", "count": "1"}, [2103]),
    ],
)
def test_real_parameters(api, query, ids):
    assert api.ids(**query) == ids


@pytest.mark.parametrize(
    "query",
    [
        {"team_id": 3},
        {"priority_id": 1},
        {"tickettype_id": 21},
        {"category_id": 31},
        {"startdate": "2099-01-01T00:00:00Z"},
        {"datesearch": "datecreated", "startdate": "2099-01-01T00:00:00Z"},
        {"nonsense": "x"},
        {"order": "nonsense"},
    ],
)
def test_unknown_parameters_are_ignored(api, query):
    assert api.ids(**query) == ALL


def test_ignored_parameters_switch(halo, api):
    halo.ignored_parameters = {"team", "lastupdatefromdate"}
    assert api.ids(team="3", lastupdatefromdate="2099-01-01") == ALL


def test_children(halo, api):
    child = halo.log_ticket(summary="child", parent_id=2103)["id"]
    assert api.ids(parent_id=2103) == [child]
    assert api.get("/Tickets", parent_id=2103).json()["tickets"][0]["parent_id"] == 2103


def test_created_between(halo, api):
    old = halo.log_ticket(summary="old", dateoccurred="2020-05-01T10:00:00Z")["id"]
    for field in ("dateoccured", "dateoccurred"):
        query = {"datesearch": field, "startdate": "2020-05-01T12:00:00+02:00", "enddate": "2020-05-02"}
        assert api.ids(**query) == [old]
    assert old not in api.ids(datesearch="dateoccured", startdate="2020-05-01T10:00:01Z")


def test_closed_between_and_old_closed_ones(halo, api):
    halo.change_ticket(2105, status_id=9, dateclosed="2020-01-01T00:00:00Z")
    halo.recently_closed_days = 30
    assert 2105 not in api.ids() and 2106 in api.ids()
    assert api.ids(datesearch="datecleared", enddate="2020-06-01") == [2105]
    assert api.ids(closed_only="true") == [2106, 2105]


def test_changed_since_is_inclusive_and_follows_changes(halo, api):
    moment = halo.change_ticket(2102, summary="changed")["last_update"]
    assert api.ids(lastupdatefromdate=moment) == [2102]
    later = halo.change_ticket(2101, summary="changed")["last_update"]
    assert api.ids(lastupdatefromdate=moment) == [2102, 2101]
    assert api.ids(lastupdatefromdate=moment, lastupdatetodate=moment) == [2102]
    assert api.ids(lastupdatefromdate=later, order="last_update", orderdesc="false") == [2101]
    assert api.ids(order="last_update", orderdesc="true", count=2) == [2101, 2102]


def test_the_same_last_update_can_be_forced(halo, api):
    same = "2026-01-01T00:00:00Z"
    numbers = [halo.log_ticket(summary="same", last_update=same)["id"] for _ in range(3)]
    halo.change_ticket(2101, summary="same", last_update=same)
    query = {"lastupdatefromdate": same, "lastupdatetodate": same}
    assert api.ids(**query) == [*numbers[::-1], 2101]


def test_pages_are_capped_at_100_and_echoed_only_with_paging(halo, api):
    for number in range(120):
        halo.log_ticket(summary=f"bulk {number}")
    body = api.get("/Tickets", pageinate="true", page_size=500, page_no=2).json()
    assert (body["page_no"], body["page_size"], body["record_count"], len(body["tickets"])) == (2, 100, 126, 26)
    assert body["tickets"][-1]["id"] == 2101
    assert api.get("/Tickets", pageinate="true", page_no=3, page_size=100).json()["tickets"] == []
    plain = api.get("/Tickets", page_size=5, page_no=2, count=110).json()
    assert "page_no" not in plain and len(plain["tickets"]) == 110
    assert len(api.ids()) == 50


def test_another_page_cap(halo, api):
    halo.page_cap = 4
    body = api.get("/Tickets", pageinate="true", page_size=100, page_no=2).json()
    assert (body["page_size"], body["record_count"], len(body["tickets"])) == (4, 6, 2)
    assert len(api.ids(pageinate="true")) == 4 and len(api.ids(pageinate="true", page_size=3)) == 3


@pytest.mark.parametrize("ahead", [0, 60])
def test_no_recently_closed_tickets(halo, api, ahead):
    halo.recently_closed_days = 0
    halo.database_clock_offset = ahead
    assert api.ids() == [2105, 2104, 2103, 2102, 2101]
    for number in (2105, 2104, 2103, 2102):
        api.post("/Tickets", [{"id": number, "status_id": 9}])
        assert number not in api.ids() and number in api.ids(closed_only="true")
    assert api.ids() == [2101]
    halo.database_clock_offset = -3600
    assert api.ids() == [2101]


def test_recently_closed_by_the_clock_that_wrote_the_date(halo, api):
    halo.database_clock_offset = -40 * 86400
    api.post("/Tickets", [{"id": 2105, "status_id": 9}])
    assert 2105 in api.ids()
    halo.database_clock_offset = 0
    assert 2105 not in api.ids()


def test_rows_lack_what_halos_rows_lack(api):
    row = api.get("/Tickets", ticketids="2103").json()["tickets"][0]
    lacking = {"datecreated", "details_html", "priority", "customfields", "team_id", "user", "tickettype", "dateclosed"}
    lacking |= {"status_name", "agent_name", "tickettype_name", "parent_id"}
    assert not lacking & set(row)
    assert None not in row.values()
    assert row["team"] == "Security Operations" and row["priority_id"] == 1 and row["client_name"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", row["last_update"])
    assert row["deadlinedate"] == "1900-01-01T00:00:00" and type(row["site_id"]) is float


def test_names_and_custom_fields_only_when_asked(api):
    query = {"includestatus": "true", "includeagent": "true", "includetickettype": "true"}
    row = api.get("/Tickets", ticketids="2103", include_custom_fields="201", **query).json()["tickets"][0]
    assert (row["status_name"], row["agent_name"]) == ("Action Required", "Tomas Weber")
    assert row["tickettype_name"] == "Vulnerability" and row["customfields"][0]["value"] == "IVM-20931"


def test_deleted_merged_and_hidden_tickets_are_not_listed(halo, api):
    halo.delete_ticket(2101)
    halo.merge_tickets(2103, 2102)
    halo.hidden_tickets = {2104}
    assert api.ids() == [2106, 2105, 2103]
    assert api.get("/Tickets/2101").status_code == 404
    merged = api.get("/Tickets/2102").json()
    assert merged["merged_into_id"] == 2103 and merged["inactive"] is True
    hidden = api.get("/Tickets/2104")
    assert (hidden.status_code, hidden.content) == (401, b"")


def test_ten_thousand_tickets_stay_quick(halo, api):
    for number in range(5_000):
        halo.log_ticket(summary=f"bulk {number}")
    started = time.perf_counter()
    for page in range(1, 11):
        assert len(api.ids(pageinate="true", page_size=100, page_no=page, order="id", orderdesc="false")) == 100
    assert time.perf_counter() - started < 1


def test_closed_tickets_may_be_hidden_from_the_list_of_changes(halo, api):
    halo.recently_closed_days = 0
    since = {"lastupdatefromdate": "2020-01-01T00:00:00Z"}
    assert 2106 in api.ids(**since) and 2106 not in api.ids()
    halo.hides_closed_changes = True
    assert 2106 not in api.ids(**since) and api.ids(**since, closed_only="true") == [2106]


def test_a_page_that_does_not_tell_its_size(halo, api):
    halo.page_cap = 4
    page = {"pageinate": "true", "page_size": 100, "page_no": 2}
    halo.tells_page_size_asked_for = True
    body = api.get("/Tickets", **page).json()
    assert (body["page_size"], body["record_count"], len(body["tickets"])) == (100, 6, 2)
    halo.tells_page_size = False
    body = api.get("/Tickets", **page).json()
    assert "page_size" not in body and (body["page_no"], body["record_count"], len(body["tickets"])) == (2, 6, 2)


def test_a_count_of_the_page_only(halo, api):
    halo.page_cap = 4
    halo.counts_per_page = True
    counts = [api.get("/Tickets", pageinate="true", page_no=page).json()["record_count"] for page in (1, 2, 3)]
    assert counts == [4, 2, 0]


def test_last_update_may_be_earlier_than_the_change(halo, api):
    before = api.get("/Tickets/2101").json()["last_update"]
    halo.last_update_behind = 3600
    ticket = api.post("/Tickets", [{"summary": "late"}]).json()
    assert ticket["last_update"] < before < ticket["dateoccurred"]
    halo.change_ticket(2101, status_id=2)
    note = api.post("/Actions", [{"ticket_id": 2102, "outcome_id": 7, "note": "x"}]).json()
    changed = [api.get(f"/Tickets/{number}").json() for number in (2101, 2102)]
    assert all(one["last_update"] < before < one["lastactiondate"] for one in changed)
    assert changed[1]["lastactiondate"] == note["datetime"]
    assert not {2101, 2102, ticket["id"]} & set(api.ids(lastupdatefromdate=before))


@pytest.mark.parametrize("hours, found", [(-1, []), (0, [2101]), (1, [2102, 2101])])
def test_changed_since_may_be_read_as_local_time(halo, api, hours, found):
    halo.change_ticket(2101, last_update="2040-01-01T10:10:00Z")
    halo.change_ticket(2102, last_update="2040-01-01T09:10:00Z")
    since = {"lastupdatefromdate": "2040-01-01T10:00:00Z"}
    assert api.ids(**since) == [2101]
    halo.reads_local_time = hours
    assert api.ids(**since) == found
    assert api.ids(**since, lastupdatetodate="2040-01-01T10:00:00Z") == []
    row = api.get("/Tickets", ticketids="2101").json()["tickets"][0]
    assert row["last_update"] == "2040-01-01T10:10:00.0000000Z"
