"""Reads a report in XML from its beginning to its end, piece by piece and safely.

Expat is used as it is. What could make an XML file dangerous begins with a DOCTYPE (entities, external files), which no
scanner's report has, and which is refused. Libraries that defend the tree builders against it build the tree in Python,
several times slower, and these files are large.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol
from xml.parsers import expat

import polars as pl

from .errors import CutOff, NotUnderstood
from .progress import Tell, unheard
from .report_csv import AGAIN, LONGEST_CELL

BLOCK = 1 << 18
DEEPEST = 100
MOST_ATTRIBUTES = 100
# Bytes. A tag that is longer is none of a report. An older Expat reads one that is not all there again with each block.
LONGEST_TAG = 4 << 20
ROOTS = {"NessusClientData_v2": "nessus", "NexposeReport": "nexpose-xml"}
# Those of which Expat, or Python for it, knows what each byte is. Python raises errors of its own for all others.
ENCODINGS = ("UTF-8", "UTF-16", "UTF-16LE", "UTF-16BE", "US-ASCII", "ISO-8859-1", "WINDOWS-1252")
UNCHANGED = "Give the report as the scanner wrote it."
# Rows that are turned into a frame at once: bounds the memory.
_SLICE = 20_000
_UTF8, _UTF16 = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")


class Rows:
    """Rows as they come, kept as frames. ``columns`` are texts but those that ``kinds`` tells otherwise of."""

    def __init__(self, *columns: str, kinds: Mapping[str, Any] | None = None) -> None:
        self._schema = {**dict.fromkeys(columns, pl.String), **(kinds or {})}
        self._frames: list[pl.DataFrame] = []
        self._columns: dict[str, list[Any]] = {}
        self.count = self._kept = 0
        self._cut()

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row; a column that is not told is null."""
        for name, cells in self._columns.items():
            cells.append(row.get(name))
        self.count += 1
        if self.count - self._kept >= _SLICE:
            self._cut()

    def frame(self) -> pl.DataFrame:
        """All of them."""
        self._cut()
        return pl.concat(self._frames)

    def _cut(self) -> None:
        self._frames.append(pl.DataFrame(self._columns, schema=self._schema))
        self._columns = {name: [] for name in self._schema}
        self._kept = self.count


class Values:
    """The values of one cell, one after the other."""

    def __init__(self) -> None:
        self._values: list[str] = []
        self._length = 0

    def add(self, value: str) -> None:
        """Raises NotUnderstood where they are longer than a cell may be."""
        self._length += len(value) + 1
        if self._length > LONGEST_CELL:
            raise NotUnderstood(f"The values of one cell have more than {LONGEST_CELL} characters.", AGAIN)
        self._values.append(value)

    def text(self) -> str:
        """All of them, with blanks between."""
        return " ".join(self._values)


class Visitor(Protocol):
    """What is done with each element."""

    rows: Rows

    def started(self, name: str, attributes: dict[str, str], line: int) -> bool:
        """An element begins. Whether its text is wanted; if so, nothing is told of the elements within but by
        ``nested``."""

    def nested(self, name: str, attributes: dict[str, str], text: str, /) -> str:
        """What stands for an element within one whose text is wanted."""

    def ended(self, name: str, text: str | None) -> None:
        """An element ends; ``text`` is that of a wanted one."""


def kind_of_xml(path: Path) -> str | None:
    """The kind of a report in XML by its first element; None for a file that is no XML.

    Raises NotUnderstood for XML that is no such report.
    """
    with path.open("rb") as file:
        head = file.read(1 << 16)
    if not _begins_with_a_tag(head):
        return None
    kind = ROOTS.get(_first_element(head))
    if kind is None:
        raise NotUnderstood(
            "The file is XML, and no report that is known.",
            "Give a .nessus file, or an export as XML 2.0 of InsightVM.",
        )
    return kind


def visit(path: Path, root: str, visitor: Visitor, tell: Tell = unheard) -> None:
    """Show the visitor the whole file. Raises NotUnderstood and CutOff, without any content."""
    size = path.stat().st_size
    parser = _parser()
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


def misplaced(name: str, line: int) -> NotUnderstood:
    """For an element where it has no meaning, so that what it says would be lost."""
    return NotUnderstood(f"The element {name} in line {line} stands where no scanner writes it.", UNCHANGED)


class _Elements:
    """Expat's handlers: count depth, collect the text of wanted elements, and tell the visitor."""

    def __init__(self, parser: expat.XMLParserType, root: str, visitor: Visitor) -> None:
        self._parser, self._root, self._visitor = parser, root, visitor
        self._depth = 0
        # The elements that are open within a wanted one, itself the first, each with its place in the text's parts.
        self._open: list[tuple[dict[str, str], int]] = []
        self._parts: list[str] = []
        self._length = 0
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._depth and name != self._root:
            raise NotUnderstood(f"The first element is not {self._root}.", UNCHANGED)
        self._depth += 1
        if self._depth > DEEPEST:
            raise NotUnderstood(f"The elements are nested more than {DEEPEST} deep.", AGAIN)
        line = self._parser.CurrentLineNumber
        if attributes:
            _refuse_large(attributes, line)
        if self._open:
            self._open.append((attributes, len(self._parts)))
        elif self._visitor.started(name, attributes, line):
            self._open.append((attributes, 0))
            self._length, self._parts = 0, []
            self._parser.CharacterDataHandler = self._add

    def _add(self, data: str) -> None:
        self._length += len(data)
        if self._length > LONGEST_CELL:
            raise _too_long(self._parser.CurrentLineNumber)
        self._parts.append(data)

    def _end(self, name: str) -> None:
        self._depth -= 1
        if not self._open:
            self._visitor.ended(name, None)
            return
        attributes, place = self._open.pop()
        text = "".join(self._parts[place:])
        if self._open:
            del self._parts[place:]
            self._length -= len(text)
            self._add(self._visitor.nested(name, attributes, text))
        else:
            self._parser.CharacterDataHandler = None
            self._visitor.ended(name, text)


def _begins_with_a_tag(head: bytes) -> bool:
    if head.startswith(_UTF16):
        text = head[: len(head) // 2 * 2].decode("utf-16", "replace")
        return text.lstrip().startswith("<")
    return head.removeprefix(_UTF8).lstrip().startswith(b"<")


def _first_element(head: bytes) -> str:
    """Its name, or that which a DOCTYPE announces; empty where there is none."""
    found: list[str] = []
    parser = _parser()

    def note(name: str, *_: object) -> None:
        found.append(name)
        # No more is wanted, and an error by a handler is the way to stop Expat.
        raise _Found

    parser.StartElementHandler = note
    parser.StartDoctypeDeclHandler = note
    try:
        parser.Parse(head, False)
    except (_Found, expat.ExpatError):
        pass
    return found[0] if found else ""


class _Found(Exception):
    """The first element."""


def _parser() -> expat.XMLParserType:
    parser = expat.ParserCreate()
    parser.XmlDeclHandler = _refuse_encoding
    return parser


def _refuse_encoding(_: str, encoding: str | None, __: int) -> None:
    if encoding and encoding.upper() not in ENCODINGS:
        raise NotUnderstood(
            f"The report says that it is in an encoding that is none of {', '.join(ENCODINGS)}.",
            "Give it in UTF-8, as scanners write it.",
        )


def _refuse_doctype(*_: object) -> None:
    raise NotUnderstood("The file has a DOCTYPE, which no scanner writes.", UNCHANGED)


def _refuse_large(attributes: dict[str, str], line: int) -> None:
    if len(attributes) > MOST_ATTRIBUTES:
        raise NotUnderstood(f"An element in line {line} has more than {MOST_ATTRIBUTES} attributes.", AGAIN)
    for value in attributes.values():
        if len(value) > LONGEST_CELL:
            raise _too_long(line)


def _too_long(line: int) -> NotUnderstood:
    return NotUnderstood(f"A text in line {line} has more than {LONGEST_CELL} characters.", AGAIN)


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
