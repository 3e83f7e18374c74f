"""POST and DELETE /Tickets, GET /Tickets/{id}, and the screens."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from .conftest import Client

UNASSIGNED_CLOSE = "Please assign this Ticket these before closing it."


def test_a_bare_object_is_refused(halo, api):
    answer = api.post("/Tickets", {"summary": "x"})
    assert answer.status_code == 400 and "requires a JSON array" in answer.text and len(halo.tickets) == 6


@pytest.mark.parametrize("body", [[], ["x"], "x", None])
def test_other_bodies_are_refused(api, body):
    assert api.post("/Tickets", body).status_code == 400


def test_create_answers_201_with_the_full_object(halo, api):
    given = {
        "summary": "S",
        "details": "a < b\nc",
        "team": "infrastructure",
        "user_id": 53,
        "unknown": 1,
        "urgency": None,
    }
    answer = api.post("/Tickets", [given])
    body = answer.json()
    assert answer.status_code == 201 and body["id"] == 2107 == max(halo.tickets)
    assert (body["summary"], body["details"], body["details_html"]) == ("S", "a < b\nc", "<p>a &lt; b<br>c</p>")
    assert (body["team"], body["team_id"], body["agent_id"], body["status_id"]) == ("Infrastructure", 3, 1, 1)
    assert (body["client_id"], body["site_id"], body["user_name"]) == (12, 19, "Samir Haddad")
    assert body["priority"]["priorityid"] == body["priority_id"] and body["priority"]["name"] == "Medium"
    assert body["tickettype"]["name"] == "Incident" and body["user"]["site_id"] == 19.0
    assert "unknown" not in body and None not in body.values() and "dateclosed" not in body
    assert body["datecreated"] == body["last_update"] and body["customfields"] == []
    assert api.get("/Tickets/2107").json() == body
    assert (
        "agent_name" not in body and api.get("/Tickets/2107", includeagent="true").json()["agent_name"] == "Unassigned"
    )


def test_details_html_becomes_text(api):
    body = api.post("/Tickets", [{"summary": "S", "details_html": "<p>a &lt; b</p><p>c</p>"}]).json()
    assert (body["details"], body["details_html"]) == ("a < b\nc", "<p>a &lt; b</p><p>c</p>")


def test_no_id_creates_even_if_an_update_was_meant(api):
    for stray in ({}, {"id": None}, {"id": 0}):
        assert api.post("/Tickets", [{"summary": "S", **stray}]).json()["id"] > 2106


def test_the_answer_is_the_last_of_several_or_a_list_on_demand(halo, api):
    assert api.post("/Tickets", [{"summary": "A"}, {"summary": "B"}]).json()["summary"] == "B"
    both = api.post("/Tickets", [{"summary": "C"}, {"summary": "D"}], returnall="true").json()
    assert [ticket["summary"] for ticket in both] == ["C", "D"] and len(halo.tickets) == 10
    halo.answers_with_list = True
    assert isinstance(api.post("/Tickets", [{"summary": "E"}]).json(), list)


def test_an_update_is_partial(halo, api):
    before = api.get("/Tickets/2103").json()
    given = {"id": 2103, "summary": "new", "team_id": 3, "customfields": [{"id": 203, "value": 7}, {"name": "CFno"}]}
    after = api.post("/Tickets", [given])
    assert after.status_code == 201 and after.json()["summary"] == "new"
    fields = {field["name"]: field["value"] for field in after.json()["customfields"]}
    assert fields == {"CFInsightReference": "IVM-20931", "CFRiskScore": 7}
    same = set(before) - {"summary", "customfields", "last_update"}
    assert {name: before[name] for name in same} == {name: after.json()[name] for name in same}
    assert after.json()["last_update"] > before["last_update"]


@pytest.mark.parametrize("number", [999, "999"])
def test_an_update_of_an_unknown_ticket_is_refused(halo, api, number):
    answer = api.post("/Tickets", [{"id": number, "summary": "x"}])
    assert answer.status_code == 400 and answer.json()["ClassName"] == "System.Exception"
    assert answer.json()["Message"] == "Record not found" and len(halo.tickets) == 6


@pytest.mark.parametrize(
    "field, value", [("agent_id", 99), ("status_id", 99), ("priority_id", 9), ("client_id", -1), ("team", "No Team")]
)
def test_unknown_references_are_refused(halo, api, field, value):
    answer = api.post("/Tickets", [{"summary": "x", field: value}])
    assert answer.status_code == 400 and field in answer.json()["Message"] and len(halo.tickets) == 6


@pytest.mark.parametrize("field, value", [("agent_id", "me"), ("status_id", True), ("summary", {}), ("id", "abc")])
def test_wrong_types_are_a_model_state(api, field, value):
    answer = api.post("/Tickets", [{"summary": "x", field: value}])
    assert answer.status_code == 400 and list(answer.json()) == [f"[0].{field}"]


def test_a_summary_is_needed(halo, api):
    for body in ({}, {"summary": ""}, {"details": "x"}):
        assert api.post("/Tickets", [body]).status_code == 400
    assert len(halo.tickets) == 6


def test_mandatory_fields(halo, api):
    halo.mandatory_fields = {21: {"category_1", "details"}, 2: {"details"}}
    answer = api.post("/Tickets", [{"summary": "x", "tickettype_id": 21}])
    assert (answer.status_code, answer.json()) == (400, "Details and Category were required")
    assert api.post("/Tickets", [{"summary": "x", "tickettype_id": 2}]).json() == "Details was required"
    assert api.post("/Tickets", [{"summary": "x", "tickettype_id": 2, "details": "d"}]).status_code == 201


def test_closing_and_reopening(halo, api):
    closed = api.post("/Tickets", [{"id": 2103, "status_id": 9}]).json()
    assert closed["status_id"] == 9 and closed["hasbeenclosed"] and closed["dateclosed"] <= closed["last_update"]
    action = halo.actions[2103][-1]
    assert (action["outcome"], action["old_status"], action["new_status"]) == ("Changed Status", 3, 9)
    assert action["who_agentid"] == halo.api_agent_id
    reopened = api.post("/Tickets", [{"id": 2103, "status_id": 2}]).json()
    assert "dateclosed" not in reopened and reopened["hasbeenclosed"]


def test_an_unassigned_ticket_cannot_be_closed(halo, api):
    answer = api.post("/Tickets", [{"id": 2101, "status_id": 9}])
    assert (answer.status_code, answer.json()) == (400, UNASSIGNED_CLOSE)
    assert halo.tickets[2101]["status_id"] == 1 and len(halo.actions[2101]) == 2
    assert api.post("/Tickets", [{"id": 2101, "status_id": 9, "agent_id": 2}]).status_code == 201
    halo.closing_needs_agent = False
    assert api.post("/Tickets", [{"summary": "x", "status_id": 9}]).status_code == 201


def test_closure_note_kept_or_ignored(halo, api):
    kept = api.post("/Tickets", [{"id": 2103, "status_id": 9, "closure_note": "patched"}]).json()
    assert kept["closure_note"] == "patched" and kept["details"].startswith("Log4j")
    assert halo.actions[2103][-1]["note"] == "patched"
    halo.keeps_closure_note = False
    ignored = api.post("/Tickets", [{"id": 2105, "status_id": 9, "closure_note": "patched"}]).json()
    assert "closure_note" not in ignored and all(row["note"] != "patched" for row in halo.actions[2105])


def test_update_needs_type_and_client(halo, api):
    halo.update_needs_type_and_client = True
    assert api.post("/Tickets", [{"id": 2103, "summary": "x"}]).json()["Message"] == "Record not found"
    given = {"id": 2103, "summary": "x", "tickettype_id": 21, "client_id": 12}
    assert api.post("/Tickets", [given]).json()["site_id"] == 19


def test_assigning(halo, api):
    body = api.post("/Tickets", [{"id": 2101, "agent_id": 4, "team": "Infrastructure", "dont_do_rules": True}]).json()
    assert (body["agent_id"], body["team"], body["team_id"]) == (4, "Infrastructure", 3)
    assert halo.actions[2101][-1]["outcome"] == "Re-Assign"


def test_delete_is_soft(halo, api):
    assert api.delete("/Tickets/2101", reason="test").status_code == 200
    assert api.get("/Tickets/2101").status_code == 404 and halo.tickets[2101]["deleted"]
    assert api.delete("/Tickets/2101").status_code == 404
    assert api.post("/Tickets", [{"id": 2101, "summary": "x"}]).status_code == 400
    assert "message" in api.get("/Tickets/999").json()


def test_the_screens_act_as_another_agent(halo, api):
    number = halo.log_ticket(summary="S", team_id=2)["id"]
    halo.change_ticket(number, status_id=2)
    halo.add_note(number, "hello")
    assert [row["who_agentid"] for row in halo.actions[number]] == [3, 0, 3, 3]
    moments = [row["datetime"] for row in halo.actions[number]]
    assert moments == sorted(set(moments)) and halo.tickets[number]["lastactiondate"] == moments[-1]
    assert halo.tickets[number]["team"] == "Security Operations"


def test_many_threads_at_once(halo, api):
    def work(place):
        numbers = [api_of(place).post("/Tickets", [{"summary": f"{place}"}]).json()["id"] for _ in range(5)]
        for number in numbers:
            assert api_of(place).post("/Tickets", [{"id": number, "details": "d"}]).status_code == 201
            assert number in api_of(place).ids(count=500)
        return numbers

    clients = [Client(halo).log_in() for _ in range(6)]
    api_of = clients.__getitem__
    with ThreadPoolExecutor(6) as pool:
        numbers = [number for made in pool.map(work, range(6)) for number in made]
    assert len(set(numbers)) == 30 and len(halo.tickets) == 36
    moments = [ticket["last_update"] for ticket in halo.tickets.values()]
    assert len(set(moments)) == 36


def test_ten_megabytes_survive(api):
    text = "x" * 10_000_000
    assert api.post("/Tickets", [{"summary": "big", "details": text}]).json()["details"] == text


def test_tags_site_user_and_parent(halo, api):
    body = api.post("/Tickets", [{"summary": "S", "site_id": 20, "tags": [{"text": "a"}], "parent_id": 2101}]).json()
    assert (body["client_id"], body["client_name"], body["parent_id"]) == (13, "Harbour Logistics", 2101)
    assert body["tags"] == [{"id": 0, "text": "a"}]
    moved = api.post("/Tickets", [{"id": body["id"], "user_id": 52}]).json()
    assert (moved["client_id"], moved["user_name"]) == (12, "Alice Brandt")
    assert api.post("/Tickets", [{"summary": "S", "parent_id": 999}]).status_code == 400


def test_forced_dates_must_be_dates(halo):
    with pytest.raises(ValueError):
        halo.log_ticket(last_update="yesterday")


def test_a_custom_field_may_be_mandatory(halo, api):
    halo.mandatory_fields[1] = {"CFRiskScore"}
    given = {"summary": "x", "tickettype_id": 1}
    assert api.post("/Tickets", [given]).json() == "Cfriskscore was required"
    assert api.post("/Tickets", [{**given, "customfields": [{"name": "CFRiskScore", "value": "7"}]}]).status_code == 201


def test_what_an_update_may_not_change_is_ignored_where_the_setting_says_so(halo, api):
    halo.ignored_in_updates = {"summary", "CFRiskScore"}
    custom = [{"name": "CFRiskScore", "value": 1}, {"id": 202, "value": "a"}]
    body = api.post("/Tickets", [{"id": 2102, "summary": "S", "priority_id": 1, "customfields": custom}]).json()
    assert body["summary"].startswith("Suspicious") and body["priority_id"] == 1
    assert [field["id"] for field in body["customfields"]] == [202]
    halo.change_ticket(2102, summary="S")
    assert halo.tickets[2102]["summary"] == "S"


def test_an_unknown_id_is_refused_or_ignored(halo, api):
    assert api.post("/Tickets", [{"id": 2102, "status_id": 4711}]).status_code == 400
    halo.ignores_unknown_ids = True
    body = api.post("/Tickets", [{"id": 2102, "status_id": 4711, "priority_id": 1}])
    assert body.status_code == 201 and (body.json()["status_id"], body.json()["priority_id"]) == (2, 1)
