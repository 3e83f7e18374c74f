"""What tells one ticket from another when a look-up must not give a ticket to two calls."""

import pytest

from komand_haloitsm.util.halo.tickets.create import identity
from komand_haloitsm.util.halo.tickets.references import has_reference

MADE = "2026-08-12T15:54:54.2199844Z"


@pytest.mark.parametrize(
    "other, same",
    [
        ({"id": 5, "dateoccurred": MADE}, True),
        ({"id": 5.0, "dateoccurred": "2026-08-12T15:54:54Z"}, True),
        ({"id": "5", "dateoccurred": "2026-08-12T15:54:54.21998"}, True),
        ({"id": 6, "dateoccurred": MADE}, False),
        ({"id": 5, "dateoccurred": "2026-08-13T15:54:54.2199844Z"}, False),
        ({"id": 5}, False),
    ],
    ids=["itself", "without a fraction", "with fewer digits", "another id", "the id given out again", "no date"],
)
def test_a_ticket_is_told_from_others_by_its_id_and_when_it_was_made(other, same):
    assert (identity({"id": 5, "dateoccurred": MADE}) == identity(other)) is same


@pytest.mark.parametrize(
    "details, carries",
    [
        ("What happened.\n\nReference: INV-1", True),
        ("Reference:  INV-1 \r\nAn agent wrote below it.", True),
        ("Reference: INV-10", False),
        ("See Reference: INV-1", False),
        ("", False),
    ],
)
def test_a_reference_is_a_line_of_its_own(details, carries):
    assert has_reference({"details": details}, "INV-1") is carries
