"""Defects of group A: requests that do the wrong thing. What arrives at HaloITSM is read in the emulator's own log."""

import re

import pytest
from steps import connected, connection_to, new_halo, run_action

from komand_haloitsm.util.api import HaloITSMAPI
from komand_haloitsm.util.insightconnect.errors import HaloITSMError

EVERYTHING = {
    "summary": "Beaconing from nwc-app-02",
    "details": "Seen twice.",
    "tickettype_id": 21,
    "priority_id": 2,
    "status_id": 2,
    "category_id": 31,
    "agent_id": 5,
    "team_id": 2,
    "site_id": 19,
    "user_id": 53,
    "client_id": 12,
    "parent_id": 2103,
    "customfields": [{"name": "CFRiskScore", "value": 0}],
}
SENT = {
    "summary": "Beaconing from nwc-app-02",
    "details": "Seen twice.",
    "tickettype_id": 21,
    "priority_id": 2,
    "status_id": 2,
    "category_1": "Security>Malware",
    "agent_id": 5,
    "team": "Security Operations",
    "site_id": 19,
    "user_id": 53,
    "client_id": 12,
    "parent_id": 2103,
    "customfields": [{"name": "CFRiskScore", "value": 0}],
}


def posts(halo, path="/api/Tickets"):
    return [request.body for request in halo.requests if request.method == "POST" and request.path == path]


def only_post(halo, path="/api/Tickets"):
    (body,) = posts(halo, path)
    (item,) = body
    return item


def test_optional_fields_travel_under_halos_own_names(halo, run):
    ticket = run("create_ticket", **EVERYTHING)["ticket"]
    sent = only_post(halo)
    # Whether rules are to run is said expressly; nothing else goes along.
    assert re.fullmatch("ic-[0-9a-f]{32}", sent.pop("third_party_id_string"))
    assert sent.pop("dont_do_rules") is False and sent == SENT
    stored = halo.tickets[ticket["id"]]
    for name in ("priority_id", "status_id", "agent_id", "team", "site_id", "user_id", "client_id", "parent_id"):
        assert stored[name] == SENT[name], name
    assert (stored["category_1"], stored["customfields"][0]["value"]) == ("Security>Malware", 0)


def test_updated_fields_travel_under_halos_own_names_and_no_others(halo, run):
    run("update_ticket", ticket_id=2102, priority_id=1, agent_id=5, status_id=3, summary="S", details="D")
    sent = only_post(halo)
    assert sent == {"id": 2102, "priority_id": 1, "agent_id": 5, "status_id": 3, "summary": "S", "details": "D"}


def test_comments_are_actions_with_an_outcome(halo, run):
    output = run("add_comment", ticket_id=2102, comment="Mailbox searched, two more recipients found.")
    sent = only_post(halo, "/api/Actions")
    assert (sent["ticket_id"], sent["outcome"], sent["hiddenfromuser"]) == (2102, "Public Note", False)
    stored = halo.actions[2102][-1]
    assert (stored["id"], stored["note"]) == (output["comment_id"], "Mailbox searched, two more recipients found.")


def test_private_comments_are_hidden_from_the_user(halo, run):
    run("add_comment", ticket_id=2102, comment="For agents.", is_private=True)
    stored = halo.actions[2102][-1]
    assert (stored["outcome"], stored["hiddenfromuser"]) == ("Private Note", True)


def test_outcomes_of_the_connection_are_used_and_refusals_name_those_there_are(halo):
    halo.outcomes = {"Analyst Note", "Customer Reply"}
    params = connection_to(halo, public_note_outcome="Customer Reply", private_note_outcome="Analyst Note")
    run_action(connected(params), "add_comment", ticket_id=2102, comment="A", is_private=True)
    assert halo.actions[2102][-1]["outcome"] == "Analyst Note"
    with pytest.raises(HaloITSMError) as refused:
        run_action(connected(connection_to(halo)), "add_comment", ticket_id=2102, comment="B")
    assert "Public Note" in refused.value.cause
    assert all(word in refused.value.assistance for word in ("Analyst Note", "Customer Reply", "connection"))


def test_comments_show_letter_for_letter_with_their_line_breaks(halo, run):
    text = 'First <b>line</b> & "quotes"\nsecond\r\nthird: 1 < 2 \U0001f600'
    run("add_comment", ticket_id=2102, comment=text)
    assert halo.actions[2102][-1]["note"] == text.replace("\r\n", "\n")
    assert "<b>" not in halo.actions[2102][-1]["note_html"]


@pytest.mark.parametrize("notify", [True, False])
def test_notify_travels_as_whether_rules_are_to_run(halo, run, notify):
    run("assign_ticket", ticket_id=2102, agent_id=5, notify=notify)
    assert only_post(halo) == {"id": 2102, "agent_id": 5, "dont_do_rules": not notify}


def test_teams_are_assigned_by_name(halo, run):
    ticket = run("assign_ticket", ticket_id=2102, team_id=3)["ticket"]
    sent = only_post(halo)
    assert sent["team"] == "Infrastructure" and "team_id" not in sent and "agent_id" not in sent
    assert (halo.tickets[2102]["team"], ticket["team_id"]) == ("Infrastructure", 3)


def test_agent_and_team_are_assigned_by_one_request(halo, run):
    ticket = run("assign_ticket", ticket_id=2102, agent_id=4, team_id=3)["ticket"]
    assert len(posts(halo)) == 1
    assert (ticket["agent_id"], ticket["agent_name"], ticket["team_name"]) == (4, "Priya Raman", "Infrastructure")


def test_closing_leaves_the_details_alone(halo, run):
    before = halo.tickets[2102]["details"]
    output = run("close_ticket", ticket_id=2102, resolution="Sender blocked.")
    assert output["ticket"]["closed"] is True and halo.tickets[2102]["details"] == before
    assert set(only_post(halo)) == {"id", "status_id", "closure_note"}
    assert [action["note"] for action in halo.actions[2102]].count("Sender blocked.") == 1


def test_a_resolution_that_halo_did_not_keep_becomes_a_note(halo, run):
    halo.keeps_closure_note = False
    run("close_ticket", ticket_id=2102, resolution="Sender blocked.")
    assert [action["note"] for action in halo.actions[2102]].count("Sender blocked.") == 1
    assert halo.tickets[2102]["status_id"] == 9


def test_a_resolution_that_halo_did_not_keep_is_not_taken_for_an_older_note_that_contains_it(halo, run):
    halo.keeps_closure_note = False
    halo.add_note(2102, "This is not resolved yet, waiting for the mail team.")
    run("close_ticket", ticket_id=2102, resolution="Resolved")
    assert [action["note"] for action in halo.actions[2102]].count("Resolved") == 1


def add_status(halo, number, name, closes):
    halo.lists.statuses.append({"id": number, "name": name, "shortname": name, "type": 0, "sequence": number})
    if closes:
        halo.lists.closed_statuses.add(number)


def test_the_closed_status_is_the_instances_own(halo, run):
    halo.lists.closed_statuses.clear()
    add_status(halo, 77, "Beendet", closes=True)
    ticket = run("close_ticket", ticket_id=2102)["ticket"]
    assert (ticket["status_id"], ticket["status_name"], ticket["closed"]) == (77, "Beendet", True)


def test_of_several_closed_statuses_the_one_named_closed_is_taken(halo, run):
    add_status(halo, 78, "Cancelled", closes=True)
    assert run("close_ticket", ticket_id=2102)["ticket"]["status_id"] == 9


def test_an_unclear_closed_status_is_an_error_that_lists_them(halo, run):
    halo.lists.closed_statuses.clear()
    add_status(halo, 78, "Cancelled", closes=True)
    add_status(halo, 79, "Done", closes=True)
    with pytest.raises(HaloITSMError) as refused:
        run("close_ticket", ticket_id=2102)
    assert "78 Cancelled" in refused.value.assistance and "79 Done" in refused.value.assistance
    assert posts(halo) == []


def test_a_status_that_does_not_close_is_refused(halo, run):
    with pytest.raises(HaloITSMError) as refused:
        run("close_ticket", ticket_id=2102, closed_status_id=3)
    assert "9 Closed" in refused.value.assistance and posts(halo) == []


def test_a_status_given_works_without_the_right_to_read_statuses(halo, run):
    halo.denied = {("GET", "status")}
    assert run("close_ticket", ticket_id=2102, closed_status_id=9)["ticket"]["closed"] is True
    with pytest.raises(HaloITSMError, match="(?i)permission|scope|right"):
        run("close_ticket", ticket_id=2103)


def test_closing_a_closed_ticket_succeeds(halo, run):
    assert run("close_ticket", ticket_id=2106)["ticket"]["closed"] is True


def test_halos_refusal_to_close_an_unassigned_ticket_says_what_to_do(halo, run):
    with pytest.raises(HaloITSMError) as refused:
        run("close_ticket", ticket_id=2101)
    assert "Please assign this Ticket" in refused.value.data and "ssign" in refused.value.assistance
    assert halo.tickets[2101]["status_id"] == 1


@pytest.mark.parametrize(
    "number, field, value", [(32, "category_1", "Security>Phishing"), (42, "category_2", "Detected by>User")]
)
def test_categories_travel_in_their_own_category_field(halo, run, number, field, value):
    run("create_ticket", summary="S", details="D", tickettype_id=1, category_id=number)
    sent = only_post(halo)
    assert sent[field] == value and not {"category_id", "actioncode"} & set(sent)


@pytest.mark.parametrize("name, known", [("team_id", "2 Security Operations"), ("category_id", "32 Security>Phishing")])
def test_unknown_teams_and_categories_are_refused_before_anything_is_sent(halo, run, name, known):
    with pytest.raises(HaloITSMError) as refused:
        run("create_ticket", summary="S", details="D", tickettype_id=1, **{name: 4711})
    assert "4711" in refused.value.cause and known in refused.value.assistance
    assert posts(halo) == []


def test_no_status_is_forced_when_none_is_given(halo, run):
    run("create_ticket", summary="S", details="D", tickettype_id=1)
    assert not {"status_id", "priority_id", "agent_id", "team"} & set(only_post(halo))


def test_optional_inputs_that_are_empty_count_as_not_given(halo, run):
    empty = {
        "status_id": 0,
        "team_id": 0,
        "category_id": 0,
        "parent_id": 0,
        "external_reference": "",
        "customfields": [],
    }
    run("create_ticket", summary="S", details="D", tickettype_id=1, **empty)
    assert set(only_post(halo)) == {"summary", "details", "tickettype_id", "dont_do_rules", "third_party_id_string"}


def test_unset_fields_are_not_reset_by_an_update(halo, run):
    before = dict(halo.tickets[2103])
    run("update_ticket", ticket_id=2103, summary="", details="", status_id=0, agent_id=0, priority_id=4)
    assert only_post(halo) == {"id": 2103, "priority_id": 4}
    after = halo.tickets[2103]
    assert {name for name in after if after[name] != before.get(name)} <= {
        "priority_id",
        "last_update",
        "lastactiondate",
    }


@pytest.mark.parametrize("value", [0, "", False, None, "text"])
def test_legitimate_zeros_and_empties_of_custom_fields_arrive(halo, run, value):
    run("update_ticket", ticket_id=2103, customfields=[{"name": "CFInsightReference", "value": value}])
    assert only_post(halo)["customfields"] == [{"name": "CFInsightReference", "value": value}]


def test_client_site_user_and_parent_are_sent(halo, run):
    ticket = run(
        "create_ticket", summary="Child", details="D", tickettype_id=1, parent_id=2103, client_id=13, site_id=20
    )
    assert (ticket["ticket"]["parent_id"], ticket["ticket"]["client_name"]) == (2103, "Harbour Logistics")
    assert ticket["ticket"]["site_id"] == 20 and halo.tickets[ticket["ticket"]["id"]]["parent_id"] == 2103


def test_ticket_links_are_built_from_the_resource_server(halo, run):
    link = f"{halo.url}/ticket?id=2102"
    for output in (
        run("get_ticket", ticket_id=2102),
        run("update_ticket", ticket_id=2102, priority_id=1),
        run("assign_ticket", ticket_id=2102, agent_id=5),
        run("close_ticket", ticket_id=2102),
    ):
        assert output["ticket"]["url"] == link


@pytest.mark.parametrize(
    "resource_server, link",
    [
        ("https://api.example.com/api", "https://api.example.com/ticket?id=7"),
        ("https://example.com/apis/halo/api/", "https://example.com/apis/halo/ticket?id=7"),
        ("https://example.com:8443", "https://example.com:8443/ticket?id=7"),
    ],
)
def test_links_keep_hosts_and_paths_that_hold_the_word_api(resource_server, link):
    client = HaloITSMAPI(client_id="a", client_secret="b", auth_server=resource_server, resource_server=resource_server)
    assert client.ticket_url(7) == link


def token_requests(halo):
    return [request for request in halo.requests if request.path == "/auth/token"]


def test_the_tenant_travels_in_the_query_of_the_token_address():
    halo = new_halo(tenant="northwind clinics")
    try:
        assert connected(connection_to(halo, tenant=" northwind clinics ")).test() == {"success": True}
        (request,) = token_requests(halo)
        assert request.query == {"tenant": "northwind clinics"} and "tenant" not in request.body
    finally:
        halo.stop()


def test_without_a_tenant_none_is_sent(halo, connection):
    connection.test()
    (request,) = token_requests(halo)
    assert request.query == {}


@pytest.mark.parametrize("given, sent", [(None, "all"), ("read:tickets  edit:tickets", "read:tickets edit:tickets")])
def test_the_scope_is_that_of_the_connection(halo, given, sent):
    connected(connection_to(halo, scope=given)).test()
    (request,) = token_requests(halo)
    assert request.body["scope"] == sent
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"


AUTH_SLIPS = [
    "{url}",
    "{url}/",
    " {url}/auth ",
    "{url}/auth/",
    "{url}/auth/token",
    "{url}//auth//auth/token/",
    "{url}/AUTH",
]
API_SLIPS = ["{url}", "{url}/", "\t{url}/api\n", "{url}/api/", "{url}/api/api", "{url}//api//", "{url}/API/"]


@pytest.mark.parametrize("auth, api", list(zip(AUTH_SLIPS, API_SLIPS, strict=True)))
def test_slips_in_the_addresses_are_put_right(halo, auth, api):
    params = connection_to(
        halo, authorization_server=auth.format(url=halo.url), resource_server=api.format(url=halo.url)
    )
    assert connected(params).test() == {"success": True}
    assert [request.path for request in halo.requests] == ["/auth/token", "/api/Tickets", "/api/Outcome"]


BAD_ADDRESSES = [
    "",
    "example",
    "example.haloitsm.com/api",
    "ftp://example.com/api",
    "https://",
    "http://example.com/api",
]


@pytest.mark.parametrize("field", ["authorization_server", "resource_server"])
@pytest.mark.parametrize("address", BAD_ADDRESSES + ["https://exa mple.com", "https://u:p@example.com/api", None, 5])
def test_what_is_no_address_is_a_clear_connection_error(halo, field, address):
    with pytest.raises(HaloITSMError) as refused:
        connected(connection_to(halo, **{field: address}))
    name = {"authorization_server": "Authorization Server", "resource_server": "Resource Server"}[field]
    assert name in refused.value.cause and "https://example.haloitsm.com/" in refused.value.assistance
    assert halo.requests == []


def test_neither_agent_nor_team_is_an_error(halo, run):
    with pytest.raises(HaloITSMError, match="Agent ID or Team ID"):
        run("assign_ticket", ticket_id=2102, agent_id=0)
    assert posts(halo) == []


def test_no_change_is_an_error(halo, run):
    with pytest.raises(HaloITSMError, match="nothing to change"):
        run("update_ticket", ticket_id=2102)
    assert posts(halo) == []


def test_an_agent_of_few_rights_updates_with_the_tickets_own_type_and_client(halo, run):
    halo.update_needs_type_and_client = True
    assert run("update_ticket", ticket_id=2105, priority_id=1)["ticket"]["priority_id"] == 1
    first, second = (body[0] for body in posts(halo))
    assert first == {"id": 2105, "priority_id": 1}
    assert second == {"id": 2105, "priority_id": 1, "tickettype_id": 1, "client_id": 13}


def test_answers_in_a_list_of_one_are_understood(halo, run):
    halo.answers_with_list = True
    assert run("create_ticket", summary="S", details="D", tickettype_id=1)["ticket"]["summary"] == "S"
    assert run("add_comment", ticket_id=2102, comment="C")["comment_id"] == halo.actions[2102][-1]["id"]
    assert run("close_ticket", ticket_id=2102)["ticket"]["closed"] is True


def test_requests_carry_the_plugins_name_and_version(halo, run):
    run("get_ticket", ticket_id=2102)
    names = {request.headers["User-Agent"] for request in halo.requests}
    assert len(names) == 1 and re.fullmatch(r"HaloITSM-InsightConnect/\d+\.\d+\.\d+", names.pop())
