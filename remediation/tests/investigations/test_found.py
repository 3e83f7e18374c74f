"""Faults of the investigations' sync that somebody who tried to break it has found: each stays mended."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from remediation.domain.investigation import State
from remediation.domain.investigation_plan import StateMap
from remediation.investigations import deciding
from remediation.jobs import tasks
from remediation.store import models
from remediation.tickets.journal import Journal
from remediation.tickets.lease import one_writer
from remediation.tickets.missing import make_anew, mark_missing
from tests.jobs.conftest import waiting_jobs

from .conftest import CLOSED, IN_PROGRESS, MARCUS, NEW, Desk


def test_a_decision_that_nobody_was_asked_for_does_not_wait_for_the_next_change(desk: Desk) -> None:
    rrn = desk.idr.investigate("Odd sign-in")
    desk.look()
    with pytest.raises(deciding.NotPossible):
        deciding.decide(desk.investigation(rrn), "halo", "anna")
    desk.idr.set_status(rrn, "WAITING")
    desk.look()
    assert desk.idr.investigations[rrn].status == "WAITING"
