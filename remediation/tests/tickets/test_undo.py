"""What an apply did is taken back, and is not done again before something changes."""

from __future__ import annotations

from typing import Any

import pytest

from halo_emulator import Fault
from remediation.store import models

from .conftest import dies_at


def newest() -> models.Plan:
    return models.Plan.objects.order_by("-pk")[0]


def undone(scene: Any, plan: models.Plan) -> Any:
    made, outcome = scene.run().undo(plan, "ann", apply=True)
    assert not outcome.failed and not outcome.waiting, outcome
    return made


def silent(scene: Any) -> None:
    """Once the project's own ticket has followed."""
    scene.run().apply()
    scene.halo.forget_requests()
    plan, _ = scene.run().apply()
    assert not plan.steps and not scene.writes()


def test_a_settling_is_taken_back_and_a_later_change_settles_again(scene: Any) -> None:
    scene.scan("a1 v1 s1", "a2 v2 s2")
    scene.run().apply()
    scene.later(days=1)
    scene.scan("a2 v2 s2")
    scene.run().apply()
    plan = newest()
    assert scene.status("s1") == "Remediated"
    shown, _ = scene.run().undo(plan, "ann", apply=False)
    assert len(shown.steps) >= 2 and scene.status("s1") == "Remediated"
    undone(scene, plan)
    assert scene.status("s1") == "New"
    assert scene.comments("s1")[-1].startswith("ann takes back what was said here at ")
    silent(scene)
    assert not undone(scene, plan).steps
    # It comes back, and goes again: that is news.
    for found in (("a1 v1 s1", "a2 v2 s2"), ("a2 v2 s2",)):
        scene.later(days=1)
        scene.scan(*found)
        scene.run().apply()
    assert scene.status("s1") == "Remediated"
    silent(scene)


def test_a_reopening_is_taken_back_until_a_later_scan(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    for found in ((), ("a1 v1 s1",)):
        scene.later(days=1)
        scene.scan(*found)
        scene.run().apply()
    assert scene.status("s1") == "In Progress"
    undone(scene, newest())
    assert scene.status("s1") == "Remediated"
    silent(scene)
    scene.later(days=1)
    scene.scan("a1 v1 s1")
    scene.run().apply()
    assert scene.status("s1") == "In Progress"


def test_a_refutation_is_taken_back_until_a_later_scan(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    scene.later(hours=1)
    scene.person_sets("s1", 40)
    scene.run().apply()
    scene.later(hours=1)
    scene.scan("a1 v1 s1")
    scene.run().apply()
    assert scene.status("s1") == "In Progress"
    undone(scene, newest())
    assert scene.status("s1") == "Awaiting Verification"
    silent(scene)
    assert scene.status("s1") == "Awaiting Verification"


def test_what_a_person_has_changed_since_stays(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    scene.later(days=1)
    scene.scan()
    scene.run().apply()
    plan = newest()
    scene.later(hours=1)
    scene.person_sets("s1", 42)
    made = undone(scene, plan)
    assert scene.status("s1") == "Closed - Won't Fix"
    assert "its status was set since, to Closed - Won't Fix" in [item.reason for item in made.not_done]


def test_tickets_that_were_made_stay(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    made = undone(scene, newest())
    assert not made.steps and len(made.not_done) == 1
    assert set(scene.tickets()) == {"project", "s1"}


@pytest.mark.parametrize("call", ["comment", "set_status"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_undo_that_was_cut_off_is_finished_by_another_one(scene: Any, call: str, after: bool) -> None:
    plan = settled(scene)
    run = scene.run()
    dies_at(run, call, after=after)
    with pytest.raises(KeyboardInterrupt):
        run.undo(plan, "ann", apply=True)
    undone(scene, plan)
    silent(scene)
    assert scene.status("s1") == "New"
    assert sum("ann takes back" in text for text in scene.comments("s1")) == 1


def test_an_undo_that_was_refused_is_finished_by_another_one(scene: Any) -> None:
    plan = settled(scene)
    scene.halo.inject(Fault("status", "POST", "tickets", status=403, times=None))
    _, outcome = scene.run().undo(plan, "ann", apply=True)
    assert outcome.failed
    scene.halo.clear_faults()
    undone(scene, plan)
    assert scene.status("s1") == "New"
    assert sum("ann" in text for text in scene.comments("s1")) == 1


def settled(scene: Any) -> models.Plan:
    """A plan that has settled s1."""
    scene.scan("a1 v1 s1")
    scene.run().apply()
    scene.later(days=1)
    scene.scan()
    scene.run().apply()
    return newest()


def test_what_was_settled_after_a_person_called_it_done_stays_taken_back(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    scene.later(hours=1)
    scene.person_sets("s1", 40)
    scene.run().apply()
    scene.later(days=1)
    scene.scan()
    scene.run().apply()
    undone(scene, newest())
    silent(scene)
    assert scene.status("s1") == "Awaiting Verification"
    # A person's word counts again.
    for status in (2, 40):
        scene.later(hours=1)
        scene.person_sets("s1", status)
        scene.run().apply()
    assert scene.status("s1") == "Remediated"


def test_what_a_plan_did_half_is_not_done_by_the_next(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    scene.later(days=1)
    scene.scan()
    scene.halo.inject(Fault("status", "POST", "tickets", status=503, times=None))
    scene.run().apply()
    scene.halo.clear_faults()
    undone(scene, newest())
    silent(scene)
    assert scene.status("s1") == "New" and len(scene.comments("s1")) == 2


def test_what_later_plans_and_people_have_done_stays(scene: Any) -> None:
    first = settled(scene)
    for found in (("a1 v1 s1",), ()):
        scene.later(days=1)
        scene.scan(*found)
        scene.run().apply()
    assert scene.status("s1") == "Remediated"
    made = undone(scene, first)
    assert scene.status("s1") == "Remediated"
    assert "its status was set since, to Remediated" in [item.reason for item in made.not_done]


def test_a_person_who_closes_it_again_is_not_overruled(scene: Any) -> None:
    plan = settled(scene)
    for status in (2, 41):
        scene.later(hours=1)
        scene.person_sets("s1", status)
        scene.run().apply()
    undone(scene, plan)
    assert scene.status("s1") == "Remediated"


def test_an_approval_ends_with_an_undo(scene: Any) -> None:
    scene.settings(mass_least=2)
    scene.scan("a1 v1 s1", "a2 v2 s2", "a3 v3 s3")
    scene.run().apply()
    scene.later(days=1)
    scene.scan()
    _, stored = scene.run().plan()
    models.Plan.objects.filter(pk=stored.pk).update(approved_at=scene.now, approved_by="lead")
    run = scene.run()
    dies_at(run, "set_status")
    with pytest.raises(KeyboardInterrupt):
        run.apply()
    undone(scene, models.Plan.objects.get(pk=stored.pk))
    _, outcome = scene.run().apply()
    assert not outcome.done and outcome.waiting
    assert newest().held and newest().approved_at is None
    assert [scene.status(key) for key in ("s1", "s2", "s3")] == ["New"] * 3


def test_a_ticket_that_stands_for_something_else_by_now(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    scene.later(days=1)
    scene.scan("a1 v1 s9")
    scene.run().apply()
    made = undone(scene, newest())
    assert [step.ticket for step in made.steps] == ["s9/1"]
    assert "what it stands for stays as it is" in [item.reason for item in made.not_done]
