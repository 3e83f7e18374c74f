"""Reads Halo's dates and writes ISO 8601 in UTC. Pure.

Halo writes UTC with up to seven fractional digits, with or without ``Z``. A date in 1900 or before means "not set"
(official, seen live).
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,12}))?)?)?\s*(Z|[+-]\d\d:?\d\d)?",
    re.IGNORECASE | re.ASCII,
)
# 0001-01-01, 1899-12-30 and 1900-01-01 all mean "unset" to Halo; no service desk has tickets from before 1901.
_FIRST_REAL_YEAR = 1901


def parse_date(value: Any) -> datetime | None:
    """An aware UTC datetime (microseconds) from an ISO 8601 text; None for "not set" and for anything that is no date.

    A text without an offset is taken as UTC, which is what Halo means by it.
    """
    if value.__class__ is str and len(value) > 18 and value[-1] == "Z":
        # Most dates are in the format that Halo writes. The standard library reads it in a fraction of the time.
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            pass
        else:
            return moment if moment.year >= _FIRST_REAL_YEAR else None
    found = _ISO.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    try:
        moment = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=timezone.utc
        )
        moment += timedelta(microseconds=int((fraction or "0")[:6].ljust(6, "0"))) - _offset(offset)
    except (ValueError, OverflowError):
        return None
    return moment if moment.year >= _FIRST_REAL_YEAR else None


def _offset(text: str | None) -> timedelta:
    if not text or text in "Zz":
        return timedelta()
    size = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return -size if text[0] == "-" else size


def format_date(moment: datetime) -> str:
    """``2026-01-02T03:04:05.678Z``: UTC, at most microseconds, no trailing zeros in the fraction."""
    if moment.tzinfo is not timezone.utc:
        moment = moment.astimezone(timezone.utc)
    text = moment.isoformat()[:-6]
    return (text.rstrip("0") if moment.microsecond else text) + "Z"


def tidy_date(value: Any) -> str | None:
    """A Halo date as ``format_date`` writes it; None for "not set" and for anything that is no date."""
    moment = parse_date(value)
    if moment is None:
        return None
    if moment.microsecond and len(value) > 20 and value[10] == "T" and value[19] == "." and value[-1] == "Z":
        # In the format that Halo writes, only digits beyond microseconds and trailing zeros have to be removed.
        return str(value[:26]).rstrip("Z").rstrip("0") + "Z"
    return format_date(moment)


def parse_http_date(value: str) -> datetime | None:
    """An aware UTC datetime from an HTTP ``Date`` header; None when it is missing or cannot be read."""
    try:
        moment = parsedate_to_datetime(value)
        return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
