"""By which header a format is recognised, and which of its columns are read."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from remediation.sources.errors import NotUnderstood
from remediation.sources.report_formats import (
    FORMATS,
    MOST_CVES,
    NAMES,
    WEEKLY,
    as_scanner_rows,
    columns_of,
    format_of,
    missing_from,
)
from remediation.sources.scanner_rows import NO_FINDING, NOT_TESTED

DOCUMENT = Path(__file__).parents[3] / "docs" / "report-formats.md"

# Seen in exports of real products.
HEADERS = {
    "nessus-old": (
        "nessus-csv",
        "Plugin ID,CVE,CVSS,Risk,Host,Protocol,Port,Name,Synopsis,Description,Solution,See Also,Plugin Output",
    ),
    "nessus-new": (
        "nessus-csv",
        "Plugin ID,CVE,CVSS v2.0 Base Score,Risk,Host,Protocol,Port,Name,Solution,CVSS v3.0 Base Score,VPR Score,"
        "EPSS Score,Risk Factor",
    ),
    "classic": (
        "tenable-classic",
        "Plugin ID,CVE,CVSS,Risk,Host,Protocol,Port,Name,Solution,Asset UUID,Vulnerability State,IP Address,FQDN,NetBios",
    ),
    "explore": (
        "tenable-explore",
        "age_in_days;asset.display_fqdn;asset.id;definition.cve;definition.id;definition.name",
    ),
    "cisco-weekly": (
        "tenable-explore",
        "age_in_days,asset.id,asset.ipv4_addresses,asset.name,definition.cve,definition.id,definition.name,severity,state",
    ),
    "tenable-sc": ("tenable-sc", "Plugin,Plugin Name,Family,Severity,IP Address,Protocol,Port,Exploit?,Repository"),
    "basic-check-results": (
        "insightvm-csv",
        "Asset IP Address,Service Port,Vulnerability Test Result Code,Vulnerability ID,Vulnerability CVE IDs,"
        "Vulnerability Severity Level,Vulnerability Title ",
    ),
    "scan-completion": (
        "insightvm-scan",
        "ip_address,hostname,os,severity,vulnerability_id,vulnerability_name,solution_id,nexpose_id,best_solution",
    ),
    "own-words": ("weekly", "Hostname,CVE,Severity"),
    "german": ("", "Rechner,Schwachstelle"),
}


@pytest.mark.parametrize("kind, header", HEADERS.values(), ids=HEADERS)
def test_a_header_is_recognised_in_any_case_and_order(kind: str, header: str) -> None:
    names = header.split(";" if ";" in header else ",")
    for one in (names, names[::-1], [name.upper() for name in names]):
        found = format_of(one)
        assert (found.kind if found else "") == kind


def test_what_a_header_lacks_is_told() -> None:
    assert missing_from(["Plugin", "Count"]) == "a column that names the host"
    assert missing_from(["Host", "Count"]) == "a column that names the vulnerability"


def rows(**cells: list[str | None]) -> pl.DataFrame:
    count = len(next(iter(cells.values())))
    return pl.DataFrame(cells).with_columns(pl.int_range(2, count + 2, dtype=pl.Int64).alias("line"))


def read(**cells: list[str | None]) -> pl.DataFrame:
    header = list(cells)
    form = format_of(header) or WEEKLY
    return as_scanner_rows(rows(**cells), columns_of(header, form), form)


def test_a_host_that_is_named_by_its_address_has_no_name() -> None:
    found = read(Host=["10.0.0.1", "web1", "fe80::1"], Name=["t"] * 3, **{"Plugin ID": ["1"] * 3})
    assert found["host_name"].to_list() == [None, "web1", None]
    assert found["ip"].to_list() == ["10.0.0.1", None, "fe80::1"]


def test_the_first_column_that_is_filled_in_counts() -> None:
    found = read(hostname=["a", None], device=["b", "b"], cve=["CVE-2026-1000"] * 2)
    assert found["host_name"].to_list() == ["a", "b"]
    found = read(hostname=["a"] * 3, title=["t"] * 3, severity=["N/A", "None", "-"], risk=["High", "High", "n/a"])
    assert found["severity"].to_list() == ["High", "None", None]


@pytest.mark.parametrize(
    "first, second",
    [("CVE", "CVE (2)"), ("CVE 1", "cve 2"), ("cve_1", "CVE_2"), ("CVE", "Plugin.CVE"), ("CVEs", "CVE2")],
)
def test_cves_of_several_columns_are_all_read(first: str, second: str) -> None:
    columns = {
        first: ["CVE-2026-1000", None, "2026-1000", None],
        second: ["CVE-2026-1001", "CVE-2026-1002", None, None],
    }
    found = read(hostname=["a"] * 4, title=["t"] * 4, **columns)
    assert found["cves"].to_list() == ["CVE-2026-1000 CVE-2026-1001", "CVE-2026-1002", "2026-1000", None]
    mapped = columns_of(["Server", first, second], WEEKLY, {"host_name": "Server", "cves": first})
    assert mapped["cves"] == [first] + [second] * (first == "CVE" and second == "CVE (2)")


def test_a_long_name_of_a_column_is_soon_read() -> None:
    """It never ends where the time is not linear."""
    assert "cves" not in columns_of(["host", "title", "1" * (1 << 20) + "x"], WEEKLY)


def test_names_of_windows_and_of_several_hosts() -> None:
    found = read(hostname=["CORP\\WEB1", "a.example.com, b", "a.example.com\r\nb", "Ann's pc"], title=["t"] * 4)
    assert found["host_name"].to_list() == ["WEB1", "a.example.com", "a.example.com", "Ann's pc"]


def test_a_row_without_an_id_is_named_by_its_title_else_by_each_of_its_cves() -> None:
    found = read(
        hostname=["a", "b", "c", "d"],
        plugin_id=["1", None, None, None],
        title=["t", "t", None, None],
        cve=["CVE-2026-1000"] * 2 + ["cve-2026-1001, CVE-2026-1002", None],
    ).sort("line", "vulnerability")
    assert found.select("host_name", "vulnerability").rows() == [
        ("a", "1"),
        ("b", "t"),
        ("c", "CVE-2026-1001"),
        ("c", "CVE-2026-1002"),
        ("d", None),
    ]


@pytest.mark.parametrize("name", ["vulnerability_id", "title"])
def test_a_name_that_is_nothing_but_cves_is_these_cves(name: str) -> None:
    found = read(
        hostname=["a", "b", "c", "d"],
        cve=["CVE-2026-1003", None, None, None],
        **{name: ["cve-2026-1000", "CVE-2026\u20111000; CVE-2026-1001", "MSFT-CVE-2026-1000", "CVE-2026-1000 in x"]},
    ).sort("line", "vulnerability")
    assert found.select("host_name", "vulnerability", "cves").rows() == [
        ("a", "CVE-2026-1000", "CVE-2026-1000 CVE-2026-1003"),
        ("b", "CVE-2026-1000", "CVE-2026-1000"),
        ("b", "CVE-2026-1001", "CVE-2026-1001"),
        ("c", "MSFT-CVE-2026-1000", None),
        ("d", "CVE-2026-1000 in x", None),
    ]


def test_a_row_for_each_cve_has_no_more_than_the_begin_of_a_long_text() -> None:
    cves = " ".join(f"CVE-2026-{number}" for number in range(10_000, 11_000))
    found = read(hostname=["a"], cve=[cves], solution=["é" * 500_000])
    assert found.height == MOST_CVES and found["solution_fix"].unique().to_list() == ["é" * 20_000]
    with pytest.raises(NotUnderstood, match="on line 2 names no vulnerability but more than 1000 CVEs"):
        read(hostname=["a"], cve=[f"{cves} CVE-2026-9999"])
    # One that has an id stays one row, with all of them.
    assert read(hostname=["a"], plugin_id=["1"], cve=[f"{cves} CVE-2026-9999"])["cves"].item().endswith("9999")


def test_result_codes_of_insightvm() -> None:
    codes: list[str | None] = ["vv", "VE", "vp", "ev", "nv", "sd", None]
    found = read(
        **{
            "Asset IP Address": [f"10.0.0.{place}" for place in range(len(codes))],
            "Vulnerability ID": ["v"] * len(codes),
            "Vulnerability Title": ["t"] * len(codes),
            "Vulnerability Test Result Code": codes,
            "Vulnerability Severity Level": ["10", "8", "7", "4", "3", "1", "0"],
        }
    )
    assert found["state"].to_list() == ["open"] * 4 + [NO_FINDING, NOT_TESTED] + [None]
    assert found["accepted"].to_list() == [None] * 3 + ["ev"] + [None] * 3
    assert found["severity"].to_list()[:6] == ["critical", "critical", "severe", "severe", "moderate", "moderate"]


def test_sites_of_a_scan_of_insightvm_are_a_list() -> None:
    told = {"hostname": ["a"], "vulnerability_name": ["t"], "member_of_sites": ["Site A, Site|B,C"]}
    # Only there: of another report, nobody knows whether a comma is part of a name.
    assert read(**told)["sites"].to_list() == ["Site A, Site|B,C"]
    assert read(**told, nexpose_id=["s"], best_solution=["b"])["sites"].to_list() == ["Site A|Site/B,C"]


def test_only_accepted_findings_are_accepted() -> None:
    found = read(
        **{"definition.id": ["1"] * 3, "definition.name": ["t"] * 3, "risk_modified": ["NONE", "RECASTED", "ACCEPTED"]}
    )
    assert found["accepted"].to_list() == [None, None, "ACCEPTED"]


def test_a_mapping_counts_alone() -> None:
    header = ["Server", "Loch", "severity"]
    chosen = columns_of(header, WEEKLY, {"host_name": "server", "vulnerability": "Loch"})
    assert chosen == {"host_name": ["Server"], "vulnerability": ["Loch"]}


def test_the_document_names_every_format_and_every_column() -> None:
    text = DOCUMENT.read_text("utf-8")
    wanted = {one.kind for one in FORMATS} | {name for names in NAMES.values() for name in names}
    wanted |= {name for one in FORMATS for names in one.columns.values() for name in names}
    assert [name for name in sorted(wanted) if f"`{name}`" not in text] == []
