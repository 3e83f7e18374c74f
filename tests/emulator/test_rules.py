"""Rules of the instance: what they make of a new ticket and of a new action."""

import pytest

NEW = {"summary": "S", "details": "D"}
NOTE = {"ticket_id": 2102, "outcome_id": 7, "note": "x < y"}


def marked(ticket):
    return {"summary": "[SOC] " + ticket["summary"], "details": ticket["details"] + "\nby a rule"}


def test_a_rule_changes_a_new_ticket_before_the_answer(halo, api):
    halo.rules = [marked]
    ticket = api.post("/Tickets", [NEW]).json()
    assert (ticket["summary"], ticket["details"]) == ("[SOC] S", "D\nby a rule")
    assert ticket["details_html"] == "<p>D<br>by a rule</p>" and ticket["last_update"] > ticket["datecreated"]
    assert api.get(f"/Tickets/{ticket['id']}").json() == ticket
    rows = api.get("/Actions", ticket_id=ticket["id"]).json()["actions"]
    assert [row["outcome"] for row in rows] == ["Rule Applied", "Rule Applied", "First User Email"]
    assert (rows[0]["who_type"], rows[0]["who_agentid"]) == (0, 0) and rows[0]["datetime"] > ticket["last_update"]


def test_rules_see_what_the_earlier_ones_did(halo, api):
    seen = []
    halo.rules = [marked, lambda ticket: seen.append(ticket["summary"]) or {}, lambda ticket: {"status_id": 9}]
    ticket = api.post("/Tickets", [NEW]).json()
    assert seen == ["[SOC] S"] and ticket["status_id"] == 9 and "dateclosed" in ticket
    assert [row["outcome"] for row in halo.actions[ticket["id"]]][1:] == ["Rule Applied"] * 3
    assert halo.actions[ticket["id"]][-1]["new_status"] == 9


def test_a_rule_writes_what_a_client_could(halo, api):
    given = {"agent_id": 5, "team": "infrastructure", "user_id": 53, "third_party_id_string": ""}
    halo.rules = [lambda ticket: {**given, "customfields": [{"name": "CFRiskScore", "value": 7}]}]
    ticket = api.post("/Tickets", [{**NEW, "third_party_id_string": "mine"}]).json()
    assert (ticket["agent_id"], ticket["team_id"], ticket["user_name"]) == (5, 3, "Samir Haddad")
    assert ticket["third_party_id_string"] == "" and ticket["customfields"][0]["value"] == 7


@pytest.mark.parametrize("asked, summary", [(True, "S"), (False, "[SOC] S")])
def test_a_client_may_ask_for_no_rules(halo, api, asked, summary):
    halo.rules = [marked]
    assert api.post("/Tickets", [{**NEW, "dont_do_rules": asked}]).json()["summary"] == summary


def test_rules_are_for_tickets_that_the_api_creates(halo, api):
    halo.rules = [marked]
    assert api.post("/Tickets", [{"id": 2101, "summary": "S"}]).json()["summary"] == "S"
    assert halo.log_ticket(summary="S")["summary"] == halo.mail_in("S", "D")["summary"] == "S"


def test_what_a_rule_does_to_its_argument_does_not_count(halo, api):
    def careless(ticket):
        ticket["tags"].append({"id": 0, "text": "x"})
        ticket["summary"] = "other"
        return {}

    halo.rules = [careless]
    ticket = api.post("/Tickets", [NEW]).json()
    assert (ticket["summary"], ticket["tags"]) == ("S", []) and ticket["last_update"] == ticket["datecreated"]


def test_note_rules_change_a_new_action(halo, api):
    halo.note_rules = [lambda action: {"note": action["note"] + "\n-- us", "hiddenfromuser": True}]
    action = api.post("/Actions", [NOTE]).json()
    assert (action["note"], action["note_html"]) == ("x < y\n-- us", "<p>x &lt; y<br>-- us</p>")
    assert action["hiddenfromuser"] is True and action["id"] == 3
    assert api.get("/Actions/3", ticket_id=2102).json() == action
    assert api.post("/Actions", [{**NOTE, "dont_do_rules": True}]).json()["note"] == "x < y"
    assert halo.add_note(2102, "screen")["note"] == "screen"


def test_note_rules_for_the_html(halo, api):
    halo.note_rules = [lambda action: {"note_html": action["note_html"] + "<p>us</p>"}]
    action = api.post("/Actions", [NOTE]).json()
    assert (action["note"], action["note_html"]) == ("x < y\nus", "<p>x &lt; y</p><p>us</p>")
    halo.note_rules = [
        lambda action: {"note": "t", "note_html": "h"},
        lambda action: {"important": action["ticket_id"]},
    ]
    action = api.post("/Actions", [NOTE]).json()
    assert (action["note"], action["note_html"], action["important"]) == ("t", "h", 2102)
