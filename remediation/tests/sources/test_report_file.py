"""The output of the findings report, as a file that somebody hands in."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection
from datetime import datetime, timezone
from pathlib import Path

import polars as pl
import pytest
import requests

from remediation.domain.snapshot import ASSETS, COVERAGE, EXCEPTIONS, FINDINGS, Proof, Snapshot
from remediation.sources import errors, insightvm_console, insightvm_rows
from remediation.sources.report_csv import ROWS
from remediation.sources.report_file import read_report
from stand_ins.insightvm_console import Console

TAKEN = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)


@pytest.fixture
def output(console: Console) -> bytes:
    """The report as a person downloads it from the console."""
    query = Path(insightvm_console.__file__).with_name("reports") / "findings.sql"
    session = requests.Session()
    session.auth = (console.user, console.password)
    body = {"name": "by hand", "format": "sql-query", "version": "2.3.0", "timezone": "UTC"}
    console.polls_until_ready = 0
    api = console.url + "/api/3/reports"
    report = session.post(api, json=body | {"query": query.read_text("utf-8")}, timeout=9).json()["id"]
    run = session.post(f"{api}/{report}/generate", timeout=9).json()["id"]
    return session.get(f"{api}/{report}/history/{run}/output", headers={"Accept": "text/csv"}, timeout=9).content


def rows_of(output: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(output.decode())))


def written(rows: list[dict[str, str]], without: Collection[str] = ()) -> bytes:
    file = io.StringIO()
    writer = csv.DictWriter(file, [name for name in rows[0] if name not in without], extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


def less(output: bytes, *columns: str) -> bytes:
    return written(rows_of(output), without=columns)


def read(data: bytes) -> Snapshot:
    return read_report(data, taken=TAKEN)


def test_it_says_what_the_console_says(console: Console, output: bytes, tmp_path: Path) -> None:
    (tmp_path / "report.csv").write_bytes(output)
    found = read_report(tmp_path / "report.csv", taken=TAKEN)
    live = insightvm_console.InsightVmConsole(console.url, console.user, console.password).snapshot()
    assert (found.taken, found.proof, found.rows) == (TAKEN, Proof.FILE, 21)
    assert found.findings.equals(live.findings)
    seen = pl.col("asset").is_in(live.findings["asset"].unique().to_list())
    assert found.coverage.equals(live.coverage.filter(seen))
    assert found.assets.equals(live.assets.filter(seen))
    assert found.exceptions.height == 0
    for frame, schema in (
        (found.findings, FINDINGS),
        (found.assets, ASSETS),
        (found.coverage, COVERAGE),
        (found.exceptions, EXCEPTIONS),
    ):
        assert list(frame.schema.items()) == list(schema.items())


def test_without_columns_of_the_scan_it_began_when_the_asset_was_assessed(output: bytes) -> None:
    found, whole = read(less(output, *insightvm_rows.SCAN, ROWS)), read(output)
    assert found.findings.equals(whole.findings)
    assert found.coverage["scan_started"].to_list() == whole.coverage["assessed"].to_list()
    assert found.coverage["credentials"].null_count() == found.coverage.height == 7


def test_order_line_ends_and_byte_order_mark_do_not_matter(output: bytes) -> None:
    rows = list(csv.reader(io.StringIO(output.decode())))
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows(row[::-1] for row in rows)
    assert read(b"\xef\xbb\xbf" + file.getvalue().encode()).findings.equals(read(output).findings)


def test_times_may_have_a_t_and_a_z_and_fractions(output: bytes) -> None:
    written = read(output).findings["first_found"][0]
    text = written.strftime("%Y-%m-%d %H:%M:%S")
    other = output.replace(text.encode(), written.strftime("%Y-%m-%dT%H:%M:%S.250Z").encode())
    assert other != output
    assert read(other).findings["first_found"][0].microsecond == 250_000


def test_a_report_of_nothing_is_empty(console: Console, output: bytes) -> None:
    header = output.splitlines()[0]
    nothing = header + b"\n" + b"," * header.count(b",") + b"0\n"
    found = read(nothing)
    assert (found.rows, found.findings.height, found.coverage.height) == (0, 0, 0)


def refused(data: bytes) -> errors.SourceError:
    with pytest.raises(errors.SourceError) as caught:
        read(data)
    assert caught.value.assistance
    for text in ("BEAST", "msft-cve", "10.0.0", "not-a"):
        assert text not in str(caught.value)
    return caught.value


def test_a_file_that_is_cut_anywhere_is_refused(output: bytes) -> None:
    for end in [*range(len(output) - 250, len(output)), *range(0, len(output), 101)]:
        assert isinstance(refused(output[:end]), errors.CutOff | errors.NotUnderstood)


def test_a_line_that_is_missing_or_doubled_is_refused(output: bytes) -> None:
    lines = output.splitlines(keepends=True)
    assert isinstance(refused(b"".join(lines[:5] + lines[6:])), errors.CutOff)
    assert isinstance(refused(b"".join(lines + lines[-1:])), errors.CutOff)


def test_a_line_with_too_many_cells_is_refused(output: bytes) -> None:
    lines = output.splitlines(keepends=True)
    lines[7] = b"surprise," + lines[7]
    assert "cannot be read as CSV" in refused(b"".join(lines)).cause


def test_another_header_is_refused_and_not_repeated(output: bytes) -> None:
    assert "missing vulnerability_key" in refused(less(output, "vulnerability_key")).cause
    assert "missing" in refused(output.split(b"\n", 1)[1]).cause
    assert "missing" in refused(output.replace(b",", b";")).cause
    assert "repeated asset_id" in refused(output.replace(b"solution_url", b"asset_id", 1)).cause
    assert isinstance(refused(b""), errors.NotUnderstood)
    assert isinstance(refused(b"Plugin ID,CVE,Risk,Host\n1,,High,web01\n"), errors.NotUnderstood)


def test_a_severity_is_needed_in_one_way_or_the_other(output: bytes) -> None:
    assert "missing severity_score or severity" in refused(less(output, "severity_score")).cause


def test_some_columns_of_the_scan_are_enough(output: bytes) -> None:
    found, whole = read(less(output, "scan_started", "scan_finished")), read(output)
    assert found.coverage["scan_started"].to_list() == whole.coverage["assessed"].to_list()
    assert found.coverage["scan"].equals(whole.coverage["scan"])
    assert found.coverage["credentials"].equals(whole.coverage["credentials"])


# The header of the snapshot query that was published for the three reports, to the letter.
PUBLISHED = (
    "solution_id,solution_key,solution_type,solution_summary,solution_fix,solution_url,solution_estimate,"
    "solution_applies_to,asset_id,host_name,ip_address,mac_address,os,sites,owner_tags,criticality_tags,location_tags,"
    "custom_tags,last_assessed,vulnerability_id,vulnerability_key,vulnerability_title,severity,severity_score,"
    "cvss_v3_score,cvss_v2_score,riskscore,exploits,malware_kits,cves,date_published,instances,first_discovered,"
    "most_recently_discovered,reintroduced_date"
)
PUBLISHED_ROWS = """
7,ubuntu-upgrade-openssl,PATCH,Upgrade openssl,"Use apt-get,
then restart",https://example.org/a,PT30M,,4,db02.corp.example,10.0.0.22,,Ubuntu,"HQ, DMZ",web-team|db-team,High,,pci,\
2026-11-19 01:30:00,201,ubuntu-cve-1,openssl: overflow,Severe,7,8.1,6.8,601.5,2,0,"CVE-2026-1,CVE-2026-2",\
2026-01-02 00:00:00,1,2026-10-01 01:30:00,2026-11-19 01:30:00,
7,ubuntu-upgrade-openssl,PATCH,Upgrade openssl,,,,,5,,10.0.0.23,,,,,,,,2026-11-18 01:30:00,202,ubuntu-cve-2,Leak,\
Critical,,9.8,,,,,,,2,,,
,,,,,,,,5,,10.0.0.23,,,,,,,,2026-11-18 01:30:00,203,icmp-timestamp,ICMP timestamp,Moderate,1,,2.1,,,,,,,,,
"""


def published(*changed: tuple[str, str]) -> bytes:
    rows = PUBLISHED_ROWS.replace("\\\n", "")
    for old, new in changed:
        assert old in rows
        rows = rows.replace(old, new)
    return (PUBLISHED + rows).encode()


def test_the_published_header_proves_what_the_console_proves() -> None:
    found = read(published())
    assert (found.rows, found.proof) == (3, Proof.FILE)
    assert found.findings.select("asset", "vulnerability", "severity", "solution", "cves").rows() == [
        ("4", "ubuntu-cve-1", "high", "ubuntu-upgrade-openssl", ["CVE-2026-1", "CVE-2026-2"]),
        ("5", "ubuntu-cve-2", "critical", "ubuntu-upgrade-openssl", []),
        ("5", "icmp-timestamp", "low", "icmp-timestamp", []),
    ]
    assert found.coverage.select("asset", "scan_started", "credentials").rows() == [
        ("4", datetime(2026, 11, 19, 1, 30, tzinfo=timezone.utc), None),
        ("5", datetime(2026, 11, 18, 1, 30, tzinfo=timezone.utc), None),
    ]
    assert found.assets["sites"].to_list() == [["HQ", "DMZ"], []]
    assert found.assets["owner_tags"].to_list() == [["web-team", "db-team"], []]


def test_the_published_header_in_another_order_says_the_same() -> None:
    rows = rows_of(published())
    other = written([dict(reversed(list(row.items()))) for row in rows])
    assert other.startswith(b"reintroduced_date,")
    assert read(other).findings.equals(read(published()).findings)


def test_columns_that_are_not_there_are_not_told() -> None:
    wanted = {"asset_id", "last_assessed", "vulnerability_key", "vulnerability_title", "severity"}
    wanted |= {"solution_key", "solution_summary"}
    found = read(less(published(), *(set(PUBLISHED.split(",")) - wanted)))
    assert found.findings["severity"].to_list() == ["high", "critical", "medium"]
    assert found.assets["owner_tags"].to_list() == found.assets["host_name"].to_list() == [None, None]
    for frame, schema in ((found.findings, FINDINGS), (found.assets, ASSETS), (found.coverage, COVERAGE)):
        assert list(frame.schema.items()) == list(schema.items())


def test_a_word_of_severity_that_is_none_is_refused() -> None:
    assert "no severity like Critical" in refused(published((",Critical,", ",not-a-severity,"))).cause


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("first_discovered", "20/11/2026 02:00"),
        ("severity_score", "11"),
        ("severity_score", "not-a-score"),
        ("riskscore", "1.335,5"),
        ("instances", "not-a-number"),
    ],
)
def test_a_cell_that_is_no_such_thing_is_refused_by_its_column(output: bytes, column: str, value: str) -> None:
    rows = rows_of(output)
    rows[3][column] = value
    error = refused(written(rows))
    assert isinstance(error, errors.NotUnderstood)
    assert column.removesuffix("_score") in error.cause
    assert value not in str(error)


@pytest.mark.parametrize("column", insightvm_rows.LONGEST)
def test_what_is_too_long_for_the_tables_is_refused_by_its_column(output: bytes, column: str) -> None:
    longest = insightvm_rows.LONGEST[column]
    rows = rows_of(less(output, ROWS))
    rows[0][column] = "x" * longest
    assert read(written(rows)).rows == len(rows)
    rows[0][column] = "é" * (longest // 2) + "x"
    error = refused(written(rows))
    assert error.cause == f"Row 1 of the report has more than {longest} bytes in the column {column}."


def test_a_list_may_be_longer_than_each_of_its_names(output: bytes) -> None:
    rows = rows_of(output)
    cves = [f"CVE-2026-{number}" for number in range(10_000, 10_200)]
    rows[0]["cves"] = ",".join(cves)
    assert read(written(rows)).findings["cves"][0].to_list() == cves


@pytest.mark.parametrize("column", ["asset_id", "vulnerability_key"])
def test_a_row_without_a_key_is_refused(output: bytes, column: str) -> None:
    rows = rows_of(output)
    rows[3][column] = ""
    assert "names no asset or no vulnerability" in refused(written(rows)).cause
