"""What people say of tickets: paused ones get no write, detached ones are not made again, and findings can be tied."""

from __future__ import annotations

from typing import Any

import pytest

from remediation.store import models
from remediation.tickets import attention
from remediation.tickets.attention import NotPossible

from .conftest import Scene, dies_at


def row(key: str) -> models.Ticket:
    return models.Ticket.objects.select_related("project").filter(key=key).latest("generation")


def reasons(scene: Scene) -> dict[str, str]:
    made, _ = scene.run().apply()
    return {item.key: item.reason for item in made.not_done}


def test_a_paused_ticket_gets_no_write_until_it_goes_on(scene: Scene) -> None:
    scene.scan("a1 v1 s1", "a2 v1 s1", "a3 v2 s2")
    scene.run().apply()
    attention.pause(row("s1"), "anna")
    scene.scan("a1 v1 s1", "a3 v2 s2", "a0 v1 s1")
    scene.halo.forget_requests()
    assert reasons(scene)["s1/1"] == "paused by anna"
    scene.scan("a3 v2 s2")
    assert reasons(scene)["s1/1"] == "paused by anna"
    assert scene.comments("s1") == [] and scene.status("s1") == "New"
    attention.go_on(row("s1"), "anna")
    scene.run().apply()
    assert len(scene.comments("s1")) == 1 and scene.status("s1") == "Remediated"


def test_a_ticket_that_is_paused_in_the_middle_of_a_run_gets_nothing_more(scene: Scene) -> None:
    scene.scan("a1 v1 s1", "a2 v2 s2")
    scene.run().apply()
    scene.scan()
    run = scene.run()
    real = run._instance.comment

    def comment(number: int, text: str) -> int:
        attention.pause(row("s2"), "anna")
        return real(number, text)

    run._instance.comment = comment  # type: ignore[method-assign]
    _, outcome = run.apply()
    assert {one for one in outcome.waiting.values() if "earlier step" not in one} == {"paused by anna"}
    assert scene.status("s1") == "Remediated" and scene.status("s2") == "New" and scene.comments("s2") == []


def test_what_moves_away_from_a_paused_ticket_follows_it_later(scene: Scene) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    attention.pause(row("s1"), "anna")
    scene.scan("a1 v1 s9")
    for _ in range(2):
        assert reasons(scene)["s1/1"] == "paused by anna"
    assert "s9" not in scene.tickets()
    attention.go_on(row("s1"), "anna")
    scene.run().apply()
    assert row("s9").halo_id == scene.ticket("s1")["id"]


def test_a_paused_parent_is_left_alone(scene: Scene) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    attention.pause(row("project"), "anna")
    scene.scan()
    assert reasons(scene)["project"] == "paused by anna"
    assert scene.status("s1") == "Remediated" and scene.status("project") == "New"


def test_a_detached_ticket_is_not_made_again_and_not_written_to(scene: Scene) -> None:
    scene.scan("a1 v1 s1", "a2 v1 s1", "a3 v2 s2")
    scene.run().apply()
    first = row("s1")
    attention.detach(first, "anna")
    scene.halo.forget_requests()
    assert reasons(scene) == {"s1": f"detached by anna: ticket {first.halo_id}"}
    assert scene.writes() == []
    # Neither when they are gone, nor when they come back.
    scene.scan("a3 v2 s2")
    assert reasons(scene) == {}
    scene.scan("a1 v1 s1", "a2 v1 s1", "a3 v2 s2")
    assert reasons(scene) == {"s1": f"detached by anna: ticket {first.halo_id}"}
    assert scene.comments("s1") == [] and scene.status("s1") == "New"
    # What is new under its solution is another matter, and gets a ticket of its own.
    scene.scan("a1 v1 s1", "a2 v1 s1", "a0 v1 s1", "a3 v2 s2")
    assert reasons(scene) == {"s1": f"detached by anna: ticket {first.halo_id}"}
    later = row("s1")
    assert (later.generation, later.assets) == (2, ["a0"]) and later.halo_id != first.halo_id
    # That one can be detached as well.
    attention.detach(later, "ben")
    made, outcome = scene.run().apply()
    assert not outcome.done and {item.reason for item in made.not_done} == {
        f"detached by anna: ticket {first.halo_id}",
        f"detached by ben: ticket {later.halo_id}",
    }
    # What people do to it in Halo is nothing to the service.
    scene.halo.change_ticket(first.halo_id, status_id=41, agent_id=3)
    scene.run().apply()
    first.refresh_from_db()
    assert first.status == "Not Started"


def test_no_ticket_follows_its_findings_to_where_one_was_detached(scene: Scene) -> None:
    scene.scan("a1 v1 s1", "a2 v2 s2")
    scene.run().apply()
    attention.detach(row("s1"), "anna")
    scene.scan("a1 v1 s1", "a2 v2 s1")
    for _ in range(2):
        _, outcome = scene.run().apply()
        assert not outcome.failed
    tickets = models.Ticket.objects.filter(key__startswith="s").order_by("pk")
    assert [(one.key, one.generation, one.assets) for one in tickets] == [
        ("s1", 1, []),
        ("s2", 1, []),
        ("s1", 2, ["a2"]),
    ]


def test_a_new_ticket_has_a_place_of_its_own_beside_a_detached_one_that_came_from_elsewhere(scene: Scene) -> None:
    scene.scan("a1 v1 s0")
    scene.run().apply()
    scene.scan("a1 v1 s1")
    scene.run().apply()
    first = row("s1")
    assert first.reference.endswith(":s0:1")
    attention.detach(first, "anna")
    scene.scan("a1 v1 s1", "a2 v1 s1")
    _, outcome = scene.run().apply()
    assert not outcome.failed and len(outcome.done) >= 1
    assert (row("s1").generation, row("s1").assets) == (2, ["a2"])
    first.refresh_from_db()
    assert first.halo_id not in (None, row("s1").halo_id) and first.note["detached"] == "anna"


def test_a_detached_ticket_is_taken_care_of_again(scene: Scene) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    attention.detach(row("s1"), "anna")
    with pytest.raises(NotPossible, match="was detached by anna"):
        attention.pause(row("s1"), "ben")
    attention.attach(row("s1"), "anna")
    scene.scan()
    scene.run().apply()
    assert scene.status("s1") == "Remediated"
    assert row("s1").note.keys().isdisjoint({"detached", "forgotten"})


def test_the_ticket_of_a_project_is_not_detached(scene: Scene) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    for do in (lambda: attention.detach(row("project"), "a"), lambda: attention.ask_to_tie(row("project"), 5, "a")):
        with pytest.raises(NotPossible, match="the ticket of a project"):
            do()
    models.Ticket.objects.filter(key="s1").update(halo_id=None)
    with pytest.raises(NotPossible, match="not made in HaloITSM yet"):
        attention.pause(row("s1"), "a")


def another(scene: Scene, **fields: Any) -> int:
    """The number of a ticket that a person has made in Halo."""
    return int(scene.halo.log_ticket(summary="Made by a person", **fields)["id"])


def tied(scene: Scene, key: str, number: int) -> str:
    attention.ask_to_tie(row(key), number, "anna")
    return scene.run().tie(row(key))


def test_findings_are_tied_to_a_ticket_of_a_person(scene: Scene) -> None:
    scene.scan("a1 v1 s1", "a2 v1 s1")
    scene.run().apply()
    first, number = row("s1").halo_id, another(scene)
    said = tied(scene, "s1", number)
    assert said == f"What ticket {first} stood for is tied to ticket {number}, which is told so by the next run."
    assert row("s1").title == "Made by a person" and row("s1").note.keys().isdisjoint({"tying", "not_tied"})
    scene.halo.forget_requests()
    for _ in range(2):
        scene.run().apply()
    (note,) = [one["note"] for one in scene.halo.actions[number] if "anna tied" in str(one.get("note"))]
    assert f"anna tied what ticket {first} stood for to this ticket" in note
    assert "Apply s1" in note and "Open: a1.corp.example, a2.corp.example." in note
    assert not [request for request in scene.halo.requests if f"'id': {first}" in str(request.body)]
    # From then on it is the ticket, and the one before is not.
    scene.scan()
    scene.run().apply()
    assert scene.halo.tickets[number]["status_id"] == 41 and scene.halo.tickets[first or 0]["status_id"] == 1
    plan, outcome = scene.run().apply()
    assert not plan.steps and not outcome.done


@pytest.mark.parametrize("status", [2, 40, 41, 43])
def test_a_tied_ticket_in_any_status_is_told_once(status: int, scene: Scene) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    number = another(scene)
    scene.halo.change_ticket(number, status_id=status, agent_id=3)
    tied(scene, "s1", number)
    for _ in range(3):
        scene.run().apply()
    told = [one["note"] for one in scene.halo.actions[number] if "anna tied" in str(one.get("note"))]
    assert len(told) == 1
    assert scene.halo.tickets[number]["status_id"] == status


def test_a_run_that_dies_after_it_told_the_tied_ticket_tells_it_once(scene: Scene) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    number = another(scene)
    tied(scene, "s1", number)
    run = scene.run()
    dies_at(run, "comment")
    with pytest.raises(KeyboardInterrupt):
        run.apply()
    scene.later(days=1)
    scene.run().apply()
    assert len([one for one in scene.halo.actions[number] if "anna tied" in str(one.get("note"))]) == 1


def test_what_findings_cannot_be_tied_to(scene: Scene) -> None:
    scene.scan("a1 v1 s1", "a2 v2 s2")
    scene.run().apply()
    mine, other = row("s1"), row("s2")
    project = models.Project.objects.create(
        name="other", slug="other", connection=scene.connection, source=scene.source, position=9
    )
    foreign = models.Ticket.objects.create(project=project, key="x", reference="remediation:other:x:1", halo_id=4711)
    lost = another(scene, third_party_id_string="remediation:elsewhere:x:1")
    cases = {
        mine.halo_id: "already",
        other.halo_id: "stands for something else of this project already: s2",
        foreign.halo_id: "is of another project, 'other'",
        row("project").halo_id: "stands for something else",
        987654: "HaloITSM has no ticket 987654",
        lost: "was made by this service for something else: remediation:elsewhere:x:1",
    }
    for number, words in cases.items():
        with pytest.raises(NotPossible, match=words):
            tied(scene, "s1", number or 0)
    assert row("s1").halo_id == mine.halo_id
    # One that was detached is nobody's.
    attention.detach(other, "ben")
    tied(scene, "s1", other.halo_id or 0)
    scene.run().apply()
    assert row("s1").halo_id == other.halo_id


def test_an_undo_says_nothing_in_a_ticket_that_was_tied_later(scene: Scene) -> None:
    scene.scan("a1 v1 s1", "a2 v1 s1")
    scene.run().apply()
    scene.scan("a1 v1 s1")
    scene.run().apply()
    done = models.Plan.objects.filter(steps__state="done", steps__kind="comment").latest("pk")
    number = another(scene)
    scene.later(minutes=1)
    tied(scene, "s1", number)
    made, _ = scene.run().undo(done, "anna", apply=True)
    assert not made.steps
    assert not any("takes back" in str(one.get("note")) for one in scene.halo.actions[number])


def test_a_paused_ticket_is_not_undone(scene: Scene) -> None:
    scene.scan("a1 v1 s1", "a2 v2 s2")
    scene.run().apply()
    scene.scan("a2 v2 s2")
    scene.run().apply()
    done = models.Plan.objects.filter(steps__state="done", steps__kind="set-status").latest("pk")
    attention.pause(row("s1"), "anna")
    made, _ = scene.run().undo(done, "ben", apply=True)
    assert [item.reason for item in made.not_done] == ["paused by anna"] and not made.steps
