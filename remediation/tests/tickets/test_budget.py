"""The budget of requests that all processes keep to."""

from __future__ import annotations

from typing import Any

import pytest

from remediation.jobs.status import status
from remediation.store import models
from remediation.tickets.budget import Budget


def sent(scene: Any) -> int:
    """Requests to Halo's API; those for a token are not among them."""
    return sum("token" not in request.path for request in scene.halo.requests)


def test_every_request_is_counted(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    scene.halo.forget_requests()
    scene.run().apply()
    tokens = sum("token" in request.path for request in scene.halo.requests)
    assert scene.budget(scene.connection).shown() == {"used": sent(scene) + tokens, "limit": 120, "waits": None}


def test_an_apply_waits_for_its_budget_and_says_so(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.options(requests=30)
    scene.scan(*(f"a1 v{number} s{number}" for number in range(60)))
    monkeypatch.setattr("remediation.jobs.status.timezone.now", lambda: scene.now)
    shown: list[Any] = []
    real = scene.wait

    def wait(seconds: float) -> None:
        shown.append(status()["connections"][0]["requests"])
        real(seconds)

    run = scene.run()
    run._sleep = wait
    _, outcome = run.apply()
    assert not outcome.failed and not outcome.waiting and len(scene.tickets()) == 61
    assert len(scene.pauses) >= 2 and any("30 requests were sent" in line for line in scene.said)
    # A piece of work may take a few requests more than were left.
    assert all(30 <= one["used"] <= 36 and one["waits"] for one in shown)
    assert sum(scene.pauses) >= 300
    assert scene.budget(scene.connection).shown()["waits"] is None


def test_connections_of_one_application_share_it_and_others_do_not(scene: Any) -> None:
    options = {**scene.connection.settings, "client_id": "a", "resource_server": "https://one"}
    first, same = (models.Connection(name=name, settings=options) for name in ("first", "same"))
    other = models.Connection(name="other", settings={**options, "client_id": "b"})
    budgets = [Budget(one, lambda: scene.now) for one in (first, same, other)]
    budgets[0].spend()
    assert [one.shown()["used"] for one in budgets] == [1, 1, 0]
