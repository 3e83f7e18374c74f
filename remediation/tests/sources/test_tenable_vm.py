"""Rows from Tenable, over HTTP."""

from __future__ import annotations

import json
import logging
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest

from remediation.sources import errors, tenable_http
from remediation.sources.answer_part import Part
from remediation.sources.scanner_rows import SCANNER_ROWS
from remediation.sources.tenable_vm import BEGINNING, TenableVm, row_of
from stand_ins.tenable_vm import Tenable

CREATE = ("POST", "/vulns/export")
LIST = ("GET", "/vulns/export/status")


@pytest.fixture
def tenable() -> Iterator[Tenable]:
    """The demo's 12 assets with 32 findings, in three chunks."""
    with Tenable() as running:
        running.ids = running.seed_demo()  # type: ignore[attr-defined]  # for these tests
        running.assets_in_chunk = 5
        yield running


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def source(tenable: Tenable, time: Any, told: list[str]) -> Callable[..., TenableVm]:
    """Makes a client that does not really wait."""

    def make(**options: Any) -> TenableVm:
        common = {"clock": time.clock, "sleep": time.sleep, "tell": told.append, "request_timeout": 20.0}
        keys = (options.pop("access_key", tenable.access_key), options.pop("secret_key", tenable.secret_key))
        return TenableVm(tenable.url, *keys, **{**common, **options})

    return make


Make = Callable[..., TenableVm]


def only(rows: pl.DataFrame, **wanted: str) -> dict[str, Any]:
    (found,) = rows.filter(**wanted).to_dicts()
    return dict(found)


def asked(tenable: Tenable) -> Counter[tuple[str, str]]:
    """How often each path was asked for; an export's UUID is shown as "-"."""
    uuids = {one["uuid"] for one in tenable.exports}
    return Counter(
        (method, "/".join("-" if part in uuids else part for part in path.split("/")))
        for method, path in tenable.requests
    )


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


# What is read


def test_the_rows_are_all_that_the_scanner_has(tenable: Tenable, source: Make) -> None:
    began = tenable.now
    one = source()
    rows = one.rows()
    assert list(rows.schema.items()) == list(SCANNER_ROWS.items())
    assert rows.height == 32 and rows["asset_id"].n_unique() == 12
    assert one.last_export_began == began
    assert one.skew is not None and abs(one.skew) > 60
    web01 = tenable.ids["web01"]  # type: ignore[attr-defined]
    row = only(rows, asset_id=web01, vulnerability="10001")
    scan = tenable.findings[web01, 10001, 0, "TCP"]
    assert {name: value for name, value in row.items() if value is not None} == {
        "asset_id": web01,
        "host_name": "web01.corp.example",
        "ip": "10.1.0.11",
        "mac": "00:50:56:bb:00:01",
        "os": "Microsoft Windows Server 2022",
        "scan": scan.scan,
        "scan_started": stamp(scan.scan_started),
        "vulnerability": "10001",
        "title": "KB5099999: Windows Server (November 2026)",
        "description": "KB5099999: Windows Server (November 2026) was found on the remote host.",
        "severity": "critical",
        "family": "Windows : Microsoft Bulletins",
        "cvss3": "9.8",
        "cvss2": "10.0",
        "vpr": "9.4",
        "epss": "0.912",
        "exploits": "true",
        "cves": "CVE-2026-10001,CVE-2026-10002",
        "solution_fix": "Apply Security Update 5099999",
        "port": "0",
        "protocol": "TCP",
        "state": "OPEN",
        "first_found": stamp(began),
        "last_found": stamp(began),
    }


def test_what_is_asked_for_and_how_often(tenable: Tenable, source: Make) -> None:
    source().rows()
    assert asked(tenable) == {
        LIST: 1,
        CREATE: 1,
        ("GET", "/vulns/export/-/status"): 4,
        **{("GET", f"/vulns/export/-/chunks/{number}"): 1 for number in (1, 2, 3)},
    }
    (export,) = tenable.exports
    assert export["filters"] == {
        "since": BEGINNING,
        "state": ["OPEN", "REOPENED", "FIXED"],
        "severity": ["info", "low", "medium", "high", "critical"],
    }


def test_fixed_reopened_accepted_and_recast(tenable: Tenable, source: Make) -> None:
    ids = tenable.ids  # type: ignore[attr-defined]
    tenable.fix(ids["web01"], 10001)
    tenable.fix(ids["web02"], 10001)
    tenable.scan()
    fixed = tenable.now
    tenable.find(ids["web02"], 10001)
    tenable.accept(ids["db01"], 10001)
    tenable.accept(ids["file01"], 10001, "is switched off in May")
    tenable.recast(ids["printer"], 40003, 4)
    tenable.scan()
    rows = source().rows()
    names = ("state", "fixed", "reintroduced", "accepted", "severity")
    by_name = {
        name: tuple(only(rows, asset_id=ids[name], vulnerability=plugin)[column] for column in names)
        for name, plugin in (("web01", "10001"), ("web02", "10001"), ("db01", "10001"), ("file01", "10001"))
    }
    assert by_name == {
        "web01": ("FIXED", stamp(fixed), None, None, "critical"),
        "web02": ("REOPENED", stamp(fixed), stamp(tenable.now), None, "critical"),
        "db01": ("OPEN", None, None, "ACCEPTED", "critical"),
        "file01": ("OPEN", None, None, "ACCEPTED: is switched off in May", "critical"),
    }
    recast = only(rows, asset_id=ids["printer"], vulnerability="40003")
    assert (recast["severity"], recast["accepted"]) == ("critical", None)


def test_an_increment_tells_what_came_since_and_two_days_before(tenable: Tenable, source: Make) -> None:
    ids = tenable.ids  # type: ignore[attr-defined]
    first = source()
    first.rows()
    since = first.last_export_began
    assert since is not None
    tenable.fix(ids["web01"], 10001)
    tenable.now += timedelta(days=3)
    tenable.scan([ids["web01"]])
    # All of it was found a moment before the first export, which the overlap covers.
    assert source(since=since).rows().height == 32
    rows = source(since=since + timedelta(days=2, minutes=1)).rows()
    assert rows["asset_id"].unique().to_list() == [ids["web01"]]
    assert only(rows, vulnerability="10001")["state"] == "FIXED"
    assert rows.height == 5


def test_a_finding_older_than_a_month_is_read(tenable: Tenable, source: Make) -> None:
    tenable.now += timedelta(days=100)
    assert source().rows().height == 32


@pytest.mark.parametrize("tells_totals", [True, False])
def test_nothing_to_tell_is_no_rows(tells_totals: bool, time: Any) -> None:
    with Tenable() as empty:
        empty.tells_totals = tells_totals
        rows = TenableVm(empty.url, empty.access_key, empty.secret_key, clock=time.clock, sleep=time.sleep).rows()
    assert list(rows.schema.items()) == list(SCANNER_ROWS.items()) and rows.height == 0


def test_progress_is_told(source: Make, told: list[str]) -> None:
    source().rows()
    assert told[0] == "export: requested"
    assert "export: Tenable makes it, 0 of 3 chunks are fetched" in told
    assert told[-1] == "export: 3 of 3 chunks, 32 rows"


# What a finding says


def finding(**parts: Any) -> dict[str, str | None]:
    return row_of(Part({"plugin": {"id": 1}, **parts}, "/chunk"))


@pytest.mark.parametrize(
    "asset, expected",
    [
        ({"fqdn": "a.example", "hostname": "b"}, "a.example"),
        ({"hostname": "b"}, "b"),
        ({"fqdn": "10.0.0.1", "hostname": "b"}, "b"),
        ({"hostname": "10.0.0.1"}, None),
        ({"fqdn": "2001:db8::1"}, None),
        ({}, None),
    ],
)
def test_a_host_name_is_no_address(asset: Any, expected: str | None) -> None:
    assert finding(asset=asset)["host_name"] == expected


@pytest.mark.parametrize(
    "told, expected",
    [
        *((10.647, "0.10647"), (100, "1"), (0.001, "0.00001"), ("50", "0.5"), ("n/a", "n/a"), (None, None)),
        # For the judge of rows to refuse.
        ("1e9999999", "1e9999999"),
    ],
)
def test_epss_is_told_in_percent(told: Any, expected: str | None) -> None:
    share = finding(plugin={"id": 1, "epss_score": told})["epss"]
    assert share == expected


def test_an_asset_that_is_not_tracked_has_no_id_of_its_own() -> None:
    assert finding(asset={"uuid": "u", "tracked": False})["asset_id"] is None
    assert finding(asset={"uuid": "u", "tracked": True})["asset_id"] == finding(asset={"uuid": "u"})["asset_id"] == "u"


def test_absent_parts_are_null_and_others_fall_back() -> None:
    assert {name: value for name, value in finding().items() if value} == {"vulnerability": "1"}
    assert finding(asset={"ipv6": "2001:db8::1"})["ip"] == "2001:db8::1"
    assert finding(plugin={"id": 1, "cvss4_base_score": 6.9})["cvss3"] == "6.9"
    assert finding(plugin={"id": 1, "cvss3_base_score": 0, "cvss4_base_score": 6.9})["cvss3"] == "0"
    assert finding(asset={"operating_system": ["A", "B"]})["os"] == "A, B"
    assert finding(severity_modification_type="accepted")["accepted"] == "accepted"
    # A score that is none is for the judge of rows.
    assert finding(plugin={"id": 1, "cvss3_base_score": 75})["cvss3"] == "75"


@pytest.mark.parametrize(
    "content",
    [{}, [1], [{"plugin": {}}], [{"plugin": []}], [{"plugin": {"id": 1, "cve": "CVE-1"}}], [{"plugin": {"id": [1]}}]],
)
def test_a_chunk_of_another_kind_is_refused(tenable: Tenable, source: Make, content: Any) -> None:
    tenable.answers = {".*/chunks/2": json.dumps(content).encode()}
    with pytest.raises(errors.NotUnderstood):
        source().rows()


# The whole or nothing


@pytest.mark.parametrize(
    "fault, error",
    [
        ({"failed": {2}}, errors.ReportFailed),
        ({"unlisted": {2}}, errors.ReportFailed),
        ({"listed_twice": {2}}, errors.NotUnderstood),
        ({"repeated": {3}}, errors.NotUnderstood),
        ({"expired": {2}}, errors.ReportFailed),
        ({"unready": {2}}, errors.ReportFailed),
        ({"cut": {2: 99}}, errors.CutOff),
        ({"cut_cleanly": {2: 99}}, errors.CutOff),
        ({"failing": {".*/chunks/2": 99}}, errors.SourceBusy),
        ({"breaking": {".*/chunks/2": 99}}, errors.Unreachable),
        ({"answers": {".*/chunks/2": b"<html>"}}, errors.NotUnderstood),
        ({"ends_as": "ERROR"}, errors.ReportFailed),
        ({"ends_as": "CANCELLED"}, errors.ReportFailed),
        ({"ends_as": "ASTONISHED"}, errors.NotUnderstood),
        ({"answers": {".*/[^/]{36}/status": b"{}"}}, errors.NotUnderstood),
        ({"answers": {".*/[^/]{36}/status": b"[]"}}, errors.NotUnderstood),
    ],
    ids=lambda value: str(next(iter(value))) if isinstance(value, dict) else value.__name__,
)
def test_a_part_that_is_not_right_leaves_nothing(tenable: Tenable, source: Make, fault: Any, error: Any) -> None:
    for name, value in fault.items():
        setattr(tenable, name, value)
    one = source()
    with pytest.raises(error) as caught:
        one.rows()
    assert type(caught.value) is error
    assert one.last_export_began is None
    # An export that would go on is ended, and one that has ended is not.
    assert not [export for export in tenable.exports if export["status"] in ("QUEUED", "PROCESSING")]
    has_ended = fault.get("ends_as") in ("ERROR", "CANCELLED") or fault.keys() & {"unlisted", "repeated"}
    assert asked(tenable)["POST", "/vulns/export/-/cancel"] == (0 if has_ended else 1)


def test_a_chunk_that_is_listed_twice_is_not_fetched(tenable: Tenable, source: Make) -> None:
    tenable.listed_twice = {2}
    with pytest.raises(errors.NotUnderstood, match="twice"):
        source().rows()
    assert asked(tenable)["GET", "/vulns/export/-/chunks/2"] == 0


def test_an_export_that_expires_under_the_reading(tenable: Tenable, source: Make) -> None:
    def tell(text: str) -> None:
        if text.startswith("export: 1 of"):
            tenable.expire()

    with pytest.raises(errors.ReportFailed, match="expired"):
        source(tell=tell).rows()


def test_the_reason_of_a_failure_is_told(tenable: Tenable, source: Make) -> None:
    tenable.ends_as, tenable.reason = "ERROR", "The export request timed out. Try again."
    with pytest.raises(errors.ReportFailed, match="timed out"):
        source().rows()


def test_an_export_that_is_never_done_is_given_up_and_ended(tenable: Tenable, source: Make, time: Any) -> None:
    tenable.polls_queued = 10**9
    with pytest.raises(errors.ReportFailed, match="within 3600 seconds"):
        source(export_timeout=3600.0).rows()
    assert time.seconds <= 3600
    assert max(time.pauses) == 30
    assert [export["status"] for export in tenable.exports] == ["CANCELLED"]


def test_a_chunk_that_fails_a_few_times_is_read_once(tenable: Tenable, source: Make, time: Any) -> None:
    tenable.failing = {".*/chunks/1": 1}
    tenable.breaking = {".*/chunks/2": 2}
    tenable.cut = {3: 3}
    rows = source().rows()
    assert rows.height == 32
    assert rows.select("asset_id", "vulnerability", "port").is_unique().all()
    assert [pause for pause in time.pauses if pause >= 5] == [5, 15, 30, 5, 15, 5]


def test_more_chunks_may_be_told_than_listed_where_the_others_are_empty(tenable: Tenable, source: Make) -> None:
    status = {"status": "FINISHED", "chunks_available": [1], "total_chunks": 2}
    row = [{"plugin": {"id": 1}}]
    path = ".*/[^/]{36}/status"
    tenable.answers = {path: json.dumps({**status, "empty_chunks_count": 1}).encode(), ".*/chunks/1": b"[]"}
    with pytest.raises(errors.ReportFailed, match="1 chunks, not with the 2"):
        source().rows()
    tenable.answers[".*/chunks/1"] = json.dumps(row).encode()
    # The stand-in's own export stays where it was.
    tenable.expire()
    assert source().rows().height == 1
    tenable.answers[path] = json.dumps(status).encode()
    tenable.expire()
    with pytest.raises(errors.ReportFailed):
        source().rows()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ({}, errors.NotUnderstood),
        ({"chunks_available": None}, errors.NotUnderstood),
        ({"chunks_available": [], "finished_chunks": 3}, errors.ReportFailed),
        ({"chunks_available": [1, 3]}, errors.ReportFailed),
    ],
)
def test_an_export_whose_chunks_are_not_all_told(tenable: Tenable, source: Make, status: Any, error: Any) -> None:
    tenable.answers = {".*/[^/]{36}/status": json.dumps({"status": "FINISHED", **status}).encode()}
    with pytest.raises(error):
        source().rows()


# Making an export


def test_an_export_whose_answer_is_lost_is_found(tenable: Tenable, source: Make, told: list[str]) -> None:
    tenable.export_elsewhere(since=BEGINNING, state=["OPEN"])
    tenable.creations = ["lost"]
    assert source().rows().height == 32
    assert asked(tenable)[CREATE] == 1
    assert len(tenable.exports) == 2
    assert any("looked for" in text for text in told)


def test_an_export_that_was_not_made_is_asked_for_again(tenable: Tenable, source: Make, told: list[str]) -> None:
    tenable.creations = ["unheard"]
    assert source().rows().height == 32
    assert asked(tenable)[CREATE] == 2
    assert len(tenable.exports) == 1
    assert any("once more" in text for text in told)


def test_an_export_that_is_made_and_not_listed_is_told_by_the_refusal(tenable: Tenable, source: Make) -> None:
    tenable.creations = ["lost"]
    tenable.answers = {"/vulns/export/status": b'{"exports": []}'}
    assert source().rows().height == 32
    assert asked(tenable)[CREATE] == 2
    assert len(tenable.exports) == 1


@pytest.mark.parametrize("fault", ["failing", "breaking"])
def test_a_server_that_fails_may_have_made_it(tenable: Tenable, source: Make, told: list[str], fault: str) -> None:
    setattr(tenable, fault, {"/vulns/export": 1})
    assert source().rows().height == 32
    assert any("looked for" in text for text in told)


def test_two_requests_in_vain_are_enough(tenable: Tenable, source: Make) -> None:
    tenable.creations = ["unheard"] * 3
    with pytest.raises(errors.Unreachable, match="twice"):
        source().rows()
    assert asked(tenable)[CREATE] == 2


def test_the_same_export_of_somebody_else_is_not_taken(tenable: Tenable, source: Make) -> None:
    source().rows()
    other = tenable.export_elsewhere(**tenable.exports[0]["filters"])
    with pytest.raises(errors.SourceBusy, match="same export"):
        source().rows()
    # Neither after a request whose outcome is not known.
    tenable.creations = ["unheard"]
    with pytest.raises(errors.SourceBusy, match="same export"):
        source().rows()
    assert tenable.exports[-1] == {**tenable.exports[-1], "uuid": other, "status": "QUEUED"}


def test_neither_is_one_that_was_made_a_moment_before(tenable: Tenable, source: Make) -> None:
    source().rows()
    filters = tenable.exports[0]["filters"]

    def tell(text: str) -> None:
        if text == "export: requested":
            tenable.export_elsewhere(**filters)

    with pytest.raises(errors.SourceBusy, match="same export"):
        source(tell=tell).rows()


# Limits, keys and the network


def test_a_limit_of_requests_is_waited_for(tenable: Tenable, source: Make, time: Any, told: list[str]) -> None:
    tenable.clock, tenable.requests_a_minute = time.clock, 3
    assert source().rows().height == 32
    assert any(text.startswith("Tenable has had too many requests and wants a pause of") for text in told)
    assert time.seconds >= 120


@pytest.mark.parametrize("retry_after, waited", [("", 60), ("soon", 60), ("0", 60), ("7", 56), ("61", 0)])
def test_a_limit_that_stays_is_not_waited_for_for_ever(
    tenable: Tenable, source: Make, time: Any, monkeypatch: pytest.MonkeyPatch, retry_after: str, waited: int
) -> None:
    monkeypatch.setattr(tenable_http, "LONGEST_WAIT", 60.0)
    tenable.requests_a_minute, tenable.retry_after = 0, retry_after
    with pytest.raises(errors.TooMuch, match="too many requests"):
        source().test()
    assert time.seconds == waited


def test_two_other_exports_are_waited_for(tenable: Tenable, source: Make, time: Any) -> None:
    for severity in ("low", "high"):
        tenable.export_elsewhere(severity=[severity])

    def sleep(seconds: float) -> None:
        time.sleep(seconds)
        if seconds == 30:
            tenable.expire()

    assert source(sleep=sleep).rows().height == 32
    assert asked(tenable)[CREATE] == 2


def test_keys_that_are_refused(tenable: Tenable, source: Make) -> None:
    source().test()
    assert tenable.requests == [LIST]
    for wrong in ({"access_key": "c" * 64}, {"secret_key": "c" * 64}):
        with pytest.raises(errors.WrongCredentials):
            source(**wrong).test()
        with pytest.raises(errors.WrongCredentials):
            source(**wrong).rows()
    tenable.may_export = False
    for ask in (source().test, source().rows):
        with pytest.raises(errors.NoRightToAssets, match="Can View"):
            ask()


@pytest.mark.parametrize("key", ["", "line\nbreak", "semi;colon", "blank ", "é"])
def test_a_key_that_no_header_holds_is_refused_unsent(tenable: Tenable, source: Make, key: str) -> None:
    for wrong in ({"access_key": key}, {"secret_key": key}):
        with pytest.raises(errors.WrongCredentials) as caught:
            source(**wrong).test()
        assert not key or key not in str(caught.value)
    assert not tenable.requests


def test_no_key_is_told_anywhere(
    tenable: Tenable, source: Make, told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    # Another test may have set its level.
    caplog.set_level(logging.DEBUG, logger="urllib3")
    caplog.set_level(logging.DEBUG, logger="urllib3.connectionpool")
    texts = []
    tenable.creations = ["lost"]
    tenable.breaking = {".*/chunks/2": 99, ".*/cancel": 1}
    for one in (source(), source(secret_key="d" * 64), source(secret_key="d" * 32 + "\n" + "d" * 32)):
        with pytest.raises(errors.SourceError) as caught:
            one.rows()
        texts += ["".join(traceback.format_exception(caught.value)), repr(one)]
    texts += [*told, caplog.text]
    assert "chunks/3" in caplog.text
    for key in (tenable.access_key, tenable.secret_key, "d" * 32):
        assert not any(key in text for text in texts)


def test_a_silent_tenable_is_not_waited_for_for_ever(tenable: Tenable, source: Make, time: Any) -> None:
    tenable.hanging = "/vulns/export/status"
    with pytest.raises(errors.Unreachable, match="no answer"):
        source(request_timeout=0.2).test()
    assert time.pauses == [5, 15, 30]


def test_an_answer_without_an_end_is_refused(tenable: Tenable, source: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenable_http, "LARGEST_ANSWER", 1000)
    with pytest.raises(errors.TooMuch):
        source().rows()


def test_other_addresses_are_told_apart(tenable: Tenable, source: Make, time: Any) -> None:
    with pytest.raises(errors.NotThere):
        TenableVm(f"{tenable.url}/elsewhere", tenable.access_key, tenable.secret_key, sleep=time.sleep).test()
    tenable.answers = {"/vulns/export/status": b"<html>"}
    with pytest.raises(errors.NotUnderstood):
        source().test()
    tenable.answers = {"/vulns/export/status": b"{}"}
    with pytest.raises(errors.NotUnderstood):
        source().test()
    tenable.stop()
    with pytest.raises(errors.Unreachable):
        source().test()


def test_keys_follow_no_redirection(tenable: Tenable, source: Make) -> None:
    with Tenable() as other:
        tenable.redirect = other.url
        for ask in (source().test, source().rows):
            with pytest.raises(errors.NotUnderstood, match="status 307"):
                ask()
        assert not other.requests


def test_a_file_of_certificates_that_is_not_there(tenable: Tenable, source: Make, time: Any) -> None:
    url = tenable.url.replace("http:", "https:")
    with pytest.raises(errors.CertificateRefused):
        TenableVm(url, "k", "k", ca_file="/nowhere/ca.pem", sleep=time.sleep).test()


def test_a_time_in_another_zone_is_the_same_time(tenable: Tenable, source: Make) -> None:
    zone = timezone(timedelta(hours=5))
    source(since=datetime(2026, 11, 20, 5, tzinfo=zone)).rows()
    expected = datetime(2026, 11, 18, tzinfo=timezone.utc).timestamp()
    assert tenable.exports[0]["filters"]["since"] == expected
