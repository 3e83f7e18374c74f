"""A file that holds the output of a report of the findings: kind ``insightvm-report``."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import Enum
from pathlib import Path

import polars as pl

from ..domain.snapshot import Proof, Snapshot
from . import insightvm_rows as rows_of
from .errors import NotUnderstood
from .report_csv import ROWS, read_csv
from .report_export import ESCAPED, MORE, unescaped

KIND = "insightvm-report"
# What a finding and a ticket about it cannot do without. last_assessed is what proves that a finding is gone.
REQUIRED = (
    *("asset_id", "last_assessed", "vulnerability_key", "vulnerability_title"),
    *("solution_key", "solution_summary"),
)
SEVERITY = ("severity_score", "severity")
OPTIONAL = (*(column for column in rows_of.FINDINGS_COLUMNS if column not in REQUIRED), *MORE, ESCAPED, ROWS)


class Holds(Enum):
    """What a person says that a file holds. LISTED: some findings. DEVICES: all findings of the devices in it."""

    LISTED = "listed"
    DEVICES = "devices"

    @property
    def proof(self) -> Proof:
        """What the absence of a finding proves in our own report, which tells of scans as the console does."""
        return Proof.FILE if self is Holds.DEVICES else Proof.NOTHING


def is_like_own(header: Iterable[str]) -> bool:
    """Whether a header is that of our own report, perhaps with a column less than it must have."""
    return len(set(REQUIRED) & set(header)) * 2 > len(REQUIRED)


def read_report(path_or_bytes: Path | bytes, *, taken: datetime, holds: Holds = Holds.DEVICES) -> Snapshot:
    """What the file says, ``taken`` at a time in UTC that its person tells. It knows no exceptions.

    It covers the assets that it has rows for. Of the columns of our own report, those in REQUIRED and one in SEVERITY
    must be there; what another would say is not known then, and a column that ours has not is not used. Without a
    column of the scan's begin, the scan began when the asset was last assessed.
    """
    rows = read_csv(path_or_bytes, REQUIRED, OPTIONAL)
    if ESCAPED in rows.columns:
        rows = unescaped(rows)
    if not any(column in rows.columns for column in SEVERITY):
        raise NotUnderstood(
            f"The header is not the one of the findings of a scan: missing {' or '.join(SEVERITY)}.",
            "Give the report with one of the two.",
        )
    if "scan_started" not in rows.columns:
        rows = rows.with_columns(pl.col("last_assessed").alias("scan_started"))
    return Snapshot(
        taken=taken,
        proof=holds.proof,
        findings=rows_of.findings(rows),
        assets=rows_of.assets(rows),
        coverage=rows_of.coverage(rows),
        rows=rows.height,
    )
