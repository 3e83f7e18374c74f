"""Every action and every trigger, run with every fault of the emulated HaloITSM, as a table.

    python -m tools.faults [--json FILE] [--only actions|triggers|setbacks] [--every N]

Ends with 1 when a cell has two tickets, two comments, a lost event, one that came twice, a hang past the cap, an error
that is none of the plugin's own, or another outcome than the requirements ask for; and when anything that was logged or
raised holds a credential, a token or a text of a ticket, or an event holds a credential or a token.

The cells of the actions are defined here once, for this command and for the tests: STEPS, TROUBLES, MATRIX, `expected`.
Actions run in this process. Their client gives up on a silent Halo after a third of a second, and its pauses are
counted but not slept, so the time of a cell is what it would be with such timeouts. Triggers run through the real entry
point, in real time, with polls and signed webhooks. They also meet a dispatcher and a state folder that fail while Halo
is well (tools/setbacks.py).

What is made exactly once also meets Halos in odd circumstances (`Circumstance`), and Halos that do the work long after
their answer (LATE). There the client's clock runs a hundred times as fast, and it gives up after ten of its seconds.
"""

from __future__ import annotations

import argparse
import logging
import os
import secrets as random_texts
import shlex
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import jsonschema
from insightconnect_plugin_runtime.exceptions import PluginException

from halo_emulator import Fault, HaloEmulator
from halo_emulator.store import EXTERNAL_ID
from halo_emulator.ticket_writes import create_ticket
from komand_haloitsm import actions as action_classes
from komand_haloitsm.connection import Connection
from komand_haloitsm.util.api import HaloITSMAPI
from komand_haloitsm.util.insightconnect.errors import HaloITSMError, UncertainWriteError
from tools.bench.report import Document, Table, about
from tools.odd_halos import NOTE_CHANGES, SPEED, TICKET_CHANGES, FastTime, Settings, set_up
from tools.orchestrator import Accepted, Orchestrator
from tools.setbacks import BOUND_BY_MODES, SETBACKS, Setback
from tools.storm import GIVEN, STARTED, TriggerProcess, connection_to, free_port, moment

# -- the cells -------------------------------------------------------------------------------------------------------

_MARK = "orchid-harbour"
SUMMARY, TEXT = "Quarterly figures of Northwind leaked", f"The archive was named {_MARK}-1971"
# Texts of tickets, ours and those that the emulator starts with: none may be logged or raised.
PRIVATE = (SUMMARY, TEXT, _MARK, "Invoice attachment", "reported by reception")
READ, UPDATE, CREATE, CLOSE = "read", "update", "create", "close"
STATUSES = (302, 400, 401, 403, 404, 408, 409, 429, 500, 502, 503, 504)
KINDS = (*map(str, STATUSES), "429 with Retry-After", "hang", "drop", "html", "truncated")
PASSES = frozenset({"429", "429 with Retry-After", "502", "503", "504", "hang", "drop", "truncated"})
# After these Halo may still be at work. What carries no key, a comment, is then not sent again.
SLOW = frozenset({"408", "502", "504", "hang", "html"})
MAY_HAVE_BEEN_DONE = SLOW | {"500", "503", "drop", "truncated"}
# When Halo does the work, in seconds after the client has given up or has got this answer.
LATE: Mapping[str, tuple[float, int | None]] = {
    "10 s late": (10.0, None),
    "45 s late": (45.0, None),
    "504, 10 s late": (10.0, 504),
    "504, 45 s late": (45.0, 504),
}
# Answers that say no, be it Halo or what stands before it.
REFUSALS = frozenset({"302", "400", "403", "404", "409"})
LISTS = ("status", "priority", "team", "agent", "category", "tickettype")


@dataclass(frozen=True)
class Step:
    """An action and the one request that does its work. ``variant`` tells it from other steps of the same action."""

    action: str
    nature: str
    method: str
    path: str
    given: Mapping[str, Any]
    variant: str = ""

    @property
    def name(self) -> str:
        """For the tables."""
        return f"{self.action} {self.variant}".strip()


STEPS: Mapping[str, Step] = {
    step.action: step
    for step in (
        Step("create_ticket", CREATE, "POST", "tickets", {"summary": SUMMARY, "details": TEXT, "tickettype_id": 1}),
        Step("add_comment", CREATE, "POST", "actions", {"ticket_id": 2102, "comment": TEXT}),
        Step("update_ticket", UPDATE, "POST", "tickets", {"ticket_id": 2102, "details": TEXT}),
        Step("assign_ticket", UPDATE, "POST", "tickets", {"ticket_id": 2102, "agent_id": 5}),
        Step("close_ticket", CLOSE, "POST", "tickets", {"ticket_id": 2102, "resolution": TEXT, "closed_status_id": 9}),
        Step("get_ticket", READ, "GET", "tickets/2102", {"ticket_id": 2102}),
        Step("search_tickets", READ, "GET", "tickets", {"summary_contains": "Suspicious"}),
    )
}
_CREATE = STEPS["create_ticket"]
WITH_REFERENCE = replace(_CREATE, given={**_CREATE.given, "external_reference": "INV-4711"}, variant="with a reference")


@dataclass(frozen=True)
class Trouble:
    """A fault: its kind ("429", "hang" ...), whether Halo has done the work by then, and whether it stays."""

    kind: str
    after_commit: bool
    lasting: bool

    def __str__(self) -> str:
        return f"{self.kind}-{'after' if self.after_commit else 'before'}-{'lasting' if self.lasting else 'once'}"

    def fault(self, **where: Any) -> Fault:
        """The same for the emulator; ``where`` are the method and path that it concerns."""
        if self.kind in LATE:
            seconds, answer = LATE[self.kind]
            given_up = _FAST_SILENCE if answer is None else 0.0
            return Fault("late", seconds=seconds / SPEED + given_up, answers=answer, **where)
        status = self.kind[:3] if self.kind[:3].isdigit() else None
        return Fault(
            "status" if status else self.kind,
            status=int(status or 503),
            # Halo's 404 has a message. The others are sent without one, which is the hardest case to report.
            body={"message": "No such record."} if status == "404" else None,
            headers=(("Retry-After", "1"),) if self.kind.endswith("Retry-After") else (),
            after_commit=self.after_commit,
            times=None if self.lasting else 1,
            **where,
        )


TROUBLES = tuple(
    Trouble(kind, after, lasting) for kind in KINDS for after in (False, True) for lasting in (False, True)
)


def expected(step: Step, trouble: Trouble) -> bool:
    """Whether the requirements want an action to succeed when its own request meets a fault."""
    if trouble.kind == "401" and not (step.nature in (CREATE, CLOSE) and trouble.after_commit):
        return not trouble.lasting
    if trouble.kind == "404" and step.nature == READ:
        return step.action == "get_ticket"
    if trouble.kind == "404" and step.nature in (UPDATE, CLOSE) and not (step.nature == CLOSE and trouble.after_commit):
        # "Record not found" may mean that rights are missing, so it is tried once more with type and client.
        return not trouble.lasting
    if step.nature in (CREATE, CLOSE) and trouble.after_commit:
        # Whatever the answer was, a look finds what was made. After a refusal a comment, having no key, is only told.
        return not (step.action == "add_comment" and trouble.kind in REFUSALS)
    if step.nature in (CREATE, CLOSE) and trouble.kind in MAY_HAVE_BEEN_DONE:
        return not trouble.lasting and not (step.action == "add_comment" and trouble.kind in SLOW)
    return trouble.kind in PASSES and not trouble.lasting


def sensible(step: Step, trouble: Trouble) -> bool:
    """Whether the table has a fault for an action. A read commits nothing."""
    return step.nature != READ or not trouble.after_commit


MATRIX = tuple((step, trouble) for step in STEPS.values() for trouble in TROUBLES if sensible(step, trouble))


@dataclass(frozen=True)
class Circumstance:
    """Settings of the instance. ``known``: an earlier step of the process has shown how the instance is."""

    name: str
    settings: Settings
    known: bool = False

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """What it is crossed with: with the slowest faults only where little else is odd."""
        return (*_TELLING, *_SLOWEST) if set(self.settings) <= set(_NO_KEY) else _TELLING


def _circumstances(table: Mapping[str, Settings], names: Sequence[str], prefix: str = "") -> list[Circumstance]:
    return [Circumstance(f"{prefix}{name}", table[name]) for name in names]


_NO_KEY: Settings = {"keeps_external_id": False}
_NO_SEARCH: Settings = {"ignored_parameters": {"search_details"}}
_LAG, _HIDDEN = "lists that lag", "a rule closes it, and closed ones are hidden"
# What becomes of texts and dates matters where things are found by their text: comments, and tickets without a key.
_REWRITTEN = (
    "escaped",
    "question marks",
    "joined lines",
    "a database clock ahead",
    "a database clock behind",
    "local time ahead",
    "local time behind",
)
NOTE_CIRCUMSTANCES = (
    Circumstance("nothing odd", {}),
    Circumstance("nothing odd, not the first", {}, True),
    *_circumstances(NOTE_CHANGES, (_LAG, "a signature, and forced private", *_REWRITTEN)),
)
TICKET_CIRCUMSTANCES = (
    Circumstance("the key is kept", {}),
    Circumstance("the key is kept, not the first", {}, True),
    Circumstance("the key is not kept", _NO_KEY),
    Circumstance("the key is not kept, not the first", _NO_KEY, True),
    *_circumstances(TICKET_CHANGES, (_LAG, _HIDDEN, "rows without the key", "an ignored filter")),
    *_circumstances(
        {name: {**settings, **_NO_KEY} for name, settings in TICKET_CHANGES.items()},
        (_LAG, _HIDDEN, "a rule prefixes and appends", "cut at 255", *_REWRITTEN),
        "no key, ",
    ),
    Circumstance("an ignored search_details", _NO_SEARCH),
    Circumstance("no key, an ignored search_details", {**_NO_SEARCH, **_NO_KEY}),
)
_TELLING = (
    *(Trouble(kind, True, False) for kind in ("drop", "400", "500", "504", "hang")),
    *(Trouble(kind, False, False) for kind in ("drop", "10 s late", "504, 45 s late")),
)
_SLOWEST = tuple(Trouble(kind, False, False) for kind in ("500", "504", "hang", "45 s late", "504, 10 s late"))
# Texts that the odd Halos change. Each has the words by which it is found here.
_ODD_SUMMARY = f"{SUMMARY} & <others> \U0001f525 " + "x" * 255
_ODD_TEXT = f"{TEXT} & <closed> \U0001f525\nby Kim"

WORK, EVERYTHING, TOKEN, EVERY_LIST = "its own request", "everything", "the token", "the lists of names"


@dataclass(frozen=True)
class ActionCell:
    """A step, a fault, the requests that it concerns, and what is odd about Halo."""

    step: Step
    trouble: Trouble
    place: str
    circumstance: Circumstance | None = None

    @property
    def who(self) -> str:
        """The table that it belongs to."""
        return f"{self.step.name}, odd Halos" if self.circumstance else self.step.name

    def faults(self) -> list[Fault]:
        """What to inject."""
        if self.place == WORK:
            return [self.trouble.fault(method=self.step.method, path=self.step.path)]
        if self.place == EVERY_LIST:
            return [self.trouble.fault(path=name) for name in LISTS]
        return [self.trouble.fault(path="auth/token" if self.place == TOKEN else "")]

    def expected(self) -> bool | None:
        """Whether the action must succeed. None where success and failure are both right, as long as it is safe."""
        if self.circumstance:
            return None
        if self.place == WORK:
            return expected(self.step, self.trouble)
        if self.place == TOKEN and self.step.nature == CLOSE and not self.trouble.lasting:
            # The list of statuses is the first request that needs a token, and the action works without that list.
            return None
        if self.place == TOKEN:
            return self.trouble.kind in PASSES and not self.trouble.lasting
        return None


@dataclass(frozen=True)
class TriggerCell:
    """A trigger, a fault, and the requests that it concerns."""

    trigger: str
    trouble: Trouble
    place: str

    def fault(self) -> Fault:
        """What to inject."""
        path = {EVERYTHING: "", TOKEN: "auth/token", _ACTIONS: "actions"}[self.place]
        return self.trouble.fault(path=path)


@dataclass(frozen=True)
class SetbackCell:
    """A trigger, and what goes wrong around it while Halo is well."""

    trigger: str
    setback: Setback

    @property
    def place(self) -> str:
        """What it happens to."""
        return self.setback.place


AnyTriggerCell = TriggerCell | SetbackCell
_ACTIONS = "the actions of a ticket"
TRIGGERS = ("ticket_created", "ticket_updated", "ticket_status_changed")


def action_cells() -> list[ActionCell]:
    """All of them."""
    cells = [ActionCell(step, trouble, WORK) for step, trouble in MATRIX]
    for step in STEPS.values():
        for kind in KINDS:
            lasting = [trouble for trouble in TROUBLES if trouble.kind == kind and trouble.lasting]
            cells += [ActionCell(step, trouble, EVERYTHING) for trouble in lasting if sensible(step, trouble)]
            cells += [ActionCell(step, Trouble(kind, False, stays), TOKEN) for stays in (False, True)]
            cells.append(ActionCell(step, Trouble(kind, False, True), EVERY_LIST))
    cells += [ActionCell(WITH_REFERENCE, trouble, WORK) for trouble in TROUBLES]
    return cells + odd_cells()


def odd_cells() -> list[ActionCell]:
    """What makes something, in odd circumstances."""
    written: Mapping[str, Any] = {"create_ticket": {"summary": _ODD_SUMMARY, "details": _ODD_TEXT}}
    written = {**written, "add_comment": {"comment": _ODD_TEXT}, "close_ticket": {"resolution": _ODD_TEXT}}
    cells = []
    for step in (_CREATE, WITH_REFERENCE, STEPS["add_comment"], STEPS["close_ticket"]):
        odd = replace(step, given={**step.given, **written[step.action]})
        table = TICKET_CIRCUMSTANCES if step.action == "create_ticket" else NOTE_CIRCUMSTANCES
        cells += [
            ActionCell(odd, trouble, WORK, circumstance) for circumstance in table for trouble in circumstance.troubles
        ]
    return cells


def trigger_cells() -> list[AnyTriggerCell]:
    """All cells of triggers. They only read, so it makes no difference whether the work is done before the fault."""
    troubles = [Trouble(kind, False, stays) for kind in KINDS for stays in (False, True)]
    cells: list[AnyTriggerCell] = [
        TriggerCell(name, trouble, place) for name in TRIGGERS for place in (EVERYTHING, TOKEN) for trouble in troubles
    ]
    cells += [TriggerCell("ticket_status_changed", trouble, _ACTIONS) for trouble in troubles]
    return cells + [SetbackCell(name, setback) for name in TRIGGERS for setback in SETBACKS]


# -- what comes out --------------------------------------------------------------------------------------------------


@dataclass
class Outcome:
    """A cell's outcome in words, what it cost, what it made, and what is wrong with it (nothing, if all is well)."""

    who: str
    place: str
    fault: str
    outcome: str
    requests: int
    made: int
    seconds: float
    wrong: list[str] = field(default_factory=list)

    def row(self) -> list[str]:
        """For the table."""
        verdict = "; ".join(self.wrong) or "ok"
        return [
            self.fault,
            self.place,
            self.outcome,
            str(self.requests),
            str(self.made),
            f"{self.seconds:.1f}",
            verdict,
        ]


COLUMNS = ("fault", "of", "outcome", "requests", "made", "seconds", "verdict")


@dataclass(frozen=True)
class Secrets:
    """What must not be logged or raised. Every access token of the emulator begins with ``token``."""

    credentials: Sequence[str]
    texts: Sequence[str]
    token: str

    def told_by(self, text: str, *, may_hold_texts: bool = False) -> list[str]:
        """Which of these a text holds, named by kind, without repeating them."""
        kinds = [("a credential", self.credentials), ("an access token", (self.token, "Bearer "))]
        kinds += [] if may_hold_texts else [("the text of a ticket", self.texts)]
        return [kind for kind, parts in kinds if any(part in text for part in parts)]


@contextmanager
def marked_tokens() -> Iterator[str]:
    """Yields a text with which every token begins that an emulator in this process issues."""
    marker = f"marked-{random_texts.token_hex(8)}"
    maker = SimpleNamespace(token_urlsafe=lambda length: f"{marker}.{random_texts.token_urlsafe(length)}")
    with patch("halo_emulator.tokens.secrets", maker):
        yield marker


# -- actions ---------------------------------------------------------------------------------------------------------

CAP = 120.0
_SILENCE = 0.3
# The same for a client on a fast clock, in real seconds.
_FAST_SILENCE = 10.0 / SPEED
# Allowed beyond the limit: the last attempt, which may begin just within it, and a busy machine.
_GRACE, _FAST_GRACE = 10.0, 60.0


class SkippedTime:
    """A clock on which sleeping takes no time."""

    def __init__(self) -> None:
        self.slept = 0.0

    def clock(self) -> float:
        """Seconds, with those that were not slept."""
        return time.monotonic() + self.slept

    def sleep(self, seconds: float) -> None:
        """Count them."""
        self.slept += seconds


class Captured(logging.Handler):
    """Keeps what is logged: of the plugin everything, of others what the runtime's level lets through."""

    def __init__(self) -> None:
        super().__init__()
        self._levels = (logging.WARNING, logging.NOTSET)
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """A line."""
        self.lines.append(self.format(record))

    def __enter__(self) -> Captured:
        root, ours = logging.getLogger(), logging.getLogger("komand_haloitsm")
        self._levels = (root.level, ours.level)
        root.addHandler(self)
        root.setLevel(logging.INFO)
        ours.setLevel(logging.DEBUG)
        return self

    def __exit__(self, *_: object) -> None:
        root, ours = logging.getLogger(), logging.getLogger("komand_haloitsm")
        root.removeHandler(self)
        root.setLevel(self._levels[0])
        ours.setLevel(self._levels[1])


_ACTIONS_BY_NAME: Mapping[str, Callable[[], Any]] = {
    name: getattr(action_classes, "".join(part.capitalize() for part in name.split("_"))) for name in STEPS
}


def _connected(halo: HaloEmulator, its_time: SkippedTime | FastTime) -> Any:
    """The plugin's connection, with a client that has short timeouts and a clock of its own."""
    silence = _FAST_SILENCE if isinstance(its_time, FastTime) else _SILENCE
    connection: Any = Connection()
    connection.connect(connection_to(halo))
    connection.client = HaloITSMAPI(
        client_id=halo.client_id,
        client_secret=halo.client_secret,
        auth_server=halo.auth_server,
        resource_server=halo.resource_server,
        connect_timeout=_SILENCE,
        read_timeout=silence,
        max_wait=CAP,
        clock=its_time.clock,
        sleep=its_time.sleep,
        jitter=lambda: 1.0,
    )
    return connection


def _run(connection: Any, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """An action's output, which keeps its schema."""
    action = _ACTIONS_BY_NAME[name]()
    action.connection = connection
    output: dict[str, Any] = action.run(dict(given))
    jsonschema.validate(output, action.output.schema)
    return output


def _warm(connection: Any) -> None:
    """Token and lists in memory, as after the first steps of a workflow, and what their answers have shown."""
    _make_something(connection)
    _run(connection, "get_ticket", {"ticket_id": 2102})
    _run(connection, "search_tickets", {})
    connection.client.update_ticket(2101, {"team_id": 1, "category_id": 33})


def _make_something(connection: Any) -> None:
    """Another ticket and comment, whose answers show how the instance is."""
    _run(connection, "create_ticket", {**_CREATE.given, "summary": "The first", "details": "Nothing."})
    _run(connection, "add_comment", {"ticket_id": 2103, "comment": "The first"})


_used_ports: set[int] = set()


@contextmanager
def _new_halo() -> Iterator[HaloEmulator]:
    """An emulator on an address of its own: the plugin remembers by address which tickets it has made."""
    for _ in range(100):
        halo = HaloEmulator()
        with halo:
            if halo.port not in _used_ports:
                _used_ports.add(halo.port)
                yield halo
                return
    raise RuntimeError("no address is left that was not used")


@dataclass(frozen=True)
class Attempt:
    """What an action gave or raised, and what it made: ids of tickets or notes.

    ``done``: whether Halo has done anything of it. ``right``: whether the output is about what was made.
    """

    output: dict[str, Any] | None
    error: Exception | None
    seconds: float = 0.0
    made: Sequence[int] = ()
    new_tickets: int = 0
    done: bool = False
    right: bool = True


def run_action_cell(cell: ActionCell, token: str) -> Outcome:
    """Carry out one cell."""
    with _new_halo() as halo, Captured() as captured:
        its_time = FastTime() if cell.circumstance else SkippedTime()
        connection = _connected(halo, its_time)
        _prepare(halo, connection, cell)
        halo.forget_requests()
        tickets, notes = set(halo.tickets), _notes(halo)
        faults = cell.faults()
        for fault in faults:
            halo.inject(fault)
        began, really_began = its_time.clock(), time.monotonic()
        output, error = _attempt(connection, cell.step)
        seconds = its_time.clock() - began
        halo.clear_faults()
        _wait_for_late_work(faults, really_began)
        new = set(halo.tickets) - tickets
        made = sorted(new if cell.step.action == "create_ticket" else _notes(halo) - notes)
        done = bool(made) or (cell.step.nature == CLOSE and _is_closed(halo, cell.step))
        right = output is None or _is_made(halo, cell.step, output, made)
        attempt = Attempt(output, error, seconds, made, len(new), done, right)
        what, told = _words(cell.trouble), _in_words(output, error)
        place = cell.circumstance.name if cell.circumstance else cell.place
        outcome = Outcome(cell.who, place, what, told, len(halo.requests), len(made), seconds)
        secrets = Secrets((halo.client_id, halo.client_secret), PRIVATE, token)
        everything = "\n".join([*captured.lines, *_everything_in(error)])
        outcome.wrong += [f"{kind} is logged or raised" for kind in secrets.told_by(everything)]
        outcome.wrong += _faults_of(cell, attempt)
    return outcome


def _prepare(halo: HaloEmulator, connection: Any, cell: ActionCell) -> None:
    """What was before the step."""
    if cell.circumstance is None:
        # Only a new connection asks for a token, so a fault of that request needs one.
        if cell.place in (WORK, EVERYTHING):
            _warm(connection)
        return
    set_up(halo, cell.circumstance.settings)
    if cell.circumstance.known:
        _make_something(connection)
    # The same texts by the same application and by somebody else: they are not what the step makes.
    if cell.step.action == "create_ticket":
        fields = {name: cell.step.given[name] for name in _CREATE.given}
        create_ticket(halo.lists, {**fields, EXTERNAL_ID: "ic-earlier"}, halo.api_agent_id)
    elif cell.step.action == "add_comment":
        halo.add_note(2102, cell.step.given["comment"])
    time.sleep(8.0 / SPEED)


def _wait_for_late_work(faults: Sequence[Fault], began: float) -> None:
    """Until all work is done that Halo does late."""
    for fault in faults:
        if fault.kind == "late":
            time.sleep(max(0.0, began + fault.seconds + 0.2 - time.monotonic()))


def _attempt(connection: Any, step: Step) -> tuple[dict[str, Any] | None, Exception | None]:
    try:
        return _run(connection, step.action, step.given), None
    except Exception as error:  # pylint: disable=broad-except  # a raw one is a finding, not the end
        return None, error


def _words(trouble: Trouble) -> str:
    when = ", after the work was done" if trouble.after_commit else ""
    return f"{trouble.kind}, {'lasting' if trouble.lasting else 'once'}{when}"


def _in_words(output: dict[str, Any] | None, error: Exception | None) -> str:
    if error is None:
        return "not found" if output and output.get("found") is False else "done"
    if isinstance(error, UncertainWriteError):
        return f"error: may have been done ({error.kind})"
    return f"error: {error.kind}" if isinstance(error, HaloITSMError) else f"error: {type(error).__name__}"


def _notes(halo: HaloEmulator) -> set[int]:
    """The notes that a comment or a closure may have made."""
    return {action["id"] for action in halo.actions[2102] if _MARK in action["note"]}


def _is_made(halo: HaloEmulator, step: Step, output: Mapping[str, Any], made: Sequence[int]) -> bool:
    """Whether an output is about what the step has made."""
    if step.action == "create_ticket":
        return output["created"] is True and output["ticket"]["id"] in made
    if step.action == "add_comment":
        return output["comment_id"] in made
    return step.nature != CLOSE or (_is_closed(halo, step) and len(made) == 1)


def _is_closed(halo: HaloEmulator, step: Step) -> bool:
    return bool(halo.tickets[2102]["status_id"] == step.given["closed_status_id"])


def _everything_in(error: BaseException | None) -> list[str]:
    """All that an exception could tell somebody."""
    if error is None:
        return []
    data = str(getattr(error, "data", ""))
    return [str(error), repr(error), data, "".join(traceback.format_exception(error))]


def _faults_of(cell: ActionCell, attempt: Attempt) -> list[str]:
    """What is wrong with the outcome of an action."""
    found = []
    error, times = attempt.error, max(len(attempt.made), attempt.new_tickets)
    if error is not None and not isinstance(error, PluginException):
        found.append(f"a raw {type(error).__name__}")
    if times > 1:
        found.append(f"made {times} times")
    if not attempt.right:
        found.append("done, but not what it says")
    if cell.circumstance and error is not None and attempt.done and not isinstance(error, UncertainWriteError):
        found.append("refused, but it was done")
    if attempt.seconds > CAP + (_FAST_GRACE if cell.circumstance else _GRACE):
        found.append(f"{attempt.seconds:.0f} s, past the cap of {CAP:.0f}")
    if cell.expected() not in (None, attempt.output is not None):
        found.append(f"should have {'succeeded' if cell.expected() else 'failed'}")
    return found


# -- triggers --------------------------------------------------------------------------------------------------------

_INTERVAL = GIVEN["interval"]
_LONGEST = 150.0
# How many tickets of each kind are in a scene with a setback.
_SEVERAL = 3
_AT_ONCE = 12
_OLD_STATUS, _BETWEEN_STATUS, _NEW_STATUS = 1, 2, 8


@dataclass
class _Scene:
    """What happens in Halo during a cell, to so many tickets of each kind, and what is due for it."""

    halo: HaloEmulator
    size: int = 1
    first: list[int] = field(default_factory=list)
    second: list[int] = field(default_factory=list)
    logged: list[int] = field(default_factory=list)

    def prepare(self) -> None:
        """Tickets that are old when the trigger starts."""
        self.first, self.second = ([self._log() for _ in range(self.size)] for _ in range(2))

    def _log(self) -> int:
        return int(self.halo.log_ticket(summary=SUMMARY, details=TEXT)["id"])

    def play(self) -> None:
        """Tickets are logged, others changed, others moved to a status and on to another."""
        self.logged += [self._log() for _ in range(self.size)]
        for number in self.first:
            self.halo.change_ticket(number, details=f"{TEXT}, and again")
        for number in self.second:
            self.halo.change_ticket(number, status_id=_BETWEEN_STATUS)
            self.halo.change_ticket(number, status_id=_NEW_STATUS)

    def missing(self, cell: AnyTriggerCell, events: Sequence[Accepted], excused: Set[int] = frozenset()) -> list[str]:
        """What is due and did not come, save for the excused tickets."""
        came = self._came(cell, events)
        due = Counter(thing for number, thing in self._due(cell, came) if number not in excused)
        return sorted((due - Counter(came)).elements())

    def _due(self, cell: AnyTriggerCell, came: Sequence[str]) -> list[tuple[int, str]]:
        if cell.trigger == "ticket_created":
            return [(number, f"{number} created") for number in self.logged]
        if cell.trigger == "ticket_updated":
            last = {number: self.halo.tickets[number]["last_update"] for number in self.first + self.second}
            return [(number, f"{number} at {moment(at)}") for number, at in last.items()]
        return [(number, step) for number in self.second for step in self._steps(number, cell, came)]

    def _steps(self, number: int, cell: AnyTriggerCell, came: Sequence[str]) -> list[str]:
        whole = f"{number}: {_OLD_STATUS} to {_NEW_STATUS}"
        # Where a ticket's actions cannot be read, two snapshots make at most one transition (documented).
        if cell.place == _ACTIONS and whole in came:
            return [whole]
        rows = [row for row in self.halo.actions[number] if row.get("old_status")]
        return [f"{number}: {row['old_status']} to {row['new_status']}" for row in rows]

    @staticmethod
    def _came(cell: AnyTriggerCell, events: Sequence[Accepted]) -> list[str]:
        outputs = [event.output for event in events]
        if cell.trigger == "ticket_created":
            return [f"{output['ticket']['id']} created" for output in outputs]
        if cell.trigger == "ticket_updated":
            return [f"{output['ticket']['id']} at {moment(output['ticket']['datemodified'])}" for output in outputs]
        return [
            f"{output['ticket']['id']}: {output['old_status_id']} to {output['new_status_id']}" for output in outputs
        ]


def run_trigger_cell(cell: AnyTriggerCell, token: str) -> Outcome:
    """Carry out one cell, in real time."""
    webhook_secret = f"webhook-{random_texts.token_hex(12)}"
    with tempfile.TemporaryDirectory(prefix="haloitsm-faults-") as folder, Orchestrator() as orchestrator:
        with _new_halo() as halo:
            scene = _Scene(halo, 1 if isinstance(cell, TriggerCell) else _SEVERAL)
            scene.prepare()
            port = free_port()
            trigger = TriggerProcess(
                cell.trigger,
                orchestrator.url,
                connection_to(halo, webhook_secret),
                Path(folder, "workspace"),
                "faults",
                {**GIVEN, "webhook_port": port},
            )
            if isinstance(cell, SetbackCell):
                trigger.dispatch_timeout, trigger.prefix = None, BOUND_BY_MODES
            trigger.start()
            try:
                if not trigger.says(STARTED, _LONGEST):
                    raise RuntimeError(f"the trigger did not start: {trigger.said[-2000:]}")
                halo.add_webhook(f"http://127.0.0.1:{port}/", authentication="hmac", secret=webhook_secret)
                if isinstance(cell, TriggerCell):
                    outcome = _watched(cell, scene, orchestrator, trigger)
                else:
                    outcome = _set_back(cell, scene, orchestrator, trigger)
            finally:
                trigger.signal(signal.SIGTERM)
                code = trigger.ended(30)
                trigger.kill()
            secrets = Secrets((halo.client_id, halo.client_secret, webhook_secret), PRIVATE, token)
            outcome.wrong += [f"{kind} is logged" for kind in secrets.told_by(trigger.said)]
            told = "".join(str(event.output) for event in orchestrator.accepted)
            outcome.wrong += [f"an event holds {kind}" for kind in secrets.told_by(told, may_hold_texts=True)]
            outcome.wrong += ["a traceback is logged"] if "Traceback" in trigger.said else []
            outcome.wrong += [f"exit code {code} after SIGTERM"] if code else []
    return outcome


def _watched(cell: TriggerCell, scene: _Scene, orchestrator: Orchestrator, trigger: TriggerProcess) -> Outcome:
    """Spoil Halo, let things happen, mend it if it would stay spoilt, and wait for what is due."""
    halo = scene.halo
    halo.forget_requests()
    if cell.place == TOKEN:
        halo.revoke_tokens()
    halo.inject(cell.fault())
    began = time.monotonic()
    scene.play()
    if cell.trouble.lasting:
        _wait_until_hit(halo, began)
        halo.clear_faults()
    return _accounted(cell, scene, orchestrator, trigger, began)


def _set_back(cell: SetbackCell, scene: _Scene, orchestrator: Orchestrator, trigger: TriggerProcess) -> Outcome:
    """Let things happen during the setback and after it. What it does not concern must come while it lasts."""
    scene.halo.forget_requests()
    began = time.monotonic()
    with cell.setback.during(orchestrator, trigger, scene.play) as excused:
        orchestrator.wait_for(lambda events: not scene.missing(cell, events, excused), _LONGEST)
        held_up = scene.missing(cell, orchestrator.accepted, excused)
    if cell.setback.restart:
        trigger.signal(signal.SIGTERM)
        trigger.ended(30)
        trigger.start()
        orchestrator.wait_for(lambda events: not scene.missing(cell, events), _LONGEST)
    scene.play()
    outcome = _accounted(cell, scene, orchestrator, trigger, began)
    outcome.wrong += [f"held up: {thing}" for thing in held_up]
    return outcome


def _accounted(
    cell: AnyTriggerCell, scene: _Scene, orchestrator: Orchestrator, trigger: TriggerProcess, began: float
) -> Outcome:
    """Wait for what is due, and tell what came."""
    orchestrator.wait_for(lambda events: not scene.missing(cell, events), _LONGEST)
    seconds = time.monotonic() - began
    # Whatever is sent twice comes within the next poll.
    time.sleep(_INTERVAL + 1.0)
    events = orchestrator.accepted
    missing = scene.missing(cell, events)
    twice = [name for name, times in Counter(event.event_id for event in events).items() if times > 1]
    outcome = "events lost" if missing else "all events delivered"
    if cell.place == _ACTIONS and not missing and len(events) == 1:
        outcome = "delivered, two transitions as one"
    wrong = [f"lost: {thing}" for thing in missing] + [f"came twice: {name}" for name in twice]
    wrong += [] if trigger.running else ["the trigger has ended"]
    number = len(scene.halo.requests)
    return Outcome(cell.trigger, cell.place, _what(cell), outcome, number, len(events), seconds, wrong)


def _what(cell: AnyTriggerCell) -> str:
    return _words(cell.trouble) if isinstance(cell, TriggerCell) else cell.setback.name


def _wait_until_hit(halo: HaloEmulator, began: float) -> None:
    """Until the fault has met two requests (a hang: one) and a poll was due, or it is clear that it will not."""
    while time.monotonic() < began + 4 * _INTERVAL:
        spoilt = [request for request in halo.requests if request.status != 200]
        if len(spoilt) > 1 or (spoilt and time.monotonic() > began + 2 * _INTERVAL):
            return
        time.sleep(0.1)


def _guarded(cell: AnyTriggerCell, token: str) -> Outcome:
    """A cell that cannot be carried out is a finding like any other, and not the end of the others."""
    try:
        return run_trigger_cell(cell, token)
    except Exception as error:  # pylint: disable=broad-except  # told in the table
        wrong = [f"could not be carried out: {error}"]
        return Outcome(cell.trigger, cell.place, _what(cell), "none", 0, 0, 0.0, wrong)


# -- the command -----------------------------------------------------------------------------------------------------


def run_cells(only: str, every: int) -> list[Outcome]:
    """The outcomes of all cells, or of every n-th."""
    outcomes: list[Outcome] = []
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
    with marked_tokens() as token:
        if only in ("", "actions"):
            cells = action_cells()[::every]
            for number, cell in enumerate(cells, start=1):
                outcomes.append(run_action_cell(cell, token))
                _tell(number, len(cells), "actions")
        if only != "actions":
            chosen = [cell for cell in trigger_cells() if only != "setbacks" or isinstance(cell, SetbackCell)][::every]
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                for number, outcome in enumerate(pool.map(lambda cell: _guarded(cell, token), chosen), start=1):
                    outcomes.append(outcome)
                    _tell(number, len(chosen), "triggers")
    return outcomes


def _tell(number: int, total: int, what: str) -> None:
    if number % 50 == 0 or number == total:
        print(f"faults: {what}: {number} of {total} cells", file=sys.stderr, flush=True)


def tables(outcomes: Sequence[Outcome]) -> list[Table]:
    """A table for each action and trigger, and before them the totals."""
    names = list(dict.fromkeys(outcome.who for outcome in outcomes))
    found = []
    for name in names:
        rows = [outcome for outcome in outcomes if outcome.who == name]
        found.append(Table(f"Faults: {name}", COLUMNS, [outcome.row() for outcome in rows]))
    sums = [_sum(name, [outcome for outcome in outcomes if outcome.who == name]) for name in names]
    note = (
        "Made: tickets of a create, notes of a comment or of a resolution, events of a trigger. Greps of everything "
        "logged and raised (and of events, for credentials and tokens) are part of each verdict."
    )
    columns = ("what", "cells", "done", "errors", "most made", "longest, s", "wrong")
    return [Table("Fault matrix", columns, sums, note), *found]


def _sum(name: str, rows: Sequence[Outcome]) -> list[str]:
    errors = sum(outcome.outcome.startswith("error") for outcome in rows)
    numbers = [len(rows), len(rows) - errors, errors, max(outcome.made for outcome in rows)]
    wrong = sum(bool(outcome.wrong) for outcome in rows)
    return [name, *map(str, numbers), f"{max(outcome.seconds for outcome in rows):.1f}", str(wrong)]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tools.faults", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the outcomes there")
    parser.add_argument("--only", choices=("actions", "triggers", "setbacks"), default="", help="one part")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth cell: a sample")
    options = parser.parse_args(arguments)
    command = ["python", "-m", "tools.faults"]
    command += ["--only", options.only] if options.only else []
    command += ["--every", str(options.every)] if options.every > 1 else []
    document = Document(shlex.join(command), about())
    outcomes = run_cells(options.only, max(options.every, 1))
    document.tables, document.data = tables(outcomes), [asdict(outcome) for outcome in outcomes]
    document.passed = not any(outcome.wrong for outcome in outcomes)
    for table in [*document.tables[1:], document.tables[0]]:
        print(table.text())
    if options.json:
        document.write(options.json)
    print(f"{len(outcomes)} cells, {sum(bool(outcome.wrong) for outcome in outcomes)} of them wrong")
    return 0 if document.passed else 1


if __name__ == "__main__":
    sys.exit(main())
