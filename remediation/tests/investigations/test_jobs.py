"""When investigations are looked at without anybody asking, and what a comparison with Halo says of their tickets."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from remediation.jobs import tasks
from remediation.store import models
from remediation.tickets.reconcile import Reconciliation
from tests.jobs.conftest import waiting_jobs

from .conftest import IN_PROGRESS, Desk


@pytest.mark.parametrize(
    ("ago", "paused", "asks"),
    [(None, False, True), (2, False, False), (5, False, True), (5, True, False), (-90, False, True)],
)
def test_the_clock_asks_for_a_look(desk: Desk, ago: int | None, paused: bool, asks: bool) -> None:
    looked = None if ago is None else timezone.now() - timedelta(minutes=ago)
    models.InvestigationSource.objects.update(looked=looked)
    models.Project.objects.update(paused=paused)
    tasks.look_for_investigations(0)
    tasks.look_for_investigations(60)
    assert waiting_jobs() == ([f"project-{desk.project.pk}"] if asks else [])


def test_a_comparison_with_halo_finds_nothing_wrong_where_all_is_in_step(desk: Desk) -> None:
    rrn = desk.idr.investigate("Odd sign-in")
    desk.look()
    desk.halo.change_ticket(desk.number(rrn), status_id=IN_PROGRESS)

    def compared() -> Reconciliation:
        row = models.Connection.objects.get(pk=desk.connection.pk)
        return Reconciliation(row, make_client=desk.client, now=lambda: desk.now, sleep=desk.wait, say=desk.said.append)

    found = compared().look()
    assert not found.unread and [one.number for one in found.found if one.is_applied] in ([], [desk.number(rrn)])
    compared().apply()
    desk.look()
    assert desk.idr.investigations[rrn].status == "INVESTIGATING" and len(desk.carrying(rrn)) == 1
    assert not [one for one in compared().look().found if one.is_applied]
    desk.quiet()
