"""Guards the search filters: Halo's real parameter names, and that rows which contradict the filter are dropped."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from komand_haloitsm.util.halo.tickets.filters import PAGE_SIZE, PageEnd, TicketFilter, page_query

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)

_QUERIES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "nothing": ({}, {}),
    "text in the summary": ({"summary_contains": "VPN & mail"}, {"search_summary": "VPN & mail"}),
    "status": ({"status_id": 2}, {"status_id": "2"}),
    "agent": ({"agent_id": 5}, {"agent_id": "5"}),
    "the unassigned": ({"agent_id": 1}, {"agent_id": "1"}),
    "team, which the list calls team": ({"team_id": 4}, {"team": "4"}),
    "priority, which the list calls priority": ({"priority_id": 3}, {"priority": "3"}),
    "created after": (
        {"created_after": NOON},
        {"datesearch": "dateoccured", "startdate": "2026-03-01T12:00:00Z"},
    ),
    "created before": (
        {"created_before": NOON},
        {"datesearch": "dateoccured", "enddate": "2026-03-01T12:00:00Z"},
    ),
    "created between, given in another zone": (
        {
            "created_after": NOON.astimezone(timezone(timedelta(hours=5))),
            "created_before": NOON + timedelta(hours=1, microseconds=250),
        },
        {"datesearch": "dateoccured", "startdate": "2026-03-01T12:00:00Z", "enddate": "2026-03-01T13:00:00.00025Z"},
    ),
    "all at once": (
        {"summary_contains": "x", "status_id": 1, "agent_id": 2, "team_id": 3, "priority_id": 4},
        {"search_summary": "x", "status_id": "1", "agent_id": "2", "team": "3", "priority": "4"},
    ),
    "what is passed on": ({"other": {"client_id": "12"}}, {"client_id": "12"}),
}


@pytest.mark.parametrize("wanted, query", list(_QUERIES.values()), ids=list(_QUERIES))
def test_a_filter_becomes_halos_own_parameters(wanted, query):
    assert TicketFilter(**wanted).query() == query


@pytest.mark.parametrize("wanted, query", list(_QUERIES.values()), ids=list(_QUERIES))
def test_no_parameter_is_sent_that_the_list_ignores(wanted, query):
    ignored = {"team_id", "priority_id", "tickettype_id", "category_id", "includedetails", "created_after"}
    assert not ignored & set(TicketFilter(**wanted).query())


def test_halos_own_parameters_become_a_filter_that_is_checked():
    wanted = TicketFilter.from_halo(
        {"search_summary": "x", "status_id": "2", "agent_id": 5, "team": 4.0, "priority": 3}
    )
    assert wanted == TicketFilter(summary_contains="x", status_id=2, agent_id=5, team_id=4, priority_id=3)


def test_what_has_no_check_is_passed_on_and_null_is_not():
    wanted = TicketFilter.from_halo({"site_id": 12, "status": "4,5", "status_id": None, "closed_only": "true"})
    assert wanted.query() == {"site_id": "12", "status": "4,5", "closed_only": "true"}
    assert wanted.matches({"site_id": 99, "status_id": 8})


def test_halos_own_names_of_the_further_filters_are_checked_as_well():
    wanted = TicketFilter.from_halo({"client_id": 12, "requesttype_id": "3", "user_id": 7, "open_only": "true"})
    assert wanted == TicketFilter(client_id=12, tickettype_id=3, user_id=7, open_only=True)
    whole = {"client_id": 12, "tickettype_id": 3, "user_id": 7, "status_id": 2}
    assert wanted.matches(whole) and wanted.matches({}) and wanted.matches(whole, closing={2: False, 9: True})
    for other in ({"client_id": 13}, {"tickettype_id": 4}, {"user_id": 8}, {"status_id": 9}, {"client_id": 0}):
        assert not wanted.matches({**whole, **other}, closing={2: False, 9: True})


@pytest.mark.parametrize("parameter", [{"team": "4,5"}, {"priority": "1,2"}], ids=["two teams", "two priorities"])
def test_a_list_of_ids_is_not_lost_on_the_way_to_halo(parameter):
    assert TicketFilter.from_halo(parameter).query() == parameter


# filter, row, whether the row may stay, name of the filter's team
_ROWS: dict[str, tuple[dict[str, Any], dict[str, Any], bool, str | None]] = {
    "no filter": ({}, {"id": 1}, True, None),
    "the status": ({"status_id": 2}, {"status_id": 2}, True, None),
    "the status as float": ({"status_id": 2}, {"status_id": 2.0}, True, None),
    "the status as text": ({"status_id": 2}, {"status_id": "2"}, True, None),
    "another status": ({"status_id": 2}, {"status_id": 3}, False, None),
    "another status as text": ({"status_id": 2}, {"status_id": "3"}, False, None),
    "no status in the row": ({"status_id": 2}, {"id": 1}, True, None),
    "a null status in the row": ({"status_id": 2}, {"status_id": None}, True, None),
    "the agent": ({"agent_id": 5}, {"agent_id": 5}, True, None),
    "another agent": ({"agent_id": 5}, {"agent_id": 6}, False, None),
    "unassigned instead of the agent": ({"agent_id": 5}, {"agent_id": 1}, False, None),
    "an agent instead of unassigned": ({"agent_id": 1}, {"agent_id": 5}, False, None),
    "the priority": ({"priority_id": 3}, {"priority_id": 3}, True, None),
    "another priority": ({"priority_id": 3}, {"priority_id": 4}, False, None),
    "the team by id": ({"team_id": 4}, {"team_id": 4, "team": "Renamed"}, True, "Network"),
    "another team by id": ({"team_id": 4}, {"team_id": 5, "team": "Network"}, False, "Network"),
    "the team by name": ({"team_id": 4}, {"team": "Network"}, True, "Network"),
    "the team by name in another case": ({"team_id": 4}, {"team": " NETWORK "}, True, "Network"),
    "another team by name": ({"team_id": 4}, {"team": "Service Desk"}, False, "Network"),
    "a team whose name begins like it": ({"team_id": 4}, {"team": "Network 2"}, False, "Network"),
    "a team by name when the name is not known": ({"team_id": 4}, {"team": "Service Desk"}, True, None),
    "the text": ({"summary_contains": "vpn"}, {"summary": "The VPN is down"}, True, None),
    "the text in sharp s": ({"summary_contains": "STRASSE"}, {"summary": "Die Straße"}, True, None),
    "the text with spaces around": ({"summary_contains": " vpn "}, {"summary": "vpn"}, True, None),
    "another text": ({"summary_contains": "vpn"}, {"summary": "Printer"}, False, None),
    "a text with a character of patterns": ({"summary_contains": "a.c*"}, {"summary": "abccc"}, False, None),
    "no summary in the row": ({"summary_contains": "vpn"}, {}, True, None),
    "created at the first moment": ({"created_after": NOON}, {"dateoccurred": "2026-03-01T12:00:00Z"}, True, None),
    "created a moment before the first": (
        {"created_after": NOON},
        {"dateoccurred": "2026-03-01T11:59:59.9999990Z"},
        False,
        None,
    ),
    "created at the last moment": (
        {"created_before": NOON},
        {"dateoccurred": "2026-03-01T12:00:00.0000000Z"},
        True,
        None,
    ),
    "created a moment after the last": (
        {"created_before": NOON},
        {"dateoccurred": "2026-03-01T12:00:00.0000010Z"},
        False,
        None,
    ),
    "created by Halo's other date": ({"created_after": NOON}, {"datecreated": "2026-02-01T00:00:00Z"}, False, None),
    "created at no known time": ({"created_after": NOON}, {"dateoccurred": "1900-01-01T00:00:00"}, True, None),
    "no date in the row": ({"created_after": NOON, "created_before": NOON}, {}, True, None),
    "all filters but one": (
        {"status_id": 2, "agent_id": 5, "priority_id": 3, "summary_contains": "x"},
        {"status_id": 2, "agent_id": 5, "priority_id": 4, "summary": "x"},
        False,
        None,
    ),
}


@pytest.mark.parametrize("wanted, row, stays, team", list(_ROWS.values()), ids=list(_ROWS))
def test_a_row_is_held_to_the_filter(wanted, row, stays, team):
    assert TicketFilter(**wanted).matches(row, team) is stays


@pytest.mark.parametrize("nothing", [0, -1, "0"], ids=repr)
@pytest.mark.parametrize("name", ["status_id", "agent_id", "priority_id", "team_id"])
def test_a_row_that_says_none_does_not_match_a_filter(name, nothing):
    assert not TicketFilter(**{name: 5}).matches({name: nothing})


@pytest.mark.parametrize("number", [1, 2, 57])
def test_pages_are_asked_for_in_halos_spelling_newest_first(number):
    assert page_query(number) == {
        "pageinate": "true",
        "page_size": "100",
        "page_no": str(number),
        "order": "id",
        "orderdesc": "true",
    }


# The pages of a list, each with its number of rows and its envelope, and whether the last of them ends the list.
_PAGES = {
    "an empty page": ([(0, {"record_count": 0})], True),
    "an empty page, whatever the count says": ([(0, {"record_count": 500})], True),
    "a short page": ([(99, {"record_count": 99})], True),
    "a short page of more": ([(99, {"record_count": 500})], False),
    "a short page without a count": ([(99, {})], True),
    "a short page that may be cut": ([(50, {})], False),
    "a short page that may be cut and counted by itself": ([(50, {"record_count": 50})], False),
    "a short page of which Halo tells the size": ([(25, {"page_size": 50, "record_count": 25})], False),
    "a page as long as Halo says, counted by itself": ([(50, {"page_size": 50, "record_count": 50})], False),
    "a page shorter than Halo says": ([(37, {"page_size": 50, "record_count": 37})], True),
    "a full page that is all": ([(100, {"record_count": 100})], False),
    "a full page and one more ticket": ([(100, {"record_count": 101})], False),
    "the second full page of many": ([(100, {"record_count": 250})] * 2, False),
    "the last full page": ([(100, {"record_count": 300})] * 3, True),
    "the last full page of a cut list": ([(50, {"record_count": 150})] * 3, True),
    "full pages, each counted by itself": ([(50, {"record_count": 50})] * 3, False),
    "a page shorter than the one before": ([(50, {"record_count": 50}), (49, {"record_count": 49})], True),
    "a short page in the middle of more": ([(100, {"record_count": 350}), (99, {"record_count": 350})], False),
    "the last page after a short one": ([(rows, {"record_count": 349}) for rows in (100, 99, 100, 50)], True),
    "an empty page after a short one": ([(rows, {"record_count": 350}) for rows in (100, 99, 100, 50, 0)], True),
    "a short page, each counted as it was before rows were left out": (
        [(rows, {"record_count": 100}) for rows in (100, 99)],
        True,
    ),
    "a full page without a count": ([(100, {})], False),
    "a full page with a count that is none": ([(100, {"record_count": True})], False),
    "a full page with a count as text": ([(100, {"record_count": "100"})], False),
    "a full page in a bare list": ([(100, [])], False),
    "a page longer than asked for": ([(120, {"record_count": 500})], False),
}


@pytest.mark.parametrize("pages, last", list(_PAGES.values()), ids=list(_PAGES))
def test_the_last_page(pages, last):
    end = PageEnd()
    assert [end.is_last(rows, envelope) for rows, envelope in pages] == [False] * (len(pages) - 1) + [last]


def test_a_page_is_no_larger_than_halo_gives():
    assert PAGE_SIZE == 100
