"""Bad input through the entry point: a clear error, or a ticket that says what was given. Nothing in between."""

import math

import pytest
from steps import ACTIONS, checked, new_halo

from halo_emulator import Fault
from komand_haloitsm.util.insightconnect.titles import TITLES

NEW = {"summary": "Beaconing from nwc-app-02", "details": "Seen twice.", "tickettype_id": 1}
VALID = {
    "create_ticket": NEW,
    "update_ticket": {"ticket_id": 2102, "priority_id": 1},
    "close_ticket": {"ticket_id": 2102},
    "get_ticket": {"ticket_id": 2102},
    "search_tickets": {},
    "add_comment": {"ticket_id": 2102, "comment": "C"},
    "assign_ticket": {"ticket_id": 2102, "agent_id": 5},
}


@pytest.fixture(scope="module")
def shared_halo():
    """One HaloITSM for all these tests, because hardly any of them writes."""
    running = new_halo()
    yield running
    running.stop()


@pytest.fixture
def halo(shared_halo):
    shared_halo.clear_faults()
    shared_halo.forget_requests()
    return shared_halo


@pytest.fixture
def step(plugin_server, connection_params):
    """Runs an action through the plugin server."""
    return lambda name, given: plugin_server.run(name, given, connection_params)


def by_runtime(failed):
    """Whether InsightConnect's runtime has refused the input itself: it does so in words of its own."""
    return "input JSON" in failed.body["error"] or "input was found" in failed.body["error"]


def clear_error(failed):
    assert not failed.succeeded and failed.code in (400, 500)
    error = failed.body["error"]
    assert error.strip() and "Traceback" not in error and "object at 0x" not in error
    if not by_runtime(failed):
        assert failed.code == 400 and failed.exception["cause"].strip() and failed.exception["assistance"].strip()
    return error


def nothing_was_written(halo):
    return [request for request in halo.requests if request.method == "POST" and request.path != "/auth/token"] == []


WRONG = {
    "integer": ["2102", 2.5, True, [2102], {"id": 2102}, None, math.nan, math.inf, "\ud800"],
    "string": [5, 1.5, True, ["S"], {"text": "S"}, None],
    "boolean": [1, "true", [], None],
    "object": ["impact", 5, True, [1], [{"impact": 1}], None],
    "array": ["CFRiskScore", {"name": "CFRiskScore", "value": 1}, [1], ["x"], [None], 5],
}
WRONG_TYPES = [
    pytest.param(name, field, value, id=f"{name}-{field}-{value!r}".encode("ascii", "backslashreplace").decode())
    for name, action in ACTIONS.items()
    for field, declared in action().input.schema["properties"].items()
    for value in WRONG[declared["type"]]
]


@pytest.mark.parametrize("name, field, value", WRONG_TYPES)
def test_a_wrong_type_is_a_clear_error(halo, step, name, field, value):
    clear_error(step(name, {**VALID[name], field: value}))
    assert nothing_was_written(halo)


IDS = [
    (name, field)
    for name, action in ACTIONS.items()
    for field, declared in action().input.schema["properties"].items()
    if field.endswith("_id")
]


@pytest.mark.parametrize("name, field", IDS)
@pytest.mark.parametrize("value", [-1, -2102, -(2**63)])
def test_a_negative_id_is_a_clear_error(halo, step, name, field, value):
    assert TITLES[field] in clear_error(step(name, {**VALID[name], field: value}))
    assert nothing_was_written(halo)


@pytest.mark.parametrize("name, field", [pair for pair in IDS if pair[0] not in ("search_tickets", "get_ticket")])
@pytest.mark.parametrize("value", [4711, 2**31, 2**63])
def test_an_id_that_does_not_exist_is_a_clear_error(halo, step, name, field, value):
    before = halo.tickets
    error = clear_error(step(name, {**VALID[name], field: value}))
    assert str(value) in error or TITLES[field] in error
    assert halo.tickets == before


@pytest.mark.parametrize("value", [4711, 2**31 - 1])
def test_a_ticket_id_that_does_not_exist_is_not_found(step, value):
    assert step("get_ticket", {"ticket_id": value}).output == {"ticket": {}, "found": False}


@pytest.mark.parametrize("value", [2**63, 1e30, 10**400])
def test_a_ticket_id_that_no_ticket_can_have_is_not_found_or_a_clear_error(step, value):
    done = step("get_ticket", {"ticket_id": value})
    assert done.output == {"ticket": {}, "found": False} if done.succeeded else clear_error(done)


@pytest.mark.parametrize("field", ["status_id", "agent_id", "team_id", "priority_id"])
def test_a_search_by_an_id_that_does_not_exist_finds_nothing(step, field):
    assert step("search_tickets", {field: 4711}).output == {"tickets": [], "count": 0}


def test_ids_that_are_whole_floats_are_ids(step):
    assert step("get_ticket", {"ticket_id": 2102.0}).output["ticket"]["id"] == 2102


REQUIRED = [(name, field) for name, action in ACTIONS.items() for field in action().input.schema.get("required", [])]


@pytest.mark.parametrize("name, field", REQUIRED)
def test_a_required_input_that_is_missing_is_a_clear_error(halo, step, name, field):
    given = {key: value for key, value in VALID[name].items() if key != field}
    assert TITLES[field] in clear_error(step(name, given))
    empty = {"integer": 0, "string": ""}[ACTIONS[name]().input.schema["properties"][field]["type"]]
    # For some of them the runtime has words of its own.
    error = clear_error(step(name, {**given, field: empty}))
    assert TITLES[field] in error or field in error
    assert nothing_was_written(halo)


@pytest.mark.parametrize(
    "name, field", [("create_ticket", "summary"), ("create_ticket", "details"), ("add_comment", "comment")]
)
@pytest.mark.parametrize("blank", [" ", "\n\n", "\t \r\n"])
def test_a_required_text_of_blanks_is_a_clear_error(halo, step, name, field, blank):
    assert TITLES[field] in clear_error(step(name, {**VALID[name], field: blank}))
    assert nothing_was_written(halo)


TEXTS = {
    "emoji": "Alarm \U0001f6a8 \U0001f469\u200d\U0001f692 done",
    "html": "<script>alert(1)</script> <b>bold</b> &amp; &lt;tag&gt;",
    "other scripts": "\u0410\u0411\u0412 \u6f22\u5b57 \u0627\u0644\u0639 \u00e9\u0301",
    "quotes and slashes": "\"quoted\" 'single' C:\\temp\\x.exe ${jndi:ldap://x} {{7*7}} %s %(x)s",
    "controls": "bell \x07 escape \x1b[31m nul \x00 backspace \x08 delete \x7f",
    "right to left": "\u202eexe.cod\u202c",
    "one long word": "x" * 20000,
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_texts_arrive_as_given(halo, step, text):
    ticket = checked("create_ticket", step("create_ticket", {**NEW, "summary": text, "details": text}).output)["ticket"]
    stored = halo.tickets[ticket["id"]]
    assert (stored["summary"], stored["details"]) == (text, text)
    assert (ticket["summary"], ticket["details"]) == (text, text)
    step("add_comment", {"ticket_id": 2102, "comment": text}).output
    assert halo.actions[2102][-1]["note"] == text
    found = step("search_tickets", {"summary_contains": text}).output["tickets"]
    assert [row["id"] for row in found] == [ticket["id"]]


def test_line_breaks_survive_in_details_and_become_spaces_in_the_summary(halo, step):
    text = "first\nsecond\r\nthird"
    ticket = step("create_ticket", {**NEW, "summary": text, "details": text}).output["ticket"]
    stored = halo.tickets[ticket["id"]]
    assert stored["summary"] == "first second third"
    assert stored["details"].splitlines() == ["first", "second", "third"]


def test_ten_megabytes_of_details_arrive_or_are_refused_clearly(halo, step):
    text = "0123456789abcde\n" * (10 * 1024 * 1024 // 16)
    done = step("create_ticket", {**NEW, "details": text})
    assert done.output["ticket"]["details"] == halo.tickets[done.output["ticket"]["id"]]["details"] == text


def test_ten_megabytes_that_halo_refuses_are_a_clear_error(halo, step):
    halo.inject(Fault("status", method="POST", path="tickets", status=413, body="Request Entity Too Large"))
    error = clear_error(step("create_ticket", {**NEW, "details": "0123456789abcde\n" * (10 * 1024 * 1024 // 16)}))
    assert "too large" in error and "Shorten" in error and len(error) < 2000


SURROGATES = [
    ("create_ticket", {**NEW, "summary": "half \ud83d"}),
    ("create_ticket", {**NEW, "details": "half \ud83d"}),
    ("create_ticket", {**NEW, "external_reference": "half-\ud83d"}),
    ("create_ticket", {**NEW, "customfields": [{"name": "CFRiskScore", "value": "half \ud83d"}]}),
    ("update_ticket", {"ticket_id": 2102, "details": "half \ud83d"}),
    ("close_ticket", {"ticket_id": 2102, "resolution": "half \ud83d"}),
    ("add_comment", {"ticket_id": 2102, "comment": "half \ud83d"}),
    ("search_tickets", {"summary_contains": "half \ud83d"}),
]


@pytest.mark.parametrize("name, given", SURROGATES)
def test_half_a_character_is_a_clear_error_or_arrives(halo, step, name, given):
    done = step(name, given)
    if done.succeeded:
        checked(name, done.output)
    else:
        clear_error(done)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_have_are_a_clear_error(halo, step, value):
    error = clear_error(step("create_ticket", {**NEW, "customfields": [{"name": "CFRiskScore", "value": value}]}))
    assert "JSON" in error and nothing_was_written(halo)


@pytest.mark.parametrize("fields", [[{}], [{"value": 1}], [{"name": "", "value": 1}], [{"id": 0, "value": 1}]])
def test_custom_fields_without_name_and_id_are_a_clear_error(halo, step, fields):
    assert "Custom Fields" in clear_error(step("create_ticket", {**NEW, "customfields": fields}))
    assert nothing_was_written(halo)


def test_deeply_nested_custom_fields_are_a_clear_error_or_arrive(halo, step):
    value = "deep"
    for _ in range(500):
        value = [value]
    done = step("create_ticket", {**NEW, "customfields": [{"name": "CFAffectedAssets", "value": value}]})
    if done.succeeded:
        checked("create_ticket", done.output)
    else:
        clear_error(done)


def test_an_input_that_is_no_object_is_a_clear_error(halo, step):
    for given in (None, [], "text", 5):
        done = step("get_ticket", given)
        assert not done.succeeded and "Traceback" not in done.body["error"]
    assert nothing_was_written(halo)


CONNECTION = [
    ("client_id", {}),
    ("client_id", {"secretKey": ""}),
    ("client_secret", {"secretKey": " "}),
    ("authorization_server", ""),
    ("resource_server", "ftp://halo.example.com"),
    ("resource_server", "https://[::1"),
    ("resource_server", "https://halo.example.com:99999/api"),
    ("authorization_server", "https://\ud83d/auth"),
]


@pytest.mark.parametrize("field, value", CONNECTION)
def test_a_connection_that_cannot_be_used_is_a_clear_error(plugin_server, connection_params, field, value):
    failed = plugin_server.run("get_ticket", {"ticket_id": 2102}, {**connection_params, field: value})
    assert not failed.succeeded and "Traceback" not in failed.body["error"]
    assert failed.exception["cause"] and failed.exception["assistance"]


ODD = {
    "surrogate": "half \ud83d",
    "nul": "nul \x00",
    "line break": "line\nbreak",
    "umlaut": "\u00fc",
    "reserved": "a&b=c#d",
}


@pytest.mark.parametrize("field", ["client_id", "client_secret"])
@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
def test_odd_credentials_are_refused_clearly(plugin_server, connection_params, field, value):
    failed = plugin_server.test({**connection_params, field: {"secretKey": value}})
    assert failed.code == 400 and failed.exception["cause"] and failed.exception["assistance"]


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
def test_odd_scopes_are_refused_clearly(plugin_server, connection_params, value):
    failed = plugin_server.test({**connection_params, "scope": value})
    assert failed.code == 400 and failed.exception["cause"] and failed.exception["assistance"]


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
def test_odd_tenants_are_refused_clearly_or_sent(halo, plugin_server, connection_params, value):
    done = plugin_server.test({**connection_params, "tenant": value})
    if done.succeeded:
        assert halo.requests[0].query == {"tenant": value}
    else:
        assert done.code == 400 and done.exception["cause"] and done.exception["assistance"]
