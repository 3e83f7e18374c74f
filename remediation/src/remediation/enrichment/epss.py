"""FIRST's scores (EPSS) of all CVEs on one day: how likely each is exploited within 30 days, as a CSV file in gzip.

Seen in published files and in what many programs read, and not in a specification: the first line is a comment with
``model_version`` and ``score_date``, the second is the header, then comes a line for each CVE. The time in
``score_date`` has changed its form over the years and is passed over. There were some 300,000 CVEs in 2025, and FIRST
publishes the file once a day. A mirror may serve it unpacked.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from datetime import date

import polars as pl

from ..sources.errors import CutOff, NotUnderstood
from .facts import CVE, Facts

# The most bytes of the file as it comes, and unpacked. It had some 2 MB and 10 MB in 2025.
LARGEST = 64 << 20
LARGEST_UNPACKED = 256 << 20
# Both numbers are from 0 to 1.
ROWS = {"cve": pl.String, "epss": pl.Float64, "epss_percentile": pl.Float64}

_HEADER = b"cve,epss,percentile"
_COMMENT = re.compile(r"#(?=.*\bmodel_version:(?P<model>[^,\s]+))(?=.*\bscore_date:(?P<day>\d{4}-\d\d-\d\d))")
_GZIP = b"\x1f\x8b"
_OTHER = (
    "Nothing was changed. Check that the address is that of FIRST's scores of all CVEs, or of a whole copy of them."
)


def parse(content: bytes) -> Facts:
    """The scores. Raises NotUnderstood, and CutOff for a file that is not whole."""
    plain = _unpacked(content)
    comment, _, rest = plain.partition(b"\n")
    header, _, lines = rest.partition(b"\n")
    told = _COMMENT.match(comment.decode("ascii", "replace"))
    if told is None:
        raise NotUnderstood("The first line of FIRST's scores tells no model_version and score_date.", _OTHER)
    if header.rstrip(b"\r") != _HEADER:
        raise NotUnderstood(f"The header of FIRST's scores is not {_HEADER.decode()}.", _OTHER)
    if lines and not lines.endswith(b"\n"):
        raise CutOff("FIRST's scores end in the middle of a line.", _OTHER)
    try:
        day = date.fromisoformat(told["day"])
    except ValueError:
        raise NotUnderstood("The score_date of FIRST's scores is no date.", _OTHER) from None
    return Facts(day, told["model"], _rows(lines))


def _rows(lines: bytes) -> pl.DataFrame:
    try:
        rows = pl.read_csv(lines, has_header=False, schema=ROWS) if lines else pl.DataFrame(schema=ROWS)
    except pl.exceptions.PolarsError:
        raise NotUnderstood("A line of FIRST's scores is no CVE with two numbers.", _OTHER) from None
    if rows.is_empty():
        raise NotUnderstood("FIRST's scores hold no CVE.", _OTHER)
    good = (
        pl.col("cve").str.contains(CVE) & pl.col("epss").is_between(0, 1) & pl.col("epss_percentile").is_between(0, 1)
    )
    if wrong := rows.with_row_index("line", 3).filter(~good.fill_null(False))["line"].to_list():
        raise NotUnderstood(f"Line {wrong[0]} of FIRST's scores is no CVE with two numbers from 0 to 1.", _OTHER)
    if twice := rows.filter(rows["cve"].is_duplicated())["cve"].sort().to_list():
        raise NotUnderstood(f"FIRST's scores hold {twice[0]} twice.", _OTHER)
    return rows


def _unpacked(content: bytes) -> bytes:
    if not content.startswith(_GZIP):
        return content
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            plain = file.read(LARGEST_UNPACKED + 1)
    except EOFError:
        raise CutOff("FIRST's scores break off in the middle of the gzip file.", _OTHER) from None
    except (OSError, zlib.error):
        raise NotUnderstood("FIRST's scores are a damaged gzip file.", _OTHER) from None
    if len(plain) > LARGEST_UNPACKED:
        raise NotUnderstood(f"FIRST's scores have more than {LARGEST_UNPACKED >> 20} MiB unpacked.", _OTHER)
    return plain
