"""A project without a ticket of its own: its tickets are found again by themselves, and none is made twice."""

from __future__ import annotations

import pytest

from remediation.store import models

from .conftest import Scene, dies_at


@pytest.fixture
def alone(scene: Scene) -> Scene:
    scene.settings(parent=False, most_creates=1000)
    return scene


def test_its_tickets_are_no_children(alone: Scene) -> None:
    alone.scan("a1 v1 s1", "a2 v2 s2")
    _, outcome = alone.run().apply()
    assert len(outcome.done) == 2 and set(alone.tickets()) == {"s1", "s2"}
    assert not any(one.get("parent_id") for key in ("s1", "s2") for one in alone.tickets()[key])
    assert not alone.run().apply()[0].steps
    alone.scan("a1 v1 s1")
    alone.run().apply()
    assert alone.status("s2") == "Remediated"


@pytest.mark.parametrize("after", [False, True])
def test_a_run_that_dies_at_a_create_makes_it_once(after: bool, alone: Scene) -> None:
    alone.scan("a1 v1 s1", "a2 v2 s2")
    run = alone.run()
    dies_at(run, "create", after=after)
    with pytest.raises(KeyboardInterrupt):
        run.apply()
    alone.run().apply()
    assert {key: len(found) for key, found in alone.tickets().items()} == {"s1": 1, "s2": 1}
    assert models.Ticket.objects.filter(halo_id__isnull=False).count() == 2


def test_a_ticket_that_was_made_twice_is_closed(alone: Scene) -> None:
    alone.scan("a1 v1 s1")
    run = alone.run()
    real = run._instance.create

    def twice(fields: dict[str, object], reference: str) -> object:
        first = real(fields, reference)
        real(fields, reference)
        return first

    run._instance.create = twice  # type: ignore[method-assign,assignment]
    run.apply()
    alone.run().apply()
    first, second = sorted(alone.tickets()["s1"], key=lambda one: int(one["id"]))
    assert models.Ticket.objects.get().halo_id == first["id"]
    assert second["status_id"] in alone.halo.lists.closed_statuses


def test_many_that_were_missing_are_found_again(alone: Scene) -> None:
    alone.scan(*(f"a1 v{number} s{number}" for number in range(11)))
    # Until Halo's list of what changed holds them no more.
    for _ in range(2):
        alone.run().apply()
        alone.later(days=1)
    for row in models.Ticket.objects.all():
        row.note["missing"] = "2026-11-20T01:00:00+00:00"
        row.save()
    alone.run().apply()
    assert not models.Ticket.objects.filter(note__has_key="missing").exists()
