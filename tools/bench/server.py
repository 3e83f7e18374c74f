"""As InsightConnect calls it: an action through the plugin's HTTP server, beside one that does nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tools.bench.actions import bearer
from tools.bench.halo import halo_process
from tools.bench.load import Clients, Sent, http_request
from tools.bench.measure import Figure, Result, percentile
from tools.bench.process import Server, action_message, cpu_seconds, family, plugin_server

CLIENTS = (1, 4, 16)
# The runtime's server has so many threads: no more requests than that are at Halo at once.
_THREADS = 4
_GOAL = 1.2
_START_SCRIPT = Path(__file__).with_name("with_nothing.py")
_TICKET = 2101


def run(quick: bool) -> Result:
    """The benchmark."""
    rounds, seconds = (2, 0.3) if quick else (7, 2.0)
    result = Result(
        "server",
        "2. As InsightConnect calls it",
        "get_ticket through the plugin's HTTP server; beside it, in the same server process, an action that does "
        "nothing (the floor), one that gives the same ticket under get_ticket's schemas (constant), one that "
        "sends the same request by a bare requests.Session (bare), and the same GET sent to the "
        f"emulator alone by at most {_THREADS} clients, as many as the server "
        f"has threads (Halo's time); {rounds} rounds of {seconds:g} s each in turn. The clients are bare sockets with "
        "keep-alive in a process of their own. The goal is for the median latency over that of floor and Halo's time.",
    )
    with halo_process() as halo, plugin_server(_START_SCRIPT) as server, Clients(1) as clients:
        targets = _targets(halo.connection, server)
        for name, (port, request) in targets.items():
            if clients.send(port, [request], 1, 0.3).failed:
                raise RuntimeError(
                    f"{name} does not answer with 200: {server.log.read_text('utf-8', 'replace')[-2000:]}"
                )
        for count in CLIENTS:
            rows: dict[str, list[Sent]] = {name: [] for name in targets}
            used: dict[str, float] = dict.fromkeys(targets, 0.0)
            for _ in range(rounds):
                for name, (port, request) in targets.items():
                    side_by_side = min(count, _THREADS) if name == "Halo" else count
                    before = _cpu(server)
                    rows[name].append(clients.send(port, [request], side_by_side, seconds))
                    used[name] += _cpu(server) - before
            _report(result, count, rows, used)
    return result


def _targets(connection: Mapping[str, Any], server: Server) -> dict[str, tuple[int, bytes]]:
    """Port and bytes of the three requests that are compared."""

    def action(name: str, given: dict[str, Any]) -> tuple[int, bytes]:
        body = json.dumps(action_message(name, given, connection)).encode()
        return server.port, http_request("POST", server.path(name), {"Content-Type": "application/json"}, body)

    api = urlsplit(connection["resource_server"])
    path, headers = f"/Tickets/{_TICKET}?includedetails=true", bearer(connection)
    get = http_request("GET", api.path + path, headers)
    return {
        "nothing": action("nothing", {}),
        "constant": action("constant", {"ticket_id": _TICKET}),
        "bare": action("bare", {"url": connection["resource_server"] + path, "headers": headers}),
        "Halo": (api.port or 80, get),
        "get_ticket": action("get_ticket", {"ticket_id": _TICKET}),
    }


def _cpu(server: Server) -> float:
    return sum(map(cpu_seconds, family(server.pid)))


def _report(result: Result, count: int, rows: Mapping[str, list[Sent]], used: Mapping[str, float]) -> None:
    label = f"{count} client{'s' if count > 1 else ''}"
    result.at_most(f"{label}: latency of get_ticket / (nothing + Halo)", _latency(rows, "nothing"), _GOAL)
    result.add(f"{label}: latency of get_ticket / (constant + Halo)", _latency(rows, "constant"))
    result.add(f"{label}: latency of get_ticket / bare", _over(rows, "bare"))
    for name in ("get_ticket", "nothing", "constant", "bare"):
        sent = rows[name]
        took = [seconds for part in sent for seconds in part.took]
        result.add(f"{label}: {name}, requests per second", Figure.of([part.rate for part in sent]))
        for percent in (50, 99):
            result.add(f"{label}: {name}, p{percent}", percentile(took, percent) * 1000, "ms")
        result.add(f"{label}: {name}, CPU time of the server per request", used[name] * 1000 / len(took), "ms")
    halo = [seconds for part in rows["Halo"] for seconds in part.took]
    result.add(f"{label}: Halo's time, p50", percentile(halo, 50) * 1000, "ms")
    failed = sum(part.failed for sent in rows.values() for part in sent)
    result.at_most(f"{label}: requests that failed", float(failed), 0)


def _latency(rows: Mapping[str, list[Sent]], floor: str) -> Figure:
    """The median latency over that of a floor and Halo together, round by round."""
    sides = zip(rows["get_ticket"], rows[floor], rows["Halo"])
    return Figure.of(
        [
            percentile(ours.took, 50) / (percentile(low.took, 50) + percentile(halo.took, 50))
            for ours, low, halo in sides
        ]
    )


def _over(rows: Mapping[str, list[Sent]], other: str) -> Figure:
    """The median latency over that of another action, round by round."""
    pairs = zip(rows["get_ticket"], rows[other])
    return Figure.of([percentile(ours.took, 50) / percentile(theirs.took, 50) for ours, theirs in pairs])
