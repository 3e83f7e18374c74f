"""Tickets that are dealt with as one: each is told so once, whatever ends in between, and none is closed or lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection as database

from halo_emulator import Fault
from remediation.domain.consolidation import About, Suggestion
from remediation.store import models
from remediation.store.consolidation import suggestions
from remediation.tickets import attention
from remediation.tickets.joining import NotAsShown, carry_out, reject
from remediation.tickets.keeping import JOINED

from .conftest import Scene
from .test_interruptions import walk

FOUND = ("a1 v1 s1", "a1 v2 s2", "a1 v3 s3", "a2 v9 s9")


def three(scene: Scene, *, without: int = 0) -> None:
    """Three tickets on a1, and one on a2; the first ones are left out."""
    scene.settings(granularity="vulnerability")
    scene.scan(*FOUND[without:])
    scene.run().apply()


def tickets_suggested() -> list[Suggestion]:
    return [one for one in suggestions() if one.tickets]


def join(scene: Scene) -> list[models.Project]:
    (found,) = tickets_suggested()
    return carry_out(found.key, found.version, "anna")


def row(key: str) -> models.Ticket:
    return models.Ticket.objects.filter(key=key).latest("generation")


def test_each_ticket_is_told_which_one_stays(scene: Scene) -> None:
    scene.options(resource_server="https://halo.example/api")
    three(scene)
    (found,) = tickets_suggested()
    assert (found.about, found.findings, found.saved) == (About.DEVICE, 3, 2)
    assert found.tickets == (row("v1").pk, row("v2").pk, row("v3").pk)
    before = {key: scene.status(key) for key in ("v1", "v2", "v3")}
    assert join(scene) == [scene.project]
    plan, outcome = scene.run().apply()
    assert [step.kind.value for step in plan.steps] == ["comment"] * 3 and not outcome.waiting and not outcome.failed
    (first,), (second,), (third,) = (scene.comments(key) for key in ("v1", "v2", "v3"))
    number = row("v1").halo_id
    link = f"ticket {number} (https://halo.example/tickets?id={number})"
    for text in (second, third):
        assert f"together with {link}, as anna decided: both are about the device a1.corp.example." in text
    for key in ("v2", "v3"):
        other = row(key).halo_id
        assert f"- {other} (https://halo.example/tickets?id={other})" in first
    assert "stays open until scans settle it" in first and "stays open until scans settle it" in second
    assert not scene.comments("v9") and {key: scene.status(key) for key in before} == before
    assert not models.Ticket.objects.filter(note__has_key=JOINED).exists()
    assert not tickets_suggested()
    scene.halo.forget_requests()
    assert not scene.run().apply()[0].steps and not scene.writes()
    entry = models.AuditEntry.objects.get(what="tickets joined")
    assert (entry.who, entry.of) == ("anna", f"ticket {number}")


@pytest.mark.long
@pytest.mark.parametrize("after", [False, True])
def test_death_at_each_point_of_the_telling(
    new_scene: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    def prepare(scene: Any) -> None:
        models.Consolidation.objects.all().delete()
        three(scene, without=1)
        mine = set(models.Ticket.objects.filter(project=scene.project).values_list("pk", flat=True))
        (found,) = [one for one in tickets_suggested() if set(one.tickets) <= mine]
        carry_out(found.key, found.version, "anna")

    def check(scene: Any) -> None:
        assert [len(scene.comments(key)) for key in ("v2", "v3", "v9")] == [1, 1, 0]
        assert not models.Ticket.objects.filter(project=scene.project, note__has_key=JOINED).exists()

    assert walk(new_scene, monkeypatch, after, prepare, check) >= 6


def test_each_is_settled_by_its_own_scan(scene: Scene) -> None:
    three(scene)
    join(scene)
    scene.run().apply()
    scene.later(days=1)
    scene.scan("a1 v1 s1", "a1 v3 s3", "a2 v9 s9")
    scene.run().apply()
    assert [scene.status(key) for key in ("v1", "v2", "v3")] == ["New", "Remediated", "New"]


def test_with_other_news_it_is_one_comment(scene: Scene) -> None:
    three(scene)
    join(scene)
    scene.later(days=1)
    scene.scan("a1 v1 s1", "a2 v1 s1", "a1 v3 s3", "a2 v9 s9")
    scene.run().apply()
    (first,), (second,) = scene.comments("v1"), scene.comments("v2")
    assert "dealt with here" in first and "Open: a2.corp.example" in first
    assert "together with ticket" in second and "Settled by scans" in second and scene.status("v2") == "Remediated"
    assert not scene.run().apply()[0].steps


def test_what_is_known_of_a_ticket_stays_as_it_is(scene: Scene) -> None:
    """One that a person opened again is not told a second time why it was settled."""
    scene.settings(granularity="vulnerability")
    scene.scan("a1 v1 s1", "a1 v2 s2", "a1 v3 s3")
    scene.run().apply()
    scene.later(days=1)
    join(scene)
    # Settled before it is told, and opened again by a person.
    number = row("v3").pk
    models.Ticket.objects.filter(pk=number).update(note={**row("v3").note, JOINED: {}})
    scene.scan("a1 v1 s1", "a1 v2 s2")
    scene.run().apply()
    scene.later(days=1)
    scene.person_sets("v3", 2)
    scene.run().apply()
    said = len(scene.comments("v3"))
    assert "stays open, because somebody opened it again" in scene.comments("v3")[-1]
    attention.change_keys(row("v3"), "note", {JOINED: {"77": "This is dealt with elsewhere."}})
    scene.run().apply()
    assert len(scene.comments("v3")) == said + 1 and "dealt with elsewhere" in scene.comments("v3")[-1]
    for _ in range(2):
        assert not scene.run().apply()[0].steps
    assert len(scene.comments("v3")) == said + 1
    # Neither is taken up again what a person took back.
    attention.change_keys(row("v3"), "note", {"taken_back": True, JOINED: {"78": "And with another."}})
    scene.run().apply()
    assert row("v3").note["taken_back"] and "And with another." in scene.comments("v3")[-1]
    assert not scene.run().apply()[0].steps and scene.status("v3") == "In Progress"


def test_what_is_decided_while_a_comment_is_sent_is_told_after_it(scene: Scene) -> None:
    three(scene)
    join(scene)
    run = scene.run()
    real = run._instance.comment

    def comment(number: int, text: str) -> int:
        if number == row("v3").halo_id:
            attention.change_keys(row("v3"), "note", {JOINED: {**row("v3").note[JOINED], "9999": "And with another."}})
        return real(number, text)

    run._instance.comment = comment  # type: ignore[method-assign]
    run.apply()
    assert row("v3").note[JOINED] == {"9999": "And with another."}
    scene.run().apply()
    first, second = scene.comments("v3")
    assert "together with ticket" in first and "And with another." in second and "together with" not in second


def test_a_paused_ticket_is_told_when_it_goes_on(scene: Scene) -> None:
    three(scene)
    join(scene)
    attention.pause(row("v2"), "ben")
    scene.run().apply()
    assert [len(scene.comments(key)) for key in ("v1", "v2", "v3")] == [1, 0, 1]
    assert not tickets_suggested()
    attention.go_on(row("v2"), "ben")
    scene.run().apply()
    scene.run().apply()
    assert [len(scene.comments(key)) for key in ("v1", "v2", "v3")] == [1, 1, 1]


def test_a_comment_of_unknown_outcome_is_looked_for_and_not_repeated(scene: Scene) -> None:
    three(scene)
    join(scene)
    scene.halo.inject(Fault("drop", "POST", "actions", after_commit=True))
    scene.halo.inject(Fault("drop", "GET", "actions", skip=1))
    scene.run().apply()
    scene.halo.clear_faults()
    scene.later(minutes=1)
    scene.run().apply()
    scene.later(minutes=11)
    scene.run().apply()
    assert [len(scene.comments(key)) for key in ("v1", "v2", "v3")] == [1, 1, 1]


def test_after_a_restore_the_comment_that_is_there_is_found(scene: Scene) -> None:
    three(scene)
    join(scene)
    kept = {key: row(key).note for key in ("v1", "v2", "v3")}
    scene.run().apply()
    # As a backup from before has it.
    models.Step.objects.filter(kind="comment").update(state="planned")
    with database.cursor() as cursor:
        cursor.execute("DELETE FROM store_journal WHERE step_id IN (SELECT id FROM store_step WHERE kind = 'comment')")
    for key, note in kept.items():
        models.Ticket.objects.filter(key=key).update(note={**note, "heard": "0123456789"})
    scene.run().apply()
    assert [len(scene.comments(key)) for key in ("v1", "v2", "v3")] == [1, 1, 1]
    assert not models.Ticket.objects.filter(note__has_key=JOINED).exists()


def test_one_more_on_the_device_is_joined_to_the_one_that_stays(scene: Scene) -> None:
    three(scene)
    join(scene)
    scene.run().apply()
    scene.later(days=1)
    scene.scan(*FOUND, "a1 v4 s4")
    scene.run().apply()
    (found,) = tickets_suggested()
    assert found.tickets == (row("v1").pk, row("v4").pk) and found.why == "others were joined to it before"


def test_a_rejected_one_comes_back_with_something_new_only(scene: Scene) -> None:
    three(scene)
    (found,) = tickets_suggested()
    reject(found.key, found.version, "three teams", "anna")
    assert not tickets_suggested()
    scene.later(days=1)
    scene.scan(*FOUND[1:])
    scene.run().apply()
    assert not tickets_suggested(), "one of them is settled"
    scene.scan(*FOUND[1:], "a1 v4 s4")
    scene.run().apply()
    (found,) = tickets_suggested()
    assert set(found.tickets) == {row("v2").pk, row("v3").pk, row("v4").pk}
    kept = models.Consolidation.objects.get()
    assert (kept.name, kept.reason, kept.who, kept.stays_id) == ("a1.corp.example", "three teams", "anna", None)


def test_what_is_not_as_it_was_shown_is_not_carried_out(scene: Scene) -> None:
    three(scene)
    (shown,) = tickets_suggested()
    scene.scan(*FOUND, "a1 v4 s4")
    scene.run().apply()
    for version in (shown.version, "", "x"):
        with pytest.raises(NotAsShown):
            carry_out(shown.key, version, "anna")
        with pytest.raises(NotAsShown):
            reject(shown.key, version, "no", "anna")
    assert not models.Consolidation.objects.exists() and not models.AuditEntry.objects.filter(who="anna").exists()


def test_of_two_who_click_at_once_one_is_told(scene: Scene) -> None:
    three(scene)
    (found,) = tickets_suggested()
    ended: list[str] = []

    def click() -> None:
        try:
            carry_out(found.key, found.version, "anna")
            ended.append("done")
        except NotAsShown:
            ended.append("told")
        finally:
            database.close()

    threads = [threading.Thread(target=click) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == ["done", "told", "told", "told"]
    scene.run().apply()
    assert [len(scene.comments(key)) for key in ("v1", "v2", "v3")] == [1, 1, 1]


def test_tickets_of_several_projects_are_joined_and_a_held_plan_holds_the_comment(scene: Scene) -> None:
    """The rules of each project hold: what waits for an approver there waits with the rest of its plan."""
    scene.settings(granularity="vulnerability", min_severity="high", mass_share=0.0, mass_least=1)
    scene.scan("a1 v1 s1")
    scene.run().apply()
    other = models.Source.objects.create(name="other", kind="insightvm")
    second = models.Project.objects.create(
        name="second", slug="second", connection=scene.connection, source=other, settings={"granularity": "asset"}
    )
    first, source = scene.project, scene.source
    scene.project, scene.source = second, other
    scene.scan("a1 w1 t1", "a1 w2 t2")
    scene.run().apply()
    (found,) = tickets_suggested()
    assert found.tickets == (row("a1").pk, row("v1").pk) and found.why == "it has the most findings, 2"
    assert join(scene) == [first, second]
    scene.run().apply()
    assert len(scene.comments("a1")) == 1
    # What scans have settled waits for an approver, and so does what is told with it.
    scene.project, scene.source = first, source
    scene.later(days=1)
    scene.scan("a3 v5 s5")
    plan, outcome = scene.run().apply()
    assert plan.held and not scene.comments("v1") and len(outcome.waiting) == len(plan.steps)
    assert row("v1").note[JOINED]


def test_hostile_names_stay_text(scene: Scene) -> None:
    three(scene)
    name = "<script>alert(1)</script> $LINK =cmd() " + "x" * 10_000
    models.Device.objects.filter(assets__asset="a1").update(name=name)
    scene.settings(granularity="vulnerability", comment="News: $NEWS")
    join(scene)
    _, outcome = scene.run().apply()
    assert not outcome.failed and not outcome.waiting
    (text,) = scene.comments("v2")
    assert "$LINK =cmd()" in text and len(text) < 1000
    (action,) = [one for one in scene.halo.actions[scene.ticket("v2")["id"]] if "together" in one["note"]]
    assert "<script>" not in str(action.get("note_html", ""))
