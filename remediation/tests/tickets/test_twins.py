"""A reference that has got several tickets: the lowest counts, and the others are closed with a note."""

from __future__ import annotations

from typing import Any

import pytest

from halo_emulator import Fault
from halo_emulator.ticket_writes import create_ticket
from remediation.store import models


def made_by_another(scene: Any, fields: Any, reference: str, agent_id: int | None = None) -> int:
    """The same ticket, by another process of ours, or by somebody else."""
    given = {**fields, "third_party_id_string": reference, "details": f"{fields['details']}\n\nReference: {reference}"}
    given = {name: value for name, value in given.items() if name != "deadlinedate"}
    return int(create_ticket(scene.halo.lists, given, agent_id or scene.halo.api_agent_id)["id"])


def with_twin(scene: Any, key: str, *, before: bool, agent_id: int | None = None) -> Any:
    """A run during which somebody makes the ticket of a key as well."""
    run = scene.run()
    real = run._instance.create

    def create(fields: Any, reference: str) -> Any:
        is_it = f":{key}:" in reference
        if is_it and before:
            made_by_another(scene, fields, reference, agent_id)
        made = real(fields, reference)
        if is_it and not before:
            made_by_another(scene, fields, reference, agent_id)
        return made

    run._instance.create = create
    return run


def numbers(scene: Any, key: str) -> list[int]:
    return sorted(int(ticket["id"]) for ticket in scene.tickets()[key])


def notes(scene: Any, number: int) -> list[str]:
    return [str(action["note"]) for action in scene.halo.actions[number]]


@pytest.mark.parametrize("key", ["s1", "project"])
@pytest.mark.parametrize("before", [True, False], ids=["the other is first", "ours is first"])
def test_the_lowest_counts_and_the_other_is_closed(scene: Any, before: bool, key: str) -> None:
    scene.scan("a1 v1 s1", "a2 v2 s2")
    _, outcome = with_twin(scene, key, before=before).apply()
    assert not outcome.failed and not outcome.waiting
    first, second = numbers(scene, key)
    tickets = scene.halo.tickets
    assert (tickets[first]["status_id"], tickets[second]["status_id"]) == (1, 9)
    assert any(f"Duplicate of ticket {first}" in note for note in notes(scene, second))
    assert models.Ticket.objects.get(key=key).halo_id == first
    assert first in outcome.tickets and second not in outcome.tickets
    assert any(f"ticket {second} was made for the same as ticket {first}" in line for line in scene.said)
    step = models.Step.objects.get(key__startswith=f"{key}/1/create")
    assert (step.state, step.result["ticket"], step.result["closed"]) == ("done", first, [second])
    # The children are those of the parent that counts.
    parent = models.Ticket.objects.get(key="project").halo_id
    assert scene.ticket("s2")["parent_id"] == parent

    scene.halo.forget_requests()
    plan, _ = scene.run().apply()
    assert not plan.steps and not scene.writes() and len(scene.lists()) <= 4


def dies_in_look(number: int, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apply, and die in the look for references with this number."""
    real, looks = run._instance.references, []

    def references(wanted: Any, parent_id: Any) -> Any:
        looks.append(parent_id)
        if len(looks) == number:
            raise KeyboardInterrupt
        return real(wanted, parent_id)

    monkeypatch.setattr(run._instance, "references", references)
    with pytest.raises(KeyboardInterrupt):
        run.apply()


def test_a_death_before_the_look_is_made_up_for(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.scan("a1 v1 s1")
    run = with_twin(scene, "s1", before=False)
    # The third look is the one for the children's twins.
    dies_in_look(3, run, monkeypatch)
    scene.later(minutes=1)
    plan, _ = scene.run().apply()
    assert not plan.steps
    first, second = numbers(scene, "s1")
    assert scene.halo.tickets[second]["status_id"] == 9 and scene.halo.tickets[first]["status_id"] == 1


def test_a_look_that_halo_refuses_is_told_and_repeated(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    run = with_twin(scene, "s1", before=False)
    real = run._instance.create

    def create(fields: Any, reference: str) -> Any:
        made = real(fields, reference)
        if ":s1:" in reference:
            scene.halo.inject(Fault("status", "GET", "tickets", status=503, times=None))
        return made

    run._instance.create = create
    _, outcome = run.apply()
    assert len(outcome.done) == 2 and not outcome.failed and not outcome.waiting
    assert any("WARNING" in line and "twice" in line for line in scene.said)
    scene.halo.clear_faults()
    scene.later(minutes=5)
    scene.run().apply()
    assert scene.halo.tickets[numbers(scene, "s1")[1]]["status_id"] == 9


def test_a_copy_that_a_person_made_is_told_of_and_left_open(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    _, outcome = with_twin(scene, "s1", before=False, agent_id=scene.halo.screen_agent_id).apply()
    assert not outcome.failed
    first, second = numbers(scene, "s1")
    assert scene.halo.tickets[second]["status_id"] == 1
    step = models.Step.objects.get(key__startswith="s1/1/create")
    assert f"ticket {second}" in step.result["warning"] and "somebody else" in step.result["warning"]
    assert any("WARNING" in line and str(second) in line for line in scene.said)


def test_a_twin_that_halo_does_not_close_is_told_of_with_its_words(scene: Any) -> None:
    scene.options(closing_agent="")
    scene.scan("a1 v1 s1")
    with_twin(scene, "s1", before=False).apply()
    warning = models.Step.objects.get(key__startswith="s1/1/create").result["warning"]
    assert "--closing-agent" in warning and "is open" in warning
    scene.halo.forget_requests()
    scene.run().apply()
    assert not scene.writes()


def test_a_list_that_lags_is_looked_at_again(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.scan("a1 v1 s1")
    run = with_twin(scene, "s1", before=False)
    real = run._instance.references
    monkeypatch.setattr(run._instance, "references", lambda wanted, parent: {} if parent else real(wanted, parent))
    run.apply()
    assert scene.halo.tickets[numbers(scene, "s1")[1]]["status_id"] == 1
    scene.later(minutes=5)
    scene.run().apply()
    assert scene.halo.tickets[numbers(scene, "s1")[1]]["status_id"] == 9


def test_what_is_never_shown_is_not_looked_for_without_end(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    run = scene.run()
    run._instance.references = lambda wanted, parent: {}
    run.apply()
    scene.halo.delete_ticket(scene.ticket("s1")["id"])
    scene.later(minutes=20)
    scene.run().apply()
    assert not models.Ticket.objects.filter(note__has_key="twins_unlooked")


def test_children_are_made_under_the_parent_that_counts_after_a_death(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.scan("a1 v1 s1")
    run = with_twin(scene, "project", before=True)
    # The second look is the one for the parent's twins.
    dies_in_look(2, run, monkeypatch)
    scene.later(minutes=1)
    scene.run().apply()
    first, second = numbers(scene, "project")
    assert scene.ticket("s1")["parent_id"] == first and scene.halo.tickets[second]["status_id"] == 9


def test_a_twin_that_was_closed_before_a_death_gets_no_second_note(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    run = with_twin(scene, "s1", before=False)
    real = run._instance.close_twin

    def close_twin(*given: Any) -> None:
        real(*given)
        raise KeyboardInterrupt

    run._instance.close_twin = close_twin
    with pytest.raises(KeyboardInterrupt):
        run.apply()
    scene.later(minutes=1)
    scene.run().apply()
    _, second = numbers(scene, "s1")
    assert len([note for note in notes(scene, second) if "Duplicate of" in note]) == 1
    assert not models.Ticket.objects.filter(note__has_key="twins_unlooked")
