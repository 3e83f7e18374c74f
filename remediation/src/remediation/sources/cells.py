"""Cells of scanners' reports, all text, as numbers, times and words. Pure expressions: null where a cell is no such
thing."""

from __future__ import annotations

import re
from datetime import datetime, timezone

import polars as pl

from ..domain.snapshot import SEVERITIES, UTC_TIME

# How reports write that there is nothing.
NOTHING = ("null", "none", "n/a", "na", "-", "nan", "#n/a", "#ref!", "#value!", "#name?")
# No scan is older, and no date in a report is later: what says otherwise was misread, as a year of two digits.
EARLIEST, LATEST = datetime(1990, 1, 1, tzinfo=timezone.utc), datetime(2100, 1, 1, tzinfo=timezone.utc)
SEVERITY_OF_WORD = {
    **{word: word for word in SEVERITIES},
    # InsightVM's
    **{"severe": "high", "moderate": "medium"},
    # Nessus' and Tenable's
    **{"info": "none", "informational": "none", "information": "none"},
}
EXPLOITABLE = {
    **dict.fromkeys(("true", "yes", "exploits are available", "y"), 1),
    **dict.fromkeys(("false", "no", "no known exploits are available", "no exploit is required", "n"), 0),
}
# Official or seen in exports: ISO 8601 with and without its T, Tenable's "Nov 20, 2026 18:00:00 UTC", Nessus'
# "Fri Nov 20 18:00:00 2026", Nexpose's "20261120T180000000". What tells no zone is UTC, which is a guess.
_TIMES = (
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%b %d, %Y %H:%M:%S",
    "%a %b %d %H:%M:%S %Y",
    "%Y%m%d %H%M%S%3f",
    "%Y%m%d %H%M%S",
)
_ZONED = ("%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M%#z")
_DATES = ("%Y-%m-%d", "%b %d, %Y", "%Y/%m/%d")
# Seconds since 1970 have nine or ten digits in this century's reports, thousandths three more.
_SECONDS, _MILLISECONDS = r"^\d{9,10}$", r"^\d{12,13}$"
# Word processors and spreadsheets make long dashes of a hyphen, and some reports have low lines or blanks.
_DASHES = "[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]"
_CVE = rf"(?i)CVE(?:[-_ ]|{_DASHES})?(?:19|20)\d\d(?:[-_]|{_DASHES})\d{{4,19}}"
# The number alone, as some columns of CVEs have it. What stands before must be no other list's name: VMSA-2021-0028.
_BARE = r"(?:^|[\s,;|/&+()\[\]'\"])(?:19|20)\d\d-\d{4,19}\b"


def told(column: pl.Expr, *, but: str = "") -> pl.Expr:
    """The text; null where it is a word for nothing. The word ``but`` is none."""
    words = "|".join(re.escape(word) for word in NOTHING if word != but)
    return pl.when(~column.str.contains(f"(?i)^(?:{words})$")).then(column)


def number(column: pl.Expr, least: float, most: float) -> pl.Expr:
    """A number within bounds. A comma before the decimals is a point; before three digits, it separates thousands where
    the bounds allow any and no zero stands before it."""
    text = told(column)
    if most >= 1000:
        has_thousands = column.str.contains(r"^[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?$")
        text = pl.when(has_thousands).then(column.str.replace_all(",", "")).otherwise(text)
    value = text.str.replace(r"^(\d+),(\d+)$", "$1.$2").cast(pl.Float64, strict=False)
    return pl.when(value.is_between(least, most)).then(value)


def severity(column: pl.Expr) -> pl.Expr:
    """A word of SEVERITIES."""
    return column.str.to_lowercase().replace_strict(SEVERITY_OF_WORD, default=None, return_dtype=pl.String)


def exploits(column: pl.Expr) -> pl.Expr:
    """A number of exploits; 1 or 0 for a word that says whether there are any."""
    lower = column.str.to_lowercase()
    words = lower.replace_strict(EXPLOITABLE, default=None, return_dtype=pl.Int64)
    count = column.cast(pl.Int64, strict=False)
    return pl.coalesce(words, pl.when(count.is_between(0, 2**31 - 1)).then(count))


def time(column: pl.Series) -> pl.Series:
    """Times in UTC. Each text is parsed once, because a scan's rows share most of theirs."""
    texts = column.unique().drop_nulls()
    raw = pl.col(texts.name)
    plain = raw.str.strip_suffix(" UTC").str.strip_suffix("Z").str.replace(r"^(\d{4}-?\d\d-?\d\d)T", "$1 ")
    plain = plain.str.replace_all(r"\s+", " ")
    seconds = pl.when(raw.str.contains(_SECONDS)).then(raw.cast(pl.Int64, strict=False) * 1_000_000)
    thousandths = pl.when(raw.str.contains(_MILLISECONDS)).then(raw.cast(pl.Int64, strict=False) * 1_000)
    parsed = texts.to_frame().select(
        raw.alias("text"),
        pl.coalesce(
            pl.coalesce(seconds, thousandths).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
            *(
                plain.str.to_datetime(form, time_unit="us", strict=False, ambiguous="null").dt.replace_time_zone("UTC")
                for form in _TIMES
            ),
            *(plain.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False) for form in _ZONED),
            *(
                plain.str.to_date(form, strict=False).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
                for form in _DATES
            ),
        )
        .cast(UTC_TIME)
        .alias("time"),
    )
    parsed = parsed.with_columns(pl.when(pl.col("time").is_between(EARLIEST, LATEST)).then("time").alias("time"))
    joined = column.alias("text").to_frame().join(parsed, on="text", how="left", maintain_order="left")
    return joined["time"].alias(column.name)


def is_cves(column: pl.Expr) -> pl.Expr:
    """Whether a text is nothing but CVE numbers, with the word CVE."""
    return column.str.contains(rf"^\s*(?:{_CVE}(?:[\s,;|/&+]+|$))+$")


def cves(column: pl.Expr, *, bare: bool = False) -> pl.Expr:
    """All CVE numbers in a text, as in CVE-2026-1234; ``bare``: also where the word CVE is missing. An empty list where
    there are none."""
    pattern = f"{_CVE}|{_BARE}" if bare else _CVE
    written = pl.element().str.replace(r"(?s)^.*?(\d{4})[-_](\d+)$", "CVE-${1}-${2}")
    return column.str.replace_all(_DASHES, "-").str.extract_all(pattern).list.eval(written)
