"""A file that holds the output of the findings report: kind ``insightvm-report``."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from pathlib import Path

import polars as pl

from ..domain.snapshot import Proof, Snapshot
from . import insightvm_rows as rows_of
from .errors import NotUnderstood
from .report_csv import ROWS, read_csv

KIND = "insightvm-report"
KINDS = (KIND,)
REQUIRED = tuple(column for column in rows_of.FINDINGS_COLUMNS if column not in rows_of.SCAN)


class Holds(Enum):
    """What a person says of a file. LISTED: only what is listed is known. DEVICES: all findings of the devices in it;
    so it proves for them what the console proves."""

    LISTED = "listed"
    DEVICES = "devices"

    @property
    def proof(self) -> Proof:
        """What the absence of a finding proves."""
        return Proof.FILE if self is Holds.DEVICES else Proof.NOTHING


def read_report(path_or_bytes: Path | bytes, *, taken: datetime, holds: Holds = Holds.DEVICES) -> Snapshot:
    """What the file says, ``taken`` at a time in UTC that its person tells. It knows no exceptions.

    It covers the assets that it has rows for. Where it has no columns of the scan, the scan began when the asset was
    last assessed. A file with some of the columns of the scan is refused, as is any other header.
    """
    rows = read_csv(path_or_bytes, REQUIRED, (*rows_of.SCAN, ROWS))
    given = [column for column in rows_of.SCAN if column in rows.columns]
    if given and len(given) < len(rows_of.SCAN):
        raise NotUnderstood(
            f"Of the columns of the scan, only {', '.join(given)} are there.", "Give all of them, or none."
        )
    if not given:
        rows = rows.with_columns(
            pl.col("last_assessed").alias("scan_started"),
            *(pl.lit(None, pl.String).alias(column) for column in rows_of.SCAN if column != "scan_started"),
        )
    return Snapshot(
        taken=taken,
        proof=holds.proof,
        findings=rows_of.findings(rows),
        assets=rows_of.assets(rows),
        coverage=rows_of.coverage(rows),
        rows=rows.height,
    )
