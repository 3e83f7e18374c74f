"""Reports of every format: the same scan gives the same findings, and what cannot be read changes nothing."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from remediation.domain.naming import Naming
from remediation.domain.snapshot import Only, Proof
from remediation.sources import cells
from remediation.sources.any_report import KINDS, ReadReport, ReportOptions, kind_of, read_any
from remediation.sources.errors import SourceError
from remediation.sources.report_file import Holds
from remediation.sources.row_errors import told
from remediation.sources.scanner_snapshot import snapshot_of_rows
from remediation.sources.tenable_vm import TenableVm
from remediation.sources.total_rows import is_sum
from stand_ins.tenable_vm import Tenable

from .one_scan import DESCRIPTION, FORMATS, SCAN, explore_csv, nessus_csv, nessus_xml, text, weekly_csv

TAKEN = datetime(2026, 11, 21, tzinfo=timezone.utc)
Read = Callable[..., ReadReport]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads a report that is given as text or bytes."""

    def reading(content: str | bytes, **options: Any) -> ReadReport:
        # A name tells nothing of a format.
        path = tmp_path / "report.bin"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_any(path, TAKEN, ReportOptions(**options))

    return reading


def gist(report: ReadReport) -> list[Any]:
    """Hosts, vulnerabilities, severities, CVEs and instances."""
    names = report.snapshot.assets.select("asset", pl.col("host_name").str.to_lowercase())
    frame = report.snapshot.findings.drop("solution_type").join(names, on="asset")
    return frame.select(
        "host_name", "vulnerability", "title", "severity", "cvss", pl.col("cves").list.join(","), "instances"
    ).sort("host_name", "vulnerability").rows()  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_scan_is_the_same_in_every_format(read: Read, name: str) -> None:
    report = read(FORMATS[name]())
    assert report.kind == name.removeprefix("short ") and report.kind in KINDS
    assert told(report.errors) == [] and report.blank == 0
    assert gist(report) == gist(read(nessus_csv()))
    assert len(gist(report)) == 5 and report.snapshot.proof is Proof.NOTHING
    assert read(FORMATS[name](), holds=Holds.DEVICES).snapshot.proof is Proof.DEVICES


def test_the_same_scan_is_the_same_by_tenable_s_api(read: Read, time: Any) -> None:
    with Tenable() as tenable:
        assets = {name: tenable.add_asset(name, ip) for name, ip in {item.host: item.ip for item in SCAN}.items()}
        for item in SCAN:
            graded = ("None", "Low", "Medium", "High", "Critical").index(item.severity)
            score = float(item.cvss3) if item.cvss3 else None
            tenable.add_plugin(int(item.plugin), item.name, "General", graded, cvss3=score, cves=item.cves)
            tenable.find(assets[item.host], int(item.plugin), item.port)
        tenable.scan()
        keys = (tenable.access_key, tenable.secret_key)
        rows = TenableVm(tenable.url, *keys, clock=time.clock, sleep=time.sleep).rows()
    report = ReadReport("tenable-vm", *snapshot_of_rows(rows, taken=TAKEN, proof=Proof.NOTHING))
    assert told(report.errors) == []
    assert gist(report) == gist(read(nessus_csv()))


@pytest.mark.parametrize(
    "code, word",
    [
        *(("nv", "not-vulnerable"), ("ov", "overridden-vulnerable-version"), ("sv", "skipped-version")),
        *(("sd", "skipped-dos"), ("ds", "skipped-disabled"), ("er", "error"), ("uk", "unknown"), ("nt", "no-tests")),
    ],
)
def test_a_result_of_insightvm_is_the_same_in_csv_and_in_xml(read: Read, code: str, word: str) -> None:
    header = "Asset IP Address,Vulnerability ID,Vulnerability Title,Vulnerability Test Result Code"
    tests = f'<test id="a" status="vulnerable-version"/><test id="b" status="{word}"/>'
    csv_one = read(f"{header}\n10.0.0.1,a,A,vv\n10.0.0.1,b,B,{code}\n", holds=Holds.DEVICES).snapshot
    xml_one = read(
        f'<NexposeReport><nodes><node address="10.0.0.1"><tests>{tests}</tests></node></nodes>'
        '<VulnerabilityDefinitions><vulnerability id="a" title="A"/></VulnerabilityDefinitions></NexposeReport>',
        holds=Holds.DEVICES,
    ).snapshot
    for frame in ("findings", "coverage", "fixed", "exceptions"):
        assert getattr(xml_one, frame).equals(getattr(csv_one, frame)), frame


@pytest.mark.parametrize("name", ["nessus-csv", "tenable-explore", "tenable-sc", "nessus"])
def test_what_a_report_tells_of_a_vulnerability_is_kept_once_and_as_text(read: Read, name: str) -> None:
    found = read(FORMATS[name]()).snapshot
    assert dict(found.descriptions.rows()) == dict.fromkeys({item.plugin for item in SCAN}, DESCRIPTION)
    assert read(FORMATS["short nessus-csv"]()).snapshot.descriptions.is_empty()


def test_a_kind_that_a_person_names_counts(read: Read) -> None:
    assert read(nessus_csv(), kind="weekly").kind == "weekly"
    with pytest.raises(SourceError, match="none of Nessus CSV: it lacks"):
        read("a,b\n1,2\n", kind="nessus-csv")


WRITTEN = {
    "semicolons": dict(delimiter=";"),
    "tabs": dict(delimiter="\t"),
    "bars": dict(delimiter="|"),
    "all-quoted": dict(quoting=csv.QUOTE_ALL),
    "unix-line-ends": dict(lineterminator="\n"),
}


@pytest.mark.parametrize("dialect", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_delimiters_line_ends_and_encodings_change_nothing(read: Read, dialect: dict[str, Any], encoding: str) -> None:
    rows = list(csv.DictReader(io.StringIO(weekly_csv(), newline="")))
    for row in rows:
        row["title"] += " é"
    plain = read(text(rows))
    again = read(text(rows, **dialect).encode(encoding))
    assert again.snapshot.findings.equals(plain.snapshot.findings)
    assert again.snapshot.assets.equals(plain.snapshot.assets)


@given(st.randoms(use_true_random=False), st.integers(0, 4), st.booleans())
def test_rows_columns_blank_and_duplicate_rows_in_any_order(chance: random.Random, twice: int, blank: bool) -> None:
    rows = list(csv.DictReader(io.StringIO(nessus_csv(), newline="")))
    names = list(rows[0])
    plain = _read_text(text(rows))
    chance.shuffle(names)
    shuffled = [{name: row[name] for name in names} for row in rows + rows[:twice]]
    chance.shuffle(shuffled)
    again = _read_text(text(shuffled) + "\r\n" * blank)
    assert again.snapshot.findings.equals(plain.snapshot.findings)
    assert again.snapshot.assets.equals(plain.snapshot.assets)
    assert (again.duplicate, again.blank) == (twice, int(blank))


def _read_text(content: str, **options: Any) -> ReadReport:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "report"
        path.write_bytes(content.encode())
        return read_any(path, TAKEN, ReportOptions(**options))


@given(st.integers(0, 10**6))
def test_a_file_that_is_cut_anywhere_gives_only_what_is_whole_or_nothing(place: int) -> None:
    for content in (nessus_csv(), nessus_xml(), explore_csv()):
        cut = content[: place % len(content)]
        try:
            report = _read_text(cut)
        except SourceError as error:
            assert "10.0.0" not in str(error) and "example" not in str(error)
            continue
        whole = {(row[0], row[1]) for row in gist(_read_text(content))}
        assert {(row[0], row[1]) for row in gist(report)} <= whole


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    for head in (b"", b"Plugin ID,Host,Name\n", b"<NessusClientData_v2>", b"\xff\xfe"):
        try:
            _read_text_bytes(head + content)
        except SourceError:
            pass


def _read_text_bytes(content: bytes) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "report"
        path.write_bytes(content)
        read_any(path, TAKEN, ReportOptions(most_left_out=1.0))


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=5), st.sampled_from([",", ";", "\t"]))
@example(["NULL", "nullify", "n/a "], ",")
def test_any_titles_are_kept_as_they_are(titles: list[str], delimiter: str) -> None:
    rows = [
        {"hostname": f"host{place}", "plugin_id": str(place), "title": title.replace("\0", "")}
        for place, title in enumerate(titles)
    ]
    try:
        report = _read_text(text(rows, delimiter=delimiter, quoting=csv.QUOTE_ALL))
    except UnicodeEncodeError:  # half of a pair of surrogates is no text
        return
    kept = dict(report.snapshot.findings.select("vulnerability", "title").iter_rows())
    # Line ends of any kind and blanks around are not part of a title, and a word for nothing is none.
    assert {key: " ".join((value or "").split()) for key, value in kept.items()} == {
        row["plugin_id"]: "" if row["title"].strip().lower() in cells.NOTHING else " ".join(row["title"].split())
        for row in rows
    }


def test_a_mapping_makes_any_csv_a_report(read: Read) -> None:
    content = "Server;Schwachstelle;Grad\nweb1;QID-7;High\nweb2;QID-8;Low\n"
    with pytest.raises(SourceError, match="lacks a column that names the host"):
        read(content)
    mapping = {"host_name": "server", "vulnerability": "Schwachstelle", "severity": "Grad"}
    report = read(content, mapping=mapping)
    assert report.kind == "mapped"
    assert report.snapshot.findings.select("asset", "vulnerability", "severity").rows() == [
        ("web1", "QID-7", "high"),
        ("web2", "QID-8", "low"),
    ]
    with pytest.raises(SourceError, match="no column 'Rechner'"):
        read(content, mapping={**mapping, "host_name": "Rechner"})
    with pytest.raises(SourceError, match="no 'hostname' to map"):
        read(content, mapping={"hostname": "Server"})


def test_a_summary_without_hosts_is_refused_clearly(read: Read) -> None:
    with pytest.raises(SourceError, match="it lacks a column that names the host"):
        read("Plugin,Plugin Name,Severity,Total\n1,A,High,7\n")


def test_bad_rows_are_told_by_line_and_a_file_full_of_them_is_refused(read: Read) -> None:
    good = [f"host{number},{number},7.5" for number in range(40)]
    content = "\n".join(["hostname,plugin_id,cvss", *good, ",1,7.5", "host1,2,75", ""])
    report = read(content)
    assert told(report.errors) == [
        "line 42, hostname: no host, address or id of an asset (row left out)",
        "line 43, cvss: no number from 0 to 10; it is left out",
    ]
    assert report.snapshot.findings.height == 41
    with pytest.raises(SourceError, match="1 of 42 rows cannot be used, and 1% are the most: line 42, hostname"):
        read(content, most_left_out=0.01)


def test_items_of_one_line_are_counted_each(read: Read) -> None:
    items = "".join(f'<ReportItem pluginID="{one}" severity="2"/>' for one in ["1"] * 5 + [""] * 15)
    content = f'<NessusClientData_v2><Report><ReportHost name="a">{items}</ReportHost></Report></NessusClientData_v2>'
    with pytest.raises(SourceError, match="15 of 20 rows cannot be used"):
        read(content)


def test_a_row_of_the_file_counts_once_however_many_cves_and_errors_it_has(read: Read) -> None:
    many = " ".join(f"CVE-2026-{number}" for number in range(1000, 2000))
    good = [f"b,CVE-2026-1000,{number / 10}," for number in range(20)]
    header = "host,cve,cvss,epss"
    with pytest.raises(SourceError, match="40 of 61 rows cannot be used"):
        read("\n".join([header, f"a,{many},,", *good, *[f",CVE-2026-1000,{one}," for one in range(40)], ""]))
    wrong = [",CVE-2026-1000 CVE-2026-1001,,", ",,,", "c,CVE-2026-1000 CVE-2026-1001,75,2", "c,,75,"]
    assert told(read("\n".join([header, *good, *wrong, ""]), most_left_out=0.2).errors) == [
        "line 22, host: no host, address or id of an asset (row left out)",
        "line 24, cvss: no number from 0 to 10; it is left out",
        "line 24, epss: no number from 0 to 1; it is left out",
        "line 25, vulnerability: no id of a vulnerability (row left out)",
    ]


def test_a_row_of_too_few_cells_is_left_out_and_a_last_one_refuses_the_file(read: Read) -> None:
    good = [f"host{number},{number},7.5" for number in range(40)]
    report = read("\n".join(["hostname,plugin_id,cvss", "host1,1", *good, ""]))
    assert report.errors["line"].to_list() == [2] and report.snapshot.findings.height == 40
    with pytest.raises(SourceError, match="The last row, on line 42, has too few cells"):
        read("\n".join(["hostname,plugin_id,cvss", *good, "host1,1"]))


def test_cves_of_two_columns_of_one_name_also_where_the_header_is_repeated(read: Read) -> None:
    report = read(
        "hostname,plugin_id,CVE,CVE\na,1,CVE-2026-1000,CVE-2026-1001\nhostname,plugin_id,CVE,CVE\na,2,,2026-1002\n"
    )
    cves = dict(report.snapshot.findings.select("vulnerability", "cves").iter_rows())
    assert cves == {"1": ["CVE-2026-1000", "CVE-2026-1001"], "2": ["CVE-2026-1002"]}
    assert report.blank == 1 and report.errors.is_empty()


@pytest.mark.parametrize(
    "header, row, sums",
    [
        ("hostname,plugin_id", "web1,1", ["Total,2"]),
        ("hostname,plugin_id", "web1,1", ["Subtotal: 2,", ",", "GRAND TOTAL,2"]),
        ("hostname,plugin_id", "web1,1", ["Total hosts: 2,2"]),
        ("plugin_id,hostname", "1,web1", ["Summe,"]),
        ("severity,ip,plugin_id", "High,10.0.0.1,1", [",Total,1"]),
        # With too few cells.
        ("hostname,plugin_id,severity", "web1,1,High", ["Subtotal,1", "Total: 2"]),
        ("hostname,plugin_id,severity", "web1,1,High", ["Total,1,", "Total,1"]),
    ],
)
def test_sums_at_the_end_are_no_machine(read: Read, header: str, row: str, sums: list[str]) -> None:
    report = read("\n".join([header, row, *sums]) + "\n", holds=Holds.DEVICES)
    assert report.snapshot.findings["vulnerability"].to_list() == ["1"]
    assert report.snapshot.coverage.height == 1 and report.errors.is_empty()
    assert report.totals == sum(line.strip(",") != "" for line in sums)
    # What it says of its one machine is whole.
    assert report.snapshot.proof is Proof.DEVICES


@pytest.mark.parametrize("begin", ["", "Total", "Grand", "Total of", "Total:", "Total 1"])
@pytest.mark.parametrize("fill", [" ", "1"])
def test_a_long_cell_is_soon_seen_to_be_no_sum(begin: str, fill: str) -> None:
    """It never ends where the time is not linear."""
    cell = begin + fill * (1 << 20)
    assert not is_sum([cell + "x"]) and not is_sum(["Total", cell + "x"])
    assert is_sum([cell]) is ("otal" in begin and "of" not in begin)


@pytest.mark.parametrize(
    "rows",
    [
        # Not at the end, a machine elsewhere, a machine by its address, and words that only begin so.
        ["Total,,1", "web1,,2"],
        ["Total,,1", "web1,,2", "total,,3"],
        ["web1,,2", "Total,10.0.0.1,1"],
        ["web1,,2", "totalweb,,1"],
        ["web1,,2", "total.example.com,,1"],
    ],
)
def test_a_machine_of_such_a_name_stays(read: Read, rows: list[str]) -> None:
    report = read("\n".join(["hostname,ip,plugin_id", *rows]) + "\n")
    assert (report.totals, report.snapshot.findings.height) == (0, len(rows))


def test_naming_and_filter_are_passed_on(read: Read) -> None:
    report = read(nessus_csv(), naming=Naming(suffixes=("example.com",)), only=Only(vendors=("cisco",)))
    assert sorted(set(report.snapshot.findings["asset"])) == ["db1", "sw1", "web1"]
    assert report.snapshot.only.vendors == ("cisco",)


HOSTILE = {
    "a-cell-of-10-MB": nessus_csv().replace("Install the update.", "x" * 10_000_000, 1),
    "a-nul": nessus_csv().replace("MS17", "MS\x0017"),
    "a-million-columns": ",".join(f"c{number}" for number in range(1_000_000)) + "\n",
    "a-stray-quote": nessus_csv().replace("Traceroute", '"Traceroute" x', 1).replace('"""Trace', '"Trace'),
    "billion-laughs": '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;">]>' + nessus_xml()[22:],
    "an-external-entity": '<?xml version="1.0"?><!DOCTYPE a SYSTEM "file:///etc/passwd">' + nessus_xml()[22:],
    "elements-without-end": "<NessusClientData_v2>" + "<a>" * 100_000,
    "a-tag-without-end": '<NessusClientData_v2><Report name="' + "x" * 10_000_000,
    "another-xml": "<html><body>Sign in</body></html>",
    "two-roots": nessus_xml() + nessus_xml()[22:],
    "nothing": "",
    "blanks": " \n \n",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_hostile_files_are_refused_without_their_contents(read: Read, content: str) -> None:
    with pytest.raises(SourceError) as refused:
        read(content)
    said = str(refused.value)
    assert len(said) < 500
    assert not any(word in said for word in ("xxx", "example.com", "passwd", "Traceroute", "Sign in", "MS17"))


def test_formulas_are_texts(read: Read) -> None:
    report = read('hostname,plugin_id,title\n=cmd|\' /C calc\'!A0,1,"=HYPERLINK(""x"")"\n')
    assert report.snapshot.findings["title"].item() == '=HYPERLINK("x")'


def test_the_kind_is_told_by_the_content_alone(tmp_path: Path) -> None:
    for name, write in FORMATS.items():
        path = tmp_path / "misleading.nessus"
        path.write_text(write(), encoding="utf-8", newline="")
        assert kind_of(path, {}) == name.removeprefix("short ")
    assert len({item.uuid for item in SCAN}) == 3


@pytest.mark.parametrize("name", ["*", "^.*$", "line", "^a"])
def test_a_column_s_name_is_no_pattern(read: Read, name: str) -> None:
    report = read(
        f"{name};b\nweb1;Q1\n", mapping={"host_name": f"{name} (2)" if name == "line" else name, "title": "b"}
    )
    assert report.snapshot.findings.select("asset", "vulnerability").rows() == [("web1", "Q1")]
