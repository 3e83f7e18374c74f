"""A connection is compared with HaloITSM by a worker, and by the command line."""

from __future__ import annotations

from collections.abc import Callable

from django.db import connection

from halo_emulator import HaloEmulator
from remediation.jobs.tasks import ask_to_reconcile, look_for_due_names, look_up
from remediation.jobs.work import run_project
from remediation.store import models
from remediation.tickets.mapped_names import LOOKED_UP

from .conftest import Project, Worker, wait_until, waiting_jobs


def test_a_worker_finds_and_puts_right(
    project: Project, halo: HaloEmulator, worker: Callable[[], Worker], no_round: None
) -> None:
    web = project("web")
    run_project(web)
    models.Journal.objects.all().delete()
    models.Ticket.objects.exclude(key="project").delete()
    assert ask_to_reconcile(web.connection_id, apply=False) and not ask_to_reconcile(web.connection_id, apply=False)
    running = worker()
    runs = models.Run.objects.filter(kind="reconcile", detail__connection=web.connection_id)
    wait_until(lambda: runs.exclude(finished=None).count() == 1)
    (dry,) = runs
    assert dry.outcome == "held" and [one["kind"] for one in dry.detail["found"]] == ["unknown"]
    assert models.Ticket.objects.count() == 1
    ask_to_reconcile(web.connection_id, apply=True)
    wait_until(lambda: runs.exclude(finished=None).count() == 2)
    assert runs.latest("pk").outcome == "done" and models.Ticket.objects.count() == 2
    made = set(halo.tickets)
    run_project(web)
    assert set(halo.tickets) == made
    assert not any(str(ticket["summary"]) in running.said() for ticket in halo.tickets.values())


def test_names_are_looked_up_once_a_day(project: Project, halo: HaloEmulator) -> None:
    web = project("web")
    look_for_due_names(0)
    look_for_due_names(0)
    assert waiting_jobs() == [f"names-{web.connection_id}"]
    look_up(web.connection_id)
    row = models.Connection.objects.get()
    assert row.settings[LOOKED_UP]["numbers"]["tickettype"] == {"Vulnerability": 21}
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    look_for_due_names(0)
    assert not waiting_jobs()
