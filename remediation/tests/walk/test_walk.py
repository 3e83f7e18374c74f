"""Random days between a scanner, people in Halo and an unreliable world, and what must be true after each step.

The steps are chosen by hypothesis. Some runs are processes of their own, which are killed or frozen at any line, also
while the database starts again. ``make walk`` takes many stories instead of a few.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from halo_emulator import Fault
from haloitsm_client import HaloError
from remediation.domain.status import ENDED
from remediation.domain.ticket import OUT, SUPERSEDED
from remediation.store import models
from remediation.store.intake import Suspicious, take_in
from remediation.store.embedded import EmbeddedPostgres
from remediation.tickets import attention, lease
from remediation.tickets.asking import HaloAway
from remediation.tickets.editing import change_settings
from remediation.tickets.lease import Busy
from remediation.tickets.webhook import new_webhook
from remediation.tickets.world import findings_of
from tests.conftest import django_on
from tests.halo_webhook import Deliveries
from tests.reused_database import drop_database, make_database
from tests.stories import STORIES, walk
from tests.sudden_end import Death, dying
from tests.tickets.conftest import MARK, Scene, emulated_halo, is_write
from tests.tickets.test_interruptions import CALLS
from tests.walk.child import Child, Run
from tests.walk.scanner import GOOD, WEAK, Machine, Scanner

ASSETS = ("a1", "a2", "a3", "a4")
VULNERABILITIES = ("v1", "v2", "v3", "v4")
SOLUTIONS = ("s1", "s2", "s3")
# Halo's statuses: New, In Progress, and those that Scene adds.
PEOPLE_SET = (1, 2, 40, 41, 42, 43)
# Remediated and Exception.
ENDS = (41, 43)
ALIVE = ("open", "unconfirmed")

# Seconds. Short, because each death is followed by a wait for its end.
LEASE = 1.0
# What becomes of a child, as often as it stands there.
ENDS_OF_CHILDREN = ("kill", "kill", "kill", "freeze", "freeze", "restart")

assets, vulnerabilities = st.sampled_from(ASSETS), st.sampled_from(VULNERABILITIES)
# What a rule of Halo's makes of each new ticket.
halo_rules = st.sampled_from([{}, {}, {"status_id": 2}, {"summary": "Changed by a rule", "agent_id": 3}])
some_assets = st.sets(assets, min_size=1)
faults = st.sampled_from(
    [
        Fault("status", method="POST", status=503),
        Fault("status", method="POST", status=503, after_commit=True),
        Fault("status", method="POST", status=400, after_commit=True),
        Fault("status", method="POST", status=429, times=200),
        Fault("drop", method="POST"),
        Fault("drop", method="POST", after_commit=True),
        Fault("drop", method="POST", after_commit=True, skip=2),
        Fault("drop", times=200),
        Fault("html", method="POST", after_commit=True),
        Fault("hang", method="POST", seconds=0.05),
        Fault("late", method="POST", answers=504, seconds=0.02),
    ]
)


class Days(RuleBasedStateMachine):
    """One project, one Halo."""

    make: Callable[[ExitStack], tuple[Scene, str]]
    patch: pytest.MonkeyPatch
    server: EmbeddedPostgres
    # What happened, over all stories.
    happened: Counter[str] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.scene, self.address = self.make(self.stack)
        # How many a run took last, of those at which a child can die.
        self.lines = 3000
        self.deliveries = Deliveries(new_webhook(self.scene.connection))
        self.scanner = Scanner(dict(zip(VULNERABILITIES, ("s1", "s1", "s2", "s3"))))

    def teardown(self) -> None:
        try:
            self.converge()
        finally:
            self.stack.close()

    @initialize(found=st.sets(st.tuples(assets, vulnerabilities), min_size=2), linked=st.booleans(), rule=halo_rules)
    def begin(self, found: set[tuple[str, str]], linked: bool, rule: dict[str, Any]) -> None:
        self.scene.settings(reopen_linked=linked, mass_least=100)
        self.scene.halo.rules.append(lambda ticket: rule)
        for name in ASSETS:
            self.scanner.machines[name] = Machine({vulnerability for asset, vulnerability in found if asset == name})
        self.scan_all()
        self.run()

    def scan_all(self) -> None:
        self.scan(set(ASSETS), GOOD)

    # What happens on the assets and in the scanner

    @rule(asset=assets, vulnerability=vulnerabilities)
    def patch_one(self, asset: str, vulnerability: str) -> None:
        self.scanner.machines.get(asset, Machine()).has.discard(vulnerability)

    @rule(vulnerability=vulnerabilities)
    def patch_everywhere(self, vulnerability: str) -> None:
        for machine in self.scanner.machines.values():
            machine.has.discard(vulnerability)

    @rule(asset=assets, vulnerability=vulnerabilities)
    def comes_up(self, asset: str, vulnerability: str) -> None:
        self.scanner.machines.get(asset, Machine()).has.add(vulnerability)

    @rule(asset=assets)
    def leaves_or_comes(self, asset: str) -> None:
        if asset in self.scanner.machines and len(self.scanner.machines) > 2:
            del self.scanner.machines[asset]
        else:
            self.scanner.machines.setdefault(asset, Machine({"v2"}))

    @rule(vulnerability=vulnerabilities, solution=st.sampled_from(SOLUTIONS))
    def supersede(self, vulnerability: str, solution: str) -> None:
        self.scanner.solutions[vulnerability] = solution

    @rule(asset=assets, vulnerability=vulnerabilities)
    def except_or_not(self, asset: str, vulnerability: str) -> None:
        self.scanner.excepted ^= {(asset, vulnerability)}

    @rule(which=some_assets, credentials=st.sampled_from([GOOD, GOOD, GOOD, WEAK]))
    def scan(self, which: set[str], credentials: int) -> None:
        self.scene.later(hours=1)
        self.scanner.scan(which, self.scene.now, credentials)
        self.scene.later(hours=1)
        self.read()

    def read(self) -> None:
        try:
            take_in(self.scene.source, self.scanner.snapshot(self.scene.now))
        except Suspicious:
            pass

    # What people do

    @rule(which=st.integers(0, 9), status=st.sampled_from(PEOPLE_SET))
    def person(self, which: int, status: int) -> None:
        made = sorted(number for number in self.scene.halo.tickets if self.reference(number))
        if made:
            self.scene.later(minutes=5)
            self.scene.halo.change_ticket(made[which % len(made)], status_id=status, agent_id=3)

    @rule(vulnerability=vulnerabilities)
    def accept_or_not(self, vulnerability: str) -> None:
        known = models.RiskAcceptance.objects.filter(vulnerability=vulnerability, withdrawn__isnull=True)
        if not known.update(withdrawn=self.scene.now):
            expires = self.scene.now.date() + timedelta(days=400)
            models.RiskAcceptance.objects.create(
                source=self.scene.source, vulnerability=vulnerability, reason="r", approver="a", expires=expires
            )

    @rule(scope=st.sampled_from([{}, {"assets": ["a1.*", "a2.*"]}, {"assets": ["a3.*"]}]))
    def edit(self, scope: dict[str, Any]) -> None:
        change_settings(models.Project.objects.get(), {"scope": scope})

    @rule(which=st.integers(0, 9))
    def pause_or_not(self, which: int) -> None:
        for row in self.one_of_ours(which):
            (attention.go_on if row.note.get("paused") else attention.pause)(row, "a")

    @rule(which=st.integers(0, 9))
    def detach_or_attach(self, which: int) -> None:
        for row in self.one_of_ours(which, kind="child"):
            try:
                (attention.attach if row.note.get("detached") else attention.detach)(row, "a")
            except attention.NotPossible:
                pass

    def one_of_ours(self, which: int, **of: Any) -> list[models.Ticket]:
        rows = list(models.Ticket.objects.filter(halo_id__isnull=False, **of).order_by("pk"))
        return [row for row in rows[which : which + 1] if of or not row.note.get("detached")]

    # Runs

    @rule()
    def run(self) -> None:
        self.attempt()

    @rule(fault=faults)
    def run_at_a_halo_that_fails(self, fault: Fault) -> None:
        self.scene.halo.inject(fault)
        self.attempt()
        self.scene.halo.clear_faults()

    @rule(number=st.integers(1, 30), after=st.booleans())
    def run_and_die(self, number: int, after: bool) -> None:
        with self.patch.context() as patch:
            dying(patch, CALLS, number, after=after)
            try:
                self.attempt()
            except Death:
                pass

    @rule(part=st.floats(0, 1), how=st.sampled_from(ENDS_OF_CHILDREN))
    def run_as_a_process_that_dies_or_freezes(self, part: float, how: str) -> None:
        child = self.child(1 + int(part * self.lines), "kill" if how == "kill" else "freeze")
        try:
            said, lines = child.wait()
            if said == "frozen" and how == "freeze":
                # Another one takes over, and it goes on without knowing.
                self.attempt()
                said = f"frozen, then {child.resume()[0]}"
            elif said == "frozen":
                self.server.stop()
                self.server.start()
                connection.close()
                said = f"restarted, then {child.resume()[0]}"
            elif said == "done":
                self.lines = max(lines, 200)
        finally:
            child.end()
        self.happened[said] += 1

    @rule()
    def two_at_once(self) -> None:
        child = self.child()
        try:
            self.attempt()
            self.happened[f"beside another: {child.wait()[0]}"] += 1
        finally:
            child.end()

    def child(self, line: int = 0, how: str = "") -> Child:
        halo = self.scene.halo
        known = {name: getattr(halo, name) for name in ("client_id", "client_secret", "auth_server", "resource_server")}
        return Child(Run(self.address, known, self.scene.project.pk, self.scene.now, LEASE, line, how))

    @rule(number=st.integers(0, 9), how=st.sampled_from(["sent", "doubled", "forged", "late"]))
    def webhook_comes(self, number: int, how: str) -> None:
        """Halo tells of a ticket. What is lost is every change that no such step tells of."""
        there = sorted(number for number in models.Ticket.objects.values_list("halo_id", flat=True) if number)
        if there and self.deliveries.asks_for_a_run(there[number % len(there)], how):
            self.happened["webhook"] += 1
            self.attempt()

    @rule(minutes=st.sampled_from([1, 15, 60 * 24]))
    def time_goes_on(self, minutes: int) -> None:
        self.scene.later(minutes=minutes)

    def attempt(self) -> Any:
        """A run, and what it may not have done."""
        self.scene.halo.forget_requests()
        before = self.commented()
        try:
            return self.scene.run().apply()
        except (HaloAway, HaloError, Busy):
            return None
        finally:
            assert max((self.commented() - before).values(), default=0) <= 1, "one comment for each run and ticket"
            self.check_settled()

    # What must be true

    def reference(self, number: int) -> str:
        found = re.search(r"Reference: (remediation:\S+)", str(self.scene.halo.tickets[number].get("details")))
        return found.group(1) if found else ""

    @invariant()
    def one_ticket_for_a_reference(self) -> None:
        self.happened["steps"] += 1
        counted = Counter(filter(None, map(self.reference, self.scene.halo.tickets)))
        assert not [reference for reference, count in counted.items() if count > 1]

    @invariant()
    def no_comment_twice(self) -> None:
        for number in self.scene.halo.tickets:
            marks = [mark for row in self.scene.halo.actions[number] for mark in MARK.findall(row["note"] or "")]
            assert len(marks) == len(set(marks)), number

    def commented(self) -> Counter[int]:
        """How many comments of ours each ticket has."""
        return Counter(
            number for number, rows in self.scene.halo.actions.items() for row in rows if MARK.search(row["note"] or "")
        )

    def check_settled(self) -> None:
        """What was just settled has nothing that is there."""
        states = self.states()
        for request in filter(is_write, self.scene.halo.requests):
            for body in request.body if isinstance(request.body, list) else [request.body]:
                row = (
                    models.Ticket.objects.filter(kind="child", halo_id=body.get("id")).first()
                    if body.get("id")
                    else None
                )
                if row and body.get("status_id") in ENDS:
                    there = [pair for pair, state in row.note["told"].items() if state in ALIVE]
                    assert not [pair for pair in there if states.get(pair) in ALIVE], f"{row.key} was settled too early"

    def states(self) -> dict[str, str]:
        frame = findings_of(self.scene.project, self.scene.now.date())
        return {f"{row['asset']}|{row['vulnerability']}": row["state"] for row in frame.iter_rows(named=True)}

    def converge(self) -> None:
        """Once the world is well again, a few runs make everything agree, and then there is silence."""
        self.scene.halo.clear_faults()
        made: Any = None
        for _ in range(5):
            self.scene.later(days=2)
            made = self.attempt()
            assert made is not None
            plan, outcome = made
            assert not outcome.failed, outcome.failed
            if not plan.steps:
                break
        plan, _ = made
        assert not plan.steps, [step.key for step in plan.steps]
        self.scene.halo.forget_requests()
        self.scene.run().apply()
        assert not self.scene.writes()
        self.agree(plan)

    def agree(self, plan: Any) -> None:
        """All that is believed has been told, or there is a reason; and statuses are as the design's table says."""
        reasons = {item.key for item in plan.not_done}
        states = self.states()
        rows = list(models.Ticket.objects.filter(kind="child", halo_id__isnull=False))
        newest = {key: max(row.generation for row in rows if row.key == key) for key in {row.key for row in rows}}
        current = [row for row in rows if row.generation == newest[row.key] and not row.note.get("detached")]
        homes = Counter(pair for row in current for pair, state in row.note["told"].items() if state in ALIVE)
        for row in current:
            told, name = row.note["told"], f"{row.key}/{row.generation}"
            for pair, state in told.items():
                moved = state in (OUT, SUPERSEDED) or (state not in ALIVE and homes[pair])
                assert moved or state == states.get(pair) or name in reasons, (name, pair, state)
            alive = any(state in ALIVE for state in told.values())
            ended = row.status in {status.value for status in ENDED}
            if alive and ended:
                held = row.status == "Will Not Fix" or row.status != row.agreed_status
                assert held or name in reasons, (name, row.status)
            if not alive:
                assert ended or name in reasons, (name, row.status)
        # What moved away from a ticket that waits for a scan is told only then: that ticket is not touched before.
        settled = [row for row in current if f"{row.key}/{row.generation}" not in reasons]
        live = Counter(pair for row in settled for pair, state in row.note["told"].items() if state in ALIVE)
        for pair, state in states.items():
            if state in ALIVE:
                assert live[pair] <= 1, pair
                assert homes[pair] or reasons or not self.in_scope(pair), pair

    def in_scope(self, pair: str) -> bool:
        patterns = models.Project.objects.get().settings["scope"]["assets"]
        return not patterns or any(pair.startswith(pattern[:2]) for pattern in patterns)


class Present(Scene):
    """A scene whose clock stands for a real one, which goes on while somebody waits."""

    def wait(self, seconds: float) -> None:
        super().wait(seconds)
        time.sleep(0.2)


@pytest.mark.timeout(max(300, 60 * STORIES))
def test_days(postgres: str, embedded: EmbeddedPostgres, migrated: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(stack: ExitStack) -> tuple[Scene, str]:
        name = f"walk_{uuid4().hex}"
        make_database(postgres, name, template=migrated)
        stack.callback(drop_database, postgres, name)
        address = urlsplit(postgres)._replace(path=f"/{name}").geturl()
        stack.enter_context(django_on(address))
        scene = Present(stack.enter_context(emulated_halo()))
        scene.time.really = 0.05
        return scene, address

    monkeypatch.setattr(lease, "LASTS", LEASE)
    monkeypatch.setenv("REMEDIATION_KEY", Fernet.generate_key().decode())
    Days.make, Days.patch, Days.server = staticmethod(make), monkeypatch, embedded  # type: ignore[assignment]
    Days.happened.clear()
    walk(Days)
    print(f"\nWhat happened in {STORIES} stories:", dict(sorted(Days.happened.items())))
