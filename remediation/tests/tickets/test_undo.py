"""What an apply did is taken back, and is not done again before something changes."""

from __future__ import annotations

from typing import Any

from remediation.store import models


def newest() -> models.Plan:
    return models.Plan.objects.order_by("-pk")[0]


def undone(scene: Any, plan: models.Plan) -> Any:
    made, outcome = scene.run().undo(plan, "ann", apply=True)
    assert not outcome.failed and not outcome.waiting, outcome
    return made


def silent(scene: Any) -> None:
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
    plan, _ = scene.run().apply()
    assert not plan.steps and "waiting for a scan" in plan.not_done[0].reason


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
    assert "its status was changed since, to Closed - Won't Fix" in [item.reason for item in made.not_done]


def test_tickets_that_were_made_stay(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    made = undone(scene, newest())
    assert not made.steps and len(made.not_done) == 2
    assert set(scene.tickets()) == {"project", "s1"}


def test_an_undo_that_was_cut_off_is_known_when_its_status_was_set(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    scene.later(days=1)
    scene.scan()
    scene.run().apply()
    plan, run = newest(), scene.run()
    real = run._instance.set_status

    def dies(*arguments: Any) -> None:
        real(*arguments)
        raise KeyboardInterrupt

    run._instance.set_status = dies
    try:
        run.undo(plan, "ann", apply=True)
    except KeyboardInterrupt:
        pass
    row = models.Ticket.objects.get(key="project")
    assert row.agreed_status
    undone(scene, plan)
    silent(scene)
    assert scene.status("s1") == "New"
    assert sum("takes back" in text for text in scene.comments("s1")) == 1
