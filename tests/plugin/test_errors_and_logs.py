"""Defects of group C: errors that say nothing, errors that are no errors, logs that say too much."""

import logging
import re
import time

import pytest
import responses
from steps import ACTIONS, connected, connection_to, impatient, run_action

from halo_emulator import Fault
from komand_haloitsm.util.insightconnect.errors import HaloITSMError

SECRETIVE = {
    "create_ticket": {
        "summary": "Payroll of J. Doe leaked",
        "details": "Password hunter2hunter2 was in the dump",
        "tickettype_id": 1,
    },
    "update_ticket": {"ticket_id": 2102, "details": "Password hunter2hunter2 was in the dump"},
    "close_ticket": {"ticket_id": 2103, "resolution": "Password hunter2hunter2 was changed"},
    "get_ticket": {"ticket_id": 2102},
    "search_tickets": {"summary_contains": "Suspicious mail"},
    "add_comment": {"ticket_id": 2102, "comment": "Password hunter2hunter2 was in the dump"},
    "assign_ticket": {"ticket_id": 2102, "agent_id": 5},
}
PRIVATE_TEXTS = (
    "hunter2",
    "Payroll of J",
    "Invoice attachment",
    "reported by reception",
    "Northwind",
    "Suspicious mail",
)

BODIES = {
    "dotnet": ({"ClassName": "System.Exception", "Message": "Field X is locked"}, "Field X is locked"),
    "error": ({"error": "Field X is locked"}, "Field X is locked"),
    "error object": ({"error": {"error_description": "Field X is locked"}}, "Field X is locked"),
    "message": ({"message": "Field X is locked"}, "Field X is locked"),
    "model state": ({"[0].status_id": ["Field X is locked"]}, "[0].status_id: Field X is locked"),
    "bare string": ('"Field X is locked"', "Field X is locked"),
    "plain text": ("Field X is locked", "Field X is locked"),
    "html": ("<html><title>Field X is locked</title></html>", "Field X is locked"),
    "number": (5, "400"),
    "list": (["Field X is locked"], "Field X is locked"),
    "empty": (None, "400"),
}


@pytest.mark.parametrize("shape", BODIES)
def test_halos_own_words_and_status_reach_the_user(halo, run, shape):
    body, words = BODIES[shape]
    halo.inject(Fault("status", method="POST", path="tickets", status=400, body=body))
    with pytest.raises(HaloITSMError) as refused:
        run("update_ticket", ticket_id=2102, priority_id=1)
    error = refused.value
    assert words in error.data and "400" in error.data and "POST /Tickets" in error.data
    assert error.cause and error.assistance and error.status == 400


@pytest.mark.parametrize("name", SECRETIVE)
def test_every_failure_reaches_the_user_with_cause_and_assistance(halo, plugin_server, connection_params, name):
    halo.inject(Fault("status", status=403, times=None))
    failed = plugin_server.run(name, SECRETIVE[name], connection_params)
    assert failed.code == 400 and not failed.succeeded
    assert failed.exception["cause"] and failed.exception["assistance"]
    assert "Traceback" not in failed.body["error"] and "AttributeError" not in failed.body["log"]


@pytest.mark.parametrize(
    "name, scope", [("get_ticket", "read:tickets"), ("update_ticket", "edit:tickets"), ("add_comment", "edit:tickets")]
)
def test_a_403_names_the_permission_that_is_likely_missing(halo, run, name, scope):
    halo.inject(Fault("status", status=403, times=None))
    with pytest.raises(HaloITSMError, match=scope):
        run(name, **SECRETIVE[name])


@pytest.mark.parametrize("name", SECRETIVE)
def test_each_action_works_as_the_first_one_on_a_new_connection(halo, plugin_server, connection_params, name):
    given = {**SECRETIVE[name], "tickettype_id": 1} if name == "create_ticket" else SECRETIVE[name]
    assert plugin_server.run(name, given, connection_params).output


def test_a_missing_ticket_is_not_found(halo, run):
    assert run("get_ticket", ticket_id=4711) == {"found": False, "ticket": {}}
    assert run("get_ticket", ticket_id=4711, include_details=False) == {"found": False, "ticket": {}}
    halo.delete_ticket(2102)
    assert run("get_ticket", ticket_id=2102) == {"found": False, "ticket": {}}


def test_an_empty_404_is_not_found_whatever_its_content_type(connection):
    client = connection.client
    with responses.RequestsMock() as canned:
        canned.post(re.compile(".*/auth/token"), json={"access_token": "t0"})
        canned.get(re.compile(".*/Tickets/7.*"), status=404, content_type="text/html")
        with pytest.raises(HaloITSMError) as missing:
            client.get_ticket(7)
    assert missing.value.kind == "not_found"


def test_record_not_found_is_not_found(halo, run):
    body = {"ClassName": "System.Exception", "Message": "Record not found"}
    halo.inject(Fault("status", path="tickets/2102", status=400, body=body))
    assert run("get_ticket", ticket_id=2102) == {"found": False, "ticket": {}}


def test_a_hidden_ticket_is_an_error_that_names_the_role(halo, run):
    halo.hidden_tickets = {2102}
    with pytest.raises(HaloITSMError, match="role"):
        run("get_ticket", ticket_id=2102)


@pytest.mark.parametrize("comment", ["", " ", "\n\t"])
def test_an_empty_comment_is_an_error_and_no_success(halo, run, comment):
    with pytest.raises(HaloITSMError, match="Comment"):
        run("add_comment", ticket_id=2102, comment=comment)
    assert halo.requests == []


def test_success_means_that_halo_says_the_ticket_is_closed(halo, run):
    shown = {"id": 2102, "status_id": 2, "summary": "S"}
    halo.inject(Fault("status", method="POST", path="tickets", status=201, body=shown))
    with pytest.raises(HaloITSMError, match="not closed"):
        run("close_ticket", ticket_id=2102)


def test_success_means_that_halo_says_the_ticket_is_assigned(halo, run):
    shown = {"id": 2102, "status_id": 2, "agent_id": 3, "team": "Security Operations"}
    halo.inject(Fault("status", method="POST", path="tickets", status=201, body=shown, times=2))
    with pytest.raises(HaloITSMError, match="not assigned"):
        run("assign_ticket", ticket_id=2102, agent_id=5)
    with pytest.raises(HaloITSMError, match="not assigned"):
        run("assign_ticket", ticket_id=2102, team_id=3)


@pytest.mark.parametrize("name", SECRETIVE)
def test_logs_hold_no_secret_and_no_ticket_text(halo, run, caplog, name):
    caplog.set_level(logging.DEBUG, "komand_haloitsm")
    caplog.set_level(logging.INFO)
    run(name, **SECRETIVE[name])
    assert "HaloITSM: POST (token) -> 200" in caplog.text and "attempt 1" in caplog.text
    for text in (*PRIVATE_TEXTS, halo.client_id, halo.client_secret, "Bearer"):
        assert text not in caplog.text


@pytest.mark.parametrize("name", ["create_ticket", "update_ticket", "close_ticket", "add_comment"])
def test_errors_do_not_repeat_what_halo_echoes(halo, run, caplog, name):
    caplog.set_level(logging.INFO)
    echo = f"Cannot store {sorted(SECRETIVE[name].items(), key=str)} for {halo.client_id} with {halo.client_secret}"
    halo.inject(Fault("status", method="POST", status=400, body={"Message": echo}))
    with pytest.raises(HaloITSMError) as refused:
        run(name, **SECRETIVE[name])
    told = f"{refused.value} {refused.value.data} {caplog.text}"
    assert "Cannot store" in told
    for text in ("hunter2", "Payroll of J", halo.client_id, halo.client_secret):
        assert text not in told


def test_the_servers_log_holds_no_secret_and_no_ticket_text(halo, plugin_server, connection_params):
    for name, given in SECRETIVE.items():
        assert plugin_server.run(name, given, connection_params).output
    plugin_server.run("get_ticket", {"ticket_id": 2102}, {**connection_params, "client_secret": {"secretKey": "wrong"}})
    log = plugin_server.log()
    assert "GET /Tickets/2102 -> 200" in log
    for text in (*PRIVATE_TEXTS, halo.client_secret):
        assert text not in log


@pytest.mark.parametrize("name", ACTIONS)
def test_a_silent_halo_ends_in_an_error_and_not_in_a_hang(halo, name):
    halo.inject(Fault("hang", seconds=60, times=None))
    started = time.monotonic()
    with pytest.raises(HaloITSMError) as late:
        run_action(impatient(halo, read_timeout=0.1), name, **SECRETIVE[name])
    assert late.value.cause and late.value.assistance
    assert time.monotonic() - started < 20


def test_a_redirect_is_not_followed_with_the_token_to_another_host(halo, run):
    fault = Fault("status", path="tickets", status=302, headers=(("Location", "https://elsewhere.invalid/api"),))
    halo.inject(fault)
    with pytest.raises(HaloITSMError, match="redirect") as refused:
        run("get_ticket", ticket_id=2102)
    assert "elsewhere.invalid" in refused.value.data


def test_a_token_that_was_revoked_is_fetched_anew_once(halo, run):
    run("get_ticket", ticket_id=2102)
    halo.revoke_tokens()
    halo.forget_requests()
    assert run("get_ticket", ticket_id=2102)["found"] is True
    assert [(request.path, request.status) for request in halo.requests] == [
        ("/api/Tickets/2102", 401),
        ("/auth/token", 200),
        ("/api/Tickets/2102", 200),
    ]


def test_a_401_that_stays_is_asked_for_one_new_token_only(halo, run):
    halo.inject(Fault("status", path="tickets", status=401, times=None))
    with pytest.raises(HaloITSMError, match="access token"):
        run("get_ticket", ticket_id=2102)
    assert [request.path for request in halo.requests].count("/auth/token") == 2


@pytest.mark.parametrize("name", ["status", "agent", "priority", "team", "category"])
@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_list_that_may_not_be_read_costs_its_names_only(halo, run, name, status):
    halo.inject(Fault("status", method="GET", path=name, status=status, times=None))
    for output in (
        run("get_ticket", ticket_id=2102),
        run("update_ticket", ticket_id=2102, priority_id=1),
        run("create_ticket", summary="S", details="D", tickettype_id=1),
    ):
        assert output["ticket"]["id"]
    assert run("search_tickets")["count"] == 6 + 1
    lost = {"status": "status_name", "agent": "agent_name"}.get(name)
    assert lost is None or lost not in run("get_ticket", ticket_id=2102)["ticket"]


def test_a_credential_that_is_missing_is_named(halo):
    for field, name in (("client_id", "Client ID"), ("client_secret", "Client Secret")):
        for value in (None, "", " ", {"secretKey": ""}, {}):
            with pytest.raises(HaloITSMError, match=name):
                connected(connection_to(halo, **{field: value}))
