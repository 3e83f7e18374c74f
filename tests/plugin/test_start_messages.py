"""The start messages in tests/: one for each action and trigger, valid, harmless, and the actions do run with them."""

import json
import re

import jsonschema
import pytest
from entry_point import ROOT, run_on_stdin
from steps import ACTIONS, INPUTS, TRIGGERS, checked, connection_to

from komand_haloitsm.connection import Connection

FILES = sorted((ROOT / "tests").glob("*.json"))
STEPS = {**ACTIONS, **TRIGGERS}


def message(name):
    return json.loads((ROOT / "tests" / f"{name}.json").read_text(encoding="utf-8"))


def test_there_is_one_for_each_action_and_trigger():
    assert {path.stem for path in FILES} == set(STEPS)


@pytest.mark.parametrize("name", STEPS)
def test_it_has_the_shape_of_the_tools_samples(name):
    start, kind = message(name), "action" if name in ACTIONS else "trigger"
    assert (start["version"], start["type"], start["body"][kind]) == ("v1", f"{kind}_start", name)
    assert set(start["body"]) == {kind, "connection", "input", "meta"} | (
        {"dispatcher"} if kind == "trigger" else set()
    )
    if kind == "trigger":
        assert start["body"]["dispatcher"] == {"url": "http://localhost:8000", "webhook_url": ""}


@pytest.mark.parametrize("name", STEPS)
def test_connection_and_input_are_valid_and_whole(name):
    body, step, connection = message(name)["body"], STEPS[name](), Connection()
    jsonschema.validate(body["connection"], connection.schema)
    INPUTS[name].validate(body["input"])
    assert set(body["connection"]) == set(connection.schema["properties"])
    assert set(body["input"]) == set(step.input.schema["properties"])
    step.input.validate_required(body["input"])


@pytest.mark.parametrize("name", STEPS)
def test_it_holds_no_credentials_and_no_mail_addresses(name):
    start = message(name)
    secrets = [value for value in start["body"]["connection"].values() if isinstance(value, dict)]
    assert secrets == [{"secretKey": ""}] * 3
    assert set(re.findall(r"[\w.+-]+@[\w.-]+", json.dumps(start))) <= {"user@example.com"}


DONE = {
    "create_ticket": lambda halo, output: output["created"] and output["ticket"]["team_name"] == "Security Operations",
    "update_ticket": lambda halo, output: halo.tickets[2102]["status_id"] == 3,
    "close_ticket": lambda halo, output: halo.tickets[2103]["hasbeenclosed"] and output["ticket"]["closed"],
    "get_ticket": lambda halo, output: output["found"] and output["ticket"]["priority_name"] == "Critical",
    "search_tickets": lambda halo, output: [ticket["id"] for ticket in output["tickets"]] == [2103],
    "add_comment": lambda halo, output: halo.actions[2102][-1]["id"] == output["comment_id"],
    "assign_ticket": lambda halo, output: halo.tickets[2101]["agent_id"] == 2,
}


@pytest.mark.parametrize("name", ACTIONS)
def test_each_action_runs_with_it_on_stdin(halo, name):
    start = message(name)
    start["body"]["connection"] |= connection_to(halo)
    done = run_on_stdin(start)
    assert done.code == 0 and done.envelope["type"] == "action_event"
    assert DONE[name](halo, checked(name, done.output))
    assert halo.client_secret not in done.stdout + done.stderr


@pytest.mark.parametrize("name", TRIGGERS)
def test_the_test_of_each_trigger_passes_with_it_on_stdin(halo, name):
    start = message(name)
    start["body"]["connection"] |= connection_to(halo)
    done = run_on_stdin(start, "test")
    assert done.code == 0 and done.output == {"success": True}


def test_with_the_wrong_password_a_step_on_stdin_fails_cleanly(halo):
    start = message("get_ticket")
    start["body"]["connection"] |= connection_to(halo, client_secret={"secretKey": "not-the-one"})
    failed = run_on_stdin(start)
    assert failed.code == 1 and "client ID and client secret" in failed.exception["cause"]
    assert failed.exception["assistance"] and "Traceback" not in failed.body["error"]
    assert "not-the-one" not in failed.stdout + failed.stderr


def test_with_an_error_of_halo_a_step_on_stdin_fails_cleanly(halo):
    start = message("close_ticket")
    start["body"]["connection"] |= connection_to(halo)
    start["body"]["input"]["ticket_id"] = 2101
    failed = run_on_stdin(start)
    assert failed.code == 1 and "Please assign this Ticket" in failed.exception["data"]
    assert failed.exception["cause"] and "ssign" in failed.exception["assistance"]
