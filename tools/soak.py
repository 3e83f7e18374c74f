"""Let the whole plugin work for minutes under mixed faults, then account for everything.

    python -m tools.soak [--minutes 10] [--seed N] [--halo NAME] [--limit N] [--json FILE]

Actions go through the plugin's HTTP server, events come from three triggers that were started by the real entry point:
two with webhooks and polls, one with polls only. People log and change tickets in Halo meanwhile. Halo fails a third of
the time, in every way that the emulator knows, the dispatcher refuses events now and then, and webhooks are lost, come
twice and out of order. In the end all faults stop and everything must add up:

- tickets asked for and made: one for each create that succeeded, none for one that failed for certain, one at most for
  one that may have been done; comments likewise;
- events due and delivered: every new ticket, the last state of every changed ticket, every transition of the status in
  order; each once;
- memory, file descriptors and threads of every process of the plugin: at the end about what they were once warm.

With ``--halo`` the instance is odd (``LIST_CHANGES`` of tools/odd_halos.py). With ``--limit`` it refuses more than so
many requests in five minutes; then the clients take their time, and the triggers have the interval and the budget that
they have by default.

What happens follows from the seed; when it reaches the plugin depends on real time. Ends with 1 when something does not
add up.
"""

from __future__ import annotations

import argparse
import random
import shlex
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import requests

from halo_emulator import Fault, HaloEmulator, WebhookDisorder
from tools.bench.process import Server, Usage, action_message, family, plugin_server, usage
from tools.bench.report import Document, Table, about
from tools.odd_halos import LIST_CHANGES, Settings, set_up
from tools.orchestrator import Accepted, Orchestrator
from tools.storm import GIVEN, STARTED, TriggerProcess, connection_to, free_port, moment

TRIGGERS = ("ticket_created", "ticket_updated", "ticket_status_changed")
# The triggers that listen for webhooks; the other one polls only.
_WITH_WEBHOOKS = ("ticket_created", "ticket_status_changed")
_CLIENTS = 4
_SIGNED_WITH = "soak-webhooks"
# Seconds between two steps of a client, at least and at most; the second pair is for a Halo with a limit.
_PAUSES, _LONG_PAUSES = (0.05, 0.5), (10.0, 30.0)
_WEATHER = 9.0
_SETTLING, _SETTLING_UNDER_A_LIMIT = 180.0, 900.0
_LONGEST_STEP = 400.0
_STATUSES = (1, 2, 3, 8, 18, 28)
_AGENTS = (3, 5)
# A 400, 401, 403, 404 or 429 after Halo has done the work would be false, and no client could know that.
_BEFORE = ("400", "401", "403", "429", "429 with Retry-After")
_EITHER = ("500", "502", "503", "504", "hang", "drop", "html", "truncated")


# -- the weather -----------------------------------------------------------------------------------------------------


def bad_weather(dice: random.Random) -> Fault:
    """A fault: of some requests or of all for a while."""
    kind = dice.choice(_BEFORE + _EITHER)
    status = kind[:3] if kind[:3].isdigit() else ""
    path = dice.choice(("", "", "tickets", "actions", "auth/token"))
    return Fault(
        "status" if status else kind,
        status=int(status or 503),
        headers=(("Retry-After", "1"),) if kind.endswith("Retry-After") else (),
        # A hang ends early, without an answer, when the faults are cleared.
        seconds=3600.0,
        after_commit=kind in _EITHER and dice.random() < 0.5,
        times=dice.choice((1, 3, None)),
        path=path,
    )


class Weather(threading.Thread):
    """Spoils Halo for a third of each period and the dispatcher for a fifth of every third one."""

    def __init__(self, halo: HaloEmulator, orchestrator: Orchestrator, seed: int) -> None:
        super().__init__(name="weather", daemon=True)
        self._halo = halo
        self._orchestrator = orchestrator
        self._dice = random.Random(seed)  # nosec B311: dice, no secret
        self._over = threading.Event()
        self.faults: Counter[str] = Counter()

    def run(self) -> None:
        """Until it is told to clear."""
        period = 0
        while not self._over.wait(self._dice.uniform(0, _WEATHER / 3)):
            period += 1
            fault = bad_weather(self._dice)
            self.faults[f"{fault.status if fault.kind == 'status' else fault.kind}"] += 1
            self._halo.inject(fault)
            if period % 3 == 0:
                self._orchestrator.mode = "error"
            if period % 5 == 0:
                self._halo.revoke_tokens()
            self._over.wait(_WEATHER / 3)
            self._clear()
            self._over.wait(self._dice.uniform(_WEATHER / 6, _WEATHER / 2))
        self._clear()

    def _clear(self) -> None:
        self._halo.clear_faults()
        self._orchestrator.mode = "accept"

    def clear(self) -> None:
        """For good."""
        self._over.set()
        self.join(30)


# -- the actions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """A step that InsightConnect had carried out. ``mark`` is in the text of what it makes and nowhere else."""

    action: str
    mark: str
    outcome: str
    seconds: float


DONE, FAILED, MAY_EXIST, BROKEN = "done", "failed", "may exist", "broken"


class Workflow(threading.Thread):
    """A client of the plugin's HTTP server: one step after the other, on tickets of its own and of others."""

    def __init__(
        self, number: int, server: Server, connection: Mapping[str, Any], seed: int, pauses: tuple[float, float]
    ) -> None:
        super().__init__(name=f"workflow-{number}", daemon=True)
        self._number = number
        self._server = server
        self._connection = connection
        self._pauses = pauses
        self._dice = random.Random(seed * 1000 + number)  # nosec B311: dice, no secret
        self._over = threading.Event()
        self._tickets: list[int] = []
        self._session = requests.Session()
        self._session.trust_env = False
        self.asked: list[Asked] = []

    def run(self) -> None:
        """Until it is told to end; the step under way is finished."""
        while not self._over.wait(self._dice.uniform(*self._pauses)):
            self._step()

    def end(self) -> None:
        """Tell it to end."""
        self._over.set()

    def _step(self) -> None:
        mark = f"soak-{self._number}-{len(self.asked)}-end"
        action, given = self._chosen(mark)
        began = time.monotonic()
        outcome, output = self._outcome(action, given)
        self.asked.append(Asked(action, mark, outcome, time.monotonic() - began))
        if action == "create_ticket" and outcome == DONE:
            self._tickets.append(int(output["ticket"]["id"]))

    def _chosen(self, mark: str) -> tuple[str, dict[str, Any]]:
        roll = self._dice.random()
        if roll < 0.25 or len(self._tickets) < 3:
            return "create_ticket", {"summary": mark, "details": f"Details of {mark}", "tickettype_id": 1}
        ticket = {"ticket_id": self._dice.choice(self._tickets)}
        for below, action, more in (
            (0.45, "add_comment", {"comment": mark}),
            (0.60, "update_ticket", {"status_id": self._dice.choice(_STATUSES)}),
            (0.70, "assign_ticket", {"agent_id": self._dice.choice(_AGENTS)}),
            (0.75, "close_ticket", {"closed_status_id": 9}),
            (0.90, "get_ticket", {}),
        ):
            if roll < below:
                return action, {**ticket, **more}
        return "search_tickets", {"max_results": 50}

    def _outcome(self, action: str, given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        message = action_message(action, given, self._connection)
        try:
            answer = self._session.post(self._server.url(action), json=message, timeout=_LONGEST_STEP)
            body = answer.json()["body"]
        except (requests.RequestException, ValueError, KeyError) as error:
            return f"{BROKEN}: {type(error).__name__}", {}
        if body["status"] == "ok":
            return DONE, body["output"]
        cause = str((body.get("exception") or {}).get("cause", ""))
        if answer.status_code != 400 or not cause:
            return f"{BROKEN}: HTTP {answer.status_code}", {}
        return (MAY_EXIST if "may exist" in cause else FAILED), {}


class People(threading.Thread):
    """Works in Halo's own screens."""

    def __init__(self, halo: HaloEmulator, seed: int) -> None:
        super().__init__(name="people", daemon=True)
        self._halo = halo
        self._dice = random.Random(seed + 1)  # nosec B311: dice, no secret
        self._over = threading.Event()
        self._open: list[int] = []
        self.changes = 0

    def run(self) -> None:
        """Until told to end."""
        while not self._over.wait(self._dice.uniform(0.1, 1.0)):
            self._act()

    def _act(self) -> None:
        self.changes += 1
        roll = self._dice.random()
        if roll < 0.3 or len(self._open) < 3:
            ticket = self._halo.log_ticket(summary=f"Logged by somebody, {self.changes}", agent_id=_AGENTS[0])
            self._open.append(int(ticket["id"]))
        elif roll < 0.6:
            self._halo.change_ticket(self._dice.choice(self._open), summary=f"Changed by somebody, {self.changes}")
        else:
            self._halo.change_ticket(self._dice.choice(self._open), status_id=self._dice.choice(_STATUSES))

    def end(self) -> None:
        """Tell it to end, and wait for that."""
        self._over.set()
        self.join(30)


# -- what the processes use ------------------------------------------------------------------------------------------


class Watch(threading.Thread):
    """Samples every few seconds what the plugin's processes hold."""

    def __init__(self, processes: Mapping[str, int], period: float) -> None:
        super().__init__(name="watch", daemon=True)
        self._processes = processes
        self._period = period
        self._over = threading.Event()
        self.seen: dict[str, list[Usage]] = {name: [] for name in processes}

    def run(self) -> None:
        """Until told to end."""
        while not self._over.wait(self._period):
            self.look()

    def look(self) -> None:
        """Once."""
        for name, pid in self._processes.items():
            if found := usage(pid):
                self.seen[name].append(found)

    def end(self) -> None:
        """Tell it to end, and take the last sample."""
        self._over.set()
        self.join(30)
        self.look()


@dataclass(frozen=True)
class Allowance:
    """How much of something a process may have more at the end than when it was warm."""

    name: str
    share: float
    more: int

    def exceeded(self, seen: Sequence[Usage]) -> bool:
        """Whether the last fifth is above the fifth from two fifths on, in the median, by more than that."""
        fifth = max(len(seen) // 5, 1)
        warm, late = seen[2 * fifth : 3 * fifth] or seen[:1], seen[-fifth:]
        middle, end = (statistics.median(int(getattr(one, self.name)) for one in part) for part in (warm, late))
        return end > middle * (1 + self.share) + self.more


# KiB for memory. Sockets and threads come and go with the clients; four connections' worth of them is no leak.
ALLOWANCES = (Allowance("resident", 0.10, 6 * 1024), Allowance("descriptors", 0.0, 8), Allowance("threads", 0.0, 4))


# -- the account -----------------------------------------------------------------------------------------------------


@dataclass
class Account:
    """Everything that was counted. ``wrong`` says in words what does not add up."""

    seconds: float = 0.0
    steps: dict[str, dict[str, int]] = field(default_factory=dict)
    longest_step: float = 0.0
    made: dict[str, dict[str, int]] = field(default_factory=dict)
    events: dict[str, dict[str, int]] = field(default_factory=dict)
    processes: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    requests: int = 0
    wrong: list[str] = field(default_factory=list)

    def tables(self) -> list[Table]:
        """For a reader."""
        outcomes = [DONE, FAILED, MAY_EXIST]
        steps = [[name, *(str(row.get(kind, 0)) for kind in outcomes)] for name, row in self.steps.items()]
        made = [[name, *map(str, row.values())] for name, row in self.made.items()]
        events = [[name, *map(str, row.values())] for name, row in self.events.items()]
        used = [
            [name, what, *(f"{row[what]:,}" for row in (marks["start"], marks["warm"], marks["end"]))]
            for name, marks in self.processes.items()
            for what in ("resident", "descriptors", "threads")
        ]
        spent = f"{self.seconds:.0f} s, {self.requests} requests to Halo, faults: " + ", ".join(
            f"{number} times {name}" for name, number in sorted(self.faults.items())
        )
        verdict = [
            ["everything adds up" if not self.wrong else "DOES NOT ADD UP"],
            *([what] for what in self.wrong[:40]),
        ]
        return [
            Table("Soak: steps", ("action", *outcomes), steps, f"{spent}. Longest step: {self.longest_step:.0f} s."),
            Table("Soak: tickets and comments", ("what", *_MADE), made),
            Table("Soak: events", ("trigger", *_EVENTS), events),
            Table("Soak: processes", ("process", "of", "at the start", "warm", "at the end"), used, "Resident in KiB."),
            Table("Soak: verdict", ("verdict",), verdict),
        ]


_MADE = ("asked for", "done", "failed for certain", "may exist", "there", "twice")
_EVENTS = ("due", "delivered", "missing", "twice", "never happened", "actions refused")
# Where a ticket's actions may not be read, all that happened between two snapshots is one transition, and what happened
# before the first snapshot is none (documented). "actions refused" counts the transitions that are missing for that.
_REFUSALS = frozenset({400, 401, 403, 404})
Step = tuple[int, int]


def account_of_made(account: Account, name: str, asked: Sequence[Asked], there: Counter[str]) -> None:
    """Compare what was asked for with what is there, by the mark in its text."""
    outcomes = Counter(one.outcome for one in asked)
    twice = [one.mark for one in asked if there[one.mark] > 1]
    lost = [one.mark for one in asked if one.outcome == DONE and not there[one.mark]]
    unsaid = [one.mark for one in asked if one.outcome == FAILED and there[one.mark]]
    numbers = (len(asked), outcomes[DONE], outcomes[FAILED], outcomes[MAY_EXIST], there.total(), len(twice))
    account.made[name] = dict(zip(_MADE, numbers))
    account.wrong += [f"{name}: made twice: {mark}" for mark in twice]
    account.wrong += [f"{name}: said to be done and is not there: {mark}" for mark in lost]
    account.wrong += [f"{name}: said to have failed and is there: {mark}" for mark in unsaid]


class Due:
    """The events due from each trigger, from Halo's own records, since ``before`` (ticket id to number of actions)."""

    def __init__(self, halo: HaloEmulator, before: Mapping[int, int]) -> None:
        self._tickets = halo.tickets
        self._actions = halo.actions
        self._requests = halo.requests
        self._last_update_at = halo.lists.clock.last_update_at
        self._before = before

    def created(self) -> Counter[str]:
        """Every ticket that is new."""
        return Counter(str(number) for number in self._tickets if number not in self._before)

    def updated(self) -> Counter[str]:
        """The last state of every ticket that is not as it was logged."""
        return Counter(
            f"{number} at {moment(ticket['last_update'])}"
            for number, ticket in self._tickets.items()
            if ticket["last_update"] != self._last_update_at(ticket["datecreated"]) and number not in self._before
        )

    def refused(self) -> set[int]:
        """The tickets whose actions Halo refused to show at least once."""
        asked = (entry for entry in self._requests if entry.method == "GET" and entry.path.lower() == "/api/actions")
        refused = [entry.query.get("ticket_id") for entry in asked if entry.status in _REFUSALS]
        # A list of a day's actions is one of all tickets.
        return set(self._actions) if None in refused else {int(number) for number in refused if number}

    def transitions(self) -> dict[int, list[tuple[int, int]]]:
        """Every change of the status, in order."""
        found = {}
        for number, rows in self._actions.items():
            later = rows[self._before.get(number, 0) :]
            steps = [(int(row["old_status"]), int(row["new_status"])) for row in later if row.get("old_status")]
            found[number] = [(old, new) for old, new in steps if old != new]
        return {number: steps for number, steps in found.items() if steps}


def account_of_events(account: Account, due: Due, accepted: Sequence[Accepted]) -> None:
    """Compare what was due with what came, trigger by trigger."""
    outputs = {name: [event.output for event in accepted if event.trigger_id == name] for name in TRIGGERS}
    created, updated = due.created(), due.updated()
    came = {
        "ticket_created": Counter(str(output["ticket"]["id"]) for output in outputs["ticket_created"]),
        "ticket_updated": Counter(_state(output["ticket"]) for output in outputs["ticket_updated"]),
    }
    # Earlier states of a ticket are not kept by the emulator: only the last one can be compared.
    _account_of(account, "ticket_created", created, came["ticket_created"], created)
    _account_of(account, "ticket_updated", updated, came["ticket_updated"], came["ticket_updated"])
    untold = _account_of_transitions(account, due, outputs["ticket_status_changed"])
    for name, rows in outputs.items():
        twice = len(rows) - len({output["event_id"] for output in rows})
        account.events[name] |= {"delivered": len(rows), "twice": twice}
        account.wrong += [f"{name}: {twice} events came twice"] if twice else []
    account.events["ticket_status_changed"]["actions refused"] = untold


def _state(ticket: Mapping[str, Any]) -> str:
    return f"{ticket['id']} at {moment(ticket['datemodified'])}"


def _account_of(
    account: Account,
    name: str,
    wanted: Counter[str],
    came: Counter[str],
    possible: Counter[str],
    due: int | None = None,
) -> None:
    missing, false = sorted((wanted - came).elements()), sorted((came - possible).elements())
    counts = (wanted.total() if due is None else due, 0, len(missing), 0, len(false), 0)
    account.events[name] = dict(zip(_EVENTS, counts))
    account.wrong += [f"{name}: missing: {thing}" for thing in missing]
    account.wrong += [f"{name}: never happened: {thing}" for thing in false]


def _account_of_transitions(account: Account, due: Due, outputs: Sequence[Mapping[str, Any]]) -> int:
    """Compare the transitions, in order. Returns how many are missing because Halo refused to show the actions."""
    came: dict[int, list[Step]] = {}
    for output in outputs:
        came.setdefault(output["ticket"]["id"], []).append((output["old_status_id"], output["new_status_id"]))
    happened, refused, untold, wrong = due.transitions(), due.refused(), 0, []
    wanted: Counter[str] = Counter()
    for number, steps in happened.items():
        shortened = came.get(number, [])
        if number in refused and is_shortened(steps, shortened):
            untold += len(steps) - len(shortened)
            steps = shortened
        elif sorted(steps) == sorted(shortened) and steps != shortened:
            wrong.append(f"ticket_status_changed: ticket {number}: not its transitions in order")
        wanted.update(f"{number}: {old} to {new}" for old, new in steps)
    told = Counter(f"{number}: {old} to {new}" for number, steps in came.items() for old, new in steps)
    _account_of(account, "ticket_status_changed", wanted, told, wanted, sum(map(len, happened.values())))
    account.wrong += wrong
    return untold


def is_shortened(happened: Sequence[Step], told: Sequence[Step]) -> bool:
    """Whether the delivered transitions go through some of the ticket's statuses, in order, up to the last one.

    They may begin later: for a ticket that is new to the trigger, an earlier status is never guessed.
    """
    if not told:
        return True
    if told[-1][1] != happened[-1][1] or any(one[1] != other[0] for one, other in zip(told, told[1:])):
        return False
    statuses = iter([happened[0][0], *(new for _, new in happened)])
    return all(status in statuses for status in (told[0][0], *(new for _, new in told)))


def account_of_processes(account: Account, seen: Mapping[str, Sequence[Usage]]) -> None:
    """What each process held at the start, when warm, and at the end, and whether it grew."""
    for name, samples in seen.items():
        if not samples:
            account.wrong.append(f"{name}: ended before it was looked at")
            continue
        marks = {"start": samples[0], "warm": samples[len(samples) // 2], "end": samples[-1]}
        account.processes[name] = {mark: asdict(sample) for mark, sample in marks.items()}
        account.wrong += [f"{name}: {each.name} grew" for each in ALLOWANCES if each.exceeded(samples)]


# -- the soak --------------------------------------------------------------------------------------------------------


class Soak:
    """One run."""

    def __init__(
        self,
        seconds: float,
        seed: int,
        settings: Settings,
        limit: int | None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._seconds = seconds
        self._settings = settings
        self._limit = limit
        self._seed = seed
        self._say = say
        self.account = Account()

    def run(self) -> Account:
        """From the start of the processes to the account."""
        began = time.monotonic()
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="haloitsm-soak-")))
            orchestrator = stack.enter_context(Orchestrator())
            halo = stack.enter_context(HaloEmulator())
            set_up(halo, self._settings)
            server = stack.enter_context(plugin_server())
            before = {number: len(rows) for number, rows in halo.actions.items()}
            before |= {number: before.get(number, 0) for number in halo.tickets}
            triggers = [
                stack.enter_context(_trigger(name, halo, orchestrator, folder, self._given)) for name in TRIGGERS
            ]
            halo.requests_per_five_minutes = self._limit
            halo.webhook_disorder = WebhookDisorder(duplicate=0.2, drop=0.3, delay=1.0, shuffle=True, seed=self._seed)
            workflows = self._work(halo, orchestrator, server, triggers)
            self._settle(halo, orchestrator, before)
            self._count(workflows, halo, orchestrator, before)
            self.account.wrong += [f"{one.trigger} has ended by itself" for one in triggers if not one.running]
            # Only the triggers' logs are checked. The server's has a traceback for every step that fails, so steps are
            # checked by their outcome.
            self.account.wrong += [
                f"{one.trigger}: a traceback is logged" for one in triggers if "Traceback" in one.said
            ]
        self.account.seconds = round(time.monotonic() - began, 1)
        return self.account

    @property
    def _given(self) -> Mapping[str, Any]:
        """What the triggers are given."""
        return {} if self._limit else GIVEN

    @property
    def _interval(self) -> float:
        return float(self._given.get("interval", 60))

    def _work(
        self, halo: HaloEmulator, orchestrator: Orchestrator, server: Server, triggers: Sequence[TriggerProcess]
    ) -> list[Workflow]:
        """All clients work while faults occur. Then the clients stop and the faults end."""
        processes = {f"server, process {place}": pid for place, pid in enumerate(family(server.pid), start=1)}
        processes |= {one.trigger: one.process.pid for one in triggers if one.process}
        watch = Watch(processes, max(self._seconds / 100, 0.5))
        connection = connection_to(halo, _SIGNED_WITH)
        pauses = _LONG_PAUSES if self._limit else _PAUSES
        workflows = [Workflow(number, server, connection, self._seed, pauses) for number in range(_CLIENTS)]
        people, weather = People(halo, self._seed), Weather(halo, orchestrator, self._seed)
        watch.look()
        for thread in (watch, people, weather, *workflows):
            thread.start()
        self._wait(orchestrator)
        for workflow in workflows:
            workflow.end()
        people.end()
        weather.clear()
        for workflow in workflows:
            workflow.join(_LONGEST_STEP)
        watch.end()
        self.account.faults = dict(weather.faults)
        if self._limit:
            self.account.faults[f"over the limit of {self._limit}"] = halo.refused_by_rate_limit
        account_of_processes(self.account, watch.seen)
        return workflows

    def _wait(self, orchestrator: Orchestrator) -> None:
        until = time.monotonic() + self._seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 30.0))
            self._say(f"{max(until - time.monotonic(), 0):.0f} s to go, {len(orchestrator.accepted)} events accepted")

    def _settle(self, halo: HaloEmulator, orchestrator: Orchestrator, before: Mapping[int, int]) -> None:
        """Wait until all that is due has come, and then three more polls, for events that should not come."""
        halo.wait_for_webhooks(30)
        until = time.monotonic() + (_SETTLING_UNDER_A_LIMIT if self._limit else _SETTLING)
        while time.monotonic() < until:
            draft = Account()
            account_of_events(draft, Due(halo, before), orchestrator.accepted)
            if not any(row["missing"] for row in draft.events.values()):
                break
            time.sleep(1.0)
        time.sleep(3 * self._interval)

    def _count(
        self,
        workflows: Sequence[Workflow],
        halo: HaloEmulator,
        orchestrator: Orchestrator,
        before: Mapping[int, int],
    ) -> None:
        account = self.account
        asked = [one for workflow in workflows for one in workflow.asked]
        for one in asked:
            outcomes = account.steps.setdefault(one.action, {})
            kind = one.outcome.partition(":")[0]
            outcomes[kind] = outcomes.get(kind, 0) + 1
        account.steps = dict(sorted(account.steps.items()))
        account.longest_step = max((one.seconds for one in asked), default=0.0)
        account.requests = len(halo.requests)
        account.wrong += [f"{one.action}: {one.outcome}" for one in asked if one.outcome.startswith(BROKEN)]
        account.wrong += ["a workflow did not come to an end" for workflow in workflows if workflow.is_alive()]
        summaries = Counter(str(ticket["summary"]) for ticket in halo.tickets.values())
        notes = Counter(str(row["note"]) for rows in halo.actions.values() for row in rows)
        for name, action, there in (("tickets", "create_ticket", summaries), ("comments", "add_comment", notes)):
            mine = [one for one in asked if one.action == action]
            marks = {one.mark for one in mine}
            found = Counter({mark: number for mark, number in there.items() if mark in marks})
            account_of_made(account, name, mine, found)
        account_of_events(account, Due(halo, before), orchestrator.accepted)


@contextmanager
def _trigger(
    name: str, halo: HaloEmulator, orchestrator: Orchestrator, folder: Path, given: Mapping[str, Any]
) -> Iterator[TriggerProcess]:
    port = free_port() if name in _WITH_WEBHOOKS else 0
    # The steps' own changes are events like any others here.
    skips = {} if name == "ticket_created" else {"skip_own_changes": False}
    given = {**given, **skips, **({"webhook_port": port} if port else {})}
    trigger = TriggerProcess(
        name, orchestrator.url, connection_to(halo, _SIGNED_WITH), folder / "workspace", name, given, 10.0
    )
    trigger.start()
    try:
        if not trigger.says(STARTED, 60):
            raise RuntimeError(f"{name} did not start: {trigger.said[-2000:]}")
        if port:
            halo.add_webhook(f"http://127.0.0.1:{port}/", authentication="hmac", secret=_SIGNED_WITH)
        yield trigger
    finally:
        trigger.signal(signal.SIGTERM)
        trigger.ended(20)
        trigger.kill()


# -- the command -----------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tools.soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (10)")
    parser.add_argument("--seed", type=int, default=7, help="the dice (7)")
    parser.add_argument(
        "--halo", choices=[*LIST_CHANGES], metavar="NAME", help="an odd one: " + "; ".join(LIST_CHANGES)
    )
    parser.add_argument("--limit", type=int, metavar="N", help="Halo refuses more requests than these in five minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the account there")
    options = parser.parse_args(arguments)
    command = ["python", "-m", "tools.soak", "--minutes", f"{options.minutes:g}", "--seed", str(options.seed)]
    command += ["--halo", options.halo] if options.halo else []
    command += ["--limit", str(options.limit)] if options.limit else []
    document = Document(shlex.join(command), about())
    settings = LIST_CHANGES.get(options.halo, {})
    account = Soak(options.minutes * 60, options.seed, settings, options.limit, _say).run()
    document.tables, document.data, document.passed = account.tables(), asdict(account), not account.wrong
    for table in document.tables:
        print(table.text())
    if options.json:
        document.write(options.json)
    return 0 if document.passed else 1


def _say(line: str) -> None:
    print(f"soak: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
