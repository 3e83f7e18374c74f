"""What to do about one ticket: the table of "From a scan to tickets", row by row."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediation.domain.decide import Decision, decide
from remediation.domain.plan import Kind
from remediation.domain.status import ENDED, Status
from remediation.domain.ticket import OUT, SUPERSEDED, UNREPORTED, Counts, Finding, Ticket

NEW, PROGRESS, AWAITING, DONE, WONT, EXCEPTION = Status
DAY = timedelta(days=1)
MONDAY = datetime(2026, 3, 2, 2, tzinfo=UTC)


def finding(asset: str, state: str, day: int = 0, vulnerability: str = "v1", missed: int = 0) -> Finding:
    started = MONDAY + day * DAY
    return Finding(asset, f"{asset}.lan", vulnerability, "Old TLS", state, f"scan {day}", started, started, missed)


def ticket(status: Status | None, told: dict[str, str], agreed: Status | None = NEW, **more: Any) -> Ticket:
    """A ticket that has told of ``told``: the state of v1 on each asset."""
    return Ticket(
        "s1",
        halo_id=7,
        status=status,
        agreed=agreed,
        told={(asset, "v1"): state for asset, state in told.items()},
        **more,
    )


def steps(decision: Decision) -> list[Any]:
    """Kinds, with the status where one is set."""
    return [
        (step.kind.value, step.body["status"]) if "status" in step.body else step.kind.value for step in decision.steps
    ]


def text(decision: Decision) -> str:
    (comment,) = [step for step in decision.steps if step.kind is Kind.COMMENT]
    return str(comment.body["text"])


def reasons(decision: Decision) -> list[str]:
    return [one.reason for one in decision.not_done]


ALIVE = {"open": [finding("a1", "open")], "unconfirmed": [finding("a1", "unconfirmed")]}


@pytest.mark.parametrize("state", ALIVE)
@pytest.mark.parametrize("status", [NEW, PROGRESS, WONT, EXCEPTION])
def test_alive_and_nothing_new(status: Status, state: str) -> None:
    assert decide(ticket(status, {"a1": state}), ALIVE[state]) == Decision()


@pytest.mark.parametrize("state", ALIVE)
@pytest.mark.parametrize("status", [AWAITING, DONE])
def test_alive_and_no_scan_since_somebody_called_it_done(status: Status, state: str) -> None:
    decision = decide(ticket(status, {"a1": state}, changed=MONDAY + DAY), ALIVE[state])
    assert decision.steps == ()
    assert reasons(decision) == [f"waiting for a scan: 1 {state}; none since it was called done proves that it is gone"]
    assert not decision.not_done[0].needs_person


@pytest.mark.parametrize(
    ("after", "refuted"),
    [
        pytest.param(timedelta(seconds=61), True, id="later-than-the-skew"),
        pytest.param(timedelta(seconds=60), False, id="within-the-skew"),
        pytest.param(timedelta(0), False, id="at-that-moment"),
        pytest.param(-DAY, False, id="before"),
    ],
)
@pytest.mark.parametrize("status", [AWAITING, DONE])
def test_a_scan_that_started_later_refutes(status: Status, after: timedelta, refuted: bool) -> None:
    decision = decide(ticket(status, {"a1": "open"}, changed=MONDAY - after), [finding("a1", "open")])
    assert steps(decision) == (["comment", ("set-status", "In Progress")] if refuted else [])
    if refuted:
        assert text(decision) == (
            "A later scan still finds this on a1.lan.\n\nNow: 1 open.\n\nEvidence: scan 0 of 2026-03-02 02:00 UTC."
        )
        assert {step.reason for step in decision.steps} == {"a scan after it was called done still finds it on a1.lan"}


def test_a_larger_skew_of_the_clocks_counts() -> None:
    done = ticket(AWAITING, {"a1": "open"}, changed=MONDAY - timedelta(minutes=5))
    assert decide(done, [finding("a1", "open")], skew=timedelta(minutes=6)).steps == ()


def test_what_is_merely_unconfirmed_refutes_nobody() -> None:
    done = ticket(AWAITING, {"a1": "unconfirmed"}, changed=MONDAY - DAY)
    assert decide(done, [finding("a1", "unconfirmed")]).steps == ()


def test_a_ticket_whose_last_change_is_unknown_is_not_refuted() -> None:
    assert decide(ticket(AWAITING, {"a1": "open"}), [finding("a1", "open", 9)]).steps == ()


def test_a_second_refutation_is_another_comment() -> None:
    first = decide(ticket(AWAITING, {"a1": "open"}, changed=MONDAY), [finding("a1", "open", 1)])
    second = decide(ticket(AWAITING, {"a1": "open"}, changed=MONDAY + DAY), [finding("a1", "open", 2)])
    assert first.steps[0].key != second.steps[0].key


SETTLED = {
    "all-remediated": (["remediated", "remediated"], DONE, "2 remediated"),
    "some-excepted": (["excepted", "remediated"], DONE, "1 remediated, 1 excepted"),
    "some-out-of-coverage": (["left", "remediated"], DONE, "1 remediated, 1 out of coverage"),
    "some-moved": ([SUPERSEDED, "remediated"], DONE, "1 remediated, 1 moved to another solution"),
    "all-excepted": (["excepted", "excepted"], EXCEPTION, "2 excepted"),
    "excepted-and-out-of-the-project": (["excepted", OUT], EXCEPTION, "1 excepted, 1 no longer in the project"),
    "no-longer-reported": ([UNREPORTED, "excepted"], DONE, "1 no longer reported, 1 excepted"),
}


@pytest.mark.parametrize(("states", "target", "words"), SETTLED.values(), ids=SETTLED.keys())
@pytest.mark.parametrize("status", [NEW, PROGRESS, AWAITING])
def test_settled(status: Status, states: list[str], target: Status, words: str) -> None:
    findings = [finding(f"a{number}", state, 1) for number, state in enumerate(states)]
    decision = decide(ticket(status, {"a0": "open", "a1": "open"}), findings)
    assert steps(decision) == ["comment", ("set-status", target.value)]
    assert {step.reason for step in decision.steps} == {f"settled: {words}"}
    assert f"{words}, on a0.lan, a1.lan." in text(decision)
    assert ("scan 1 of 2026-03-03 02:00 UTC" in text(decision)) is ("remediated" in states)
    assert decision.steps[0].told == {f"a{number}|v1": state for number, state in enumerate(states)}


@pytest.mark.parametrize("state", ["left", SUPERSEDED, OUT])
@pytest.mark.parametrize("status", [NEW, PROGRESS, AWAITING])
def test_withdrawn_waits_for_an_approver(status: Status, state: str) -> None:
    findings = [finding("a1", state)]
    words = Counts.of(findings).in_words()
    first = decide(ticket(status, {"a1": "open"}), findings)
    assert steps(first) == ["comment"]
    assert reasons(first) == [f"withdrawn: {words}; an approver decides"]
    assert first.not_done[0].needs_person
    assert f"Now: {words}." in text(first)
    told = decide(ticket(status, {"a1": state}), findings)
    assert (told.steps, reasons(told)) == ((), reasons(first))
    released = decide(ticket(status, {"a1": state}), findings, released=True)
    assert steps(released) == ["comment", ("set-status", "Exception")]
    assert released.steps[1].reason == f"withdrawn, released by an approver: {words}"
    assert released.steps[1].body["withdrawn"]


@pytest.mark.parametrize("alive", ["open", "unconfirmed"])
@pytest.mark.parametrize("other", ["remediated", "excepted", "left", SUPERSEDED, OUT, UNREPORTED])
def test_anything_alive_keeps_a_ticket_alive(alive: str, other: str) -> None:
    decision = decide(ticket(PROGRESS, {"a1": "open", "a2": "open"}), [finding("a1", alive), finding("a2", other)])
    assert steps(decision) == ["comment"]


@pytest.mark.parametrize(
    ("states", "words"),
    [
        (["remediated"], "Confirmed by scans: 1 remediated."),
        (["excepted"], "Nothing of it is left to be done: 1 excepted."),
        (["left"], "Nothing of it is left to be done: 1 out of coverage."),
    ],
)
@pytest.mark.parametrize("status", sorted(ENDED))
def test_settled_and_closed_by_a_person_is_confirmed_once(status: Status, states: list[str], words: str) -> None:
    findings = [finding(f"a{number}", state) for number, state in enumerate(states)]
    closed = ticket(status, {"a0": "open"})
    decision = decide(closed, findings)
    assert steps(decision) == ["comment"]
    assert text(decision).startswith(words)
    assert decision.steps[0].body["agreed"] == status.value
    told = {one.pair: one.state for one in findings}
    assert decide(replace(closed, agreed=status, told=told), findings) == Decision()


def test_confirmed_also_where_a_comment_had_told_it_before() -> None:
    assert steps(decide(ticket(DONE, {"a1": "remediated"}), [finding("a1", "remediated")])) == ["comment"]


@pytest.mark.parametrize("status", [DONE, EXCEPTION])
@pytest.mark.parametrize(
    ("told", "now", "words"),
    [
        pytest.param({"a1": "remediated"}, finding("a1", "open", 3), "Found again after", id="rediscovered"),
        pytest.param({"a1": "excepted"}, finding("a1", "open", 3), "Found again after", id="exception-lapsed"),
        pytest.param(
            {"a1": "excepted"},
            finding("a1", "unconfirmed"),
            "Settled no longer, and not confirmed by a scan after",
            id="exception-lapsed-and-not-seen",
        ),
        pytest.param({"a2": "remediated"}, finding("a1", "open", 3), "New after", id="new"),
    ],
)
def test_what_comes_back_reopens(status: Status, told: dict[str, str], now: Finding, words: str) -> None:
    decision = decide(ticket(status, told, status), [now])
    assert steps(decision) == ["comment", ("reopen", "In Progress")]
    assert text(decision).startswith(f"{words} this ticket was {status.value}: a1.lan.")
    assert {step.reason for step in decision.steps} == {"1 finding came back on a1.lan"}
    assert decision.linked == ()


@pytest.mark.parametrize("status", [DONE, EXCEPTION])
def test_what_comes_back_opens_a_linked_ticket(status: Status) -> None:
    back = finding("a1", "open", 3)
    decision = decide(ticket(status, {"a1": "remediated"}, status), [back], linked=True)
    assert steps(decision) == ["comment"]
    assert decision.linked == (back,) and decision.not_done == ()
    assert "A new ticket has been opened for it." in text(decision)


def test_what_will_not_be_fixed_is_not_reopened_and_asked_about() -> None:
    decision = decide(ticket(WONT, {"a1": "remediated"}, WONT), [finding("a1", "open", 3)])
    assert steps(decision) == ["comment"]
    assert "Does that hold for what is new as well?" in text(decision)


def test_a_reopening_that_failed_after_its_comment_is_made_up_for() -> None:
    decision = decide(ticket(EXCEPTION, {"a1": "open"}, EXCEPTION), [finding("a1", "open")])
    assert steps(decision) == [("reopen", "In Progress")]


def test_closing_again_what_is_alive_waits_for_a_scan() -> None:
    # Scans settled it, somebody reopened it for something new that was told, and closes it again.
    closed = ticket(DONE, {"a1": "open"}, DONE, changed=MONDAY + DAY)
    assert decide(closed, [finding("a1", "open")]).steps == ()
    assert steps(decide(closed, [finding("a1", "open", 2)])) == ["comment", ("set-status", "In Progress")]


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize(
    "new", [finding("a2", "open"), finding("a1", "open", vulnerability="v2")], ids=["asset", "vulnerability"]
)
def test_a_new_asset_or_vulnerability_is_one_comment(status: Status, new: Finding) -> None:
    decision = decide(ticket(status, {"a1": "open"}, changed=MONDAY + DAY), [finding("a1", "open"), new])
    assert steps(decision) == ["comment"]
    assert decision.steps[0].reason == "news of 1 finding"
    assert text(decision).startswith(f"Open: {new.host}.")
    asked = f"The ticket is {status.value}. Does that hold for what is new as well?" in text(decision)
    assert asked is (status in (WONT, EXCEPTION))


@pytest.mark.parametrize("status", [WONT, EXCEPTION])
def test_no_question_where_nothing_is_new(status: Status) -> None:
    findings = [finding("a1", "remediated"), finding("a2", "open")]
    decision = decide(ticket(status, {"a1": "open", "a2": "open"}), findings)
    assert "?" not in text(decision)


NEWS = {
    "remediated": "Remediated",
    "excepted": "Accepted",
    "left": "Out of coverage",
    "unconfirmed": "No longer seen, not confirmed",
    SUPERSEDED: "Moved to another solution",
    OUT: "No longer in the project",
    UNREPORTED: "No longer reported",
}


@pytest.mark.parametrize(("state", "words"), NEWS.items(), ids=NEWS.keys())
def test_news_of_a_living_ticket(state: str, words: str) -> None:
    decision = decide(ticket(PROGRESS, {"a1": "open", "a2": "open"}), [finding("a1", state), finding("a2", "open")])
    assert text(decision).startswith(f"{words}: a1.lan.\n\nNow: 1 open, 1 " if state != "unconfirmed" else f"{words}:")


def test_a_long_list_is_capped_and_told_whole() -> None:
    findings = [finding(f"a{number:03}", "open") for number in range(232)]
    decision = decide(ticket(PROGRESS, {}), findings)
    assert "a019.lan ... and 212 more." in text(decision)
    assert len(decision.steps[0].evidence["assets"]) == len(decision.steps[0].told) == 232


@pytest.mark.parametrize("status", [NEW, PROGRESS])
@pytest.mark.parametrize("agreed", sorted(ENDED))
def test_a_person_reopens_what_is_settled(status: Status, agreed: Status) -> None:
    reopened = ticket(status, {"a1": "remediated"}, agreed)
    findings = [finding("a1", "remediated")]
    first = decide(reopened, findings)
    assert steps(first) == ["comment"]
    assert first.steps[0].body["reopened"] == "told"
    assert text(first).startswith("This is settled: 1 remediated. It stays open, because somebody opened it again.")
    second = decide(replace(reopened, told_of_reopening=True), findings)
    assert second.steps == ()
    assert reasons(second) == ["somebody opened it again after it was settled: 1 remediated"]


def test_a_reopened_ticket_is_closed_again_once_something_changes() -> None:
    reopened = ticket(PROGRESS, {"a1": "remediated", "a2": "open"}, DONE, told_of_reopening=True)
    decision = decide(reopened, [finding("a1", "remediated"), finding("a2", "remediated")])
    assert steps(decision) == ["comment", ("set-status", "Remediated")]


def test_one_closed_status_for_several_does_not_look_reopened() -> None:
    # Such an instance's closed ticket reads as Awaiting Verification, as does one that somebody calls done once more.
    decision = decide(ticket(AWAITING, {"a1": "remediated"}, DONE), [finding("a1", "remediated")])
    assert steps(decision) == ["comment", ("set-status", "Remediated")]
    assert text(decision).startswith("Settled by scans: 1 remediated, on a1.lan.")


def test_a_settling_that_failed_after_its_comment_is_made_up_for() -> None:
    decision = decide(ticket(PROGRESS, {"a1": "remediated"}, settling=True), [finding("a1", "remediated")])
    assert steps(decision) == [("set-status", "Remediated")]


def test_a_settling_of_a_reopened_ticket_that_failed_after_its_comment_is_made_up_for() -> None:
    reopened = ticket(PROGRESS, {"a1": "remediated", "a2": "open"}, DONE, told_of_reopening=True)
    findings = [finding("a1", "remediated"), finding("a2", "remediated")]
    comment = decide(reopened, findings).steps[0]
    assert comment.body["settling"]
    told = {tuple(pair.split("|")): state for pair, state in comment.told.items()}
    broken_off = replace(reopened, told=told, told_of_reopening=False, settling=True)
    assert steps(decide(broken_off, findings)) == [("set-status", "Remediated")]


@pytest.mark.parametrize("status", [*Status, None])
def test_the_ticket_follows_its_findings(status: Status | None) -> None:
    decision = decide(ticket(status, {"a1": "open"}), [finding("a1", "open")], moved="s2")
    assert steps(decision) == ["comment"]
    assert text(decision).startswith("All that is left of this moved to another solution: s2.")


def test_a_move_and_news_are_one_comment() -> None:
    decision = decide(ticket(PROGRESS, {"a1": "open"}), [finding("a1", "open"), finding("a2", "open")], moved="s2")
    assert steps(decision) == ["comment"]
    assert text(decision).startswith("All that is left of this moved to another solution: s2.\n\nOpen: a2.lan.")


@pytest.mark.parametrize("state", ["open", "remediated"])
def test_an_unmapped_status(state: str) -> None:
    decision = decide(ticket(None, {"a1": "open"}), [finding("a1", state)])
    assert decision.steps == ()
    assert reasons(decision) == ["its status in HaloITSM is not mapped to one of ours"]
    assert decision.not_done[0].key == "s1/1" and decision.not_done[0].needs_person


@pytest.mark.parametrize("status", [NEW, PROGRESS])
def test_what_is_no_longer_reported_awaits_verification(status: Status) -> None:
    findings = [finding("a1", "unconfirmed", missed=1)]
    decision = decide(ticket(status, {"a1": "open"}), findings)
    assert steps(decision) == ["comment", ("set-status", "Awaiting Verification")]
    # Somebody who moves it back is respected.
    assert decide(ticket(status, {"a1": "unconfirmed"}, AWAITING), findings).steps == ()


@pytest.mark.parametrize(
    "findings",
    [
        [finding("a1", "unconfirmed")],
        [finding("a1", "unconfirmed", missed=1), finding("a2", "open")],
        [finding("a1", "unconfirmed", missed=1), finding("a2", "unconfirmed")],
    ],
    ids=["a-weak-scan", "one-still-reported", "one-by-a-weak-scan"],
)
def test_what_does_not_await_verification(findings: list[Finding]) -> None:
    assert steps(decide(ticket(PROGRESS, {"a1": "open", "a2": "open"}), findings)) == ["comment"]


# Properties

STATES = ["open", "unconfirmed", "remediated", "excepted", "left", SUPERSEDED, OUT, UNREPORTED]
findings_lists = st.dictionaries(st.sampled_from(["a1", "a2", "a3"]), st.sampled_from(STATES), min_size=1).flatmap(
    lambda states: st.lists(st.integers(0, 4), min_size=len(states), max_size=len(states)).map(
        lambda days: [finding(asset, state, day) for (asset, state), day in zip(sorted(states.items()), days)]
    )
)
tickets = st.builds(
    ticket,
    st.sampled_from([*Status, None]),
    st.dictionaries(st.sampled_from(["a1", "a2", "a3"]), st.sampled_from(STATES)),
    st.sampled_from([*Status, None]),
    changed=st.none() | st.integers(0, 4).map(lambda day: MONDAY + day * DAY - timedelta(hours=1)),
    told_of_reopening=st.booleans(),
)


@given(tickets, findings_lists, st.booleans(), st.sampled_from(["", "s2"]), st.booleans())
def test_at_most_one_comment_and_one_status(
    one: Ticket, findings: list[Finding], linked: bool, moved: str, released: bool
) -> None:
    kinds = [step.kind for step in decide(one, findings, linked=linked, moved=moved, released=released).steps]
    assert kinds.count(Kind.COMMENT) <= 1
    assert len(kinds) - kinds.count(Kind.COMMENT) <= 1
    assert kinds == sorted(kinds, key=[Kind.COMMENT, Kind.SET_STATUS, Kind.REOPEN].index)


@given(tickets, findings_lists, st.booleans())
def test_nothing_is_settled_while_anything_is_open_or_unconfirmed(
    one: Ticket, findings: list[Finding], linked: bool
) -> None:
    ends = [step for step in decide(one, findings, linked=linked).steps if step.body.get("status") in list(ENDED)]
    if any(each.is_alive for each in findings):
        assert ends == []
    if not any(each.state in ("remediated", "excepted", UNREPORTED) for each in findings):
        assert ends == []


@given(tickets, findings_lists, st.randoms(use_true_random=False))
def test_the_order_of_findings_does_not_matter(one: Ticket, findings: list[Finding], chance: Any) -> None:
    shuffled = list(findings)
    chance.shuffle(shuffled)
    assert [step.key for step in decide(one, findings).steps] == [step.key for step in decide(one, shuffled).steps]


@pytest.mark.parametrize("status", [NEW, PROGRESS, AWAITING, DONE, WONT, EXCEPTION])
@pytest.mark.parametrize("state", ["open", "unconfirmed", "remediated", "excepted", "left"])
def test_a_ticket_that_findings_were_tied_to_is_told_so_once(status: Status, state: str) -> None:
    found = [finding("a1", state)]
    tied = ticket(status, {"a1": state}, tied="anna tied it")
    decision = decide(tied, found, about="All about it.")
    assert text(decision).startswith("anna tied it\n\nAll about it.\n\n")
    # Nothing is told of it while its status is not known.
    assert not decide(replace(tied, status=None), found).steps
    # And once it was told, it is as any other.
    after = [step for step in decide(replace(tied, tied=""), found).steps if step.kind is Kind.COMMENT]
    assert not any("anna tied it" in str(step.body["text"]) for step in after)
