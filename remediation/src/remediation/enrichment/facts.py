"""What a feed tells of CVEs at one date."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

# Official: CVE-YYYY-NNNN, of which the number has 4 to 19 digits (schema of CISA's catalogue).
CVE = r"^CVE-[0-9]{4}-[0-9]{4,19}$"


@dataclass(frozen=True)
class Facts:
    """``day`` is the feed's own date, ``release`` what it calls its edition or its model. ``rows`` has a row for each
    CVE: ``cve``, and the columns of the feed."""

    day: date
    release: str
    rows: pl.DataFrame
