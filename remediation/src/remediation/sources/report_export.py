"""A snapshot as a file with the columns of our own report, which ``report_file`` reads back. Pure.

Texts that a spreadsheet would take for formulas have an apostrophe before them; the column ESCAPED tells that it is to
be taken off again. Of assets without findings the file tells nothing, and of exceptions neither.
"""

from __future__ import annotations

import polars as pl

from ..domain.snapshot import Snapshot
from . import insightvm_rows as rows_of
from .report_csv import ROWS

ESCAPED = "formulas_escaped"
# Beside the columns of the report, what other scanners tell.
MORE = ("vpr", "epss", "family", "severity")
_FORMULA = "^'*[=+\\-@\t\r]"


def exported(snapshot: Snapshot) -> pl.DataFrame:
    """The rows, all text, in the order of the findings."""
    frame = (
        snapshot.findings.join(snapshot.assets, on="asset", how="left", maintain_order="left")
        .join(snapshot.coverage.drop("host_name", "ip"), on="asset", how="left", maintain_order="left")
        .with_columns(pl.col("cves").list.join(","), pl.col("sites").list.join(", "))
        .with_columns(pl.col(f"{kind}_tags").list.join("|") for kind in ("owner", "criticality", "location", "custom"))
    )
    names = {**rows_of.NAMES, "cvss": "cvss_v3_score", "solution": "solution_key"}
    told = [
        _text(name, kind).alias(names.get(name, name))
        for name, kind in frame.schema.items()
        if names.get(name, name) in (*rows_of.FINDINGS_COLUMNS, *MORE)
    ]
    return frame.select(told).with_columns(pl.lit("yes").alias(ESCAPED), pl.lit(str(frame.height)).alias(ROWS))


def unescaped(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of a file without the apostrophes that ``exported`` has put before formulas."""
    text = pl.col(pl.String)
    return rows.with_columns(pl.when(text.str.contains(_FORMULA)).then(text.str.strip_prefix("'")).otherwise(text))


def _text(name: str, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(kind, pl.Datetime):
        return column.dt.strftime("%Y-%m-%d %H:%M:%S%.6f")
    if kind != pl.String:
        return column.cast(pl.String)
    return pl.when(column.str.contains(_FORMULA)).then(pl.lit("'") + column).otherwise(column)
