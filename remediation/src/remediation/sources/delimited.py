"""Any delimited text (CSV) as rows of text: whole, with the rows that are wrong named, or not at all.

Fast where polars is proven to be right (``delimited_blocks``), else by the standard ``csv`` module
(``delimited_rows``). Both give the same. Memory is bounded but for the columns that are kept of different rows.
"""

from __future__ import annotations

import io
from codecs import BOM_UTF8
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from . import delimited_blocks as fast
from .delimited_header import BLANKS, Header, begin_of, read_header
from .delimited_rows import Part, RowError, parts
from .errors import CutOff, NotUnderstood
from .progress import Tell, unheard
from .report_csv import LONGEST_CELL
from .scanner_rows import LINE
from .text_in_utf8 import in_utf8, marked_encoding

__all__ = ["Delimited", "RowError", "header_of", "read_delimited"]

# Of all cells of a row.
_HASH = "hash"
_BESIDE = {LINE: pl.Int64, _HASH: pl.UInt64}
# Duplicates are looked for before the end where more rows are held, and again where these have doubled: a small packed
# file may hold one row millions of times.
_ROWS = 1 << 20


@dataclass(frozen=True)
class Delimited:
    """``rows`` has the columns of ``header`` that were asked for, all text, empty cells null; and LINE, the line of the
    file on which the row begins, from 1, the header counted. ``errors`` are the rows that were left out; ``blank``
    and ``duplicate`` count what was left out because it says nothing, or again what another row says. ``not_utf8``: as
    in TextInUtf8. ``totals`` counts short rows of sums, which were left out as well."""

    header: list[str]
    rows: pl.DataFrame
    errors: list[RowError]
    blank: int
    duplicate: int
    not_utf8: int = 0
    totals: int = 0


def header_of(path: Path) -> list[str]:
    """The names in the header, as ``read_delimited`` gives them, from the begin of the file. Raises NotUnderstood."""
    return read_header(*begin_of(path)).names


def read_delimited(
    path: Path,
    columns: Collection[str] | None = None,
    tell: Tell = unheard,
    once: Mapping[str, str] | None = None,
) -> Delimited:
    """The rows of a file; of ``columns`` those that the header has are kept in memory.

    Of a column in ``once``, long texts that the other column names, not every cell is kept: one for each cell of the
    other column at least, and null in the rest.

    Names are stripped of blanks; one without a name is "column 7", a repeated one gets " (2)", and so does "line". A
    duplicate is equal in all columns, those not kept included. Raises NotUnderstood for what is no such text (a NUL, no
    two columns, too long or too wide, a stray quotation mark, with its line) and CutOff for a file that ends too
    soon: in a character, in a quoted cell, with a row of too few cells. No error holds a cell.
    """
    with in_utf8(path, tell) as utf8:
        text = utf8.path
        begin, whole = begin_of(text)
        header = read_header(begin, whole)
        places = {name: place for place, name in enumerate(header.names) if columns is None or name in columns}
        named = {str(places[name]): str(places[by]) for name, by in (once or {}).items() if {name, by} <= places.keys()}
        kept = _Kept(list(places.values()), named)
        size = text.stat().st_size
        at = len(begin[: header.characters].encode()) + (len(BOM_UTF8) if marked_encoding(text) else 0)
        for part, done in _parts(text, header, at):
            kept.add(part)
            tell(f"{min(done, size):,} of {size:,} bytes and {kept.count:,} rows read")
    if kept.short:
        raise CutOff(f"The last row, on line {kept.short}, has too few cells.", "Make the report again.")
    rows, duplicate = kept.distinct(header.names)
    return Delimited(header.names, rows, kept.errors, kept.blank, duplicate, utf8.not_utf8, kept.totals)


def _parts(text: Path, header: Header, begin: int) -> Iterator[tuple[Part, int]]:
    """The rows from the byte ``begin`` in parts, and how many bytes were read to the end of each."""
    delimiter, width, line = header.delimiter, len(header.names), header.lines + 1
    well_formed = fast.table_pattern(delimiter)
    with text.open("rb") as file:
        for block in fast.blocks(file, begin, delimiter, width, fast.BLOCK):
            rows = fast.rows_of(block, delimiter, width, line)
            if rows is not None:
                yield Part(rows), block.end
            elif fast.is_matched(block.content, well_formed):
                # Its end is the end of a row, so the next block may be fast again.
                for part in parts(io.StringIO(block.content.decode(), newline=""), delimiter, width, line):
                    yield part, block.end
            else:
                break
            begin = block.end
            line += _lines_in(block.content)
    with text.open("rb") as file:
        file.seek(begin)
        with io.TextIOWrapper(file, "utf-8", newline="") as rest:
            for part in parts(rest, delimiter, width, line):
                # Nearly: a character has one byte at least.
                begin += part.characters
                yield part, begin


def _lines_in(content: bytes) -> int:
    """How many lines end in it. A carriage return ends one, as does a line feed, and both together end one."""
    if b"\r" not in content:
        return content.count(b"\n")
    return content.count(b"\n") + content.count(b"\r") - content.count(b"\r\n")


class _Kept:
    """What is kept of the parts, one after the other: the columns at these places of the header. ``once``: as above, by
    place."""

    def __init__(self, places: list[int], once: Mapping[str, str]) -> None:
        self._places = places
        self._once = once
        self._frames = [pl.DataFrame(schema={**{str(place): pl.String for place in places}, **_BESIDE})]
        self.errors: list[RowError] = []
        self.blank = self.totals = self._duplicate = 0
        self.short: int | None = None
        self.count = 0
        self._held, self._most = 0, _ROWS

    def add(self, part: Part) -> None:
        """Raises NotUnderstood for a cell that is too long."""
        _refuse_long(part.rows)
        rows = part.rows.with_columns(pl.all().exclude(LINE).replace("", None))
        said = _without_blank(rows)
        self.blank += part.blank + rows.height - said.height
        self.totals += part.totals
        self.errors += part.errors
        if said.height or part.errors:
            self.short = part.short
        self.count += said.height
        hashes = said.drop(LINE).hash_rows().alias(_HASH)
        first = {name: pl.when(pl.col(by).is_first_distinct()).then(name) for name, by in self._once.items()}
        cells = [first.get(str(place), pl.col(str(place))).alias(str(place)) for place in self._places]
        self._frames.append(said.select(*cells, LINE, hashes))
        self._held += said.height
        if self._held > self._most:
            self._frames = [self._without_duplicate(pl.concat(self._frames))]
            self._held = self._frames[0].height
            self._most = max(_ROWS, 2 * self._held)

    def distinct(self, header: list[str]) -> tuple[pl.DataFrame, int]:
        """The rows less those that say what one before says, and how many these are."""
        rows = self._without_duplicate(pl.concat(self._frames)).drop(_HASH)
        rows.columns = [*(header[place] for place in self._places), LINE]
        return rows, self._duplicate

    def _without_duplicate(self, rows: pl.DataFrame) -> pl.DataFrame:
        again = rows.filter(pl.col(_HASH).is_duplicated())
        # Different rows of one hash, one pair in 2^64, are told apart by the columns that are kept.
        lost = again.filter(~pl.struct(pl.all().exclude(LINE, *self._once)).is_first_distinct())[LINE]
        self._duplicate += lost.len()
        # What a filter gives may be a view, which keeps all of the rows in memory.
        return rows[(~rows[LINE].is_in(lost.implode())).arg_true()] if lost.len() else rows


def _refuse_long(rows: pl.DataFrame) -> None:
    longest = rows.select(pl.all().exclude(LINE).str.len_bytes().max())
    for name in longest.columns:
        if (longest[name][0] or 0) > LONGEST_CELL:
            line = rows.filter(pl.col(name).str.len_bytes() > LONGEST_CELL)[LINE][0]
            raise NotUnderstood(
                f"The row that begins on line {line} has a cell of more than {LONGEST_CELL} bytes.",
                "Look on that line for a quotation mark that is not closed, and make the report again.",
            )


def _without_blank(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows less those in which no cell holds anything."""

    def is_blank(name: str) -> pl.Expr:
        return pl.col(name).is_null() | (pl.col(name).str.strip_chars(BLANKS) == "")

    names = [name for name in rows.columns if name != LINE]
    # Most rows are seen by their first cell to say something.
    if not rows.select(is_blank(names[0]).any()).item():
        return rows
    return rows.filter(~pl.all_horizontal(is_blank(name) for name in names))
