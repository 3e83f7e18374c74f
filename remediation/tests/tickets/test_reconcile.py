"""A store that was restored from a backup, or that has lost sight of something: compared with HaloITSM, put right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from halo_emulator.ticket_writes import create_ticket
from remediation.domain.reconciling import Difference, Kind
from remediation.store import models
from remediation.store.backup import write_backup
from remediation.store.backup_file import opened_backup
from remediation.store.restore import restore
from remediation.tickets.lease import Busy
from remediation.tickets.reconcile import Reconciled, Reconciliation
from tests.conftest import django_on

from .conftest import dies_at


def reconciliation(scene: Any) -> Reconciliation:
    row = models.Connection.objects.get(pk=scene.connection.pk)
    return Reconciliation(row, make_client=scene.client, now=lambda: scene.now, sleep=scene.wait, say=scene.said.append)


def kinds(reconciled: Reconciled) -> list[tuple[Kind, int]]:
    return [(one.kind, one.number) for one in reconciled.found]


def applied(scene: Any) -> list[Difference]:
    """What a dry run finds, which sends and keeps nothing; the same is put right, and then nothing is found any more."""
    before = list(models.Ticket.objects.order_by("pk").values())
    scene.halo.forget_requests()
    dry = reconciliation(scene).look()
    assert list(models.Ticket.objects.order_by("pk").values()) == before
    done = reconciliation(scene).apply()
    assert not scene.writes() and kinds(done) == kinds(dry) and not dry.unread
    again = reconciliation(scene).look()
    assert not [one for one in again.found if one.is_applied]
    return [one for one in done.found if one.is_applied]


def everything(scene: Any) -> tuple[set[int], dict[int, list[str]]]:
    """All tickets and all that was written on them."""
    notes = {number: [str(row["note"]) for row in rows] for number, rows in scene.halo.actions.items()}
    return set(scene.halo.tickets), notes


def number(scene: Any, key: str) -> int:
    return int(scene.ticket(key)["id"])


def row(key: str) -> models.Ticket:
    return models.Ticket.objects.get(key=key)


@pytest.fixture
def on_the_backup(scene: Any, database: str, tmp_path: Path) -> Iterator[Callable[[], Any]]:
    """Backs up now; what it returns restores that into a fresh database, which is used from then on."""
    entered = []

    def back_up() -> Callable[[], None]:
        write_backup(tmp_path / "backup.zip", scene.now)

        def restored() -> None:
            one = django_on(database)
            one.__enter__()
            entered.append(one)
            with opened_backup(tmp_path / "backup.zip") as read:
                restore(read)

        return restored

    yield back_up
    for one in entered:
        one.__exit__(None, None, None)


def test_after_a_restored_backup_nothing_is_made_or_said_twice(scene: Any, on_the_backup: Any) -> None:
    scene.scan("a1 v1 s1", "a2 v2 s2", "a3 v3 s3", "a1 v4 s4")
    scene.run().apply()
    restored = on_the_backup()
    # New tickets, comments, and closings by people and by scans.
    scene.later(days=1)
    scene.scan("a1 v1 s1", "a2 v1 s1", "a2 v2 s2", "a3 v3 s3", "a1 v4 s4", "a1 v5 s5", "a2 v6 s6")
    scene.run().apply()
    scene.person_sets("s3", 42)
    scene.later(days=1)
    last = ["a1 v1 s1", "a2 v1 s1", "a3 v1 s1", "a3 v3 s3", "a1 v4 s4", "a2 v4 s4", "a1 v5 s5", "a3 v5 s5"]
    scene.scan(*last)
    scene.run().apply()
    scene.later(hours=1)
    plan, _ = scene.run().plan()
    assert not plan.steps
    statuses = {key: scene.status(key) for key in ("s1", "s2", "s3", "s4", "s5", "s6")}
    assert (statuses["s2"], statuses["s3"], statuses["s6"]) == ("Remediated", "Closed - Won't Fix", "Remediated")
    made, said = everything(scene)

    restored()
    assert not models.Ticket.objects.filter(key__in=["s5", "s6"])
    found = applied(scene)
    adopted = {one.number for one in found if one.kind is Kind.UNKNOWN}
    assert adopted == {number(scene, "s5"), number(scene, "s6")}
    heard = {one.number for one in found if one.kind is Kind.SAID}
    assert heard == {number(scene, key) for key in ("s1", "s2", "s4", "project") if scene.comments(key)}

    # The scanner still says what it said last.
    scene.source = models.Source.objects.get()
    scene.scan(*last)
    for _ in range(3):
        scene.run().apply()
        scene.later(hours=1)
    now_made, now_said = everything(scene)
    assert now_made == made
    assert {key: scene.status(key) for key in statuses} == statuses
    more = {one: notes[len(said[one]) :] for one, notes in now_said.items() if notes != said[one]}
    # The project's own ticket tells its numbers, which are others: what came and went meanwhile nobody knows any more.
    (summary,) = more.pop(number(scene, "project"))
    assert not more, more
    assert summary.split("\n")[0] not in "".join(said[number(scene, "project")])
    plan, _ = scene.run().plan()
    assert not plan.steps
    # Everything is tied, and news are told as ever.
    assert set(models.Ticket.objects.values_list("halo_id", flat=True)) <= made
    assert row("s5").halo_id == number(scene, "s5") and row("s5").status == "Not Started"
    scene.later(days=1)
    scene.scan(*last, "a0 v5 s5")
    scene.run().apply()
    assert "a0.corp.example" in scene.comments("s5")[-1]
    assert everything(scene)[0] == made


def test_a_store_in_step_finds_nothing(scene: Any) -> None:
    many = [f"a1 v{one} s{one}" for one in range(30)]
    scene.scan(*many, "a2 v2 other")
    scene.run().apply()
    scene.later(days=1)
    scene.scan(*many, "a3 v1 s1")
    for _ in range(2):
        scene.run().apply()
        scene.later(hours=1)
    compared = reconciliation(scene)
    scene.halo.forget_requests()
    assert not compared.look().found
    # Pages, and no ticket by itself. Actions are asked for where Halo's clock, which does not stand still, is ahead.
    pages = [path for path in scene.lists() if not path.endswith("/Actions")]
    assert len(pages) <= 12 and not [path for path in pages if "/Tickets/" in path]


def test_a_lost_poll_is_made_up_for_by_reading_back(scene: Any) -> None:
    scene.scan("a1 v1 s1", "a2 v2 s2")
    scene.run().apply()
    scene.later(hours=1)
    scene.person_sets("s1", 42)
    scene.later(days=1)
    # The poll has passed it.
    scene.options(cursor=f"{scene.now:%Y-%m-%dT%H:%M:%S}.000000000")
    scene.run().apply()
    assert row("s1").status == "Not Started"
    status, agent = applied(scene)
    assert (status.kind, agent.kind) == (Kind.STATUS, Kind.AGENT) and "Closed - Won't Fix; kept is New" in status.found
    assert (row("s1").status, row("s1").assigned) == ("Will Not Fix", "Marcus Okafor")
    assert scene.status("s1") == "Closed - Won't Fix"


def test_a_due_date_that_a_person_changed_is_read_back(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    scene.halo.change_ticket(number(scene, "s1"), deadlinedate="2027-01-31T00:00:00Z")
    (one,) = applied(scene)
    assert one.kind is Kind.DUE and str(row("s1").due) == "2027-01-31"
    scene.later(hours=1)
    scene.run().apply()
    assert scene.ticket("s1")["deadlinedate"].startswith("2027-01-31")


def test_what_is_gone_merged_moved_or_retyped_is_told_once(scene: Any) -> None:
    scene.scan(*(f"a1 v{one} s{one}" for one in range(1, 6)))
    scene.run().apply()
    numbers = {key: number(scene, key) for key in ("s1", "s2", "s3", "s4", "s5")}
    other = int(create_ticket(scene.halo.lists, {"summary": "Other", "tickettype_id": 1}, 3)["id"])
    scene.halo.delete_ticket(numbers["s1"])
    scene.halo.merge_tickets(other, numbers["s2"])
    scene.halo.change_ticket(numbers["s3"], tickettype_id=1)
    scene.halo.change_ticket(numbers["s4"], parent_id=other)
    scene.halo.change_ticket(numbers["s5"], third_party_id_string="PO-1")
    found = applied(scene)
    assert [(one.kind, one.number) for one in found] == [
        (Kind.GONE, numbers["s1"]),
        (Kind.MERGED, numbers["s2"]),
        (Kind.TYPE, numbers["s3"]),
        (Kind.PARENT, numbers["s4"]),
        (Kind.REFERENCE, numbers["s5"]),
    ]
    plan, _ = scene.run().apply()
    asks = {item.key for item in plan.not_done if item.needs_person}
    assert asks == {"s1/1", "s2/1"} and set(scene.tickets()) >= {"s3", "s4"}
    assert row("s3").halo_id == numbers["s3"] and "missing" in row("s2").note


def foreign(scene: Any, reference: str, agent: int = 0, **fields: Any) -> int:
    """A ticket with a reference, by our own agent or another."""
    given = {"summary": "Ours", "details": f"Text\n\nReference: {reference}", "tickettype_id": 21, **fields}
    return int(
        create_ticket(
            scene.halo.lists, {**given, "third_party_id_string": reference}, agent or scene.halo.api_agent_id
        )["id"]
    )


def test_twins_are_closed_by_the_next_run(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    first = number(scene, "s1")
    second = foreign(scene, row("s1").reference, parent_id=row("project").halo_id)
    scene.later(minutes=5)
    (twins,) = applied(scene)
    assert (twins.kind, twins.number, twins.also) == (Kind.TWINS, first, (second,))
    scene.run().apply()
    assert scene.halo.tickets[second]["status_id"] == 9 and row("s1").halo_id == first
    assert not reconciliation(scene).look().found


def test_a_project_that_lost_all_is_given_it_back(scene: Any) -> None:
    """The backup was made before the first run."""
    scene.scan("a1 v1 s1", "a2 v2 s2")
    scene.run().apply()
    made, said = everything(scene)
    forget(scene)
    assert {one.kind for one in applied(scene)} == {Kind.UNKNOWN}
    scene.later(hours=1)
    scene.run().apply()
    assert everything(scene)[0] == made and row("project").kind == "parent" and row("s1").kind == "child"
    assert [len(scene.comments(key)) for key in ("s1", "s2")] == [1, 1]
    scene.later(hours=1)
    plan, _ = scene.run().plan()
    assert not plan.steps


def forget(scene: Any) -> None:
    models.Journal.objects.all().delete()
    models.Plan.objects.all().delete()
    models.Ticket.objects.all().delete()
    scene.options(cursor="")


def test_tickets_of_a_project_without_one_of_its_own_are_found_by_a_search(scene: Any) -> None:
    scene.settings(parent=False)
    scene.scan("a1 v1 s1", "a2 v2 s2")
    scene.run().apply()
    made = set(scene.halo.tickets)
    models.Journal.objects.all().delete()
    models.Ticket.objects.filter(key="s2").delete()
    (one,) = applied(scene)
    assert one.kind is Kind.UNKNOWN
    scene.later(hours=1)
    scene.run().apply()
    assert set(scene.halo.tickets) == made


def test_a_reference_of_a_project_that_is_no_more_is_listed_and_left(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    lost = foreign(scene, "remediation:gone:s1:1")
    for _ in range(2):
        (left,) = reconciliation(scene).apply().found
        assert (left.kind, left.number) == (Kind.LEFT, lost) and "does not exist any more" in left.remedy
    assert models.Ticket.objects.count() == 2


def test_a_ticket_in_which_somebody_else_wrote_a_reference_is_left(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    foreign(scene, "remediation:dmz:s2:1", agent=3)
    create_ticket(scene.halo.lists, {"summary": "x", "details": "Remediation: patch it", "tickettype_id": 1}, 3)
    done = reconciliation(scene).apply()
    assert [one.kind for one in done.found] == [Kind.LEFT] and not done.unread
    assert not models.Ticket.objects.filter(key="s2")


@pytest.mark.parametrize("ignored", ["parent_id", "search_details"])
def test_an_incomplete_reading_adopts_nothing_and_says_so(scene: Any, ignored: str) -> None:
    scene.settings(parent=ignored == "parent_id")
    scene.scan("a1 v1 s1", "a2 v2 s2")
    scene.run().apply()
    models.Journal.objects.all().delete()
    models.Ticket.objects.filter(key="s2").delete()
    other = {"summary": "Other", "details": "Nothing of ours", "tickettype_id": 1}
    first = create_ticket(scene.halo.lists, other, 3)
    create_ticket(scene.halo.lists, {**other, "parent_id": first["id"]}, 3)
    scene.halo.ignored_parameters = {ignored}
    done = reconciliation(scene).apply()
    assert [one.kind for one in done.found] == [Kind.LEFT] * (ignored == "parent_id") and done.unread
    assert not models.Ticket.objects.filter(key="s2")


def test_a_search_that_does_not_show_what_is_there_proves_nothing(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.settings(parent=False)
    scene.scan("a1 v1 s1", "a2 v2 s2")
    scene.run().apply()
    models.Journal.objects.all().delete()
    models.Ticket.objects.filter(key="s2").delete()
    compared, seen = reconciliation(scene), number(scene, "s1")
    real = compared._instance.rows

    def lagging(query: Any) -> Any:
        return ([row for row in rows if row["id"] != seen] for rows in real(query))

    monkeypatch.setattr(compared._instance, "rows", lagging)
    done = compared.apply()
    assert [one.kind for one in done.found] == [Kind.LEFT] and f"does not show ticket {seen}" in done.unread[""]
    assert not models.Ticket.objects.filter(key="s2")


def test_a_write_that_is_open_is_the_next_runs(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    run = scene.run()
    dies_at(run, "create")
    with pytest.raises(KeyboardInterrupt):
        run.apply()
    found = reconciliation(scene).apply().found
    assert [one.kind for one in found] == [Kind.OPEN] and "looks for its reference" in found[0].remedy
    scene.later(hours=1)
    scene.run().apply()
    assert not reconciliation(scene).look().found and len(scene.tickets()["project"]) == 1


def test_only_the_one_writer_applies(scene: Any, held: Any) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    with held(scene.connection.pk):
        assert not reconciliation(scene).look().found
        with pytest.raises(Busy):
            reconciliation(scene).apply()


@pytest.mark.parametrize("is_told", [False, True], ids=["not told before", "told before"])
def test_a_person_who_opened_again_what_was_settled_is_respected(scene: Any, on_the_backup: Any, is_told: bool) -> None:
    scene.scan("a1 v1 s1", "a2 v2 s2")
    scene.run().apply()
    restored = on_the_backup()
    scene.later(days=1)
    scene.scan("a2 v2 s2")
    scene.run().apply()
    scene.later(hours=1)
    scene.person_sets("s1", 2)
    before = len(scene.comments("s1"))
    if is_told:
        scene.later(hours=1)
        scene.run().apply()
    restored()
    applied(scene)
    scene.source = models.Source.objects.get()
    scene.scan("a2 v2 s2")
    for _ in range(3):
        scene.run().apply()
        scene.later(hours=1)
    assert scene.status("s1") == "In Progress"
    (told,) = scene.comments("s1")[before:]
    assert "somebody opened it again" in told
