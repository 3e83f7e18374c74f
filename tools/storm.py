"""Shake a trigger as hard as its promise allows, then account for every event.

    python -m tools.storm --changes 1000 --seed 7 --trigger ticket_status_changed [--kills N] [--json]

The plugin's real entry point runs as a process of its own; the emulated HaloITSM and a stand-in for the orchestrator's
dispatcher run in this one. Tickets are logged, changed, moved from status to status and back, closed, reopened and
deleted. Meanwhile the trigger is killed with SIGKILL and started again: at random moments, and alternately just when an
event was refused, or was accepted but not yet answered. The dispatcher and Halo each fail a third of the time, and
webhooks come twice, late, out of order or not at all. What happens, and in which order, follows from the seed; when it
reaches the trigger depends on real time.

``--halo NAME`` makes the instance odd (``LIST_CHANGES`` of tools/odd_halos.py), and ``--limit N`` lets it refuse more
than N requests in five minutes. With ``--poison`` the orchestrator refuses all events of some tickets for good: those
of the others must come all the same, and the refused ones once it takes them and the trigger was started again.

Then all faults end, and within a deadline everything due must have arrived:

- ticket_created: every ticket logged and not deleted since.
- ticket_updated: the last state of every ticket that was changed and not deleted since. Several changes between two
  snapshots are one event, so earlier states may arrive but need not; a state that the ticket never had must not.
- ticket_status_changed: every transition, in order, of every ticket that was not deleted since.

Halo shows nothing of a deleted ticket any more, so what happened to one may arrive but need not, and must be true. An
event counts as accepted when it was answered with a 2xx. It may be accepted twice, with the same ``event_id``, when the
trigger is killed between the answer and the saving: once for each kill at most.

``--burst`` makes all changes at once instead and tells how long the trigger takes to deliver them.
``--memory N`` instead runs the loop of a trigger over N events in this process and tells how memory and state grow.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jsonschema

from halo_emulator import Fault, HaloEmulator, WebhookDisorder
from komand_haloitsm.triggers.ticket_created.schema import TicketCreatedOutput
from komand_haloitsm.triggers.ticket_status_changed.schema import TicketStatusChangedOutput
from komand_haloitsm.triggers.ticket_updated.schema import TicketUpdatedOutput
from komand_haloitsm.util.events.decide import EventPolicy, decide_updated
from komand_haloitsm.util.events.delivery import Delivery
from komand_haloitsm.util.events.lifecycle import Stopping
from komand_haloitsm.util.events.dependencies import Dependencies
from komand_haloitsm.util.events.loop import TriggerLoop
from komand_haloitsm.util.events.store import open_store
from komand_haloitsm.util.halo.http.messages import Response
from tools.odd_halos import LIST_CHANGES, Settings, set_up
from tools.orchestrator import Orchestrator

ROOT = Path(__file__).resolve().parents[1]
ENTRY_POINT = ROOT / "bin" / "komand_haloitsm"
SCHEMAS: Mapping[str, dict[str, Any]] = {
    "ticket_created": TicketCreatedOutput.schema,
    "ticket_updated": TicketUpdatedOutput.schema,
    "ticket_status_changed": TicketStatusChangedOutput.schema,
}
SIGNED_WITH = "storm-webhooks"
STARTED = "events from now on are delivered"
INTERVAL = 5
# Polls every few seconds need more requests than a trigger is given by default.
GIVEN: Mapping[str, Any] = {"interval": INTERVAL, "requests_per_five_minutes": 300}
_BETWEEN_KILLS = 3.5
# Seconds after which Halo's limit on requests is that of new ones.
_WINDOW = 300.0
_FLAPPING = (2, 8, 1)
# Of an instance that shows the newest actions only: more transitions than it shows.
_LONG_FLAPPING = _FLAPPING * 20
# With --poison, the events of every so manieth ticket are refused.
_POISONED = 7
_STATUSES = (1, 2, 3, 8, 18, 28)
_CLOSED = 9
_AGENT = 3


# -- the trigger's process -------------------------------------------------------------------------------------------


_PORTS = itertools.count(random.SystemRandom().randrange(11_000, 25_000))


def free_port() -> int:
    """A TCP port that nobody listens on now. It is never the same twice, and not one that the system uses for outgoing
    connections, so that it is still free when the trigger opens it."""
    return next(port for port in _PORTS if _can_be_bound(port))


def _can_be_bound(port: int) -> bool:
    try:
        with socket.create_server(("", port)):
            return True
    except OSError:
        return False


def connection_to(halo: HaloEmulator, webhook_secret: str = SIGNED_WITH) -> dict[str, Any]:
    """A connection's parameters, as InsightConnect hands them over."""
    return {
        "client_id": {"secretKey": halo.client_id},
        "client_secret": {"secretKey": halo.client_secret},
        "authorization_server": halo.auth_server,
        "resource_server": halo.resource_server,
        **({"webhook_secret": {"secretKey": webhook_secret}} if webhook_secret else {}),
    }


@dataclass
class TriggerProcess:
    """A trigger's process, started as InsightConnect does it, with the message on stdin. Its output goes to ``log``.

    ``workspace`` takes the place of /workspace. The same object may be started again, like a trigger instance whose
    container is restarted.
    """

    trigger: str
    url: str
    connection: Mapping[str, Any]
    workspace: Path
    trigger_id: str | None = "storm"
    given: Mapping[str, Any] = field(default_factory=lambda: GIVEN)
    # In seconds; None for the plugin's own.
    dispatch_timeout: float | None = 1.0
    # What the command line begins with.
    prefix: Sequence[str] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """What it has written to stdout and stderr, in all of its lives."""
        return self.workspace.with_name(f"{self.workspace.name}-{self.trigger_id}-{self.trigger}.log")

    @property
    def said(self) -> str:
        """The content of ``log``."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def start(self) -> TriggerProcess:
        """Start it; returns before it has done anything."""
        self.workspace.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                [*self.prefix, sys.executable, str(ENTRY_POINT), "run"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self._environment(),
                cwd=ROOT,
            )
        stdin = self.process.stdin
        if stdin:
            stdin.write(json.dumps(self._message()).encode())
            stdin.close()
        return self

    def _message(self) -> dict[str, Any]:
        body = {
            "trigger": self.trigger,
            "meta": {} if self.trigger_id is None else {"triggerId": self.trigger_id},
            "dispatcher": {"url": self.url, "webhook_url": ""},
            "input": dict(self.given),
            "connection": dict(self.connection),
        }
        return {"version": "v1", "type": "trigger_start", "body": body}

    def _environment(self) -> dict[str, str]:
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
            # A __pycache__ in bin/ would be taken for the entry point by Rapid7's checksum.
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "HALOITSM_WORKSPACE": str(self.workspace),
            "NO_PROXY": "127.0.0.1",
            **({"HALOITSM_DISPATCH_TIMEOUT": str(self.dispatch_timeout)} if self.dispatch_timeout else {}),
        }

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    def signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.process and self.running:
            self.process.send_signal(number)

    def ended(self, timeout: float) -> int | None:
        """The exit code once it has ended, None when it still runs after ``timeout`` seconds."""
        try:
            return self.process.wait(timeout) if self.process else None
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self.signal(signal.SIGKILL)
        self.ended(30)

    def says(self, text: str, timeout: float = 30.0, times: int = 1) -> bool:
        """Wait until it has said something so many times; False when it has not in time, or has ended without."""
        until = time.monotonic() + timeout
        while self.said.count(text) < times:
            if time.monotonic() > until or not self.running:
                return self.said.count(text) >= times
            time.sleep(0.05)
        return True


# -- what happens in Halo --------------------------------------------------------------------------------------------


def moment(value: Any) -> str:
    """A date of Halo's or of an event, to microseconds, in one form."""
    text = str(value).replace("Z", "").replace("+00:00", "")
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction[:6]:0<6}"


class ServiceDesk:
    """Makes seeded changes in Halo, and keeps what the account needs: the tickets it logged, every state they had."""

    def __init__(self, halo: HaloEmulator, seed: int) -> None:
        self.halo = halo
        self.changes = 0
        self.logged: set[int] = set()
        self.states: dict[int, list[tuple[str, int]]] = {}
        self._dice = random.Random(seed)  # nosec B311: no secret
        self._open: list[int] = []
        self.transitions_before: dict[int, int] = {}

    def prepare(self, count: int = 15) -> None:
        """Log the tickets that are old when the trigger starts, some of them with earlier changes."""
        for number in range(count):
            ticket = self.halo.log_ticket(summary=f"Old ticket {number}", agent_id=_AGENT)
            if number % 3 == 0:
                self.halo.change_ticket(ticket["id"], status_id=2)
            self._open.append(int(ticket["id"]))
        self.transitions_before = {number: len(self._transitions(number)) for number in self.halo.tickets}

    def act(self) -> None:
        """Make the next change; flapping makes several at once."""
        roll = self._dice.random()
        if roll < 0.2 or len(self._open) < 5:
            self._log()
        elif roll < 0.45:
            self._change(summary=f"Seen again, {self._dice.randrange(10**6)}")
        elif roll < 0.75:
            self._change(status_id=self._dice.choice(_STATUSES))
        elif roll < 0.85:
            number = self._dice.choice(self._open)
            long = self.halo.actions_cap and self._dice.random() < 0.25
            for status in _LONG_FLAPPING if long else _FLAPPING:
                self._change(number, status_id=status)
        elif roll < 0.97:
            number = self._dice.choice(self._open)
            self._change(number, status_id=_CLOSED)
            if self._dice.random() < 0.5:
                self._change(number, status_id=2)
        else:
            self._delete()

    def burst(self, changes: int) -> None:
        """Change every old ticket, or log as many new ones where there is none."""
        for number in list(self._open):
            self._change(number, status_id=3)
        while self.changes < changes:
            self._log()

    def _log(self) -> None:
        ticket = self.halo.log_ticket(summary=f"New ticket {self._dice.randrange(10**6)}", agent_id=_AGENT)
        self.logged.add(int(ticket["id"]))
        self._open.append(int(ticket["id"]))
        self.changes += 1

    def _change(self, number: int | None = None, **fields: Any) -> None:
        number = self._dice.choice(self._open) if number is None else number
        ticket = self.halo.change_ticket(number, **fields)
        self.states.setdefault(number, []).append((moment(ticket["last_update"]), int(ticket["status_id"])))
        self.changes += 1

    def _delete(self) -> None:
        number = self._dice.choice(self._open)
        self._open.remove(number)
        self.halo.delete_ticket(number)
        self.changes += 1

    def _transitions(self, number: int) -> list[tuple[int, int]]:
        rows = self.halo.actions.get(number, [])
        return [(int(row["old_status"]), int(row["new_status"])) for row in rows if row.get("old_status")]

    def gone(self, number: int) -> bool:
        """Whether Halo shows nothing of a ticket any more."""
        return bool(self.halo.tickets[number]["deleted"])

    def transitions(self) -> dict[int, list[tuple[int, int]]]:
        """Every ticket's transitions since ``prepare``, from Halo's own record, in order."""
        since = self.transitions_before
        found = {number: self._transitions(number)[since.get(number, 0) :] for number in self.halo.tickets}
        return {number: rows for number, rows in found.items() if rows}


# -- the account -----------------------------------------------------------------------------------------------------

# What an event stands for, as a text that can be compared and shown.
Thing = str


@dataclass
class Account:
    """What was due, what came. ``wrong`` lists what must not be, in words."""

    trigger: str
    seed: int
    poison: bool = False
    changes: int = 0
    kills: int = 0
    due: int = 0
    delivered: int = 0
    missing: list[Thing] = field(default_factory=list)
    twice: int = 0
    twice_allowed: int = 0
    attempts: int = 0
    halo_refusals: int = 0
    webhooks: int = 0
    webhooks_taken: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether the promise was kept."""
        return not self.missing and not self.wrong

    def table(self) -> str:
        """The account for a reader."""
        rows = [(key.replace("_", " "), value) for key, value in asdict(self).items()]
        lines = [f"{key:16} {len(value) if isinstance(value, list) else value}" for key, value in rows]
        lines += [f"  missing: {thing}" for thing in self.missing[:20]] + [
            f"  wrong: {what}" for what in self.wrong[:20]
        ]
        return "\n".join([*lines, "result           " + ("kept" if self.passed else "BROKEN")])


def _created(desk: ServiceDesk, events: list[dict[str, Any]], account: Account) -> None:
    due = {str(number) for number in desk.logged if not desk.gone(number)}
    things = [str(output["ticket"]["id"]) for output in events]
    _compare(account, Counter(due), Counter(things), {str(number) for number in desk.logged})


def _updated(desk: ServiceDesk, events: list[dict[str, Any]], account: Account) -> None:
    due = {f"{number} at {states[-1][0]}" for number, states in desk.states.items() if not desk.gone(number)}
    possible = {f"{number} at {state[0]}" for number, states in desk.states.items() for state in states}
    if desk.halo.last_update_behind:
        # That a ticket was only logged cannot be told there.
        possible |= {f"{output['ticket']['id']} at {moment(output['ticket']['datemodified'])}" for output in events}
    things = [f"{output['ticket']['id']} at {moment(output['ticket']['datemodified'])}" for output in events]
    _compare(account, Counter(due), Counter(things), possible)
    for output in events:
        account.wrong += _wrong_previous(desk, output)


def _wrong_previous(desk: ServiceDesk, output: dict[str, Any]) -> list[str]:
    """``previous_status_id`` must be a status that the ticket had before the state that is delivered."""
    previous, number = output.get("previous_status_id"), output["ticket"]["id"]
    at = moment(output["ticket"]["datemodified"])
    had = {status for when, status in desk.states.get(number, []) if when < at} | {1}
    steps = desk.transitions().get(number)
    first = steps[0][0] if steps else desk.halo.tickets[number]["status_id"]
    if previous is None or previous in had | {first}:
        return []
    return [f"ticket {number} never had the previous status {previous}"]


def _status_changed(desk: ServiceDesk, events: list[dict[str, Any]], account: Account) -> None:
    came: dict[int, list[tuple[int, int]]] = {}
    for output in events:
        came.setdefault(output["ticket"]["id"], []).append((output["old_status_id"], output["new_status_id"]))
    happened = desk.transitions()
    due = Counter(_named(number, step) for number, steps in happened.items() for step in steps if not desk.gone(number))
    possible = Counter(_named(number, step) for number, steps in happened.items() for step in steps)
    things = Counter(_named(number, step) for number, steps in came.items() for step in steps)
    _compare(account, due, things, set(possible))
    account.wrong += [f"more often than it happened: {thing}" for thing in things - possible if thing in possible]
    for number, steps in came.items():
        if steps != happened.get(number, [])[: len(steps)]:
            account.wrong.append(f"ticket {number}: not the transitions that it made, in order")


def _named(number: int, step: tuple[int, int]) -> Thing:
    return f"{number}: {step[0]} -> {step[1]}"


def _compare(account: Account, due: Counter[Thing], things: Counter[Thing], possible: set[Thing]) -> None:
    account.due = due.total()
    account.missing = sorted((due - things).elements())
    account.wrong += [f"never happened: {thing}" for thing in sorted(set(things) - possible)]
    if account.trigger != "ticket_status_changed":
        # An event that was refused shows the ticket as it is when it is offered again, as a later event does.
        several = [thing for thing, times in things.items() if times > 1]
        refused = [thing for thing in several if account.poison and _is_poisoned(int(thing.split()[0]))]
        account.wrong += [f"under several event ids: {thing}" for thing in several if thing not in refused]


_RULES = {"ticket_created": _created, "ticket_updated": _updated, "ticket_status_changed": _status_changed}


_VALIDATORS = {name: jsonschema.validators.validator_for(schema)(schema) for name, schema in SCHEMAS.items()}


def broken_schema(trigger: str, output: dict[str, Any]) -> str:
    """How an event breaks its output schema, "" when it does not."""
    schema = SCHEMAS[trigger]
    # Not jsonschema.validate, which checks the schema itself each time: there are thousands of events.
    error = jsonschema.exceptions.best_match(_VALIDATORS[trigger].iter_errors(output))
    if error is not None:
        return f"breaks its schema: {error.message}"
    unknown = set(output) - set(schema["properties"])
    return f"has outputs that its schema does not have: {sorted(unknown)}" if unknown else ""


def account_for(account: Account, desk: ServiceDesk, accepted: list[dict[str, Any]]) -> Account:
    """Complete ``account`` (which has trigger, kills and what may come twice) from the accepted events, in order."""
    first: dict[str, dict[str, Any]] = {}
    for output in accepted:
        fault = broken_schema(account.trigger, output)
        account.wrong += [f"{output.get('event_id')} {fault}"] if fault else []
        first.setdefault(str(output.get("event_id")), output)
    if any("breaks" in what for what in account.wrong):
        return account
    account.changes, account.delivered = desk.changes, len(first)
    account.twice = len(accepted) - len(first)
    if account.twice > account.twice_allowed:
        account.wrong.append(f"{account.twice} events came again, {account.twice_allowed} may")
    _RULES[account.trigger](desk, list(first.values()), account)
    return account


# -- the storm -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """A storm. ``kills`` and ``changes`` are spread over ``seconds``; ``late`` lets the dispatcher accept, but answer
    after the trigger has given up, which it cannot tell from a failure: such an event may come again. ``poison`` lets
    it refuse some events for good, ``limit`` is Halo's in five minutes, ``settings`` make Halo odd."""

    trigger: str
    changes: int = 150
    seed: int = 7
    kills: int = 5
    webhooks: bool = True
    late: bool = False
    poison: bool = False
    limit: int | None = None
    settings: Settings = field(default_factory=dict)
    deadline: float = 120.0
    say: Callable[[str], None] = lambda line: None

    @property
    def seconds(self) -> float:
        """How long the storm takes: three and a half seconds for each kill, and fifteen changes a second at most."""
        return max(self.kills * _BETWEEN_KILLS, self.changes / 15, 3.0)


class Storm:
    """One run of a plan, from the first start of the trigger to the account."""

    def __init__(self, plan: Plan, halo: HaloEmulator, orchestrator: Orchestrator, folder: Path) -> None:
        self.plan = plan
        self.halo = halo
        self.orchestrator = orchestrator
        self.desk = ServiceDesk(halo, plan.seed)
        self.kills = 0
        self._dice = random.Random(plan.seed + 1)  # nosec B311: no secret
        # Under a limit it gets what a trigger gets by default.
        given: dict[str, Any] = {"interval": INTERVAL} if plan.limit else {**GIVEN}
        if plan.webhooks:
            given["webhook_port"] = free_port()
        self.process = TriggerProcess(
            plan.trigger, orchestrator.url, connection_to(halo), folder / "workspace", f"storm-{plan.seed}", given
        )
        self._problems: list[str] = []
        self._halo_refusals = 0
        # False while the orchestrator has to fail until the trigger is killed.
        self._mending = True
        set_up(halo, plan.settings)

    def run(self) -> Account:
        """The storm, the calm, the account."""
        began = time.monotonic()
        try:
            self._first_start()
            self._rage()
            self._clear_up()
            if self.plan.poison:
                self._take_the_poisoned()
            settled = self._wait_until_settled()
            self._once_more()
        finally:
            self.process.kill()
        allowed = self.kills + self.orchestrator.late_answers
        account = Account(self.plan.trigger, self.plan.seed, self.plan.poison, kills=self.kills, twice_allowed=allowed)
        account.attempts, account.halo_refusals = self.orchestrator.attempts, self._halo_refusals
        account.webhooks = len(self.halo.webhook_log)
        account.webhooks_taken = sum(record["status"] == 200 for record in self.halo.webhook_log)
        account.wrong += self._problems + ([] if settled else ["not everything came before the deadline"])
        account_for(account, self.desk, [event.output for event in self.orchestrator.accepted])
        account.seconds = round(time.monotonic() - began, 1)
        return account

    def burst(self) -> Account:
        """No storm: all changes at once, while the trigger is off; then it starts."""
        self.desk.prepare(0 if self.plan.trigger == "ticket_created" else self.plan.changes)
        try:
            self.process.start()
            self.process.says(STARTED)
            self.process.kill()
            self.desk.burst(self.plan.changes)
            began = time.monotonic()
            self.process.start()
            self._wait_until_settled()
        finally:
            self.process.kill()
        seconds = round(time.monotonic() - began, 1)
        account = Account(self.plan.trigger, self.plan.seed, self.plan.poison, seconds=seconds)
        return account_for(account, self.desk, [event.output for event in self.orchestrator.accepted])

    def _first_start(self) -> None:
        self.desk.prepare()
        self.process.start()
        if not self.process.says(STARTED):
            raise RuntimeError(f"the trigger did not start: {self.process.said[-2000:]}")
        self.halo.requests_per_five_minutes = self.plan.limit
        if self.plan.poison:
            self.orchestrator.treats = lambda output: (422, 0.0) if _is_poisoned(output["ticket"]["id"]) else None
        if self.plan.webhooks:
            url = f"http://127.0.0.1:{self.process.given['webhook_port']}/halo"
            self.halo.add_webhook(url, authentication="hmac", secret=SIGNED_WITH)
            self.halo.webhook_disorder = WebhookDisorder(
                duplicate=0.3, drop=0.3, delay=2.0, shuffle=True, seed=self.plan.seed
            )

    def _rage(self) -> None:
        """Carry out the timeline; bring the trigger back whenever it has been killed."""
        began = time.monotonic()
        for number, (at, what) in enumerate(sorted(self._timeline(), key=lambda entry: entry[0])):
            while (left := began + at - time.monotonic()) > 0:
                self._revive()
                time.sleep(min(left, 0.05))
            what()
            if number % 100 == 99:
                self._tell()
        while self.desk.changes < self.plan.changes:
            self.desk.act()

    def _tell(self) -> None:
        came = len(self.orchestrator.accepted)
        self.plan.say(f"{self.desk.changes} changes, {self.kills} kills, {came} events accepted")

    def _timeline(self) -> Iterator[tuple[float, Callable[[], None]]]:
        """When what happens, in seconds from the begin."""
        plan, dice = self.plan, self._dice
        # Some acts make several changes; _rage makes what is left in the end.
        acts = max(1, plan.changes * 4 // 5)
        for number in range(acts):
            yield (number + dice.random()) * plan.seconds / acts, self._act
        slot = plan.seconds / max(plan.kills, 1)
        for number in range(plan.kills):
            kill = (self._kill_when_refused, self._kill_when_accepted, self._kill)[number % 3]
            # Early, since a life has its second of starting before anything is in flight.
            early = number % 3 < 2
            yield (number + dice.uniform(0.0, 0.2 if early else 1.0)) * slot, kill
            yield (number + 1) * slot, self._kill_anyway
        yield from self._weather(self._spoil_halo, self.halo.clear_faults, 6.0)
        yield from self._weather(self._spoil_orchestrator, self._mend_orchestrator, 2.1)

    def _weather(
        self, spoil: Callable[[], None], mend: Callable[[], None], period: float
    ) -> Iterator[tuple[float, Callable[[], None]]]:
        """Times of fault: a third of each period, at a random place in it."""
        start = 0.0
        while start < self.plan.seconds:
            at = start + self._dice.uniform(0, period * 2 / 3)
            yield at, spoil
            yield at + period / 3, mend
            start += period

    def _act(self) -> None:
        if self.desk.changes < self.plan.changes:
            self.desk.act()

    def _spoil_halo(self) -> None:
        kind = self._dice.choice(("rate", "rate-header", "down", "hang", "drop"))
        if kind.startswith("rate"):
            headers = (("Retry-After", "1"),) if kind == "rate-header" else ()
            self.halo.inject(Fault("status", status=429, headers=headers, times=None))
        else:
            # A hang ends without an answer when the faults are cleared.
            self.halo.inject(Fault({"down": "status"}.get(kind, kind), seconds=3600.0, times=None))

    def _spoil_orchestrator(self) -> None:
        self.orchestrator.late = (self.process.dispatch_timeout or 0.0) + 0.5
        self.orchestrator.mode = self._dice.choice(("error", "hang", "late") if self.plan.late else ("error", "hang"))

    def _mend_orchestrator(self) -> None:
        if self._mending:
            self.orchestrator.mode = "accept"

    def _kill(self) -> None:
        if self.process.running:
            self.kills += 1
            self.process.kill()

    def _kill_when_accepted(self) -> None:
        """Kill at a bad moment: the orchestrator has the event, but the trigger does not know that."""
        self.orchestrator.on_event = lambda accepted: self._kill_now() if accepted else None

    def _kill_when_refused(self) -> None:
        """Kill at the other bad moment: the trigger has an event that nobody has accepted."""
        self.orchestrator.mode, self._mending = self._dice.choice(("error", "hang")), False
        self.orchestrator.on_event = lambda accepted: None if accepted else self._kill_now()

    def _kill_now(self) -> None:
        self.orchestrator.on_event, self._mending = None, True
        self._kill()

    def _kill_anyway(self) -> None:
        """No event came in time for `_kill_when_accepted` or `_kill_when_refused`."""
        if self.orchestrator.on_event:
            self._kill_now()

    def _revive(self) -> None:
        if self.process.running:
            return
        code = self.process.ended(0)
        if code != -signal.SIGKILL:
            self._problems.append(f"the trigger ended by itself, exit code {code}: {self.process.said[-300:]}")
        self.process.start()

    def _clear_up(self) -> None:
        self.orchestrator.on_event, self._mending = None, True
        self.halo.clear_faults()
        self._mend_orchestrator()
        # After a kill in the very last moment.
        self._revive()

    def _take_the_poisoned(self) -> None:
        """Wait for all other events, then take the refused ones too, which are offered again at a start."""
        self._wait_until_settled(poisoned=False)
        self._problems += [f"held up by refused events: {thing}" for thing in self._missing(poisoned=False)]
        self.orchestrator.treats = lambda output: None
        self._end()
        self.process.start()

    def _wait_until_settled(self, poisoned: bool = True) -> bool:
        """Wait until everything due has come, and every late webhook as well."""
        until = time.monotonic() + self.plan.deadline + (2 * _WINDOW if self.plan.limit else 0.0)
        while self._missing(poisoned) and time.monotonic() < until:
            time.sleep(0.2)
        self.halo.wait_for_webhooks(10)
        return not self._missing(poisoned)

    def _missing(self, poisoned: bool = True) -> list[Thing]:
        outputs = [event.output for event in self.orchestrator.accepted]
        missing = account_for(Account(self.plan.trigger, self.plan.seed), self.desk, outputs).missing
        return [thing for thing in missing if poisoned or not _is_poisoned(int(thing.split()[0].strip(":")))]

    def _end(self) -> None:
        """Stop the trigger properly."""
        self.process.signal(signal.SIGTERM)
        code = self.process.ended(10)
        if code != 0:
            self._problems.append(f"exit code {code} after SIGTERM")
            self.process.kill()

    def _once_more(self) -> None:
        """Stop it properly and start it again: nothing may come that has come already."""
        self._end()
        # 404 is the right answer for a deleted ticket; 0 is none at all.
        self._halo_refusals = sum(request.status not in (200, 404) for request in self.halo.requests)
        self.halo.forget_requests()
        before = len(self.orchestrator.accepted)
        self.process.start()
        until = time.monotonic() + 30
        while not self._has_polled() and time.monotonic() < until:
            time.sleep(0.1)
        time.sleep(0.7)
        if len(self.orchestrator.accepted) > before:
            self._problems.append("events came again after an orderly restart")

    def _has_polled(self) -> bool:
        return any("lastupdatefromdate" in request.query and request.status == 200 for request in self.halo.requests)


def _is_poisoned(number: int) -> bool:
    return number % _POISONED == 0


def run_storm(plan: Plan) -> Account:
    """Run a storm with an emulator, an orchestrator and a folder of its own."""
    with tempfile.TemporaryDirectory() as folder, Orchestrator() as orchestrator, HaloEmulator() as halo:
        return Storm(plan, halo, orchestrator, Path(folder)).run()


# -- memory ----------------------------------------------------------------------------------------------------------


class ManyChanges:
    """Takes the place of a TicketReader: at every poll 100 tickets have changed, a minute after the last ones."""

    PER_POLL = 100

    def __init__(self, tickets: int) -> None:
        self._tickets = tickets
        self.now = datetime(2026, 1, 1, tzinfo=timezone.utc)
        self._number = 0
        self._rows: list[dict[str, Any]] = []

    def page(self, number: int, query: Mapping[str, str]) -> tuple[list[dict[str, Any]], Response]:
        """The list of what has changed since the last poll and a bit before, newest first, in one page."""
        if number > 1:
            return [], Response(status=200, data={"tickets": []}, date=self.now)
        if "lastupdatefromdate" in query:
            self.now += timedelta(seconds=61)
            self._rows = [self._row(place) for place in range(self.PER_POLL)] + self._rows[: self.PER_POLL]
        rows = [dict(row) for row in self._rows]
        return rows, Response(status=200, data={"tickets": rows}, date=self.now)

    def pages(self, query: Mapping[str, str]) -> Iterator[tuple[list[dict[str, Any]], Response]]:
        """The same page by page."""
        yield self.page(1, query)

    def _row(self, place: int) -> dict[str, Any]:
        self._number += 1
        at = (self.now - timedelta(milliseconds=place)).isoformat()
        number = 1 + self._number % self._tickets
        row = {"id": number, "last_update": at, "dateoccurred": "2020-01-01T00:00:00Z", "status_id": 1}
        return {**row, "summary": f"Change {self._number}", "details": "x" * 1000}


@dataclass
class Memory:
    """How a loop over many events grew, from its first fifth to its end."""

    events: int
    python_growth: int
    resident_growth: int
    state_bytes: int
    seconds: float

    def table(self) -> str:
        """For a reader."""
        return "\n".join(f"{key.replace('_', ' '):16} {value}" for key, value in asdict(self).items())


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def measure_memory(events: int, folder: Path, tickets: int = 80_000) -> Memory:
    """Run the loop of ticket_updated over so many events: real loop, store and delivery, no Halo, no network."""
    logger = logging.Logger("memory")
    stopping = Stopping(folder / "terminate.flag", logger)
    sent = 0
    early: list[int] = []

    def send(_output: Mapping[str, Any]) -> None:
        nonlocal sent
        sent += 1
        if sent == events // 5:
            early.extend((tracemalloc.get_traced_memory()[0], _resident()))
        if sent == events:
            stopping.stop()

    state = folder / "memory.sqlite3"
    store = open_store(state, "memory", logger)
    parts = Dependencies(
        reader=ManyChanges(tickets),  # type: ignore[arg-type]  # has what the loop uses
        store=store,
        policy=EventPolicy(decide=lambda seen, now, watermark, *_: decide_updated(seen, now, watermark)),
        delivery=Delivery(send, stopping.wait, logger),
        stopping=stopping,
        output=lambda event, ticket: {"event_id": event.event_id, "ticket": ticket},
        interval=0.0,
        logger=logger,
    )
    began = time.monotonic()
    tracemalloc.start()
    try:
        with stopping.watching():
            TriggerLoop(parts).run()
        late = (tracemalloc.get_traced_memory()[0], _resident())
    finally:
        tracemalloc.stop()
    store.close()
    size = sum(path.stat().st_size for path in folder.glob("memory.sqlite3*"))
    growth = [after - before for before, after in zip(early, late)]
    return Memory(sent, growth[0], growth[1], size, round(time.monotonic() - began, 1))


# -- a burst ---------------------------------------------------------------------------------------------------------


def run_burst(plan: Plan) -> Account:
    """``plan.changes`` new tickets, or old ones moved to another status, within one interval: how long it takes."""
    with tempfile.TemporaryDirectory() as folder, Orchestrator() as orchestrator, HaloEmulator() as halo:
        storm = Storm(plan, halo, orchestrator, Path(folder))
        return storm.burst()


# -- the command -----------------------------------------------------------------------------------------------------


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.storm", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--changes", type=int, default=1000, help="ticket changes to make (1000)")
    parser.add_argument("--seed", type=int, default=7, help="the dice (7)")
    parser.add_argument(
        "--trigger", choices=[*SCHEMAS, "all"], default="all", help="one trigger, or one after the other"
    )
    parser.add_argument("--kills", type=int, help="how often to kill the trigger (one for 25 changes)")
    parser.add_argument("--no-webhooks", action="store_true", help="polling only")
    parser.add_argument("--late", action="store_true", help="the dispatcher also accepts events and answers too late")
    parser.add_argument("--poison", action="store_true", help="the orchestrator refuses some events for good")
    parser.add_argument("--limit", type=int, metavar="N", help="Halo refuses more requests than these in five minutes")
    parser.add_argument(
        "--halo", choices=[*LIST_CHANGES], metavar="NAME", help="an odd one: " + "; ".join(LIST_CHANGES)
    )
    parser.add_argument("--memory", type=int, metavar="EVENTS", help="measure memory over so many events instead")
    parser.add_argument("--burst", action="store_true", help="all changes at once and no storm: how long it takes")
    parser.add_argument("--json", action="store_true", help="the account as JSON")
    return parser.parse_args()


def _say(line: str) -> None:
    sys.stderr.write(f"storm: {line}\n")


def _measure(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder:
        memory = measure_memory(options.memory, Path(folder))
    print(json.dumps(asdict(memory)) if options.json else memory.table())
    return 0


def main() -> int:
    """The command."""
    options = _arguments()
    if options.memory:
        return _measure(options)
    kills = max(1, options.changes // 25) if options.kills is None else options.kills
    passed = True
    for trigger in SCHEMAS if options.trigger == "all" else [options.trigger]:
        plan = Plan(
            trigger,
            options.changes,
            options.seed,
            kills,
            webhooks=not options.no_webhooks,
            late=options.late,
            poison=options.poison,
            limit=options.limit,
            settings=LIST_CHANGES.get(options.halo, {}),
            say=_say,
        )
        _say(f"{trigger}: {plan.changes} changes, {plan.kills} kills, about {plan.seconds:.0f} seconds")
        account = run_burst(plan) if options.burst else run_storm(plan)
        passed = passed and account.passed
        print(json.dumps({**asdict(account), "passed": account.passed}) if options.json else account.table() + "\n")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
