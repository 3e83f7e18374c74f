"""What people do in Halo is seen, whatever its lists hide, and how far the clocks are apart."""

from __future__ import annotations

import json
from typing import Any

import pytest

from remediation.store import models
from remediation.tickets.webhook import projects_told

# Whether the list of changes hides closed tickets as the plain one does, and what a build ignores.
HALOS = [(hides, ignored) for hides in (True, False) for ignored in ("", "lastupdatefromdate", "order")]


@pytest.mark.parametrize(("hides", "ignored"), [*HALOS, (False, "closed_only")])
def test_a_closing_is_seen_where_closed_tickets_are_hidden(scene: Any, hides: bool, ignored: str) -> None:
    scene.halo.recently_closed_days, scene.halo.hides_closed_changes = 0, hides
    scene.halo.ignored_parameters = {ignored} if ignored else set()
    scene.scan("a1 v1 s1", "a2 v2 s2")
    scene.run().apply()
    scene.later(hours=1)
    scene.person_sets("s1", 42)
    scene.person_sets("s2", 2)
    scene.run().plan()
    found = {row.key: row.status for row in models.Ticket.objects.filter(kind="child")}
    assert found == {"s1": "Will Not Fix", "s2": "In Progress"}


@pytest.mark.parametrize("ahead", [0, 300, -7200])
def test_the_skew_is_kept_at_each_reading(scene: Any, ahead: int) -> None:
    scene.scan("a1 v1 s1")
    for _ in range(2):
        scene.halo.clock_offset += ahead
        scene.run().plan()
        skew = models.Connection.objects.get().settings["skew"]
        # The Date header has whole seconds, and the test's own clock stands still.
        assert ahead - 3 < skew < ahead + 5
        scene.later(hours=1)


def test_a_ticket_of_another_type_is_told_and_goes_on(scene: Any) -> None:
    scene.scan("a1 v1 s1", "a2 v2 s2")
    scene.run().apply()
    number = scene.ticket("s1")["id"]
    scene.later(hours=1)
    scene.halo.change_ticket(number, status_id=2)
    scene.run().plan()
    assert "retyped" not in models.Ticket.objects.get(key="s1").note
    scene.later(hours=1)
    scene.halo.change_ticket(number, tickettype_id=1)
    plan, _ = scene.run().plan()
    told = "somebody changed its type in HaloITSM from Vulnerability to Incident"
    assert models.Ticket.objects.get(key="s1").note["retyped"] == told
    (item,) = [item for item in plan.not_done if item.key == "s1/1"]
    assert item.reason.startswith(told) and not item.needs_person
    # It is no other ticket: facts are told there, and nothing is made anew.
    scene.later(days=1)
    scene.scan("a2 v2 s2")
    scene.run().apply()
    assert len(scene.tickets()["s1"]) == 1 and scene.status("s1") == "Remediated"
    scene.later(hours=1)
    scene.halo.change_ticket(number, tickettype_id=21)
    scene.run().plan()
    assert "retyped" not in models.Ticket.objects.get(key="s1").note


@pytest.mark.parametrize("how", ["deleted", "merged"])
def test_what_a_webhook_tells_of_is_asked_for_where_it_is_in_no_list(scene: Any, how: str) -> None:
    scene.scan("a1 v1 s1", "a2 v2 s2")
    scene.run().apply()
    lost, kept = (int(scene.ticket(key)["id"]) for key in ("s1", "s2"))
    scene.later(hours=1)
    if how == "deleted":
        scene.halo.delete_ticket(lost)
    else:
        scene.halo.merge_tickets(kept, lost)
    scene.later(hours=1)
    scene.run().plan()
    assert not models.Ticket.objects.filter(note__has_key="missing").exists(), "no list tells of it"
    event = json.dumps([{"event": "ticket deleted", "object_id": number} for number in (lost, kept)]).encode()
    assert projects_told(scene.connection, event, scene.now) == [scene.project]
    scene.later(hours=1)
    run = scene.run()
    scene.halo.forget_requests()
    plan, _ = run.plan()
    assert [row.key for row in models.Ticket.objects.filter(note__has_key="missing")] == ["s1"]
    assert [item.key for item in plan.not_done if item.needs_person] == ["s1/1"]
    assert len([path for path in scene.lists() if path.split("?")[0].endswith((f"/{lost}", f"/{kept}"))]) == 2
    assert not models.Ticket.objects.exclude(webhook=None).exists() and not scene.writes()
    scene.later(hours=1)
    run = scene.run()
    scene.halo.forget_requests()
    run.plan()
    assert not [path for path in scene.lists() if path.split("?")[0].endswith(f"/{kept}")]
