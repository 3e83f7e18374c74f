"""Overhead of an action: its ``run()`` against a bare ``requests.Session`` that sends the same request.

    python -m tools.bench.actions SIDE CALLS < connection.json

runs one side so many times: for ``perf stat``, which counts the instructions of a whole process.
"""

from __future__ import annotations

import json
import logging
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import requests

from komand_haloitsm.actions import CreateTicket, GetTicket, SearchTickets
from komand_haloitsm.connection import Connection
from tools.bench.halo import halo_process
from tools.bench.measure import Figure, Result, interleaved, milliseconds, ratio
from tools.bench.process import environment
from tools.bench.report import ROOT

GOALS = {"create": 1.0, "get": 1.0, "search of 100": 1.25}
_NEW = {"summary": "Hello", "details": "World", "tickettype_id": 1}
_TICKET = 2101
_TICKETS = 300
Call = Callable[[], object]


def run(quick: bool) -> Result:
    """The benchmark."""
    rounds = 30 if quick else 600
    result = Result(
        "actions",
        "1. Overhead of an action",
        f"run() of an action against a bare requests.Session that sends the same request and parses the answer, in "
        f"one process, in turn, {rounds} calls each; token, connection and lists warm; the emulator in a process "
        "of its own.",
    )
    with halo_process() as halo:
        halo.ask("log", _TICKETS)
        for name, sides in pairs(halo.connection).items():
            samples = interleaved(sides, rounds)
            bare, ours = samples["bare"], samples["action"]
            result.at_most(f"{name}: wall clock, action / bare", ratio(ours.wall, bare.wall), GOALS[name])
            result.at_most(f"{name}: CPU time, action / bare", ratio(ours.cpu, bare.cpu), GOALS[name])
            result.add(f"{name}: wall clock of the action", milliseconds(ours.wall), "ms")
            result.add(f"{name}: wall clock of the bare session", milliseconds(bare.wall), "ms")
            result.add(f"{name}: CPU time of the action", milliseconds(ours.cpu), "ms")
        if counts_instructions():
            for name, goal in GOALS.items():
                result.at_most(f"{name}: instructions, action / bare", _instructions(halo.connection, name), goal)
        else:
            result.method += " Instructions are not counted: perf stat cannot do it on this machine."
    return result


def pairs(connection: Mapping[str, Any]) -> dict[str, dict[str, Call]]:
    """For each kind of request the two that are compared."""
    api, session, headers = connection["resource_server"], requests.Session(), bearer(connection)
    page = {"pageinate": "true", "page_size": "100", "page_no": "1", "order": "id", "orderdesc": "true"}
    details = {"includedetails": "true"}
    create, get, search = (action_of(kind, connection) for kind in (CreateTicket, GetTicket, SearchTickets))

    def sent(method: str, path: str, **what: Any) -> Any:
        return session.request(method, f"{api}{path}", headers=headers, timeout=30, **what).json()

    return {
        "create": {
            "bare": lambda: sent("POST", "/Tickets", json=[{**_NEW, "dont_do_rules": False}]),
            "action": lambda: create.run(dict(_NEW)),
        },
        "get": {
            "bare": lambda: sent("GET", f"/Tickets/{_TICKET}", params=details),
            "action": lambda: get.run({"ticket_id": _TICKET}),
        },
        "search of 100": {
            "bare": lambda: sent("GET", "/Tickets", params=page),
            "action": lambda: search.run({"max_results": 100}),
        },
    }


def bearer(connection: Mapping[str, Any]) -> dict[str, str]:
    """The header with a token of its own."""
    form = {
        "grant_type": "client_credentials",
        "client_id": connection["client_id"]["secretKey"],
        "client_secret": connection["client_secret"]["secretKey"],
        "scope": "all",
    }
    answer = requests.post(f"{connection['authorization_server']}/token", data=form, timeout=30)
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def action_of(kind: Any, parameters: Mapping[str, Any]) -> Any:
    """An action as the runtime has it, with a logger that formats at INFO, as in production, and writes nowhere."""
    logger = logging.getLogger("tools.bench.actions")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers = [logging.NullHandler()]
    connection: Any = Connection()
    connection.logger = logger
    connection.connect(dict(parameters))
    action: Any = kind()
    action.connection = connection
    return action


def counts_instructions() -> bool:
    """Whether ``perf stat`` counts instructions here; a virtual machine often has no counter for them."""
    try:
        return _counted(["true"], "") > 0
    except (OSError, ValueError, subprocess.SubprocessError):
        return False


def _counted(command: list[str], given: str) -> float:
    """The instructions of a process. Raises ValueError where they are not counted."""
    done = subprocess.run(
        ["perf", "stat", "-x", ";", "-e", "instructions:u", *command],
        input=given,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(),
        timeout=300,
        check=True,
    )
    return float(next(line for line in done.stderr.splitlines() if "instructions" in line).split(";")[0])


def _instructions(connection: Mapping[str, Any], name: str, calls: int = 100) -> Figure:
    """The ratio of the instructions for one call: those of many calls less those of few, so that the start is out."""
    found = []
    for _ in range(5):
        counts = {}
        for side in ("action", "bare"):
            few, many = (
                _counted(
                    [sys.executable, "-m", "tools.bench.actions", f"{name}/{side}", str(times)], json.dumps(connection)
                )
                for times in (calls, 3 * calls)
            )
            counts[side] = many - few
        found.append(counts["action"] / counts["bare"])
    return Figure(statistics.median(found), min(found), max(found))


def main() -> int:
    """One side, so many times."""
    name, _, side = sys.argv[1].rpartition("/")
    call = pairs(json.load(sys.stdin))[name][side]
    for _ in range(int(sys.argv[2])):
        call()
    return 0


if __name__ == "__main__":
    sys.exit(main())
