"""What a source said at one time: its findings, which assets it had assessed, and which findings it excepts. Pure.

The frames hold what the source said, unfiltered. All times are in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

import polars as pl

UTC_TIME = pl.Datetime("us", "UTC")
# Bytes of an id, of a name of a machine, and of a name in a list. An entry of an index of the tables holds two.
LONGEST_KEY = 1000

FINDINGS: dict[str, pl.DataType | type[pl.DataType]] = {
    # The source's own id of the asset and the natural id of the vulnerability: together the key of a finding.
    "asset": pl.String,
    "vulnerability": pl.String,
    "title": pl.String,
    # critical, high, medium, low or none
    "severity": pl.String,
    # 0 to 10, None where the source has none
    "cvss": pl.Float64,
    "risk": pl.Float64,
    # Tenable's own score, 0 to 10, and how likely an exploit is, 0 to 1; None where the source does not tell them
    "vpr": pl.Float64,
    "epss": pl.Float64,
    # The family of a plugin, which often names the vendor
    "family": pl.String,
    "exploits": pl.Int64,
    "cves": pl.List(pl.String),
    # The natural id of the best solution; that of the vulnerability where there is none, so that nothing is dropped.
    "solution": pl.String,
    "solution_name": pl.String,
    "solution_fix": pl.String,
    "solution_type": pl.String,
    "solution_url": pl.String,
    "solution_estimate": pl.String,
    # How often the asset has the vulnerability (port, protocol).
    "instances": pl.Int64,
    "first_found": UTC_TIME,
    "last_found": UTC_TIME,
    "reintroduced": UTC_TIME,
}

ASSETS: dict[str, pl.DataType | type[pl.DataType]] = {
    "asset": pl.String,
    "host_name": pl.String,
    "ip": pl.String,
    "mac": pl.String,
    "os": pl.String,
    "sites": pl.List(pl.String),
    "owner_tags": pl.List(pl.String),
    "criticality_tags": pl.List(pl.String),
    "location_tags": pl.List(pl.String),
    "custom_tags": pl.List(pl.String),
}

# Every asset that the source knows, with and without findings.
COVERAGE: dict[str, pl.DataType | type[pl.DataType]] = {
    "asset": pl.String,
    "host_name": pl.String,
    "ip": pl.String,
    "scan": pl.String,
    "scan_started": UTC_TIME,
    "scan_finished": UTC_TIME,
    "assessed": UTC_TIME,
    # -1 not applicable, 1 none supplied, 2 all failed, 3 partly successful, 4 all successful; None where it is not told
    "credentials": pl.Int64,
}

EXCEPTIONS: dict[str, pl.DataType | type[pl.DataType]] = {
    "asset": pl.String,
    "vulnerability": pl.String,
    "exception": pl.String,
    "status": pl.String,
    "reason": pl.String,
    "expires": pl.Date,
    "submitted_by": pl.String,
    "reviewed_by": pl.String,
}

# Findings that the source itself calls fixed, and since when; None where it does not tell.
FIXED: dict[str, pl.DataType | type[pl.DataType]] = {"asset": pl.String, "vulnerability": pl.String, "fixed": UTC_TIME}

# What the source tells of vulnerabilities in sentences, as plain text. No fact, so never compared.
DESCRIPTIONS: dict[str, pl.DataType | type[pl.DataType]] = {"vulnerability": pl.String, "description": pl.String}


class Proof(Enum):
    """What the absence of a finding proves, by the kind of source.

    SCAN: remediated, if its asset was scanned again, later and with credentials no worse; an asset that is not there
    has left. ASSESSED: no longer reported, if its asset was assessed again, because nobody tells with which
    credentials; an asset that is not there has left. FILE: what SCAN proves, for the assets in it, and nothing about
    any other. DEVICES: no longer reported, for the assets in it. NOTHING: only what is listed is known.

    What a source itself calls fixed is believed over absence, whatever absence proves.
    """

    SCAN = "scan"
    ASSESSED = "assessed"
    FILE = "file"
    DEVICES = "devices"
    NOTHING = "nothing"

    @property
    def is_full(self) -> bool:
        """Whether a snapshot is meant to hold all that its source covers."""
        return self.is_of_all_assets or self is Proof.FILE

    @property
    def is_of_all_assets(self) -> bool:
        """Whether a snapshot is meant to hold every asset of its source, so that one that is not there has left."""
        return self in (Proof.SCAN, Proof.ASSESSED)


@dataclass(frozen=True)
class Only:
    """The filter of a report. Several of one kind: any of them; several kinds: all of them; none: everything.

    ``severities`` are words of SEVERITIES. ``vendors`` are words that a plugin's family or a vulnerability's title
    holds, ``sites`` names of sites, both in any case.
    """

    severities: tuple[str, ...] = ()
    vendors: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.severities or self.vendors or self.sites)


@dataclass(frozen=True)
class Snapshot:
    """Frames with the columns above. ``rows`` counts what was read, ``taken`` is when, by the source's own clock.

    ``only`` is the filter that its report was made with: the absence of what the filter leaves out proves nothing.
    ``descriptions`` are not kept with it, and another text is no news.
    """

    taken: datetime
    proof: Proof
    findings: pl.DataFrame
    assets: pl.DataFrame
    coverage: pl.DataFrame
    exceptions: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=EXCEPTIONS))
    rows: int = 0
    fixed: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=FIXED))
    only: Only = Only()
    descriptions: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=DESCRIPTIONS))


# Ordered, the worst first.
SEVERITIES = ("critical", "high", "medium", "low", "none")


def severity_of_score(score: float | None) -> str:
    """The severity of a score from 0 to 10, the bounds of InsightVM's severity score: 9 critical, 7 high, 5 medium."""
    if score is None or score <= 0:
        return "none"
    return "critical" if score >= 9 else "high" if score >= 7 else "medium" if score >= 5 else "low"
