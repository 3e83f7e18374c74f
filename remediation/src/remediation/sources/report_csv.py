"""Reads a CSV report: whole, or not at all."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import polars as pl

from .errors import CutOff, NotUnderstood, SourceError, TooMuch

# In each row: how many rows the report has. 0 stands in a row that is empty otherwise.
ROWS = "report_rows"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
GZIP = b"\x1f\x8b"
AGAIN = "Make the report again."
# Characters. The longest text of a solution is a few thousand.
LONGEST_CELL = 1 << 20
# Bytes of a report, also of one that was packed.
LARGEST = 8 << 30
csv.field_size_limit(LONGEST_CELL)


def read_csv(source: Path | bytes, required: Collection[str], optional: Collection[str] = ()) -> pl.DataFrame:
    """The rows as text, empty cells as null, without the column ``report_rows``, by which they were counted.

    The header holds all of ``required``, in any order. Columns that are neither there nor in ``optional`` are left out.
    A row is named by its number, the header not counted. Raises CutOff and NotUnderstood.
    """
    head, last = _ends(source)
    _check_header(head, required, {*required, *optional})
    if last != b"\n":
        raise CutOff("The report ends in the middle of a line.", AGAIN)
    try:
        rows = pl.read_csv(source, infer_schema=False).with_columns(pl.all().replace("", None))
    except pl.exceptions.PolarsError:
        # The error quotes cells.
        raise _broken_row(source) or CutOff("The report cannot be read as CSV to its end.", AGAIN) from None
    _check_lengths(rows)
    # To polars, a row with too few cells is one that ends with empty cells.
    if rows.height and rows[rows.columns[-1]].null_count() and (error := _broken_row(source)):
        raise error
    rows = rows.select(name for name in rows.columns if name in required or name in optional)
    return _counted(rows) if ROWS in rows.columns else rows


def unpacked(raw: Path) -> Path:
    """The output itself, where it may be a gzip file. Raises CutOff, and TooMuch for more than LARGEST bytes."""
    with raw.open("rb") as file:
        if file.read(2) != GZIP:
            return raw
    plain = raw.with_suffix(".csv")
    try:
        with gzip.open(raw) as packed, plain.open("wb") as file:
            while block := packed.read(1 << 20):
                file.write(block)
                if file.tell() > LARGEST:
                    raise TooMuch(
                        f"The compressed report holds more than {LARGEST} bytes.",
                        "Give it in parts, each with all findings of its devices.",
                    )
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise CutOff("The compressed output breaks off.", "Run again.") from None
    return plain


@contextmanager
def _opened(source: Path | bytes) -> Iterator[BinaryIO]:
    with source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as file:
        yield file


def _ends(source: Path | bytes) -> tuple[bytes, bytes]:
    """The first line and the last byte."""
    with _opened(source) as file:
        head = file.readline()
        file.seek(max(file.seek(0, 2) - 1, 0))
        return head, file.read(1)


def _check_header(head: bytes, required: Collection[str], used: Collection[str]) -> None:
    text = head.removeprefix(BYTE_ORDER_MARK).decode("utf-8", "replace").strip()
    names = _cells(text, ",")
    missing = [name for name in required if name not in names]
    repeated = sorted(name for name in used if names.count(name) > 1)
    if missing or repeated:
        by = "it is separated by semicolons; " if set(required) <= set(_cells(text, ";")) else ""
        # Other names are not told: they may be the text of a finding, where the file has no header.
        wrong = [f"{what} {', '.join(of)}" for what, of in (("missing", missing), ("repeated", repeated)) if of]
        raise NotUnderstood(
            f"The header is not the one of the findings of a scan: {by}{'; '.join(wrong)}.",
            "Give the output of the report of the findings, comma-separated and unchanged by a spreadsheet.",
        )


def _cells(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return []


def _broken_row(source: Path | bytes) -> SourceError | None:
    """What is wrong with the first row that has not as many cells as the header, or that cannot be read.

    A second reading, several times slower than that of polars, which does not tell the row.
    """
    number = 0
    with _opened(source) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
        rows = csv.reader(text, strict=True)
        try:
            width = len(next(rows, []))
            for number, row in enumerate(rows, start=1):
                if len(row) != width:
                    return NotUnderstood(
                        f"The report cannot be read as CSV: row {number} has {len(row)} cells, not {width}.", AGAIN
                    )
        except csv.Error:
            return CutOff(
                f"The report cannot be read as CSV: in row {number + 1}, a quotation mark is not closed or doubled, "
                f"or a cell has more than {LONGEST_CELL} characters.",
                AGAIN,
            )
        except UnicodeDecodeError:
            return NotUnderstood("The report cannot be read as CSV: it is no text in UTF-8.", AGAIN)
    return None


def _check_lengths(rows: pl.DataFrame) -> None:
    """Refuses a cell that is far too long to be one: an odd quotation mark makes a cell of many lines."""
    longest = rows.select(pl.all().str.len_bytes().max())
    for name in rows.columns:
        if (longest[name][0] or 0) > LONGEST_CELL:
            row = rows.select(pl.col(name).str.len_bytes().arg_max()).item() + 1
            raise NotUnderstood(
                f"Row {row} of the report has more than {LONGEST_CELL} bytes in the column {name}.",
                "Look for a quotation mark that is not closed, and make the report again.",
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
