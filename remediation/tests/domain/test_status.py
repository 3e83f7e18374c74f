"""The six statuses, and how they stand for an instance's own."""

from __future__ import annotations

import itertools

import pytest

from remediation.domain.status import ENDED, PRECEDENCE, Status, StatusMap, of_parent

NEW, PROGRESS, AWAITING, DONE, WONT, EXCEPTION = Status
USUAL = {
    1: "New",
    2: "In Progress",
    3: "Awaiting Verification",
    8: "Resolved",
    21: "Closed - Won't Fix",
    22: "Closed - Exception",
}
NUMBERS = {NEW: 1, PROGRESS: 2, AWAITING: 3, DONE: 8, WONT: 21, EXCEPTION: 22}


def test_the_last_three_end_a_tickets_work() -> None:
    assert ENDED == {DONE, WONT, EXCEPTION}


def test_the_defaults_by_name() -> None:
    assert StatusMap.of(USUAL, {}).write == NUMBERS


@pytest.mark.parametrize(("status", "number"), NUMBERS.items(), ids=lambda value: str(value))
def test_each_is_read_as_it_is_written(status: Status, number: int) -> None:
    assert StatusMap.of(USUAL, {}).read(number) is status


def test_names_are_compared_without_regard_to_case() -> None:
    assert StatusMap.of({5: "nEW"}, {}).write == {NEW: 5}
    assert StatusMap.of({5: "Logged"}, {NEW: "LOGGED"}).write == {NEW: 5}


def test_a_status_that_the_instance_lacks_is_not_mapped() -> None:
    assert StatusMap.of({1: "New"}, {}).write == {NEW: 1}


@pytest.mark.parametrize("number", [99, None], ids=["unknown", "none"])
def test_an_unmapped_status_is_none(number: int | None) -> None:
    assert StatusMap.of(USUAL, {}).read(number) is None


def test_a_chosen_name_counts_before_the_usual() -> None:
    chosen = StatusMap.of({**USUAL, 30: "Fixed"}, {DONE: "Fixed"})
    assert (chosen.write[DONE], chosen.read(30), chosen.read(8)) == (30, DONE, None)


def test_an_unknown_chosen_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"^HaloITSM has no status named 'Gone'. It has: Closed, New\.$"):
        StatusMap.of({1: "New", 9: "Closed"}, {DONE: "Gone"})


def test_one_closed_status_for_several_reads_as_awaiting_verification() -> None:
    one = StatusMap.of({**USUAL, 9: "Closed"}, {DONE: "Closed", WONT: "Closed", EXCEPTION: "Closed"})
    assert [one.write[status] for status in (DONE, WONT, EXCEPTION)] == [9, 9, 9]
    assert one.read(9) is AWAITING


def test_any_number_of_statuses_is_read_as_one_of_ours() -> None:
    names = {**USUAL, 40: "With User", 41: "On Hold"}
    many = StatusMap.of(names, {}, {"With user": PROGRESS, "On Hold": PROGRESS})
    assert [many.read(number) for number in (2, 40, 41)] == [PROGRESS] * 3
    assert many.write[PROGRESS] == 2


def test_what_was_withdrawn_ends_as_an_exception_unless_it_is_mapped() -> None:
    names = {**USUAL, 40: "Cancelled", 41: "Closed"}
    body = {"status": "Exception", "withdrawn": True}
    usual = StatusMap.of(names, {EXCEPTION: "Closed"})
    assert (usual.written(body), usual.written({"status": "Exception"})) == (41, 41)
    mapped = StatusMap.of(names, {EXCEPTION: "Closed"}, withdrawn="cancelled")
    assert (mapped.written(body), mapped.written({"status": "Exception"})) == (40, 41)
    assert mapped.read(40) is EXCEPTION
    # Halo's status that means something else as well does not read as an exception.
    assert StatusMap.of(names, {DONE: "Closed"}, withdrawn="Closed").read(41) is DONE
    with pytest.raises(ValueError, match="no status named 'Gone'"):
        StatusMap.of(names, {}, withdrawn="Gone")


def test_an_unknown_name_for_reading_is_refused() -> None:
    with pytest.raises(ValueError, match="no status named 'Gone'"):
        StatusMap.of(USUAL, {}, {"Gone": DONE})


def test_what_a_person_said_of_a_status_counts_before_what_is_written() -> None:
    one = StatusMap.of({9: "Closed"}, {DONE: "Closed", WONT: "Closed"}, {"Closed": DONE})
    assert one.read(9) is DONE


def test_of_two_statuses_of_one_name_the_older_counts() -> None:
    assert StatusMap.of({7: "New", 1: "New"}, {}).write == StatusMap.of({1: "New", 7: "New"}, {}).write == {NEW: 1}


def test_the_parents_precedence() -> None:
    assert PRECEDENCE == (AWAITING, PROGRESS, NEW, EXCEPTION, WONT, DONE)


@pytest.mark.parametrize("pair", list(itertools.combinations(PRECEDENCE, 2)), ids=lambda pair: " and ".join(pair))
def test_a_parent_has_the_first_that_any_child_has(pair: tuple[Status, Status]) -> None:
    assert of_parent(pair) is of_parent(reversed(pair)) is of_parent([*pair, pair[1]]) is pair[0]


@pytest.mark.parametrize("status", Status)
def test_a_parent_of_children_that_are_all_alike(status: Status) -> None:
    assert of_parent([status, status]) is status


def test_a_parent_without_children() -> None:
    assert of_parent([]) is None


def test_what_is_not_mapped_and_what_stands_for_several_is_known() -> None:
    names = {1: "New", 9: "Closed"}
    mapped = StatusMap.of(names, {Status.REMEDIATED: "Closed", Status.EXCEPTION: "Closed"})
    assert mapped.unmapped() == [Status.IN_PROGRESS, Status.AWAITING_VERIFICATION, Status.WILL_NOT_FIX]
    assert mapped.doubled() == {9: [Status.REMEDIATED, Status.EXCEPTION]}
    said = StatusMap.of(names, dict.fromkeys(Status, "Closed"), {"Closed": Status.REMEDIATED})
    assert said.unmapped() == [] and said.doubled() == {}


def test_a_chosen_name_that_vanished_is_lost_and_nothing_stands_in_for_it() -> None:
    mapped = StatusMap.of_those_there(
        {**USUAL, 30: "Waived"}, {DONE: "Fixed", EXCEPTION: "waived"}, {"Gone": WONT}, "Off"
    )
    assert mapped.lost == {"Remediated": "Fixed", "Withdrawn": "Off"}
    assert DONE not in mapped.write and mapped.write[EXCEPTION] == 30 and mapped.write[WONT] == 21
    assert mapped.written({"status": "Remediated"}) is None and mapped.read(8) is None
    assert mapped.written({"status": "Exception", "withdrawn": True}) is None
    whole = StatusMap.of_those_there(USUAL, {}, {}, "Resolved")
    assert not whole.lost and whole == StatusMap.of(USUAL, {}, {}, "Resolved")
