"""Catch-up: a trigger was off while thousands of tickets changed, and comes back."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path

import requests

from tools.bench.halo import HaloProcess, halo_process
from tools.bench.measure import Result
from tools.bench.process import cpu_seconds, usage
from tools.orchestrator import Orchestrator
from tools.storm import STARTED, TriggerProcess

_PAGE = 100
_LONGEST = 1800.0
_NEW_STATUS = 2


def run(quick: bool) -> Result:
    """The benchmark."""
    tickets = 150 if quick else 10_000
    result = Result(
        "catch_up",
        f"6. Catch-up with {tickets:,} changed tickets",
        "The trigger is started through the entry point, killed by SIGKILL, all tickets are changed (by the next "
        "trigger: moved to another status) and it is started again, without webhooks. Time runs from that start to the "
        "last event at the dispatcher. The dispatcher alone: a bare requests.Session posts the same events to it, one "
        "after the other. Memory: the resident peak of the trigger's process.",
    )
    for name in ("ticket_updated", "ticket_status_changed"):
        with tempfile.TemporaryDirectory(prefix="haloitsm-catch-up-") as folder:
            with halo_process() as halo, Orchestrator() as orchestrator:
                trigger = TriggerProcess(name, orchestrator.url, halo.connection, Path(folder, "w"), "bench")
                trigger.dispatch_timeout = 60.0
                try:
                    _measure(result, trigger, halo, orchestrator, tickets)
                finally:
                    trigger.kill()
    return result


def _measure(
    result: Result, trigger: TriggerProcess, halo: HaloProcess, orchestrator: Orchestrator, tickets: int
) -> None:
    numbers = halo.ask("log", tickets)
    trigger.start()
    if not trigger.says(STARTED, 60):
        raise RuntimeError(f"the trigger did not start: {trigger.said[-2000:]}")
    first = _peak(trigger)
    trigger.kill()
    moves = trigger.trigger == "ticket_status_changed"
    # A few at a time, so that no single message to the emulator takes long.
    for at in range(0, tickets, 1000):
        some = numbers[at : at + 1000]
        halo.ask(*(("move", some, _NEW_STATUS) if moves else ("change", some, "during the outage")))
    halo.ask("forget")
    began = time.monotonic()
    trigger.start()
    orchestrator.wait_for(lambda accepted: len(accepted) >= tickets, _LONGEST)
    cpu, peak = cpu_seconds(trigger.process.pid if trigger.process else 0), _peak(trigger)
    counts = halo.ask("requests")
    events = orchestrator.accepted
    seconds = max((event.at for event in events), default=began) - began
    tells = trigger.trigger
    wanted = -(-tickets // _PAGE) + (tickets if moves else 0)
    used = counts.get("GET tickets", 0) + counts.get("GET tickets/N", 0) + counts.get("GET actions", 0)
    result.at_most(f"{tells}: Halo requests for tickets and actions", float(used), wanted)
    result.add(f"{tells}: lists of the tickets changed or newest", float(counts.get("GET tickets", 0)))
    result.add(f"{tells}: Halo requests for token, names and statuses", float(sum(counts.values()) - used))
    result.at_most(f"{tells}: events that did not come", float(tickets - len({e.event_id for e in events})), 0)
    result.at_most(f"{tells}: events that came twice", float(len(events) - len({e.event_id for e in events})), 0)
    result.add(f"{tells}: seconds to the last event", seconds, "s")
    result.add(f"{tells}: events per second", len(events) / max(seconds, 0.001))
    if events:
        sample = json.dumps(events[0].output)
        result.add(f"{tells}: events per second that the dispatcher alone takes", _alone(orchestrator, sample))
    result.add(f"{tells}: CPU time of the trigger for each event", cpu * 1000 / max(len(events), 1), "ms")
    result.add(f"{tells}: peak memory after the first start", first / 1024, "MiB")
    result.add(f"{tells}: peak memory after the catch-up", peak / 1024, "MiB")


def _peak(trigger: TriggerProcess) -> int:
    found = usage(trigger.process.pid) if trigger.process else None
    return found.peak if found else 0


def _alone(orchestrator: Orchestrator, output: str, posts: int = 300) -> float:
    """What the dispatcher takes from a session that does nothing else."""
    message = {"type": "trigger_event", "version": "v1", "body": {"meta": {}, "log": "", "output": json.loads(output)}}
    took = []
    with requests.Session() as session:
        for _ in range(posts):
            began = time.perf_counter()
            session.post(orchestrator.url, json=message, timeout=30)
            took.append(time.perf_counter() - began)
    return 1 / statistics.median(took)
