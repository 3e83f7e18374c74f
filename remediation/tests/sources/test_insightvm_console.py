"""A console's snapshot, over HTTP and PostgreSQL."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg
import pytest
import requests

from remediation.domain.snapshot import ASSETS, COVERAGE, DESCRIPTIONS, EXCEPTIONS, FINDINGS, Proof, Snapshot
from remediation.sources import errors
from remediation.sources.insightvm_console import InsightVmConsole
from remediation.sources.insightvm_rest import InsightVmRest
from remediation.sources.reading import reading_of
from remediation.store import models
from remediation.store.intake import take_in
from remediation.store.secrets import seal
from stand_ins.insightvm_console import Console

# Both ways to read a console give the same frames.
MODES = [InsightVmConsole, InsightVmRest]

WEB01 = "web01.corp.example"
MISSING = "msft-cve-2026-10001"
Take = Callable[[], Snapshot]


def keys(found: Snapshot) -> set[tuple[str, str]]:
    return set(found.findings.select("asset", "vulnerability").iter_rows())


def row(frame: Any, **wanted: str) -> dict[str, Any]:
    (found,) = frame.filter(**wanted).to_dicts()
    return dict(found)


@pytest.mark.parametrize("mode", MODES)
def test_the_frames_have_the_names_and_types_of_a_snapshot(console: Console, mode: Any) -> None:
    console.approve(console.except_(WEB01, "tlsv1_0-enabled"))
    console.add_vulnerability("told", "Told", 9, description="<p>Lets <b>all</b> in.</p>", needs_credentials=False)
    console.find(4, "told")
    console.scan()
    found = mode(console.url, console.user, console.password, sleep=lambda seconds: None).snapshot()
    for frame, schema in (
        (found.findings, FINDINGS),
        (found.assets, ASSETS),
        (found.coverage, COVERAGE),
        (found.exceptions, EXCEPTIONS),
        (found.descriptions, DESCRIPTIONS),
    ):
        assert frame.height > 0
        assert list(frame.schema.items()) == list(schema.items())
    assert dict(found.descriptions.rows())["told"].strip() == "Lets all in.", "plain text"


@pytest.mark.parametrize("mode", MODES)
def test_so_have_those_of_an_empty_console(database: str, mode: Any) -> None:
    with Console(database) as console:
        found = mode(console.url, console.user, console.password, sleep=lambda seconds: None).snapshot()
    for frame, schema in ((found.findings, FINDINGS), (found.coverage, COVERAGE), (found.exceptions, EXCEPTIONS)):
        assert list(frame.schema.items()) == list(schema.items())
        assert frame.height == 0
    assert found.rows == 0


def test_a_finding_with_all_that_is_known(console: Console, snapshot: Take) -> None:
    console.now = datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc)
    scan = console.scan()
    found = snapshot()
    assert found.proof is Proof.SCAN
    assert found.taken == console.now
    assert found.rows == found.findings.height == 21
    finding = row(found.findings, asset="4", vulnerability="ubuntu-cve-2026-20001")
    first_found = finding.pop("first_found")
    assert finding == {
        "asset": "4",
        "vulnerability": "ubuntu-cve-2026-20001",
        "title": "openssl: overflow",
        "severity": "high",
        "cvss": 8.1,
        "vpr": None,
        "epss": None,
        "family": None,
        "risk": 601.0,
        "exploits": 0,
        "cves": ["CVE-2026-20001", "CVE-2026-20002"],
        "solution": "ubuntu-upgrade-openssl",
        "solution_name": "Upgrade openssl",
        "solution_fix": "Use apt-get to upgrade openssl",
        "solution_type": "PATCH",
        "solution_url": None,
        "solution_estimate": "00:30:00",
        "instances": 1,
        "last_found": datetime(2026, 11, 20, 1, 30, tzinfo=timezone.utc),
        "reintroduced": None,
    }
    assert first_found.tzinfo is not None
    assert row(found.coverage, asset="4") == {
        "asset": "4",
        "host_name": "db02.corp.example",
        "ip": "10.0.0.22",
        "scan": str(scan),
        "scan_started": datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc),
        "scan_finished": datetime(2026, 11, 20, 1, 30, tzinfo=timezone.utc),
        "assessed": datetime(2026, 11, 20, 1, 30, tzinfo=timezone.utc),
        "credentials": 4,
    }


def test_assets_are_told_with_and_without_findings(console: Console, snapshot: Take) -> None:
    console.tag(WEB01, "OWNER", "second, owner")
    console.tag(WEB01, "LOCATION", "Bern")
    console.tag(WEB01, "CUSTOM", "pci")
    found = snapshot()
    assert found.coverage.height == found.assets.height == 8
    asset = row(found.assets, asset="1")
    assert sorted(asset.pop("owner_tags")) == ["second, owner", "web-team"]
    assert asset == {
        "asset": "1",
        "host_name": WEB01,
        "ip": "10.0.0.11",
        "mac": "00:50:56:aa:00:01",
        "os": "Microsoft Windows Server 2019",
        "sites": ["HQ", "DMZ"],
        "criticality_tags": ["High"],
        "location_tags": ["Bern"],
        "custom_tags": ["pci"],
    }
    assert row(found.assets, host_name="clean01.corp.example")["owner_tags"] == ["app-team"]
    unnamed = row(found.assets, ip="10.0.0.99")
    assert (unnamed["host_name"], unnamed["mac"], unnamed["owner_tags"]) == (None, None, [])


def test_an_asset_that_was_never_assessed_is_covered_by_no_scan(console: Console, snapshot: Take) -> None:
    console.add_asset("new01.corp.example", "10.0.0.77")
    covered = row(snapshot().coverage, host_name="new01.corp.example")
    assert [covered[name] for name in ("scan", "scan_started", "assessed", "credentials")] == [None] * 4


def test_a_vulnerability_without_a_solution_is_not_dropped(console: Console, snapshot: Take) -> None:
    finding = row(snapshot().findings, vulnerability="generic-icmp-timestamp")
    assert finding["solution"] == "generic-icmp-timestamp"
    assert finding["solution_name"] is None
    assert finding["cves"] == ["CVE-1999-0524"]


def test_hostile_text_comes_through_whole(console: Console, snapshot: Take) -> None:
    title = 'Comma, "quotes",\r\nlines | bars; =cmd()|\' é\u2028'
    console.add_vulnerability("odd", title, 10)
    console.find(WEB01, "odd")
    console.scan()
    finding = row(snapshot().findings, vulnerability="odd")
    assert finding["title"] == title
    assert (finding["cvss"], finding["cves"]) == (None, [])


def test_a_patch_shows_once_it_is_scanned(console: Console, snapshot: Take) -> None:
    before = keys(snapshot())
    console.patch(WEB01, MISSING)
    assert keys(snapshot()) == before
    console.scan()
    assert before - keys(snapshot()) == {("1", MISSING)}


def test_severity_follows_the_score(console: Console, snapshot: Take) -> None:
    severities = {}
    for score in range(11):
        console.drift(MISSING, score)
        severities[score] = row(snapshot().findings, asset="1", vulnerability=MISSING)["severity"]
    assert severities == {0: "none"} | dict.fromkeys(range(1, 5), "low") | dict.fromkeys((5, 6), "medium") | {
        7: "high",
        8: "high",
        9: "critical",
        10: "critical",
    }


def test_exceptions_are_kept_with_their_status(console: Console, snapshot: Take) -> None:
    approved = console.except_(WEB01, MISSING, "False Positive", expires=date(2099, 2, 15))
    asked = console.except_("db01.corp.example", MISSING)
    console.approve(approved)
    console.scan()
    found = snapshot()
    assert ("1", MISSING) not in keys(found)
    assert ("3", MISSING) in keys(found)
    assert row(found.exceptions, exception=str(approved)) == {
        "asset": "1",
        "vulnerability": MISSING,
        "exception": str(approved),
        "status": "Approved",
        "reason": "False Positive",
        "expires": date(2099, 2, 15),
        "submitted_by": "halo-sync",
        "reviewed_by": "admin",
    }
    assert row(found.exceptions, exception=str(asked))["status"] == "Under Review"


def test_an_approved_exception_that_hides_nothing_excepts_nothing(console: Console, snapshot: Take) -> None:
    console.approve(console.except_(WEB01, MISSING))
    assert snapshot().exceptions.height == 0
    console.scan()
    assert snapshot().exceptions.height == 1
    console.patch(WEB01, MISSING)
    console.scan()
    assert snapshot().exceptions.height == 0


def test_coverage_is_older_than_findings_and_findings_older_than_exceptions(console: Console, snapshot: Take) -> None:
    exception = console.except_(WEB01, MISSING)

    def scan_in_between(name: str) -> None:
        if "coverage" in name:
            console.patch("web02.corp.example", MISSING)
            console.scan()
        elif "findings" in name:
            console.approve(exception)
            console.scan()

    before = row(snapshot().coverage, asset="2")
    console.after_report = scan_in_between
    found = snapshot()
    # The fix is in the findings and its scan not yet in the coverage: unsettled, not wrong.
    assert ("2", MISSING) not in keys(found)
    assert row(found.coverage, asset="2") == before
    # The exception is known, and its finding not missing yet.
    assert ("1", MISSING) in keys(found)
    assert row(found.exceptions, asset="1")["status"] == "Approved"


def test_an_asset_that_comes_up_while_the_console_is_read_waits_for_the_next_reading(
    console: Console, snapshot: Take, store: str
) -> None:
    source = models.Source.objects.create(name="c", kind="insightvm")
    take_in(source, snapshot())

    def come_up(name: str) -> None:
        if "coverage" in name:
            asset = console.add_asset("new01.corp.example", "10.0.0.77")
            console.find(asset, MISSING)
            console.patch(WEB01, MISSING)
            console.scan()

    console.after_report = come_up
    taken = take_in(source, snapshot())
    assert len(taken.errors) == 1 and "Findings of 1 assets that are not in the coverage" in taken.errors[0]
    assert taken.observations == {"unconfirmed": 1}
    console.after_report = None
    again = take_in(source, snapshot())
    assert (again.errors, again.observations) == ((), {"new": 1, "remediated": 1})


def test_a_cve_is_one_however_its_source_is_written(console: Console, snapshot: Take) -> None:
    before = snapshot().findings
    with psycopg.connect(console.conninfo) as connection:
        connection.execute("UPDATE insightvm.dim_vulnerability_reference SET source = 'cve' WHERE source = 'CVE'")
    after = snapshot().findings
    assert after["cves"].list.len().sum() > 0 and after.equals(before)


def settled(console: Console, source: models.Source, snapshot: Take, scan: bool = True) -> tuple[dict[str, int], str]:
    """What the next reading tells, and the state of WEB01's finding after it."""
    if scan:
        console.scan()
    told = take_in(source, snapshot()).observations
    return told, models.Finding.objects.get(asset="1", vulnerability=MISSING).state


def test_what_was_excepted_and_then_patched_is_settled_without_a_detour(
    console: Console, snapshot: Take, store: str
) -> None:
    source = models.Source.objects.create(name="c", kind="insightvm")
    take_in(source, snapshot())
    console.approve(console.except_(WEB01, MISSING))
    assert settled(console, source, snapshot) == ({"excepted": 1}, "excepted")
    console.patch(WEB01, MISSING)
    assert settled(console, source, snapshot) == ({}, "excepted")
    assert settled(console, source, snapshot, scan=False) == ({}, "excepted")
    assert settled(console, source, snapshot) == ({"remediated": 1}, "remediated")


def test_what_was_excepted_and_is_there_after_the_exception_is_open(
    console: Console, snapshot: Take, store: str
) -> None:
    source = models.Source.objects.create(name="c", kind="insightvm")
    take_in(source, snapshot())
    exception = console.except_(WEB01, MISSING)
    console.approve(exception)
    assert settled(console, source, snapshot) == ({"excepted": 1}, "excepted")
    console.expire(exception)
    assert settled(console, source, snapshot) == ({"exception_lapsed": 1}, "open")


@pytest.mark.parametrize("packed", ["body", "encoding"])
def test_a_compressed_output_is_the_same(console: Console, snapshot: Take, packed: str) -> None:
    plain = snapshot()
    console.gzip = packed
    same = snapshot()
    assert same.findings.equals(plain.findings)
    assert same.coverage.equals(plain.coverage)


def test_a_report_is_asked_for_with_growing_pauses(console: Console, snapshot: Take, time: Any) -> None:
    console.polls_until_ready = 7
    snapshot()
    assert time.pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0] * 4


def test_a_slow_report_is_given_up_and_deleted(console: Console, time: Any) -> None:
    console.polls_until_ready = 10**6
    source = InsightVmConsole(
        console.url, console.user, console.password, clock=time.clock, sleep=time.sleep, report_timeout=100
    )
    with pytest.raises(errors.ReportFailed, match="coverage was not done within 100 seconds"):
        source.snapshot()
    assert time.seconds <= 100
    assert console.reports == []


def test_an_output_that_drips_is_given_up_and_deleted(console: Console) -> None:
    console.polls_until_ready, console.dripping = 0, "findings"
    told: list[str] = []
    source = InsightVmConsole(console.url, console.user, console.password, report_timeout=1, tell=told.append)
    with pytest.raises(errors.TooMuch, match="/output does not come in whole within 1 seconds"):
        source.snapshot()
    assert console.reports == []
    # A letter is nothing to tell of.
    assert not any("findings" in text and "fetched" in text for text in told)


def test_the_snapshot_is_taken_by_our_clock_where_the_console_tells_no_time(console: Console, snapshot: Take) -> None:
    console.date_header = "nonsense"
    before = datetime.now(timezone.utc)
    assert before <= snapshot().taken <= datetime.now(timezone.utc)


def test_no_report_is_left(console: Console, snapshot: Take) -> None:
    snapshot()
    assert console.reports == []
    assert [method for method, _ in console.requests].count("DELETE") == 4


def left(number: int, **page: Any) -> dict[str, Any]:
    """A list with reports that the reader of the mark "m" seems to have left."""
    pages = {"number": 0, "size": 500, "totalResources": number, "totalPages": 1}
    return {
        "resources": [{"id": one, "name": f"halo-sync-m-{one}"} for one in range(number)], "page": {**pages, **page}
    }  # fmt: skip


@pytest.mark.parametrize(
    "told",
    [
        {"resources": None, "page": None},
        {**left(0), "resources": [None]},
        {**left(1), "resources": [{"id": None, "name": "halo-sync-m-secret"}]},
        {**left(1), "resources": [{"id": 1, "name": 7}]},
        {**left(1), "page": "secret"},
        left(1, totalPages=None),
        left(1, totalPages="secret"),
        left(1, totalPages=10**9),
        left(1, totalPages=2),
    ],
)
def test_a_list_of_reports_that_is_not_understood_ends_no_reading(
    console: Console, told: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    console.polls_until_ready = 0
    console.report_list = told
    source = InsightVmConsole(console.url, console.user, console.password, mark="m")
    assert source.snapshot().rows == 21
    assert "Reports halo-sync-m- may stay on the console" in caplog.text and "secret" not in caplog.text
    assert [method for method, _ in console.requests].count("DELETE") == 4
    assert sum(path.startswith("/api/3/reports?") for _, path in console.requests) <= 10


def test_a_list_of_reports_that_cannot_be_asked_for_ends_a_reading_for_its_reason(console: Console) -> None:
    source = InsightVmConsole(console.url, console.user, "wrong", mark="m")
    with pytest.raises(errors.WrongCredentials):
        source.snapshot()


FAULTS: dict[str, tuple[dict[str, Any], type[errors.SourceError]]] = {
    "wrong password": ({"password": "another"}, errors.WrongCredentials),
    "second factor": ({"wants_second_factor": True}, errors.SecondFactorWanted),
    "no right": ({"forbid_reports": True}, errors.NoRightToReports),
    "busy": ({"busy": 10**6}, errors.SourceBusy),
    "failed": ({"failing": "coverage"}, errors.ReportFailed),
    "aborted later": ({"failing": "findings", "fails_as": "aborted"}, errors.ReportFailed),
    "failed last": ({"failing": "exceptions"}, errors.ReportFailed),
    "query too slow": ({"statement_timeout": 0.001}, errors.ReportFailed),
    "connection cut": ({"cut_off": "findings", "cut": "connection"}, errors.CutOff),
    "line cut": ({"cut_off": "findings", "cut": "line"}, errors.CutOff),
    "last line gone": ({"cut_off": "findings", "cut": "clean"}, errors.CutOff),
    "only row gone": ({"cut_off": "exceptions", "cut": "clean"}, errors.CutOff),
    "packed and cut": ({"cut_off": "findings", "cut": "line", "gzip": "body"}, errors.CutOff),
    "decoded and cut": ({"cut_off": "findings", "cut": "line", "gzip": "encoding"}, errors.CutOff),
    "other header": ({"other_header": "coverage"}, errors.NotUnderstood),
    "other header later": ({"other_header": "exceptions"}, errors.NotUnderstood),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_told_apart_and_leaves_no_report(
    console: Console, snapshot: Take, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    settings, kind = FAULTS[fault]
    password = console.password
    for name, value in settings.items():
        setattr(console, name, value)
    with pytest.raises(errors.SourceError) as caught:
        snapshot()
    assert type(caught.value) is kind
    assert caught.value.cause and caught.value.assistance
    assert console.reports == []
    for secret in (password, console.user + ":", "BEAST", "openssl:"):
        assert secret not in caplog.text + str(caught.value)


def test_a_console_that_is_busy_for_a_moment_is_asked_again(console: Console, snapshot: Take, time: Any) -> None:
    console.busy = 2
    assert snapshot().rows == 21
    assert time.pauses[:2] == [5.0, 15.0]


def test_a_password_may_hold_any_letter(console: Console) -> None:
    console.password = "pässwörd: €"
    source = InsightVmConsole(console.url, console.user, console.password, sleep=lambda seconds: None)
    assert source.snapshot().rows == 21


def test_wrong_credentials_are_tried_once(console: Console, snapshot: Take) -> None:
    console.password = "another"
    with pytest.raises(errors.WrongCredentials):
        snapshot()
    assert len(console.requests) == 1


def test_a_report_that_somebody_deletes_is_a_failure(console: Console, snapshot: Take) -> None:
    console.after_report = lambda name: console.lose_report()
    with pytest.raises(errors.ReportFailed, match="does not know the report"):
        snapshot()


def test_a_console_that_is_not_there(console: Console, snapshot: Take) -> None:
    console.stop()
    with pytest.raises(errors.Unreachable):
        snapshot()


def test_a_report_whose_creation_was_not_answered_is_deleted(console: Console) -> None:
    body = {"name": "somebody's own", "format": "sql-query", "version": "2.3.0", "query": "SELECT 1"}
    requests.post(f"{console.url}/api/3/reports", json=body, auth=(console.user, console.password), timeout=9)
    console.created_after = 0.6
    source = InsightVmConsole(
        console.url, console.user, console.password, sleep=lambda seconds: None, request_timeout=0.2
    )
    with pytest.raises(errors.Unreachable):
        source.snapshot()
    assert console.reports == ["somebody's own"]


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"<html>Log in</html>", errors.NotUnderstood),
        (200, b"[]", errors.NotUnderstood),
        (200, b'{"id": "1"}', errors.NotUnderstood),
        (302, b"", errors.NotUnderstood),
        (404, b"", errors.ReportFailed),
        (429, b"", errors.SourceBusy),
        (500, b"", errors.NotUnderstood),
        (502, b"", errors.Unreachable),
        (504, b"", errors.Unreachable),
    ],
)
def test_another_program_at_the_address(status: int, body: bytes, kind: type[errors.SourceError]) -> None:
    class Elsewhere(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(status)
            self.send_header("Location", "/login")
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST

    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        source = InsightVmConsole(f"http://127.0.0.1:{server.server_port}", "u", "p", sleep=lambda seconds: None)
        with pytest.raises(errors.SourceError) as caught:
            source.snapshot()
        server.shutdown()
    assert type(caught.value) is kind


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_a_certificate_is_verified(database: str) -> None:
    with Console(database, tls=True) as console:
        console.seed_demo()

        def source(**trust: Any) -> InsightVmConsole:
            return InsightVmConsole(console.url, console.user, console.password, sleep=lambda seconds: None, **trust)

        with pytest.raises(errors.CertificateRefused):
            source().snapshot()
        with pytest.raises(errors.CertificateRefused, match="cannot be read"):
            source(ca_file="/no/such/file").snapshot()
        assert console.requests == []
        assert source(ca_file=console.ca_file).snapshot().rows == 21
        assert source(verify=False).snapshot().rows == 21


@pytest.mark.parametrize("ahead", [0, 600, -86400])
def test_the_consoles_skew_is_kept_with_the_source(console: Console, store: str, ahead: int) -> None:
    settings = {"url": console.url, "user": console.user, "every": 5}
    source = models.Source.objects.create(name="c", kind="insightvm", settings=settings, secret=seal(console.password))
    console.now = datetime.now(timezone.utc) + timedelta(seconds=ahead)
    reading_of(source)
    kept = models.Source.objects.get().settings
    # The console's clock stands still, and its Date has whole seconds.
    assert ahead - 30 < kept["skew"] <= ahead + 1 and kept["every"] == 5
