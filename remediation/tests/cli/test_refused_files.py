"""Files that cannot be read as they are: exit code 4, the place of the trouble, and nothing changed."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from remediation.sources import report_csv
from remediation.sources.copied import BLOCK, copied
from remediation.sources.errors import SourceError
from remediation.store import models

from .test_refused_input import refused


def second_row(change: Callable[[str], str]) -> Callable[[str], str]:
    """A change of the second of three rows."""

    def changed(text: str) -> str:
        lines = text.splitlines()
        lines[2] = change(lines[2])
        return "\n".join(lines) + "\n"

    return changed


def cell(old: str, new: str) -> Callable[[str], str]:
    return second_row(lambda row: row.replace(old, new, 1))


DAY = "2026-11-20 01:00:00"
# The change of the text, and what is said.
TEXTS: dict[str, tuple[Callable[[str], str], str]] = {
    "too-many-cells": (second_row(lambda row: row + ",surprise"), "row 2 has 34 cells, not 33"),
    "too-few-cells": (second_row(lambda row: row.rpartition(",")[0]), "row 2 has 32 cells, not 33"),
    "a-separator-too-few": (second_row(lambda row: row.replace(",", "", 1)), "row 2 has 32 cells, not 33"),
    "an-empty-line": (lambda text: text.replace("\n", "\n\n", 2), "row 1 has 0 cells, not 33"),
    "an-open-quote": (cell("Title of", '"Title of'), "in row 2, a quotation mark is not closed"),
    "a-quote-inside": (cell("Title of v2", '"Title" of v2'), "in row 2, a quotation mark is not closed or doubled"),
    "no-date": (
        cell(DAY, "yesterday"),
        "Row 2 of the report holds no time like 2026-11-30 18:00:00 in the column last_",
    ),
    "an-american-date": (cell(DAY, "11/20/2026"), "Row 2 of the report holds no time"),
    "a-day-that-is-none": (cell(DAY, "2026-02-30 01:00:00"), "Row 2 of the report holds no time"),
    "no-date-in-a-later-row-of-an-asset": (
        second_row(lambda row: row.replace(",2,host2", ",1,host1").replace(DAY, "yesterday", 1)),
        "Row 2 of the report holds no time",
    ),
    "a-score-above-ten": (
        cell(",8,8.1,", ",8,81,"),
        "Row 2 of the report holds no number from 0 to 10 in the column cvss_v3",
    ),
    "a-score-below-zero": (cell(",8,8.1,", ",8,-0.1,"), "number from 0 to 10 in the column cvss_v3_score"),
    "a-score-that-is-none": (cell(",8,8.1,", ",8,NaN,"), "number from 0 to 10 in the column cvss_v3_score"),
    "a-severity-above-ten": (cell(",8,8.1,", ",11,8.1,"), "number from 0 to 10 in the column severity_score"),
    "an-endless-risk": (cell(",8.1,,,", ",8.1,,inf,"), "in the column riskscore"),
    "no-count": (cell(",2,,", ",two,,"), "in the column instances"),
    "a-count-that-is-too-large": (cell(",2,,", ",3000000000,,"), "in the column instances"),
    "no-asset": (cell(",2,host2", ",,host2"), "Row 2 of the report names no asset or no vulnerability: asset_id"),
    "semicolons": (lambda text: text.replace(",", ";"), "separated by semicolons"),
    "a-wrong-header": (lambda text: text.replace("asset_id", "asset", 1), "missing asset_id."),
    "a-header-twice": (lambda text: text.replace("solution_url", "asset_id", 1), "repeated asset_id"),
    "cut-in-a-cell": (lambda text: text[:-60], "middle of a line"),
    "cut-in-a-quoted-cell-after-a-line": (
        lambda text: text.replace("Title of v3", '"Title\nof v3"')[: text.index("Title of v3") + 7],
        "in row 3, a quotation mark is not closed",
    ),
    "old-line-ends": (lambda text: text.replace("\n", "\r"), "header"),
    "nul": (cell("Title of", "Title\0of"), "is a NUL"),
    "a-cell-of-50-MB": (
        cell("Title of", "x" * 50_000_000),
        "Row 2 of the report has more than 1048576 bytes in the column vulnerability_title",
    ),
    "a-row-that-is-not-counted": (
        lambda text: "\n".join(
            f"{row},{number or 'report_rows'}" for number, row in zip((0, 2, 2, 2), text.splitlines())
        )
        + "\n",
        "has 3 rows, and not as many as it says itself",
    ),
}


def whole(line: Any) -> str:
    return Path(line.report("whole.csv", "1 v1 s1", "2 v2 s1", "3 v3 s1")).read_text("utf-8")


@pytest.mark.parametrize(("change", "says"), TEXTS.values(), ids=TEXTS.keys())
def test_a_text_that_cannot_be_used(line: Any, change: Callable[[str], str], says: str) -> None:
    text = whole(line)
    broken = change(text)
    assert broken != text
    file = line.file("broken.csv", broken)
    refused(line, "import", file, "--source", "weekly", says=says)
    err = line("import", file, "--source", "weekly").err
    assert len(err) < 700 and "Title" not in err and "yesterday" not in err


BYTES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "utf-16-cut-in-a-character": (lambda data: data.decode().encode("utf-16")[:-1], "not in UTF-16"),
    "utf-16-without-its-mark": (lambda data: data.decode().encode("utf-16-le"), "is a NUL"),
    "an-image": (lambda data: b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "is a NUL"),
    "gzip-cut": (lambda data: gzip.compress(data)[:-30], "breaks off"),
    "gzip-without-its-end": (lambda data: gzip.compress(data)[:-4], "breaks off"),
    "gzip-broken": (lambda data: gzip.compress(data)[:20] + b"\0" * 40, "breaks off"),
    "gzip-of-a-cut-file": (lambda data: gzip.compress(data[:-20]), "middle of a line"),
    "nothing": (lambda data: b"", "holds nothing"),
}


@pytest.mark.parametrize(("change", "says"), BYTES.values(), ids=BYTES.keys())
def test_bytes_that_cannot_be_used(line: Any, change: Callable[[bytes], bytes], says: str) -> None:
    file = line.folder / "broken.csv"
    file.write_bytes(change(whole(line).encode()))
    refused(line, "import", str(file), "--source", "weekly", says=says)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda data: b"\xef\xbb\xbf" + data, id="byte-order-mark"),
        pytest.param(lambda data: data.replace(b"\n", b"\r\n"), id="windows-line-ends"),
        pytest.param(lambda data: data + data.splitlines(keepends=True)[-1], id="a-row-twice"),
        pytest.param(gzip.compress, id="packed"),
        pytest.param(lambda data: data.decode().encode("utf-16"), id="utf-16"),
        pytest.param(lambda data: data.replace(b"Title of v2", "T\u00edtle".encode("cp1252")), id="windows-1252"),
    ],
)
def test_bytes_that_say_the_same(line: Any, change: Callable[[bytes], bytes]) -> None:
    data = whole(line).replace("\r\n", "\n").encode()
    file = line.folder / "other.csv"
    file.write_bytes(change(data))
    value = line("import", str(file), "--source", "weekly", "--json").json
    assert (value["findings"], value["assets"], value["vulnerabilities"]) == (3, 3, 3)
    first = models.Vulnerability.objects.get(vulnerability="v1")
    assert first.title == "Title of v1"
    file.write_bytes(data)
    line("import", str(file), "--source", "weekly")
    assert models.Observation.objects.count() == 3


def test_a_packed_file_holds_no_more_than_an_unpacked_one(line: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data = whole(line).encode()
    file = line.folder / "packed.csv"
    file.write_bytes(gzip.compress(data))
    monkeypatch.setattr(report_csv, "LARGEST", len(data) - 1)
    refused(line, "import", str(file), "--source", "weekly", says=f"holds more than {len(data) - 1} bytes. Give it in")
    monkeypatch.setattr(report_csv, "LARGEST", len(data))
    assert line("import", str(file), "--source", "weekly").code == 0


def test_what_is_no_file(line: Any) -> None:
    folder, fifo, loop = line.folder / "folder", line.folder / "fifo", line.folder / "loop"
    folder.mkdir()
    os.mkfifo(fifo)
    loop.symlink_to(loop)
    for path, says in (
        (folder, "is a folder"),
        (fifo, "is no regular file"),
        (loop, "cannot be read"),
        (line.folder / "nowhere.csv", "There is no file"),
        (Path("/dev/zero"), "is no regular file"),
    ):
        refused(line, "import", str(path), "--source", "weekly", says=says)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_one_may_not_read(line: Any) -> None:
    file = Path(line.report("a.csv", "1 v1 s1"))
    file.chmod(0)
    refused(line, "import", str(file), "--source", "weekly", says="Permission denied")


@pytest.mark.parametrize("change", ["longer", "shorter", "other"])
def test_a_file_that_changes_while_it_is_read(tmp_path: Path, change: str) -> None:
    file = tmp_path / "growing.csv"
    file.write_bytes(b"x" * (3 * BLOCK))

    def interfere(text: str) -> None:
        if text.startswith(f"{BLOCK:,} of"):
            with file.open("r+b") as other:
                other.seek(0, os.SEEK_END if change == "longer" else os.SEEK_SET)
                other.write(b"y")
                if change == "shorter":
                    other.truncate(2 * BLOCK)
            os.utime(file, (1, 1))

    with pytest.raises(SourceError, match="changed while it was read"), copied(file, interfere):
        pass


def test_the_copy_is_of_nobody_else_and_goes(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(b"text")
    with copied(file) as copy:
        assert copy.read_bytes() == b"text" and copy.parent.stat().st_mode & 0o077 == 0
    assert not copy.exists()


def test_a_cell_may_be_long(line: Any) -> None:
    text = whole(line).replace("Apply s1", "y" * (report_csv.LONGEST_CELL - 100))
    assert line("import", line.file("long.csv", text), "--source", "weekly").code == 0
