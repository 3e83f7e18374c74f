"""The slow path through a delimited text, and the truth: the standard ``csv`` module, in parts of bounded size."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TextIO

import polars as pl

from .delimited_header import BLANKS
from .errors import CutOff, NotUnderstood
from .report_csv import LONGEST_CELL
from .scanner_rows import LINE
from .total_rows import is_sum

# Characters; more than a block of the fast path.
LONGEST_ROW = 32 << 20
_ROWS = 20_000
_CHARACTERS = 8 << 20
_QUOTES = "Make the report again, with the quotation marks in a cell doubled."


@dataclass(frozen=True)
class RowError:
    """A row that was left out: the line on which it begins, the column where one is to blame, and what is wrong."""

    line: int
    column: str
    what: str


@dataclass
class Part:
    """Some rows, one after the other. ``rows`` has the whole ones: a column of text for each of the header, named by
    its place ("0", "1" ...), because to polars a name such as "*" is a pattern; and LINE.

    ``short`` is the line of the last row that says something or was cut off, where it has too few cells.
    """

    rows: pl.DataFrame
    errors: list[RowError] = field(default_factory=list)
    blank: int = 0
    totals: int = 0
    short: int | None = None
    characters: int = 0


def parts(text: TextIO, delimiter: str, width: int, line: int) -> Iterator[Part]:
    """The rows of a text that was opened with ``newline=""``, of which ``line`` is the first line.

    A row with too few or too many cells is an error and left out, one with more of which all are blank is none.
    Blank rows are left out and counted, and so are short rows of sums (``totals``). A blank row that has too few cells
    and no line end is the begin of one that was cut off, and an error. Raises NotUnderstood for a quotation mark within
    a cell that is not doubled and for a cell or row that is too long, CutOff for a quotation mark that is not closed;
    both tell the line.
    """
    rows = _Rows(text, delimiter, line)
    more = True
    while more:
        part = Part(pl.DataFrame())
        kept: list[list[str]] = []
        at: list[int] = []
        more = False
        for begun, cells in rows:
            part.characters += rows.taken
            if not any(cell.strip(BLANKS) for cell in cells) and (rows.has_ended or len(cells) >= width):
                part.blank += 1
            elif len(cells) == width or (len(cells) > width and not any(c.strip(BLANKS) for c in cells[width:])):
                kept.append(cells[:width])
                at.append(begun)
                part.short = None
            elif len(cells) < width and is_sum(cells):
                part.totals += 1
            else:
                part.errors.append(RowError(begun, "", f"{len(cells)} cells, not {width}"))
                part.short = begun if len(cells) < width else None
            if len(kept) + len(part.errors) >= _ROWS or part.characters >= _CHARACTERS:
                more = True
                break
        columns = zip(*kept, strict=True) if kept else ((),) * width
        cells_of = [pl.Series(str(place), cells, pl.String) for place, cells in enumerate(columns)]
        part.rows = pl.DataFrame([*cells_of, pl.Series(LINE, at, pl.Int64)])
        yield part


class _Rows:
    """Each row with the line on which it begins. ``taken`` counts its characters, ``line`` is the next line.
    ``has_ended``: the row ends with a line end."""

    def __init__(self, text: TextIO, delimiter: str, line: int) -> None:
        self._text = text
        self.line = line
        self.taken = 0
        self.has_ended = True
        self._ended = False
        self._rows = csv.reader(self._lines(), delimiter=delimiter, strict=True)

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        return self

    def __next__(self) -> tuple[int, list[str]]:
        self.taken = 0
        begun = self.line
        try:
            return begun, next(self._rows)
        except csv.Error as error:
            raise self._refused(begun, error) from None

    def _lines(self) -> Iterator[str]:
        while line := self._text.readline(LONGEST_ROW):
            self.line += 1
            self.taken += len(line)
            self.has_ended = line.endswith(("\n", "\r"))
            if self.taken >= LONGEST_ROW:
                raise csv.Error("row too long")
            yield line
        self._ended = True

    def _refused(self, begun: int, error: csv.Error) -> CutOff | NotUnderstood:
        if self._ended:
            return CutOff(
                f"The file ends in a cell whose quotation mark is not closed; its row begins on line {begun}.",
                "Make the report again.",
            )
        if self.taken > LONGEST_CELL and "expected after" not in str(error):
            return NotUnderstood(
                f"The row that begins on line {begun} has a cell of more than {LONGEST_CELL} characters.",
                "Look on that line for a quotation mark that is not closed, and make the report again.",
            )
        return NotUnderstood(
            f"A quotation mark on line {self.line - 1} is neither doubled nor the end of a cell; "
            f"the row begins on line {begun}.",
            _QUOTES,
        )
