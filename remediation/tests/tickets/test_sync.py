"""What a sync costs in requests, and what it makes of a project's life."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from remediation.store import models
from remediation.tickets.journal import Journal
from remediation.tickets.lease import one_writer
from remediation.tickets.read_back import read_back
from remediation.tickets.world import world_of

FIFTY = [f"a{number % 4} v{number} s{number}" for number in range(50)]
HUNDRED = [f"a{number % 4} v{number} s{number}" for number in range(100)]


def test_the_first_sync_costs_one_request_for_each_ticket(scene: Any) -> None:
    scene.settings(most_creates=200)
    scene.scan(*HUNDRED)
    run = scene.run()
    scene.halo.forget_requests()
    _, outcome = run.apply()
    assert not outcome.failed and not outcome.waiting
    assert len(outcome.tickets) == 101
    requests = [request for request in scene.halo.requests if "token" not in request.path]
    writes = scene.writes()
    assert len(writes) == 101
    before = requests.index(next(request for request in requests if request.method == "POST"))
    # The look for twins among them: the parent's, and the children's lists.
    assert len(requests) - before <= 1.1 * 101
    # The look-up of references, the cursor, and the lists of names.
    assert before <= 12


def test_a_converged_run_sends_nothing_and_reads_three_lists(scene: Any) -> None:
    scene.scan(*FIFTY)
    scene.run().apply()
    scene.later(hours=1)
    scene.run().apply()
    scene.halo.forget_requests()
    plan, outcome = scene.run().apply()
    assert not plan.steps and not plan.not_done and not outcome.done
    assert not scene.writes()
    # The statuses, and what changed among open and among closed tickets.
    assert len(scene.lists()) <= 3


def test_tickets_say_what_is_wanted_by_when_and_of_whom(scene: Any) -> None:
    scene.settings(
        default_team="Infrastructure", default_agent="Priya Raman", child_details="Scanned $SCAN_DATE: $ASSET_NAME_LIST"
    )
    scene.scan("a1 v1 s1", "a2 v1 s1")
    scene.run().apply()
    ticket = scene.ticket("s1")
    assert ticket["summary"] == "Apply s1 (2 assets, high)"
    assert ticket["details"].startswith("Scanned 2026-11-20: a1.corp.example, a2.corp.example")
    assert (ticket["agent_id"], ticket["team"]) == (4, "Infrastructure")
    assert ticket["parent_id"] == scene.ticket("project")["id"]
    assert ticket["deadlinedate"].startswith("2026-12-20")


def test_the_same_is_said_again_when_it_happens_again(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    for _ in range(2):
        scene.later(days=1)
        scene.scan()
        scene.run().apply()
        assert scene.status("s1") == "Remediated"
        scene.later(days=1)
        scene.scan("a1 v1 s1")
        scene.run().apply()
        assert scene.status("s1") == "In Progress"
    said = [text.split(":")[0].split(" after")[0] for text in scene.comments("s1")]
    assert said == ["Settled by scans", "Found again", "Settled by scans", "Found again"]
    assert len(set(scene.comments("s1"))) == 4


def test_a_refuted_person_is_told_each_time(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    for count in (1, 2):
        scene.later(days=1)
        scene.person_sets("s1", 40)
        scene.run().plan()
        scene.later(days=1)
        scene.scan("a1 v1 s1")
        scene.run().apply()
        assert scene.status("s1") == "In Progress"
        assert len(scene.comments("s1")) == count


def test_a_ticket_follows_its_findings_and_its_old_key_can_have_another(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    number = scene.ticket("s1")["id"]
    scene.later(days=1)
    scene.scan("a1 v1 s2")
    scene.run().apply()
    assert set(scene.tickets()) == {"project", "s1"}
    assert models.Ticket.objects.get(key="s2").halo_id == number
    scene.later(days=1)
    scene.scan("a1 v1 s2", "a2 v9 s1")
    scene.run().apply()
    other = models.Ticket.objects.get(key="s1")
    assert other.halo_id not in (None, number)
    assert other.reference != models.Ticket.objects.get(key="s2").reference
    scene.halo.forget_requests()
    scene.run().apply()
    assert not scene.writes()


def test_one_finding_has_one_ticket(scene: Any) -> None:
    other = models.Project.objects.create(
        name="second", slug="second", position=1, connection=scene.connection, source=scene.source
    )
    scene.scan("a1 v1 s1")
    scene.run().apply()
    first, scene.project = scene.project, other
    plan, _ = scene.run().apply()
    assert [item.key for item in plan.not_done] == ["s1"]
    assert f"of project {first.name}" in plan.not_done[0].reason
    assert not scene.tickets()


def test_the_first_project_in_order_has_a_finding_also_where_the_second_runs_before_it(scene: Any) -> None:
    other = models.Project.objects.create(
        name="second", slug="second", position=1, connection=scene.connection, source=scene.source
    )
    scene.settings(scope={"assets": ["a1.*"]})
    scene.scan("a1 v1 s1", "a2 v1 s1")
    first, scene.project = scene.project, other
    plan, _ = scene.run().apply()
    assert [(item.key, item.reason) for item in plan.not_done] == [
        ("s1", f"covered by project {first.name}, which comes first")
    ]
    assert "(1 assets" in scene.ticket("s1")["summary"]
    scene.project = first
    scene.run().apply()
    assert "(1 assets" in scene.ticket("s1")["summary"]


def test_a_project_without_a_source_has_nothing_to_do(scene: Any) -> None:
    models.Project.objects.filter(pk=scene.project.pk).update(source=None)
    plan, outcome = scene.run().apply()
    assert not plan.steps and not outcome.done


def test_all_tickets_are_read_by_their_parents_lists_where_the_cursor_is_lost(scene: Any) -> None:
    scene.scan(*FIFTY)
    scene.run().apply()
    scene.later(hours=1)
    scene.person_sets("s7", 2)
    scene.person_sets("s8", 41)
    scene.options(cursor="")
    scene.halo.forget_requests()
    scene.run().plan()
    tickets = [path for path in scene.lists() if "ickets" in path]
    # The cursor, two lists of children, and the parent by itself. A page of fifty rows may be a cut one: one list more.
    assert len(tickets) <= 5
    assert models.Ticket.objects.get(key="s7").status == "In Progress"
    assert models.Ticket.objects.get(key="s8").status == "Remediated"


def test_all_tickets_are_read_where_the_list_ignores_the_parent(scene: Any) -> None:
    scene.scan("a1 v1 s1", "a2 v2 s2")
    scene.run().apply()
    scene.later(hours=1)
    scene.person_sets("s1", 2)
    scene.options(cursor="")
    scene.halo.ignored_parameters = {"parent_id"}
    scene.run().plan()
    assert models.Ticket.objects.get(key="s1").status == "In Progress"


def test_a_status_nobody_mapped_is_told_and_holds_nothing_up(scene: Any) -> None:
    scene.scan("a1 v1 s1", "a2 v2 s2")
    scene.run().apply()
    scene.later(hours=1)
    scene.person_sets("s1", 28)
    scene.later(days=1)
    scene.scan()
    plan, outcome = scene.run().apply()
    assert [(item.key, item.reason) for item in plan.not_done] == [
        ("s1/1", "its status in HaloITSM is not mapped to one of ours")
    ]
    assert not outcome.failed
    assert (scene.status("s1"), scene.status("s2")) == ("On Hold", "Remediated")
    # Mapped by now: it goes on although nothing has changed in Halo.
    scene.options(statuses={"in progress": "On Hold"})
    scene.run().apply()
    assert scene.status("s1") == "Remediated"


def test_what_a_rule_does_to_a_new_ticket_is_seen_at_once(scene: Any) -> None:
    scene.halo.rules.append(lambda ticket: {"status_id": 9} if "s1" in ticket["summary"] else {})
    scene.scan("a1 v1 s1", "a2 v2 s2")
    _, outcome = scene.run().apply()
    assert not outcome.failed
    plan, _ = scene.run().apply()
    assert [item.key for item in plan.not_done] == ["s1/1"]
    assert "not mapped" in plan.not_done[0].reason
    assert len(scene.tickets()["s1"]) == 1
    # With Closed mapped, it is as if a person had closed it: a scan decides.
    scene.options(statuses={"Remediated": "Closed"})
    plan, _ = scene.run().apply()
    assert "waiting for a scan" in plan.not_done[0].reason


def test_reading_back_does_not_undo_what_another_process_stores_meanwhile(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.scan("a1 v1 s1")
    run = scene.run()
    run.apply()
    scene.later(hours=1)
    scene.person_sets("s1", 2)
    real = run._instance.changes

    def changes(since: str) -> Any:
        models.Ticket.objects.filter(key="s1").update(note={"told": {"kept": "open"}})
        return real(since)

    monkeypatch.setattr(run._instance, "changes", changes)
    with one_writer(scene.connection.pk) as lease:
        assert read_back(models.Connection.objects.get(), run._instance, run._statuses, Journal(lease)) == 1
    ticket = models.Ticket.objects.get(key="s1")
    assert (ticket.status, ticket.note) == ("In Progress", {"told": {"kept": "open"}, "agent": 3, "type": 21})


def test_the_parent_tells_its_childrens_numbers_when_they_changed_once_a_day(scene: Any) -> None:
    scene.scan("a1 v1 s1", "a2 v2 s2")
    scene.run().apply()
    scene.later(hours=1)
    scene.scan("a2 v2 s2")
    scene.run().apply()
    assert scene.comments("project") == []
    scene.later(days=1)
    scene.run().apply()
    (told,) = scene.comments("project")
    assert told.startswith("Tickets: 1 Not Started, 1 Remediated. Findings: 1 open, 1 remediated.")
    scene.later(days=1)
    plan, _ = scene.run().apply()
    assert plan.steps == () and scene.comments("project") == [told]


@pytest.mark.parametrize(
    ("halos", "consoles", "seconds"), [(0, 0, 60), (3600, 3600, 60), (90, -30, 180), (-30, 90, 180), (None, 45, 105)]
)
def test_a_scan_has_to_begin_later_by_what_the_clocks_differ(
    scene: Any, halos: float | None, consoles: float, seconds: int
) -> None:
    scene.options(**({} if halos is None else {"skew": halos}))
    models.Source.objects.update(settings={"skew": consoles})
    world = world_of(models.Project.objects.get(), scene.now.date())
    assert world.skew == timedelta(seconds=seconds)
