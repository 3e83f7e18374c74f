"""Faults of the investigations' sync that somebody who tried to break it has found: each stays mended."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from halo_emulator import Fault as HaloFault
from haloitsm_client.tickets.references import reference_line
from remediation.domain.investigation import State
from remediation.domain.investigation_plan import StateMap
from remediation.investigations import deciding
from remediation.jobs import tasks
from remediation.store import models
from remediation.tickets.approving import approve
from remediation.tickets.journal import Journal
from remediation.tickets.lease import one_writer
from remediation.tickets.missing import make_anew, mark_missing
from stand_ins.insightidr import Fault
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


def test_the_status_of_a_ticket_that_others_made_is_not_written_over(desk: Desk) -> None:
    rrn = desk.idr.investigate("Odd sign-in")
    made = desk.halo.log_ticket(
        summary="Odd", details=reference_line(rrn), third_party_id_string=rrn, status_id=IN_PROGRESS
    )
    desk.look()
    assert desk.number(rrn) == made["id"] and desk.ticket(rrn)["status_id"] == IN_PROGRESS
    plan, _ = desk.look()
    assert any(one.needs_person and "Decide which one counts" in one.reason for one in plan.not_done)
    assert desk.idr.investigations[rrn].status == "OPEN"


def test_one_investigation_that_cannot_be_read_holds_up_no_other(desk: Desk) -> None:
    bad, good = desk.idr.investigate("Bad one"), desk.idr.investigate("Good one")
    desk.look()
    for rrn in (bad, good):
        desk.idr.set_status(rrn, "CLOSED")
    desk.idr.answers[f".*{bad.rpartition(':')[2]}"] = b'{"rrn": 7}'
    plan, _ = desk.look()
    assert desk.ticket(good)["status_id"] == CLOSED and desk.ticket(bad)["status_id"] == NEW
    assert [one.key for one in plan.not_done if "could not be read" in one.reason] == [f"{bad}/1"]


def test_comments_that_cannot_be_read_hold_up_no_other(desk: Desk) -> None:
    desk.how(comments_back=True)
    # The older one is read first, and meets the fault.
    bad = desk.idr.investigate("Bad one", created=desk.now - timedelta(hours=1))
    good = desk.idr.investigate("Good one")
    desk.look()
    desk.idr.set_status(good, "WAITING")
    desk.idr.faulty, desk.idr.faults = "GET .*/comments", [Fault.REDIRECT]
    desk.idr.comment(good, "Is it the CEO?")
    plan, _ = desk.look()
    assert any("CEO" in note for note in desk.notes(good))
    assert [one.key for one in plan.not_done if "could not be read" in one.reason] == [f"{bad}/1"]


@pytest.mark.parametrize("hours", [-5, 5])
def test_comments_are_carried_where_halos_clock_is_another(desk: Desk, hours: int) -> None:
    desk.halo_ahead = hours
    desk.later()
    rrn = desk.idr.investigate("Odd sign-in")
    desk.look()
    desk.halo.add_note(desk.number(rrn), "Blocked the account")
    desk.look()
    assert len([text for text in desk.comments(rrn) if "Blocked" in text]) == 1


def test_a_comment_that_is_no_unicode_is_carried(desk: Desk) -> None:
    rrn = desk.idr.investigate("Odd sign-in")
    desk.look()
    desk.halo.add_note(desk.number(rrn), "Blocked \ud800 it")
    desk.look()
    assert len([text for text in desk.comments(rrn) if "Blocked" in text]) == 1


def test_a_status_that_is_written_reads_as_what_it_was_written_for() -> None:
    states = StateMap({State.OPEN: 1}, {1: State.WAITING, 2: State.WAITING})
    assert (states.read(1), states.read(2)) == ((State.OPEN,), (State.WAITING,))


def test_an_investigation_that_is_gone_is_asked_for_once_a_day(desk: Desk) -> None:
    rrn = desk.idr.investigate("Odd sign-in")
    desk.look()
    desk.idr.remove(rrn)
    desk.look()
    desk.look(25 * 60)
    before = len(desk.idr.requests)
    desk.look()
    assert not [one for one in desk.idr.requests[before:] if rrn.rpartition(":")[2] in str(one)]


def test_a_ticket_is_made_anew_although_the_rule_takes_its_investigation_no_more(desk: Desk) -> None:
    desk.how(rule={"states": ["OPEN"]})
    rrn = desk.idr.investigate("Odd sign-in")
    desk.look()
    desk.idr.set_status(rrn, "INVESTIGATING")
    desk.look()
    lost = desk.number(rrn)
    desk.halo.delete_ticket(lost)
    ticket = desk.investigation(rrn).ticket
    assert ticket
    mark_missing(ticket, desk.now)
    with one_writer(desk.connection.pk) as lease:
        make_anew(models.Ticket.objects.get(pk=ticket.pk), "anna", Journal(lease), desk.now)
    desk.look()
    assert desk.number(rrn) != lost and desk.ticket(rrn)["status_id"] == IN_PROGRESS


def test_a_source_that_fails_is_tried_again_after_its_interval(desk: Desk) -> None:
    models.InvestigationSource.objects.update(looked=timezone.now() - timedelta(hours=1))
    run = models.Run.objects.create(kind="project", project=desk.project, started=timezone.now(), outcome="failed")
    tasks.look_for_investigations(0)
    assert waiting_jobs() == []
    models.Run.objects.filter(pk=run.pk).update(started=timezone.now() - timedelta(minutes=5))
    tasks.look_for_investigations(60)
    assert waiting_jobs() == [f"project-{desk.project.pk}"]


def test_a_status_that_was_renamed_stops_only_what_would_set_it(desk: Desk) -> None:
    desk.how(states={"WAITING": "Waiting for the customer's customer"}, reads={"No such one": "WAITING"})
    waits, goes = desk.idr.investigate("Waits"), desk.idr.investigate("Goes")
    desk.look()
    desk.idr.set_status(waits, "WAITING")
    desk.idr.set_status(goes, "INVESTIGATING")
    plan, _ = desk.look()
    assert (desk.ticket(waits)["status_id"], desk.ticket(goes)["status_id"]) == (NEW, IN_PROGRESS)
    assert [one.key for one in plan.not_done if one.needs_person] == ["settings", "settings", f"{waits}/1"]


def test_who_was_assigned_for_the_closing_only_does_not_get_the_investigation(desk: Desk) -> None:
    rrn = desk.idr.investigate("Odd sign-in")
    desk.look()
    desk.idr.set_status(rrn, "CLOSED")
    desk.look()
    desk.look()
    desk.idr.set_status(rrn, "OPEN")
    desk.look()
    desk.look()
    assert desk.idr.investigations[rrn].assignee != MARCUS


def test_alerts_are_read_only_for_tickets_that_are_made(desk: Desk) -> None:
    desk.how(most_creates=2)
    for number in range(4):
        desk.idr.alert(desk.idr.investigate(f"Number {number}"), "Odd")
    plan, _ = desk.look()
    assert plan.held and not [path for _, path in desk.idr.requests if "alerts" in path]


def test_a_held_plan_holds_back_nothing_but_new_tickets(desk: Desk) -> None:
    rrn = desk.idr.investigate("Odd sign-in")
    desk.look()
    desk.how(most_creates=1)
    for number in range(3):
        desk.idr.investigate(f"Number {number}")
    desk.halo.change_ticket(desk.number(rrn), status_id=IN_PROGRESS)
    desk.halo.add_note(desk.number(rrn), "Blocked the account")
    plan, outcome = desk.look()
    assert plan.held and len(outcome.waiting) == 3
    assert desk.idr.investigations[rrn].status == "INVESTIGATING" and "Blocked" in desk.comments(rrn)[-1]
    # An approval is of the new tickets, whatever else there is to do by then.
    desk.halo.add_note(desk.number(rrn), "Told the user")
    stored = models.Plan.objects.order_by("-pk").first()
    assert stored
    approve(desk.project, stored.pk, "ina")
    _, outcome = desk.look()
    assert outcome.waiting == {} and models.Ticket.objects.filter(halo_id__isnull=False).count() == 4


def test_what_is_refused_of_a_ticket_holds_back_no_comment(desk: Desk) -> None:
    desk.how(comments_back=True)
    rrn = desk.idr.investigate("Odd sign-in")
    desk.look()
    desk.idr.set_status(rrn, "INVESTIGATING")
    desk.idr.comment(rrn, "Is it the CEO?")
    desk.halo.inject(HaloFault("status", method="POST", path="tickets", status=400, times=50))
    _, outcome = desk.look()
    assert outcome.failed and any("Is it the CEO?" in note for note in desk.notes(rrn))


def test_a_key_that_may_not_write_is_tried_once_in_a_run(desk: Desk) -> None:
    rrns = [desk.idr.investigate(f"Number {number}") for number in range(3)]
    desk.look()
    for rrn in rrns:
        desk.halo.change_ticket(desk.number(rrn), status_id=IN_PROGRESS)
    desk.idr.read_only = True
    before = len(desk.idr.requests)
    _, outcome = desk.look()
    assert len(outcome.failed) == 1 and len(outcome.waiting) == 2
    assert len([one for one in desk.idr.requests[before:] if one[0] != "GET"]) == 1
