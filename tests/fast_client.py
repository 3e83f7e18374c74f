"""A client whose minute takes 0.6 seconds, and what may become of its requests on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from halo_emulator import HaloEmulator
from komand_haloitsm.util.halo.client import HaloClient
from komand_haloitsm.util.halo.errors import HaloError
from komand_haloitsm.util.halo.http.messages import NoResponse, Request, Response
from komand_haloitsm.util.halo.tickets import exactly_once
from tools.odd_halos import FastTime

NEW = {"summary": "Beaconing from nwc-app-02", "details": "Seen twice on Monday", "tickettype_id": 1}
# Its answer shows a client whether the instance keeps keys.
FIRST = {**NEW, "summary": "The first"}

Change = Callable[[Request, Any], Any]


def fast_client(halo: HaloEmulator, **settings: Any) -> HaloClient:
    fast = FastTime()
    given = {
        "client_id": halo.client_id,
        "client_secret": halo.client_secret,
        "auth_server": halo.auth_server,
        "resource_server": halo.resource_server,
        "connect_timeout": 0.3,
        "read_timeout": 0.2,
        "clock": fast.clock,
        "sleep": fast.sleep,
        "jitter": lambda: 1.0,
    }
    return HaloClient(**{**given, **settings})


def in_another_process(halo: HaloEmulator, **settings: Any) -> HaloClient:
    """A client that knows nothing of what the clients before it have made, as in a process of its own."""
    exactly_once._REGISTRIES.clear()
    return fast_client(halo, **settings)


def answered(client: HaloClient, change: Change) -> None:
    """From now on `change` gives the client its answers; it gets each request and Halo's own answer."""
    transport = client._session._transport
    real = transport.send

    def send(request: Request, token: str) -> Response | NoResponse:
        return change(request, real(request, token))

    transport.send = send  # type: ignore[method-assign]


def meanwhile(client: HaloClient, path: str, happens: Callable[[], object]) -> None:
    """Right after the client's first POST to `path`, and before it knows what became of it, something else happens."""
    happened: list[bool] = []

    def change(request: Request, answer: Any) -> Any:
        if (request.method, request.path) == ("POST", path) and not happened:
            happened.append(True)
            happens()
        return answer

    answered(client, change)


def made(halo: HaloEmulator, words: str = NEW["summary"]) -> list[int]:
    """The tickets with these words that were not there before the test, the oldest first."""
    return sorted(number for number, ticket in halo.tickets.items() if number > 2106 and words in ticket["summary"])


def notes(halo: HaloEmulator, text: str, ticket_id: int = 2102) -> list[int]:
    """The actions of a ticket with exactly this text."""
    return [action["id"] for action in halo.actions[ticket_id] if action["note"] == text]


def posts(halo: HaloEmulator) -> int:
    return sum(request.method == "POST" and "token" not in request.path for request in halo.requests)


def outcome(call: Callable[[], dict[str, Any]]) -> int | HaloError:
    """The id of what a call has made, or its error."""
    try:
        return int(call()["id"])
    except HaloError as error:
        return error
