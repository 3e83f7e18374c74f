"""What a schema refuses is told by its name and the type that is due. Its value, and its neighbours', are told nowhere.

A walk over every input of every action and trigger, every field of the connection and every output, with each type
that is wrong there and with each required one missing, as a program on stdin and as a server. All that a step prints,
logs and answers is searched for the texts and numbers that were planted in everything it was given.
"""

import io
import json
import logging
import sys
import traceback
from contextlib import redirect_stdout

import insightconnect_plugin_runtime
import jsonschema
import pytest
from entry_point import Outcome, action_start, connection_test, run_on_stdin, trigger_start
from insightconnect_plugin_runtime.exceptions import LoggedException
from steps import ACTIONS, INPUTS, OUTPUTS, TRIGGERS, connection_to

from halo_emulator import Fault
from komand_haloitsm.connection import Connection

TEXT = "Zinnwald payroll"
NUMBER = 918273645
# Another one than the texts': the server masks, in its answers, what equals a secret of the connection.
SECRET = "Ahornblatt-5521"
PLANTED = (TEXT, str(NUMBER), SECRET)
VALUES = {
    "string": TEXT,
    "integer": NUMBER,
    "number": NUMBER + 0.5,
    "boolean": True,
    "null": None,
    "array": [TEXT, {TEXT: NUMBER}],
    "object": {TEXT: TEXT, "name": TEXT},
    "empty object": {},
    "array of numbers": [NUMBER],
    "array of nulls": [None],
    "secret as number": {"secretKey": NUMBER},
    "secret as array": {"secretKey": [TEXT]},
}
CONNECTION = jsonschema.validators.validator_for(Connection().schema)(Connection().schema)


def filled(schema, root):
    """A valid value in which everything that can hold a text or a number holds a planted one."""
    if "$ref" in schema:
        return filled(root["definitions"][schema["$ref"].rpartition("/")[2]], root)
    if schema["type"] == "object":
        properties = schema.get("properties") or {"name": {"type": "string"}}
        return {name: filled(each, root) for name, each in properties.items()}
    if schema["type"] == "array":
        return [filled(schema["items"], root)]
    text = SECRET if schema.get("format") == "password" else TEXT
    return {"string": text, "integer": NUMBER, "boolean": True}[schema["type"]]


def refused(validator, good, shown_as="title"):
    """All that the walk gives in place of ``good``: label -> (the name that must be told, value).

    At the top of a schema that name is the one on the form, its title."""
    schema = validator.schema
    cells = {
        f"{name} as {kind}": (each.get(shown_as, name), {**good, name: value})
        for name, each in schema["properties"].items()
        for kind, value in VALUES.items()
    }
    cells |= {
        f"no {name}": (
            schema["properties"][name].get(shown_as, name),
            {key: value for key, value in good.items() if key != name},
        )
        for name in schema.get("required", ())
    }
    cells |= {f"all as {kind}": ("" if isinstance(value, dict) else "object", value) for kind, value in VALUES.items()}
    return {label: cell for label, cell in cells.items() if not validator.is_valid(cell[1])}


def good_for(validator):
    good = filled(validator.schema, validator.schema)
    validator.validate(good)
    return good


GOOD_CONNECTION = {
    **good_for(CONNECTION),
    "authorization_server": f"https://{SECRET}.invalid/auth",
    "resource_server": f"https://{SECRET}.invalid/api",
}
GOOD = {name: good_for(validator) for name, validator in INPUTS.items()}
BAD = {name: refused(validator, GOOD[name]) for name, validator in INPUTS.items()}
BAD_CONNECTIONS = refused(CONNECTION, GOOD_CONNECTION)
for scalar in ("integer", "number", "boolean"):
    # The runtime itself stumbles over these, before it validates anything.
    del BAD_CONNECTIONS[f"all as {scalar}"]


def start(name, given, connection):
    return (action_start if name in ACTIONS else trigger_start)(name, given, connection)


@pytest.fixture
def program(monkeypatch, caplog):
    """Runs a message as bin/komand_haloitsm does on stdin, in this process."""
    caplog.set_level(logging.DEBUG)
    plugin = insightconnect_plugin_runtime.Plugin(
        name="HaloITSM", vendor="rapid7", version="0", description="", connection=Connection()
    )
    plugin.actions = {name: kind() for name, kind in ACTIONS.items()}
    plugin.triggers = {name: kind() for name, kind in TRIGGERS.items()}

    def run(message, mode="run"):
        caplog.clear()
        monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(message)))
        code, stderr = 0, ""
        with redirect_stdout(io.StringIO()) as stdout:
            try:
                insightconnect_plugin_runtime.CLI(plugin, [mode]).run()
            except LoggedException:
                # What Python itself prints when the program ends by it.
                code, stderr = 1, traceback.format_exc()
        said = stdout.getvalue()
        return Outcome(code, json.loads(said[said.rindex('{"body"') :]), said, stderr + caplog.text)

    run.plugin = plugin
    return run


def told(outcome):
    """How often something planted is in what a step printed, logged and answered."""
    everything = outcome.stdout + outcome.stderr
    return sum(everything.count(each) for each in PLANTED)


def faults(done, name, code):
    """What is wrong with how a refusal was told."""
    leaks = told(done)
    return [
        *([f"tells {leaks} planted values"] if leaks else []),
        *([f"ends with {done.code}"] if done.code != code else []),
        *(["is no error"] if done.body["status"] != "error" else []),
        *([f"does not name {name}"] if name not in done.body.get("error", "") else []),
    ]


def walked(cells, run, code=1):
    """Runs each cell. Label -> what is wrong."""
    found = {label: faults(run(value), name, code) for label, (name, value) in cells.items()}
    return {label: wrong for label, wrong in found.items() if wrong}


# -- inputs and connections on stdin ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BAD)
def test_no_refused_input_is_told_on_stdin(program, name):
    assert walked(BAD[name], lambda given: program(start(name, given, GOOD_CONNECTION))) == {}


@pytest.mark.parametrize("name", ["get_ticket", "ticket_created"])
@pytest.mark.parametrize("mode", ["run", "test"])
def test_no_refused_connection_is_told_on_stdin(program, name, mode):
    assert walked(BAD_CONNECTIONS, lambda given: program(start(name, GOOD[name], given), mode)) == {}


def test_no_refused_connection_is_told_by_the_connection_test_on_stdin(program):
    assert walked(BAD_CONNECTIONS, lambda given: program(connection_test(given))) == {}


WHOLE_PROCESSES = {
    "an input": (start("create_ticket", BAD["create_ticket"]["details as array"][1], GOOD_CONNECTION), "Details"),
    "an input of a trigger": (
        start("ticket_created", BAD["ticket_created"]["interval as string"][1], GOOD_CONNECTION),
        "Interval",
    ),
    "a missing address": (start("get_ticket", {}, BAD_CONNECTIONS["no resource_server"][1]), "Resource Server"),
    "a secret as text": (connection_test(BAD_CONNECTIONS["client_secret as string"][1]), "Client Secret"),
}


@pytest.mark.parametrize("message, name", WHOLE_PROCESSES.values(), ids=WHOLE_PROCESSES)
def test_the_real_program_does_not_tell_it_either(message, name):
    done = run_on_stdin(message)
    assert faults(done, name, code=1) == []


# -- inputs and connections by HTTP -----------------------------------------------------------------------------------


@pytest.fixture
def log_of_server(plugin_server):
    """What the server logs from now on."""
    before = len(plugin_server.log())
    return lambda: plugin_server.log()[before:]


@pytest.mark.parametrize("name", ACTIONS)
def test_no_refused_input_is_told_by_http(plugin_server, log_of_server, name):
    assert walked(BAD[name], lambda given: plugin_server.run(name, given, GOOD_CONNECTION), code=400) == {}
    assert [text for text in PLANTED if text in log_of_server()] == []


WAYS_TO_CONNECT = {
    "action": lambda server, connection: server.run("get_ticket", GOOD["get_ticket"], connection),
    "connection test": lambda server, connection: server.test(connection),
    "test of a trigger": lambda server, connection: server.test_trigger("ticket_created", connection),
}


@pytest.mark.parametrize("way", WAYS_TO_CONNECT)
def test_no_refused_connection_is_told_by_http(plugin_server, log_of_server, way):
    assert walked(BAD_CONNECTIONS, lambda given: WAYS_TO_CONNECT[way](plugin_server, given), code=400) == {}
    assert [text for text in PLANTED if text in log_of_server()] == []


# -- outputs ----------------------------------------------------------------------------------------------------------


def bad_tickets(name):
    """Outputs with a ticket that breaks its schema. All actions declare the same ticket."""
    validator, good = OUTPUTS[name], good_for(OUTPUTS[name])
    ticket = validator.schema["definitions"]["ticket"]
    wrong = refused(validator.evolve(schema=ticket), filled(ticket, validator.schema), "name of its own")
    return {
        f"ticket, {label}": (field, {**good, **({"tickets": [value]} if "tickets" in good else {"ticket": value})})
        for label, (field, value) in wrong.items()
    }


BAD_OUTPUTS = {name: refused(validator, good_for(validator)) for name, validator in OUTPUTS.items()}
for name in ("get_ticket", "search_tickets"):
    BAD_OUTPUTS[name] |= bad_tickets(name)


@pytest.mark.parametrize("name", ACTIONS)
def test_no_output_that_breaks_its_schema_is_told(program, name):
    def run(output):
        program.plugin.actions[name].run = lambda params: output
        return program(start(name, GOOD[name], GOOD_CONNECTION))

    assert walked(BAD_OUTPUTS[name], run) == {}


@pytest.mark.parametrize("kind", VALUES)
def test_whatever_type_halos_fields_have_no_log_and_no_error_tells_them(
    halo, plugin_server, connection_params, log_of_server, kind
):
    fields = set(filled(OUTPUTS["get_ticket"].schema, OUTPUTS["get_ticket"].schema)["ticket"]) - {"id"}
    halo.inject(
        Fault("status", path="tickets/2102", body={"id": 2102, **dict.fromkeys(fields, VALUES[kind])}, status=200)
    )
    done = plugin_server.run("get_ticket", {"ticket_id": 2102}, connection_params)
    said = log_of_server() + json.dumps({**done.body, "output": None})
    assert "GET /Tickets/2102 -> 200" in said
    assert [text for text in PLANTED if text in said] == []
