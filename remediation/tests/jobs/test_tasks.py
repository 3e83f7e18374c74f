"""What puts work into the queue, once; what a round asks for; and what becomes of the jobs of dead workers."""

from __future__ import annotations

import asyncio
import json
from datetime import date, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection, transaction
from procrastinate.contrib.django import app

from halo_emulator import Fault, HaloEmulator
from haloitsm_client import HaloClient
from remediation.jobs import rescue, tasks, work
from remediation.store import models
from remediation.store.secrets import open_, seal
from remediation.tickets import run
from stand_ins.insightvm_console import Console

from .conftest import Project, waiting_jobs

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


def patient_only_by_its_clock(of: models.Connection, _: Any) -> HaloClient:
    """The client of a connection, which does not really wait."""
    elapsed = [0.0]

    def sleep(seconds: float) -> None:
        elapsed[0] += seconds

    return HaloClient(
        client_id=of.settings["client_id"],
        client_secret=open_(of.secret),
        auth_server=of.settings["auth_server"],
        resource_server=of.settings["resource_server"],
        clock=lambda: elapsed[0],
        sleep=sleep,
        jitter=lambda: 1.0,
    )


def test_the_same_work_waits_once_also_in_a_transaction(project: Project) -> None:
    one, two = project("web"), project("mail")
    assert tasks.ask_to_run(one)
    with transaction.atomic():
        assert not tasks.ask_to_run(one)
        # The refusal has not ended the transaction.
        assert tasks.ask_to_run(two)
        assert tasks.ask_to_read(one.source_id or 0)
    assert waiting_jobs() == [f"project-{one.pk}", f"project-{two.pk}", f"source-{one.source_id}"]


def test_what_is_asked_for_in_a_transaction_that_fails_was_not_asked_for(project: Project) -> None:
    one = project("web")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        tasks.ask_to_run(one)
        raise ZeroDivisionError
    assert waiting_jobs() == []


def test_arguments_are_ids_only(project: Project) -> None:
    one = project("web")
    tasks.ask_to_run(one)
    tasks.ask_to_read(7)
    with connection.cursor() as cursor:
        cursor.execute("SELECT args, lock FROM procrastinate_jobs ORDER BY id")
        assert [(json.loads(args), lock) for args, lock in cursor.fetchall()] == [
            ({"project_id": one.pk}, f"connection-{one.connection_id}"),
            ({"source_id": 7}, "source-7"),
        ]


@pytest.mark.parametrize(
    ("ago", "due"),
    [(None, True), (timedelta(), False), (timedelta(minutes=59), False), (HOUR, True), (timedelta(days=9), True)]
    + [(timedelta(minutes=59, seconds=45), True), (timedelta(seconds=-20), False), (timedelta(days=-9), True)],
)
def test_when_a_round_is_due(ago: timedelta | None, due: bool) -> None:
    assert tasks.is_round_due(None if ago is None else NOON - ago, NOON, HOUR) is due


def test_a_clock_that_was_ahead_once_stops_no_rounds_and_no_readings(project: Project) -> None:
    one = project("web")
    models.Run.objects.create(kind="round", started=NOON + timedelta(days=9999), outcome="done")
    read = models.Source.objects.create(name="read", kind="insightvm", settings={"every": 120})
    models.Run.objects.create(source=read, kind="read", started=NOON + timedelta(days=9999), outcome="done")
    context: Any = SimpleNamespace(additional_context={"every": HOUR})
    tasks.look_for_a_round(context, 0)
    assert waiting_jobs() == [f"source-{read.pk}", f"project-{one.pk}"]
    tasks.look_for_a_round(context, 60)
    assert models.Run.objects.filter(kind="round").count() == 2, "the next one is an hour off"
    models.Run.objects.create(source=read, kind="read", started=NOON, outcome="done")
    assert not work.is_due(read, NOON + HOUR)


def test_a_round_asks_for_what_is_due_and_keeps_that_it_did(project: Project) -> None:
    one = project("web")
    due = models.Source.objects.create(name="due", kind="insightvm")
    read = models.Source.objects.create(name="read", kind="insightvm", settings={"every": 120})
    models.Run.objects.create(source=read, kind="read", started=NOON - HOUR, outcome="done")
    look_for_a_round = tasks.look_for_a_round
    context: Any = SimpleNamespace(additional_context={"every": HOUR})
    look_for_a_round(context, 0)
    assert waiting_jobs() == [f"source-{due.pk}", f"source-{read.pk}", f"project-{one.pk}"]
    look_for_a_round(context, 60)
    assert models.Run.objects.filter(kind="round").count() == 1


def test_a_round_leaves_a_source_that_was_read_within_its_interval(project: Project) -> None:
    read = models.Source.objects.create(name="read", kind="insightvm", settings={"every": 120})
    models.Run.objects.create(source=read, kind="read", started=NOON - HOUR, outcome="done")
    tasks.begin_round(NOON)
    assert waiting_jobs() == []
    tasks.begin_round(NOON + HOUR)
    assert waiting_jobs() == [f"source-{read.pk}"]


def test_a_round_that_cannot_ask_has_not_been(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project("web")
    models.Source.objects.create(name="due", kind="insightvm")

    def fails(_: models.Project) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(tasks, "ask_to_run", fails)
    with pytest.raises(ZeroDivisionError):
        tasks.begin_round(NOON)
    assert waiting_jobs() == [] and not models.Run.objects.filter(kind="round").exists()


@pytest.mark.parametrize("answers", [True, False])
def test_projects_are_run_after_their_source_was_read(answers: bool, project: Project, database: str) -> None:
    one, other, sourceless = project("web"), project("mail"), project("none")
    with Console(database) as console:
        console.seed_demo()
        one.source = models.Source.objects.create(
            name="console",
            kind="insightvm",
            settings={"url": console.url, "user": console.user},
            secret=seal(console.password if answers else "another password"),
        )
        one.save()
        sourceless.source = None
        sourceless.save()
        tasks.begin_round(NOON)
        # Not before its source was read.
        assert waiting_jobs() == [f"source-{one.source.pk}", f"project-{other.pk}", f"project-{sourceless.pk}"]
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM procrastinate_jobs")
        tasks.read_source(one.source.pk)
        assert one.source.runs.get().outcome == ("done" if answers else "refused")
        assert waiting_jobs() == [f"project-{one.pk}"]


def test_work_on_what_is_no_longer_there_is_nothing(store: str) -> None:
    tasks.read_source(404)
    tasks.run_project(404)
    assert not models.Run.objects.exists()


def test_a_project_waits_for_whoever_writes_to_its_connection(project: Project, held: Any) -> None:
    one = project("web")
    with held(one.connection_id):
        tasks.run_project(one.pk)
    assert [run.outcome for run in one.runs.all()] == ["held"]
    assert waiting_jobs() == [f"project-{one.pk}"]


@pytest.mark.parametrize(("status", "asked"), [(503, True), (403, False)])
def test_a_project_is_asked_for_again_when_halo_is_away(
    project: Project, halo: HaloEmulator, monkeypatch: pytest.MonkeyPatch, status: int, asked: bool
) -> None:
    one = project("web")
    halo.inject(Fault("status", path="status", status=status, times=None))
    monkeypatch.setattr(run, "client_of", patient_only_by_its_clock)
    tasks.run_project(one.pk)
    assert [row.outcome for row in one.runs.all()] == ["held" if asked else "failed"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT queueing_lock, scheduled_at - now() FROM procrastinate_jobs WHERE status = 'todo'")
        found = cursor.fetchall()
    assert [once for once, _ in found] == [f"project-{one.pk}"] * asked
    assert all(timedelta(minutes=3) < pause <= timedelta(minutes=5) for _, pause in found)
    # A round finds it waiting, and Halo is asked once.
    assert tasks.ask_to_run(one) is not asked


def test_a_held_plan_is_not_asked_for_again(project: Project, halo: HaloEmulator) -> None:
    one = project("web")
    one.settings = {"most_creates": 0}
    one.save()
    tasks.run_project(one.pk)
    assert [row.outcome for row in one.runs.all()] == ["held"] and waiting_jobs() == []


# Jobs of dead workers


def job(once: str, *, status: str, beat: int | None, attempts: int = 0) -> int:
    """A job, whose worker has given a sign of life so many seconds ago; None: its worker is not known any more."""
    with connection.cursor() as cursor:
        worker = None
        if beat is not None:
            cursor.execute(
                "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - %s * interval '1 s') RETURNING id",
                [beat],
            )
            worker = cursor.fetchone()[0]
        cursor.execute(
            "INSERT INTO procrastinate_jobs (task_name, queue_name, args, status, queueing_lock, worker_id, attempts)"
            " VALUES ('run_project', 'default', '{}', %s, %s, %s, %s) RETURNING id",
            [status, once, worker, attempts],
        )
        return int(cursor.fetchone()[0])


def statuses() -> dict[int, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, status::text FROM procrastinate_jobs")
        return dict(cursor.fetchall())


def rescued() -> list[int | None]:
    async def all_of_it() -> list[int | None]:
        async with app.open_async():
            return [found.id for found in await rescue.rescue(app)]

    with app.replace_connector(app.connector.get_worker_connector()):  # type: ignore[attr-defined]
        return asyncio.run(all_of_it())


def test_jobs_of_dead_workers_wait_again_and_others_are_left(store: str) -> None:
    dead, gone = job("a", status="doing", beat=20), job("b", status="doing", beat=None)
    alive, waits = job("c", status="doing", beat=1), job("d", status="todo", beat=None)
    assert sorted(filter(None, rescued())) == [dead, gone]
    assert statuses() == {dead: "todo", gone: "todo", alive: "doing", waits: "todo"}


def test_a_job_that_was_asked_for_again_meanwhile_does_not_wait_twice(store: str) -> None:
    dead, other = job("a", status="doing", beat=20), job("b", status="doing", beat=20)
    again = job("a", status="todo", beat=None)
    rescued()
    assert statuses() == {again: "todo", other: "todo"} and dead not in statuses()


@pytest.mark.parametrize(("attempts", "left"), [(4, ["todo"]), (5, [])])
def test_a_job_of_which_workers_die_is_given_up(store: str, attempts: int, left: list[str]) -> None:
    job("a", status="doing", beat=20, attempts=attempts)
    rescued()
    assert list(statuses().values()) == left


def test_one_process_at_a_time_takes_jobs_over(store: str) -> None:
    job("a", status="doing", beat=20)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [rescue._LOCK])
        assert rescued() == []
    assert len(rescued()) == 1


def test_a_worker_whose_own_job_is_taken_over_ends(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    job("a", status="doing", beat=20)
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM procrastinate_workers")
        own = cursor.fetchone()[0]

    class Ended(BaseException):
        pass

    def end(_: int) -> None:
        raise Ended

    monkeypatch.setattr(rescue.os, "_exit", end)
    monkeypatch.setattr(rescue, "PAUSE", 0.01)

    async def all_of_it(worker: Any) -> None:
        async with app.open_async():
            await rescue.rescue_for_ever(app, worker)

    with app.replace_connector(app.connector.get_worker_connector()):  # type: ignore[attr-defined]
        with pytest.raises(Ended):
            asyncio.run(all_of_it(SimpleNamespace(worker_id=own)))
    assert list(statuses().values()) == ["todo"]


def test_what_is_open_is_counted_once_a_day_for_each_source(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = [models.Source.objects.create(name=name).pk for name in ("a", "b")]
    wanted = [f"count-{number}" for number in numbers]
    for _ in range(2):
        tasks.count_once_a_day(0)
        assert waiting_jobs() == wanted
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    tasks.count_once_a_day(0)
    assert waiting_jobs() == []
    monkeypatch.setattr(tasks, "service_day", lambda: date(2099, 1, 1))
    tasks.count_once_a_day(0)
    assert waiting_jobs() == wanted
