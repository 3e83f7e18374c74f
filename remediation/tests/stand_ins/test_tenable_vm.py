"""The stand-in Tenable: what each verb changes, and its API as a client sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests

from stand_ins.tenable_vm import Tenable

ALL = {"state": ["OPEN", "REOPENED", "FIXED"], "since": 1_000_000_000}
Ask = Callable[..., requests.Response]


@pytest.fixture
def tenable() -> Iterator[Tenable]:
    """Two assets; "host1" has plugin 1 on two ports, and "host2" has plugin 2. Scanned."""
    with Tenable() as running:
        running.polls_queued = 0
        running.add_plugin(1, "One", "General", 3, cvss3=7.5, epss=50.0, cves=("CVE-2026-1",))
        running.add_plugin(2, "Two", "General", 0)
        one = running.add_asset("host1.example", "10.0.0.1")
        two = running.add_asset("host2.example", "10.0.0.2")
        running.find(one, 1, 443)
        running.find(one, 1, 8443)
        running.find(two, 2)
        running.scan()
        yield running


@pytest.fixture
def ask(tenable: Tenable) -> Ask:
    def send(method: str, path: str, body: Any = None) -> requests.Response:
        keys = f"accessKey={tenable.access_key};secretKey={tenable.secret_key}"
        return requests.request(method, tenable.url + path, json=body, headers={"X-ApiKeys": keys}, timeout=10)

    return send


def exported(ask: Ask, **filters: Any) -> list[dict[str, Any]]:
    """All findings of an export with these filters."""
    uuid = ask("POST", "/vulns/export", {"filters": filters or ALL}).json()["export_uuid"]
    rows: list[dict[str, Any]] = []
    while (status := ask("GET", f"/vulns/export/{uuid}/status").json())["status"] != "FINISHED":
        pass
    for number in status["chunks_available"]:
        rows += ask("GET", f"/vulns/export/{uuid}/chunks/{number}").json()
    return rows


def states(ask: Ask, **filters: Any) -> dict[tuple[str, int, int], str]:
    return {
        (row["asset"]["fqdn"].partition(".")[0], row["plugin"]["id"], row["port"]["port"]): row["state"]
        for row in exported(ask, **filters)
    }


OPEN = {("host1", 1, 443): "OPEN", ("host1", 1, 8443): "OPEN", ("host2", 2, 0): "OPEN"}


def test_an_export_tells_what_a_scan_has_seen(tenable: Tenable, ask: Ask) -> None:
    assert states(ask) == OPEN
    host1, host2 = tenable.assets
    tenable.fix(host1, 1)
    assert states(ask) == OPEN
    tenable.scan([host2])
    assert states(ask) == OPEN
    tenable.scan()
    assert states(ask) == {**OPEN, ("host1", 1, 443): "FIXED", ("host1", 1, 8443): "FIXED"}
    fixed = tenable.now
    tenable.find(host1, 1, 443)
    tenable.scan()
    assert states(ask)["host1", 1, 443] == "REOPENED"
    (row,) = [one for one in exported(ask) if one["port"]["port"] == 443]
    assert row["last_fixed"] == fixed.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert row["resurfaced_date"] == tenable.now.strftime("%Y-%m-%dT%H:%M:%S.000Z") == row["last_found"]


def test_what_is_empty_is_absent(ask: Ask) -> None:
    (row,) = [one for one in exported(ask) if one["plugin"]["id"] == 2]
    assert not row["plugin"].keys() & {"cve", "vpr", "epss_score", "cvss3_base_score"}
    assert not row.keys() & {"last_fixed", "resurfaced_date", "recast_reason"}


def test_rules_show_at_once(tenable: Tenable, ask: Ask) -> None:
    host1, host2 = tenable.assets
    tenable.accept(host1, 1, "old machine")
    tenable.recast(host2, 2, 4)
    rows = {row["plugin"]["id"]: row for row in exported(ask)}
    names = ("severity", "severity_default_id", "severity_modification_type", "recast_reason")
    assert [rows[1].get(name) for name in names] == ["high", 3, "ACCEPTED", "old machine"]
    assert [rows[2].get(name) for name in names] == ["critical", 0, "RECASTED", None]
    tenable.withdraw(host1, 1)
    assert {row["severity_modification_type"] for row in exported(ask) if row["plugin"]["id"] == 1} == {"NONE"}


def test_filters(tenable: Tenable, ask: Ask) -> None:
    host1, host2 = tenable.assets
    first = int(tenable.now.timestamp())
    assert set(states(ask, severity=["high"])) == {("host1", 1, 443), ("host1", 1, 8443)}
    tenable.fix(host1, 1)
    tenable.scan([host1])
    # Without states, FIXED is not told; since is compared with the time of the fix.
    assert set(states(ask, since=1_000_000_000)) == {("host2", 2, 0)}
    assert set(states(ask, **{**ALL, "since": first + 1})) == {("host1", 1, 443), ("host1", 1, 8443)}
    tenable.now += timedelta(days=31)
    # Without a time, the last 30 days are told.
    assert states(ask, state=["OPEN", "FIXED"]) == {}
    assert ask("POST", "/vulns/export", {"filters": {"plugin_id": [1]}}).status_code == 400


def test_chunks_come_one_after_the_other_and_hold_assets_whole(tenable: Tenable, ask: Ask) -> None:
    tenable.assets_in_chunk, tenable.polls_queued = 1, 1
    uuid = ask("POST", "/vulns/export", {"filters": ALL}).json()["export_uuid"]
    path = f"/vulns/export/{uuid}"
    assert ask("GET", f"{path}/chunks/2").status_code == 400
    told = [ask("GET", f"{path}/status").json() for _ in range(4)]
    assert [one["status"] for one in told] == ["QUEUED", "PROCESSING", "FINISHED", "FINISHED"]
    assert [one["chunks_available"] for one in told] == [[], [2], [2, 1], [2, 1]]
    assert {one["total_chunks"] for one in told} == {2}
    assert len(ask("GET", f"{path}/chunks/1").json()) == 2
    assert len(ask("GET", f"{path}/chunks/2").json()) == 1
    (listed,) = ask("GET", "/vulns/export/status").json()["exports"]
    assert (listed["uuid"], listed["status"], listed["num_assets_per_chunk"]) == (uuid, "FINISHED", 50)
    tenable.expire()
    assert ask("GET", f"{path}/chunks/1").status_code == ask("GET", f"{path}/status").status_code == 404


def test_two_exports_at_once_and_none_twice(tenable: Tenable, ask: Ask) -> None:
    first = ask("POST", "/vulns/export", {"filters": ALL}).json()["export_uuid"]
    twin = ask("POST", "/vulns/export", {"filters": ALL})
    assert (twin.status_code, twin.json()["active_job_id"]) == (409, first)
    assert ask("POST", "/vulns/export", {"filters": {}}).status_code == 200
    third = ask("POST", "/vulns/export", {"filters": {"severity": ["low"]}})
    assert (third.status_code, third.headers["Retry-After"]) == (429, "30")
    assert ask("POST", f"/vulns/export/{first}/cancel", {}).json() == {"status": "CANCELLED"}
    assert ask("POST", f"/vulns/export/{first}/cancel", {}).status_code == 400
    assert ask("POST", "/vulns/export", {"filters": {"severity": ["low"]}}).status_code == 200


def test_keys_rights_and_limits(tenable: Tenable, ask: Ask) -> None:
    assert requests.get(f"{tenable.url}/vulns/export/status", timeout=10).status_code == 401
    tenable.may_export = False
    assert ask("GET", "/vulns/export/status").status_code == 403
    tenable.may_export = True
    moment = 0.0
    tenable.clock = lambda: moment
    tenable.requests_a_minute = 2
    assert [ask("GET", "/vulns/export/status").status_code for _ in range(2)] == [200, 200]
    moment = 20.0
    refused = ask("GET", "/vulns/export/status")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "40")
    moment = 60.0
    assert ask("GET", "/vulns/export/status").status_code == 200


def test_the_demo_is_an_estate_of_a_dozen(ask: Ask, tenable: Tenable) -> None:
    with Tenable() as other:
        ids = other.seed_demo()
        assert len(ids) == len(other.assets) == 12
        assert len(other.findings) == 32
