"""InsightVM in the cloud as a source, over HTTP against the stand-in."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from remediation.domain.snapshot import Proof
from remediation.sources import errors, insightvm_cloud, insightvm_cloud_objects
from remediation.sources.answer_part import Part
from remediation.sources.insightvm_cloud import InsightVmCloud, region_url
from remediation.sources.scanner_rows import NO_FINDING, SCANNER_ROWS, scanner_rows
from remediation.sources.scanner_snapshot import snapshot_of_rows
from remediation.store import models
from remediation.store.intake import take_in
from stand_ins.insightvm_cloud import Cloud

API = "/vm/v4/integration"
WEB01, APP02, CLEAN = "web01.corp.example", "app02.corp.example", "clean01.corp.example"
Read = Callable[[], pl.DataFrame]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud() as running:
        running.seed_demo()
        yield running


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def make(cloud: Cloud, time: Any, told: list[str]) -> Callable[..., InsightVmCloud]:
    """Makes a client whose pauses move the service's clock instead of taking time."""

    def sleep(seconds: float) -> None:
        time.sleep(seconds)
        cloud.now += timedelta(seconds=seconds)

    def made(**options: Any) -> InsightVmCloud:
        common = {"url": cloud.url, "api_key": cloud.api_key, "tell": told.append, "sleep": sleep, "clock": time.clock}
        return InsightVmCloud(**{**common, **options})

    return made


@pytest.fixture
def read(make: Callable[..., InsightVmCloud]) -> Read:
    return lambda: make().rows()


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(insightvm_cloud, "MOST_ASSETS", 2)
    monkeypatch.setattr(insightvm_cloud, "MOST_DEFINITIONS", 2)
    monkeypatch.setattr(insightvm_cloud, "LEAST", 1)


def row(rows: pl.DataFrame, **wanted: str | None) -> dict[str, Any]:
    """The one row that has these values."""
    (found,) = (one for one in rows.to_dicts() if all(one[name] == value for name, value in wanted.items()))
    return {name: value for name, value in found.items() if value is not None}


def keys(rows: pl.DataFrame) -> set[tuple[str, str]]:
    return set(rows.select("host_name", "vulnerability").iter_rows())


def asked(cloud: Cloud, what: str) -> list[str]:
    """The queries of the requests for a list."""
    return [path.partition("?")[2] for _, path in cloud.requests if path.startswith(f"{API}/{what}?")]


# What is read


def test_a_finding_as_the_service_tells_it(cloud: Cloud, read: Read) -> None:
    rows = read()
    assert rows.schema == pl.Schema(SCANNER_ROWS) and rows.height == 11
    assert_frame_equal(scanner_rows(rows), rows)
    ended = cloud.now.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    begun = (cloud.now - timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    web01 = {
        **{"asset_id": cloud.asset_id(WEB01), "host_name": WEB01, "ip": "10.0.0.11", "mac": "00:50:56:aa:00:01"},
        **{"os": "Microsoft Windows Server 2019", "sites": "DMZ|HQ", "owner_tags": "web-team"},
        **{"criticality_tags": "High", "scan_started": begun, "scan_finished": ended, "assessed": ended},
        **{"first_found": ended, "last_found": ended},
    }
    assert row(rows, host_name=WEB01, vulnerability="msft-cve-2026-10001") == {
        **web01,
        **{"vulnerability": "msft-cve-2026-10001", "title": "Microsoft CVE-2026-10001", "severity": "critical"},
        "description": "Invented.",
        **{"cvss3": "9.8", "cvss2": "10", "risk": "823.5", "exploits": "2", "cves": "CVE-2026-10001"},
        **{"solution": "msft-kb5099999-rollup", "solution_name": "2026-11 Cumulative Update (KB5099999)"},
        **{"solution_fix": "<p>Download and apply the patch</p>", "solution_type": "rollup"},
    }
    assert row(rows, host_name=WEB01, port="8443") == {
        **web01,
        **{"vulnerability": "tlsv1_0-enabled", "title": "TLS version 1.0 is enabled", "severity": "moderate"},
        "description": "Invented.",
        # A score of 0 without a vector is none, and does not hide the older score.
        **{"cvss2": "4.3", "risk": "100", "exploits": "0", "port": "8443", "protocol": "TCP"},
        **{"solution": "disable-tls-1-0", "solution_name": "Disable TLS 1.0", "solution_type": "workaround"},
        **{"solution_fix": "<p>Configure the server to require TLS 1.2</p>"},
    }


def test_an_asset_without_findings_and_one_without_a_name_and_a_solution(cloud: Cloud, read: Read) -> None:
    rows = read()
    clean = row(rows, host_name=CLEAN)
    assert clean["state"] == NO_FINDING and "vulnerability" not in clean and clean["custom_tags"] == "pci"
    assert clean["assessed"] == cloud.now.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert rows["state"].to_list().count(NO_FINDING) == 1
    unnamed = row(rows, ip="10.0.0.99")
    assert {"solution", "solution_name", "host_name", "state"}.isdisjoint(unnamed)
    assert unnamed["cves"] == "CVE-1999-0524"
    assert row(rows, host_name=APP02, port="443")["location_tags"] == "Bern"


def test_what_is_asked_for(cloud: Cloud, read: Read) -> None:
    read()
    assert {method for method, _ in cloud.requests} == {"POST"}
    first, second = asked(cloud, "assets")
    assert first == "size=100&includeSame=true" and second.startswith("size=100&includeSame=true&cursor=")
    # All that were found are defined on the first page.
    assert asked(cloud, "vulnerabilities") == ["size=400"]
    assert not any(cloud.api_key in path for _, path in cloud.requests)


def test_an_empty_estate_gives_no_row(time: Any) -> None:
    with Cloud() as empty:
        rows = InsightVmCloud(empty.url, empty.api_key).rows()
        assert rows.schema == pl.Schema(SCANNER_ROWS) and rows.is_empty()
        assert [path for _, path in empty.requests] == [f"{API}/assets?size=100&includeSame=true"]


def test_pages_make_no_difference(cloud: Cloud, read: Read, small_pages: None) -> None:
    with pytest.MonkeyPatch.context() as large:
        large.setattr(insightvm_cloud, "MOST_ASSETS", 500)
        whole = read()
    cloud.requests.clear()
    assert_frame_equal(read(), whole)
    # Three pages with data, and an empty one; five vulnerabilities of six are looked for, the last is the sixth.
    assert len(asked(cloud, "assets")) == 4 and len(asked(cloud, "vulnerabilities")) == 3


def test_what_is_new_since_the_time_of_comparison_is_present_too(cloud: Cloud, read: Read) -> None:
    cloud.patch(WEB01, "msft-cve-2026-10001")
    cloud.find(CLEAN, "tlsv1_0-enabled", 443, "TCP")
    cloud.scan()
    compared_with_now = read()
    cloud.comparison = timedelta(minutes=10)
    assert_frame_equal(read(), compared_with_now)
    assert (CLEAN, "tlsv1_0-enabled") in keys(compared_with_now)
    # It is listed as remediated, which proves nothing: it is only not there.
    assert (WEB01, "msft-cve-2026-10001") not in keys(compared_with_now)
    assert compared_with_now["state"].drop_nulls().is_empty() and compared_with_now["fixed"].drop_nulls().is_empty()


def test_what_came_back_is_told(cloud: Cloud, read: Read) -> None:
    before = row(read(), host_name=WEB01, vulnerability="msft-cve-2026-10001")
    cloud.patch(WEB01, "msft-cve-2026-10001")
    cloud.scan()
    cloud.find(WEB01, "msft-cve-2026-10001")
    cloud.scan()
    after = row(read(), host_name=WEB01, vulnerability="msft-cve-2026-10001")
    assert after["first_found"] == before["first_found"] < after["reintroduced"] == after["assessed"]


def test_one_solution_for_all_places_of_a_finding(cloud: Cloud, read: Read) -> None:
    cloud.add_solution("z-patch", "A patch", "<p>patch</p>", "patch")
    cloud.add_solution("unknown-tls", "The solution is unknown", "<p>look</p>", "rollup")
    cloud.find(APP02, "tlsv1_0-enabled", 443, "TCP", ["disable-tls-1-0", "z-patch", "unknown-tls"])
    cloud.find(APP02, "tlsv1_0-enabled", 8443, "TCP", ["disable-tls-1-0"])
    cloud.scan()
    found = read().filter(host_name=APP02)
    assert found["port"].to_list() == ["443", "8443"]
    assert set(found["solution"]) == {"z-patch"} and set(found["solution_fix"]) == {"<p>patch</p>"}
    # Each finding still has its own of another asset.
    assert set(read().filter(host_name=WEB01, vulnerability="tlsv1_0-enabled")["solution"]) == {"disable-tls-1-0"}


def test_the_same_of_two_texts_of_a_solution_is_taken(cloud: Cloud, read: Read, small_pages: None) -> None:
    def found(first: str, then: str) -> set[str]:
        def change(_: str) -> None:
            cloud.add_solution("disable-tls-1-0", then, "<p>fix</p>")

        cloud.after_answer = None
        cloud.add_solution("disable-tls-1-0", first, "<p>fix</p>")
        cloud.after_answer = change
        return set(read().filter(vulnerability="tlsv1_0-enabled")["solution_name"])

    assert found("one", "two") == found("two", "one") == {"two"}


def test_a_solution_with_the_id_of_a_vulnerability_is_another_thing(cloud: Cloud, read: Read) -> None:
    cloud.add_solution("generic-icmp-timestamp", "Block ICMP", "<p>block</p>")
    cloud.find(WEB01, "generic-icmp-timestamp", solutions=["generic-icmp-timestamp"])
    cloud.scan()
    rows = read()
    assert row(rows, host_name=WEB01, vulnerability="generic-icmp-timestamp")["solution_name"] == "Block ICMP"
    assert "solution_name" not in row(rows, ip="10.0.0.99")
    # It was found last, and comes first.
    order = ["asset_id", "vulnerability", "port", "protocol"]
    assert_frame_equal(rows, rows.sort(order))


def test_a_text_without_the_id_of_a_solution_stays_with_its_vulnerability() -> None:
    listed = [{"vulnerability_id": key, "solution_summary": f"Do {key}"} for key in ("v1", "v2")]
    read = insightvm_cloud_objects.asset(Part({"id": "a", "same": listed}, "x"))
    assert [(key, name) for key, name, _, _ in read.remedies] == [
        ("vulnerability v1", "Do v1"),
        ("vulnerability v2", "Do v2"),
    ]


def test_an_exception_is_told_where_it_covers_all_instances(cloud: Cloud, read: Read) -> None:
    for port in (443, 8443):
        cloud.find(APP02, "tlsv1_0-enabled", port, "TCP", status="EXCEPTION_VULN_VERS")
    cloud.find(WEB01, "tlsv1_0-enabled", 443, "TCP", status="EXCEPTION_VULN_VERS")
    cloud.find(CLEAN, "generic-icmp-timestamp", status="NOT_VULNERABLE")
    cloud.scan()
    rows = read()
    assert rows.filter(host_name=APP02)["accepted"].to_list() == ["EXCEPTION_VULN_VERS"] * 2
    open_one = row(rows, host_name=WEB01, vulnerability="tlsv1_0-enabled")
    assert open_one["port"] == "8443" and "accepted" not in open_one
    assert row(rows, host_name=CLEAN)["state"] == NO_FINDING


def test_what_was_not_assessed_proves_nothing(cloud: Cloud, read: Read, told: list[str]) -> None:
    cloud.add_asset("new01.corp.example", "10.0.0.77")
    cloud.machine(CLEAN).facts["total_vulnerabilities"] = 3
    cloud.machine(APP02).facts["assessed_for_vulnerabilities"] = False
    rows = read()
    assert "assessed" not in row(rows, host_name="new01.corp.example")
    assert "assessed" not in row(rows, host_name=CLEAN)
    assert rows.filter(host_name=APP02)["assessed"].drop_nulls().is_empty()
    assert "1 assets do not list all of their findings: they count as not assessed" in told
    assert "assessed" in row(rows, ip="10.0.0.99")


@pytest.mark.parametrize("untold", [{"same"}, {"same", "new", "remediated", "total_vulnerabilities"}])
def test_an_asset_that_does_not_list_what_was_there_before_proves_nothing(
    cloud: Cloud, make: Callable[..., InsightVmCloud], untold: set[str]
) -> None:
    cloud.find(WEB01, "generic-icmp-timestamp")
    cloud.scan()
    cloud.comparison = timedelta(minutes=10)
    cloud.untold = {cloud.asset_id(WEB01): untold}
    source = make()
    rows = source.rows()
    # What it lists was found all the same.
    assert rows.filter(host_name=WEB01)["vulnerability"].to_list() == (
        ["generic-icmp-timestamp"] if "new" not in untold else [None]
    )
    assert rows.filter(host_name=WEB01)["assessed"].drop_nulls().is_empty()
    assert rows.filter(host_name=APP02)["assessed"].null_count() == 0
    assert source.notes == ("1 assets do not list all of their findings: they count as not assessed",)


def test_an_asset_that_lists_fewer_findings_than_it_counts_proves_nothing(cloud: Cloud, read: Read) -> None:
    listed = read().filter(host_name=WEB01).height
    cloud.machine(WEB01).facts["total_vulnerabilities"] = listed
    assert read().filter(host_name=WEB01)["assessed"].null_count() == 0
    cloud.machine(WEB01).facts["total_vulnerabilities"] = listed + 1
    rows = read().filter(host_name=WEB01)
    assert rows.height == rows["assessed"].null_count() == listed


@pytest.mark.parametrize(
    ("facts", "is_partial"),
    [
        ({"same": [], "new": []}, False),
        ({"same": [], "total_vulnerabilities": 0}, False),
        ({"total_vulnerabilities": 0}, False),
        # Nobody has looked at it yet.
        ({"assessed_for_vulnerabilities": False}, False),
        ({"same": None, "total_vulnerabilities": None}, True),
        ({"new": []}, True),
        ({"same": [], "new": [], "total_vulnerabilities": 1}, True),
    ],
)
def test_an_asset_without_findings_says_that_it_has_none(facts: dict[str, Any], is_partial: bool) -> None:
    assert insightvm_cloud_objects.asset(Part({"id": "a", **facts}, "x")).is_partial is is_partial


@pytest.mark.parametrize("counts", [True, False])
def test_a_service_that_lists_nothing_is_not_believed(cloud: Cloud, read: Read, counts: bool) -> None:
    cloud.tells_same = False
    cloud.untold = {} if counts else {key: {"total_vulnerabilities"} for key in cloud.machines}
    with pytest.raises(errors.NotUnderstood, match="lists no finding of any asset"):
        read()


def test_a_last_scan_that_has_not_assessed_is_not_its_scan(cloud: Cloud, read: Read) -> None:
    cloud.machine(CLEAN).facts["last_scan_end"] = "2099-01-01T00:00:00.000Z"
    clean = row(read(), host_name=CLEAN)
    assert "assessed" in clean and {"scan_started", "scan_finished"}.isdisjoint(clean)


def test_hostile_text_comes_through(cloud: Cloud, read: Read) -> None:
    cloud.tag(WEB01, "OWNER", "a|b")
    cloud.tag(WEB01, "SOMETHING", "else")
    cloud.rename(WEB01, "=cmd|' /C calc'!A0\0\ud800 ")
    found = row(read(), ip="10.0.0.11", vulnerability="msft-cve-2026-10001")
    assert found["host_name"] == "=cmd|' /C calc'!A0?" and found["owner_tags"] == "a/b|web-team"


@pytest.mark.parametrize(
    ("name", "value"),
    [("ip", 7), ("tags", "x"), ("tags", [7]), ("total_vulnerabilities", "x"), ("id", None), ("os_description", [])],
)
def test_an_asset_of_another_kind_is_refused_without_its_value(
    cloud: Cloud, read: Read, name: str, value: object
) -> None:
    cloud.machine(CLEAN).facts[name] = value
    with pytest.raises(errors.NotUnderstood, match=name if value != [7] else "an object"):
        read()


LISTED = st.fixed_dictionaries(
    {
        "vulnerability_id": st.sampled_from(["v1", "v2"]),
        "status": st.sampled_from(["VULNERABLE_EXPL", "EXCEPTION_VULN_POTL", "SUPERSEDED", "UNKNOWN", None]),
        "port": st.sampled_from([None, 0, 443]),
        "protocol": st.sampled_from([None, "TCP"]),
        "solution_id": st.sampled_from([None, "unknown-v1", "b", "a"]),
        "solution_type": st.sampled_from(["rollup", "patch", "WORKAROUND", None]),
        "solution_summary": st.sampled_from(["one", "two", None]),
        "first_found": st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", None]),
    }
)


@given(listed=st.lists(LISTED, max_size=8), order=st.randoms(use_true_random=False), cut=st.integers(0, 8))
def test_the_order_and_the_list_of_entries_make_no_difference(listed: list[Any], order: Any, cut: int) -> None:
    other = order.sample(listed, len(listed))
    gone = [{**entry, "vulnerability_id": "v3"} for entry in listed]
    one = insightvm_cloud_objects.asset(Part({"id": "a", "same": listed, "remediated": gone}, "x"))
    two = insightvm_cloud_objects.asset(Part({"id": "a", "same": other[:cut], "new": other[cut:]}, "x"))
    assert sorted(map(repr, one.findings)) == sorted(map(repr, two.findings))
    assert sorted(map(repr, one.remedies)) == sorted(map(repr, two.remedies))
    assert replace(one, findings=[], remedies=[]) == replace(two, findings=[], remedies=[])
    # Nothing that is open or unknown is dropped, and each has one solution.
    wanted = {entry["vulnerability_id"] for entry in listed if entry["status"] != "SUPERSEDED"}
    assert {finding[1] for finding in one.findings} == wanted
    assert len({(finding[1], finding[2]) for finding in one.findings}) == len(wanted)
    places = [(finding[1], finding[4], finding[5]) for finding in one.findings]
    assert len(places) == len(set(places))


# Definitions


def test_a_vulnerability_without_a_definition_stays_with_its_id(
    cloud: Cloud, make: Callable[..., InsightVmCloud]
) -> None:
    cloud.hidden = {"tlsv1_0-enabled"}
    source = make()
    rows = source.rows()
    found = row(rows, host_name=APP02, port="443")
    assert found["vulnerability"] == "tlsv1_0-enabled" and {"title", "severity"}.isdisjoint(found)
    assert source.notes == ("1 vulnerabilities are not defined: nothing but their ids is known",)
    assert rows.height == 11
    # Twice to the end: a page and an empty one.
    assert len(asked(cloud, "vulnerabilities")) == 4


def test_a_definition_that_is_missing_takes_away_nothing_that_is_known(
    cloud: Cloud, make: Callable[..., InsightVmCloud], store: str
) -> None:
    source = models.Source.objects.create(name="c", kind="insightvm-cloud")

    def taken() -> dict[str, Any]:
        reader = make()
        snapshot, _ = snapshot_of_rows(reader.rows(), taken=cloud.now, proof=Proof.ASSESSED)
        take_in(source, snapshot)
        known = models.Vulnerability.objects.values("title", "severity", "cvss", "cves")
        return dict(known.get(vulnerability="tlsv1_0-enabled"))

    before = taken()
    assert before["title"] == "TLS version 1.0 is enabled"
    cloud.hidden = {"tlsv1_0-enabled"}
    cloud.now += timedelta(hours=1)
    assert taken() == before


def test_findings_none_of_which_is_defined_are_refused(cloud: Cloud, read: Read) -> None:
    cloud.hidden = set(cloud.vulnerabilities)
    with pytest.raises(errors.NotUnderstood, match="defines none of the 5 vulnerabilities"):
        read()


def test_a_definition_that_comes_the_second_time_counts(cloud: Cloud, read: Read, told: list[str]) -> None:
    cloud.hidden = {"tlsv1_0-enabled"}

    def appear(path: str) -> None:
        if path.startswith("/vulnerabilities") and "cursor" in path:
            cloud.hidden = set()

    cloud.after_answer = appear
    assert row(read(), host_name=APP02, port="443")["title"] == "TLS version 1.0 is enabled"
    assert not any("not defined" in text for text in told)


def test_definitions_that_are_no_whole_are_not_taken_for_missing(cloud: Cloud, read: Read) -> None:
    cloud.hidden = {"tlsv1_0-enabled"}
    cloud.surplus = {"vulnerabilities": 1}
    with pytest.raises(errors.Unsteady, match="5 of 6 came"):
        read()


# Whole or nothing


def test_an_asset_that_comes_twice_as_the_same_counts_once(cloud: Cloud, read: Read, small_pages: None) -> None:
    whole = read()
    cloud.overlap = 1
    assert_frame_equal(read(), whole)


def test_another_world_between_two_pages_is_read_again(
    cloud: Cloud, read: Read, small_pages: None, told: list[str]
) -> None:
    cloud.overlap = 1

    def change(_: str) -> None:
        cloud.after_answer = None
        cloud.rename("web02.corp.example", "other.corp.example")

    cloud.after_answer = change
    assert ("other.corp.example", "msft-cve-2026-10001") in keys(read())
    assert "assets: an asset came twice, and was another the second time; they are read again" in told


def test_a_world_that_never_stands_still_gives_nothing(cloud: Cloud, read: Read, small_pages: None) -> None:
    cloud.overlap = 1
    names = iter(range(1000))
    asset = cloud.asset_id("web02.corp.example")
    cloud.after_answer = lambda _: cloud.rename(asset, f"name{next(names)}")
    with pytest.raises(errors.Unsteady, match="an asset came twice, and was another the second time"):
        read()
    assert len([query for query in asked(cloud, "assets") if "cursor" not in query]) == insightvm_cloud.TRIES


def test_an_asset_that_appears_behind_the_cursor_is_not_missed(cloud: Cloud, read: Read, small_pages: None) -> None:
    machine = cloud.machines.pop(cloud.asset_id(WEB01))

    def appear(path: str) -> None:
        if "cursor" in path:
            cloud.machines.setdefault("00000000-early", machine)

    cloud.after_answer = appear
    assert (WEB01, "msft-cve-2026-10001") in keys(read())


def test_an_asset_that_is_gone_in_between_is_no_error(cloud: Cloud, read: Read, small_pages: None) -> None:
    gone = cloud.asset_id("web02.corp.example")
    cloud.after_answer = lambda _: cloud.machines.pop(gone, None) and None
    assert read()["asset_id"].n_unique() == 6


@pytest.mark.parametrize(
    ("fault", "value", "reason"),
    [
        ("stuck", -1, "a page came twice"),
        ("surplus", {"assets": 1}, "6 of 7 came"),
        ("ends_after", 4, "4 of 6 came"),
    ],
)
def test_pages_that_do_not_fit_together_give_nothing(
    cloud: Cloud, read: Read, small_pages: None, fault: str, value: object, reason: str
) -> None:
    setattr(cloud, fault, value)
    with pytest.raises(errors.Unsteady, match=reason):
        read()
    assert not asked(cloud, "vulnerabilities")


def test_an_empty_page_is_the_end(cloud: Cloud, read: Read) -> None:
    cloud.hollow = True
    assert read().height == 11
    assert len(asked(cloud, "assets")) == 2


def test_a_page_that_comes_twice_once_is_read_again(cloud: Cloud, read: Read, small_pages: None) -> None:
    cloud.stuck = 1
    assert read().height == 11


@pytest.mark.parametrize("answer", [{}, {"message": "fine"}, {"data": []}, {"data": [], "metadata": {"cursor": None}}])
def test_an_answer_without_a_total_is_no_empty_estate(answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with Cloud() as cloud:
        monkeypatch.setattr("stand_ins.insightvm_cloud.app._page", lambda *_: (_json(answer), 0))
        with pytest.raises(errors.NotUnderstood, match="how many there are"):
            InsightVmCloud(cloud.url, cloud.api_key).rows()


def _json(answer: dict[str, Any]) -> Any:
    from flask import jsonify

    return jsonify(answer)


# Rate limits, faults and silence


def test_a_rate_limit_is_kept_to(cloud: Cloud, read: Read, small_pages: None, time: Any) -> None:
    whole = read()
    cloud.limit, cloud.window = 2, 50
    assert_frame_equal(read(), whole)
    assert time.pauses == [50.0] * 3


def test_a_pause_may_be_told_as_a_time(cloud: Cloud, read: Read, time: Any) -> None:
    cloud.limit, cloud.window = 2, 33
    cloud.retry_after = format_datetime(cloud.now + timedelta(seconds=33), usegmt=True)
    assert read().height == 11
    assert time.pauses == [33.0]


@pytest.mark.parametrize(
    ("told_as", "pauses"),
    [
        *((untold, [5.0, 15.0]) for untold in ("", "soon", "-3", "Fri, 31 Dec 99999999999 23:59:59 GMT")),
        ("0", [1.0]),
    ],
)
def test_a_pause_that_is_not_told(cloud: Cloud, read: Read, time: Any, told_as: str, pauses: list[float]) -> None:
    cloud.limit, cloud.window, cloud.retry_after = 2, int(sum(pauses)), told_as
    assert read().height == 11
    assert time.pauses == pauses


def test_a_pause_that_is_too_long_is_not_waited_for(cloud: Cloud, read: Read, time: Any) -> None:
    cloud.limit, cloud.retry_after = 0, "86400"
    with pytest.raises(errors.TooMuch, match="after 86400 seconds"):
        read()
    assert time.pauses == []


def test_a_limit_that_never_ends_gives_up(cloud: Cloud, read: Read, time: Any) -> None:
    cloud.limit, cloud.retry_after = 0, "7"
    with pytest.raises(errors.SourceBusy):
        read()
    assert time.pauses == [7.0] * 3


@pytest.mark.parametrize("list_", ["assets", "vulnerabilities"])
@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_service_that_fails_is_asked_again(cloud: Cloud, read: Read, time: Any, status: int, list_: str) -> None:
    cloud.failing, cloud.failing_at = [status] * 3, list_
    assert read().height == 11
    assert time.pauses == [5.0, 15.0, 30.0]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (500, errors.SourceBusy),
        (502, errors.Unreachable),
        (503, errors.SourceBusy),
        (404, errors.NotThere),
        (400, errors.NotUnderstood),
        (302, errors.NotUnderstood),
        (402, errors.NotUnderstood),
    ],
)
@pytest.mark.parametrize("list_", ["assets", "vulnerabilities"])
def test_what_refusals_mean(cloud: Cloud, read: Read, status: int, kind: type[Exception], list_: str) -> None:
    cloud.failing, cloud.failing_at = [status] * 9, list_
    with pytest.raises(kind):
        read()


def test_a_page_that_is_cut_off_is_asked_for_again(cloud: Cloud, read: Read) -> None:
    cloud.cut_off = 2
    assert read().height == 11
    cloud.cut_off = 9
    with pytest.raises(errors.Unreachable):
        read()


def test_a_page_that_is_no_json_is_refused(cloud: Cloud, read: Read) -> None:
    cloud.garbled = 1
    with pytest.raises(errors.NotUnderstood, match="no JSON object"):
        read()


def test_a_page_that_does_not_come_in_time_is_asked_for_smaller(
    cloud: Cloud, make: Callable[..., InsightVmCloud], time: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(insightvm_cloud, "LEAST", 2)
    whole = make().rows()
    cloud.requests.clear()
    cloud.slow_above = 3
    assert_frame_equal(make(request_timeout=0.3).rows(), whole)
    sizes = [int(query.split("&", maxsplit=1)[0].removeprefix("size=")) for query in asked(cloud, "assets")]
    assert sizes == [100, 50, 25, 12, 6, 3, 3, 3]
    assert time.pauses == []


@pytest.mark.parametrize("status", [408, 413, 504])
def test_a_page_that_is_too_much_is_asked_for_smaller(cloud: Cloud, read: Read, status: int) -> None:
    cloud.failing = [status] * 2
    assert read().height == 11
    assert [query.split("&")[0] for query in asked(cloud, "assets")] == ["size=100", "size=50", "size=25", "size=25"]


def test_a_page_that_is_too_large_is_asked_for_smaller(
    cloud: Cloud, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remediation.sources.http_answer.LARGEST_ANSWER", 5000)
    monkeypatch.setattr(insightvm_cloud, "LEAST", 1)
    assert read().height == 11


def test_a_service_that_stays_silent_gives_up(
    cloud: Cloud, make: Callable[..., InsightVmCloud], time: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(insightvm_cloud, "MOST_ASSETS", 10)
    cloud.hanging = 99
    with pytest.raises(errors.Unreachable, match="no answer within"):
        make(request_timeout=0.1).rows()
    # Once with ten, and with the least as often as a request is sent.
    assert [query.split("&")[0] for query in asked(cloud, "assets")] == ["size=10"] + ["size=5"] * 4
    assert time.pauses == [5.0, 15.0, 30.0]


def test_a_reading_ends_in_time(cloud: Cloud, make: Callable[..., InsightVmCloud], time: Any) -> None:
    cloud.failing = [500] * 2
    with pytest.raises(errors.TooMuch, match="within 15 seconds"):
        make(reading_timeout=15.0).rows()
    # The second pause would end after it.
    assert time.pauses == [5.0]


def test_nobody_answers(make: Callable[..., InsightVmCloud]) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(errors.Unreachable):
            make(url=f"http://127.0.0.1:{bound.getsockname()[1]}").rows()


def test_a_file_of_certificates_that_is_not_there(make: Callable[..., InsightVmCloud], tmp_path: Path) -> None:
    with pytest.raises(errors.CertificateRefused):
        make(url="https://127.0.0.1:9", ca_file=tmp_path / "none.pem").rows()


# The key


def test_the_test_checks_the_key_and_the_right(cloud: Cloud, make: Callable[..., InsightVmCloud]) -> None:
    make().test()
    assert [path for _, path in cloud.requests] == ["/validate", f"{API}/assets?size=1"]
    with pytest.raises(errors.WrongCredentials):
        make(api_key="wrong").test()
    cloud.forbidden = True
    with pytest.raises(errors.NoRightToAssets, match=f"may not see {API}/assets\\."):
        make().test()
    with pytest.raises(errors.NoRightToAssets):
        make().rows()


@pytest.mark.parametrize("key", ["", " ", "sécret-key", "secret\nX-Other: 1", "secret key", "secret\x7f"])
def test_what_is_no_key_is_refused_before_it_is_sent(
    cloud: Cloud, make: Callable[..., InsightVmCloud], key: str
) -> None:
    with pytest.raises(errors.WrongCredentials) as refused:
        make(api_key=key).test()
    assert cloud.requests == [] and (not key.strip() or key not in str(refused.value))


def test_a_key_that_was_copied_with_its_line_end_is_good(cloud: Cloud, make: Callable[..., InsightVmCloud]) -> None:
    make(api_key=f" {cloud.api_key}\n").test()


def test_the_key_is_in_no_error_log_or_words(
    cloud: Cloud, make: Callable[..., InsightVmCloud], told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    source = make()
    source.rows()
    texts = [repr(source), str(vars(source))]
    for status in (500, 404, 400):
        cloud.failing = [status] * 9
        with pytest.raises(errors.SourceError) as failed:
            make().rows()
        texts += [repr(failed.value), str(failed.value), str(failed.getrepr(showlocals=False))]
    assert not any(cloud.api_key in text for text in [*texts, *told, caplog.text])


# Clocks and addresses


def test_the_skew_and_the_time_of_a_reading(cloud: Cloud, make: Callable[..., InsightVmCloud]) -> None:
    source = make()
    assert (source.skew, source.taken) == (None, None)
    cloud.now += timedelta(hours=3)
    began = cloud.now

    def go_on(_: str) -> None:
        cloud.now += timedelta(seconds=10)

    cloud.after_answer = go_on
    source.rows()
    assert source.skew is not None and 3 * 3600 < source.skew < 6 * 3600
    # The first page's Date is made after its answer.
    assert source.taken == began + timedelta(seconds=10)


@pytest.mark.parametrize(
    "date",
    [
        "yesterday",
        # In UTC it is in the year 10000.
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Fri, 31 Dec 99999999999 23:59:59 GMT",
        "Fri, 31 Dec 2026 23:59:59 +99999999999999999999",
    ],
)
def test_a_service_without_a_date_has_no_skew(cloud: Cloud, make: Callable[..., InsightVmCloud], date: str) -> None:
    cloud.date_header = date
    source = make()
    source.rows()
    assert source.skew is None and source.taken is not None


def test_regions() -> None:
    assert region_url("eu") == "https://eu.api.insight.rapid7.com"
    assert region_url("me1") == "https://me1.api.insight.rapid7.com"
    for wrong in ("", "EU", "eu.evil.example/"):
        with pytest.raises(ValueError, match="aps2"):
            region_url(wrong)


# Size

CHILD = """
import resource, sys
from remediation.sources.insightvm_cloud import InsightVmCloud
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
source = InsightVmCloud(sys.argv[1], sys.stdin.read())
source.test()
before = peak()
rows = source.rows()
print(rows.height, rows["vulnerability"].null_count(), peak() - before, rows.estimated_size())
"""


@pytest.mark.long
def test_memory_is_bounded_by_what_is_read() -> None:
    assets, findings = 3000, 100
    with Cloud() as cloud:
        for number in range(findings):
            cloud.add_solution(f"solution-{number}", f"Install update {number}", f"<p>{number} {'x' * 2000}</p>")
            cloud.add_vulnerability(
                f"vulnerability-number-{number}", f"Title {number}", solutions=[f"solution-{number}"]
            )
        for number in range(assets):
            asset = cloud.add_asset(f"host{number}.corp.example", f"10.0.{number // 250}.{number % 250}")
            for one in range(findings):
                cloud.find(asset, f"vulnerability-number-{one}")
        cloud.scan()
        child = subprocess.run(
            [sys.executable, "-c", CHILD, cloud.url], input=cloud.api_key, capture_output=True, text=True, check=True
        )
    height, empty, grown, size = map(int, child.stdout.split())
    assert (height, empty) == (assets * findings, 0)
    # The text of a solution is held once, not once for each finding, and no page is held as objects.
    assert grown < 0.8 * size
