"""The receiver: signed webhooks to a trigger that was started by the real entry point."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from halo_emulator.webhooks import signature
from tools.bench.halo import SIGNED_WITH, HaloProcess, halo_process
from tools.bench.load import Clients, Sent, http_request
from tools.bench.measure import Figure, Result, percentile
from tools.bench.process import cpu_seconds, environment, usage
from tools.bench.report import ROOT
from tools.orchestrator import Orchestrator
from tools.storm import STARTED, TriggerProcess, free_port

SENDERS = (1, 16, 64)
_GOAL = 1000
# The trigger polls once at its start and then leaves the work to the webhooks.
_INTERVAL = 86_400
_LONGEST = 300.0


def run(quick: bool) -> Result:
    """The benchmark."""
    rounds, seconds, events = (1, 0.5, 20) if quick else (5, 3.0, 500)
    result = Result(
        "receiver",
        "5. Receiver of webhooks",
        "HMAC-signed webhooks of about 3 KB over kept connections, from bare sockets in two processes, to "
        "ticket_updated with webhook_port, started through the entry point; an answer of 200 means on disk. "
        f"Accepted: {rounds} rounds of {seconds:g} s, in turn with a waitress application that only answers 200; the "
        "trigger reads every ticket that it is told of from the emulator meanwhile, and the two share the cores with "
        f"the senders. Delivered: {events} tickets were changed, a webhook for each is sent at once; the time is from "
        "the sending of a webhook to its event at the dispatcher, so most of it is waiting in line.",
    )
    with tempfile.TemporaryDirectory(
        prefix="haloitsm-receiver-"
    ) as folder, halo_process() as halo, Clients() as senders:
        tickets = halo.ask("log", max(events, 50))
        with Orchestrator() as orchestrator, _trigger(halo, orchestrator, Path(folder)) as trigger, _trivial() as floor:
            bench = _Bench(halo, orchestrator, trigger, senders, tickets)
            for count in SENDERS:
                _accepted(result, bench, count, floor, rounds, seconds)
                bench.recheck_delay()
                _delivered(result, bench, count, events)
            used = usage(trigger.process.pid if trigger.process else 0)
            result.add("peak memory of the trigger", (used.peak if used else 0) / 1024, "MiB")
    return result


class _Bench:
    """Who takes part."""

    def __init__(
        self,
        halo: HaloProcess,
        orchestrator: Orchestrator,
        trigger: TriggerProcess,
        senders: Clients,
        tickets: list[int],
    ) -> None:
        self.halo = halo
        self.orchestrator = orchestrator
        self.senders = senders
        self.tickets = tickets
        self.pid = trigger.process.pid if trigger.process else 0
        self.port = int(trigger.given["webhook_port"])

    def recheck_delay(self) -> None:
        """Wait until the trigger has followed all hints: it asks Halo for nothing any more."""
        until, before = time.monotonic() + _LONGEST, -1.0
        while time.monotonic() < until and (now := cpu_seconds(self.pid)) > before + 0.02:
            before = now
            time.sleep(1.0)


@contextmanager
def _trigger(halo: HaloProcess, orchestrator: Orchestrator, folder: Path) -> Iterator[TriggerProcess]:
    given = {"interval": _INTERVAL, "webhook_port": free_port()}
    trigger = TriggerProcess(
        "ticket_updated", orchestrator.url, halo.connection, folder / "workspace", "bench", given, dispatch_timeout=60.0
    )
    trigger.start()
    try:
        if not trigger.says(STARTED, 60):
            raise RuntimeError(f"the trigger did not start: {trigger.said[-2000:]}")
        yield trigger
    finally:
        trigger.kill()


@contextmanager
def _trivial() -> Iterator[int]:
    """The port of the application that only answers."""
    port = free_port()
    command = [sys.executable, "-m", "tools.bench.trivial", str(port)]
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL) as process:
        try:
            _await(port)
            yield port
        finally:
            process.kill()


def _await(port: int) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def webhook(ticket_id: int) -> bytes:
    """A signed delivery as Halo sends it, with the ticket in it."""
    ticket = {"id": ticket_id, "summary": f"Ticket {ticket_id}", "details": "Reported by mail. " * 150}
    event = {"id": f"event-{ticket_id}", "event": "ticket updated", "object_id": ticket_id, "ticket": ticket}
    body = json.dumps(event, separators=(",", ":")).encode()
    token = signature(SIGNED_WITH, body)
    return http_request("POST", "/halo", {"Content-Type": "application/json; charset=utf-8", "Token": token}, body)


def _accepted(result: Result, bench: _Bench, count: int, floor: int, rounds: int, seconds: float) -> None:
    deliveries = [webhook(number) for number in bench.tickets]
    ours: list[Sent] = []
    theirs: list[Sent] = []
    used = 0.0
    for _ in range(rounds):
        theirs.append(bench.senders.send(floor, deliveries, count, seconds))
        before = cpu_seconds(bench.pid)
        ours.append(bench.senders.send(bench.port, deliveries, count, seconds))
        used += cpu_seconds(bench.pid) - before
        bench.recheck_delay()
    label = _label(count)
    took = [one for sent in ours for one in sent.took]
    result.at_least(f"{label}: accepted per second", Figure.of([sent.rate for sent in ours]), _GOAL)
    result.add(f"{label}: answered per second by the trivial application", Figure.of([sent.rate for sent in theirs]))
    for percent in (50, 99):
        result.add(f"{label}: to the answer, p{percent}", percentile(took, percent) * 1000, "ms")
    result.add(
        f"{label}: CPU time of the trigger for each, its reading of tickets included", used * 1e3 / len(took), "ms"
    )
    result.at_most(f"{label}: not accepted", float(sum(sent.failed for sent in ours)), 0)


def _delivered(result: Result, bench: _Bench, count: int, events: int) -> None:
    chosen = bench.tickets[:events]
    bench.halo.ask("change", chosen, f"by {count} senders")
    before = len(bench.orchestrator.accepted)
    sent = bench.senders.send(bench.port, [webhook(number) for number in chosen], count)
    bench.orchestrator.wait_for(lambda accepted: len(accepted) >= before + events, _LONGEST)
    arrived = bench.orchestrator.accepted[before:]
    # Senders share the list out among themselves; when a ticket's webhook was sent is in the order of all sendings.
    first = min(sent.at)
    at = {event.output["ticket"]["id"]: event.at for event in arrived}
    sent_at = dict(zip(_order(chosen, count, len(sent.at)), sent.at))
    took = [at[number] - sent_at.get(number, first) for number in chosen if number in at]
    label = _label(count)
    if took:
        for percent in (50, 99):
            result.add(f"{label}: to the delivered event, p{percent}", percentile(took, percent) * 1000, "ms")
        rate = len(at) / (max(at.values()) - first)
        result.add(f"{label}: events delivered per second", rate)
    result.at_most(f"{label}: events that did not come", float(events - len(at)), 0)


def _order(chosen: list[int], count: int, sent: int) -> list[int]:
    """The tickets in the order in which ``Clients.send`` reports them: client by client, process by process."""
    shares = [chosen[number::count] for number in range(count)]
    processes = min(count, 2)
    ordered = [ticket for place in range(processes) for share in shares[place::processes] for ticket in share]
    return ordered if len(ordered) == sent else []


def _label(count: int) -> str:
    return f"{count} sender{'s' if count > 1 else ''}"
