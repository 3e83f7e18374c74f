"""Halo allows 300 requests in five minutes, to everything together. Three triggers under a thousand webhooks leave
enough of them for the steps of workflows, and deliver every event.

All of it runs in this process, on one clock that skips the time in which nobody works. The emulator's clock moves with
it, and counts the requests.
"""

import base64
import hashlib
import hmac
import io
import itertools
import json
import threading
from collections import Counter
from contextlib import contextmanager

import pytest
from insightconnect_plugin_runtime.exceptions import PluginException
from steps import impatient, run_action

from komand_haloitsm.util.events.lifecycle import Stopped
from komand_haloitsm.util.events.receiver import Receiver
from komand_haloitsm.util.halo.tickets import exactly_once

from .watched import CLOSED, IN_PROGRESS, LOGGER, NEW, Script, Watched

SECRET = "webhook-secret-of-the-limit"
LIMIT, BUDGET, WINDOW = 300, 40, 300
HOUR = 3600.0
# The steps' User-Agent, which tells their requests from those of the triggers.
WORKFLOW = "workflow"
# A bound against hanging, in real seconds.
PATIENCE = 120.0


class SharedTime:
    """One clock for several actors, each of which works in a thread of its own. It stands still while an actor works,
    and then moves on to the one that is due first: they take turns, so nothing depends on how fast the machine is."""

    def __init__(self, halo) -> None:
        self.now = 1000.0
        self.halo = halo
        self._changed = threading.Condition()
        self._due: dict[Actor, float] = {}
        self._working: Actor | None = None

    def run(self, *actors: "Actor") -> None:
        """Until each has come to its end. What one of them raises is raised here."""
        with self._changed:
            self._due = dict.fromkeys(actors, self.now)
            self._pass_on()
        for actor in actors:
            actor.thread.start()
        for actor in actors:
            actor.thread.join(PATIENCE)
            assert not actor.thread.is_alive(), f"{actor.name} does not come to an end"
        for actor in actors:
            if actor.error is not None:
                raise actor.error

    def turn_of(self, actor: "Actor", due: float | None) -> None:
        """Let the others work until then; None means for good."""
        with self._changed:
            if due is not None:
                self._due[actor] = due
            self._pass_on()
            if due is not None:
                self.await_turn(actor)

    def await_turn(self, actor: "Actor") -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._working is actor, PATIENCE)

    def call(self, actor: "Actor") -> None:
        """It is due now, if it lets others work."""
        with self._changed:
            if actor in self._due:
                self._due[actor] = min(self._due[actor], self.now)

    def _pass_on(self) -> None:
        self._working = min(self._due, key=self._due.__getitem__, default=None)
        if self._working is not None:
            skipped = max(0.0, self._due.pop(self._working) - self.now)
            self.now += skipped
            self.halo.clock_offset += skipped
        self._changed.notify_all()


class Actor(Script):
    """Somebody with work to do on a shared clock. To a loop it takes the place of Stopping."""

    def __init__(self, name: str, shared: SharedTime, work) -> None:
        self.name = name
        self.shared = shared
        self.halo = shared.halo
        self.stopped = False
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, args=(work,), name=name, daemon=True)
        self._called = False
        self._resting = False

    def _run(self, work) -> None:
        try:
            self.shared.await_turn(self)
            work(self)
        except Stopped:
            pass
        except BaseException as error:  # told by SharedTime.run
            self.error = error
        finally:
            self.shared.turn_of(self, None)

    def clock(self) -> float:
        return self.shared.now

    def sleep(self, seconds: float) -> None:
        self.shared.turn_of(self, self.shared.now + seconds)

    def rest(self, seconds: float) -> None:
        if not self._called and not self.stopped:
            self._resting = True
            self.sleep(seconds)
            self._resting = False
        self._called = False

    def wait(self, seconds: float) -> bool:
        if not self.stopped:
            self.sleep(seconds)
        return self.stopped

    def wake(self) -> None:
        """From any thread: there is something to do."""
        self._called = True
        if self._resting:
            self.shared.call(self)

    def stop(self) -> None:
        self.stopped = True
        self.shared.call(self)

    @contextmanager
    def breakable(self):
        if self.stopped:
            raise Stopped
        yield


class Trigger:
    """A loop and its receiver, without the socket between Halo and it."""

    def __init__(self, halo, folder, shared: SharedTime, name: str) -> None:
        self.name = name
        self.watched = Watched(halo, folder, name, trigger_id=name, budget=BUDGET)
        self.actor = Actor(name, shared, self.watched.run_on)
        self.receiver = Receiver(0, SECRET, self._take, LOGGER)

    def _take(self, found) -> None:
        self.watched.store.add_pending(found)
        self.actor.wake()

    def post(self, body: bytes) -> str:
        """A signed webhook; returns the status of its answer."""
        signature = base64.b64encode(hmac.new(SECRET.encode(), body, hashlib.sha256).digest()).decode()
        answered: list[str] = []
        self.receiver.answer(
            {"REQUEST_METHOD": "POST", "wsgi.input": io.BytesIO(body), "HTTP_TOKEN": signature},
            lambda status, headers: answered.append(status),
        )
        return answered[0]


class Scene:
    """A Halo with its limit, three triggers that get webhooks, and a workflow with twenty steps."""

    def __init__(self, halo, folder) -> None:
        self.halo = halo
        self.shared = SharedTime(halo)
        self.triggers = {
            name: Trigger(halo, folder / name, self.shared, name)
            for name in ("ticket_created", "ticket_updated", "ticket_status_changed")
        }
        self.outcomes: list[str] = []
        self.webhooks = 0
        self.delivered_after = 0.0
        self._webhook_ids = itertools.count()

    def play(self, happens, due, most_hours: float = 4.0) -> None:
        """`happens(desk)` is what somebody does in Halo, ten seconds after the start. It goes on until all that
        `due()` says has come, or for so many hours."""

        def desk(actor: Actor) -> None:
            actor.sleep(10)
            self.halo.requests_per_five_minutes = LIMIT
            self.halo.forget_requests()
            began = actor.clock()
            happens(actor)
            while (self.missing(due()) or len(self.outcomes) < 20) and actor.clock() < began + most_hours * HOUR:
                actor.sleep(5)
            self.delivered_after = actor.clock() - began
            # What comes twice, comes with one of the next polls.
            actor.sleep(3 * 60)
            for trigger in self.triggers.values():
                trigger.actor.stop()

        actors = [Actor("desk", self.shared, desk), Actor("workflow", self.shared, self._workflow)]
        self.shared.run(*actors, *(trigger.actor for trigger in self.triggers.values()))

    def webhook(self, name: str, event: str, ticket_id: int) -> bytes:
        """The body of a new webhook, which is sent to a trigger."""
        event_id = f"6d0f2c9a-0000-4000-8000-{next(self._webhook_ids):012d}"
        ticket = {key: self.halo.tickets[ticket_id][key] for key in ("id", "summary", "status_id", "last_update")}
        moment = ticket["last_update"]
        content = {"id": event_id, "event": event, "object_id": ticket_id, "agent_id": 3, "timestamp": moment}
        body = json.dumps({**content, "ticket": ticket}).encode()
        self.post(name, body)
        return body

    def post(self, name: str, body: bytes) -> None:
        """The same once more."""
        assert self.triggers[name].post(body) == "200 OK"
        self.webhooks += 1

    def _workflow(self, actor: Actor) -> None:
        """A step every twelve seconds, each as in a process of its own."""
        actor.sleep(10.5)
        mine: list[int] = []
        for number in range(20):
            self.outcomes.append(self._step(actor, number, mine))
            actor.sleep(12)

    def _step(self, actor: Actor, number: int, mine: list[int]) -> str:
        exactly_once._REGISTRIES.clear()
        connection = impatient(self.halo, actor, connect_timeout=10.0, read_timeout=10.0, user_agent=WORKFLOW)
        ticket = {"ticket_id": mine[-1] if mine else 2102}
        name, given = (
            ("create_ticket", {"summary": f"Step {number}", "details": "Of a workflow", "tickettype_id": 1}),
            ("add_comment", {**ticket, "comment": f"Comment {number}"}),
            ("update_ticket", {**ticket, "status_id": IN_PROGRESS, "priority_id": 1}),
            ("get_ticket", ticket),
            ("search_tickets", {"max_results": 10}),
        )[number % 5]
        try:
            output = run_action(connection, name, **given)
        except PluginException as error:
            return f"{name}: {error.cause}"
        if name == "create_ticket":
            mine.append(output["ticket"]["id"])
        return "done"

    # -- what came ----------------------------------------------------------------------------------------------------

    def came(self, name: str) -> Counter:
        """The events of a trigger about tickets that the workflow did not make: (ticket id, its state)."""
        things = (self._thing(name, event) for _, event in self.triggers[name].watched.events)
        return Counter(thing for thing in things if self.halo.tickets[thing[0]]["summary"][:4] != "Step")

    def _thing(self, name: str, event) -> tuple:
        number = event["ticket"]["id"]
        if name == "ticket_status_changed":
            return number, event["old_status_id"], event["new_status_id"]
        return (number,)

    def missing(self, due) -> Counter:
        """What is due and has not come, over all triggers."""
        return sum((Counter(due[name]) - self.came(name) for name in due), Counter())

    def most_in_a_window(self, *, of_steps: bool) -> int:
        """The most requests of the steps, or of the triggers, in any five minutes."""
        mine = (one for one in self.halo.requests if (one.headers["User-Agent"] == WORKFLOW) == of_steps)
        times = sorted(request.at for request in mine)
        first = most = 0
        for last, at in enumerate(times):
            while times[first] <= at - WINDOW:
                first += 1
            most = max(most, last - first + 1)
        return most

    def report(self, due) -> str:
        """For a reader of the test's output."""
        done, asked = self.outcomes.count("done"), len(self.outcomes)
        lines = [
            f"{self.webhooks} webhooks, {len(self.halo.requests)} requests, {self.halo.refused_by_rate_limit} refused",
            f"at most in five minutes: {self.most_in_a_window(of_steps=False)} requests of triggers, "
            f"{self.most_in_a_window(of_steps=True)} of steps",
            f"steps: {done} of {asked} done",
            f"events: {sum(map(len, due.values()))} due, {sum(self.missing(due).values())} missing "
            f"after {self.delivered_after:.0f} s",
        ]
        return "\n".join([*lines, *(outcome for outcome in self.outcomes if outcome != "done")])


@pytest.fixture
def scene(halo, tmp_path):
    return Scene(halo, tmp_path)


def check(scene: Scene, due) -> None:
    print(scene.report(due))
    assert scene.webhooks == 1000
    assert scene.outcomes == ["done"] * 20
    assert not scene.missing(due)
    for name, things in due.items():
        ids = scene.triggers[name].watched.ids()
        assert len(ids) == len(set(ids)), f"{name}: an event came twice"
        if name != "ticket_updated":
            assert scene.came(name) == Counter(things)
    assert scene.most_in_a_window(of_steps=False) <= BUDGET * len(scene.triggers)


@pytest.mark.long
def test_a_thousand_webhooks_and_twenty_steps(halo, scene):
    old = [halo.log_ticket(summary=f"Old {number}", agent_id=3)["id"] for number in range(600)]
    due: dict[str, list] = {name: [] for name in scene.triggers}

    def happens(desk: Actor) -> None:
        for number in range(10):
            for _ in range(40):
                new = halo.log_ticket(summary="New", agent_id=3)["id"]
                due["ticket_created"].append((new,))
                scene.webhook("ticket_created", "new ticket logged", new)
            for ticket in old[number * 60 : number * 60 + 30]:
                halo.change_ticket(ticket, summary="Changed")
                due["ticket_updated"].append((ticket,))
                scene.webhook("ticket_updated", "ticket updated", ticket)
            for ticket in old[number * 60 + 30 : number * 60 + 60]:
                halo.change_ticket(ticket, status_id=(IN_PROGRESS, CLOSED)[number % 2])
                due["ticket_updated"].append((ticket,))
                due["ticket_status_changed"].append((ticket, NEW, (IN_PROGRESS, CLOSED)[number % 2]))
                scene.webhook("ticket_status_changed", "ticket status changed", ticket)
            desk.sleep(1)

    scene.play(happens, lambda: due)
    check(scene, due)


def test_one_captured_webhook_a_thousand_times(halo, scene):
    ticket = halo.log_ticket(summary="Old", agent_id=3)["id"]
    due: dict[str, list] = {name: [] for name in scene.triggers}

    def happens(desk: Actor) -> None:
        new = halo.log_ticket(summary="New", agent_id=3)["id"]
        halo.change_ticket(ticket, status_id=IN_PROGRESS)
        due["ticket_created"].append((new,))
        due["ticket_updated"].append((ticket,))
        due["ticket_status_changed"].append((ticket, NEW, IN_PROGRESS))
        captured = {
            "ticket_created": scene.webhook("ticket_created", "new ticket logged", new),
            "ticket_updated": scene.webhook("ticket_updated", "ticket updated", ticket),
            "ticket_status_changed": scene.webhook("ticket_status_changed", "ticket status changed", ticket),
        }
        for number in range(997):
            name = list(captured)[number % 3]
            scene.post(name, captured[name])
            desk.sleep(0.25)

    scene.play(happens, lambda: due)
    check(scene, due)
