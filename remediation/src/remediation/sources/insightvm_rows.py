"""The rows of InsightVM's reports, all text, as the frames of a snapshot. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from ..domain.snapshot import ASSETS, COVERAGE, EXCEPTIONS, FINDINGS, severity_of_score
from .errors import NotUnderstood

HOST = ("asset_id", "host_name", "ip_address", "mac_address", "os", "sites")
TAGS = ("owner_tags", "criticality_tags", "location_tags", "custom_tags")
SCAN = ("last_scan_id", "scan_started", "scan_finished", "credential_status")
COVERAGE_COLUMNS = (*HOST, *TAGS, "last_assessed", *SCAN)
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

SEVERITY_OF_SCORE = {score: severity_of_score(score) for score in range(11)}


def findings(rows: pl.DataFrame) -> pl.DataFrame:
    """The findings. A vulnerability without a solution stands for its solution itself."""
    return _framed(
        rows,
        FINDINGS,
        {
            "asset": pl.col("asset_id"),
            "vulnerability": pl.col("vulnerability_key"),
            "title": pl.col("vulnerability_title"),
            "severity": pl.col("severity_score").cast(pl.Int64).replace_strict(SEVERITY_OF_SCORE).fill_null("none"),
            "cvss": pl.coalesce("cvss_v3_score", "cvss_v2_score"),
            "risk": pl.col("riskscore"),
            "exploits": pl.col("exploits"),
            "cves": _listed("cves", ","),
            "solution": pl.coalesce("solution_key", "vulnerability_key"),
            "solution_name": pl.col("solution_summary"),
            "solution_fix": pl.col("solution_fix"),
            "solution_type": pl.col("solution_type"),
            "solution_url": pl.col("solution_url"),
            "solution_estimate": pl.col("solution_estimate"),
            "instances": pl.col("instances"),
            "first_found": _time("first_discovered"),
            "last_found": _time("most_recently_discovered"),
            "reintroduced": _time("reintroduced_date"),
        },
    )


def assets(rows: pl.DataFrame) -> pl.DataFrame:
    """The assets, one row each, of rows that have the columns of the coverage."""
    columns = {
        "asset": pl.col("asset_id"),
        "host_name": pl.col("host_name"),
        "ip": pl.col("ip_address"),
        "mac": pl.col("mac_address"),
        "os": pl.col("os"),
        "sites": _listed("sites", ", "),
    }
    return _framed(
        rows.unique("asset_id", maintain_order=True), ASSETS, columns | {tag: _listed(tag, "|") for tag in TAGS}
    )


def coverage(rows: pl.DataFrame) -> pl.DataFrame:
    """The coverage, one row for each asset, of rows that have its columns."""
    return _framed(
        rows.unique("asset_id", maintain_order=True),
        COVERAGE,
        {
            "asset": pl.col("asset_id"),
            "host_name": pl.col("host_name"),
            "ip": pl.col("ip_address"),
            "scan": pl.col("last_scan_id"),
            "scan_started": _time("scan_started"),
            "scan_finished": _time("scan_finished"),
            "assessed": _time("last_assessed"),
            "credentials": pl.col("credential_status"),
        },
    )


def exceptions(rows: pl.DataFrame) -> pl.DataFrame:
    """The exceptions with their status, in the source's own words."""
    return _framed(
        rows,
        EXCEPTIONS,
        {
            "asset": pl.col("asset_id"),
            "vulnerability": pl.col("vulnerability_key"),
            "exception": pl.col("exception_id"),
            "status": pl.col("exception_status"),
            "reason": pl.col("exception_reason"),
            "expires": pl.col("expiration_date"),
            "submitted_by": pl.col("submitted_by"),
            "reviewed_by": pl.col("reviewed_by"),
        },
    )


def _framed(
    rows: pl.DataFrame, schema: Mapping[str, pl.DataType | type[pl.DataType]], columns: Mapping[str, pl.Expr]
) -> pl.DataFrame:
    """The columns in the order and the types of the schema; refused where a cell or a key is missing or no such thing."""
    try:
        frame = rows.select(columns[name].cast(kind).alias(name) for name, kind in schema.items())
    except pl.exceptions.PolarsError:
        # The error quotes cells.
        raise NotUnderstood(
            "A cell of the report holds no number, time or score where one is expected.", SAME
        ) from None
    if any(frame[key].null_count() for key in ("asset", "vulnerability") if key in schema):
        raise NotUnderstood("A row of the report names no asset or no vulnerability.", SAME)
    return frame


SAME = "Give the report as the source wrote it: a spreadsheet changes times and numbers."


def _time(column: str) -> pl.Expr:
    """A time in UTC, with a blank or a T before the hour. The format of the real console's output is a guess."""
    text = pl.col(column).str.strip_suffix("Z").str.replace("T", " ", literal=True)
    return text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", time_zone="UTC")


def _listed(column: str, separator: str) -> pl.Expr:
    return pl.col(column).str.split(separator).fill_null(pl.lit([], dtype=pl.List(pl.String)))
