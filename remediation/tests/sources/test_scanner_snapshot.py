"""What becomes of the rows of a scanner: findings, assets, coverage, and what was wrong."""

from __future__ import annotations

import random
from datetime import datetime, timezone
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediation.domain.naming import Naming
from remediation.domain.snapshot import ASSETS, COVERAGE, EXCEPTIONS, FINDINGS, FIXED, Proof, Snapshot
from remediation.sources.errors import NotUnderstood
from remediation.sources.row_errors import ROW_ERRORS, refuse_too_many, told
from remediation.sources.scanner_rows import NO_FINDING, SCANNER_ROWS
from remediation.sources.scanner_snapshot import snapshot_of_rows

TAKEN = datetime(2026, 11, 20, 20, tzinfo=timezone.utc)


def at(day: int, hour: int = 18) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=timezone.utc)


def rows(*cells: dict[str, Any]) -> pl.DataFrame:
    """Rows of web1 and of vulnerability 1, where a cell does not say otherwise."""
    told_cells = [
        {"line": line, "host_name": "web1", "vulnerability": "1", **cell} for line, cell in enumerate(cells, 2)
    ]
    return pl.DataFrame(told_cells, schema=SCANNER_ROWS)


def read(*cells: dict[str, Any], **options: Any) -> tuple[Snapshot, pl.DataFrame]:
    return snapshot_of_rows(rows(*cells), taken=TAKEN, proof=Proof.NOTHING, **options)


def finding(*cells: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The only finding, of rows in which nothing is wrong."""
    snapshot, errors = read(*cells, **options)
    assert errors.height == 0, told(errors)
    assert snapshot.findings.height == 1
    return snapshot.findings.row(0, named=True)


def test_the_frames_are_those_of_a_snapshot() -> None:
    snapshot, errors = read(
        {}, {"vulnerability": "2", "state": "FIXED"}, {"vulnerability": "3", "accepted": "ACCEPTED"}
    )
    for frame, schema in (
        (snapshot.findings, FINDINGS),
        (snapshot.assets, ASSETS),
        (snapshot.coverage, COVERAGE),
        (snapshot.exceptions, EXCEPTIONS),
        (snapshot.fixed, FIXED),
        (errors, ROW_ERRORS),
    ):
        assert list(frame.schema.items()) == list(schema.items())
    assert [frame.height for frame in (snapshot.findings, snapshot.fixed, snapshot.exceptions)] == [1, 1, 1]
    assert snapshot.exceptions.row(0, named=True)["status"] == "approved"
    assert (snapshot.rows, snapshot.taken, snapshot.proof) == (3, TAKEN, Proof.NOTHING)


def test_no_rows_at_all() -> None:
    snapshot, errors = read()
    assert snapshot.findings.is_empty() and snapshot.coverage.is_empty() and errors.is_empty()


ASSET_KEYS = {
    "the-source's-own-id": ({"asset_id": "Id-1", "mac": "AA", "ip": "10.0.0.1"}, "Id-1"),
    "name-before-mac": ({"host_name": "WEB1.", "mac": "AA:BB", "ip": "10.0.0.1"}, "web1"),
    "mac-before-address": ({"host_name": None, "mac": "AA:BB\nCC:DD", "ip": "10.0.0.1"}, "aa:bb"),
    "address-where-there-is-nothing-else": ({"host_name": None, "ip": "10.0.0.1, 10.0.0.2"}, "10.0.0.1"),
    "a-name-that-is-an-address": ({"host_name": "10.0.0.1"}, "10.0.0.1"),
    "a-name-that-is-an-address-beside-a-mac": ({"host_name": "10.0.0.1", "mac": "AA:BB"}, "aa:bb"),
}


@pytest.mark.parametrize("cells, key", ASSET_KEYS.values(), ids=ASSET_KEYS)
def test_what_names_an_asset(cells: dict[str, Any], key: str) -> None:
    assert finding(cells)["asset"] == key


@pytest.mark.parametrize(
    "cells",
    [
        *([{"host_name": None, "ip": ip} for ip in ("2001:DB8::1", "2001:db8:0:0:0:0:0:1", "2001:0db8::0001")],),
        *([{"host_name": ip} for ip in ("FE80::1%eth0", "fe80:0::1%eth0")],),
        *([{"host_name": None, "ip": ip} for ip in ("10.0.0.1", "::ffff:10.0.0.1", "::FFFF:0a00:0001")],),
        [
            {"host_name": None, "mac": mac}
            for mac in ("00:50:56:AA:00:01", "00-50-56-aa-00-01", "0050.56aa.0001", "005056AA0001", "00 50 56 aa 00 01")
        ],
        [
            {"asset_id": uuid}
            for uuid in (
                "AA4B79BA-0C5D-4A1C-9F6E-9E9A0A4D21EC",
                "{aa4b79ba-0c5d-4a1c-9f6e-9e9a0a4d21ec}",
                "aa4b79ba-0c5d-4a1c-9f6e-9e9a0a4d21ec",
            )
        ],
        # What only some rows tell.
        [{"asset_id": "A7"}, {}, {"host_name": "WEB1."}],
        [{"asset_id": "A7", "ip": "10.0.0.1"}, {"host_name": None, "ip": "10.0.0.1"}, {"host_name": "10.0.0.1"}],
        [{"ip": "10.0.0.1"}, {"host_name": None, "ip": "10.0.0.1"}, {"ip": "10.0.0.2"}],
        [{"mac": "00:50:56:aa:00:01"}, {"host_name": None, "mac": "00-50-56-AA-00-01", "ip": "10.0.0.1"}],
        [
            {"asset_id": "A7", "mac": "00:50:56:aa:00:01"},
            {"host_name": None, "mac": "005056aa0001"},
            {"host_name": None, "mac": "005056aa0001", "ip": "10.0.0.1"},
            {"host_name": None, "ip": "10.0.0.1"},
        ],
    ],
)
def test_one_machine_is_one_asset_however_its_rows_tell_it(cells: list[dict[str, Any]]) -> None:
    for some in (cells, cells[::-1]):
        snapshot, errors = read(*some)
        assert snapshot.findings.height == snapshot.assets.height == snapshot.coverage.height == 1
        assert errors.is_empty()


@pytest.mark.parametrize(
    "cells, assets",
    [
        # Two ids of one name, and a name that another one with the same address has: nothing tells which it is.
        ([{"asset_id": "A7"}, {"asset_id": "A8"}, {}], ["A7", "A8", "web1"]),
        ([{"asset_id": "A7", "ip": "10.0.0.1"}, {"host_name": "web2", "ip": "10.0.0.1"}], ["A7", "web2"]),
        (
            [{"ip": "10.0.0.1"}, {"host_name": "web2", "ip": "10.0.0.1"}, {"host_name": "10.0.0.1"}],
            ["10.0.0.1", "web1", "web2"],
        ),
        ([{"ip": "10.0.0.1", "sites": "a"}, {"host_name": "10.0.0.1", "sites": "b"}], ["10.0.0.1", "web1"]),
        # A machine with another adapter at an address that was given to it later.
        (
            [{"mac": "005056aa0001", "ip": "10.0.0.1"}, {"host_name": None, "mac": "005056aa0002", "ip": "10.0.0.1"}],
            ["00:50:56:aa:00:02", "web1"],
        ),
        # No UUIDs: another case may be another id.
        ([{"asset_id": "a"}, {"asset_id": "A"}], ["A", "a"]),
    ],
)
def test_what_may_be_several_machines_stays_so(cells: list[dict[str, Any]], assets: list[str]) -> None:
    assert read(*cells)[0].assets["asset"].to_list() == assets


def test_a_changed_address_keeps_its_asset() -> None:
    one, other = (read({"ip": ip})[0] for ip in ("10.0.0.1", "10.0.0.2"))
    assert one.findings.equals(other.findings)
    both = read({"ip": "10.0.0.1"}, {"ip": "10.0.0.2", "vulnerability": "2"})[0]
    assert both.assets["ip"].to_list() == ["10.0.0.1"] and both.findings["asset"].to_list() == ["web1", "web1"]


def test_the_rules_of_naming_are_used() -> None:
    naming = Naming({"old": "web1"}, ("example.com",))
    assert finding({"host_name": "OLD.example.com"}, {"host_name": "web1"}, naming=naming)["asset"] == "web1"


def test_an_address_alone_is_the_address_of_the_asset() -> None:
    assets = read({"host_name": "10.0.0.7"})[0].assets
    assert assets.select("host_name", "ip").row(0) == (None, "10.0.0.7")


def test_rows_of_one_vulnerability_are_one_finding_with_all_that_they_tell() -> None:
    found = finding(
        {"port": "443", "protocol": "tcp", "cves": "CVE-2026-1000", "cvss3": "5.0", "severity": "medium"},
        {"port": "443.0", "protocol": "TCP", "cves": "CVE-2026-1001", "cvss3": "7.5", "severity": "High"},
        {"port": "8443", "protocol": "tcp", "title": "T", "solution_fix": "Do it."},
        {"port": "443", "protocol": "udp"},
    )
    assert found["instances"] == 3 and found["cves"] == ["CVE-2026-1000", "CVE-2026-1001"]
    assert (found["cvss"], found["severity"], found["title"], found["solution_fix"]) == (7.5, "high", "T", "Do it.")
    assert (found["solution"], found["solution_name"]) == ("1", "T")


def test_a_vulnerability_has_the_same_cves_wherever_it_is() -> None:
    snapshot, _ = read({"cves": "cve-2026-1000"}, {"host_name": "web2"})
    assert snapshot.findings["cves"].to_list() == [["CVE-2026-1000"]] * 2


@pytest.mark.parametrize(
    "cells, cves",
    [
        ({"cves": "CVE-2026-1000,CVE-2025-123456; cve-2026-1000\ncisco-sa-x"}, ["CVE-2025-123456", "CVE-2026-1000"]),
        ({"title": "Cisco IOS hole (CVE-2026-1000)"}, ["CVE-2026-1000"]),
        ({"title": "T (CVE-2026-1000)", "cves": "CVE-2026-1001"}, ["CVE-2026-1001"]),
        ({"title": "T"}, None),
        ({"cves": "2026-1000, 2025-123456"}, ["CVE-2025-123456", "CVE-2026-1000"]),
        ({"cves": "CVE 2026-1000|CVE_2026_1001;cve2026-1002 CAN-2026-1003"}, [f"CVE-2026-100{n}" for n in range(3)]),
        ({"cves": "CVE\u20132026\u20131000, 2026\u20111001"}, ["CVE-2026-1000", "CVE-2026-1001"]),
        ({"title": "Hole (CVE\u20142026\u20141000)"}, ["CVE-2026-1000"]),
        # Numbers of other lists, dates, and a year in a title are none.
        ({"cves": "VMSA-2021-0028, BDU:2021-01234 2021-12-10 12021-1234", "title": "2026-1000"}, []),
    ],
)
def test_cves(cells: dict[str, Any], cves: list[str] | None) -> None:
    assert finding(cells)["cves"] == cves


@pytest.mark.parametrize(
    "cells, severity",
    [
        ({"severity": "CRITICAL"}, "critical"),
        ({"severity": "Severe"}, "high"),
        ({"severity": "Moderate"}, "medium"),
        ({"severity": "Info"}, "none"),
        ({"severity": "None", "cvss3": "9.8"}, "none"),
        ({"cvss3": "9.8"}, "critical"),
        ({"cvss2": "7.0"}, "high"),
        ({"cvss3": "0.1"}, "low"),
        ({"cvss3": "0"}, "none"),
        ({}, None),
    ],
)
def test_severities(cells: dict[str, Any], severity: str | None) -> None:
    assert finding(cells)["severity"] == severity


def test_numbers_and_words() -> None:
    found = finding({"cvss3": "7,5", "vpr": "null", "epss": "0.97", "exploits": "Yes", "risk": "812"})
    assert (found["cvss"], found["vpr"], found["epss"], found["exploits"], found["risk"]) == (7.5, None, 0.97, 1, 812.0)
    assert finding({"cvss2": "4.3", "cvss3": ""})["cvss"] == 4.3


def test_a_comma_separates_thousands_only_where_there_can_be_any() -> None:
    found = finding({"cvss3": "7,500", "vpr": "6,700", "epss": "0,383", "risk": "0,123"})
    assert (found["cvss"], found["vpr"], found["epss"], found["risk"]) == (7.5, 6.7, 0.383, 0.123)
    for text, value in (("1,234", 1234), ("12,345,678.5", 12345678.5), ("1234,5", 1234.5)):
        assert finding({"risk": text})["risk"] == value


WRONG = {
    "a-score-that-lost-its-point": ({"cvss3": "75"}, "cvss3", "no number from 0 to 10"),
    "a-likelihood-that-lost-its-point": ({"epss": "3833"}, "epss", "no number from 0 to 1"),
    "a-negative-score": ({"vpr": "-1"}, "vpr", "no number from 0 to 10"),
    "a-time": ({"last_found": "11/20/2026 6 PM"}, "last_found", "no time"),
    "a-severity": ({"severity": "dreadful"}, "severity", "no severity"),
    "a-state": ({"state": "perhaps"}, "state", "counts as open"),
    "credentials-that-are-none": ({"credentials": "99999999999"}, "credentials", "no number from -1 to 32767"),
    "a-long-solution": ({"solution": "x|" * 501}, "solution", "longer than the 1000 bytes"),
    "a-long-site": ({"sites": f"A|{'é' * 501}"}, "sites", "longer than the 1000 bytes"),
    "many-sites": ({"sites": "A|" * 10_000}, "sites", "longer than the 1000 bytes"),
}


@pytest.mark.parametrize("cells, column, what", WRONG.values(), ids=WRONG)
def test_a_value_that_is_wrong_is_left_out_and_told_and_its_finding_is_kept(
    cells: dict[str, Any], column: str, what: str
) -> None:
    snapshot, errors = read(cells, {"host_name": "web2"}, columns={column: "Its Name"})
    assert snapshot.findings.height == 2
    assert [(row[0], row[1], row[3]) for row in errors.iter_rows()] == [(2, "Its Name", False)]
    assert what in told(errors)[0]
    assert next(iter(cells.values())) not in str(told(errors))


def test_what_is_as_long_as_the_tables_hold_stays() -> None:
    sites = [f"{number:0>999}" for number in range(19)]
    found, errors = read({"solution": "é" * 500, "sites": "|".join(sites), "vulnerability": "v" * 1000})
    assert errors.is_empty()
    assert found.findings.select("solution", "vulnerability").row(0) == ("é" * 500, "v" * 1000)
    assert found.assets["sites"].to_list() == [sites]
    # What is longer stands for nothing; the vulnerability stands for its solution.
    found, _ = read({"solution": "é" * 501, "host_name": "é" * 501, "ip": "10.0.0.1"})
    assert found.findings.select("solution", "asset").row(0) == ("1", "10.0.0.1")


def test_rows_without_an_asset_or_a_vulnerability_are_left_out_and_told() -> None:
    snapshot, errors = read({}, {"host_name": None}, {"vulnerability": None}, {"host_name": " ", "vulnerability": ""})
    assert snapshot.findings.height == 1
    assert [(row[0], row[1]) for row in errors.sort("line", "column").iter_rows()] == [
        (3, "host_name"),
        (4, "vulnerability"),
        (5, "host_name"),
    ]
    assert errors["row_left_out"].all()
    with pytest.raises(NotUnderstood, match="3 of 4 rows cannot be used, and 5% are the most: line 3, host_name"):
        refuse_too_many(errors, 4)
    refuse_too_many(errors, 4, 0.75)


def test_states() -> None:
    cells = [
        {"vulnerability": "open", "state": "Active"},
        {"vulnerability": "mixed", "port": "1", "state": "FIXED"},
        {"vulnerability": "mixed", "port": "2", "state": "RESURFACED"},
        {"vulnerability": "fixed", "state": "fixed", "fixed": "2026-11-19T18:00:00Z", "accepted": "ACCEPTED"},
        {"vulnerability": "accepted", "accepted": "ACCEPTED"},
        {"vulnerability": "partly", "port": "1", "accepted": "ACCEPTED"},
        {"vulnerability": "partly", "port": "2"},
        {"vulnerability": "either", "port": "1", "accepted": "ACCEPTED"},
        {"vulnerability": "either", "port": "2", "state": "fixed"},
    ]
    snapshot, errors = read(*cells)
    assert errors.is_empty()
    assert snapshot.findings.select("vulnerability", "instances").rows() == [("mixed", 1), ("open", 1), ("partly", 1)]
    assert snapshot.fixed.rows() == [("web1", "fixed", at(19))]
    assert snapshot.exceptions["vulnerability"].to_list() == ["accepted", "either"]


def test_an_asset_without_findings_is_covered() -> None:
    snapshot, errors = read({"vulnerability": None, "state": NO_FINDING, "assessed": "2026-11-20T18:00:00Z"})
    assert errors.is_empty() and snapshot.findings.is_empty()
    assert snapshot.coverage.select("asset", "assessed").rows() == [("web1", at(20))]


def test_the_scan_of_an_asset_is_told_only_where_its_rows_agree() -> None:
    one = {"scan": "s1", "scan_started": "2026-11-19T18:00:00Z"}
    other = {"vulnerability": "2", "scan": "s2", "scan_started": "2026-11-20T18:00:00Z"}
    assert read(one, {**one, "vulnerability": "2"})[0].coverage.select("scan", "scan_started").row(0) == ("s1", at(19))
    assert read(one, other)[0].coverage.select("scan", "scan_started").row(0) == (None, None)


def test_lists_of_an_asset_are_joined_and_untold_ones_are_null() -> None:
    assets = read({"sites": "A|B"}, {"sites": "C", "vulnerability": "2"}, {"host_name": "web2"})[0].assets
    assert assets["sites"].to_list() == [["A", "B", "C"], []]
    assert assets["owner_tags"].to_list() == [None, None]


TEXTS = st.sampled_from([None, "", "a", "B", "7.5", "75", "CVE-2026-1000", "high", "fixed", "10.0.0.1", "2026-11-20"])
CELLS = st.fixed_dictionaries(
    {
        "host_name": st.sampled_from(["web1", "WEB1.", "web2", "10.0.0.1", None]),
        "vulnerability": st.sampled_from(["1", "2", None]),
        **{name: TEXTS for name in SCANNER_ROWS if name not in ("line", "host_name", "vulnerability")},
    }
)


@given(st.lists(CELLS, max_size=8), st.randoms(use_true_random=False))
def test_any_rows_in_any_order_give_the_same(cells: list[dict[str, Any]], chance: random.Random) -> None:
    frame = rows(*cells)
    order = list(range(frame.height))
    chance.shuffle(order)
    one, errors = snapshot_of_rows(frame, taken=TAKEN, proof=Proof.NOTHING)
    other, same_errors = snapshot_of_rows(frame[order], taken=TAKEN, proof=Proof.NOTHING)
    for name in ("findings", "assets", "coverage", "exceptions", "fixed"):
        assert getattr(one, name).equals(getattr(other, name)), name
    assert errors.sort(pl.all()).equals(same_errors.sort(pl.all()))
    # Each row is in a finding, is fixed, is accepted, or is told.
    used = one.findings.height + one.fixed.height + one.exceptions.height
    left_out = errors.filter("row_left_out").height
    assert (used == 0) == (left_out == frame.height)


@given(st.lists(st.sampled_from([f"CVE-2026-{number}" for number in range(1000, 1006)]), min_size=1, max_size=6))
def test_a_row_for_each_cve_and_one_cell_for_all_are_the_same(cves: list[str]) -> None:
    exploded, _ = read(*({"cves": cve, "port": "443", "protocol": "tcp"} for cve in cves))
    packed, _ = read({"cves": ", ".join(cves), "port": "443", "protocol": "tcp"})
    assert exploded.findings.equals(packed.findings)
