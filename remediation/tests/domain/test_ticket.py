"""What a ticket is known by."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from remediation.domain.ticket import pair_of, pair_text

# What separates and what escapes, and something else.
ids = st.text(st.sampled_from("|\\a\n"), max_size=6)


@given(ids, ids, ids, ids)
def test_a_pair_is_read_as_it_was_written(asset: str, vulnerability: str, other: str, one: str) -> None:
    assert pair_of(pair_text((asset, vulnerability))) == (asset, vulnerability)
    is_same = (asset, vulnerability) == (other, one)
    assert (pair_text((asset, vulnerability)) == pair_text((other, one))) is is_same


def test_a_usual_pair_is_readable() -> None:
    assert pair_text(("17", "windows-2026|kb")) == "17|windows-2026|kb"
