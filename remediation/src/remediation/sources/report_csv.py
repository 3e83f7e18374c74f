"""Reads a CSV report: whole, or not at all."""

from __future__ import annotations

import csv
from collections.abc import Collection
from io import BytesIO
from pathlib import Path

import polars as pl

from .errors import CutOff, NotUnderstood

# In each row: how many rows the report has. 0 stands in a row that is empty otherwise.
ROWS = "report_rows"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
AGAIN = "Make the report again."


def read_csv(source: Path | bytes, required: Collection[str], optional: Collection[str] = ()) -> pl.DataFrame:
    """The rows as text, empty cells as null, without the column ``report_rows``, by which they were counted.

    The header holds all of ``required``, and nothing beyond ``optional``, in any order.
    """
    head, last = _ends(source)
    _check_header(head, required, optional)
    if last != b"\n":
        raise CutOff("The report ends in the middle of a line.", AGAIN)
    try:
        rows = pl.read_csv(source, infer_schema=False).with_columns(pl.all().replace("", None))
    except pl.exceptions.PolarsError:
        # The error quotes cells.
        raise CutOff("The report cannot be read as CSV to its end.", AGAIN) from None
    return _counted(rows) if ROWS in rows.columns else rows


def _ends(source: Path | bytes) -> tuple[bytes, bytes]:
    """The first line and the last byte."""
    with source.open("rb") if isinstance(source, Path) else BytesIO(source) as file:
        head = file.readline()
        file.seek(max(file.seek(0, 2) - 1, 0))
        return head, file.read(1)


def _check_header(head: bytes, required: Collection[str], optional: Collection[str]) -> None:
    text = head.removeprefix(BYTE_ORDER_MARK).decode("utf-8", "replace").strip()
    names = next(csv.reader([text]), [])
    missing = [name for name in required if name not in names]
    unknown = [name for name in names if name not in required and name not in optional]
    if missing or unknown or len(set(names)) < len(names):
        # An unknown name may be the text of a finding, where the file has no header.
        raise NotUnderstood(
            "The header is not the one of the findings of a scan: "
            f"missing {', '.join(missing) or 'nothing'}; {len(unknown)} unknown or repeated.",
            "Give the output of the service's own report, comma-separated and unchanged.",
        )


def _counted(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows less the column that counts them; refused where they are not as many as each of them says."""
    counts = rows[ROWS].unique().to_list()
    bare = rows.drop(ROWS)
    if counts == ["0"] and rows.height == 1:
        return bare.clear()
    if counts != [str(rows.height)]:
        raise CutOff(f"The report has {rows.height} rows, and not as many as it says itself.", AGAIN)
    return bare
