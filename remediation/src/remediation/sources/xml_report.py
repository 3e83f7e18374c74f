"""Reads a report in XML from its beginning to its end, piece by piece and safely.

Expat is used as it is. What could make an XML file dangerous begins with a DOCTYPE (entities, external files), which no
scanner's report has, and which is refused. Libraries that defend the tree builders against it build the tree in Python,
several times slower, and these files are large.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Protocol
from xml.parsers import expat

import polars as pl

from .errors import CutOff, NotUnderstood
from .progress import Tell, unheard
from .report_csv import AGAIN, LONGEST_CELL
from .scanner_rows import LINE, SCANNER_ROWS

BLOCK = 1 << 18
DEEPEST = 100
# Bytes. A tag that is longer is none of a report.
LONGEST_TAG = 4 << 20
ROOTS = {"NessusClientData_v2": "nessus", "NexposeReport": "nexpose-xml"}
# Rows that are turned into a frame at once: bounds the memory.
_SLICE = 20_000
_FIRST = re.compile(r"<(?![?!])\s*([A-Za-z_][\w.:-]*)")
_UTF8, _UTF16 = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")


class Visitor(Protocol):
    """What is done with each element. ``wanted`` are the names of elements whose text is collected, with that of all
    elements within."""

    wanted: frozenset[str]
    rows: Rows

    def started(self, name: str, attributes: dict[str, str], line: int) -> None:
        """An element begins."""

    def ended(self, name: str, text: str | None) -> None:
        """An element ends; ``text`` is that of a wanted one."""


class Rows:
    """Rows of a scanner as they come, kept as frames."""

    def __init__(self) -> None:
        self._frames: list[pl.DataFrame] = []
        self._columns: dict[str, list[Any]] = {name: [] for name in SCANNER_ROWS}
        self.count = 0

    def add(self, row: dict[str, Any]) -> None:
        """Add a row; a column that is not told is null."""
        for name, cells in self._columns.items():
            cells.append(row.get(name))
        self.count += 1
        if len(self._columns[LINE]) >= _SLICE:
            self._cut()

    def frame(self) -> pl.DataFrame:
        """All of them."""
        self._cut()
        return pl.concat(self._frames)

    def _cut(self) -> None:
        self._frames.append(pl.DataFrame(self._columns, schema=SCANNER_ROWS))
        self._columns = {name: [] for name in SCANNER_ROWS}


def kind_of_xml(path: Path) -> str | None:
    """The kind of a report in XML by its first element; None for a file that is no XML.

    Raises NotUnderstood for XML that is no such report.
    """
    with path.open("rb") as file:
        head = file.read(1 << 16)
    if head.startswith(_UTF16):
        text = head[: len(head) // 2 * 2].decode("utf-16", "replace")
    else:
        text = head.removeprefix(_UTF8).decode("utf-8", "replace")
    if not text.lstrip().startswith("<"):
        return None
    found = _FIRST.search(re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL))
    kind = ROOTS.get(found[1]) if found else None
    if kind is None:
        raise NotUnderstood(
            "The file is XML, and no report that is known.",
            "Give a .nessus file, or an export as XML 2.0 of InsightVM.",
        )
    return kind


def visit(path: Path, root: str, visitor: Visitor, tell: Tell = unheard) -> pl.DataFrame:
    """The rows that the visitor has made of the whole file. Raises NotUnderstood and CutOff, without any content."""
    size = path.stat().st_size
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    _Elements(parser, root, visitor)
    done = 0
    with path.open("rb") as file:
        try:
            while block := file.read(BLOCK):
                parser.Parse(block, False)
                done += len(block)
                if done - max(parser.CurrentByteIndex, 0) > LONGEST_TAG:
                    raise NotUnderstood(f"A tag in line {parser.CurrentLineNumber} has no end.", AGAIN)
                tell(f"{done:,} of {size:,} bytes, {visitor.rows.count:,} rows")
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise _broken(error) from None
    return visitor.rows.frame()


class _Elements:
    """Expat's handlers: count depth, collect the text of wanted elements, and tell the visitor."""

    def __init__(self, parser: expat.XMLParserType, root: str, visitor: Visitor) -> None:
        self._parser, self._root, self._visitor = parser, root, visitor
        self._depth = 0
        # How deep within a wanted element; 0 outside.
        self._collecting = 0
        self._parts: list[str] = []
        self._length = 0
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._depth and name != self._root:
            raise NotUnderstood(f"The first element is not {self._root}.", "Give the report as the scanner wrote it.")
        self._depth += 1
        if self._depth > DEEPEST:
            raise NotUnderstood(f"The elements are nested more than {DEEPEST} deep.", AGAIN)
        if self._collecting:
            self._collecting += 1
        elif name in self._visitor.wanted:
            self._collecting, self._length, self._parts = 1, 0, []
            self._parser.CharacterDataHandler = self._text
        self._visitor.started(name, attributes, self._parser.CurrentLineNumber)

    def _text(self, data: str) -> None:
        self._length += len(data)
        if self._length > LONGEST_CELL:
            line = self._parser.CurrentLineNumber
            raise NotUnderstood(f"A text in line {line} has more than {LONGEST_CELL} characters.", AGAIN)
        self._parts.append(data)

    def _end(self, name: str) -> None:
        self._depth -= 1
        text = None
        if self._collecting:
            self._collecting -= 1
            if not self._collecting:
                self._parser.CharacterDataHandler = None
                text = "".join(self._parts)
        self._visitor.ended(name, text)


def _refuse_doctype(*_: object) -> None:
    raise NotUnderstood("The file has a DOCTYPE, which no scanner writes.", "Give the report as the scanner wrote it.")


def _broken(error: expat.ExpatError) -> NotUnderstood | CutOff:
    """Expat's messages name no content."""
    what = expat.ErrorString(error.code)
    if error.code in _ENDS:
        return CutOff(f"The report ends in line {error.lineno}, before its end ({what}).", AGAIN)
    return NotUnderstood(f"The report is no XML: {what} in line {error.lineno}.", AGAIN)


_ENDS = {
    expat.errors.codes[message]
    for message in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
}
