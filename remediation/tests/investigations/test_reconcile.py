"""Tickets of investigations, which carry an investigation's RRN as their reference, compared with HaloITSM."""

from __future__ import annotations

from remediation.domain.reconciling import Kind
from remediation.store import models
from remediation.tickets.reconcile import Reconciled, Reconciliation

from .conftest import MARCUS, Desk


def compared(desk: Desk, *, apply: bool = False) -> Reconciled:
    row = models.Connection.objects.get(pk=desk.connection.pk)
    work = Reconciliation(row, make_client=desk.client, now=lambda: desk.now, sleep=desk.wait, say=desk.said.append)
    return work.apply() if apply else work.look()


def test_those_in_step_do_not_differ_and_one_that_is_gone_is_told(desk: Desk) -> None:
    first, second = desk.idr.investigate("Odd sign-in", assignee=MARCUS), desk.idr.investigate("Another")
    for _ in range(2):
        desk.look()
    assert not compared(desk).found and not compared(desk).unread
    desk.halo.delete_ticket(desk.number(first))
    (gone,) = compared(desk, apply=True).found
    assert (gone.kind, gone.number) == (Kind.GONE, desk.number(first))
    assert not compared(desk).found and len(desk.carrying(second)) == 1
