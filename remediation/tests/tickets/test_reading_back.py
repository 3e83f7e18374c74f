"""What people do in Halo is seen, whatever its lists hide, and how far the clocks are apart."""

from __future__ import annotations

from typing import Any

import pytest

from remediation.store import models

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
