"""An apply that dies, is cut off from Halo or does not know what became of a write.

Nothing is lost, and nothing happens twice.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database

from halo_emulator import Fault
from remediation.store import models
from remediation.tickets.apply import HaloAway
from remediation.tickets.instance import Instance
from remediation.tickets.lease import Busy
from tests.sudden_end import Death, dying

# All writes of the journal and all requests to Halo.
CALLS = (
    (models.Journal, "save"),
    *((Instance, name) for name in ("create", "comment", "attach", "set_status", "references")),
    *((Instance, name) for name in ("has_comment", "close_twin")),
)


def walk(
    new_scene: Callable[[], Any],
    monkeypatch: pytest.MonkeyPatch,
    after: bool,
    prepare: Callable[[Any], None],
    check: Callable[[Any], None],
) -> int:
    """Die at each point of one apply, apply again, and check; how many points there are."""
    for number in range(1, 100):
        scene = new_scene()
        prepare(scene)
        with monkeypatch.context() as patch:
            dying(patch, CALLS, number, after=after)
            try:
                scene.run().apply()
                return number - 1
            except Death:
                pass
        _, outcome = scene.run().apply()
        assert not outcome.failed and not outcome.waiting, (number, outcome)
        check(scene)
        scene.halo.forget_requests()
        plan, _ = scene.run().apply()
        assert not plan.steps and not scene.writes(), number
    raise AssertionError("it never ended")


@pytest.mark.parametrize("after", [False, True])
def test_death_at_each_point_of_the_first_sync(
    new_scene: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    def check(scene: Any) -> None:
        counted = Counter({key: len(tickets) for key, tickets in scene.tickets().items()})
        assert counted == {"project": 1, "s1": 1, "s2": 1}
        assert not scene.comments("s1") and not scene.comments("s2")
        assert models.Ticket.objects.filter(halo_id__isnull=False).count() >= 3
        for key in ("s1", "s2"):
            row = models.Ticket.objects.get(project=scene.project, key=key)
            assert row.title == scene.ticket(key)["summary"]
            assert row.note["told"] and row.status == "Not Started"

    assert walk(new_scene, monkeypatch, after, lambda scene: scene.scan("a1 v1 s1", "a2 v2 s2"), check) >= 10


@pytest.mark.long
@pytest.mark.parametrize("after", [False, True])
def test_death_at_each_point_of_a_settling(
    new_scene: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    def prepare(scene: Any) -> None:
        scene.scan("a1 v1 s1", "a2 v2 s2", "a3 v2 s2")
        scene.run().apply()
        scene.later(days=1)
        scene.scan("a3 v2 s2")

    def check(scene: Any) -> None:
        assert (scene.status("s1"), scene.status("s2")) == ("Remediated", "New")
        assert [text[:16] for text in scene.comments("s1")] == ["Settled by scans"]
        assert [text[:10] for text in scene.comments("s2")] == ["Remediated"]

    assert walk(new_scene, monkeypatch, after, prepare, check) >= 9


def test_a_cut_off_write_is_given_the_time_that_a_request_can_last(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.scan("a1 v1 s1")
    with monkeypatch.context() as patch:
        dying(patch, CALLS, 7, after=False)
        with pytest.raises(Death):
            scene.run().apply()
    assert not scene.pauses

    # Halo gets to it only while the next run waits.
    row = models.Ticket.objects.get(key="s1")
    assert row.halo_id is None
    parent = scene.ticket("project")["id"]

    def late(seconds: float) -> None:
        scene.pauses.append(seconds)
        fields = {"summary": "Late", "details": f"Reference: {row.reference}", "parent_id": parent}
        scene.halo.log_ticket(third_party_id_string=row.reference, **fields)

    run = scene.run()
    run._sleep = late
    _, outcome = run.apply()
    assert len(scene.pauses) == 1
    assert len(scene.tickets()["s1"]) == 1
    assert not outcome.failed and not outcome.waiting


def test_what_was_found_between_death_and_resumption_is_told(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.scan("a1 v1 s1")
    with monkeypatch.context() as patch:
        dying(patch, CALLS, 7, after=True)
        with pytest.raises(Death):
            scene.run().apply()
    assert len(scene.tickets()["s1"]) == 1
    scene.person_sets("s1", 2)
    scene.later(days=1)
    scene.scan("a1 v1 s1", "a2 v1 s1")
    scene.run().apply()
    assert models.Ticket.objects.get(key="s1").status == "In Progress"
    scene.run().apply()
    assert len(scene.tickets()["s1"]) == 1
    assert [text for text in scene.comments("s1") if "a2.corp.example" in text]


def test_halo_away_in_the_middle_for_an_hour(scene: Any) -> None:
    scene.scan("a1 v1 s1", "a2 v2 s2", "a3 v3 s3")
    run = scene.run()
    real = run._instance.create

    def create(fields: Any, reference: str) -> Any:
        if "s2" in reference:
            scene.halo.inject(Fault("status", status=503, times=None))
        return real(fields, reference)

    run._instance.create = create
    _, outcome = run.apply()
    assert len(outcome.done) == 2 and len(outcome.waiting) == 2 and not outcome.failed
    assert all(outcome.waiting.values())
    waiting = models.Plan.objects.order_by("-pk")[0].steps.filter(state="waiting")
    assert [row.result["said"] for row in waiting] == list(outcome.waiting.values())
    for _ in range(3):
        scene.later(minutes=20)
        with pytest.raises(HaloAway):
            scene.run().apply()
    scene.halo.clear_faults()
    _, outcome = scene.run().apply()
    assert not outcome.failed and not outcome.waiting, outcome
    assert {key: len(tickets) for key, tickets in scene.tickets().items()} == dict.fromkeys(
        ("project", "s1", "s2", "s3"), 1
    )


def test_halo_cannot_be_reached_in_the_middle(scene: Any) -> None:
    scene.scan("a1 v1 s1", "a2 v2 s2")
    run = scene.run()
    real = run._instance.create

    def create(fields: Any, reference: str) -> Any:
        if "s2" in reference:
            scene.halo.stop()
        return real(fields, reference)

    run._instance.create = create
    _, outcome = run.apply()
    assert len(outcome.done) == 2 and list(outcome.waiting) and not outcome.failed
    scene.halo.start()
    scene.later(hours=1)
    _, outcome = scene.run().apply()
    assert len(outcome.done) == 1
    assert not scene.pauses
    assert len(scene.tickets()["s2"]) == 1


def test_a_create_that_was_made_although_nobody_saw_it_is_found(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    # Its answer is lost, and so is each look for it.
    scene.halo.inject(Fault("drop", "POST", "tickets", after_commit=True, skip=1))
    run = scene.run()
    real = run._instance.create

    def create(fields: Any, reference: str) -> Any:
        if "s1" in reference:
            scene.halo.inject(Fault("drop", "GET", "tickets", times=None))
        return real(fields, reference)

    run._instance.create = create
    _, outcome = run.apply()
    assert len(outcome.waiting) == 1 and "may exist" in next(iter(outcome.waiting.values()))
    scene.halo.clear_faults()
    _, outcome = scene.run().apply()
    assert not outcome.waiting and len(outcome.done) == 1
    assert len(scene.tickets()["s1"]) == 1
    assert not scene.comments("s1")


def test_a_create_that_was_not_made_is_made_again_after_ten_minutes_of_absence(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    scene.halo.inject(Fault("drop", "POST", "tickets", skip=1, times=None))
    _, outcome = scene.run().apply()
    assert len(outcome.waiting) == 1
    scene.halo.clear_faults()
    scene.later(minutes=5)
    scene.halo.forget_requests()
    _, outcome = scene.run().apply()
    assert not scene.writes()
    assert "ten minutes" in next(iter(outcome.waiting.values()))
    assert "ten minutes" in models.Step.objects.order_by("-pk")[0].result["said"]
    scene.later(minutes=6)
    _, outcome = scene.run().apply()
    assert len(outcome.done) == 1 and not outcome.waiting
    assert len(scene.tickets()["s1"]) == 1


def test_a_create_that_nobody_needs_any_more_is_looked_for_ten_minutes(scene: Any) -> None:
    scene.scan("a1 v1 s1", "a2 v2 s2")
    scene.halo.inject(Fault("drop", "POST", "tickets", skip=1, times=2))
    scene.run().apply()
    assert set(scene.tickets()) == {"project", "s2"}
    scene.later(days=1)
    scene.scan("a2 v2 s2")
    scene.run().apply()
    scene.later(hours=1)
    scene.halo.forget_requests()
    plan, outcome = scene.run().apply()
    assert not plan.steps and not outcome.waiting and len(scene.lists()) <= 4
    assert "nothing of it is open any more" in plan.not_done[0].reason


def test_a_comment_of_unknown_outcome_is_found_or_waits_as_long(scene: Any) -> None:
    scene.scan("a1 v1 s1", "a2 v2 s2")
    scene.run().apply()
    scene.later(days=1)
    scene.scan()
    scene.halo.inject(Fault("drop", "POST", "actions", after_commit=True))
    scene.halo.inject(Fault("drop", "POST", "actions", times=None))
    scene.halo.inject(Fault("drop", "GET", "actions", skip=1, times=None))
    _, outcome = scene.run().apply()
    # The status waits for the comment that says why.
    assert len(outcome.waiting) >= 4
    assert scene.status("s1") == scene.status("s2") == "New"
    scene.halo.clear_faults()
    scene.later(minutes=11)
    _, outcome = scene.run().apply()
    assert not outcome.waiting and not outcome.failed
    assert (len(scene.comments("s1")), len(scene.comments("s2"))) == (1, 1)
    assert scene.status("s1") == scene.status("s2") == "Remediated"


def test_a_comment_that_was_made_although_nobody_saw_it_is_found_by_the_next_run(scene: Any) -> None:
    scene.scan("a1 v1 s1", "a2 v1 s1")
    scene.run().apply()
    scene.later(days=1)
    scene.scan("a2 v1 s1")
    scene.halo.inject(Fault("status", "POST", "actions", status=400, after_commit=True))
    scene.halo.inject(Fault("drop", "GET", "actions", skip=1, times=None))
    _, outcome = scene.run().apply()
    assert not outcome.failed and any("may have been made" in reason for reason in outcome.waiting.values())
    scene.halo.clear_faults()
    scene.later(minutes=1)
    # It is known before the plan is made: nothing is left to be said but what is new by then.
    scene.scan("a3 v1 s1", "a2 v1 s1")
    plan, outcome = scene.run().apply()
    assert not outcome.waiting and [step.kind.value for step in plan.steps if step.ticket_key == "s1"] == ["comment"]
    first, second = scene.comments("s1")
    assert "Remediated: a1.corp.example." in first
    assert "Open: a3.corp.example." in second and "Remediated: a1" not in second
    assert models.Step.objects.get(kind="comment", result__has_key="found").state == "done"


def lose_a_comment(scene: Any) -> None:
    """A comment on s1 was sent, and nobody knows whether it was made."""
    scene.scan("a1 v1 s1")
    scene.run().apply()
    scene.later(days=1)
    scene.scan("a1 v1 s1", "a2 v1 s1")
    scene.halo.inject(Fault("drop", "POST", "actions", times=None))
    scene.run().apply()
    scene.halo.clear_faults()


def test_a_comment_that_was_not_made_waits_and_says_that_it_was_looked_for(scene: Any) -> None:
    lose_a_comment(scene)
    scene.later(minutes=5)
    scene.halo.forget_requests()
    _, outcome = scene.run().apply()
    reason = next(reason for key, reason in outcome.waiting.items() if key.startswith("s1"))
    assert "It was looked for and is not there; after ten minutes of absence it is made again." in reason
    assert not scene.writes() and not scene.comments("s1")
    scene.halo.inject(Fault("status", "GET", "actions", status=403))
    _, outcome = scene.run().apply()
    assert any("could not be looked up" in reason for reason in outcome.waiting.values())
    scene.halo.clear_faults()
    scene.later(minutes=6)
    _, outcome = scene.run().apply()
    assert not outcome.waiting and len(scene.comments("s1")) == 1


def test_a_status_of_unknown_outcome_is_looked_at_and_set_at_once(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    scene.later(days=1)
    scene.scan()
    scene.halo.inject(Fault("drop", "POST", "tickets", times=None))
    scene.run().apply()
    assert len(scene.comments("s1")) == 1 and scene.status("s1") == "New"
    scene.halo.clear_faults()
    _, outcome = scene.run().apply()
    assert not outcome.waiting and scene.status("s1") == "Remediated" and len(scene.comments("s1")) == 1


def test_a_second_process_is_told_that_the_first_is_at_work(scene: Any, held: Any) -> None:
    scene.scan("a1 v1 s1")
    run = scene.run()
    with held(scene.connection.pk), pytest.raises(Busy):
        run.apply()
    assert not scene.tickets()
    run.apply()
    assert len(scene.tickets()) == 2


def test_two_at_once_make_one_ticket(scene: Any) -> None:
    scene.scan(*(f"a1 v{number} s{number}" for number in range(8)))
    runs, ended = [scene.run(), scene.run()], []

    def apply(run: Any) -> None:
        try:
            run.apply()
            ended.append("done")
        except Busy:
            ended.append("busy")
        finally:
            database.close()

    threads = [threading.Thread(target=apply, args=[run]) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "done" in ended
    scene.run().apply()
    assert all(len(tickets) == 1 for tickets in scene.tickets().values()) and len(scene.tickets()) == 9


def test_a_lock_ends_with_its_apply(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.scan("a1 v1 s1")
    with monkeypatch.context() as patch:
        dying(patch, CALLS, 1, after=False)
        with pytest.raises(Death):
            scene.run().apply()
    assert models.Journal.objects.count() == 0
    scene.later(seconds=timedelta(minutes=1).total_seconds())
    _, outcome = scene.run().apply()
    assert len(outcome.done) == 2


def test_a_comment_that_was_refused_is_looked_for_no_more(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    scene.later(days=1)
    scene.scan("a1 v1 s1", "a2 v1 s1")
    scene.halo.inject(Fault("status", "POST", "actions", status=400, body={"message": "no"}, times=None))
    for _ in range(2):
        scene.halo.forget_requests()
        _, outcome = scene.run().apply()
        assert list(outcome.failed) and not outcome.waiting
    asked = [request.path for request in scene.halo.requests if request.method == "GET"]
    # One look before it is sent and one after, by the client.
    assert len([path for path in asked if "Actions" in path]) == 2 * len(outcome.failed)
    scene.halo.clear_faults()
    _, outcome = scene.run().apply()
    assert not outcome.failed and len(scene.comments("s1")) == 1


def test_a_lost_comment_behind_a_status_is_looked_for_all_the_same(scene: Any) -> None:
    lose_a_comment(scene)
    row = models.Ticket.objects.get(key="s1")
    entry = row.journal.order_by("-pk")[0]
    assert entry.event == "unknown"
    models.Journal.objects.create(ticket=row, step=None, event="done", reference=row.reference, at=scene.now)
    _, outcome = scene.run().apply()
    assert any("It was looked for and is not there" in reason for reason in outcome.waiting.values())


def test_a_lost_comment_of_a_ticket_that_is_gone_shows_that_it_is_gone(scene: Any) -> None:
    lose_a_comment(scene)
    number = scene.ticket("s1")["id"]
    scene.halo.inject(Fault("status", "GET", "actions", status=404, times=None))
    scene.halo.hidden_tickets.add(number)
    plan, _ = scene.run().apply()
    assert any(f"ticket {number} does not exist" in item.reason for item in plan.not_done)


def test_looking_for_lost_comments_keeps_to_the_budget(scene: Any) -> None:
    scene.options(requests=20)
    keys = [f"s{number}" for number in range(30)]
    scene.scan(*(f"a1 v{key[1:]} {key}" for key in keys))
    scene.run().apply()
    scene.later(days=1)
    scene.scan(*(f"a{number} v{key[1:]} {key}" for key in keys for number in (1, 2)))
    scene.run().apply()
    # As if their answers had been lost.
    for row in models.Ticket.objects.filter(kind="child"):
        entry = row.journal.order_by("-pk")[0]
        models.Journal.objects.filter(pk=entry.pk).update(event="unknown", detail={"said": "lost"})
    scene.later(hours=1)
    scene.pauses.clear()
    scene.run().apply()
    assert len(scene.pauses) >= 1
    assert all(len(scene.comments(key)) == 1 for key in keys)
