"""A connection is compared with HaloITSM by a worker, and by the command line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.db import connection
from django.utils import timezone

from halo_emulator import HaloEmulator
from remediation.jobs.comparison import COMPARED
from remediation.jobs.status import status
from remediation.jobs.tasks import ask_to_reconcile, look_for_due_names, look_up, reconcile
from remediation.jobs.work import run_project
from remediation.store import models
from remediation.store.json_keys import change_keys
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
    wait_until(lambda: runs.exclude(finished=None).exists())
    dry = runs.earliest("pk")
    assert dry.outcome == "held" and [one["kind"] for one in dry.detail["found"]] == ["unknown"]
    assert models.Ticket.objects.count() == 1
    ask_to_reconcile(web.connection_id, apply=True)
    applied = runs.filter(detail__applied=True)
    wait_until(lambda: applied.exclude(finished=None).exists())
    assert applied.get().outcome == "done" and models.Ticket.objects.count() == 2
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


def test_tickets_are_compared_once_a_day_and_what_differs_is_told(project: Project, halo: HaloEmulator) -> None:
    web = project("web")
    look_for_due_names(0)
    assert waiting_jobs() == [f"names-{web.connection_id}"], "there is no ticket to compare yet"
    run_project(web)
    ticket = models.Ticket.objects.exclude(key="project").get()
    # A person's word is read back by the next run, and nobody has to do anything about it.
    halo.change_ticket(ticket.halo_id, status_id=2)
    look_for_due_names(0)
    assert f"reconcile-{web.connection_id}-0" not in waiting_jobs(), "it was made just now"
    models.Ticket.objects.update(created=timezone.now() - timedelta(days=1))
    look_for_due_names(0)
    assert f"reconcile-{web.connection_id}-0" in waiting_jobs()
    reconcile(web.connection_id, 0)
    assert models.Run.objects.get(kind="reconcile").detail["found"] and status()["connections"][0]["different"] == 0
    halo.delete_ticket(ticket.halo_id)
    reconcile(web.connection_id, 0)
    told = status()
    assert told["connections"][0]["different"] == 1 and not told["ok"]
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    look_for_due_names(0)
    assert f"reconcile-{web.connection_id}-0" not in waiting_jobs()
    row = models.Connection.objects.get()
    yesterday = (timezone.now() - timedelta(days=1)).isoformat()
    change_keys(row, "settings", {COMPARED: {**row.settings[COMPARED], "began": yesterday}})
    look_for_due_names(0)
    assert f"reconcile-{web.connection_id}-0" in waiting_jobs()
    reconcile(web.connection_id, 1)
    assert status()["connections"][0]["different"] == 0
