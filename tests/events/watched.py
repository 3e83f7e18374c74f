"""A trigger's loop against the emulator, in this process and on a clock of its own."""

import logging
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

import jsonschema
from steps import TRIGGERS, impatient

from komand_haloitsm.util.events.budget import WINDOW, Budget
from komand_haloitsm.util.events.delivery import Delivery
from komand_haloitsm.util.events.dependencies import Dependencies
from komand_haloitsm.util.events.lifecycle import Stopped
from komand_haloitsm.util.events.loop import TriggerLoop
from komand_haloitsm.util.events.store import open_store, state_path
from komand_haloitsm.util.halo.http.retry import RetryPolicy
from komand_haloitsm.util.halo.webhook import Notice

LOGGER = logging.getLogger("tests.loop")
NEW, IN_PROGRESS, RESOLVED, CLOSED = 1, 2, 8, 9
DAY = 86_400


class Killed(BaseException):
    """Takes the place of kill -9 in this process."""


class Script:
    """Takes the place of Stopping. Each rest moves the clock on and runs the next step; after the last it stops.

    With `halo`, its clock is moved on as well.
    """

    def __init__(self, steps, halo=None) -> None:
        self.steps = list(steps)
        self.halo = halo
        self.now = 1000.0
        self.rests: list[float] = []
        self.stopped = False

    def clock(self) -> float:
        return self.now

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        if self.halo is not None:
            self.halo.clock_offset += seconds

    def rest(self, seconds: float) -> None:
        self.rests.append(seconds)
        self.pass_time(seconds)
        if not self.steps:
            self.stopped = True
            return
        self.steps.pop(0)()

    def wait(self, seconds: float) -> bool:
        self.pass_time(seconds)
        return self.stopped

    @contextmanager
    def breakable(self):
        if self.stopped:
            raise Stopped
        yield


class Watched:
    """A trigger and its store on the emulator. Each `run` is a start of the trigger, until it stops.

    `budget` bounds its requests in five minutes, None leaves them without a bound.
    """

    def __init__(
        self,
        halo,
        folder,
        name: str,
        interval: float = 60,
        trigger_id: str = "t-1",
        budget: int | None = None,
        **params,
    ) -> None:
        self.halo, self.name, self.interval, self.budget = halo, name, interval, budget
        self.path = state_path(str(folder), trigger_id)
        self.script = Script([])
        self.connection = impatient(halo, connect_timeout=10.0, read_timeout=10.0, now=self.clock)
        self.events: list[tuple[str, dict]] = []
        self.send = lambda output: None
        trigger = TRIGGERS[name]()
        trigger.watch = lambda params, policy, output: setattr(self, "made", (policy, output))
        trigger.connection = self.connection
        trigger.run(params)
        self.schema = jsonschema.validators.validator_for(trigger.output.schema)(trigger.output.schema)
        self.store = None

    def clock(self) -> datetime:
        """Our own clock: that of the machine, moved on with the loop's where that moves Halo's on."""
        passed = self.script.clock() - 1000.0 if self.script.halo is not None else 0
        return datetime.now(timezone.utc) + timedelta(seconds=passed)

    def run(self, *steps) -> Script:
        return self.run_on(Script(steps))

    def run_on(self, script: Script) -> Script:
        self.script = script
        policy, output = self.made
        client = self.connection.client

        def send(event) -> None:
            self.schema.validate(event)
            self.send(event)
            self.events.append((event["event_id"], event))

        self.store = open_store(self.path, f"{self.name} {policy.ticket_id} {client.address}", LOGGER, script.clock)
        if self.budget is not None:
            client.before_request = Budget(self.budget, script.wait, LOGGER, script.clock).spend
        loop = TriggerLoop(
            Dependencies(
                reader=client.reader(RetryPolicy(max_wait=0.0)),
                store=self.store,
                policy=policy,
                delivery=Delivery(send, script.wait, LOGGER),
                stopping=script,
                output=lambda event, ticket: output(event, client.describe(ticket)),
                interval=self.interval,
                logger=LOGGER,
                own_agent=lambda: client.own_agent_id,
                hides_closed=client.hides_closed_tickets,
                seconds_per_request=WINDOW / self.budget if self.budget else 0.0,
                clock=script.clock,
                now=self.clock,
            )
        )
        try:
            loop.run()
        except (Killed, Stopped):
            pass
        finally:
            self.store.close()
        return script

    def ids(self) -> list[str]:
        return [event_id for event_id, _ in self.events]

    def tickets(self) -> list[int]:
        return [event["ticket"]["id"] for _, event in self.events]

    def transitions(self) -> list[tuple[int, int]]:
        return [(event["old_status_id"], event["new_status_id"]) for _, event in self.events]


def nothing() -> None:
    """A step in which nothing happens."""


def flap(halo, number: int) -> None:
    """Move a ticket through three statuses, back to New."""
    for status in (IN_PROGRESS, RESOLVED, NEW):
        halo.change_ticket(number, status_id=status)


def log_many(halo, count: int) -> list[int]:
    """The numbers of so many new tickets, each with an agent, so that it can be closed."""
    return [halo.log_ticket(summary=f"one of many {number}", agent_id=3)["id"] for number in range(count)]


def notices(*ticket_ids):
    return [Notice(ticket_id) for ticket_id in ticket_ids]


def told(caplog, level: int = logging.WARNING) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == LOGGER.name and r.levelno >= level]


def paths(halo) -> list[str]:
    """The paths of the requests for tickets and actions."""
    return [entry.path for entry in halo.requests if entry.path.startswith(("/api/Tickets", "/api/Actions"))]
