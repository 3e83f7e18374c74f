"""What every scanner tells in one form: a row for each instance of a finding, all text. Readers of formats make them,
``scanner_snapshot`` judges them."""

from __future__ import annotations

import polars as pl

# The line of a file on which a row or an element begins; null in an API's answer.
LINE = "line"

COLUMNS: tuple[str, ...] = (
    # The asset: the source's own id of it, or the UUID of its agent or host; null where it has none.
    *("asset_id", "host_name", "ip", "mac", "os"),
    # Lists are separated by bars.
    *("sites", "owner_tags", "criticality_tags", "location_tags", "custom_tags"),
    # How it was assessed, as far as it is told.
    *("scan", "scan_started", "scan_finished", "assessed", "credentials"),
    # The source's own id of the vulnerability: a plugin's number, InsightVM's natural id.
    *("vulnerability", "title"),
    # What the source tells of the vulnerability, as plain text. One row of each vulnerability is enough.
    "description",
    # The source's own word, in any case: Critical, High, Medium, Low, None, Info, Severe, Moderate.
    "severity",
    # The family of a plugin, which often names the vendor.
    "family",
    # Scores as they stand there: cvss from 0 to 10, version 3 or newer before version 2; vpr from 0 to 10, Tenable's;
    # epss from 0 to 1; risk is the source's own, without a bound.
    *("cvss3", "cvss2", "vpr", "epss", "risk"),
    # A number of exploits, or a word for whether there is one.
    "exploits",
    # All of them, whatever stands between.
    "cves",
    # The natural id of the solution; null where the vulnerability stands for it.
    *("solution", "solution_name", "solution_fix", "solution_type", "solution_url", "solution_estimate"),
    *("port", "protocol"),
    # Open, active, new, reopened, resurfaced, fixed; null where the source tells no states. NO_FINDING: see below.
    "state",
    # Why the source itself counts the finding as accepted, in its word; null where it does not.
    "accepted",
    # Times as they stand there: ISO 8601, "Nov 20, 2026 18:00:00 UTC" or seconds since 1970.
    *("first_found", "last_found", "reintroduced", "fixed"),
)

SCANNER_ROWS: dict[str, pl.DataType | type[pl.DataType]] = {LINE: pl.Int64, **{name: pl.String for name in COLUMNS}}

# The state of a row that tells only that its asset was assessed and has no finding. It has no vulnerability.
NO_FINDING = "no finding"
# The state of a row that tells that something on its asset was not tested: that findings of it are missing proves
# nothing. It may have no vulnerability.
NOT_TESTED = "not tested"


def scanner_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with all columns of SCANNER_ROWS, in their order; null where a column is not there. What is only blanks
    is null."""
    there = {
        name: pl.col(name).cast(kind) if name == LINE else pl.col(name).cast(kind).str.strip_chars().replace("", None)
        for name, kind in SCANNER_ROWS.items()
        if name in rows.columns
    }
    return rows.select(there.get(name, pl.lit(None, kind)).alias(name) for name, kind in SCANNER_ROWS.items())
