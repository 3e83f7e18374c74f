"""What HaloITSM did not do is said, by the names that the form has, through the plugin's real entry point."""

import pytest
from steps import told

NEW = {"summary": "Beaconing from nwc-app-02", "details": "Seen twice.", "tickettype_id": 1}


def newest(halo):
    return max(halo.tickets)


@pytest.mark.parametrize("field, name", [({"name": "CFNoSuchField"}, "CFNoSuchField"), ({"id": 4711}, "4711")])
def test_a_custom_field_that_a_create_dropped_is_an_error_that_names_it_and_the_ticket(halo, step, field, name):
    fields = [{"name": "CFRiskScore", "value": "7"}, {**field, "value": "x"}]
    error = told(step("create_ticket", **NEW, customfields=fields))
    made = newest(halo)
    assert halo.tickets[made]["summary"] == NEW["summary"]
    assert name in error and f"Ticket {made} was created" in error and "CFRiskScore" not in error
    assert "Update Ticket" in error and "External Reference" in error


def test_a_create_with_a_reference_that_is_run_again_finds_the_ticket(halo, step):
    given = {**NEW, "external_reference": "case-1", "customfields": [{"name": "CFNoSuchField", "value": "x"}]}
    told(step("create_ticket", **given))
    again = step("create_ticket", **given)
    assert (again.output["created"], again.output["ticket"]["id"]) == (False, newest(halo))


@pytest.mark.parametrize("field, name", [({"name": "CFNoSuchField"}, "CFNoSuchField"), ({"id": 4711}, "4711")])
def test_a_custom_field_that_an_update_dropped_is_an_error_that_names_it(halo, step, field, name):
    error = told(step("update_ticket", ticket_id=2102, priority_id=1, customfields=[{**field, "value": "x"}]))
    assert name in error and "2102" in error and "custom field" in error
    assert halo.tickets[2102]["priority_id"] == 1


UNCHANGED = [
    ("summary", {"summary": "Another title"}, "Summary"),
    ("details", {"details": "Another text"}, "Details"),
    ("agent_id", {"agent_id": 5}, "Agent ID"),
    ("user_id", {"user_id": 54}, "User ID"),
    ("site_id", {"site_id": 20}, "Site ID"),
    ("client_id", {"client_id": 13}, "Client ID"),
    ("category_1", {"category_id": 31}, "Category ID"),
    ("CFRiskScore", {"customfields": [{"name": "CFRiskScore", "value": "7"}]}, "CFRiskScore"),
]


@pytest.mark.parametrize("ignored, given, name", UNCHANGED, ids=[name for name, _, _ in UNCHANGED])
def test_a_field_that_an_update_left_as_it_was_is_an_error_that_names_it(halo, step, ignored, given, name):
    halo.ignored_in_updates = {ignored}
    error = told(step("update_ticket", ticket_id=2102, **given))
    assert name in error and "2102" in error and "accepted the change" in error


def test_a_custom_text_that_an_update_left_as_it_was_is_an_error(halo, step):
    halo.ignored_in_updates = {"CFInsightReference"}
    given = [{"name": "CFInsightReference", "value": "IVM-2"}]
    assert '"CFInsightReference"' in told(step("update_ticket", ticket_id=2103, customfields=given))


RULES = [
    ({"status_id": 28}, {"status_id": 2}, "status_id"),
    ({"priority_id": 1}, {"priority_id": 2}, "priority_id"),
    ({"team": "Infrastructure"}, {"team_id": 2}, "team_id"),
    ({"tickettype_id": 2}, {}, "tickettype_id"),
]


@pytest.mark.parametrize("changes, given, name", RULES, ids=[name for _, _, name in RULES])
def test_what_a_rule_changes_in_a_create_is_told_and_no_error(halo, step, changes, given, name):
    halo.rules = [lambda ticket: changes]
    assert step("create_ticket", **NEW, **given).output["differing_fields"] == [name]


@pytest.mark.parametrize("name, value", [("status_id", 28), ("priority_id", 1), ("team_id", 3), ("tickettype_id", 2)])
def test_what_may_be_a_rules_doing_in_an_update_is_told_and_no_error(halo, step, name, value):
    halo.ignored_in_updates = {"status_id", "priority_id", "team", "tickettype_id"}
    assert step("update_ticket", ticket_id=2102, **{name: value}).output["differing_fields"] == [name]


def test_nothing_is_told_where_all_is_as_asked_for(halo, step):
    given = {"status_id": 2, "priority_id": 1, "team_id": 3, "agent_id": 5, "category_id": 31, "user_id": 52}
    custom = [{"name": "CFRiskScore", "value": 7}, {"id": 201, "value": "IVM-2"}]
    for output in (
        step("create_ticket", **NEW, **given, customfields=custom).output,
        step(
            "update_ticket", ticket_id=2102, summary="A\nnew title", details="New", **given, customfields=custom
        ).output,
    ):
        assert "differing_fields" not in output


@pytest.mark.parametrize("blank", [" ", "\t\n"])
def test_a_blank_summary_in_an_update_is_refused(halo, step, blank):
    error = told(step("update_ticket", ticket_id=2102, summary=blank, priority_id=1))
    assert "Summary" in error and "blank" in error
    assert halo.requests == [] and halo.tickets[2102]["summary"].startswith("Suspicious")


EXIST = {
    "tickettype_id": "1 Incident, 2 Service Request, 21 Vulnerability",
    "status_id": "1 New, 2 In Progress, 3 Action Required",
    "priority_id": "1 Critical, 2 High, 3 Medium, 4 Low.",
    "agent_id": "3 Marcus Okafor, 4 Priya Raman",
    "team_id": "1 Service Desk, 2 Security Operations",
    "category_id": "31 Security>Malware",
}


@pytest.mark.parametrize("ignores", [False, True], ids=["refused", "ignored"])
@pytest.mark.parametrize("name", EXIST)
@pytest.mark.parametrize("action", ["create_ticket", "update_ticket"])
def test_an_unknown_id_answers_with_the_ids_and_names_that_exist(halo, step, action, name, ignores):
    halo.ignores_unknown_ids = ignores
    given = {**NEW, name: 4711} if action == "create_ticket" else {"ticket_id": 2102, name: 4711}
    if (action, name, ignores) == ("create_ticket", "agent_id", True):
        # Who is assigned is not known to be refused in a create: it is told.
        assert step(action, **given).output["differing_fields"] == ["agent_id"]
        return
    error = told(step(action, **given))
    assert "4711" in error and EXIST[name] in error


def test_an_unknown_agent_to_assign_to_answers_with_those_that_exist(halo, step):
    for halo.ignores_unknown_ids in (False, True):
        error = told(step("assign_ticket", ticket_id=2102, agent_id=4711))
        assert "4711" in error and EXIST["agent_id"] in error


def test_ids_are_not_looked_up_where_nothing_was_refused(halo, step):
    step("update_ticket", ticket_id=2102, priority_id=1).output
    assert not [request for request in halo.requests if request.path == "/api/TicketType"]


def test_an_unknown_outcome_answers_with_the_ids_and_names_that_exist(halo, plugin_server, connection_params):
    halo.outcomes = {"Public Note", "Private Note"}
    params = {**connection_params, "public_note_outcome": "Nothing such"}
    error = told(plugin_server.run("add_comment", {"ticket_id": 2102, "comment": "C"}, params))
    assert "3 Public Note, 7 Private Note" in error and "Nothing such" in error


def test_errors_name_inputs_as_the_form_shows_them(halo, step):
    assert "Ticket Type ID" in told(step("create_ticket", **{**NEW, "tickettype_id": -1}))
    assert "Custom Fields" in told(step("create_ticket", **NEW, customfields=[{}]))
    assert "Agent ID or Team ID" in told(step("assign_ticket", ticket_id=2102))
    assert "Created After" in told(step("search_tickets", created_after="yesterday"))
    failed = step("create_ticket", **{**NEW, "tickettype_id": "one"})
    assert "Ticket Type ID must be of type integer" in failed.body["error"]


def test_a_category_of_level_2_comes_back(halo, step):
    ticket = step("create_ticket", **NEW, category_id=41).output["ticket"]
    assert (ticket["category_id"], ticket["category"]) == (41, "Detected by>Scanner")
    assert ticket["categories"] == [{"level": 2, "id": 41, "name": "Detected by>Scanner"}]
    both = step("get_ticket", ticket_id=2102).output["ticket"]
    assert (both["category_id"], both["category"]) == (32, "Security>Phishing")
    assert both["categories"] == [
        {"level": 1, "id": 32, "name": "Security>Phishing"},
        {"level": 2, "id": 42, "name": "Detected by>User"},
    ]
    one = step("get_ticket", ticket_id=2101).output["ticket"]
    assert one["category_id"] == 33 and "categories" not in one


def test_agent_1_shows_as_unassigned(halo, step):
    ticket = step("get_ticket", ticket_id=2101).output["ticket"]
    assert (ticket["agent_id"], ticket["agent_name"]) == (1, "Unassigned")
    rows = {row["id"]: row for row in step("search_tickets").output["tickets"]}
    assert rows[2101]["agent_name"] == "Unassigned" and rows[2102]["agent_name"] == "Marcus Okafor"


def test_a_create_in_a_closed_status_does_not_advise_to_assign_a_ticket_that_does_not_exist(halo, step):
    before = set(halo.tickets)
    error = told(step("create_ticket", **NEW, status_id=9))
    assert set(halo.tickets) == before
    assert "Assign Ticket" not in error and "Agent ID" in error and "Status ID" in error
    assert "Assign Ticket" in told(step("close_ticket", ticket_id=2101))
