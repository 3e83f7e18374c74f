"""Defects of group D, and 34 and 38: outputs and inputs against their schemas, whatever shape Halo's answers have."""

import pytest
import responses
from steps import ACTIONS, checked, connected, connection_to, new_halo, run_action

from komand_haloitsm.util.insightconnect.errors import HaloITSMError
from komand_haloitsm.util.insightconnect.titles import TITLES

HALO = "https://halo.example.com"
PARAMS = {
    "client_id": {"secretKey": "an-id"},
    "client_secret": {"secretKey": "a-secret"},
    "authorization_server": f"{HALO}/auth",
    "resource_server": f"{HALO}/api",
}
WHOLE_INPUTS = {
    "create_ticket": {
        "summary": "S",
        "details": "D",
        "tickettype_id": 1,
        "priority_id": 2,
        "status_id": 2,
        "category_id": 31,
        "agent_id": 5,
        "team_id": 2,
        "site_id": 18,
        "user_id": 52,
        "client_id": 12,
        "parent_id": 2103,
        "external_reference": "IVM-77",
        "customfields": [{"name": "CFRiskScore", "value": 3}],
        "additional_fields": {"impact": 2},
        "attachments": [{"filename": "a.txt", "content": "eA=="}],
    },
    "update_ticket": {
        "ticket_id": 2102,
        "summary": "S",
        "details": "D",
        "status_id": 3,
        "priority_id": 1,
        "agent_id": 4,
        "customfields": [{"id": 203, "value": 4}],
        "team_id": 3,
        "category_id": 31,
        "user_id": 52,
        "site_id": 18,
        "client_id": 12,
        "tickettype_id": 2,
        "additional_fields": {"impact": 2},
    },
    "close_ticket": {"ticket_id": 2102, "resolution": "R", "closed_status_id": 9},
    "get_ticket": {"ticket_id": 2102, "include_details": True, "include_comments": True},
    "search_tickets": {
        "summary_contains": "mail",
        "status_id": 2,
        "agent_id": 3,
        "team_id": 2,
        "priority_id": 2,
        "created_after": "2020-01-01T00:00:00Z",
        "created_before": "2090-01-01T00:00:00Z",
        "max_results": 5,
        "tickettype_id": 1,
        "client_id": 12,
        "user_id": 52,
        "open_only": True,
        "external_reference": "INV-1",
    },
    "add_comment": {
        "ticket_id": 2102,
        "comment": "C",
        "is_private": True,
        "attachments": [{"filename": "a.txt", "content": "eA=="}],
    },
    "assign_ticket": {"ticket_id": 2102, "agent_id": 4, "team_id": 3, "notify": True},
}


@pytest.fixture
def canned():
    """Answers that no emulator gives: lists are forbidden, a test adds the rest."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.post(f"{HALO}/auth/token", json={"access_token": "t0", "expires_in": 3600})
        for name in ("Status", "Priority", "Team", "Agent", "Category", "TicketType"):
            mock.get(f"{HALO}/api/{name}", status=403)
        yield mock


def read(canned, ticket):
    canned.get(f"{HALO}/api/Tickets/7", json=ticket)
    return run_action(connected(PARAMS), "get_ticket", ticket_id=7)["ticket"]


def test_absent_stays_absent(canned):
    assert read(canned, {"id": 7, "summary": "S"}) == {"id": 7, "summary": "S", "url": f"{HALO}/ticket?id=7"}


def test_nulls_and_blanks_are_absent_too(canned):
    fields = ACTIONS["get_ticket"]().output.schema["definitions"]["ticket"]["properties"]
    ticket = {**dict.fromkeys(fields), "team": "", "category_1": "", "priority": None, "id": 7, "summary": "S"}
    assert set(read(canned, ticket)) == {"id", "summary", "url"}


@pytest.mark.parametrize("value", [18, 18.0, "18", "18.0"])
def test_ids_become_integers(canned, value):
    names = ("status_id", "site_id", "agent_id", "priority_id", "tickettype_id", "client_id", "user_id", "parent_id")
    ticket = read(canned, {"id": 7, "team_id": value, **dict.fromkeys(names, value)})
    for name in (*names, "team_id"):
        assert ticket[name] == 18 and isinstance(ticket[name], int), name


@pytest.mark.parametrize("value", [0, -1, "", "none", 1.5, True, [], {}, float(10**30)])
def test_what_is_no_id_is_left_out_or_an_integer(canned, value):
    ticket = read(canned, {"id": 7, "parent_id": value})
    assert isinstance(ticket.get("parent_id", 1), int) and ticket.get("parent_id") not in (0, -1, True, 1.5)


DATES = [
    ("2024-08-12T15:54:54.2199844Z", "2024-08-12T15:54:54.219984Z"),
    ("2024-08-12T15:54:54.5", "2024-08-12T15:54:54.5Z"),
    ("2024-08-12T15:54:54", "2024-08-12T15:54:54Z"),
    ("2024-08-12T15:54:54+02:00", "2024-08-12T13:54:54Z"),
    ("2024-08-12", "2024-08-12T00:00:00Z"),
]


@pytest.mark.parametrize("given, told", DATES)
def test_dates_leave_as_utc_with_microseconds_at_most(canned, given, told):
    ticket = read(canned, {"id": 7, "dateoccurred": given, "datecreated": given, "last_update": given})
    assert {ticket[name] for name in ("dateoccurred", "datecreated", "datemodified")} == {told}


@pytest.mark.parametrize("sentinel", ["0001-01-01T00:00:00", "1899-12-30T00:00:00Z", "1900-01-01T00:00:00", "soon", 5])
def test_sentinel_dates_are_dropped(canned, sentinel):
    ticket = read(canned, {"id": 7, "dateoccurred": sentinel, "last_update": sentinel, "dateclosed": sentinel})
    assert set(ticket) == {"id", "url"}


@pytest.mark.parametrize("spelling", ["last_update", "lastupdate", "flastupdate"])
def test_last_update_is_known_by_its_older_spellings(canned, spelling):
    assert read(canned, {"id": 7, spelling: "2024-08-12T15:54:54Z"})["datemodified"] == "2024-08-12T15:54:54Z"


@pytest.mark.parametrize("given, shown", [({}, "Unassigned"), ({"agent_name": "Nobody"}, "Nobody")])
def test_unassigned_has_a_name(canned, given, shown):
    ticket = read(canned, {"id": 7, "agent_id": 1, **given})
    assert (ticket["agent_id"], ticket["agent_name"]) == (1, shown)


@pytest.mark.parametrize("shape", [[], {}, {"ticket": {"id": 7}}, [{"id": 7}, {"id": 8}], "text", 5, None, {"id": 0}])
def test_an_answer_of_unknown_shape_is_an_error(canned, shape):
    with pytest.raises(HaloITSMError) as unknown:
        read(canned, shape)
    assert unknown.value.cause and unknown.value.assistance


NAMES = {
    "status_name": "In Progress",
    "priority_name": "High",
    "agent_name": "Marcus Okafor",
    "team_name": "Security Operations",
    "team_id": 2,
    "category": "Security>Phishing",
    "category_id": 32,
    "client_name": "Northwind Clinics",
    "site_name": "Northwind Main",
    "user_name": "Alice Brandt",
    "closed": False,
}


def test_names_come_from_the_lists_where_halo_omits_them(run):
    ticket = run("get_ticket", ticket_id=2102)["ticket"]
    assert {name: ticket.get(name) for name in NAMES} == NAMES
    (row,) = run("search_tickets", summary_contains="Suspicious")["tickets"]
    assert {name: row.get(name) for name in NAMES} == NAMES


def test_a_row_of_the_list_says_the_same_as_the_ticket(run):
    whole = run("get_ticket", ticket_id=2103)["ticket"]
    (row,) = run("search_tickets", summary_contains="CVE-2021-44228")["tickets"]
    alone = {"customfields", "datecreated", "reference", "user_email", "tickettype_name"}
    assert row == {name: value for name, value in whole.items() if name not in alone}


def test_what_was_created_is_what_is_read(run):
    created = run("create_ticket", **WHOLE_INPUTS["create_ticket"])["ticket"]
    assert run("get_ticket", ticket_id=created["id"])["ticket"] == created


class Watched(dict):
    """Inputs that know which of them were looked at."""

    def __init__(self, given):
        super().__init__(given)
        self.seen = set()

    def get(self, name, default=None):
        self.seen.add(name)
        return super().get(name, default)

    def __getitem__(self, name):
        self.seen.add(name)
        return super().__getitem__(name)


@pytest.mark.parametrize("name", ACTIONS)
def test_every_input_of_the_schema_is_used(connection, name):
    action = ACTIONS[name]()
    assert set(WHOLE_INPUTS[name]) == set(action.input.schema["properties"])
    action.connection = connection
    given = Watched(WHOLE_INPUTS[name])
    checked(name, action.run(given))
    assert given.seen == set(action.input.schema["properties"])


@pytest.mark.parametrize("name", ACTIONS)
def test_a_missing_required_input_raises_before_anything_is_sent(halo, connection, name):
    action = ACTIONS[name]()
    action.connection = connection
    for missing in action.input.schema.get("required", []):
        for nothing in ({}, {missing: None}, {missing: ""}, {missing: 0}):
            given = {key: value for key, value in WHOLE_INPUTS[name].items() if key != missing}
            with pytest.raises(HaloITSMError, match=TITLES[missing]):
                action.run({**given, **nothing})
    assert halo.requests == []


def test_outputs_never_hold_halos_raw_ticket(run):
    """run() refuses undeclared fields; this makes sure that the emulator's answers have some."""
    raw = {"guid", "sla_id", "hasbeenclosed", "priority", "tickettype", "user"}
    assert raw.isdisjoint(run("get_ticket", ticket_id=2102)["ticket"])


@pytest.mark.parametrize("wrap", [lambda text: text, lambda text: {"secretKey": text}, lambda text: f" {text}\n"])
def test_credentials_may_be_plain_text_or_secret_keys(halo, wrap):
    params = connection_to(halo, client_id=wrap(halo.client_id), client_secret=wrap(halo.client_secret))
    assert connected(params).test() == {"success": True}


def test_a_secret_with_reserved_characters_arrives_unharmed():
    halo = new_halo(client_secret="a+b/c=d&e%f g\u00e9")
    try:
        assert connected(connection_to(halo)).test() == {"success": True}
    finally:
        halo.stop()


@pytest.mark.parametrize("name", sorted(set(ACTIONS) - {"search_tickets"}))
def test_sample_inputs_give_a_clean_error(halo, plugin_server, connection_params, name):
    """InsightConnect tests an action with inputs that are all 0 and empty."""
    zero = {"integer": 0, "string": "", "boolean": False, "array": [], "object": {}}
    fields = ACTIONS[name]().input.schema["properties"]
    given = {field: zero[declared["type"]] for field, declared in fields.items()}
    failed = plugin_server.run(name, given, connection_params)
    assert not failed.succeeded and "Traceback" not in failed.body["error"]
    if name in ("create_ticket", "add_comment"):
        # A required text that is empty the runtime refuses itself, in words (and with a status) of its own.
        assert "input" in failed.body["error"] and (
            "details" in failed.body["error"] or "comment" in failed.body["error"]
        )
    else:
        assert failed.code == 400 and failed.exception["cause"] and failed.exception["assistance"]
    assert halo.requests == [] and len(halo.tickets) == 6


def test_a_sample_search_finds_tickets(plugin_server, connection_params):
    given = {"summary_contains": "", "status_id": 0, "created_after": "", "created_before": "0001-01-01T00:00:00Z"}
    output = plugin_server.run("search_tickets", {**given, "max_results": 0}, connection_params).output
    assert checked("search_tickets", output)["count"] == 6
