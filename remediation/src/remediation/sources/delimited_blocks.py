"""The fast path through a delimited text: polars, block by block, where it is proven to be right.

What is proven of a block before its rows are believed, without which the standard ``csv`` module reads it:

1. One regular expression matches all of it: every row has exactly as many cells as the header, and each cell is
   either free of quotation marks or begins with one, doubles all within, and ends with one. So no row is short, long
   or blank, and no quotation mark stands where two readers could differ.
2. A carriage return stands only before a line feed. So both know the same line ends, and line feeds count lines.
3. It does not begin with U+FEFF, which polars drops as a byte order mark.
4. polars reads it, and its rows and the line feeds in its cells are together as many as the lines of the block.

A block begins where a row begins: at the end of the header or after one that was read. Its own end is a line feed
before which an even number of quotation marks stands, which is the end of a row where 1 holds.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO

import polars as pl

from .scanner_rows import LINE

BLOCK = 8 << 20


@dataclass(frozen=True)
class Block:
    """Rows in the bytes from ``begin`` to ``end``; whole ones, if ``rows_of`` gives them."""

    begin: int
    content: bytes
    proven: Future[bool]

    @property
    def end(self) -> int:
        return self.begin + len(self.content)


def blocks(file: BinaryIO, begin: int, delimiter: str, width: int, size: int = BLOCK) -> Iterator[Block]:
    """The blocks of a file in UTF-8 from the byte ``begin``, where a row begins. They end where no end of a row is
    found in ``size`` bytes: what is left is not for this path. One block is proven while another is read."""
    pattern = table_pattern(delimiter, width)
    with ThreadPoolExecutor(1) as aside:
        before = None
        for at, content in _cut(file, begin, size):
            block = Block(at, content, aside.submit(_is_proven, content, pattern))
            if before:
                yield before
            before = block
        if before:
            yield before


def rows_of(block: Block, delimiter: str, width: int, line: int) -> pl.DataFrame | None:
    """The rows, in columns "0", "1" and so on, with LINE, of which ``line`` is the first; None where they are not
    proven to be right."""
    try:
        rows = pl.read_csv(
            block.content,
            has_header=False,
            schema={str(place): pl.String for place in range(width)},
            separator=delimiter,
            infer_schema=False,
            raise_if_empty=False,
        )
        is_proven = block.proven.result()
    # Also where the pattern of a row is too large to be used, from some 1,500 columns on.
    except pl.exceptions.PolarsError:
        return None
    return _with_lines(rows, block.content, line) if is_proven else None


def table_pattern(delimiter: str, width: int | None = None) -> str:
    """A regular expression that matches rows of ``width`` well-formed cells, or of any number of cells."""
    cell = rf'(?:[^"{delimiter}\n]*|"[^"]*"(?:"[^"]*")*)'
    others = "*" if width is None else f"{{{width - 1}}}"
    row = rf"(?:{cell}{delimiter if delimiter != '|' else '[|]'}){others}{cell}"
    return rf"\A(?:{row}\r?\n)*(?:{row})?\z"


def is_matched(content: bytes, pattern: str) -> bool:
    """Whether a text in UTF-8 is one. The time is linear in its size."""
    return bool(pl.Series([content], dtype=pl.Binary).cast(pl.String).str.contains(pattern).item())


def _is_proven(content: bytes, pattern: str) -> bool:
    if b"\r" in content and content.count(b"\r") != content.count(b"\r\n"):
        return False
    return not content.startswith(codecs.BOM_UTF8) and is_matched(content, pattern)


def _cut(file: BinaryIO, begin: int, size: int) -> Iterator[tuple[int, bytes]]:
    file.seek(begin)
    left = b""
    while read := file.read(size):
        content = left + read
        end = len(content) if len(read) < size else _end_of_rows(content)
        if end == 0:
            return
        yield begin, content[:end]
        begin += end
        left = content[end:]
    if left:
        yield begin, left


def _end_of_rows(content: bytes) -> int:
    """Behind the last line feed before which an even number of quotation marks stands."""
    odd = content.count(b'"') % 2
    end = len(content)
    while (at := content.rfind(b"\n", 0, end)) >= 0:
        odd = (odd + content.count(b'"', at, end)) % 2
        if not odd:
            return at + 1
        end = at
    return 0


def _with_lines(rows: pl.DataFrame, content: bytes, line: int) -> pl.DataFrame | None:
    feeds = content.count(b"\n")
    lines = feeds + (not content.endswith(b"\n"))
    if lines == rows.height:
        return rows.with_columns(pl.int_range(line, line + pl.len(), dtype=pl.Int64).alias(LINE))
    within = pl.sum_horizontal(pl.all().str.count_matches("\n", literal=True)).cast(pl.Int64)
    taken = rows.select(taken=within + 1).to_series()
    if lines != taken.sum():
        return None
    return rows.with_columns((taken.cum_sum() - taken + line).alias(LINE))
