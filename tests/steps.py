"""Actions of the plugin run in the test's own process, each output held to its generated schema."""

import json
import time
from typing import Any

import jsonschema

from halo_emulator import HaloEmulator
from komand_haloitsm import actions, triggers
from komand_haloitsm.connection import Connection
from komand_haloitsm.util.api import HaloITSMAPI
from komand_haloitsm.util.halo.tickets.exactly_once import claim_registry

_CLASSES = (
    actions.CreateTicket,
    actions.UpdateTicket,
    actions.CloseTicket,
    actions.GetTicket,
    actions.SearchTickets,
    actions.AddComment,
    actions.AssignTicket,
)
ACTIONS = {kind().name: kind for kind in _CLASSES}
TRIGGERS = {
    kind().name: kind for kind in (triggers.TicketCreated, triggers.TicketUpdated, triggers.TicketStatusChanged)
}


def _validator(schema: dict[str, Any]) -> Any:
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema)


# Kept, because checking a schema takes longer than any action.
INPUTS = {name: _validator(kind().input.schema) for name, kind in {**ACTIONS, **TRIGGERS}.items()}
OUTPUTS = {name: _validator(kind().output.schema) for name, kind in ACTIONS.items()}

# No two emulators of a test session listen on one port: the plugin remembers by address which tickets it has made.
_USED_PORTS: set[int] = set()


def new_halo(**settings: Any) -> HaloEmulator:
    """A running emulator on an address that was never used before."""
    while True:
        halo = HaloEmulator(**settings).start()
        if halo.port not in _USED_PORTS:
            _USED_PORTS.add(halo.port)
            return halo
        halo.stop()


def connection_to(halo: HaloEmulator, **changes: Any) -> dict[str, Any]:
    """A connection's parameters, as InsightConnect hands them over."""
    return {
        "client_id": {"secretKey": halo.client_id},
        "client_secret": {"secretKey": halo.client_secret},
        "authorization_server": halo.auth_server,
        "resource_server": halo.resource_server,
        **changes,
    }


def connected(params: dict[str, Any]) -> Connection:
    """The plugin's Connection, outside the runtime."""
    connection = Connection()
    connection.connect(params)
    return connection


class SkippedTime:
    """A clock on which sleeping takes no time."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def clock(self) -> float:
        return time.monotonic() + sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def impatient(halo: HaloEmulator, skipped: SkippedTime | None = None, **settings: Any) -> Connection:
    """A Connection whose client gives up soon, and whose waits take no time."""
    skipped = skipped or SkippedTime()
    connection = connected(connection_to(halo))
    given = {
        "client_id": halo.client_id,
        "client_secret": halo.client_secret,
        "auth_server": halo.auth_server,
        "resource_server": halo.resource_server,
        "connect_timeout": 0.3,
        "read_timeout": 0.3,
        "max_wait": 120.0,
        "clock": skipped.clock,
        "sleep": skipped.sleep,
        "jitter": lambda: 1.0,
    }
    connection.client = HaloITSMAPI(**{**given, **settings})
    return connection


def run_action(connection: Connection, name: str, **given: Any) -> dict[str, Any]:
    """The output of an action; an input or output that breaks its schema is a failure of the test."""
    action = ACTIONS[name]()
    INPUTS[name].validate(given)
    action.connection = connection
    return checked(name, action.run(given))


def checked(name: str, output: dict[str, Any]) -> dict[str, Any]:
    """`output`, held to the schema of the action: no null, nothing missing, and nothing that is not declared."""
    schema = OUTPUTS[name].schema
    OUTPUTS[name].validate(output)
    assert set(output) <= set(schema["properties"]), "outputs that the schema does not have"
    declared = set(schema.get("definitions", {}).get("ticket", {}).get("properties", ()))
    for ticket in [*output.get("tickets", []), *filter(None, [output.get("ticket")])]:
        assert set(ticket) <= declared, "fields of the ticket that the schema does not have"
    json.dumps(output, allow_nan=False)
    return output


def warmed(connection: Connection) -> Connection:
    """The same connection with its token and its lists in memory, as it is after the first steps of a workflow.

    It also knows what the answer to a create has shown: that the instance keeps keys.
    """
    address = connection.client.address
    claim_registry(address, "The ticket").keeps_key[("third_party_id_string", 1)] = True
    for ticket in (connection.client.get_ticket(2102), *connection.client.search_tickets({})):
        connection.client.describe(ticket)
    # Says what is so already: looks up teams and categories.
    connection.client.update_ticket(2101, {"team_id": 1, "category_id": 33})
    return connection


def told(failed: Any) -> str:
    """What the error of a step that failed in the plugin's HTTP server says."""
    assert not failed.succeeded and failed.code == 400, failed.body
    return f"{failed.exception['cause']} {failed.exception['assistance']}"
