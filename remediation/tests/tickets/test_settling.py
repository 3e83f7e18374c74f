"""What a ticket's note keeps between the comment that settles it and its status, and a person's move in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from halo_emulator import Fault
from remediation.domain.plan import Kind, Plan
from remediation.domain.planning import plan as plan_of
from remediation.store import models
from remediation.tickets import run
from remediation.tickets.apply import HaloAway

from .conftest import dies_at, is_write

WORDS = "somebody changed it meanwhile; the next run decides"


def stored(key: str) -> models.Ticket:
    return models.Ticket.objects.get(key=key)


@pytest.fixture
def settled(scene: Any) -> Any:
    """Both assets of s1 are clean, and nothing of that was told."""
    scene.scan("a1 v1 s1", "a2 v1 s1")
    scene.run().apply()
    scene.later(days=1)
    scene.scan()
    return scene


def before_status(scene: Any, does: Callable[[], object], call: str = "show") -> Any:
    """A run in which something happens before the first look at a ticket whose status is to be set."""
    one = scene.run()
    real, left = getattr(one._instance, call), [does]

    def asked(*arguments: Any) -> Any:
        if left:
            left.pop()()
        return real(*arguments)

    setattr(one._instance, call, asked)
    return one


def status_writes(scene: Any, status: int) -> list[Any]:
    sent = [request for request in scene.halo.requests if is_write(request) and request.path.endswith("/Tickets")]
    return [request for request in sent if f'"status_id": {status}' in str(request.body).replace("'", '"')]


def test_a_persons_move_since_the_reading_back_is_not_overwritten(settled: Any) -> None:
    _, outcome = before_status(settled, lambda: settled.person_sets("s1", 42)).apply()
    assert [reason for key, reason in outcome.waiting.items() if key.startswith("s1/")] == [WORDS]
    assert settled.status("s1") == "Closed - Won't Fix" and not outcome.failed
    step = models.Step.objects.get(key__startswith="s1/", kind="set-status", state="waiting")
    assert step.result == {"said": WORDS}
    settled.later(hours=1)
    settled.run().apply()
    # Read back as the person's, and respected.
    assert stored("s1").status == "Will Not Fix" and settled.status("s1") == "Closed - Won't Fix"


def test_what_has_the_wanted_status_already_is_done_without_a_write(settled: Any) -> None:
    _, outcome = before_status(settled, lambda: settled.person_sets("s1", 41)).apply()
    assert not [key for key in outcome.waiting if key.startswith("s1/")]
    row = stored("s1")
    assert (row.status, row.agreed_status, row.halo_status_id) == ("Remediated", "Remediated", 41)
    done = row.journal.order_by("-pk")[0]
    assert done.event == "done" and done.detail == {"status": 41, "found": "before"}
    assert row.journal.order_by("-pk")[1].event == "done"
    assert not [request for request in status_writes(settled, 41) if str(row.halo_id) in str(request.body)]


def test_a_status_is_set_where_nobody_moved_it(settled: Any) -> None:
    _, outcome = settled.run().apply()
    assert not outcome.waiting and settled.status("s1") == "Remediated"
    row = stored("s1")
    assert [request for request in status_writes(settled, 41) if str(row.halo_id) in str(request.body)]


def test_a_look_that_halo_does_not_answer_leaves_nothing_begun(settled: Any) -> None:
    def away() -> None:
        settled.halo.inject(Fault("status", status=503, times=None))

    _, outcome = before_status(settled, away).apply()
    assert [key for key in outcome.waiting if key.startswith("s1/1/set-status")]
    assert stored("s1").journal.order_by("-pk")[0].event == "done"
    with pytest.raises(HaloAway):
        settled.run().apply()


@pytest.fixture
def telling(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Comments say whether they settle: the newest of these counts."""
    says: list[bool] = [True]

    def planned(world: Any) -> Plan:
        plan = plan_of(world)
        steps = [
            replace(step, body={**step.body, "settling": says[-1]}) if step.kind is Kind.COMMENT else step
            for step in plan.steps
        ]
        return replace(plan, steps=tuple(steps))

    monkeypatch.setattr(run, "plan_of", planned)
    return says


def test_that_a_comment_settles_is_kept_until_the_status_is_set(settled: Any, telling: list[bool]) -> None:
    models.Ticket.objects.filter(key="s1").update(note={**stored("s1").note, "released": "lead"})
    before_status(settled, lambda: settled.person_sets("s1", 2)).apply()
    assert stored("s1").note["settling"] is True and stored("s1").note["released"] == "lead"
    settled.later(hours=1)
    settled.run().apply()
    assert settled.status("s1") == "Remediated"
    assert "settling" not in stored("s1").note and "released" not in stored("s1").note and stored("s1").note["told"]


def test_another_comment_ends_it(settled: Any, telling: list[bool]) -> None:
    before_status(settled, lambda: settled.person_sets("s1", 2)).apply()
    telling.append(False)
    settled.later(days=1)
    settled.scan("a1 v1 s1")
    _, outcome = settled.run().apply()
    assert [key for key in outcome.done if key.startswith("s1/1/comment")] and "settling" not in stored("s1").note


def test_each_reopening_by_a_person_is_answered_once(settled: Any) -> None:
    settled.run().apply()
    assert settled.status("s1") == "Remediated"
    told = len(settled.comments("s1"))
    for status in (2, 41, 2):
        settled.later(hours=1)
        settled.person_sets("s1", status)
        settled.run().apply()
        settled.run().apply()
    answers = [text for text in settled.comments("s1")[told:] if "It stays open" in text]
    assert len(answers) == 2 and settled.status("s1") == "In Progress"


def test_what_is_settled_and_called_done_once_more_is_settled_with_its_evidence(settled: Any) -> None:
    settled.run().apply()
    settled.later(hours=1)
    settled.person_sets("s1", 2)
    settled.run().apply()
    settled.later(hours=1)
    settled.person_sets("s1", 40)
    settled.run().apply()
    assert settled.status("s1") == "Remediated"
    assert settled.comments("s1")[-1].startswith("Settled by scans: 2 remediated")
    plan, _ = settled.run().apply()
    assert not plan.steps


def test_a_reopening_after_a_settling_that_was_cut_off_is_respected(settled: Any) -> None:
    run = settled.run()
    dies_at(run, "set_status")
    with pytest.raises(KeyboardInterrupt):
        run.apply()
    settled.run().apply()
    row = stored("s1")
    assert (row.status, row.agreed_status) == ("Remediated", "Remediated") and "settling" not in row.note
    step = models.Step.objects.get(key__startswith="s1/1/set-status")
    assert step.state == "done" and step.result["before"] == 1
    settled.later(hours=1)
    settled.person_sets("s1", 2)
    settled.run().apply()
    assert settled.status("s1") == "In Progress"


def test_awaiting_verification_is_set_although_it_failed_after_its_comment(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    models.Finding.objects.update(state="unconfirmed", missed=1)
    scene.halo.inject(Fault("status", "POST", "tickets", status=503, times=None))
    scene.run().apply()
    assert len(scene.comments("s1")) == 1 and scene.status("s1") == "New"
    scene.halo.clear_faults()
    scene.run().apply()
    assert scene.status("s1") == "Awaiting Verification" and len(scene.comments("s1")) == 1
    plan, _ = scene.run().apply()
    assert not [step for step in plan.steps if step.ticket_key == "s1"]
