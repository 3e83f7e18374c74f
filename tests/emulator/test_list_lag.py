"""Lists that show a change some time after it was made."""

import time

import pytest

LAG = 1.0


@pytest.fixture(autouse=True)
def lagging(halo):
    halo.list_lag = LAG


def actions(api, number):
    return [row["id"] for row in api.get("/Actions", ticket_id=number).json()["actions"]]


def test_a_new_ticket_is_listed_late_but_read_at_once(api):
    started = time.monotonic()
    ticket = api.post("/Tickets", [{"summary": "late"}]).json()
    queries = ({}, {"search": "late"}, {"ticketids": str(ticket["id"])}, {"lastupdatefromdate": ticket["last_update"]})
    assert [ticket["id"] in api.ids(**query) for query in queries] == [False] * 4
    assert actions(api, ticket["id"]) == []
    assert api.get(f"/Tickets/{ticket['id']}").json() == ticket and time.monotonic() - started < LAG
    time.sleep(LAG)
    assert [ticket["id"] in api.ids(**query) for query in queries] == [True] * 4
    assert actions(api, ticket["id"]) == [2, 1]


def test_changes_are_listed_late_one_after_the_other(halo, api):
    def listed():
        return api.get("/Tickets", ticketids="2101").json()["tickets"][0]["summary"]

    before, started = listed(), time.monotonic()
    api.post("/Tickets", [{"id": 2101, "summary": "first"}])
    time.sleep(LAG / 2)
    moment = api.post("/Tickets", [{"id": 2101, "summary": "second"}]).json()["last_update"]
    assert listed() == before and api.ids(lastupdatefromdate=moment) == []
    assert api.get("/Tickets/2101").json()["summary"] == "second"
    time.sleep(max(0.0, started + 1.2 * LAG - time.monotonic()))
    assert listed() == "first"
    time.sleep(LAG / 2)
    assert listed() == "second" and api.ids(lastupdatefromdate=moment) == [2101]


def test_what_the_list_still_shows_is_found_by_its_old_date(halo, api):
    halo.change_ticket(2101, last_update="2020-01-01T00:00:00Z")
    assert 2101 in api.ids(lastupdatefromdate="2021-01-01")
    time.sleep(LAG)
    assert 2101 not in api.ids(lastupdatefromdate="2021-01-01")


def test_a_deleted_ticket_stays_listed_for_a_while(halo, api):
    halo.delete_ticket(2101)
    assert 2101 in api.ids() and api.get("/Tickets/2101").status_code == 404
    time.sleep(LAG)
    assert 2101 not in api.ids()


def test_actions_are_listed_late_but_read_at_once(halo, api):
    api.post("/Actions", [{"ticket_id": 2102, "outcome_id": 7, "note": "x"}])
    assert actions(api, 2102) == [2, 1] and api.get("/Actions/3", ticket_id=2102).json()["note"] == "x"
    time.sleep(LAG)
    assert actions(api, 2102) == [3, 2, 1]
    api.delete("/Actions/3", ticket_id=2102)
    assert actions(api, 2102) == [3, 2, 1] and api.get("/Actions/3", ticket_id=2102).status_code == 404
    time.sleep(LAG)
    assert actions(api, 2102) == [2, 1]


def test_without_the_lag_everything_shows_at_once(halo, api):
    halo.list_lag = 600
    number = api.post("/Tickets", [{"summary": "late"}]).json()["id"]
    assert number not in api.ids()
    halo.list_lag = 0
    assert number in api.ids() and actions(api, number) == [2, 1]
    assert api.post("/Tickets", [{"summary": "at once"}]).json()["id"] in api.ids()
