"""A process that is frozen in the middle of a create, and goes on after another one has taken over."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from halo_emulator import Fault, HaloEmulator
from remediation.store import models
from remediation.tickets import lease
from tests.tickets.conftest import Scene, emulated_halo
from tests.walk.child import PATIENCE, Child, Run

LEASE = 1.0


@pytest.fixture
def halo() -> Iterator[HaloEmulator]:
    with emulated_halo() as running:
        yield running


@pytest.fixture
def scene(store: str, halo: HaloEmulator, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(lease, "LASTS", LEASE)
    made = Scene(halo)
    made.scan("a1 v1 s1", "a2 v2 s2")
    return made


@pytest.fixture
def child(scene: Scene, store: str) -> Iterator[Any]:
    """Starts a process that does a run."""
    started: list[Child] = []

    def start(**how: str) -> Child:
        names = ("client_id", "client_secret", "auth_server", "resource_server")
        known = {name: getattr(scene.halo, name) for name in names}
        started.append(Child(Run(store, known, scene.project.pk, scene.now, LEASE, **how)))
        return started[-1]

    yield start
    for one in started:
        one.end()


def until_it_ran_out() -> None:
    """Wait for the end of the lease of the one that is frozen: the last that it has sent may still renew it."""
    deadline = time.monotonic() + PATIENCE
    while models.Lease.objects.filter(until__gt=timezone.now()).exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def one_of_each(scene: Scene) -> None:
    assert {key: len(made) for key, made in scene.tickets().items()} == {"project": 1, "s1": 1, "s2": 1}
    assert models.Ticket.objects.filter(halo_id__isnull=False).count() == 3
    scene.halo.forget_requests()
    plan, _ = scene.run().apply()
    assert not plan.steps and not scene.writes()


def test_frozen_before_its_create_was_sent(scene: Scene, child: Any) -> None:
    frozen = child(how="freeze", function="create_ticket_once")
    assert frozen.wait()[0] == "frozen"
    assert not scene.tickets()
    until_it_ran_out()
    _, outcome = scene.run().apply()
    assert not outcome.failed and not outcome.waiting and len(outcome.done) == 3
    assert frozen.resume()[0] == "taken over"
    one_of_each(scene)


def test_frozen_after_its_create_was_sent_and_before_halo_did_it(scene: Scene, child: Any) -> None:
    scene.halo.inject(Fault("hang", "POST", "tickets", seconds=3.0))
    frozen = child()
    deadline = time.monotonic() + PATIENCE
    while not any(request.method == "POST" and "token" not in request.path for request in scene.halo.requests):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    frozen.freeze()
    until_it_ran_out()
    run = scene.run()
    # Stands for the half minute in which a request that was sent is done or lost.
    run._sleep = lambda seconds: time.sleep(4.0)
    _, outcome = run.apply()
    assert not outcome.failed and not outcome.waiting
    assert any("was made before" in line for line in scene.said)
    assert frozen.resume()[0] == "taken over"
    one_of_each(scene)


def test_frozen_before_it_could_keep_what_was_made(scene: Scene, child: Any) -> None:
    frozen = child(how="freeze", function="_done")
    assert frozen.wait()[0] == "frozen"
    assert list(scene.tickets()) == ["project"]
    until_it_ran_out()
    _, outcome = scene.run().apply()
    assert not outcome.failed and not outcome.waiting
    assert frozen.resume()[0] == "taken over"
    one_of_each(scene)
