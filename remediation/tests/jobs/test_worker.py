"""Worker processes on a real database: what they do, and what becomes of their jobs when they die."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db import connection
from django.utils import timezone

from halo_emulator import Fault, HaloEmulator
from remediation.jobs import queue, tasks
from remediation.store import models

from .conftest import Project, Worker, waiting_jobs, wait_until

Start = Callable[[], Worker]


def runs(project: models.Project) -> list[models.Run]:
    return list(project.runs.order_by("pk"))


def outcomes(project: models.Project) -> list[str]:
    return [run.outcome for run in runs(project)]


def made(halo: HaloEmulator) -> list[str]:
    return sorted(str(ticket["summary"]) for number, ticket in halo.tickets.items() if number > 2106)


def jobs() -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT task_name, status, attempts FROM procrastinate_jobs ORDER BY id")
        return cursor.fetchall()


def hang_at_statuses(halo: HaloEmulator) -> None:
    """The next run of a project stays where it asks Halo for its statuses."""
    halo.inject(Fault("hang", path="status", seconds=300))


def test_a_job_is_done(project: Project, worker: Start, halo: HaloEmulator, no_round: None) -> None:
    one = project("web")
    assert tasks.ask_to_run(one)
    running = worker()
    wait_until(lambda: outcomes(one) == ["done"])
    assert len(made(halo)) == 2
    wait_until(lambda: jobs() == [])
    # By SIGTERM it ends by itself, and says nothing of what it has worked on.
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(30) == 0
    assert "Project" in running.said() and "web.corp" not in running.said() and "Fix" not in running.said()


def test_a_worker_begins_with_a_round(project: Project, worker: Start, halo: HaloEmulator) -> None:
    one = project("web")
    worker()
    wait_until(lambda: outcomes(one) == ["done"])
    row = models.Run.objects.get(kind="round")
    assert (row.outcome, row.detail["text"]) == ("done", "Sources to read: 0. Projects to run: 1.")


def test_the_job_of_a_killed_worker_is_taken_over(
    project: Project, worker: Start, halo: HaloEmulator, no_round: None
) -> None:
    one = project("web")
    hang_at_statuses(halo)
    tasks.ask_to_run(one)
    first = worker()
    wait_until(lambda: outcomes(one) == [""])
    first.kill()
    halo.clear_faults()
    assert outcomes(one) == [""]
    second = worker()
    wait_until(lambda: outcomes(one)[-1] == "done")
    assert [run.outcome for run in runs(one)] == ["failed", "done"]
    assert runs(one)[0].detail["text"] == queue.INTERRUPTED
    assert len(made(halo)) == 2
    assert "is gone" in second.said()


def test_projects_of_one_connection_run_one_after_the_other_and_others_meanwhile(
    project: Project, worker: Start, halo: HaloEmulator, no_round: None
) -> None:
    first, second, other = project("web"), project("mail"), project("other", "another")
    hang_at_statuses(halo)
    tasks.ask_to_run(first)
    worker(), worker()
    wait_until(lambda: outcomes(first) == [""])
    tasks.ask_to_run(second)
    tasks.ask_to_run(other)
    wait_until(lambda: outcomes(other) == ["done"])
    # The other came after it in the queue, and is done; there was a free worker all the time.
    assert outcomes(first) == [""] and not runs(second)
    halo.clear_faults()
    wait_until(lambda: outcomes(second) == ["done"])
    ended = runs(first)[0].finished
    assert ended is not None and ended <= runs(second)[0].started


def test_a_worker_that_loses_the_database_in_a_job_asks_for_the_work_again(
    project: Project, worker: Start, halo: HaloEmulator, no_round: None
) -> None:
    one = project("web")
    halo.inject(Fault("hang", path="tickets", method="GET", seconds=300))
    tasks.ask_to_run(one)
    running = worker()
    wait_until(lambda: models.Lease.objects.filter(until__gt=timezone.now()).exists())
    with connection.cursor() as cursor:
        # Those of jobs, and not the queue's, without which the worker ends.
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND application_name = 'remediation'"
        )
        assert cursor.rowcount
    halo.clear_faults()
    wait_until(lambda: f"project-{one.pk}" in waiting_jobs())
    with connection.cursor() as cursor:
        # The one that lost it may not have ended yet.
        cursor.execute(
            "SELECT scheduled_at > now() FROM procrastinate_jobs "
            "WHERE queueing_lock LIKE 'project-%' AND status = 'todo'"
        )
        assert cursor.fetchall() == [(True,)]
    assert "Traceback" not in running.said()


def test_an_error_is_in_the_table_of_runs_and_its_words_are_in_no_log(
    project: Project, worker: Start, halo: HaloEmulator, no_round: None
) -> None:
    one = project("web")
    one.settings = {"default_agent": "Nobody Nowhere"}
    one.save()
    console = models.Source.objects.create(
        name="console", kind="insightvm", settings={"url": "http://127.0.0.1:9", "user": "reader"}, secret="no seal"
    )
    tasks.ask_to_run(one)
    tasks.ask_to_read(console.pk)
    running = worker()
    wait_until(lambda: outcomes(one) == ["held"] and bool(console.runs.exclude(outcome="")))
    assert "Nobody Nowhere" in runs(one)[0].detail["text"]
    row = console.runs.get()
    assert row.outcome == "failed" and "sealed with another key" in row.detail["text"]
    wait_until(lambda: jobs() == [])
    for words in ("Traceback", "Nobody", "127.0.0.1:9", "no seal", "reader"):
        assert words not in running.said()


def test_a_worker_knows_whatever_can_be_asked_for(environment: dict[str, str]) -> None:
    """Of itself: this process has imported more."""
    code = "import django; django.setup(); from procrastinate.contrib.django import app; app.perform_import_paths()"
    known = subprocess.check_output([sys.executable, "-c", f"{code}; print(*app.tasks)"], env=environment, text=True)
    files = Path(queue.__file__).parent.glob("*.py")
    asked = {name for file in files for name in re.findall(r'\bask\(\s*"(\w+)"', file.read_text(encoding="utf-8"))}
    assert len(asked) > 10 and asked <= set(known.split())


def test_a_worker_ends_with_its_parent(worker: Start, store: str, no_round: None) -> None:
    running = worker()
    wait_until(lambda: bool(workers()))
    assert running.process.stdin is not None
    running.process.stdin.close()
    assert running.process.wait(30) == 0


def workers() -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM procrastinate_workers")
        return cursor.fetchall()
