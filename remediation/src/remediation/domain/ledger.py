"""What is believed of every finding that was ever seen. Pure."""

from __future__ import annotations

from enum import Enum

import polars as pl

from .snapshot import UTC_TIME


class State(str, Enum):
    """OPEN: the asset has it. UNCONFIRMED: it is missing, and no scan has proved that it is gone. REMEDIATED: a later
    scan proved that it is gone. EXCEPTED: somebody accepted it. LEFT: its asset left the source's coverage."""

    OPEN = "open"
    UNCONFIRMED = "unconfirmed"
    REMEDIATED = "remediated"
    EXCEPTED = "excepted"
    LEFT = "left"


# So many reports in a row without a finding resolve it, where the project says so.
ENOUGH_MISSES = 2

ALIVE = (State.OPEN.value, State.UNCONFIRMED.value)

LEDGER: dict[str, pl.DataType | type[pl.DataType]] = {
    "asset": pl.String,
    "vulnerability": pl.String,
    "solution": pl.String,
    "state": pl.String,
    # Since when the state holds, by the source's clock.
    "since": UTC_TIME,
    "first_found": UTC_TIME,
    # When the source last saw it.
    "last_found": UTC_TIME,
    "instances": pl.Int64,
    # The last scan that saw it, that proved it gone, or that could prove nothing because of an exception. Where absence
    # proves nothing: the last report that was counted in ``missed``.
    "scan": pl.String,
    "scan_started": UTC_TIME,
    # The weakest credentials with which it was seen: a scan with these is good enough to see it.
    "credentials": pl.Int64,
    # How many reports in a row held its asset without it, where absence proves nothing. Counted up to ENOUGH_MISSES.
    # 1 with EXCEPTED: the source tells the exception no more, and no scan up to scan_started proves anything.
    "missed": pl.Int64,
}

KEY = ["asset", "vulnerability"]


def empty_ledger() -> pl.DataFrame:
    """The ledger before the first snapshot."""
    return pl.DataFrame(schema=LEDGER)
