"""Playbooks of tickets: attached once, whatever happens, and in nobody's way."""

from __future__ import annotations

from typing import Any

import pytest

from halo_emulator import Fault
from remediation.store import models
from remediation.tickets.asking import HaloAway
from remediation.tickets.attention import NotPossible
from remediation.tickets.cut_off import open_write
from remediation.tickets.playbook import ask_for_playbook

from .conftest import dies_at


def asked_for(scene: Any) -> models.Ticket:
    scene.scan("a1 v1 s1", "a2 v1 s1")
    scene.run().apply()
    row = models.Ticket.objects.get(key="s1")
    ask_for_playbook(row, "anna")
    return row


def names(scene: Any) -> list[str]:
    held = scene.halo.attachments.get(scene.ticket("s1")["id"], [])
    return sorted(str(row["filename"]).partition("-")[0] for row in held)


BOTH = ["inventory", "playbook"]


@pytest.mark.parametrize("after", [False, True])
def test_death_at_the_write(scene: Any, after: bool) -> None:
    row = asked_for(scene)
    run = scene.run()
    dies_at(run, "attach", after=after)
    with pytest.raises(KeyboardInterrupt):
        run.attach_playbook(row)
    assert names(scene) == (["playbook"] if after else [])
    assert open_write(row) is None, "a run looks after no playbook"
    scene.run().attach_playbook(row)
    assert names(scene) == BOTH and scene.pauses == [35.0], "it waited for what the first may have sent"
    assert "any more" in scene.run().attach_playbook(row) and names(scene) == BOTH


def test_a_file_that_may_be_there_is_looked_for_ten_minutes_later(scene: Any) -> None:
    row = asked_for(scene)
    scene.halo.inject(Fault("late", "POST", "attachment", seconds=60.0, answers=504))
    with pytest.raises(HaloAway, match="ten minutes"):
        scene.run().attach_playbook(row)
    scene.halo.stop()
    scene.halo.start()
    scene.later(minutes=5)
    scene.halo.forget_requests()
    with pytest.raises(HaloAway, match="ten minutes"):
        scene.run().attach_playbook(row)
    assert not scene.writes() and not names(scene)
    scene.later(minutes=6)
    scene.run().attach_playbook(row)
    assert names(scene) == BOTH


def test_a_halo_that_is_away_is_waited_for(scene: Any) -> None:
    row = asked_for(scene)
    run = scene.run()
    scene.halo.stop()
    with pytest.raises(HaloAway):
        run.attach_playbook(row)
    row.refresh_from_db()
    assert row.note["playbook"] == "anna"
    scene.halo.start()
    scene.run().attach_playbook(row)
    assert names(scene) == BOTH


def test_a_refusal_is_final(scene: Any) -> None:
    row = asked_for(scene)
    scene.halo.inject(Fault("status", "POST", "attachment", status=400, body={"message": "not allowed"}, times=None))
    with pytest.raises(NotPossible, match="not allowed"):
        scene.run().attach_playbook(row)


def test_it_comes_between_a_comment_and_its_status_without_a_second_comment(scene: Any) -> None:
    row = asked_for(scene)
    scene.scan()
    run = scene.run()
    dies_at(run, "set_status", after=False)
    with pytest.raises(KeyboardInterrupt):
        run.apply()
    assert len(scene.comments("s1")) == 1
    with pytest.raises(NotPossible, match="Nothing that the ticket tells of is open"):
        scene.run().attach_playbook(row)
    # Something of it is open again.
    scene.scan("a1 v1 s1")
    models.Finding.objects.filter(asset="a1").update(state="open")
    newest = open_write(row)
    scene.run().attach_playbook(row)
    assert names(scene) == BOTH and open_write(row) == newest, "the status is looked after as before"


def test_what_is_not_there_or_left_alone_gets_none(scene: Any) -> None:
    row = asked_for(scene)
    row.halo_id = None
    with pytest.raises(NotPossible, match="not made"):
        ask_for_playbook(row, "anna")
