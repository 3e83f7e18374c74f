"""What a register says, and which hosts it knows."""

from __future__ import annotations

import polars as pl
import pytest

from remediation.domain.register import Entry, contradictions, difference, matched, names_of, other_names, shared

WEB = Entry("Web01.corp.example", ("old7", "WEB-ALT."))
DB = Entry("db", owner="DBA")

MATCHED = {
    "its own name": ([WEB], ["web01.corp.example"], {"web01.corp.example": 1}),
    "another name": ([WEB], ["old7", "web-alt"], {"old7": 1, "web-alt": 1}),
    "short for the only domain": ([WEB], ["web01"], {"web01": 1}),
    "short, and two domains in scans": ([WEB], ["web01", "web01.lab.example"], {}),
    "a short name in the register": ([DB], ["db.corp.example"], {"db.corp.example": 1}),
    "a short name, and two domains": ([DB], ["db.corp.example", "db.lab.example"], {}),
    "a short name, and two domains and itself": ([DB], ["db", "db.a.example", "db.b.example"], {"db": 1}),
    "a short other name of a host with a domain": ([WEB], ["old7.corp.example"], {"old7.corp.example": 1}),
    "only a part": ([WEB], ["web01.corp", "web", "web01.corp.example.com", "old77"], {}),
    "the short and the whole name of one": (
        [Entry("db.corp.example", ("db",))],
        ["db", "db.corp.example"],
        {"db": 1, "db.corp.example": 1},
    ),
    "two devices that become one name": ([Entry("db"), Entry("db.corp.example")], ["db", "db.corp.example"], {}),
    "an address is no name": ([Entry("10"), Entry("10.0.0.1"), Entry("fe80::1")], ["10.0.0.1", "10", "fe80::1"], {}),
    "nothing": ([], ["db"], {}),
    "no hosts": ([WEB], [], {}),
}


@pytest.mark.parametrize("entries, hosts, found", MATCHED.values(), ids=MATCHED)
def test_which_device_a_host_is(entries: list[Entry], hosts: list[str], found: dict[str, int]) -> None:
    known = names_of(dict(enumerate(entries, start=1)))
    for some in (hosts, hosts[::-1], [*hosts, *hosts]):
        series = pl.Series(some, dtype=pl.String)
        assert dict(matched(series, known).iter_rows()) == found
        assert dict(matched(series, known.reverse()).iter_rows()) == found


def test_what_a_host_is_called_in_the_register() -> None:
    hosts = pl.Series(["old7", "web01.corp.example", "db", None, "else"])
    assert other_names(hosts, {5: WEB, 6: DB}) == {"old7": "web01.corp.example"}


CONTRADICTIONS = {
    "none": ([(2, WEB), (3, DB)], []),
    "the same name": ([(2, DB), (9, Entry("DB.", site="HQ"))], [(9, "its name is that of another device, on line 2")]),
    "another name is a name": (
        [(2, DB), (4, Entry("x", ("Db",)))],
        [(4, "one of its other names is that of another device, on line 2")],
    ),
    "a name is another name": ([(2, WEB), (3, Entry("OLD7"))], [(3, "its name is that of another device, on line 2")]),
    "the same other name": (
        [(2, WEB), (3, Entry("y", ("old7",)))],
        [(3, "one of its other names is that of another device, on line 2")],
    ),
    "its own name as another": ([(2, Entry("x", ("X",)))], []),
}


@pytest.mark.parametrize("rows, found", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_what_cannot_be(rows: list[tuple[int, Entry]], found: list[tuple[int, str]]) -> None:
    assert contradictions(rows) == found


def test_names_that_several_have() -> None:
    assert shared([WEB, DB, Entry("x", ("OLD7", "db")), Entry("y", ("Y", "y."))]) == ["db", "old7"]


def test_what_another_edition_changes() -> None:
    other, new = Entry("DB", owner="DBA 2"), Entry("new")
    changes = difference([WEB, DB], [new, other])
    assert (changes.new, changes.changed, changes.gone, changes.kept, changes.same) == ([new], [other], [WEB], (), 0)
    kept = difference([WEB, DB], [new, other], keeps=True)
    assert (kept.gone, kept.kept) == ((), [WEB])
    same = difference([WEB, DB], [DB, WEB])
    assert same.is_none and same.same == 2 and not changes.is_none and difference([], []).is_none
