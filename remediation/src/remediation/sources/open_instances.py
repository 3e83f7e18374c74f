"""The instances of findings that are known of a source which tells only what has changed. Pure.

A finding is open while one of its instances is. An increment that calls one of them fixed, or accepted, says nothing of
the others, so these are kept from what was told before.
"""

from __future__ import annotations

import polars as pl

from .scanner_rows import scanner_rows

# What is kept of a row: what names the instance, and what of it differs between the instances of a finding.
KEPT = (
    *("asset_id", "host_name", "ip", "mac", "scan", "scan_started", "vulnerability", "severity", "port", "protocol"),
    *("state", "accepted", "first_found", "last_found", "reintroduced"),
)
_MACHINE = "machine"
_FINDING = [_MACHINE, "vulnerability"]
_INSTANCE = [*_FINDING, "port", "protocol"]


def completed(rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """The rows of an increment, and of the findings that they tell of the ``known`` instances that they leave out.

    ``rows`` has the columns of SCANNER_ROWS, ``known`` those of KEPT.
    """
    told = _named(rows)
    left_out = (
        _named(known)
        .join(told, on=_FINDING, how="semi", nulls_equal=True)
        .join(told, on=_INSTANCE, how="anti", nulls_equal=True)
    )
    return pl.concat([rows, scanner_rows(left_out)])


def known_after(rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """The instances that are known, with the columns of KEPT, once a source has told ``rows`` more."""
    told = _named(rows)
    is_fixed = (pl.col("state").str.to_lowercase() == "fixed").fill_null(False)
    before = _named(known).join(told, on=_INSTANCE, how="anti", nulls_equal=True)
    return pl.concat([before.select(KEPT), told.filter(~is_fixed).drop_nulls(_MACHINE).select(KEPT)])


def none_known() -> pl.DataFrame:
    """Before the first row is told."""
    return pl.DataFrame(schema=dict.fromkeys(KEPT, pl.String))


def _named(rows: pl.DataFrame) -> pl.DataFrame:
    """With what names the asset: its id, else its name, else its address. Nothing is lost where one of them changes:
    the instance is then kept until everything is read again."""
    return rows.with_columns(pl.coalesce("asset_id", pl.col("host_name").str.to_lowercase(), "ip").alias(_MACHINE))
