"""What is different between kept tickets and HaloITSM's, case by case."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from remediation.domain.marks import mark, marks_in, said_by
from remediation.domain.reconciling import Difference, Kept, Kind, Owner, There, differences, parsed

REFERENCE = "remediation:dmz:s1:1"
KEPT = Kept("DMZ: s1/1", REFERENCE, 7, status=1, agent=1, due=date(2026, 12, 1), type=21, parent=5)
THERE = There(7, REFERENCE, status=1, agent=1, due=date(2026, 12, 1), type=21, parent=5)
OWNERS = {"dmz": Owner("DMZ"), "lab": Owner("Lab", elsewhere="second"), "dark": Owner("Dark", unread="no list")}
NAMES = {1: "New", 2: "In Progress"}


def found(kept: Kept | None, *there: There, given_up: tuple[str, ...] = ()) -> list[Difference]:
    by_number = {one.number: one for one in there}
    return differences([kept] if kept else [], by_number, OWNERS, given_up, NAMES)


@pytest.mark.parametrize(
    ("kept", "there", "kinds"),
    [
        ({}, {}, []),
        ({}, None, [Kind.GONE]),
        ({"is_missing": True}, None, []),
        ({}, {"merged_into": 9}, [Kind.MERGED]),
        ({"is_missing": True}, {"merged_into": 9}, []),
        ({"is_missing": True}, {}, [Kind.BACK]),
        ({}, {"status": 2}, [Kind.STATUS]),
        ({}, {"status": None}, []),
        ({}, {"agent": 3}, [Kind.AGENT]),
        ({"agent": None}, {"agent": 3}, []),
        ({}, {"due": date(2027, 1, 1)}, [Kind.DUE]),
        ({}, {"due": None}, []),
        ({}, {"type": 28}, [Kind.TYPE]),
        ({"type": None}, {"type": 28}, []),
        ({}, {"parent": 6}, [Kind.PARENT]),
        ({}, {"parent": None}, [Kind.PARENT]),
        ({"parent": None}, {"parent": 6}, []),
        ({}, {"reference": "PO-1"}, [Kind.REFERENCE]),
        ({}, {"reference": ""}, []),
        ({"other_reference": "PO-1"}, {"reference": "PO-1"}, []),
        ({"is_elsewhere": True}, {"reference": "PO-1"}, []),
        ({}, {"said": "ab"}, [Kind.SAID]),
        ({"heard": "ab"}, {"said": "ab"}, []),
        ({"heard": "ab"}, {"said": "cd"}, [Kind.SAID]),
        ({"is_detached": True}, {"status": 2, "parent": 6}, []),
        ({"is_detached": True}, None, []),
        ({"open": "the next run looks"}, {}, [Kind.OPEN]),
        ({"is_missing": True}, {"status": 2, "agent": 3}, [Kind.BACK, Kind.STATUS, Kind.AGENT]),
    ],
)
def test_a_kept_ticket(kept: dict[str, object], there: dict[str, object] | None, kinds: list[Kind]) -> None:
    shown = [] if there is None else [replace(THERE, **there)]  # type: ignore[arg-type]  # a table of fields
    got = found(replace(KEPT, **kept), *shown)  # type: ignore[arg-type]  # as above
    assert [one.kind for one in got] == kinds
    assert all(one.number == 7 and one.of == "DMZ: s1/1" and one.found and one.remedy for one in got)


TWIN = There(9, REFERENCE)


@pytest.mark.parametrize(
    ("kept", "twin", "kinds"),
    [
        ({}, {}, [Kind.TWINS]),
        ({}, {"is_closed": True}, []),
        ({}, {"merged_into": 7}, []),
        ({"twins": frozenset({9})}, {}, []),
        ({"looks_for_twins": True}, {}, []),
        ({"is_elsewhere": True}, {}, []),
        ({"is_detached": True}, {}, []),
    ],
)
def test_another_ticket_with_its_reference(kept: dict[str, object], twin: dict[str, object], kinds: list[Kind]) -> None:
    got = found(replace(KEPT, **kept), THERE, replace(TWIN, **twin))  # type: ignore[arg-type]  # a table of fields
    assert [one.kind for one in got] == kinds


@pytest.mark.parametrize(
    ("reference", "kind", "words"),
    [
        ("remediation:dmz:s2:1", Kind.UNKNOWN, "is adopted by the project 'DMZ'"),
        ("remediation:dmz:a:b:c:12", Kind.UNKNOWN, "is adopted"),
        ("remediation:gone:s2:1", Kind.LEFT, "does not exist any more"),
        ("remediation:lab:s2:1", Kind.LEFT, "belongs to the connection 'second'"),
        ("remediation:dark:s2:1", Kind.LEFT, "not everything could be read: no list"),
        ("remediation:dmz:old:1", Kind.LEFT, "another one made in its place"),
    ],
)
def test_a_ticket_that_is_in_no_store(reference: str, kind: Kind, words: str) -> None:
    (one,) = found(KEPT, THERE, There(9, reference), given_up=("remediation:dmz:old:1",))
    assert (one.kind, one.number, one.is_applied) == (kind, 9, kind is Kind.UNKNOWN) and words in one.remedy


@pytest.mark.parametrize("reference", ["", "PO-1", "remediation:dmz:s1", "remediation::s1:1", "remediation:dmz:s1:one"])
def test_what_is_no_reference_of_ours_is_nothing(reference: str) -> None:
    assert parsed(reference) is None and not found(None, There(9, reference))


def test_of_two_with_one_reference_the_lowest_is_adopted() -> None:
    (one,) = found(None, There(12, "remediation:dmz:s2:1"), There(9, "remediation:dmz:s2:1"))
    assert (one.kind, one.number, one.also) == (Kind.UNKNOWN, 9, (12,)) and "closes the others" in one.remedy


def test_what_somebody_else_made_is_not_adopted() -> None:
    copy, ours = There(8, "remediation:dmz:s2:1", is_copy=True), There(9, "remediation:dmz:s2:1")
    (one,) = found(None, copy)
    assert one.kind is Kind.LEFT and "somebody else made it" in one.remedy
    (one,) = found(None, copy, ours)
    assert (one.kind, one.number, one.also) == (Kind.UNKNOWN, 9, (8,))


def test_a_ticket_that_is_about_to_be_made_is_the_next_runs() -> None:
    begun = replace(KEPT, number=None, open="the next run looks for its reference")
    assert [one.kind for one in found(begun, There(9, REFERENCE))] == [Kind.OPEN]
    # One that was only planned is made by nobody else.
    assert [one.kind for one in found(replace(begun, open=""), There(9, REFERENCE))] == [Kind.UNKNOWN]


def test_what_a_comment_says_is_what_is_alive() -> None:
    told = {"a1|v1": "open", "a2|v2": "remediated"}
    assert said_by(told, {}) == said_by({"a1|v1": "open"}, {}) != said_by({"a1|v1": "unconfirmed"}, {})
    assert said_by({}, {"numbers": "1 New"}) != said_by({}, {"numbers": "2 New"})
    own, said = mark("s1/1/comment/ab", 0), said_by(told, {})
    assert own != mark("s1/1/comment/ab", 1)
    assert marks_in(f"Open: a1.\n\n[{own}] [={said}]") == (own, said)
    assert marks_in(f"Open: a1.\n\n[{own}]") is None
    respected = said_by(told, {"reopened": "2026-11-20"})
    assert respected == f"{said}!" and marks_in(f"It stays open.\n\n[{own}] [={respected}]") == (own, respected)
