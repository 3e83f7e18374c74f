"""A ticket that Halo no longer shows: noticed, told, not made again, and found again."""

from __future__ import annotations

from typing import Any

import pytest

from remediation.store import models

WORDS = "ticket {} does not exist in HaloITSM any more, or the API's agent may not see it"


def stored(key: str) -> models.Ticket:
    return models.Ticket.objects.get(key=key)


def waiting(outcome: Any) -> dict[str, str]:
    """Reasons by the ticket's key and the step's kind."""
    return {"/".join(key.split("/")[:3:2]): reason for key, reason in outcome.waiting.items()}


def vanish(scene: Any, how: str, key: str) -> int:
    number = int(scene.ticket(key)["id"])
    if how == "deleted":
        scene.halo.delete_ticket(number)
    else:
        scene.halo.hidden_tickets.add(number)
    return number


def come_back(scene: Any, number: int) -> None:
    scene.halo.hidden_tickets.discard(number)
    with scene.halo.lists.lock:
        scene.halo.lists.put({**scene.halo.tickets[number], "deleted": False})


@pytest.mark.parametrize("how", ["deleted", "hidden"])
def test_its_steps_wait_and_the_others_are_carried_out(scene: Any, how: str) -> None:
    scene.scan("a1 v1 s1", "a2 v2 s2")
    scene.run().apply()
    number = vanish(scene, how, "s1")
    scene.later(days=1)
    scene.scan()
    plan, outcome = scene.run().apply()
    assert not outcome.failed
    assert waiting(outcome)["s1/comment"] == WORDS.format(number)
    assert "s1/set-status" in waiting(outcome)
    step = models.Step.objects.get(state="waiting", kind="comment", key__startswith="s1/")
    assert step.result == {"said": WORDS.format(number)}
    noticed = stored("s1").note["missing"]
    assert noticed == scene.now.isoformat() and scene.status("s2") == "Remediated"
    for _ in range(2):
        scene.later(hours=1)
        plan, outcome = scene.run().apply()
        assert not outcome.failed and not outcome.waiting
        assert WORDS.format(number) in [item.reason for item in plan.not_done if item.key == "s1/1"]
        assert stored("s1").note["missing"] == noticed
    # A lost cursor makes no difference.
    scene.options(cursor="")
    scene.run().apply()
    assert len(scene.tickets()["s1"]) == 1 and stored("s1").note["missing"] == noticed

    come_back(scene, number)
    scene.later(hours=1)
    _, outcome = scene.run().apply()
    assert not outcome.waiting and not outcome.failed
    assert "missing" not in stored("s1").note
    assert scene.status("s1") == "Remediated" and len(scene.comments("s1")) == 1


def test_once_it_is_known_each_run_asks_for_it_by_one_request(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    number = vanish(scene, "deleted", "s1")
    scene.later(days=1)
    scene.scan()
    for _ in range(2):
        scene.run().apply()
        scene.later(hours=1)
    run = scene.run()
    scene.halo.forget_requests()
    run.apply()
    assert len([request.path for request in scene.halo.requests if str(number) in request.path]) == 1
    assert not scene.writes()


def test_a_ticket_that_is_back_is_seen_where_nothing_is_to_be_done(scene: Any) -> None:
    scene.scan("a1 v1 s1", "a2 v2 s2")
    scene.run().apply()
    number = vanish(scene, "hidden", "s1")
    scene.options(cursor="")
    scene.run().apply()
    assert "missing" in stored("s1").note and "missing" not in stored("s2").note
    come_back(scene, number)
    scene.later(hours=3)
    scene.run().apply()
    assert "missing" not in stored("s1").note


def test_many_are_looked_for_by_their_parents_lists(scene: Any) -> None:
    scene.scan(*(f"a1 v{number} s{number}" for number in range(30)))
    scene.run().apply()
    numbers = [vanish(scene, "hidden", f"s{number}") for number in range(20)]
    scene.options(cursor="")
    scene.run().apply()
    assert models.Ticket.objects.filter(note__has_key="missing").count() == 20
    for number in numbers[1:]:
        come_back(scene, number)
    scene.later(hours=3)
    run = scene.run()
    scene.halo.forget_requests()
    run.apply()
    assert len(scene.lists()) <= 6
    assert [row.key for row in models.Ticket.objects.filter(note__has_key="missing")] == ["s0"]


def test_children_wait_for_a_parent_that_is_gone(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    number = vanish(scene, "deleted", "project")
    scene.later(days=1)
    scene.scan("a1 v1 s1", "a2 v2 s2")
    for _ in range(2):
        _, outcome = scene.run().apply()
        assert not outcome.failed and waiting(outcome)["s2/create"] == WORDS.format(number)
        scene.later(hours=1)
    come_back(scene, number)
    _, outcome = scene.run().apply()
    assert not outcome.waiting and len(scene.tickets()["s2"]) == 1


def test_a_refusal_for_another_reason_is_a_failure(scene: Any) -> None:
    scene.scan("a1 v1 s1", "a2 v2 s2")
    scene.halo.mandatory_fields[21] = {"CFRiskScore"}
    scene.options(parent_type="Incident")
    _, outcome = scene.run().apply()
    assert len(outcome.failed) == 2 and not outcome.waiting
    assert not models.Ticket.objects.filter(note__has_key="missing")
    # The parent is looked at once for both.
    parent = scene.ticket("project")["id"]
    looked = [request for request in scene.halo.requests if request.path.endswith(f"/Tickets/{parent}")]
    assert len(looked) <= 2
