"""CISA's catalogue of known exploited vulnerabilities (KEV), as JSON.

Official, by the schema that CISA publishes beside it: all names, ``count``, which members there have to be, and the
form of dates and CVEs. ``knownRansomwareCampaignUse`` may be missing; ``Known`` and ``Unknown`` are its two values.
More members have come over the years, and are passed over. That no CVE is listed twice is a guess.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import polars as pl

from ..sources.errors import NotUnderstood
from ..sources.http_answer import json_object
from .facts import CVE, Facts

# The most bytes of the catalogue, which had some 1.5 MB in 2025.
LARGEST = 32 << 20
# ``kev_ransomware`` is null where it is not told.
ROWS: dict[str, Any] = {"cve": pl.String, "kev_added": pl.Date, "kev_due": pl.Date, "kev_ransomware": pl.Boolean}

_OTHER = "Nothing was changed. Check that the address is that of the catalogue as JSON, or of a whole copy of it."


def parse(content: bytes) -> Facts:
    """The catalogue. Raises NotUnderstood, also for one that is empty or not whole."""
    catalogue = json_object(content, "that of CISA's catalogue as JSON")
    entries = catalogue.get("vulnerabilities")
    if not isinstance(entries, list) or not entries:
        raise NotUnderstood("CISA's catalogue lists no vulnerability.", _OTHER)
    if catalogue.get("count") != len(entries):
        raise NotUnderstood(
            f"CISA's catalogue lists {len(entries)} vulnerabilities, and tells a count of {catalogue.get('count')!r}.",
            _OTHER,
        )
    rows = [_row(place, entry) for place, entry in enumerate(entries, start=1)]
    frame = pl.DataFrame(rows, schema=ROWS, orient="row")
    if twice := frame.filter(frame["cve"].is_duplicated())["cve"].sort().to_list():
        raise NotUnderstood(f"CISA's catalogue lists {twice[0]} twice.", _OTHER)
    released = str(catalogue.get("dateReleased"))
    return Facts(_date(released[:10], "dateReleased of the catalogue"), str(catalogue.get("catalogVersion", "")), frame)


def _row(place: int, entry: Any) -> tuple[str, date, date, bool | None]:
    if not isinstance(entry, dict):
        raise NotUnderstood(f"Entry {place} of CISA's catalogue is no object.", _OTHER)
    cve = entry.get("cveID")
    if not isinstance(cve, str) or not re.fullmatch(CVE, cve):
        raise NotUnderstood(f"Entry {place} of CISA's catalogue names no CVE.", _OTHER)
    used = entry.get("knownRansomwareCampaignUse")
    if used not in ("Known", "Unknown", None):
        raise NotUnderstood(f"knownRansomwareCampaignUse of {cve} is neither Known nor Unknown.", _OTHER)
    added, due = (_date(entry.get(name), f"{name} of {cve}") for name in ("dateAdded", "dueDate"))
    return cve, added, due, None if used is None else used == "Known"


def _date(text: Any, what: str) -> date:
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError):
        raise NotUnderstood(f"{what} is no date.", _OTHER) from None
