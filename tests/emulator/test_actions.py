"""/Actions."""

import time
from datetime import datetime, timezone

import pytest

NO_OUTCOME = "An Outcome must be entered for this Action"


def test_a_new_ticket_has_two_actions_and_a_comment_is_the_third(halo, api):
    number = api.post("/Tickets", [{"summary": "S", "details": "D"}]).json()["id"]
    assert [(row["id"], row["outcome"]) for row in halo.actions[number]] == [
        (1, "First User Email"),
        (2, "Rule Applied"),
    ]
    given = {"ticket_id": number, "outcome": "private note", "note": "a <b>", "hiddenfromuser": True}
    answer = api.post("/Actions", [given])
    action = answer.json()
    assert answer.status_code == 201 and (action["id"], action["ticket_id"]) == (3, number)
    assert (action["outcome"], action["outcome_id"], action["hiddenfromuser"]) == ("Private Note", 7, True)
    assert (action["note"], action["note_html"]) == ("a <b>", "<p>a &lt;b&gt;</p>")
    assert halo.tickets[number]["last_update"] > halo.tickets[number]["datecreated"]


def test_html_notes_are_given_back_as_text_too(api):
    given = {"ticket_id": 2101, "outcome_id": 7, "note_html": "<p>one<br>two &amp; three</p>"}
    action = api.post("/Actions", [given]).json()
    assert (action["note"], action["note_html"]) == ("one\ntwo & three", "<p>one<br>two &amp; three</p>")
    assert action["outcome"] == "Private Note"


def test_an_outcome_is_mandatory(halo, api):
    for outcome in ({}, {"outcome": ""}, {"outcome_id": 999}):
        answer = api.post("/Actions", [{"ticket_id": 2101, "note": "x", **outcome}])
        assert answer.status_code == 400
        assert (answer.json()["ClassName"], answer.json()["Message"]) == ("System.Exception", NO_OUTCOME)
    assert len(halo.actions[2101]) == 2


def test_outcomes_switch(halo, api):
    given = {"ticket_id": 2101, "outcome": "Internal Memo", "note": "x"}
    assert api.post("/Actions", [given]).json()["outcome"] == "Internal Memo"
    halo.outcomes = {"Note"}
    assert api.post("/Actions", [given]).json()["Message"] == NO_OUTCOME
    assert api.post("/Actions", [{**given, "outcome": "Note"}]).status_code == 201
    assert [row["outcome"] for row in api.get("/Outcome").json()] == ["Note"]


@pytest.mark.parametrize(
    "body", [{"ticket_id": 2101}, [{"outcome": "Note"}], [{"outcome": "Note", "ticket_id": 99}], []]
)
def test_refused_bodies(api, body):
    assert api.post("/Actions", body).status_code == 400


def test_listing_is_newest_first_and_filtered(api):
    for text in ("one", "two"):
        given = {"ticket_id": 2102, "outcome": "Public Note", "note": text, "hiddenfromuser": text == "one"}
        api.post("/Actions", [given])
    body = api.get("/Actions", ticket_id=2102).json()
    assert (body["ticket_id"], body["record_count"]) == (2102, 4)
    assert [row["id"] for row in body["actions"]] == [4, 3, 2, 1] and "note_html" not in body["actions"][0]

    def ids(**query):
        return [row["id"] for row in api.get("/Actions", ticket_id=2102, **query).json()["actions"]]

    assert (ids(count=1), ids(excludesys="true"), ids(excludeprivate="true")) == ([4], [4, 3, 1], [4, 1])
    rows = api.get("/Actions", ticket_id=2102, includehtmlnote="true").json()["actions"]
    assert rows[0]["note_html"] == "<p>two</p>"
    assert api.get("/Actions").status_code == 400


def test_one_action_read_and_deleted(halo, api):
    assert api.get("/Actions/1", ticket_id=2103).json()["note"].startswith("Log4j")
    assert api.get("/Actions/1").status_code == 400 and api.get("/Actions/9", ticket_id=2103).status_code == 404
    assert api.delete("/Actions/2", ticket_id=2103).status_code == 200
    assert [row["id"] for row in halo.actions[2103]] == [1]
    assert halo.add_note(2103, "x")["id"] == 3


def test_who_wrote_the_opening_action(halo, api):
    by_api = api.post("/Tickets", [{"summary": "S", "details": "D"}]).json()["id"]
    mailed = halo.mail_in("S", "D")
    first, second = (api.get("/Actions/1", ticket_id=number).json() for number in (by_api, mailed["id"]))
    me = api.get("/Agent/me").json()
    assert (first["who_type"], first["who_agentid"], first["who"]) == (1, halo.api_agent_id, me["name"])
    assert me["id"] == halo.api_agent_id
    assert (second["who_type"], second["who_agentid"], second["who"]) == (2, 0, "Somebody Outside")
    assert second["outcome"] == "First User Email" and second["note"] == "D"


def test_mail_from_outside_is_a_ticket_like_any_other(halo, api):
    mailed = halo.mail_in("Subject", "Body", user_id=52, team_id=2, last_update="2020-01-01T00:00:00Z")
    ticket = api.get(f"/Tickets/{mailed['id']}").json()
    assert ticket == mailed and (ticket["summary"], ticket["details"]) == ("Subject", "Body")
    assert (ticket["user_name"], ticket["team_id"], ticket["last_update"][:4]) == ("Alice Brandt", 2, "2020")
    assert api.get("/Actions/1", ticket_id=mailed["id"]).json()["who"] == "Alice Brandt" and mailed["id"] in api.ids()


def test_a_list_never_longer_than_the_cap(halo, api):
    for number in range(6):
        halo.add_note(2101, f"note {number}")
    halo.actions_cap = 5
    for query in ({}, {"count": 100}):
        body = api.get("/Actions", ticket_id=2101, **query).json()
        assert [row["id"] for row in body["actions"]] == [8, 7, 6, 5, 4] and body["record_count"] == 5
    assert [row["id"] for row in api.get("/Actions", ticket_id=2101, count=2).json()["actions"]] == [8, 7]


DAY = {"startdate": "2040-01-01T00:00:00Z", "enddate": "2040-01-02T00:00:00Z"}


@pytest.fixture
def in_2040(halo):
    """Notes on two tickets, in turn, half an hour apart; the last one on the second day."""
    halo.clock_offset = datetime(2040, 1, 1, tzinfo=timezone.utc).timestamp() - time.time()
    numbers = (2101, 2102, 2101, 2102)
    for number in numbers:
        halo.clock_offset += 1800
        halo.add_note(number, "seen")
    halo.clock_offset += 86400
    halo.add_note(2101, "tomorrow")


def test_the_actions_of_all_tickets_on_a_day(halo, api, in_2040):
    body = api.get("/Actions", **DAY).json()
    found = [(row["ticket_id"], row["id"]) for row in body["actions"]]
    assert found == [(2102, 4), (2101, 4), (2102, 3), (2101, 3)]
    assert body["record_count"] == 4 and "ticket_id" not in body
    assert [row["who_agentid"] for row in body["actions"]] == [3] * 4
    hour = {"startdate": "2040-01-01T01:15:00+00:30", "enddate": "2040-01-01T01:15:00"}
    assert [row["ticket_id"] for row in api.get("/Actions", **hour).json()["actions"]] == [2102]
    assert len(api.get("/Actions", **DAY, count=3).json()["actions"]) == 3
    assert api.get("/Actions", **DAY, ticket_id=2101).json()["record_count"] == 5
    halo.hidden_tickets = {2101}
    halo.actions_cap = 1
    assert [row["id"] for row in api.get("/Actions", **DAY).json()["actions"]] == [4]


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"startdate": "2040-01-01"},
        {"enddate": "2040-01-01"},
        {"startdate": "2040-01-01", "enddate": "2040-01-02T00:00:01Z"},
        {"startdate": "x", "enddate": "2040-01-01"},
    ],
)
def test_a_list_needs_a_ticket_or_a_day(api, query):
    answer = api.get("/Actions", **query)
    assert answer.status_code == 400 and "one day" in answer.json()["Message"]


def test_a_list_that_takes_no_dates(halo, api, in_2040):
    halo.lists_actions_by_date = False
    assert api.get("/Actions", **DAY).status_code == 400
