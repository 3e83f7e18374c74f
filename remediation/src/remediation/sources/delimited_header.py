"""The header of a delimited text: its names, what delimits them, and where the rows begin."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from .errors import NotUnderstood
from .scanner_rows import LINE
from .text_in_utf8 import decoded, marked_encoding

# In the order in which they win where two give as many names.
DELIMITERS = (",", ";", "\t", "|")
# What a cell may hold and still be empty. The same for Python and for polars, which each know other white space.
BLANKS = " \t\r\n\v\f\xa0"
LONGEST_HEADER = 1 << 20
MOST_COLUMNS = 2000
# Blank lines and a line that names the delimiter may stand before the header.
_BEGIN = 2 * LONGEST_HEADER
_NAMED = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_LINE = re.compile("[^\\r\\n]*(?:\\r\\n?|\\n)|[^\\r\\n]+")
_AS_IT_WAS = "Give the report as the source wrote it."


@dataclass(frozen=True)
class Header:
    """``names`` are stripped of blanks and unique. ``lines`` counts the lines to the end of the header, blank ones and
    ``sep=`` included, ``characters`` what they hold."""

    names: list[str]
    delimiter: str
    lines: int
    characters: int


def begin_of(path: Path) -> tuple[str, bool]:
    """The text with which a file begins, more than a header can be long, and whether it is all of it. Cheap: without
    a byte order mark it is in UTF-8 where its begin can be. Raises NotUnderstood."""
    with path.open("rb") as file:
        begin = file.read(_BEGIN)
        whole = not file.read(1)
    return decoded(begin, marked_encoding(path), whole), whole


def read_header(text: str, whole: bool) -> Header:
    """The header in the begin of a text, or in a ``whole`` one. Its delimiter is the one that gives the most names,
    or the one that a line ``sep=`` before it tells. Raises NotUnderstood."""
    before, skipped, delimiter = _skipped(text)
    rest = text[skipped:]
    candidates = (delimiter,) if delimiter else DELIMITERS
    readings = [(name, *reading) for name in candidates if (reading := _first_row(rest, name))]
    if not rest:
        raise NotUnderstood("The file holds nothing.", _AS_IT_WAS)
    if max((len(reading[1]) for reading in readings), default=0) < 2:
        raise NotUnderstood(
            f"Line {before + 1}, which should be the header, gives no two columns: no comma, semicolon, tab or bar "
            "stands between its names, or a quotation mark in it is not closed or not doubled.",
            _AS_IT_WAS,
        )
    delimiter, cells, lines, characters = max(readings, key=lambda reading: len(reading[1]))
    if characters > LONGEST_HEADER or (characters == len(rest) and not whole):
        raise NotUnderstood(f"The header has more than {LONGEST_HEADER} characters.", _AS_IT_WAS)
    if len(cells) > MOST_COLUMNS:
        raise NotUnderstood(f"The header has {len(cells)} columns; more than {MOST_COLUMNS} are not read.", _AS_IT_WAS)
    return Header(_unique(cells), delimiter, before + lines, skipped + characters)


def _skipped(text: str) -> tuple[int, int, str | None]:
    """How many lines and characters stand before the header, and the delimiter that one of them names."""
    count = characters = 0
    delimiter = None
    for line in _lines(text):
        named = _NAMED.fullmatch(line.rstrip("\r\n"))
        if named and delimiter is None:
            delimiter = named[1]
            if delimiter not in DELIMITERS:
                raise NotUnderstood(
                    f"Line {count + 1} names a delimiter that is neither a comma, a semicolon, a tab nor a bar.",
                    "Save the report with one of these.",
                )
        elif line.strip(BLANKS + "".join(DELIMITERS)):
            break
        count += 1
        characters += len(line)
    return count, characters, delimiter


def _first_row(text: str, delimiter: str) -> tuple[list[str], int, int] | None:
    """The cells of the first row, and how many lines and characters it takes; None where it cannot be read so."""
    rows = csv.reader(_lines(text), delimiter=delimiter, strict=True)
    try:
        cells = next(rows)
    except (csv.Error, StopIteration):
        return None
    return cells, rows.line_num, sum(len(line) for line in islice(_lines(text), rows.line_num))


def _lines(text: str) -> Iterator[str]:
    """The lines with their ends, one by one: most of a text is rows, which nobody asks for here."""
    return (line.group() for line in _LINE.finditer(text))


def _unique(cells: list[str]) -> list[str]:
    stripped = [cell.strip(BLANKS) for cell in cells]
    # A name that stands there goes to its first column; the number of a line has a column of its own.
    taken = {LINE}
    names: list[str | None] = [None] * len(cells)
    for place, name in enumerate(stripped):
        if name and name not in taken:
            names[place] = name
            taken.add(name)
    for place, name in enumerate(stripped):
        if names[place] is None:
            names[place] = _free(name or f"column {place + 1}", taken)
    return [name for name in names if name is not None]


def _free(name: str, taken: set[str]) -> str:
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name} ({number})"
    taken.add(free)
    return free
