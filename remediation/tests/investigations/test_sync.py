"""Investigations and their tickets, both ways, between an emulated InsightIDR and an emulated Halo."""

from __future__ import annotations

from typing import Any

import pytest

from halo_emulator import Fault as HaloFault
from haloitsm_client.tickets.references import reference_line
from remediation.domain.investigation_plan import is_ours
from remediation.investigations import deciding
from remediation.investigations.errors import IdrAway
from remediation.store import models
from remediation.tickets import attention
from stand_ins.insightidr import Fault

from .conftest import CLOSED, IN_PROGRESS, MARCUS, NEW, ON_HOLD, PRIYA, Desk


def test_an_investigation_gets_one_ticket_and_is_told_of_it(desk: Desk) -> None:
    rrn = desk.idr.investigate("Odd sign-in from two countries", priority="CRITICAL", assignee=MARCUS, tags=["vip"])
    desk.idr.alert(rrn, "Impossible travel")
    desk.look()
    (ticket,) = desk.carrying(rrn)
    assert ticket["summary"] == "Odd sign-in from two countries"
    assert (ticket["priority_id"], ticket["status_id"], ticket["agent_id"]) == (1, NEW, 3)
    assert "Impossible travel" in ticket["details"] and rrn in ticket["details"]
    (told,) = desk.comments(rrn)
    assert told.startswith(f"[HaloITSM #{ticket['id']}]") and f"/tickets?id={ticket['id']}" in told and "New" in told
    desk.quiet()
    assert desk.investigation(rrn).agreed_at == desk.now


def test_the_rule_says_which_and_a_person_may_ask_for_another(desk: Desk) -> None:
    desk.how(rule={"priorities": ["HIGH"], "states": ["OPEN"]})
    low, high = desk.idr.investigate("Low one", priority="LOW"), desk.idr.investigate("High one", priority="HIGH")
    desk.look()
    assert len(desk.carrying(high)) == 1 and desk.carrying(low) == []
    deciding.ask_for_ticket(desk.investigation(low), "anna")
    desk.look()
    assert len(desk.carrying(low)) == 1
    with pytest.raises(deciding.NotPossible):
        deciding.ask_for_ticket(desk.investigation(low), "anna")


def test_a_ticket_that_a_workflow_has_made_is_taken(desk: Desk) -> None:
    rrn = desk.idr.investigate("Odd sign-in")
    details = f"By the workflow\n\n{reference_line(rrn)}"
    made = desk.halo.log_ticket(summary="Odd", details=details, third_party_id_string=rrn)
    desk.look()
    assert desk.number(rrn) == made["id"] and len(desk.carrying(rrn)) == 1
    desk.quiet()


@pytest.mark.parametrize(
    ("state", "status"), [("INVESTIGATING", IN_PROGRESS), ("WAITING", ON_HOLD), ("CLOSED", CLOSED), ("OPEN", NEW)]
)
def test_a_state_goes_to_halo(desk: Desk, state: str, status: int) -> None:
    rrn = desk.idr.investigate("Odd sign-in", status="INVESTIGATING" if state == "OPEN" else "OPEN")
    desk.look()
    desk.idr.set_status(rrn, state)
    desk.look()
    assert desk.ticket(rrn)["status_id"] == status
    desk.quiet()


@pytest.mark.parametrize(("status", "state"), [(IN_PROGRESS, "INVESTIGATING"), (ON_HOLD, "WAITING")])
def test_a_status_goes_to_insightidr(desk: Desk, status: int, state: str) -> None:
    rrn = desk.idr.investigate("Odd sign-in")
    desk.look()
    desk.halo.change_ticket(desk.number(rrn), status_id=status)
    desk.look()
    assert desk.idr.investigations[rrn].status == state
    desk.quiet()


def test_a_closing_needs_a_disposition(desk: Desk) -> None:
    rrn = desk.idr.investigate("Odd sign-in")
    desk.look()
    desk.halo.change_ticket(desk.number(rrn), status_id=CLOSED, agent_id=3)
    plan, _ = desk.look()
    assert any("Choose one" in one.reason and one.needs_person for one in plan.not_done)
    assert desk.idr.investigations[rrn].status == "OPEN"
    deciding.choose_disposition(desk.investigation(rrn), "BENIGN", "anna")
    desk.look()
    assert (desk.idr.investigations[rrn].status, desk.idr.investigations[rrn].disposition) == ("CLOSED", "BENIGN")
    desk.quiet()


def test_both_sides_changed(desk: Desk) -> None:
    rrn = desk.idr.investigate("Odd sign-in")
    desk.look()
    desk.idr.set_status(rrn, "WAITING")
    desk.halo.change_ticket(desk.number(rrn), status_id=IN_PROGRESS)
    plan, outcome = desk.look()
    assert outcome.done == [] and any("Decide which one counts" in one.reason for one in plan.not_done)
    deciding.decide(desk.investigation(rrn), "halo", "anna")
    desk.look()
    assert desk.idr.investigations[rrn].status == "INVESTIGATING"
    # The decision was for this once.
    assert desk.investigation(rrn).decided == ""
    desk.quiet()


def test_who_has_it_both_ways(desk: Desk) -> None:
    rrn = desk.idr.investigate("Odd sign-in")
    desk.look()
    desk.halo.change_ticket(desk.number(rrn), agent_id=3)
    desk.look()
    assert desk.idr.investigations[rrn].assignee == MARCUS
    desk.idr.assign(rrn, PRIYA)
    desk.look()
    assert desk.ticket(rrn)["agent_id"] == 4
    desk.quiet()


def test_somebody_whom_insightidr_does_not_know_is_tried_once_a_day(desk: Desk) -> None:
    rrn = desk.idr.investigate("Odd sign-in")
    desk.look()
    desk.halo.change_ticket(desk.number(rrn), agent_id=5)
    _, outcome = desk.look()
    assert len(outcome.failed) == 1 and desk.investigation(rrn).refused == ["tomas.weber@halo.example"]
    plan, outcome = desk.look()
    assert outcome.failed == {} and any("no user tomas.weber" in one.reason for one in plan.not_done)
    assert all(one.needs_person for one in plan.not_done)
    desk.idr.add_user("tomas.weber@halo.example", "Tomas Weber")
    desk.look(60)
    assert not desk.idr.investigations[rrn].assignee
    desk.look(24 * 60)
    assert desk.idr.investigations[rrn].assignee == "tomas.weber@halo.example"
    desk.quiet()


def test_comments_are_carried_from_when_that_is_switched_on(desk: Desk) -> None:
    desk.how(comments=False)
    rrn = desk.idr.investigate("Odd sign-in")
    desk.look()
    desk.halo.add_note(desk.number(rrn), "Between ourselves")
    desk.idr.comment(rrn, "For the analysts")
    desk.look(60)
    desk.how(comments=True, comments_back=True)
    desk.look(60)
    desk.halo.add_note(desk.number(rrn), "Blocked the account")
    desk.idr.comment(rrn, "Seen again")
    desk.look(60)
    carried = [*desk.comments(rrn), *desk.notes(rrn)]
    assert len([text for text in carried if "Blocked the account" in text]) == 2
    assert len([text for text in carried if "Seen again" in text]) == 2
    assert len([text for text in carried if "Between ourselves" in text or "For the analysts" in text]) == 2
    desk.quiet()


def test_a_person_asks_for_another_ticket_after_the_first_was_detached(desk: Desk) -> None:
    rrn = desk.idr.investigate("Odd sign-in")
    desk.look()
    first = desk.investigation(rrn).ticket
    assert first
    with pytest.raises(deciding.NotPossible, match="already"):
        deciding.ask_for_ticket(desk.investigation(rrn), "anna")
    attention.detach(models.Ticket.objects.get(pk=first.pk), "anna")
    desk.look()
    deciding.ask_for_ticket(desk.investigation(rrn), "anna")
    with pytest.raises(attention.NotPossible, match="another ticket"):
        attention.attach(models.Ticket.objects.get(pk=first.pk), "anna")
    desk.look()
    second = desk.investigation(rrn).ticket
    assert second and second.pk != first.pk and second.halo_id != first.halo_id and second.halo_id in desk.halo.tickets
    desk.idr.set_status(rrn, "INVESTIGATING")
    desk.look()
    assert desk.ticket(rrn)["status_id"] == IN_PROGRESS and desk.halo.tickets[first.halo_id or 0]["status_id"] == NEW
    assert [text for text in desk.comments(rrn) if f"[HaloITSM #{second.halo_id}]" in text]
    desk.quiet()


def test_comments_both_ways_once(desk: Desk) -> None:
    desk.how(comments_back=True)
    rrn = desk.idr.investigate("Odd sign-in")
    desk.idr.comment(rrn, "Said before there was a ticket")
    desk.look()
    desk.halo.add_note(desk.number(rrn), "Blocked the account", hidden=True)
    desk.idr.comment(rrn, "Is it the CEO?")
    desk.look()
    desk.look()
    carried = [text for text in desk.comments(rrn) if "Blocked the account" in text]
    assert len(carried) == 1 and carried[0].startswith(f"[HaloITSM #{desk.number(rrn)}, comment ")
    for text in ("Said before there was a ticket", "Is it the CEO?"):
        assert len([note for note in desk.notes(rrn) if text in note]) == 1
    assert len([note for note in desk.notes(rrn) if "Blocked" in note]) == 1
    desk.quiet()


def test_a_text_with_markup_is_carried_as_text(desk: Desk) -> None:
    desk.how(comments_back=True)
    text = "<script>alert(1)</script> & \N{RIGHT-TO-LEFT OVERRIDE}txt \N{FIRE}"
    rrn = desk.idr.investigate(f"{text}\n{'x' * 400}")
    desk.idr.comment(rrn, text)
    desk.look()
    assert len(desk.ticket(rrn)["summary"]) <= 255
    assert any("alert(1)" in note for note in desk.notes(rrn))
    desk.quiet()


def test_nothing_is_done_on_an_incomplete_list(desk: Desk) -> None:
    for number in range(150):
        desk.idr.investigate(f"Number {number}", priority="LOW")
    desk.how(rule={"priorities": ["HIGH"], "states": []})
    desk.look()
    known = models.Investigation.objects.count()
    assert known == 150
    desk.idr.surplus = 1
    with pytest.raises(IdrAway):
        desk.look()
    assert models.Investigation.objects.count() == known


def test_an_investigation_that_is_gone_is_said_and_its_ticket_left(desk: Desk) -> None:
    rrn = desk.idr.investigate("Odd sign-in")
    desk.look()
    before = desk.ticket(rrn)["status_id"]
    desk.idr.remove(rrn)
    plan, outcome = desk.look()
    assert any("does not show the investigation" in one.reason for one in plan.not_done)
    assert outcome.done == [] and desk.ticket(rrn)["status_id"] == before


def test_a_ticket_that_is_gone_is_said_and_not_made_again(desk: Desk) -> None:
    rrn = desk.idr.investigate("Odd sign-in")
    desk.look()
    desk.halo.delete_ticket(desk.number(rrn))
    desk.idr.set_status(rrn, "INVESTIGATING")
    for _ in range(2):
        plan, outcome = desk.look()
        assert outcome.done == []
    assert any(one.needs_person for one in plan.not_done)
    assert len(desk.carrying(rrn)) == 1


def test_people_pause_and_detach(desk: Desk) -> None:
    rrn = desk.idr.investigate("Odd sign-in")
    desk.look()
    ticket = desk.investigation(rrn).ticket
    assert ticket
    attention.pause(ticket, "anna")
    desk.idr.set_status(rrn, "INVESTIGATING")
    plan, outcome = desk.look()
    assert outcome.done == [] and [one.reason for one in plan.not_done] == ["paused by anna"]
    attention.go_on(models.Ticket.objects.get(pk=ticket.pk), "anna")
    desk.look()
    assert desk.ticket(rrn)["status_id"] == IN_PROGRESS
    attention.detach(models.Ticket.objects.get(pk=ticket.pk), "anna")
    desk.idr.set_status(rrn, "WAITING")
    desk.look()
    assert desk.ticket(rrn)["status_id"] == IN_PROGRESS and len(desk.carrying(rrn)) == 1


def test_an_investigation_is_tied_to_a_ticket_that_was_there(desk: Desk) -> None:
    rrn = desk.idr.investigate("Odd sign-in")
    other = desk.halo.log_ticket(summary="Somebody has called", status_id=IN_PROGRESS)
    desk.halo.add_note(other["id"], "Said long before")
    desk.look(60)
    ticket = desk.investigation(rrn).ticket
    assert ticket
    attention.ask_to_tie(ticket, other["id"], "anna")
    desk.run().tie(models.Ticket.objects.select_related("project").get(pk=ticket.pk))
    plan, _ = desk.look()
    assert desk.number(rrn) == other["id"]
    assert any("Decide which one counts" in one.reason for one in plan.not_done)
    deciding.decide(desk.investigation(rrn), "halo", "anna")
    desk.look()
    assert desk.idr.investigations[rrn].status == "INVESTIGATING"
    texts = desk.comments(rrn)
    assert [text for text in texts if f"#{other['id']}]" in text] and not [one for one in texts if "long before" in one]
    desk.quiet()


@pytest.mark.parametrize(
    "fault", [Fault.FAILS_AFTER, Fault.CUT_OFF, Fault.CUT_SHORT, Fault.HTML_AFTER, Fault.UNHEARD, Fault.FAILS]
)
def test_a_comment_of_unknown_outcome_is_looked_up(desk: Desk, fault: Any) -> None:
    rrn = desk.idr.investigate("Odd sign-in")
    desk.look()
    desk.halo.add_note(desk.number(rrn), "Blocked the account")
    desk.idr.faulty, desk.idr.faults = "POST .*comments", [fault]
    desk.look()
    for _ in range(4):
        desk.look()
    assert len([text for text in desk.comments(rrn) if "Blocked" in text]) == 1
    desk.quiet()


@pytest.mark.parametrize("fault", [Fault.FAILS_AFTER, Fault.CUT_OFF, Fault.UNHEARD, Fault.FAILS, Fault.BUSY])
def test_a_state_of_unknown_outcome_is_read(desk: Desk, fault: Any) -> None:
    rrn = desk.idr.investigate("Odd sign-in")
    desk.look()
    desk.halo.change_ticket(desk.number(rrn), status_id=IN_PROGRESS)
    desk.idr.faulty, desk.idr.faults = "(PATCH|PUT) .*", [fault]
    desk.look()
    desk.look()
    assert desk.idr.investigations[rrn].status == "INVESTIGATING" and desk.ticket(rrn)["status_id"] == IN_PROGRESS
    desk.quiet()


def test_a_ticket_of_unknown_outcome_is_made_once(desk: Desk) -> None:
    rrn = desk.idr.investigate("Odd sign-in")
    desk.halo.inject(HaloFault("status", method="POST", path="tickets", status=500, after_commit=True))
    for _ in range(4):
        desk.look()
    assert len(desk.carrying(rrn)) == 1
    desk.quiet()


def test_a_restored_backup_makes_nothing_twice(desk: Desk) -> None:
    """The store forgets all that was done since; both sides have it."""
    desk.how(comments_back=True)
    rrn = desk.idr.investigate("Odd sign-in")
    desk.look()
    desk.halo.add_note(desk.number(rrn), "Blocked the account")
    desk.idr.comment(rrn, "Is it the CEO?")
    desk.look()
    comments, notes, number = desk.comments(rrn), desk.notes(rrn), desk.number(rrn)
    models.Journal.objects.all().delete()
    models.Plan.objects.all().delete()
    models.Investigation.objects.all().delete()
    models.Ticket.objects.all().delete()
    settings = {key: value for key, value in desk.connection.settings.items() if key != "cursor"}
    models.Connection.objects.update(settings=settings)
    desk.look()
    desk.look()
    assert desk.number(rrn) == number and len(desk.carrying(rrn)) == 1
    assert [text for text in desk.comments(rrn) if not is_ours(text)] == ["Is it the CEO?"]
    assert sorted(desk.comments(rrn)) == sorted(comments) and desk.notes(rrn) == notes
