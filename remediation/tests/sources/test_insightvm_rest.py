"""A console's snapshot without reports, over HTTP and PostgreSQL."""

from __future__ import annotations

import json
import logging
import re
import socket
import threading
import time as real_time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg
import pytest

from remediation.domain.snapshot import ASSETS, COVERAGE, EXCEPTIONS, FINDINGS, Proof, Snapshot
from remediation.sources import errors, http_answer, insightvm_rest
from remediation.sources.insightvm_rest import InsightVmRest
from remediation.store import models
from remediation.store.intake import take_in
from stand_ins.insightvm_console import Console

WEB01 = "web01.corp.example"
MISSING = "msft-cve-2026-10001"
Take = Callable[[], Snapshot]


@pytest.fixture
def rest(console: Console, time: Any, tmp_path: Path) -> Callable[..., InsightVmRest]:
    """Makes a client that does not really wait, and keeps unfinished readings in the test's folder."""

    login = (console.url, console.user, console.password)

    def make(**options: Any) -> InsightVmRest:
        common = {"clock": time.clock, "sleep": time.sleep, "keep": tmp_path / "kept.jsonl"}
        return InsightVmRest(*login, **{**common, **options})

    return make


@pytest.fixture
def read(rest: Callable[..., InsightVmRest]) -> Take:
    return lambda: rest().snapshot()


def row(frame: Any, **wanted: str) -> dict[str, Any]:
    (found,) = frame.filter(**wanted).to_dicts()
    return dict(found)


def keys(found: Snapshot) -> set[tuple[str, str]]:
    return set(found.findings.select("asset", "vulnerability").iter_rows())


def asked(console: Console) -> Counter[str]:
    """How often each path was asked for, without its query."""
    return Counter(path.partition("?")[0].removeprefix("/api/3") for _, path in console.requests)


def sent(console: Console, pattern: str) -> int:
    """How many requests there were of the paths that match."""
    return sum(count for path, count in asked(console).items() if re.fullmatch(pattern, path))


# What is read


def test_both_modes_read_the_same_world_as_the_same(console: Console, snapshot: Take, read: Take) -> None:
    console.tag(WEB01, "OWNER", "second owner")
    console.tag(WEB01, "LOCATION", "Bern")
    console.tag(WEB01, "CUSTOM", "pci")
    console.add_asset("new01.corp.example", "10.0.0.77")
    console.add_solution("newer", "Newer", "<p>Install</p>")
    console.supersede("ubuntu-upgrade-openssl", "newer")
    console.approve(console.except_("app02.corp.example", "tlsv1_0-enabled"))
    console.scan(["app02.corp.example"])
    by_reports, by_objects = snapshot(), read()
    # The estimate is written in another way, and each finding's own last sighting is not told.
    same = [name for name in FINDINGS if name not in ("solution_estimate", "solution_url")]
    assert by_reports.findings.height == by_objects.findings.height == by_objects.rows == 20
    for name in same:
        assert by_objects.findings[name].to_list() == by_reports.findings.sort("asset", "vulnerability")[name].to_list()
    lists = [name for name, kind in ASSETS.items() if name not in ("asset", "host_name", "ip", "mac", "os")]
    for one, other in zip(by_objects.assets.sort("asset").to_dicts(), by_reports.assets.sort("asset").to_dicts()):
        assert {k: sorted(v) if k in lists else v for k, v in one.items()} == {
            k: sorted(v) if k in lists else v for k, v in other.items()
        }
    told = [name for name in COVERAGE if name != "credentials"]
    assert by_objects.coverage.select(told).sort("asset").equals(by_reports.coverage.select(told).sort("asset"))
    assert by_objects.coverage["credentials"].null_count() == by_objects.coverage.height == 9
    own = ["asset", "vulnerability", "exception", "status"]
    assert by_objects.exceptions.select(own).equals(by_reports.exceptions.select(own))
    assert by_objects.exceptions.height == 1
    assert (by_objects.proof, by_reports.proof) == (Proof.ASSESSED, Proof.SCAN)


def test_what_is_asked_for_and_how_often(console: Console, read: Take) -> None:
    read()
    counts = asked(console)
    assert all(method == "GET" for method, _ in console.requests)
    assert not any(path.startswith("/reports") for path in counts)
    assert sent(console, "/assets/[0-9]+/tags") == sent(console, "/assets/[0-9]+/vulnerabilities") == 8
    assert sent(console, "/assets/[0-9]+/vulnerabilities/.+/solution") == 21
    assert sent(console, "/vulnerabilities/[^/]+") == 9
    assert sent(console, "/scans/[0-9]+") == 1
    assert sum(counts.values()) == 2 + 1 + 2 + 8 + 8 + 21 + 9 + 1


def test_a_console_that_forbids_reports_is_read(console: Console, read: Take, snapshot: Take) -> None:
    console.forbid_reports = True
    with pytest.raises(errors.NoRightToReports):
        snapshot()
    assert read().rows == 21


def test_an_exception_in_the_history_is_no_assessment(console: Console, read: Take) -> None:
    ended = console.now
    console.approve(console.except_(WEB01, MISSING))
    scan = console.scan([WEB01])
    covered = row(read().coverage, asset="1")
    assert covered["scan"] == str(scan) and covered["assessed"] == console.now > ended


def test_an_agent_assesses_at_its_own_time(console: Console, read: Take) -> None:
    console.scan([WEB01], credentials=-1)
    covered = row(read().coverage, asset="1")
    assert (covered["scan"], covered["scan_started"], covered["assessed"]) == (None, None, console.now)


@pytest.mark.parametrize("hidden", [True, False], ids=["not-shown", "stopped"])
def test_a_scan_that_is_not_known_to_be_finished_proves_nothing(console: Console, read: Take, hidden: bool) -> None:
    number = console.scan([WEB01])
    if hidden:
        console.hidden = [f"/scans/{number}"]
    else:
        console.scan_status = {number: "stopped"}
    found = read()
    covered = row(found.coverage, asset="1")
    assert [covered[name] for name in ("scan", "scan_started", "scan_finished", "assessed")] == [None] * 4
    assert row(found.findings, asset="1", vulnerability=MISSING)["last_found"] == console.now
    assert row(found.coverage, asset="2")["scan_started"] is not None


def test_hostile_text_comes_through_whole(console: Console, read: Take) -> None:
    title = 'Comma, "quotes",\r\nlines | bars; =cmd()|\' é\u2028'
    console.add_vulnerability("odd/../key?x=1 %", title, 10)
    console.find(WEB01, "odd/../key?x=1 %")
    console.scan()
    # A slash within a key is one that the stand-in's routes do not know, and it changes no other path.
    assert row(read().findings, vulnerability="odd/../key?x=1 %")["title"] is None
    assert "/assets/1/key" not in asked(console)
    with psycopg.connect(console.conninfo) as connection:
        connection.execute("UPDATE insightvm.dim_vulnerability SET nexpose_id = 'odd ? %' WHERE nexpose_id LIKE 'odd%'")
    console.scan()
    finding = row(read().findings, vulnerability="odd ? %")
    assert (finding["title"], finding["severity"], finding["solution"]) == (title, "critical", "odd ? %")


# What absence proves


def taken(console: Console, source: models.Source, read: Take, scan: bool = True) -> tuple[dict[str, int], str, int]:
    """What the next reading tells, and the state of WEB01's finding after it."""
    if scan:
        console.scan()
    told = take_in(source, read()).observations
    finding = models.Finding.objects.get(asset="1", vulnerability=MISSING)
    return told, finding.state, finding.missed


def test_what_is_missing_is_no_longer_reported_and_never_remediated(console: Console, read: Take, store: str) -> None:
    source = models.Source.objects.create(name="c", kind="insightvm")
    take_in(source, read())
    console.patch(WEB01, MISSING)
    assert taken(console, source, read, scan=False) == ({}, "open", 0)
    assert taken(console, source, read) == ({"no_longer_reported": 1}, "unconfirmed", 1)
    assert taken(console, source, read, scan=False) == ({}, "unconfirmed", 1)
    assert taken(console, source, read) == ({}, "unconfirmed", 2)
    console.find(WEB01, MISSING)
    assert taken(console, source, read) == ({"still_there": 1}, "open", 0)


def test_a_weak_scan_that_sees_less_remediates_nothing(console: Console, read: Take, store: str) -> None:
    source = models.Source.objects.create(name="c", kind="insightvm")
    take_in(source, read())
    console.now += timedelta(minutes=1)
    console.scan(credentials=1)
    told = take_in(source, read()).observations
    assert set(told) == {"no_longer_reported"}


def test_what_is_excepted_is_not_fixed(console: Console, read: Take, store: str) -> None:
    source = models.Source.objects.create(name="c", kind="insightvm")
    take_in(source, read())
    exception = console.except_(WEB01, MISSING)
    assert taken(console, source, read) == ({}, "open", 0)
    console.approve(exception)
    assert taken(console, source, read) == ({"excepted": 1}, "excepted", 0)
    console.expire(exception)
    assert taken(console, source, read) == ({"exception_lapsed": 1}, "open", 0)


def test_a_console_that_says_what_it_said_before_the_last_time_is_news(
    console: Console, read: Take, store: str
) -> None:
    source = models.Source.objects.create(name="c", kind="insightvm")
    take_in(source, read())
    console.tag(WEB01, "OWNER", "another")
    take_in(source, read())
    console.untag(WEB01, "OWNER", "another")
    assert not take_in(source, read()).unchanged
    assert models.Asset.objects.get(asset="1").owner_tags == ["web-team"]


@pytest.mark.parametrize("left", [0, 2], ids=["no-finding-listed", "some-listed"])
def test_an_asset_that_lists_fewer_findings_than_it_counts_proves_nothing(
    console: Console, rest: Callable[..., InsightVmRest], store: str, left: int
) -> None:
    source = models.Source.objects.create(name="c", kind="insightvm")
    take_in(source, rest().snapshot())
    counted = models.Finding.objects.filter(asset="1").count()
    console.unlisted = {1: counted - left}
    for _ in range(2):
        console.scan()
        console.requests.clear()
        reader = rest()
        told = take_in(source, reader.snapshot()).observations
        assert told.get("no_longer_reported", 0) == 0
        assert reader.notes == ("1 assets do not list all of their findings: they count as not assessed",)
        assert sent(console, "/assets/1/vulnerabilities") == 2 and sent(console, "/assets/2/vulnerabilities") == 1
    assert models.Finding.objects.filter(asset="1", state="open").count() >= left
    console.unlisted = {}
    console.scan()
    take_in(source, rest().snapshot())
    assert models.Finding.objects.filter(asset="1", state="open").count() == counted


def test_a_count_that_is_older_than_the_findings_is_asked_for_again(
    console: Console, rest: Callable[..., InsightVmRest]
) -> None:
    def patched() -> None:
        console.patch(8, "generic-icmp-timestamp")
        console.scan()

    console.after_answer = once("/assets/8/tags", patched)
    reader = rest()
    assert row(reader.snapshot().coverage, asset="8")["assessed"] is not None
    assert reader.notes == () and sent(console, "/assets/8/vulnerabilities") == 2


def test_a_vulnerability_that_the_console_does_not_show_stays_with_its_id(
    console: Console, rest: Callable[..., InsightVmRest], store: str
) -> None:
    source = models.Source.objects.create(name="c", kind="insightvm")
    take_in(source, rest().snapshot())
    known = models.Vulnerability.objects.values("title", "severity", "cvss", "cves")
    before = known.get(vulnerability=MISSING)
    console.hidden = [f"/vulnerabilities/{MISSING}"]
    reader = rest()
    found = reader.snapshot()
    told = row(found.findings, asset="1", vulnerability=MISSING)
    assert [told[name] for name in ("title", "severity", "cvss", "cves")] == [None] * 4 and found.rows == 21
    assert reader.notes == ("1 vulnerabilities are not shown by the console: nothing but their ids is known",)
    assert take_in(source, found).observations == {}
    assert known.get(vulnerability=MISSING) == before and before["title"]


def test_an_asset_that_is_deleted_has_left(console: Console, read: Take, store: str) -> None:
    source = models.Source.objects.create(name="c", kind="insightvm")
    take_in(source, read())
    console.remove_asset(WEB01)
    assert take_in(source, read()).observations == {"left_coverage": 5}


def test_one_mode_goes_on_where_the_other_ended(console: Console, read: Take, snapshot: Take, store: str) -> None:
    source = models.Source.objects.create(name="c", kind="insightvm")
    take_in(source, snapshot())
    assert take_in(source, read()).observations == {}
    console.patch(WEB01, MISSING)
    assert taken(console, source, read) == ({"no_longer_reported": 1}, "unconfirmed", 1)
    assert taken(console, source, snapshot, scan=False) == ({}, "unconfirmed", 1)
    assert taken(console, source, snapshot) == ({"remediated": 1}, "remediated", 0)
    assert take_in(source, read()).observations == {}


# Pages that move


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of three."""
    monkeypatch.setattr(insightvm_rest, "PAGE", 3)
    monkeypatch.setattr(insightvm_rest, "PAGE_OF_ASSETS", 3)


def once(path: str, change: Callable[[], Any]) -> Callable[[str], None]:
    """Something that happens once, right after an answer to a path, with its query."""
    left = [change]

    def answered(asked_for: str) -> None:
        if left and re.match(path, asked_for):
            left.pop()()

    return answered


def test_pages_are_put_together(console: Console, read: Take, small: None) -> None:
    found = read()
    assert (found.rows, found.coverage.height) == (21, 8)
    assert found.coverage["asset"].sort().to_list() == [str(number) for number in range(1, 9)]


FIRST = r"/assets\?page=0&size=3"


def test_a_list_that_shrinks_between_two_pages_is_read_again(console: Console, read: Take, small: None) -> None:
    # Asset 4 moves to the first page, which was read already.
    console.after_answer = once(FIRST, lambda: console.remove_asset(2))
    assert read().coverage["asset"].sort().to_list() == ["1", "3", "4", "5", "6", "7", "8"]


def test_a_list_that_moves_without_a_change_of_its_length_is_read_again(
    console: Console, read: Take, small: None
) -> None:
    def swap() -> None:
        console.remove_asset(2)
        console.add_asset("new01.corp.example", "10.0.0.77")

    console.after_answer = once(FIRST, swap)
    assert read().coverage["asset"].sort().to_list() == ["1", "3", "4", "5", "6", "7", "8", "9"]


def test_findings_that_move_are_read_again(console: Console, read: Take, small: None) -> None:
    def swap() -> None:
        console.patch(WEB01, MISSING)
        console.find(WEB01, "ubuntu-cve-2026-20004")
        console.scan()

    console.after_answer = once(r"/assets/1/vulnerabilities\?page=0", swap)
    found = {key for asset, key in keys(read()) if asset == "1"}
    assert found == {
        "msft-cve-2026-10002",
        "msft-cve-2026-10003",
        "ssl-cve-2011-3389-beast",
        "tlsv1_0-enabled",
        "ubuntu-cve-2026-20004",
    }


def test_a_list_that_never_holds_still_is_no_list(console: Console, read: Take, small: None) -> None:
    def grow(path: str) -> None:
        if path.startswith("/assets?page=1"):
            console.add_asset(None, "10.0.0.88")

    console.after_answer = grow
    with pytest.raises(errors.Unsteady, match="The list /assets was another one each of 5 times"):
        read()


def test_an_asset_that_goes_away_while_it_is_read_is_in_no_frame(console: Console, read: Take) -> None:
    console.after_answer = once("/assets/1/tags", lambda: console.remove_asset(1))
    found = read()
    for frame in (found.findings, found.assets, found.coverage):
        assert "1" not in frame["asset"].to_list() and "2" in frame["asset"].to_list()


def test_a_finding_that_goes_away_while_its_solution_is_asked_for(console: Console, read: Take) -> None:
    def patched() -> None:
        console.patch(WEB01, MISSING)
        console.scan()

    console.after_answer = once(r"/assets/1/vulnerabilities\?", patched)
    found = read()
    assert ("1", MISSING) not in keys(found) and ("2", MISSING) in keys(found)
    assert set(found.findings.filter(asset="1")["solution"]) == {"msft-kb5099999-rollup", "disable-tls-1-0"}


def test_a_finding_whose_solution_is_not_known_stands_for_it(console: Console, read: Take) -> None:
    console.hidden = [f"/assets/1/vulnerabilities/{MISSING}/solution"]
    found = read()
    assert row(found.findings, asset="1", vulnerability=MISSING)["solution"] == MISSING
    assert row(found.findings, asset="2", vulnerability=MISSING)["solution"] == "msft-kb5099999-rollup"


def test_a_scan_that_ends_while_its_assets_are_read_leaves_it_open(console: Console, read: Take, store: str) -> None:
    source = models.Source.objects.create(name="c", kind="insightvm")
    take_in(source, read())
    console.patch(WEB01, MISSING)
    console.after_answer = once(r"/assets\?page=0&size=100", console.scan)
    # The fix is in the findings and its scan not yet in the coverage: unsettled, not wrong.
    assert take_in(source, read()).observations == {"unconfirmed": 1}


# Bounds and faults


BOUNDS: dict[str, tuple[dict[str, Any], type[errors.SourceError], str]] = {
    "10^9 pages": ({"endless": "/assets"}, errors.TooMuch, "1000000000 pages, more than 2000"),
    "10^9 pages of findings": ({"endless": "/assets/5/vulnerabilities"}, errors.TooMuch, "1000000000 pages"),
    "the same page for ever": ({"stuck": "/assets"}, errors.Unsteady, "another one each of 5 times"),
    "pages without anything": ({"hollow": "/assets"}, errors.Unsteady, "another one each of 5 times"),
    "too many bytes": ({"padding": 65 << 20}, errors.TooMuch, "more than 64 MiB"),
}


@pytest.mark.parametrize("bound", BOUNDS)
def test_what_has_no_end_ends_with_an_error(console: Console, read: Take, small: None, bound: str) -> None:
    settings, kind, words = BOUNDS[bound]
    for name, value in settings.items():
        setattr(console, name, value)
    with pytest.raises(errors.SourceError, match=re.escape(words)) as caught:
        read()
    assert type(caught.value) is kind
    assert len(console.requests) < 60


def test_an_answer_that_drips_ends_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_answer, "LONGEST_ANSWER", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                try:
                    for _ in range(100):
                        connection.sendall(b" ")
                        real_time.sleep(0.02)
                except OSError:
                    pass

        threading.Thread(target=drip, daemon=True).start()
        source = InsightVmRest(f"http://127.0.0.1:{server.getsockname()[1]}", "u", "p", sleep=lambda seconds: None)
        with pytest.raises(errors.TooMuch, match="takes more than"):
            source.snapshot()


def test_a_reading_has_its_time(console: Console, rest: Any, time: Any) -> None:
    def pass_time(_: str) -> None:
        time.seconds += 10

    console.after_answer = pass_time
    with pytest.raises(errors.TooMuch, match="not be read within 200 seconds"):
        rest(reading_timeout=200).snapshot()
    assert len(console.requests) <= 21 + insightvm_rest.AT_ONCE


FAULTS: dict[str, tuple[dict[str, Any], type[errors.SourceError]]] = {
    "wrong password": ({"password": "another"}, errors.WrongCredentials),
    "second factor": ({"wants_second_factor": True}, errors.SecondFactorWanted),
    "no right": ({"forbid_assets": True}, errors.NoRightToAssets),
    "busy": ({"busy": 10**6}, errors.SourceBusy),
    "failing": ({"failing_routes": {"/assets/3/tags": 10**6}}, errors.SourceBusy),
    "findings not shown": ({"hidden": ["/assets/3/vulnerabilities"]}, errors.NotThere),
    "sites not shown": ({"hidden": ["/sites"]}, errors.NotThere),
    "no vulnerability shown": ({"hidden": ["/vulnerabilities/.*"]}, errors.NotThere),
    "vulnerability failing": ({"failing_routes": {f"/vulnerabilities/{MISSING}": 10**6}}, errors.SourceBusy),
    "no finding listed": ({"unlisted": {number: 99 for number in range(1, 9)}}, errors.NotUnderstood),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_told_apart(console: Console, read: Take, fault: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    settings, kind = FAULTS[fault]
    password = console.password
    for name, value in settings.items():
        setattr(console, name, value)
    with pytest.raises(errors.SourceError) as caught:
        read()
    assert type(caught.value) is kind
    assert caught.value.cause and caught.value.assistance
    for secret in (password, console.user + ":", "BEAST", "openssl:"):
        assert secret not in caplog.text + str(caught.value)


def test_the_error_names_what_was_asked_for(console: Console, read: Take) -> None:
    console.hidden = ["/assets/3/vulnerabilities"]
    with pytest.raises(errors.NotThere, match="does not know /assets/3/vulnerabilities"):
        read()


def test_a_route_that_fails_for_a_moment_is_asked_again(console: Console, read: Take, time: Any) -> None:
    console.failing_routes = {"/assets/3/vulnerabilities": 2}
    assert read().rows == 21
    assert time.pauses == [5.0, 15.0]


def test_wrong_credentials_are_tried_once(console: Console, read: Take) -> None:
    console.password = "another"
    with pytest.raises(errors.WrongCredentials):
        read()
    assert len(console.requests) == 1


def test_a_certificate_is_verified(database: str) -> None:
    with Console(database, tls=True) as console:
        console.seed_demo()

        def source(**trust: Any) -> InsightVmRest:
            return InsightVmRest(console.url, console.user, console.password, sleep=lambda seconds: None, **trust)

        with pytest.raises(errors.CertificateRefused):
            source().snapshot()
        assert console.requests == []
        assert source(ca_file=console.ca_file).snapshot().rows == 21


# What is kept of a reading that did not end


FINDINGS_OF = "/assets/[0-9]+/vulnerabilities"
LATER_ASSETS = "/assets/[5-8]/.*"


@pytest.fixture
def interrupted(console: Console, read: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading that ended in the middle: assets 1 to 4 were read and kept."""
    monkeypatch.setattr(insightvm_rest, "AT_ONCE", 1)
    console.failing_routes = {LATER_ASSETS: 10**6}
    with pytest.raises(errors.SourceBusy):
        read()
    console.failing_routes = {}
    console.requests.clear()


def test_a_reading_goes_on_where_the_one_before_ended(
    console: Console, rest: Any, interrupted: None, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.jsonl"
    assert kept.stat().st_mode & 0o777 == 0o600
    told: list[str] = []
    found = rest(tell=told.append).snapshot()
    assert sent(console, FINDINGS_OF) == 4 and sent(console, "/assets/[1-4]/.*") == 0
    assert "assets: 4 are kept from the reading before, and have not changed since" in told
    assert not kept.exists()
    whole = rest().snapshot()
    assert found.findings.equals(whole.findings) and found.assets.equals(whole.assets)
    assert found.coverage.equals(whole.coverage)
    # What was read to its end is read anew.
    assert sent(console, FINDINGS_OF) == 4 + 8


def test_an_asset_that_was_scanned_since_is_read_anew(console: Console, read: Take, interrupted: None) -> None:
    console.patch(WEB01, MISSING)
    console.scan([WEB01])
    found = read()
    assert ("1", MISSING) not in keys(found) and ("2", MISSING) in keys(found)
    assert sent(console, "/assets/1/vulnerabilities") == 1 and sent(console, "/assets/2/vulnerabilities") == 0


def test_an_asset_that_is_gone_since_is_not_there(console: Console, read: Take, interrupted: None) -> None:
    console.remove_asset(1)
    assert "1" not in read().coverage["asset"].to_list()


@pytest.mark.parametrize(("later", "read_anew"), [(3500, 4), (3700, 8), (-60, 8)])
def test_what_is_kept_counts_for_an_hour(
    console: Console, rest: Any, interrupted: None, later: int, read_anew: int
) -> None:
    assert rest(now=lambda: real_time.time() + later).snapshot().rows == 21
    assert sent(console, FINDINGS_OF) == read_anew


@pytest.mark.long
def test_what_is_kept_is_too_old_after_a_day_however_often_it_was_taken_up(
    console: Console, rest: Any, interrupted: None
) -> None:
    begin = real_time.time()
    console.failing_routes = {"/assets/8/.*": 10**6}
    for hours in range(1, 27):
        with pytest.raises(errors.SourceBusy):
            # One asset changes each time, so that there always is something new to keep.
            console.scan([7])
            rest(now=lambda: begin + hours * 3599).snapshot()  # pylint: disable=cell-var-from-loop
    assert sent(console, "/assets/2/vulnerabilities") == 1
    assert sent(console, "/assets/7/vulnerabilities") == 26


@pytest.mark.parametrize("change", ["user", "address"])
def test_what_another_user_or_address_gave_is_not_used(
    console: Console, rest: Any, interrupted: None, change: str, tmp_path: Path
) -> None:
    other = InsightVmRest(
        console.url if change == "user" else console.url + "/",
        "somebody" if change == "user" else console.user,
        console.password,
        keep=tmp_path / "kept.jsonl",
    )
    console.user = "somebody" if change == "user" else console.user
    assert other.snapshot().rows == 21
    assert sent(console, FINDINGS_OF) == 8


def test_a_line_that_was_cut_off_costs_one_asset(
    console: Console, read: Take, interrupted: None, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.jsonl"
    text = kept.read_text()
    assert json.loads(text.splitlines()[-1])["kind"] == "asset"
    kept.write_text(text[:-30])
    console.failing_routes = {"/assets/6/.*": 10**6}
    with pytest.raises(errors.SourceBusy):
        read()
    assert sent(console, FINDINGS_OF) == 2
    console.failing_routes = {}
    assert read().rows == 21
    assert sent(console, FINDINGS_OF) == 2 + 3


def test_two_readings_at_once_do_not_mix(console: Console, rest: Any, tmp_path: Path) -> None:
    kept = tmp_path / "kept.jsonl"
    inner: list[tuple[int, bool]] = []
    console.after_answer = once("/assets/8/tags", lambda: inner.append((rest().snapshot().rows, kept.exists())))
    assert rest().snapshot().rows == 21
    # The file is that of the first one, which the second one leaves to it.
    assert inner == [(21, True)] and not kept.exists()
    assert sent(console, FINDINGS_OF) == 8 + 8


def test_where_nothing_can_be_kept_it_is_read_all_the_same(rest: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert rest(keep=tmp_path / "file" / "kept.jsonl").snapshot().rows == 21
    assert rest(keep=None).snapshot().rows == 21


def test_the_snapshot_is_taken_when_the_reading_began(console: Console, read: Take) -> None:
    console.now = datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc)

    def pass_time() -> None:
        console.now += timedelta(hours=3)

    console.after_answer = once("/assets/4/tags", pass_time)
    assert read().taken == datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc)
