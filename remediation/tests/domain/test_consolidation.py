"""Which tickets and findings could be one, whatever order they come in, and what was decided before."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from remediation.domain.consolidation import About, Candidate, Decided, Loose, Suggestion, suggested
from remediation.domain.status import ENDED, Status

DAY = datetime(2026, 11, 20, tzinfo=timezone.utc)
DEVICE, SOLUTION = About.DEVICE, About.SOLUTION


def one(number: int, findings: int = 1, **known: Any) -> Candidate:
    """A ticket of its number's age, on device 7 where nothing else is said."""
    usual = {"connection": 1, "granularity": "vulnerability", "made": DAY + timedelta(days=number), "device": "7"}
    return Candidate(number=number, findings=findings, **{**usual, **known})


def told(rows: list[Suggestion]) -> list[tuple[str, str, tuple[int, ...]]]:
    return [(row.about.value, row.subject, row.tickets) for row in rows]


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ([], []),
        ([one(1)], []),
        ([one(1), one(2, device="8")], []),
        # Over many devices and solutions.
        ([one(1, device=None), one(2, device=None)], []),
        ([one(1), one(2)], [("device", "7", (1, 2))]),
        ([one(1, device=None, solution="3:s"), one(2, solution="3:s")], [("solution", "3:s", (1, 2))]),
        # HaloITSM's of two connections know nothing of each other.
        ([one(1), one(2, connection=2)], []),
        # The one with the most findings stays, then the oldest.
        ([one(1, 2), one(2, 5), one(3, 3)], [("device", "7", (2, 3, 1))]),
        ([one(1, 2, made=DAY + timedelta(days=9)), one(2, 2), one(3, 2)], [("device", "7", (2, 3, 1))]),
        ([one(5, 2, made=DAY), one(4, 2, made=DAY)], [("device", "7", (4, 5))]),
        # Both on one device and with one solution: that is one job.
        ([one(1, solution="3:s"), one(2, solution="3:s")], [("solution", "3:s", (1, 2))]),
        # What is within another suggestion is left out; what overlaps it is not.
        ([one(1, solution="3:s"), one(2, solution="3:s"), one(3)], [("device", "7", (1, 2, 3))]),
        (
            [one(1, solution="3:s"), one(2, device="8", solution="3:s"), one(3)],
            [("device", "7", (1, 3)), ("solution", "3:s", (1, 2))],
        ),
        # By owner, so that each owner has one.
        (
            [one(1, device=None, solution="3:s", granularity="solution-owner"), one(2, device=None, solution="3:s")],
            [],
        ),
        ([one(1, granularity="solution-owner"), one(2)], [("device", "7", (1, 2))]),
        # Several suggestions: those that save most come first.
        (
            [one(1), one(2), one(3, device="8"), one(4, device="8"), one(5, device="8")],
            [("device", "8", (3, 4, 5)), ("device", "7", (1, 2))],
        ),
    ],
)
def test_tickets_that_could_be_one(rows: list[Candidate], wanted: list[Any]) -> None:
    assert told(suggested(rows)) == wanted


@pytest.mark.parametrize(
    "known",
    [
        *({"status": status} for status in sorted(ENDED)),
        {"status": None},
        {"findings": 0},
        *({"aside": word} for word in ("paused", "detached", "missing")),
    ],
)
def test_who_takes_no_part(known: dict[str, Any]) -> None:
    without = replace(one(3, 9), **known)
    assert told(suggested([one(1), without])) == []
    assert told(suggested([one(1), one(2), without])) == [("device", "7", (1, 2))]


@pytest.mark.parametrize("status", [Status.NOT_STARTED, Status.IN_PROGRESS, Status.AWAITING_VERIFICATION])
def test_who_takes_part(status: Status) -> None:
    assert told(suggested([one(1), one(2, status=status)])) == [("device", "7", (1, 2))]


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([one(1, 2), one(2, 5)], "it has the most findings, 5"),
        ([one(1, 5), one(2, 5)], "of those with the most findings, 5, it is the oldest"),
        ([one(1, 5), one(2, 1), one(3, 1)], "it has the most findings, 5"),
    ],
)
def test_it_says_why_one_stays(rows: list[Candidate], why: str) -> None:
    (found,) = suggested(rows)
    assert found.why == why and found.saved == len(rows) - 1
    assert found.findings == sum(row.findings for row in rows)


def rejected(*tickets: int, about: About = DEVICE, subject: str = "7") -> Decided:
    return Decided(about, subject, frozenset(tickets))


def carried_out(stays: int, *others: int, is_open: bool = True) -> Decided:
    return Decided(DEVICE, "7", frozenset({stays, *others}), stays=stays, is_open=is_open)


ROWS = [one(1, 5), one(2, 4), one(3, 3)]


@pytest.mark.parametrize(
    ("decided", "wanted"),
    [
        ([rejected(1, 2, 3)], []),
        # Smaller is nothing new, and neither is another reason for the same tickets.
        ([rejected(1, 2, 3, 4)], []),
        ([rejected(1, 2, 3, about=SOLUTION, subject="3:s")], []),
        ([rejected(1, 2)], [("device", "7", (1, 2, 3))]),
        ([rejected(1, 2), rejected(1, 2, 3)], []),
        # Of findings without a ticket: that is another matter.
        ([Decided(DEVICE, "7", vulnerabilities=frozenset({"v"}))], [("device", "7", (1, 2, 3))]),
        # Joined already.
        ([carried_out(1, 2, 3)], []),
        ([carried_out(1, 2)], [("device", "7", (1, 3))]),
        # Whoever others were joined to stays, whatever it tells of.
        ([carried_out(3, 2)], [("device", "7", (3, 1))]),
        # The one that stayed is gone or done: the others are free again.
        ([carried_out(9, 1, 2, is_open=False)], [("device", "7", (1, 2, 3))]),
        # It is about more than this device now, and the others are joined to it still.
        ([carried_out(9, 1, 2)], []),
    ],
)
def test_what_was_decided_does_not_come_back(decided: list[Decided], wanted: list[Any]) -> None:
    assert told(suggested(ROWS, (), decided)) == wanted


def test_one_to_which_others_were_joined_stays_and_it_says_so() -> None:
    (found,) = suggested(ROWS, (), [carried_out(3, 2)])
    assert found.why == "others were joined to it before"
    # It is done: joined ones can be joined anew.
    ended = [replace(row, status=Status.REMEDIATED) if row.number == 3 else row for row in ROWS]
    assert told(suggested(ended, (), [carried_out(3, 2, is_open=False)])) == [("device", "7", (1, 2))]


def loose(findings: int, *vulnerabilities: str, subject: str = "3:s") -> Loose:
    return Loose(SOLUTION, subject, findings, 2, frozenset(vulnerabilities))


@pytest.mark.parametrize(
    ("rows", "decided", "wanted"),
    [
        ([loose(1, "v")], [], []),
        ([loose(4, "v", "w")], [], [("3:s", 3)]),
        ([loose(4, "v", "w")], [Decided(SOLUTION, "3:s", vulnerabilities=frozenset({"v", "w"}))], []),
        ([loose(4, "v")], [Decided(SOLUTION, "3:s", vulnerabilities=frozenset({"v", "w"}))], []),
        ([loose(4, "v", "x")], [Decided(SOLUTION, "3:s", vulnerabilities=frozenset({"v", "w"}))], [("3:s", 3)]),
        ([loose(4, "v")], [Decided(SOLUTION, "3:t", vulnerabilities=frozenset({"v"}))], [("3:s", 3)]),
        ([loose(4, "v")], [Decided(DEVICE, "3:s", vulnerabilities=frozenset({"v"}))], [("3:s", 3)]),
        # Tickets that were rejected are another matter.
        ([loose(4)], [Decided(SOLUTION, "3:s", frozenset({1, 2}))], [("3:s", 3)]),
        ([loose(2, "v"), loose(9, "v", subject="3:t")], [], [("3:t", 8), ("3:s", 1)]),
    ],
)
def test_findings_that_could_be_told_in_one(rows: list[Loose], decided: list[Decided], wanted: list[Any]) -> None:
    assert [(row.subject, row.saved) for row in suggested([], rows, decided)] == wanted


def test_tickets_come_before_findings_and_keys_differ() -> None:
    found = suggested([one(1), one(2)], [loose(900, "v"), Loose(DEVICE, "7", 50, 1, frozenset({"v"}))])
    assert [bool(row.tickets) for row in found] == [True, False, False]
    assert len({row.key for row in found}) == 3
    grown = suggested([one(1), one(2), one(3)])
    assert grown[0].key == found[0].key and grown[0].version != found[0].version


candidates = some.builds(
    Candidate,
    number=some.integers(1, 12),
    connection=some.integers(1, 2),
    granularity=some.sampled_from(["solution", "solution-owner", "asset", "vulnerability"]),
    made=some.sampled_from([DAY, DAY + timedelta(days=1)]),
    findings=some.integers(0, 3),
    status=some.sampled_from([*Status, None]),
    device=some.sampled_from([None, "7", "8"]),
    solution=some.sampled_from([None, "3:s", "3:t"]),
    aside=some.sampled_from(["", "", "", "paused"]),
)
decisions = some.builds(
    Decided,
    about=some.just(DEVICE),
    subject=some.just("7"),
    tickets=some.frozensets(some.integers(1, 12), min_size=2, max_size=4),
    stays=some.one_of(some.none(), some.integers(1, 12)),
)


@given(
    some.lists(candidates, max_size=10, unique_by=lambda row: row.number),
    some.lists(decisions, max_size=3),
    some.randoms(use_true_random=False),
)
def test_the_order_of_rows_says_nothing(rows: list[Candidate], decided: list[Decided], chance: Any) -> None:
    found = suggested(rows, (), decided)
    shuffled, others = list(rows), list(decided)
    chance.shuffle(shuffled)
    chance.shuffle(others)
    assert suggested(shuffled, (), others) == found
    by_number = {row.number: row for row in rows}
    for row in found:
        mine = [by_number[number] for number in row.tickets]
        assert len(set(row.tickets)) == len(mine) >= 2 and all(each.takes_part for each in mine)
        assert len({each.connection for each in mine}) == 1
        assert not any(set(row.tickets) < set(other.tickets) for other in found)
    # Once all is carried out, and so on, nothing is left to be suggested.
    for _ in range(len(rows)):
        decided = [
            *decided,
            *(Decided(row.about, row.subject, frozenset(row.tickets), stays=row.tickets[0]) for row in found),
        ]
        found = suggested(rows, (), decided)
    assert not found
