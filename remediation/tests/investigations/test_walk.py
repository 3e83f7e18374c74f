"""Random days of people in InsightIDR and in Halo, with an unreliable world between, and what must be true.

The steps are chosen by hypothesis. Runs die at any write of the journal and at any request to either side; webhooks are
lost, doubled, late, forged and out of order. ``make walk`` takes many stories instead of a few.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from halo_emulator import Fault as HaloFault
from halo_emulator import HaloEmulator
from haloitsm_client import HaloError
from remediation.investigations import deciding
from remediation.investigations.errors import IdrError
from remediation.investigations.insightidr import InsightIdr
from remediation.store import models
from remediation.tickets import lease
from remediation.tickets.asking import HaloAway
from remediation.tickets.instance import Instance
from remediation.tickets.lease import Busy
from remediation.tickets.webhook import new_webhook
from stand_ins.insightidr import Fault, Idr
from tests.conftest import django_on
from tests.halo_webhook import Deliveries
from tests.reused_database import drop_database, make_database
from tests.stories import STORIES, walk
from tests.sudden_end import Death, dying
from tests.tickets.test_interruptions import CALLS

from tests.investigations.conftest import CLOSED, IN_PROGRESS, MARCUS, NEW, ON_HOLD, PRIYA, Desk

STATES = {"OPEN": NEW, "INVESTIGATING": IN_PROGRESS, "WAITING": ON_HOLD, "CLOSED": CLOSED}
IDR_CALLS = ("listed", "read", "alerts", "comments", "comment", "set_state", "assign")
WRITES = (
    *CALLS,
    *((Instance, name) for name in ("assign", "comments")),
    *((InsightIdr, name) for name in IDR_CALLS),
)
# Numbered, so that each comment of a person is known wherever it comes up.
SAID = re.compile(r"said-(\d+)-by-(\w+)")

which = st.integers(0, 2)
states = st.sampled_from(sorted(STATES))
people = st.sampled_from([(MARCUS, 3), (PRIYA, 4)])
halo_faults = st.sampled_from(
    [
        HaloFault("status", method="POST", status=503),
        HaloFault("status", method="POST", status=503, after_commit=True),
        HaloFault("drop", method="POST", after_commit=True),
        HaloFault("html", method="POST", after_commit=True),
        HaloFault("drop", times=200),
    ]
)
idr_faults = st.sampled_from([one for one in Fault if one not in (Fault.SLOW, Fault.REDIRECT)])


class Days(RuleBasedStateMachine):
    """Up to three investigations, one Halo."""

    make: Callable[[ExitStack], Desk]
    patch: pytest.MonkeyPatch
    happened: Counter[str] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.desk = self.make(self.stack)
        self.rrns: list[str] = []
        self.said = 0
        # What people have set, by investigation and side, since the service changed that side last.
        self.set_by_people: dict[tuple[str, str], set[str]] = {}
        self.deliveries = Deliveries(new_webhook(self.desk.connection))

    def teardown(self) -> None:
        try:
            self.converge()
        finally:
            self.stack.close()

    @initialize(back=st.booleans(), count=st.integers(1, 3))
    def begin(self, back: bool, count: int) -> None:
        self.desk.how(comments_back=back, disposition="UNDECIDED")
        for _ in range(count):
            self.rrns.append(self.desk.idr.investigate("Odd sign-in"))
        self.run()

    def rrn(self, number: int) -> str:
        return self.rrns[number % len(self.rrns)]

    def halo_id(self, number: int) -> int | None:
        row = models.Investigation.objects.filter(rrn=self.rrn(number)).select_related("ticket").first()
        return row.ticket.halo_id if row and row.ticket else None

    # People

    @rule(number=which, state=states)
    def in_idr(self, number: int, state: str) -> None:
        rrn = self.rrn(number)
        if self.desk.idr.investigations[rrn].status != state:
            self.desk.idr.set_status(rrn, state)
            self.set_by_people.setdefault((rrn, "idr"), set()).add(state)

    @rule(number=which, state=states)
    def in_halo(self, number: int, state: str) -> None:
        halo_id = self.halo_id(number)
        if halo_id and self.desk.halo.tickets[halo_id]["status_id"] != STATES[state]:
            agent = self.desk.halo.tickets[halo_id]["agent_id"]
            self.desk.halo.change_ticket(halo_id, status_id=STATES[state], agent_id=3 if agent == 1 else agent)
            self.set_by_people.setdefault((self.rrn(number), "halo"), set()).add(state)

    @rule(number=which, person=people, where=st.sampled_from(["idr", "halo"]))
    def assign(self, number: int, person: tuple[str, int], where: str) -> None:
        if where == "idr":
            self.desk.idr.assign(self.rrn(number), person[0])
        elif halo_id := self.halo_id(number):
            self.desk.halo.change_ticket(halo_id, agent_id=person[1])

    @rule(number=which, where=st.sampled_from(["idr", "halo", "halo"]), hidden=st.booleans())
    def comment(self, number: int, where: str, hidden: bool) -> None:
        halo_id = self.halo_id(number)
        if where == "halo" and not halo_id:
            return
        self.said += 1
        text = f"said-{self.said}-by-{where}"
        if where == "halo" and halo_id:
            self.desk.halo.add_note(halo_id, text, hidden=hidden)
        else:
            self.desk.idr.comment(self.rrn(number), text)

    @rule(number=which, side=st.sampled_from(["halo", "insightidr"]))
    def decide(self, number: int, side: str) -> None:
        row = models.Investigation.objects.filter(rrn=self.rrn(number)).first()
        if row and row.asked:
            deciding.decide(row, side, "anna")

    # The world

    @rule(fault=halo_faults)
    def halo_fails(self, fault: HaloFault) -> None:
        self.desk.halo.inject(fault)

    @rule(fault=idr_faults, method=st.sampled_from(["POST", "(PATCH|PUT)", "GET", ""]))
    def idr_fails(self, fault: Fault, method: str) -> None:
        self.desk.idr.faulty, self.desk.idr.faults = f"{method}.*", [fault]

    @rule(minutes=st.sampled_from([1, 12, 60 * 26]))
    def time_goes_on(self, minutes: int) -> None:
        self.desk.later(minutes=minutes)

    # The service

    @rule()
    def run(self) -> None:
        self.attempt()

    @rule(number=st.integers(1, 24), after=st.booleans())
    def dies(self, number: int, after: bool) -> None:
        with self.patch.context() as patch:
            dying(patch, WRITES, number, after=after)
            try:
                self.attempt()
            except Death:
                self.happened["died"] += 1

    @rule(number=which, how=st.sampled_from(["sent", "doubled", "forged", "late"]))
    def webhook_comes(self, number: int, how: str) -> None:
        """Halo tells of a ticket. What is lost is every change that no such step tells of."""
        halo_id = self.halo_id(number)
        if not halo_id:
            return
        if self.deliveries.asks_for_a_run(halo_id, how):
            self.happened["webhook"] += 1
            self.attempt()

    def attempt(self) -> Any:
        before, ended = self.shown(), None
        try:
            ended = self.desk.run().apply()
            return ended
        except (HaloAway, HaloError, IdrError, Busy):
            self.happened["away"] += 1
            return None
        finally:
            self.check_changes(before, is_known=bool(ended) and not ended[1].waiting)

    def shown(self) -> dict[tuple[str, str], str]:
        """The states on both sides."""
        back = {number: state for state, number in STATES.items()}
        found = {(rrn, "idr"): one.status for rrn, one in self.desk.idr.investigations.items()}
        for number, rrn in enumerate(self.rrns):
            if halo_id := self.halo_id(number):
                found[rrn, "halo"] = back[self.desk.halo.tickets[halo_id]["status_id"]]
        return found

    def check_changes(self, before: dict[tuple[str, str], str], *, is_known: bool) -> None:
        """The service sets only what somebody has set on the other side, once for each time.

        Once more, where a run did not come to know that it was done, and somebody has set it back before the next.
        """
        for (rrn, side), state in self.shown().items():
            if (rrn, side) not in before or before[rrn, side] == state:
                continue
            other = "halo" if side == "idr" else "idr"
            causes = self.set_by_people.get((rrn, other), set())
            began = {"OPEN"} if (rrn, "halo") not in before else set()
            assert state in causes | began, (side, before[rrn, side], state, causes)
            if is_known:
                self.set_by_people[rrn, other] = set()
            self.happened["changed"] += 1

    # What must be true

    @invariant()
    def one_ticket_for_each(self) -> None:
        self.happened["steps"] += 1
        assert all(len(self.desk.carrying(rrn)) <= 1 for rrn in self.rrns)

    @invariant()
    def each_comment_once_on_each_side(self) -> None:
        for number, rrn in enumerate(self.rrns):
            halo_id = self.halo_id(number)
            texts = [one.body for one in self.desk.idr.comments(rrn)]
            notes = [str(row.get("note") or "") for row in self.desk.halo.actions[halo_id]] if halo_id else []
            for side in (texts, notes):
                counted = Counter(match.group() for text in side for match in SAID.finditer(text))
                assert all(count == 1 for count in counted.values()), counted
            told = [text for text in texts if text.startswith(f"[HaloITSM #{halo_id}] ")]
            assert len(told) <= 1

    def reasons(self, rrn: str) -> list[str]:
        plan = models.Plan.objects.order_by("-pk").first()
        return [one["reason"] for one in (plan.not_done if plan else []) if one["key"].startswith(f"{rrn}/")]

    def converge(self) -> None:
        """Once the world is well again, both sides agree or a person is asked; then there is silence."""
        self.desk.halo.clear_faults()
        self.desk.idr.faults = []
        for _ in range(6):
            self.desk.later(minutes=15)
            made = self.attempt()
            assert made is not None and not made[1].failed, made
        self.desk.quiet()
        shown = self.shown()
        for number, rrn in enumerate(self.rrns):
            halo_id = self.halo_id(number)
            assert halo_id or shown[rrn, "idr"] == "CLOSED"
            if not halo_id:
                continue
            reasons = self.reasons(rrn)
            assert shown[rrn, "idr"] == shown[rrn, "halo"] or any("Decide" in reason for reason in reasons)
            texts = " ".join(one.body for one in self.desk.idr.comments(rrn))
            notes = " ".join(str(row.get("note") or "") for row in self.desk.halo.actions[halo_id])
            there, here = (set(map(lambda one: one.groups(), SAID.finditer(text))) for text in (texts, notes))
            assert {one for one in here if one[1] == "halo"} <= there
            if self.desk.source.settings["how"]["comments_back"]:
                assert there == here


@pytest.mark.timeout(max(300, 60 * STORIES))
def test_days(postgres: str, migrated: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(stack: ExitStack) -> Desk:
        name = f"walk_{uuid4().hex}"
        make_database(postgres, name, template=migrated)
        stack.callback(drop_database, postgres, name)
        stack.enter_context(django_on(urlsplit(postgres)._replace(path=f"/{name}").geturl()))
        return Desk(stack.enter_context(HaloEmulator()), stack.enter_context(Idr()))

    monkeypatch.setenv("REMEDIATION_KEY", Fernet.generate_key().decode())
    # A run that died in this process leaves its lease to nobody: it is anybody's soon.
    monkeypatch.setattr(lease, "LASTS", 1.0)
    Days.make, Days.patch = staticmethod(make), monkeypatch  # type: ignore[assignment]
    Days.happened.clear()
    walk(Days)
    print(f"\nWhat happened in {STORIES} stories:", dict(sorted(Days.happened.items())))
