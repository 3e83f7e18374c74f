"""The rows of InsightVM's reports, all text, as the frames of a snapshot. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from ..domain.snapshot import (
    ASSETS,
    COVERAGE,
    DESCRIPTIONS,
    EXCEPTIONS,
    FINDINGS,
    LONGEST_KEY,
    SEVERITIES,
    UTC_TIME,
    severity_of_score,
)
from .descriptions import LONGEST as LONGEST_TEXT
from .descriptions import described
from .errors import NotUnderstood

SCAN = ("last_scan_id", "scan_started", "scan_finished", "credential_status")
COVERAGE_COLUMNS = (
    *("asset_id", "host_name", "ip_address", "mac_address", "os", "sites"),
    *("owner_tags", "criticality_tags", "location_tags", "custom_tags", "last_assessed"),
    *SCAN,
)
FINDINGS_COLUMNS = (
    *("solution_key", "solution_type", "solution_summary", "solution_fix", "solution_url", "solution_estimate"),
    *COVERAGE_COLUMNS,
    *("vulnerability_key", "vulnerability_title", "severity_score", "cvss_v3_score", "cvss_v2_score", "riskscore"),
    *("exploits", "cves", "instances", "first_discovered", "most_recently_discovered", "reintroduced_date"),
)
EXCEPTIONS_COLUMNS = (
    *("asset_id", "vulnerability_key", "exception_id", "exception_status", "exception_reason", "expiration_date"),
    *("submitted_by", "reviewed_by"),
)
DESCRIPTIONS_COLUMNS = ("vulnerability_key", "vulnerability_description")

Kind = pl.DataType | type[pl.DataType]

# From a snapshot's column to the report's, where the names differ.
NAMES = {
    "asset": "asset_id",
    "ip": "ip_address",
    "mac": "mac_address",
    "scan": "last_scan_id",
    "assessed": "last_assessed",
    "credentials": "credential_status",
    "vulnerability": "vulnerability_key",
    "title": "vulnerability_title",
    "risk": "riskscore",
    "solution_name": "solution_summary",
    "first_found": "first_discovered",
    "last_found": "most_recently_discovered",
    "reintroduced": "reintroduced_date",
    "exception": "exception_id",
    "status": "exception_status",
    "reason": "exception_reason",
    "expires": "expiration_date",
    "description": "vulnerability_description",
}
# A snapshot's column that is made of others.
MADE_OF = {
    "severity": ("severity_score", "severity"),
    "cvss": ("cvss_v3_score", "cvss_v2_score"),
    "solution": ("solution_key", "vulnerability_key"),
}
# Least and most, where that is narrower than the type. Scores are official; the others are what the tables hold.
BOUNDS: dict[str, tuple[float, float]] = {
    "severity_score": (0, 10),
    "cvss_v3_score": (0, 10),
    "cvss_v2_score": (0, 10),
    "vpr": (0, 10),
    "epss": (0, 1),
    "riskscore": (0, 1e15),
    "exploits": (0, 2**31 - 1),
    "instances": (0, 2**31 - 1),
    "credential_status": (-1, 2**15 - 1),
}
# Bytes of a text, or of each of a list, by which the tables are searched.
LONGEST: dict[str, int] = {
    **dict.fromkeys(("asset_id", "vulnerability_key", "solution_key"), LONGEST_KEY),
    **dict.fromkeys(("host_name", "ip_address", "mac_address", "cves"), LONGEST_KEY),
    **dict.fromkeys(("sites", "owner_tags", "criticality_tags", "location_tags", "custom_tags"), LONGEST_KEY),
    "vulnerability_title": LONGEST_TEXT,
}
# How a cell separates its values, where it is not a bar. Documented only for sites.
SEPARATORS = {"sites": ", ", "cves": ","}
SEVERITY_OF_SCORE = {score: severity_of_score(score) for score in range(11)}
# The source's own words are Critical, Severe and Moderate.
SEVERITY_OF_WORD = {**{word: word for word in SEVERITIES}, "severe": "high", "moderate": "medium"}
UNCHANGED = "Give the report as the source wrote it: a spreadsheet changes times and numbers."
# The number of a row, where rows are left out.
ROW = "row_of_report"


def findings(rows: pl.DataFrame) -> pl.DataFrame:
    """The findings. A vulnerability without a solution stands for its solution itself."""
    return _framed(rows, FINDINGS)


def assets(rows: pl.DataFrame) -> pl.DataFrame:
    """The assets, one row each, of rows that have the columns of the coverage."""
    first = rows.select("asset_id").with_row_index(ROW).unique("asset_id", keep="first", maintain_order=True)[ROW]
    return _framed(rows[first].with_columns(first), ASSETS)


def coverage(rows: pl.DataFrame) -> pl.DataFrame:
    """The coverage, one row for each asset, of rows that have its columns. Every row is checked, if only one counts."""
    return _framed(rows, COVERAGE).unique("asset", keep="first", maintain_order=True)


def exceptions(rows: pl.DataFrame) -> pl.DataFrame:
    """The exceptions with their status, in the source's own words. Only an approved one excepts."""
    return _framed(rows, EXCEPTIONS)


def descriptions(rows: pl.DataFrame) -> pl.DataFrame:
    """What is told of vulnerabilities, of those of which anything is."""
    return described(_framed(rows, DESCRIPTIONS))


def _framed(rows: pl.DataFrame, schema: Mapping[str, Kind]) -> pl.DataFrame:
    """The columns of the schema, in its order and types. A column that the rows have not is null: it is not told.

    Raises NotUnderstood where a cell is no such thing or too long, or where a key is missing.
    """
    kinds = {column: kind for name, kind in schema.items() for column in MADE_OF.get(name, (NAMES.get(name, name),))}
    if "severity" in schema:
        kinds["severity_score"] = pl.Int64
    there = {column: kind for column, kind in kinds.items() if column in rows.columns}
    read = rows.select(_cells(column, kind) for column, kind in there.items())
    for column, kind in there.items():
        if read[column].null_count() > rows[column].null_count() and kind != pl.List:
            place = (read[column].is_null() & rows[column].is_not_null()).arg_max()
            raise NotUnderstood(
                f"Row {_number(rows, place)} of the report holds no {_words(column, kind)} in the column {column}.",
                UNCHANGED,
            )
    for column in (name for name in LONGEST if name in there):
        _refuse_long(rows, column, there[column])
    for column in (NAMES[key] for key in ("asset", "vulnerability") if key in schema):
        if read[column].null_count():
            row = _number(rows, read[column].is_null().arg_max())
            raise NotUnderstood(f"Row {row} of the report names no asset or no vulnerability: {column}.", UNCHANGED)
    untold = [pl.lit(None, kind).alias(column) for column, kind in kinds.items() if column not in there]
    return read.with_columns(untold).select(_made(name).alias(name) for name in schema)


def _refuse_long(rows: pl.DataFrame, column: str, kind: Kind) -> None:
    cell, longest = pl.col(column), LONGEST[column]
    # Only the few cells that are long as a whole are taken apart.
    long = rows.select(cell, pl.int_range(pl.len()).alias("place")).filter(cell.str.len_bytes() > longest)
    if kind == pl.List:
        one_by_one = long.with_columns(cell.str.split(_separator(column))).explode(column)
        long = one_by_one.filter(cell.str.len_bytes() > longest)
    if long.height:
        row = _number(rows, long["place"][0])
        raise NotUnderstood(f"Row {row} of the report has more than {longest} bytes in the column {column}.", UNCHANGED)


def _separator(column: str) -> str:
    return SEPARATORS.get(column, "|")


def _number(rows: pl.DataFrame, place: int | None) -> int:
    """The number of a row in the report, the header not counted."""
    return int(rows[ROW][place or 0] if ROW in rows.columns else place or 0) + 1


def _words(column: str, kind: Kind) -> str:
    if kind == UTC_TIME:
        return "time like 2026-11-30 18:00:00"
    if kind == pl.Date:
        return "date like 2026-11-30"
    if column == "severity":
        return "severity like Critical, Severe or Moderate"
    least, most = BOUNDS.get(column, (None, None))
    return "number" if least is None else f"number from {least:g} to {most:g}"


def _made(name: str) -> pl.Expr:
    """A snapshot's column of what was read."""
    if name == "severity":
        by_score = pl.col("severity_score").replace_strict(SEVERITY_OF_SCORE, return_dtype=pl.String)
        return pl.coalesce(by_score, "severity").fill_null("none")
    return pl.coalesce(MADE_OF.get(name, (NAMES.get(name, name),)))


def _cells(name: str, kind: Kind) -> pl.Expr:
    """A column by its type, null where a cell is no such thing.

    Times have a blank or a T before the hour: how the real console writes them is a guess.
    """
    column = pl.col(name)
    if kind == UTC_TIME:
        text = column.str.strip_suffix("Z").str.replace("T", " ", literal=True)
        return text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", time_zone="UTC", strict=False).cast(kind)
    if kind == pl.Date:
        return column.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    if kind == pl.List:
        split = column.str.split(_separator(name))
        return split.fill_null(pl.lit([], dtype=pl.List(pl.String))).cast(kind)
    if name == "severity":
        return column.str.to_lowercase().replace_strict(SEVERITY_OF_WORD, default=None, return_dtype=pl.String)
    if kind == pl.String:
        return column
    number = column.cast(kind, strict=False)
    return pl.when(number.is_between(*BOUNDS[name])).then(number).alias(name) if name in BOUNDS else number
