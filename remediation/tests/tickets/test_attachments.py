"""Comments with a file: neither comes twice, whatever happens between the two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from halo_emulator import Fault
from remediation.domain.plan import Kind, Plan
from remediation.domain.planning import plan as plan_of
from remediation.store import models

from .test_interruptions import walk

FILE = {
    "name": "assets-0123456789.csv",
    "text": "asset,finding\r\na1.corp.example,\N{LATIN SMALL LETTER U WITH DIAERESIS}\r\n",
}


@pytest.fixture(autouse=True)
def files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each comment of a plan has a file."""

    def planned(world: Any) -> Plan:
        made = plan_of(world)
        steps = [
            replace(step, body={**step.body, "attachment": FILE}) if step.kind is Kind.COMMENT else step
            for step in made.steps
        ]
        return replace(made, steps=tuple(steps))

    monkeypatch.setattr("remediation.tickets.run.plan_of", planned)


def settled(scene: Any) -> None:
    """What was found is remediated, and nobody has been told."""
    scene.scan("a1 v1 s1", "a2 v2 s2")
    scene.run().apply()
    scene.later(days=1)
    scene.scan()


def held(scene: Any, key: str) -> list[str]:
    return [str(row["filename"]) for row in scene.halo.attachments.get(scene.ticket(key)["id"], [])]


def once(scene: Any) -> None:
    for key in ("s1", "s2"):
        assert held(scene, key) == [FILE["name"]]
        assert len(scene.comments(key)) == 1
        assert scene.status(key) == "Remediated"


def test_the_file_is_there_before_the_comment(scene: Any) -> None:
    settled(scene)
    scene.halo.forget_requests()
    _, outcome = scene.run().apply()
    assert not outcome.failed and not outcome.waiting
    once(scene)
    (row,) = scene.halo.attachments[scene.ticket("s1")["id"]]
    assert (row["content"].decode(), row["content_type"]) == (FILE["text"], "text/csv")
    assert [path.rpartition("/")[2] for path in scene.writes()[:2]] == ["Attachment", "Actions"]
    assert models.Step.objects.filter(kind="comment")[0].result["attachment"] == row["id"]


@pytest.mark.long
@pytest.mark.parametrize("after", [False, True])
def test_death_at_each_point(new_scene: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, after: bool) -> None:
    assert walk(new_scene, monkeypatch, after, settled, once) >= 14


def test_a_lost_answer_makes_no_second_one(scene: Any) -> None:
    settled(scene)
    scene.halo.inject(Fault("drop", "POST", "attachment", after_commit=True))
    scene.halo.inject(Fault("drop", "POST", "actions", after_commit=True))
    _, outcome = scene.run().apply()
    assert not outcome.failed and not outcome.waiting
    once(scene)


def test_a_file_that_comes_after_everybody_gave_up_is_found(scene: Any) -> None:
    settled(scene)
    scene.halo.inject(Fault("late", "POST", "attachment", seconds=60.0, answers=504))
    _, outcome = scene.run().apply()
    assert not outcome.failed and len(outcome.waiting) >= 2
    assert "may exist" in next(iter(outcome.waiting.values())) and not held(scene, "s1") and not scene.comments("s1")
    scene.halo.stop()
    scene.halo.start()
    scene.halo.lists.attachments.setdefault(scene.ticket("s1")["id"], []).append(
        {"id": 1000, "filename": FILE["name"], "ticket_id": scene.ticket("s1")["id"], "content": b""}
    )
    scene.later(minutes=5)
    _, outcome = scene.run().apply()
    assert "ten minutes" in next(iter(outcome.waiting.values()))
    scene.later(minutes=6)
    _, outcome = scene.run().apply()
    assert not outcome.failed and not outcome.waiting
    once(scene)


def test_a_file_that_halo_refuses_holds_nothing_back(scene: Any) -> None:
    settled(scene)
    refusal = {"message": "This file type is not allowed"}
    scene.halo.inject(Fault("status", "POST", "attachment", status=400, body=refusal, times=None))
    _, outcome = scene.run().apply()
    assert not outcome.failed and not outcome.waiting
    assert scene.status("s1") == "Remediated" and not held(scene, "s1")
    (comment,) = scene.comments("s1")
    assert f"({FILE['name']} could not be attached.)" in comment
    warning = models.Step.objects.get(kind="comment", key__startswith="s1/").result["warning"]
    assert "not allowed" in warning
    assert any("WARNING" in line and FILE["name"] in line for line in scene.said)


def test_halo_away_between_the_file_and_the_comment(scene: Any) -> None:
    settled(scene)
    run = scene.run()
    real = run._instance.attach

    def attach(*given: Any) -> Any:
        number = real(*given)
        scene.halo.stop()
        return number

    run._instance.attach = attach
    _, outcome = run.apply()
    assert (
        not outcome.failed
        and not outcome.done
        and all("cannot be reached" in text for text in outcome.waiting.values())
    )
    scene.halo.start()
    scene.later(hours=1)
    _, outcome = scene.run().apply()
    assert not outcome.waiting and not outcome.failed
    once(scene)


def test_a_halo_that_is_busy_with_files_is_waited_for(scene: Any) -> None:
    settled(scene)
    scene.halo.inject(Fault("status", "GET", "attachment", status=503, times=None))
    _, outcome = scene.run().apply()
    assert not outcome.failed and outcome.waiting
    assert not scene.comments("s1") and scene.status("s1") == "New"
    scene.halo.clear_faults()
    scene.later(hours=1)
    _, outcome = scene.run().apply()
    assert not outcome.failed and not outcome.waiting
    once(scene)
