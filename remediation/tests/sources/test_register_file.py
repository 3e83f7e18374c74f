"""A register as a file: what is read of it, and what is refused, with its lines."""

from __future__ import annotations

import gzip
from itertools import permutations
from pathlib import Path

import pytest

from remediation.domain.register import Entry
from remediation.sources.errors import SourceError
from remediation.sources.register_file import read_register

WEB = Entry("web01.corp.example", ("old7", "WEB-ALT"), ("10.0.0.1", "2001:db8::1"), "Web team", "HQ", "High")
DB = Entry("db", (), (), "=cmd()|'/c calc'!A1", "", "")
TITLES = ["Name", "Aliases", "IP address", "Owner/Team", "Site", "Criticality"]
ROWS = [
    ["web01.corp.example", "WEB-ALT old7, web01.corp.example.", "2001:DB8::1 ; 10.0.0.1", "Web   team", "HQ", "High"],
    ["db", "", "", "=cmd()|'/c calc'!A1", "", ""],
]


def text_of(rows: list[list[str]], delimiter: str = ",") -> str:
    return "".join(delimiter.join(f'"{cell}"' for cell in row) + "\n" for row in rows)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "register.csv"


def test_columns_and_rows_in_any_order(file: Path) -> None:
    for order in list(permutations(range(6)))[::29]:
        for rows in ([TITLES, *ROWS], [TITLES, *ROWS[::-1]]):
            file.write_text(text_of([[row[place] for place in order] for row in rows]), encoding="utf-8")
            assert sorted(read_register(file).entries, key=lambda one: one.name) == [DB, WEB]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_delimiters_and_encodings(file: Path, delimiter: str, encoding: str) -> None:
    file.write_bytes(text_of([["host_name", "TEAM"], ["müller-pc", "Büro"]], delimiter).encode(encoding))
    assert read_register(file).entries == [Entry("müller-pc", owner="Büro")]
    file.write_bytes(gzip.compress(file.read_bytes()))
    assert read_register(file).entries == [Entry("müller-pc", owner="Büro")]


def test_columns_that_are_known_by_what_they_hold_or_are_chosen(file: Path) -> None:
    file.write_text("A,B,C\n1,web01,10.0.0.1\n2,web02,\n3,db.corp,10.0.0.3\n", encoding="utf-8")
    found = read_register(file)
    assert found.columns == {"name": "B", "addresses": "C"}
    assert [one.name for one in found.entries] == ["web01", "web02", "db.corp"]
    chosen = read_register(file, {"owner": "A", "addresses": ""})
    assert chosen.columns["owner"] == "A" and chosen.entries[2] == Entry("db.corp", (), ("10.0.0.3",), "3")
    file.write_text("A,B\nweb01,web02\nweb03,web04\n", encoding="utf-8")
    with pytest.raises(SourceError, match="No column is known.*Choose it, of: A, B"):
        read_register(file)
    assert [one.name for one in read_register(file, {"name": "B"}).entries] == ["web02", "web04"]
    with pytest.raises(SourceError, match="no column 'C'"):
        read_register(file, {"name": "C"})


SECRET = "swordfish"
REFUSED = {
    "no name": ("Name,Owner\nweb,x\n , y\n", "line 3, the name is empty"),
    "no address": (f"Name,IP\nweb,10.0.0.300 {SECRET}\n", "line 2, an address is none"),
    "several": ("Name,IP\na,x\nb,\nc,y\n", "line 2, an address.*; line 4, an address"),
    "twice": (f"Name,Owner\n{SECRET},x\na,b\n{SECRET.upper()},y\n", "line 4, its name is that of another.*line 2"),
    "another's name": ("Name,Aliases\na,b\nb,\n", "line 3, its name is that of another device, on line 2"),
    "too many cells": (f"Name,Owner\na,b,{SECRET}\nc,d\n", "line 2"),
    "too few cells": ("Name,Owner\na\nc,d\n", "line 2"),
    "cut off": ("Name,Owner\na,b\nc", "line 3"),
    "an open quotation mark": ('Name,Owner\na,"b\n', "line 2"),
    "a NUL": (f"Name,Owner\na\0{SECRET},b\n", "NUL"),
    "nothing": ("", "nothing"),
    "no rows": ("Name,Owner\n", "no device"),
    "one column": ("Name\nweb\n", "no two columns"),
    "a long name": (f"Name,Owner\n{'a' * 254},b\n", "line 2, the name has more than 253"),
    "a long owner": (f"Name,Owner\na,{'b' * 201}\n", "line 2, the owner has more than 200"),
    "an escape": ("Name,Owner\na,b\x1b[2Jc\n", "line 2, the owner holds a character"),
    "many names": (f"Name,Aliases\na,{' '.join(f'n{one}' for one in range(101))}\n", "line 2, it has more than 100"),
    "a million columns": (f"Name{',x' * 1_000_000}\n", "columns|characters"),
    "10 MB in a cell": (f"Name,Owner\na,{'b' * 10_000_000}\n", "line 2 has a cell of more than"),
}


@pytest.mark.parametrize("text, says", REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_refused_whole_and_quotes_no_cell(file: Path, text: str, says: str) -> None:
    file.write_text(text, encoding="utf-8", newline="")
    with pytest.raises(SourceError, match=says) as refused:
        read_register(file)
    assert SECRET not in str(refused.value).lower() and len(str(refused.value)) < 2000


def test_many_wrong_lines_are_not_all_told(file: Path) -> None:
    file.write_text("Name,IP\n" + "".join(f"host{one},x\n" for one in range(50)), encoding="utf-8")
    with pytest.raises(SourceError, match="line 21, .*; and 30 more"):
        read_register(file)
