"""The plan of investigations: which side's word counts, what is carried, what is left to a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediation.domain.investigation import Alert, Comment, Investigation, State
from remediation.domain.investigation_plan import (
    HALO,
    IDR,
    Agreed,
    InvestigationPlan,
    Note,
    StateMap,
    Tracked,
    from_halo,
    from_idr,
    listed_alerts,
    mark_of_note,
    plan,
    told_of,
    told_text,
)
from remediation.domain.investigation_settings import InvestigationSettings, Rule
from remediation.domain.marks import mark
from remediation.domain.plan import Kind, Step

NOW = datetime(2026, 11, 28, 9, 0, tzinfo=timezone.utc)
RRN = "rrn:investigation:us:ORG:investigation:ID1"
ONE = Investigation(RRN, "Odd sign-in", State.OPEN, "OPEN", "HIGH", "UNSPECIFIED", "ALERT", "", ("vip",), NOW, "")
# New, In Progress, On Hold, Closed.
MAP = StateMap({State.OPEN: 1, State.INVESTIGATING: 2, State.WAITING: 28, State.CLOSED: 9})
AGENTS = {"anna@corp.example", "ben@corp.example"}
SETTINGS = InvestigationSettings(comments_back=True)


def pair(idr: State | None, halo: int | None, agreed: State | None, **more: Any) -> Tracked:
    """An investigation with its ticket, which has told of itself."""
    what = replace(ONE, state=idr, state_word=idr.value if idr else "ODD", **more.pop("what", {}))
    more.setdefault("agreed_status", MAP.write.get(agreed) if agreed else None)
    known = {"halo_id": 7, "halo_status_name": f"status {halo}", "carried": frozenset({told_of(7)}), **more}
    return Tracked(what, halo_status=halo, agreed=agreed, **known)


def made(*tracked: Tracked, settings: InvestigationSettings = SETTINGS) -> InvestigationPlan:
    return plan(settings, MAP, AGENTS, tracked)


def step_of(result: InvestigationPlan) -> Step:
    (step,) = result.plan.steps
    return step


O, I, W, C = State.OPEN, State.INVESTIGATING, State.WAITING, State.CLOSED


@pytest.mark.parametrize(
    ("idr", "halo", "agreed", "in_halo", "in_idr"),
    [
        (O, 1, O, None, None),
        (I, 1, O, 2, None),
        (O, 2, O, None, "INVESTIGATING"),
        (W, 1, O, 28, None),
        (O, 28, O, None, "WAITING"),
        (C, 2, I, 9, None),
        (O, 9, C, 1, None),  # reopened there
        # A new ticket follows its investigation, whatever it was made with.
        (I, 1, None, 2, None),
        (I, 77, None, 2, None),
    ],
)
def test_the_side_that_changed_wins(
    idr: State, halo: int, agreed: State | None, in_halo: int | None, in_idr: str | None
) -> None:
    result = made(pair(idr, halo, agreed))
    if in_halo is in_idr is None:
        assert result.plan.steps == ()
        return
    step = step_of(result)
    if in_halo:
        assert (step.kind, step.body["restores"]) == (Kind.SET_STATUS, in_halo)
        assert step.body["investigation"]["agreed_state"] == idr.value
    else:
        assert (step.kind, step.body["state"], step.body["was"]) == (Kind.SET_INVESTIGATION, in_idr, idr.value)


def test_what_agrees_is_kept_without_a_step() -> None:
    result = made(pair(I, 2, O))
    assert result.plan.steps == () and result.agreed == {RRN: Agreed(state=I)}
    assert made(pair(I, 2, I)).agreed == {}


@pytest.mark.parametrize(
    ("tracked", "said"),
    [
        (pair(W, 2, O), "Decide which one counts"),
        (pair(O, 2, None, tied=True), "Decide which one counts"),
        (pair(O, 77, O), "mapped to none of InsightIDR's"),
        (pair(I, 77, O), "mapped to none of InsightIDR's"),
        (pair(None, 1, O), "'ODD', which this service does not know"),
        (pair(I, 9, I), "Choose one"),
        (pair(O, 1, O, is_gone=True), "does not show the investigation any more"),
        (pair(I, 1, O, missing=True), "7"),
        (pair(I, 1, O, left_alone="paused by anna"), "paused by anna"),
        (pair(O, 1, O, halo_agent=None), "no e-mail address"),
        (pair(O, 1, O, what={"assignee": "zoe@corp.example"}), "no agent with the e-mail address zoe@corp.example"),
        (pair(O, 1, O, halo_agent="zoe@corp.example", refused=frozenset({"zoe@corp.example"})), "no user zoe"),
        (
            pair(O, 1, O, halo_agent="ben@corp.example", what={"assignee": "anna@corp.example"}),
            "InsightIDR has it with anna@corp.example, and HaloITSM with ben@corp.example",
        ),
        (
            pair(O, 1, O, agreed_assignee="anna@corp.example", what={"assignee": "anna@corp.example"}),
            "was taken from its agent in HaloITSM",
        ),
        (pair(O, 1, O, agreed_assignee="anna@corp.example", halo_agent="anna@corp.example"), "assigned to nobody"),
    ],
)
def test_what_is_not_done_has_a_reason_and_no_step(tracked: Tracked, said: str) -> None:
    result = made(tracked)
    assert result.plan.steps == ()
    (reason,) = [one.reason for one in result.plan.not_done]
    assert said in reason


def test_who_was_asked_is_asked_until_it_is_settled() -> None:
    assert made(pair(W, 2, O)).agreed == {RRN: Agreed(asks=True)}
    # One of them goes back to what was agreed before.
    again = made(pair(O, 2, O, asked=True))
    assert again.plan.steps == () and again.agreed == {}
    assert "Decide which one counts" in again.plan.not_done[0].reason
    # Or both come to the same.
    assert made(pair(O, 1, O, asked=True)).agreed == {RRN: Agreed(state=O)}


def test_a_person_decides_between_two_changes() -> None:
    both = pair(W, 2, O)
    assert step_of(made(replace(both, decided=IDR))).body["restores"] == 28
    assert step_of(made(replace(both, decided=HALO))).body["state"] == "INVESTIGATING"


@pytest.mark.parametrize(
    ("default", "chosen", "there", "sent"),
    [
        ("BENIGN", "", "UNSPECIFIED", "BENIGN"),
        ("BENIGN", "MALICIOUS", "UNDECIDED", "MALICIOUS"),
        ("", "SECURITY_TEST", "", "SECURITY_TEST"),
        # What somebody has said there stays.
        ("BENIGN", "", "MALICIOUS", None),
    ],
)
def test_the_disposition_of_a_closing(default: str, chosen: str, there: str, sent: str | None) -> None:
    tracked = pair(I, 9, I, disposition=chosen, what={"disposition": there})
    step = step_of(made(tracked, settings=replace(SETTINGS, disposition=default)))
    assert step.body["state"] == "CLOSED" and step.body.get("disposition") == sent


def test_a_status_that_is_mapped_anew_is_nobodys_change() -> None:
    anew = StateMap({O: 1, W: 2, C: 9}, {28: I})
    same = pair(I, 2, I)
    assert plan(SETTINGS, anew, AGENTS, [same]).plan.steps == ()
    # What somebody does from then on is by the new map.
    (step,) = plan(SETTINGS, anew, AGENTS, [pair(I, 1, I)]).plan.steps
    assert step.body["state"] == "OPEN"
    (step,) = plan(SETTINGS, anew, AGENTS, [pair(C, 2, I)]).plan.steps
    assert step.body["restores"] == 9


def test_one_status_of_halos_for_two_states_says_nothing_new() -> None:
    doubled = StateMap({O: 1, I: 2, W: 2, C: 9})
    for state in (I, W):
        assert plan(SETTINGS, doubled, AGENTS, [pair(state, 2, state)]).plan.steps == ()
    # From InsightIDR's Investigating to Waiting, HaloITSM's status stays, and both agree.
    result = plan(SETTINGS, doubled, AGENTS, [pair(W, 2, I)])
    assert result.plan.steps == () and result.agreed == {RRN: Agreed(state=W)}


@pytest.mark.parametrize(
    ("idr", "halo", "agreed", "kind", "email"),
    [
        ("anna@corp.example", "", "", Kind.ASSIGN, "anna@corp.example"),
        ("", "anna@corp.example", "", Kind.ASSIGN_INVESTIGATION, "anna@corp.example"),
        ("ben@corp.example", "anna@corp.example", "anna@corp.example", Kind.ASSIGN, "ben@corp.example"),
        ("anna@corp.example", "ben@corp.example", "anna@corp.example", Kind.ASSIGN_INVESTIGATION, "ben@corp.example"),
    ],
)
def test_who_has_it(idr: str, halo: str, agreed: str, kind: Kind, email: str) -> None:
    step = step_of(made(pair(O, 1, O, halo_agent=halo, agreed_assignee=agreed, what={"assignee": idr})))
    assert (step.kind, step.body["email"]) == (kind, email)
    assert step.body["investigation"] == {"agreed_assignee": email}


def test_who_has_it_is_left_alone_where_nobody_wants_it_carried() -> None:
    tracked = pair(O, 1, O, halo_agent="ben@corp.example", what={"assignee": "anna@corp.example"})
    result = made(tracked, settings=replace(SETTINGS, assignees=False))
    assert result.plan.steps == () and result.plan.not_done == ()


def test_a_ticket_is_told_once() -> None:
    step = step_of(made(pair(O, 1, O, carried=frozenset())))
    assert step.kind is Kind.COMMENT_INVESTIGATION and step.body["investigation"] == {"carries": told_of(7)}
    said = Comment("c1", told_text(7, "https://halo.example/tickets?id=7", "New"), "Sync", NOW)
    found = made(pair(O, 1, O, carried=frozenset(), comments=(said,)))
    assert found.plan.steps == () and found.agreed == {RRN: Agreed(carried=(told_of(7),))}
    # Another ticket that stands for it later is news.
    assert step_of(made(pair(O, 1, O, halo_id=8))).body["halo_id"] == 8


def test_comments_go_over_once_and_never_come_back() -> None:
    note, comment = Note(3, "Anna", "Blocked the account"), Comment("c9", "Is it the CEO?", "Ben", NOW)
    carried = Comment("c2", f"{mark_of_note(7, 3)} Anna: Blocked the account", "Sync", NOW)
    there, back = made(pair(O, 1, O, notes=(note,), comments=(comment,))).plan.steps
    assert there.kind is Kind.COMMENT_INVESTIGATION and there.body["text"] == carried.body
    assert back.kind is Kind.COMMENT and "Ben in InsightIDR" in back.body["text"] and comment.body in back.body["text"]
    # The same one again is the same step, however the rest of it looks.
    assert made(pair(I, 2, I, notes=(note,))).plan.steps[0].key == there.key
    done = frozenset({told_of(7), from_halo(7, 3), from_idr("c9")})
    assert made(pair(O, 1, O, notes=(note,), comments=(comment, carried), carried=done)).plan.steps == ()
    # A store that has lost that they were carried finds them.
    found = made(pair(O, 1, O, notes=(note,), comments=(comment, carried), marks=frozenset({mark(back.key, 0)})))
    assert found.plan.steps == ()
    assert found.agreed[RRN].carried == (from_halo(7, 3), from_idr("c9"))


def test_comments_are_carried_only_where_that_is_switched_on() -> None:
    tracked = pair(O, 1, O, notes=(Note(3, "Anna", "x"),), comments=(Comment("c9", "y", "Ben", NOW),))
    assert made(tracked, settings=InvestigationSettings(comments=False)).plan.steps == ()


def test_a_new_ticket() -> None:
    new = Tracked(ONE, "the rule takes priority HIGH")
    step = step_of(made(new))
    assert step.kind is Kind.CREATE and step.reason == "the rule takes priority HIGH"
    assert (step.body["summary"], step.body["priority"]) == ("Odd sign-in", "High")
    assert RRN in step.body["details"]
    # Another title makes it no other ticket.
    assert step_of(made(replace(new, investigation=replace(ONE, title="Odder")))).key == step.key
    assert made(Tracked(ONE)).plan.steps == ()


def test_alerts_are_listed_as_far_as_there_is_room() -> None:
    text = listed_alerts([Alert(f"Alert {number}", "UBA", NOW, "Endpoint") for number in range(25)])
    assert "- Alert 0 (UBA, Endpoint, 2026-11-28 09:00 UTC)" in text and text.endswith("... and 5 more")
    assert "no alert" in listed_alerts([])


@pytest.mark.parametrize(
    ("priority", "halo"),
    [
        ("CRITICAL", "Critical"),
        ("HIGH", "High"),
        ("MEDIUM", "Medium"),
        ("LOW", "Low"),
        ("UNSPECIFIED", "Low"),
        ("UNMAPPED", "Low"),
        ("SOMETHING NEW", "Low"),
    ],
)
def test_priorities(priority: str, halo: str) -> None:
    assert step_of(made(Tracked(replace(ONE, priority=priority), "asked"))).body["priority"] == halo


def test_many_new_tickets_wait() -> None:
    many = [Tracked(replace(ONE, rrn=f"{RRN}{number}"), "asked") for number in range(4)]
    assert made(*many, settings=replace(SETTINGS, most_creates=3)).plan.held == "it would create 4 tickets"
    assert made(*many, settings=replace(SETTINGS, most_creates=4)).plan.held == ""


@pytest.mark.parametrize(
    ("rule", "takes"),
    [
        (Rule(), True),
        (Rule(states=("CLOSED",)), False),
        (Rule(states=()), True),
        (Rule(priorities=("high", "critical")), True),
        (Rule(priorities=("LOW",)), False),
        (Rule(sources=("alert",), tags=("VIP",)), True),
        (Rule(tags=("other",)), False),
        (Rule(off=True), False),
    ],
)
def test_rules(rule: Rule, takes: bool) -> None:
    assert rule.takes(ONE) is takes


@pytest.mark.parametrize(
    "table",
    [
        {"states": {"OPENED": "New"}},
        {"reads": {"New": "OPENED"}},
        {"priorities": {"URGENT": "High"}},
        {"disposition": "GOOD"},
        {"rule": {"severity": ["x"]}},
        {"colour": "red"},
        {"days": 0},
    ],
)
def test_settings_that_cannot_be(table: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        InvestigationSettings.from_table(table)


def test_settings_survive_being_stored() -> None:
    settings = InvestigationSettings(rule=Rule(priorities=("HIGH",), off=True), reads={"Done": "CLOSED"}, days=3)
    assert InvestigationSettings.from_table(settings.to_table()) == settings


_STATES: Sequence[State] = tuple(State)


@given(
    st.sampled_from(_STATES),
    st.sampled_from([1, 2, 28, 9]),
    st.sampled_from(_STATES),
    st.lists(st.tuples(st.sampled_from(["idr", "halo", "look"]), st.sampled_from(_STATES)), max_size=12),
)
def test_states_settle_and_never_flip(idr: State, halo: int, agreed: State, moves: list[tuple[str, State]]) -> None:
    """People move either side, the service looks now and then: each look changes one side at most, and only to what
    somebody has set on the other since; after quiet both agree or a person is asked."""
    back = {number: state for state, number in MAP.write.items()}
    settings = replace(SETTINGS, disposition="BENIGN")
    kept: State | None = agreed
    asked = False

    def look() -> int:
        nonlocal idr, halo, kept, asked
        result = made(pair(idr, halo, kept, asked=asked), settings=settings)
        if news := result.agreed.get(RRN):
            kept, asked = news.state or kept, news.asks
        for step in result.plan.steps:
            if step.kind is Kind.SET_STATUS:
                halo = step.body["restores"]
            else:
                idr = State(step.body["state"])
            kept = State(step.body["investigation"]["agreed_state"])
        return len(result.plan.steps)

    for side, state in moves:
        if side == "idr":
            idr = state
        elif side == "halo":
            halo = MAP.write[state]
        else:
            before = {idr, back[halo]}
            assert look() <= 1 and {idr, back[halo]} <= before
    look()
    reasons = [one.reason for one in made(pair(idr, halo, kept, asked=asked), settings=settings).plan.not_done]
    assert any("Decide" in reason for reason in reasons) is (back[halo] is not idr)
    assert look() == 0
