"""What another process stores while a project is run, by a database connection of its own, is not lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from remediation.store import models
from remediation.tickets.instance import Instance


def stored(key: str) -> models.Ticket:
    return models.Ticket.objects.get(key=key)


@pytest.fixture
def meanwhile(store: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """``meanwhile(call, sql)``: another connection does ``sql`` before the first such call to Halo."""

    def arrange(call: str, sql: str) -> None:
        real, left = getattr(Instance, call), [sql]

        def asked(*arguments: Any, **named: Any) -> Any:
            if left:
                with psycopg.connect(store, autocommit=True) as other:
                    other.execute(left.pop())
            return real(*arguments, **named)

        monkeypatch.setattr(Instance, call, asked)

    return arrange


def test_a_connection_that_is_changed_during_the_reading_back(scene: Any, meanwhile: Any) -> None:
    scene.scan("a1 v1 s1")
    run = scene.run()
    meanwhile("changes", """UPDATE store_connection SET settings = '{"closing_agent": "New"}'""")
    run.plan()
    settings = models.Connection.objects.get().settings
    assert settings["closing_agent"] == "New" and settings["cursor"] and "ticket_type" not in settings


RELEASE = """UPDATE store_ticket SET note = note || '{"released": "lead", "out": ["a|b"]}'"""


@pytest.mark.parametrize("call", ["create", "comment", "show"])
def test_what_a_person_stores_with_a_ticket_during_an_apply(scene: Any, meanwhile: Any, call: str) -> None:
    scene.scan("a1 v1 s1", "a2 v1 s1")
    if call in ("comment", "show"):
        scene.run().apply()
        scene.later(days=1)
        scene.scan("a1 v1 s1")
    if call == "show":
        number = scene.ticket("s1")["id"]
        scene.halo.hidden_tickets.add(number)
    meanwhile(call, RELEASE)
    _, outcome = scene.run().apply()
    assert outcome.done or call == "show"
    # The first that is created is the project's own.
    note = stored("project" if call == "create" else "s1").note
    assert (note["released"], note["out"]) == ("lead", ["a|b"]) and "told" in note
    assert ("missing" in note) is (call == "show")


def test_a_status_that_is_read_back_during_a_comment(scene: Any, meanwhile: Any) -> None:
    scene.scan("a1 v1 s1", "a2 v1 s1")
    scene.run().apply()
    scene.later(days=1)
    scene.scan("a1 v1 s1")
    meanwhile("comment", "UPDATE store_ticket SET status = 'In Progress', halo_status_id = 2 WHERE key = 's1'")
    _, outcome = scene.run().apply()
    assert len(outcome.done) >= 1
    assert (stored("s1").status, stored("s1").halo_status_id) == ("In Progress", 2)
    assert list(stored("s1").note["told"].values()) == ["open", "remediated"]


def test_a_plan_beside_a_writer_leaves_the_reading_back_to_it(scene: Any, held: Any) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    scene.later(hours=1)
    scene.person_sets("s1", 2)
    before, run = models.Connection.objects.get().settings, scene.run()
    with held(scene.connection.pk):
        scene.halo.forget_requests()
        scene.said.clear()
        run.plan()
        assert not scene.lists() and "was not read back" in scene.said[0]
        assert models.Connection.objects.get().settings == before and stored("s1").status == "Not Started"
    scene.said.clear()
    scene.run().plan()
    assert not scene.said and stored("s1").status == "In Progress"


def test_a_writer_waits_for_a_plan_that_reads_back(scene: Any, store: str, meanwhile: Any) -> None:
    scene.scan("a1 v1 s1")
    run = scene.run()
    # Refused, as any statement that fails is raised: another process cannot become the writer now.
    meanwhile("changes", "SELECT 1 / (until > clock_timestamp())::int FROM store_lease")
    run.plan()
