"""Any delimited text is read as it was written, or refused; the fast path and the truth give the same."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from remediation.sources import delimited, delimited_blocks
from remediation.sources.delimited import Delimited, RowError, header_of, read_delimited
from remediation.sources.delimited_header import BLANKS, DELIMITERS, MOST_COLUMNS
from remediation.sources.delimited_rows import Part
from remediation.sources.errors import CutOff, NotUnderstood, SourceError
from remediation.sources.scanner_rows import LINE

PIECES = [*"aB7 '=*^$\\#", '"', '""', "\n", "\r\n", "\r", ",", ";", "\t", "|", "é", "€", "日", "😀"]
ODD = ["\ufeff", "\u2028", "\x85", "\x0b", "\x1c", "\xa0", "NULL", "secret"]
CELLS = st.lists(st.sampled_from(PIECES + ODD), max_size=5).map("".join) | st.sampled_from(["", "", "x"])
NAMES = st.text("abcXYZ?.é", min_size=1, max_size=6)
ENDS = ["\n", "\r\n", "\r"]
UNICODE = ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"]


class Table:
    """A header and rows, with the way in which they are written."""

    def __init__(self, header: list[str], rows: list[list[str]], delimiter: str) -> None:
        self.header = header
        self.rows = rows
        self.delimiter = delimiter

    def written(self, draw: Callable[[st.SearchStrategy[str]], str] | None = None) -> tuple[str, list[int]]:
        """The text, and the line on which each row begins. ``draw`` chooses quotation marks and line ends."""
        quoting = draw(st.sampled_from(["needed", "all", "mixed", "sloppy"])) if draw else "needed"
        end = draw(st.sampled_from([*ENDS, "mixed"])) if draw else "\n"
        text, lines = "", []
        for number, row in enumerate([self.header, *self.rows]):
            lines.append(1 + len(re.findall("\r\n|\r|\n", text)))
            cells = [
                self._cell(cell, quoting if number else "needed", (number + place) % 2 == 0)
                for place, cell in enumerate(row)
            ]
            text += self.delimiter.join(cells) + (ENDS[number % 3] if end == "mixed" else end)
        if draw and draw(st.booleans()):
            # The last line needs no end, if it is none.
            text = text.removesuffix("\n").removesuffix("\r")
        return text, lines[1:]

    def _cell(self, cell: str, quoting: str, turn: bool) -> str:
        quote = any(mark in cell for mark in (*DELIMITERS, "\n", "\r")) or cell.startswith('"')
        if '"' in cell and quoting != "sloppy":
            quote = True
        if quote or quoting == "all" or (quoting == "mixed" and turn):
            return '"' + cell.replace('"', '""') + '"'
        return cell

    def said(self, lines: list[int]) -> list[tuple[str | int | None, ...]]:
        """The rows that are to come out: each once, none that is blank, with its line."""
        seen: dict[tuple[str | None, ...], int] = {}
        for row, line in zip(self.rows, lines, strict=True):
            if any(cell.strip(BLANKS) for cell in row):
                seen.setdefault(tuple(cell or None for cell in row), line)
        return [(*row, line) for row, line in seen.items()]


@st.composite
def tables(draw: st.DrawFn, cells: st.SearchStrategy[str] = CELLS) -> Table:
    header = draw(st.lists(NAMES, min_size=2, max_size=5, unique=True))
    rows = draw(st.lists(st.lists(cells, min_size=len(header), max_size=len(header)), max_size=8))
    again = draw(st.lists(st.sampled_from(rows), max_size=2)) if rows else []
    return Table(header, rows + again, draw(st.sampled_from(DELIMITERS)))


@contextmanager
def file_of(content: bytes | str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any name"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        yield path


def read(content: bytes | str, block: int = 48, **how: object) -> Delimited:
    """What is read of it, in blocks so small that a short text has several."""
    with file_of(content) as path, pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited_blocks, "BLOCK", block)
        return read_delimited(path, **how)  # type: ignore[arg-type]


def slowly(content: bytes | str) -> Delimited:
    """What the csv module alone reads of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited_blocks, "rows_of", lambda *_: None)
        patch.setattr(delimited_blocks, "is_matched", lambda *_: False)
        return read(content)


def outcome(reading: Callable[[bytes], Delimited], content: bytes) -> tuple[object, ...]:
    """All that a reading says, to be compared."""
    try:
        got = reading(content)
    except SourceError as error:
        return type(error), str(error)
    return got.header, got.rows.schema, got.rows.rows(), got.errors, got.blank, got.duplicate


@given(st.data(), tables(), st.sampled_from(UNICODE), st.sampled_from([1, 7, 48, 1 << 20]))
def test_any_table_is_read_as_it_was_written(data: st.DataObject, table: Table, encoding: str, block: int) -> None:
    text, lines = table.written(data.draw)
    content = (b"\xfe\xff" if encoding == "utf-16-be" else b"") + text.encode(encoding)
    got = read(content, block)
    said = table.said(lines)
    assert got.header == table.header
    assert got.rows.rows() == said
    assert got.rows.schema == {**dict.fromkeys(table.header, pl.String), LINE: pl.Int64}
    assert (got.errors, got.blank + got.duplicate) == ([], len(table.rows) - len(said))
    with file_of(content) as path:
        assert header_of(path) == table.header


@given(st.data(), tables(st.text('aé€ß,;"\n', max_size=4)))
def test_windows_1252_is_read_where_it_cannot_be_utf_8(data: st.DataObject, table: Table) -> None:
    text, lines = table.written(data.draw)
    content = text.encode("cp1252")
    # Some signs of it, one after the other, are a character of UTF-8 too.
    assume(not any(len(sign) > 1 for sign in re.findall(rb"[\xc2-\xf4][\x80-\xbf]+", content)))
    try:
        content.decode()
    except UnicodeDecodeError as error:
        assume(error.reason != "unexpected end of data")
    got = read(content)
    assert (got.rows.rows(), got.not_utf8) == (table.said(lines), 0)


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_only_what_is_no_utf_8_is_read_as_windows_1252(mark: bytes, end: bytes, block: int) -> None:
    # Also in the header, at the end of the file, and a byte that Windows-1252 has not.
    content = mark + "größe,b\nœuvre,".encode() + b"caf\xe9\n\x811,\x80\n2,na\xefve \xe2\x82" + end
    got = read(content, block)
    assert got.header == ["größe", "b"] and got.not_utf8 == 6
    assert got.rows.rows() == [("œuvre", "café", 2), ("\ufffd1", "€", 3), ("2", "naïve â‚", 4)]
    with file_of(content) as path:
        assert header_of(path) == ["größe", "b"]


def test_a_mark_of_utf_8_counts_for_what_is_beyond_ascii() -> None:
    got = read(b"\xef\xbb\xbfa,b\n1,\xe9x\n")
    assert (got.rows.rows(), got.not_utf8) == ([("1", "éx", 2)], 1)


@given(st.data(), tables())
def test_the_fast_path_and_the_truth_give_the_same(data: st.DataObject, table: Table) -> None:
    content = table.written(data.draw)[0].encode()
    assert outcome(read, content) == outcome(slowly, content)


@settings(max_examples=300)
@given(st.text('aé",\n\r ', max_size=30), st.sampled_from([1, 6, 48]))
def test_they_give_the_same_of_a_text_that_is_no_table(rest: str, block: int) -> None:
    content = f"a,b\n{rest}".encode()
    assert outcome(lambda text: read(text, block), content) == outcome(slowly, content)


@settings(max_examples=200)
@given(st.binary(max_size=60) | st.text('aé,;"\n\r=sep\t|', max_size=40).map(str.encode), st.sampled_from([1, 48]))
def test_any_bytes_are_read_or_refused(content: bytes, block: int) -> None:
    for begin in (b"", b"secret;secret 2\n", b"\xff\xfe", b"\xef\xbb\xbfa,b\r"):
        said = outcome(lambda text: read(text, block), begin + content)
        with file_of(begin + content) as path:
            try:
                names = header_of(path)
            except SourceError:
                names = None
        assert isinstance(said[0], list) or "secret" not in str(said[1])
        assert not isinstance(said[0], list) or names is not None


@settings(max_examples=300)
@given(st.data(), tables(), st.sampled_from(UNICODE))
def test_a_file_that_is_cut_is_refused_or_gives_only_rows_of_the_whole(
    data: st.DataObject, table: Table, encoding: str
) -> None:
    content = (b"\xfe\xff" if encoding == "utf-16-be" else b"") + table.written(data.draw)[0].encode(encoding)
    whole = {row[:-1] for row in read(content).rows.rows()}
    cut = data.draw(st.integers(0, len(content)))
    try:
        got = read(content[:cut])
    except SourceError:
        return
    assert not got.errors
    *rows, last = [row[:-1] for row in got.rows.rows()] or [None]
    assert set(rows) <= whole
    # A cut within the last cell of a row leaves a row that no reader can tell from a whole one.
    assert (
        last is None
        or last in whole
        or any(row[:-1] == last[:-1] and (row[-1] or "").startswith(str(last[-1] or "").rstrip("\r")) for row in whole)
    )


@given(st.data(), tables())
def test_order_of_rows_and_columns_does_not_matter(data: st.DataObject, table: Table) -> None:
    first = read(table.written(data.draw)[0])
    columns = data.draw(st.permutations(range(len(table.header))))
    rows = data.draw(st.permutations(table.rows))
    other = Table([table.header[at] for at in columns], [[row[at] for at in columns] for row in rows], ";")
    second = read(other.written(data.draw)[0])
    assert set(second.rows.select(table.header).rows()) == set(first.rows.select(table.header).rows())
    assert (second.blank, second.duplicate) == (first.blank, first.duplicate)


@given(st.data(), tables())
def test_columns_that_are_not_kept_still_tell_rows_apart(data: st.DataObject, table: Table) -> None:
    text = table.written(data.draw)[0]
    kept = data.draw(st.lists(st.sampled_from(table.header), unique=True))
    whole, some = read(text), read(text, columns=[*kept, "not there"])
    assert some.header == whole.header
    assert some.rows.equals(whole.rows.select(*(name for name in whole.header if name in kept), LINE))
    assert (some.blank, some.duplicate) == (whole.blank, whole.duplicate)


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("a,b", ["a", "b"]),
        ("a;b,c;d", ["a", "b,c", "d"]),
        ('"a;b;c",d', ["a;b;c", "d"]),
        ("a|b", ["a", "b"]),
        ("a\tb", ["a", "b"]),
        ("\ufeffsep=;\r\na;b,c,d", ["a", "b,c,d"]),
        ("SEP=|\n\na|b,c,d", ["a", "b,c,d"]),
        (" \r\n;;\n\na;b", ["a", "b"]),
        ('a,"b\nc"', ["a", "b\nc"]),
        ("a,,,b ,", ["a", "column 2", "column 3", "b", "column 5"]),
        ("a,a,a,a (2)", ["a", "a (3)", "a (4)", "a (2)"]),
        ("column 2,,line, line", ["column 2", "column 2 (2)", "line (2)", "line (3)"]),
        ("*,^.*$,hash,0", ["*", "^.*$", "hash", "0"]),
    ],
)
def test_header(header: str, names: list[str]) -> None:
    with file_of(header) as path:
        assert header_of(path) == names
    got = read(f"{header}\n")
    assert got.header == names
    assert got.rows.columns == [*names, LINE] and got.rows.height == 0


def test_lines_before_the_header_count() -> None:
    assert read("\nsep=;\na;b\n1;2\n").rows.rows() == [("1", "2", 4)]


def test_a_row_with_another_number_of_cells_is_left_out_and_named() -> None:
    got = read('a,b,c\n1,2\n3,4,5,6\n"x\ny",7,8,,\n\n ,\n,,\n1,2,3\n1,2,3\n')
    assert got.rows.rows() == [("x\ny", "7", "8", 4), ("1", "2", "3", 9)]
    assert got.errors == [RowError(2, "", "2 cells, not 3"), RowError(3, "", "4 cells, not 3")]
    assert (got.blank, got.duplicate) == (3, 1)


@pytest.mark.parametrize("end", [",,", ",,\n", "\n", ",\n", " \n", " ,\r", '""\r\n'])
@pytest.mark.parametrize("block", [6, 8 << 20])
def test_a_blank_last_row_that_is_whole_is_counted(end: str, block: int) -> None:
    got = read(f"a,b,c\n,1,2\n{end}", block)
    assert (got.rows.rows(), got.errors, got.blank) == ([(None, "1", "2", 2)], [], 1)


LONG = "x" * ((1 << 20) + 1)


REFUSED: list[tuple[str | bytes, type[SourceError], str]] = [
    ("", NotUnderstood, "holds nothing"),
    ("\n\n", NotUnderstood, "holds nothing"),
    ("secret\n1\n", NotUnderstood, "no two columns: no comma"),
    ('a,"secret', NotUnderstood, "quotation mark"),
    ("sep=:\na:b\n", NotUnderstood, "Line 1 names a delimiter"),
    ("a,b\n1,2\nsecret\n", CutOff, "line 3, has too few cells"),
    ("a,b,c\n1,2,3\nTotal,secret\n", CutOff, "line 3, has too few cells"),
    ("a,b\n1,2\nsecret\n\n,\n", CutOff, "line 3, has too few cells"),
    ("a,b,c,d\n,secret,1,T\n,", CutOff, "line 3, has too few cells"),
    ("a,b,c,d\n,secret,1,T\n\n, ,", CutOff, "line 4, has too few cells"),
    ('a,b\n1,2\n"sec\nret",3\n4,"secret\n5,6\n', CutOff, "row begins on line 5"),
    ('a,b\n1,2\n"x\n"secret",3\n4,5\n', NotUnderstood, "on line 4 is neither doubled"),
    ('a,b\n1,2\n3,"secret "4" 5"\n6,7\n', NotUnderstood, "on line 3 is neither doubled"),
    ('a,b\n1,""secret""\n', NotUnderstood, "on line 2 is neither doubled"),
    ("a,b\n1,secret\0\n", NotUnderstood, "byte 13 of it in UTF-8 is a NUL"),
    ("a,b\n1,secret\0\n".encode("utf-16"), NotUnderstood, "is a NUL"),
    ("a,b\n1,é".encode()[:-1], CutOff, "middle of a character of UTF-8"),
    ("a,b\n1,é".encode("utf-16")[:-1], CutOff, "middle of a character of UTF-16"),
    (b"\xff\xfea\0,\0b\0\n\0\x00\xdca\0", NotUnderstood, "is not in UTF-16"),
    (b"a,b\n1,\x81secret\n", NotUnderstood, "in neither UTF-8 nor Windows-1252"),
    (f"a,b\n1,2\n3,{LONG}\n", NotUnderstood, "line 3 has a cell of more than 1048576"),
    (f'a,b\n1,2\n3,"{LONG}"\n', NotUnderstood, "line 3 has a cell of more than 1048576"),
    (f"a,b\n1,2\n3,{'é' * (1 << 19)}é\n", NotUnderstood, "line 3 has a cell of more than 1048576 bytes"),
    (f'a,b\n1,2\n3,"4\n{"5,6 of secret" * (1 << 17)}\n', NotUnderstood, "line 3 has a cell of more than 1048576"),
    (",".join("a" * 2001), NotUnderstood, "2001 columns"),
    (f"a,{LONG}\n1,2\n", NotUnderstood, "header"),
    (f"a,b{' ' * (3 << 20)}\n1,2\n", NotUnderstood, "header"),
    ("x," * (1 << 20), NotUnderstood, "header"),
]


@pytest.mark.parametrize(("content", "kind", "told"), REFUSED, ids=[told for _, _, told in REFUSED])
@pytest.mark.parametrize("block", [64, 8 << 20])
def test_refused(content: str | bytes, kind: type[SourceError], told: str, block: int) -> None:
    with pytest.raises(kind) as refused:
        read(content, block)
    assert told in str(refused.value)
    assert "secret" not in str(refused.value) and "xxx" not in str(refused.value)


def test_a_quotation_mark_within_a_cell_without_any_is_text() -> None:
    assert read('a,b\n5" disk,19"\n1,2\n').rows.rows() == [('5" disk', '19"', 2), ("1", "2", 3)]


def test_what_is_proven_is_read_by_polars_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ragged block costs no other its speed."""
    good = 'x,"say ""no"",\r\nor","",\r\n' * 40
    slow: list[str] = []
    parts = delimited.parts

    def seen(text: object, *how: object) -> object:
        at = text.tell()  # type: ignore[attr-defined]
        slow.append(text.read())  # type: ignore[attr-defined]
        text.seek(at)  # type: ignore[attr-defined]
        return parts(text, *how)  # type: ignore[arg-type]

    monkeypatch.setattr(delimited, "parts", seen)
    got = read(f"a,b,c,d\r\n{good}1,2,3\r\n{good}", 300)
    assert [text for text in slow if text] == [next(text for text in slow if "1,2,3" in text)]
    assert got.errors == [RowError(82, "", "3 cells, not 4")] and got.duplicate == 79
    assert len(slow[0]) < 400


def test_duplicates_are_not_held_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    add = delimited._Kept.add

    def seen(kept: delimited._Kept, part: Part) -> None:
        add(kept, part)
        held.append(sum(frame.height for frame in kept._frames))

    monkeypatch.setattr(delimited, "_ROWS", 10)
    monkeypatch.setattr(delimited._Kept, "add", seen)
    got = read("a,b\n" + "1,2\n" * 300 + "3,4\n1,2\n")
    assert got.rows.rows() == [("1", "2", 2), ("3", "4", 302)] and got.duplicate == 300
    assert len(held) > 20 and max(held) < 30


@pytest.mark.parametrize("width", [1600, MOST_COLUMNS])
def test_a_header_is_as_wide_as_it_may_be(width: int) -> None:
    row = [str(place) for place in range(width)]
    got = read(f"{','.join(row)}\n{','.join(row[::-1])}\n1,2\n{','.join(row)}\n", 1 << 20)
    assert got.rows.drop(LINE).rows() == [tuple(row[::-1]), tuple(row)]
    assert got.errors == [RowError(3, "", f"2 cells, not {width}")]


def test_progress_tells_bytes_and_rows() -> None:
    said: list[str] = []
    content = "a;b\r\n" + "".join(f"{number};é\r\n" for number in range(100))
    read(content.encode("cp1252"), 300, tell=said.append)
    size = len(content.encode())
    assert said[0] == f"{len(content)} of {len(content)} bytes rewritten as UTF-8"
    assert said[-1] == f"{size:,} of {size:,} bytes and 100 rows read"
    assert len(said) > 4


def test_speed_beside_bare_polars(tmp_path: Path) -> None:
    """Printed, not asserted."""
    path = tmp_path / "table.csv"
    text = 'The package is ""old"",\nand an update is there. ' * 5
    with path.open("w", newline="") as file:
        file.write(",".join(f"column {place}" for place in range(21)) + "\n")
        for number in range(100_000):
            file.write(
                f'{number % 700},10.0.{number % 250}.1,High,"{text}","{text[:-2]}",,{"some text," * 14}{number}\n'
            )
    seconds = {}
    for name, reading in (
        ("bare polars", lambda: pl.read_csv(path, infer_schema=False)),
        ("fast path", lambda: read_delimited(path)),
        ("truth", lambda: slowly(path.read_bytes())),
    ):
        begin = time.perf_counter()
        assert reading().height if name == "bare polars" else reading().rows.height == 100_000
        seconds[name] = time.perf_counter() - begin
    print({name: f"{taken:.2f} s, {taken / seconds['bare polars']:.1f}" for name, taken in seconds.items()})
