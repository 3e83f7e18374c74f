"""The rows of InsightVM's reports, all text, as the frames of a snapshot. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from ..domain.snapshot import ASSETS, COVERAGE, EXCEPTIONS, FINDINGS, UTC_TIME, severity_of_score
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
}
# How a cell separates its values, where it is not a bar. Documented only for sites.
SEPARATORS = {"sites": ", ", "cves": ","}
SEVERITY_OF_SCORE = {score: severity_of_score(score) for score in range(11)}
UNCHANGED = "Give the report as the source wrote it: a spreadsheet changes times and numbers."


def findings(rows: pl.DataFrame) -> pl.DataFrame:
    """The findings. A vulnerability without a solution stands for its solution itself."""
    computed = rows.lazy().with_columns(
        pl.col("severity_score").cast(pl.Int64).replace_strict(SEVERITY_OF_SCORE).fill_null("none").alias("severity"),
        pl.coalesce("cvss_v3_score", "cvss_v2_score").alias("cvss"),
        pl.coalesce("solution_key", "vulnerability_key").alias("solution"),
    )
    return _framed(computed, FINDINGS)


def assets(rows: pl.DataFrame) -> pl.DataFrame:
    """The assets, one row each, of rows that have the columns of the coverage."""
    return _framed(rows.lazy().unique("asset_id", maintain_order=True), ASSETS)


def coverage(rows: pl.DataFrame) -> pl.DataFrame:
    """The coverage, one row for each asset, of rows that have its columns."""
    return _framed(rows.lazy().unique("asset_id", maintain_order=True), COVERAGE)


def exceptions(rows: pl.DataFrame) -> pl.DataFrame:
    """The exceptions with their status, in the source's own words. Only an approved one excepts."""
    return _framed(rows.lazy(), EXCEPTIONS)


def _framed(rows: pl.LazyFrame, schema: Mapping[str, pl.DataType | type[pl.DataType]]) -> pl.DataFrame:
    """The columns of the schema, in its order and types; refused where a cell is no such thing or a key is missing."""
    cells = {name: _cells(name, kind) for name, kind in schema.items()}
    try:
        frame = rows.select(cells.values()).collect()
    except pl.exceptions.PolarsError:
        # The error quotes cells, and is not passed on.
        broken = ", ".join(NAMES.get(name, name) for name, cell in cells.items() if not _readable(rows, cell))
        raise NotUnderstood(
            f"A cell holds no number, score or time where one is expected: {broken}.", UNCHANGED
        ) from None
    if any(frame[key].null_count() for key in ("asset", "vulnerability") if key in schema):
        raise NotUnderstood("A row of the report names no asset or no vulnerability.", UNCHANGED)
    return frame


def _readable(rows: pl.LazyFrame, cells: pl.Expr) -> bool:
    try:
        return rows.select(cells).collect().width == 1
    except pl.exceptions.PolarsError:
        return False


def _cells(name: str, kind: pl.DataType | type[pl.DataType]) -> pl.Expr:
    """A column by its type. Times have a blank or a T before the hour: how the real console writes them is a guess."""
    column = pl.col(NAMES.get(name, name))
    if kind == UTC_TIME:
        text = column.str.strip_suffix("Z").str.replace("T", " ", literal=True)
        column = text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", time_zone="UTC")
    elif kind == pl.Date:
        column = column.str.slice(0, 10).str.to_date("%Y-%m-%d")
    elif kind == pl.List:
        column = column.str.split(SEPARATORS.get(name, "|")).fill_null(pl.lit([], dtype=pl.List(pl.String)))
    return column.cast(kind).alias(name)
