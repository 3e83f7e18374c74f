"""Guards closing: which status closes a ticket, that it is never an open one, and whether Halo kept the note."""

from __future__ import annotations

from typing import Any

import pytest

from komand_haloitsm.util.halo.errors import HaloError
from komand_haloitsm.util.halo.tickets.close import closed_status, has_status, kept_note, not_closed


def row(number: Any, name: Any, closed: bool | None) -> dict[str, Any]:
    return {"id": number, "name": name, "closed": closed}


OPEN = [row(1, "New", False), row(2, "In Progress", False), row(28, "On Hold", False)]
UNKNOWN = [row(1, "New", None), row(9, "Closed", None), row(10, "Resolved", None)]

# statuses, the status asked for, the one that closes
_CHOSEN: dict[str, tuple[list[dict[str, Any]], int | None, int]] = {
    "the only closed one": ([*OPEN, row(9, "Finished", True)], None, 9),
    "the only closed one, with its id as float": ([*OPEN, row(9.0, "Finished", True)], None, 9),
    "the one named Closed of several": ([row(8, "Resolved", True), row(9, "Closed", True), *OPEN], None, 9),
    "the one named closed, whatever case and spaces": ([row(8, "Done", True), row(9, " CLOSED ", True)], None, 9),
    "the only closed one, though an open one is named Closed": (
        [row(3, "Closed", False), row(9, "End", True)],
        None,
        9,
    ),
    "the one named Closed where it is not known which are closed": (UNKNOWN, None, 9),
    "of two named Closed the one that is a ticket's": (
        [{**row(9, "Closed", True), "type": 0}, {**row(31, "Closed", True), "type": 2}, row(8, "Done", True)],
        None,
        9,
    ),
    "the one asked for": ([*OPEN, row(8, "Resolved", True), row(9, "Closed", True)], 8, 8),
    "the one asked for where it is not known which are closed": (UNKNOWN, 10, 10),
    "the one asked for where no status can be read": ([], 24, 24),
}


@pytest.mark.parametrize("statuses, wanted, chosen", list(_CHOSEN.values()), ids=list(_CHOSEN))
def test_the_status_that_closes(statuses, wanted, chosen):
    assert closed_status(statuses, wanted) == chosen


_REFUSED: dict[str, tuple[list[dict[str, Any]], int | None]] = {
    "an open one is asked for": ([*OPEN, row(8, "Resolved", True), row(9, "Closed", True)], 2),
    "one that does not exist is asked for": ([*OPEN, row(8, "Resolved", True), row(9, "Closed", True)], 77),
    "several and none named Closed": ([row(8, "Resolved", True), row(9, "Cancelled", True)], None),
    "several named Closed": ([row(8, "Closed", True), row(9, "closed", True)], None),
    "only one whose name is like it": ([row(8, "Closed Item", True), row(9, "Not closed", True)], None),
    "nothing can be read": ([], None),
    "a name that is no text": ([row(8, None, True), row(9, 5, True)], None),
}


@pytest.mark.parametrize("statuses, wanted", list(_REFUSED.values()), ids=list(_REFUSED))
def test_what_is_not_clear_is_an_error_that_lists_the_closed_ones(statuses, wanted):
    with pytest.raises(HaloError) as caught:
        closed_status(statuses, wanted)
    error = caught.value
    assert error.kind == "input" and (wanted is None or str(wanted) in error.cause)
    closing = [item for item in statuses if item["closed"]]
    assert all(f"{item['id']} {item['name']}" in error.assistance for item in closing)
    assert "In Progress" not in error.assistance


def test_an_open_status_named_closed_is_never_chosen_beside_closed_ones():
    with pytest.raises(HaloError):
        closed_status([row(3, "Closed", False), row(8, "Resolved", True), row(9, "Cancelled", True)], None)


@pytest.mark.parametrize(
    "ticket, expected",
    [
        ({"status_id": 9}, True),
        ({"status_id": 9.0}, True),
        ({"status_id": "9"}, True),
        ({"status_id": 8}, False),
        ({"status_id": None}, False),
        ({}, False),
    ],
    ids=["the number", "a float", "a text", "another", "null", "none"],
)
def test_a_ticket_is_in_a_status(ticket, expected):
    assert has_status(ticket, 9) is expected


@pytest.mark.parametrize(
    "ticket, kept",
    [
        ({"closure_note": "Patched.\nRebooted."}, True),
        ({"closure_note": "Patched.\r\nRebooted.\r\n"}, True),
        ({"closure_note_html": "<p>Patched.</p><p>Rebooted.</p>"}, True),
        ({"closure_note": "", "closure_note_html": "Patched.<br>Rebooted."}, True),
        ({"closure_note": "Something else"}, False),
        ({"closure_note": "Patched."}, False),
        ({"closure_note": None}, False),
        ({"closure_note": ["Patched.\nRebooted."]}, False),
        ({"details": "Patched.\nRebooted."}, False),
        ({}, False),
    ],
    ids=[
        "as sent",
        "with other line ends",
        "as markup",
        "as markup beside an empty text",
        "another note",
        "a part of it",
        "null",
        "no text",
        "in the details",
        "nowhere",
    ],
)
def test_whether_halo_kept_the_note(ticket, kept):
    assert kept_note(ticket, "Patched.\nRebooted.") is kept


def test_a_ticket_that_was_not_closed_is_an_error_with_what_is_known():
    error = not_closed(4242, {"status_id": 2.0, "summary": "private-words"}, 9)
    assert error.kind == "not_closed" and "4242" in error.cause
    assert "status 9" in error.data and "status 2" in error.data
    assert "private-words" not in f"{error.cause}{error.assistance}{error.data}"
