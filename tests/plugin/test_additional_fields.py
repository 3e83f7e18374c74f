"""Fields by Halo's own names, and the further named inputs of Update Ticket, through the plugin's real entry point."""

import pytest
from steps import told

NEW = {"summary": "Beaconing from nwc-app-02", "details": "Seen twice.", "tickettype_id": 1}


def test_additional_fields_are_passed_through(halo, step):
    created = step("create_ticket", **NEW, additional_fields={"impact": 2, "urgency": 1, "tags": [{"text": "soc"}]})
    ticket = halo.tickets[created.output["ticket"]["id"]]
    assert (ticket["impact"], ticket["urgency"], ticket["tags"]) == (2, 1, [{"id": 0, "text": "soc"}])
    updated = step("update_ticket", ticket_id=2102, additional_fields={"impact": 3})
    assert halo.tickets[2102]["impact"] == 3
    assert "differing_fields" not in created.output and "differing_fields" not in updated.output


@pytest.mark.parametrize("action, given", [("create_ticket", NEW), ("update_ticket", {"ticket_id": 2102})])
def test_a_name_that_halo_does_not_know_is_told(halo, step, action, given):
    output = step(action, **given, additional_fields={"impactt": 3, "dont_do_rules": True, "_novalidate": True}).output
    assert output["differing_fields"] == ["impactt"]


def test_a_value_that_halo_did_not_take_in_an_update_is_an_error(halo, step):
    step("update_ticket", ticket_id=2102, additional_fields={"impact": 1})
    halo.ignored_in_updates = {"impact"}
    assert "impact" in told(step("update_ticket", ticket_id=2102, additional_fields={"impact": 3}))


CONTRADICTIONS = [
    ({"status_id": 2}, {"status_id": 3}, "Status ID"),
    ({"team_id": 2}, {"team": "Infrastructure"}, "Team ID"),
    ({"team_id": 2}, {"Team": "Infrastructure"}, "Team ID"),
    ({"category_id": 31}, {"category_1": "Hardware>Laptop"}, "Category ID"),
    ({"details": "Text"}, {"details_html": "<b>Text</b>"}, "Details"),
    ({"summary": "One"}, {"summary": "Another"}, "Summary"),
    ({"customfields": [{"name": "CFRiskScore", "value": 1}]}, {"customfields": []}, "Custom Fields"),
    ({}, {"id": 2103}, "another ticket"),
    ({}, {"ID": 2103}, "another ticket"),
    ({}, {"third_party_id_string": "x"}, "External Reference"),
    ({}, {"attachments": []}, "Attachments"),
    ({}, {"no such-name": 1}, "name"),
]


@pytest.mark.parametrize("named, additional, word", CONTRADICTIONS)
@pytest.mark.parametrize("action, whole", [("create_ticket", NEW), ("update_ticket", {"ticket_id": 2102})])
def test_what_contradicts_a_named_input_is_refused(halo, step, action, whole, named, additional, word):
    error = told(step(action, **{**whole, **named}, additional_fields=additional))
    assert "Additional Fields" in error and word in error
    assert halo.requests == []


def test_the_same_value_is_no_contradiction(halo, step):
    assert step("update_ticket", ticket_id=2102, status_id=3, additional_fields={"status_id": 3}).succeeded


def test_an_update_changes_team_category_user_site_client_and_type(halo, step):
    given = {"team_id": 3, "category_id": 31, "client_id": 12, "site_id": 19, "user_id": 53, "tickettype_id": 2}
    ticket = step("update_ticket", ticket_id=2102, **given).output["ticket"]
    assert {name: ticket[name] for name in given} == given
    stored = halo.tickets[2102]
    assert (stored["team"], stored["category_1"], stored["user_id"]) == ("Infrastructure", "Security>Malware", 53)


def test_an_update_takes_a_category_of_level_2(halo, step):
    ticket = step("update_ticket", ticket_id=2102, category_id=41).output["ticket"]
    assert {"level": 2, "id": 41, "name": "Detected by>Scanner"} in ticket["categories"]
    assert halo.tickets[2102]["category_2"] == "Detected by>Scanner"
