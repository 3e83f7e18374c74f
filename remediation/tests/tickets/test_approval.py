"""Mass changes wait until somebody releases the identical steps."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from halo_emulator import Fault
from remediation.store import models
from remediation.tickets.apply import Outcome
from remediation.tickets.run import waiting_reasons

FIVE = [f"a1 v{number} s{number}" for number in range(5)]


def held(scene: Any) -> Outcome:
    _, outcome = scene.run().apply()
    assert not outcome.done and not outcome.failed and outcome.waiting
    return outcome


def approve() -> models.Plan:
    plan = models.Plan.objects.filter(held=True).order_by("-pk")[0]
    plan.approved_at = timezone.now()
    plan.save()
    return plan


@pytest.fixture
def scene(scene: Any) -> Any:
    scene.settings(most_creates=3)
    scene.scan(*FIVE)
    return scene


def test_it_waits_with_its_reason_and_writes_nothing(scene: Any) -> None:
    outcome = held(scene)
    assert len(outcome.waiting) == 6
    assert {row.state for row in models.Step.objects.all()} == {"waiting"}
    assert "it would create 5 tickets" in models.Step.objects.all()[0].result["said"]
    assert not scene.writes()


def test_an_approval_releases_the_identical_steps(scene: Any) -> None:
    held(scene)
    plan, outcome = scene.run().apply(approve())
    assert len(outcome.done) == 6 and not waiting_reasons(plan, outcome)
    assert len(scene.tickets()) == 6


def test_an_approval_expires_when_the_world_changes(scene: Any) -> None:
    held(scene)
    approved = approve()
    scene.later(days=1)
    scene.scan(*FIVE, "a2 v9 s9")
    _, outcome = scene.run().apply(approved)
    assert not outcome.done and not scene.tickets()
    assert "these are other steps" in next(iter(outcome.waiting.values()))
    _, outcome = scene.run().apply(approve())
    assert len(scene.tickets()) == 7


def test_an_approval_holds_for_what_an_interruption_left_over(scene: Any) -> None:
    scene.settings(most_creates=1)
    held(scene)
    approved = approve()
    run = scene.run()
    real = run._instance.create

    def create(fields: Any, reference: str) -> Any:
        if ":s2:" in reference:
            raise KeyboardInterrupt
        return real(fields, reference)

    run._instance.create = create
    with pytest.raises(KeyboardInterrupt):
        run.apply(approved)
    # The worker's next run, which knows of no approval, goes on.
    _, outcome = scene.run().apply()
    assert len(outcome.done) == 3 and not outcome.waiting
    assert all(len(tickets) == 1 for tickets in scene.tickets().values()) and len(scene.tickets()) == 6


def test_a_mass_resolution_waits(scene: Any) -> None:
    scene.settings(most_creates=100, mass_least=2)
    scene.run().apply()
    scene.later(days=1)
    scene.scan()
    outcome = held(scene)
    assert "would resolve 5 of 5" in next(iter(outcome.waiting.values()))
    scene.run().apply(approve())
    assert {scene.status(f"s{number}") for number in range(5)} == {"Remediated"}


def test_an_approval_outlives_halo_being_away(scene: Any) -> None:
    scene.settings(most_creates=1)
    held(scene)
    approve()
    run = scene.run()
    real = run._instance.create

    def create(fields: Any, reference: str) -> Any:
        if ":s2:" in reference:
            scene.halo.inject(Fault("status", status=503, times=None))
        return real(fields, reference)

    run._instance.create = create
    _, outcome = run.apply()
    assert len(outcome.done) == 3 and len(outcome.waiting) == 3
    scene.halo.clear_faults()
    scene.later(hours=1)
    _, outcome = scene.run().apply()
    assert len(outcome.done) == 3 and not outcome.waiting


def test_an_old_approval_counts_for_nothing_more_and_nothing_again(scene: Any) -> None:
    held(scene)
    approve()
    scene.later(days=1)
    scene.scan(*FIVE, "a2 v9 s9")
    # One step more than was approved.
    held(scene)
    _, outcome = scene.run().apply(approve())
    assert len(outcome.done) == 7
    # The same steps again, because the store forgot: nobody has approved that they are done twice.
    models.Ticket.objects.update(halo_id=None)
    models.Journal.objects.all().delete()
    for tickets in scene.tickets().values():
        scene.halo.delete_ticket(tickets[0]["id"])
    held(scene)


def numbers() -> list[int]:
    return list(models.Plan.objects.order_by("pk").values_list("pk", flat=True))


def test_the_same_held_plan_is_stored_once_and_keeps_its_number(scene: Any) -> None:
    first = held(scene)
    (number,) = numbers()
    told = list(models.Step.objects.values_list("pk", "state", "at", "result"))
    for _ in range(2):
        scene.later(days=1)
        assert held(scene).waiting == first.waiting
        plan, stored = scene.run().plan()
        assert stored.pk == number and plan.held
    assert numbers() == [number] and list(models.Step.objects.values_list("pk", "state", "at", "result")) == told
    due = models.Step.objects.filter(kind="create")[0].body["due"]
    _, outcome = scene.run().apply(approve())
    assert len(outcome.done) == 6 and numbers() == [number]
    assert set(models.Step.objects.values_list("state", flat=True)) == {"done"}
    # What the step keeps is what was written on the day of the apply.
    row = models.Step.objects.filter(kind="create")[0]
    assert row.body["due"] > due and row.body["due"] in row.reason


def test_a_converged_project_stores_one_plan_and_none_for_each_round(scene: Any) -> None:
    scene.settings(most_creates=100)
    scene.run().apply()
    for _ in range(3):
        scene.later(hours=1)
        scene.run().apply()
    assert len(numbers()) == 2


@pytest.mark.parametrize("other", ["steps", "hold", "not_done"])
def test_another_plan_is_stored_anew(scene: Any, other: str) -> None:
    held(scene)
    if other == "steps":
        scene.scan(*FIVE[:4])
    elif other == "hold":
        scene.settings(most_creates=100)
    else:
        models.Plan.objects.update(not_done=[{"key": "s9/1", "reason": "of before"}])
    scene.run().plan()
    assert len(numbers()) == 2
