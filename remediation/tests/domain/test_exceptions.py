"""What is asked for, extended and recalled, in tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone

import pytest

from remediation.domain.exceptions import (
    LATE,
    LONGEST_COMMENT,
    REFERENCE,
    Act,
    Asked,
    Listed,
    State,
    Wanted,
    comment_of,
    decide,
    read_back,
)

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=timezone.utc)
DAY, LATER = date(2026, 12, 31), date(2027, 3, 31)
PAIR = ("41", "ssl-beast")
MARK = REFERENCE + "0" * 32
WANTED = Wanted(7, DAY)


def asked(state: State, **more: object) -> Asked:
    known = Asked(7, DAY, MARK, state, 5 if state not in (State.WAITING, State.COVERED, State.REFUSED) else None)
    return replace(known, **more)  # type: ignore[arg-type]


def listed(state: str, comment: str = f"Accepted\nReference: {MARK}", **more: object) -> Listed:
    return replace(Listed(5, "asset", "41", "SSL-BEAST", state, comment, DAY), **more)  # type: ignore[arg-type]


BEGUN = {"doing": Act.SUBMIT, "since": NOW - timedelta(minutes=1), "number": None}


@pytest.mark.parametrize(
    ("before", "there", "after"),
    [
        # The console's words, in any letters.
        (asked(State.ASKED), listed("under review"), (State.UNDER_REVIEW, Act.NONE, 5)),
        (asked(State.ASKED), listed("Approved"), (State.APPROVED, Act.NONE, 5)),
        (asked(State.UNDER_REVIEW), listed("rejected"), (State.REJECTED, Act.NONE, 5)),
        (asked(State.APPROVED), listed("expired"), (State.EXPIRED, Act.NONE, 5)),
        (asked(State.APPROVED), listed("deleted"), (State.DELETED, Act.NONE, 5)),
        (asked(State.APPROVED), listed("pondered"), (State.OTHER, Act.NONE, 5)),
        (asked(State.APPROVED), None, (State.DELETED, Act.NONE, 5)),
        # Only what has our reference, our asset and our vulnerability is ours.
        (asked(State.APPROVED), listed("approved", "by hand"), (State.DELETED, Act.NONE, 5)),
        (asked(State.APPROVED), listed("approved", of="42"), (State.DELETED, Act.NONE, 5)),
        (asked(State.APPROVED), listed("approved", scope="Site"), (State.DELETED, Act.NONE, 5)),
        # A submit whose outcome is not known.
        (asked(State.ASKED, **BEGUN), listed("under review"), (State.UNDER_REVIEW, Act.NONE, 5)),
        (asked(State.ASKED, **BEGUN), None, (State.ASKED, Act.SUBMIT, None)),
        (asked(State.ASKED, **{**BEGUN, "since": NOW - LATE}), None, (State.WAITING, Act.NONE, None)),
        # It came when it was given up already.
        (asked(State.WAITING), listed("under review"), (State.UNDER_REVIEW, Act.NONE, 5)),
        # A recall whose outcome is not known.
        (asked(State.UNDER_REVIEW, doing=Act.RECALL, since=NOW), listed("deleted"), (State.RECALLED, Act.NONE, 5)),
        (asked(State.UNDER_REVIEW, doing=Act.RECALL, since=NOW), None, (State.RECALLED, Act.NONE, 5)),
        (asked(State.UNDER_REVIEW, doing=Act.RECALL, since=NOW), listed("approved"), (State.APPROVED, Act.NONE, 5)),
        (
            asked(State.UNDER_REVIEW, doing=Act.RECALL, since=NOW),
            listed("under review"),
            (State.UNDER_REVIEW, Act.NONE, 5),
        ),
        (asked(State.RECALLED), listed("deleted"), (State.RECALLED, Act.NONE, 5)),
        (asked(State.RECALLED), None, (State.RECALLED, Act.NONE, 5)),
        (asked(State.COVERED), None, (State.COVERED, Act.NONE, None)),
    ],
)
def test_what_the_list_tells(before: Asked, there: Listed | None, after: tuple[State, Act, int | None]) -> None:
    read = read_back({PAIR: before}, [there] if there else [], NOW)[PAIR]
    assert (read.state, read.doing, read.number) == after
    assert read_back({PAIR: read}, [there] if there else [], NOW)[PAIR] == read, "a second look changes nothing"


@pytest.mark.parametrize(("until", "known"), [(LATER, LATER), (DAY, DAY), (None, LATER)])
def test_an_extension_whose_outcome_is_not_known(until: date | None, known: date) -> None:
    before = asked(State.APPROVED, doing=Act.EXTEND, until=LATER, since=NOW)
    read = read_back({PAIR: before}, [listed("approved", until=until)], NOW)[PAIR]
    assert (read.until, read.doing) == (known, Act.NONE)


SUBMIT, RECALL, EXTEND, NONE = Act.SUBMIT, Act.RECALL, Act.EXTEND, Act.NONE
UNCHANGED = "unchanged"


@pytest.mark.parametrize(
    ("want", "holds", "known", "there", "act", "state"),
    [
        # Nothing was asked for yet.
        (WANTED, DAY, None, None, SUBMIT, State.ASKED),
        (WANTED, DAY, None, listed("under review", "by hand"), NONE, State.COVERED),
        (WANTED, DAY, None, listed("approved", "by hand", scope="Asset"), NONE, State.COVERED),
        (WANTED, DAY, None, listed("rejected", "by hand"), SUBMIT, State.ASKED),
        (WANTED, DAY, None, listed("approved", "by hand", of="42"), SUBMIT, State.ASKED),
        (WANTED, DAY, None, listed("approved", "by hand", scope="site"), SUBMIT, State.ASKED),
        (WANTED, DAY, asked(State.COVERED), None, SUBMIT, State.ASKED),
        (None, None, asked(State.COVERED), None, NONE, None),
        (None, None, asked(State.WAITING), None, NONE, None),
        (WANTED, DAY, asked(State.WAITING), None, UNCHANGED, State.WAITING),
        (WANTED, DAY, asked(State.WAITING, released=True), None, SUBMIT, State.ASKED),
        # It was asked for, and the acceptance holds: also where its finding is gone, or excepted by just this.
        (WANTED, DAY, asked(State.UNDER_REVIEW), None, UNCHANGED, None),
        (None, DAY, asked(State.UNDER_REVIEW), None, UNCHANGED, None),
        (None, DAY, asked(State.APPROVED), None, UNCHANGED, None),
        # Renewed.
        (None, LATER, asked(State.APPROVED), None, EXTEND, State.APPROVED),
        (None, LATER, asked(State.UNDER_REVIEW), None, EXTEND, State.UNDER_REVIEW),
        (None, LATER, asked(State.REJECTED), None, UNCHANGED, None),
        (Wanted(7, LATER), LATER, asked(State.EXPIRED), None, SUBMIT, State.ASKED),
        (WANTED, DAY, asked(State.EXPIRED), None, UNCHANGED, None),
        # Withdrawn or over: only what nobody has judged is recalled.
        (None, None, asked(State.ASKED), None, RECALL, State.ASKED),
        (None, None, asked(State.UNDER_REVIEW), None, RECALL, State.UNDER_REVIEW),
        (None, None, asked(State.APPROVED), None, NONE, State.APPROVED),
        (None, None, asked(State.REJECTED), None, UNCHANGED, None),
        (None, None, asked(State.EXPIRED), None, UNCHANGED, None),
        (None, None, asked(State.DELETED), None, UNCHANGED, None),
        (None, None, asked(State.OTHER), None, UNCHANGED, None),
        (None, None, asked(State.RECALLED), None, UNCHANGED, None),
        # Another acceptance covers it as well.
        (Wanted(9, DAY), None, asked(State.UNDER_REVIEW), None, NONE, State.UNDER_REVIEW),
        # Rejected, deleted or refused: not again, unless a person has accepted the risk anew.
        (WANTED, DAY, asked(State.REJECTED), None, UNCHANGED, None),
        (WANTED, DAY, asked(State.DELETED), None, UNCHANGED, None),
        (WANTED, DAY, asked(State.REFUSED), None, UNCHANGED, None),
        (Wanted(9, DAY), None, asked(State.REJECTED), None, SUBMIT, State.ASKED),
        (Wanted(9, DAY), None, asked(State.RECALLED), None, SUBMIT, State.ASKED),
        # What is not settled is left alone.
        (None, None, asked(State.ASKED, **BEGUN), None, UNCHANGED, None),
        (WANTED, DAY, asked(State.ASKED, **BEGUN), None, UNCHANGED, None),
    ],
)
def test_what_is_done(
    want: Wanted | None,
    holds: date | None,
    known: Asked | None,
    there: Listed | None,
    act: Act | str,
    state: State | None,
) -> None:
    said = "Waits for an approver: one run asks for 1 at most."
    if known is not None and known.state is State.WAITING and not known.released:
        known = replace(known, said=said)
    before = {PAIR: known} if known else {}
    wanted, holding = {PAIR: want} if want else {}, {7: holds} if holds else {}
    if want:
        holding[want.acceptance] = want.until
    decisions = decide(wanted, holding, before, [there] if there else [], 1)
    if act == UNCHANGED:
        assert decisions == []
        return
    (one,) = decisions
    assert (one.act, one.asked.state if one.asked else None) == (act, state)
    if one.asked and act is SUBMIT and want:
        assert (one.asked.until, one.asked.acceptance) == (want.until, want.acceptance)


def test_more_than_the_cap_waits_and_does_not_trickle_through() -> None:
    wanted = {(str(number), "v"): Wanted(7, DAY) for number in range(5)}
    first = decide(wanted, {7: DAY}, {}, [], 2)
    assert [one.act for one in first] == [SUBMIT, SUBMIT, NONE, NONE, NONE]
    kept = {one.pair: replace(one.asked, number=1 if one.act is SUBMIT else None) for one in first if one.asked}
    assert decide(wanted, {7: DAY}, kept, [], 2) == []
    released = {pair: replace(one, released=True) for pair, one in kept.items()}
    assert [one.act for one in decide(wanted, {7: DAY}, released, [], 0)] == [SUBMIT] * 3


def test_a_comment_names_who_accepts_it_and_keeps_its_reference() -> None:
    comment = comment_of("Isolated", "anna", DAY, MARK)
    assert comment == f"Accepted by anna until 2026-12-31: Isolated\nReference: {MARK}"
    long = comment_of("x" * 5000, "anna", DAY, MARK)
    assert len(long) == LONGEST_COMMENT and long.endswith(f"...\nReference: {MARK}")
