"""What the plan says both sides agree on about the project's own ticket is kept, and nothing is written to Halo."""

from __future__ import annotations

from typing import Any

import pytest

from remediation.domain.planning import plan as plan_of
from remediation.domain.status import Status
from remediation.store import models
from remediation.tickets import run


def test_the_agreed_status_of_the_parent_is_kept(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    agrees: list[Status | None] = [Status.IN_PROGRESS]

    def planned(world: Any) -> Any:
        plan = plan_of(world)
        # Set past the dataclass's own rules, so that this holds whether it has the field or not.
        object.__setattr__(plan, "parent_agrees", agrees[-1])
        return plan

    monkeypatch.setattr(run, "plan_of", planned)
    one = scene.run()
    scene.halo.forget_requests()
    one.apply()

    def agreed() -> dict[str, str]:
        return dict(models.Ticket.objects.values_list("key", "agreed_status"))

    assert agreed() == {"project": "In Progress", "s1": "Not Started"} and not scene.writes()
    agrees.append(None)
    scene.run().apply()
    assert agreed()["project"] == "In Progress"
