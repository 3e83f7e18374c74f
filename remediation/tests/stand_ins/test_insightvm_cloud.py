"""The stand-in for InsightVM's cloud: what each verb changes, and its API as a client sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import requests

from stand_ins.insightvm_cloud import Cloud

START = datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc)
ENDED = "2026-11-20T01:30:00.000Z"
Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """Two assets, scanned at START: each has "deep", the first on two ports; "deep" has two solutions."""
    with Cloud() as running:
        running.add_solution("fix", "Fix it", "<p>Fix</p>", "patch")
        running.add_solution("all", "Fix all", "<p>All</p>")
        running.add_vulnerability("deep", "Deep", "critical", ("fix", "all"), ("CVE-2026-1", "CVE-2026-2"), 9.8)
        running.add_vulnerability("open", "Open", severity_score=9)
        for number in (1, 2):
            running.add_asset(f"host{number}", f"10.0.0.{number}")
            running.find(f"host{number}", "deep", 443, "TCP")
        running.find("host1", "deep", 8443, "TCP")
        running.now = START
        running.scan()
        yield running


@pytest.fixture
def ask(cloud: Cloud) -> Ask:
    def asked(what: str = "assets", body: Any = None, **query: Any) -> dict[str, Any]:
        answer = requests.post(
            f"{cloud.url}/vm/v4/integration/{what}",
            params=query,
            json={} if body is None else body,
            headers={"X-Api-Key": cloud.api_key},
            timeout=10,
        )
        return {"status": answer.status_code, "headers": answer.headers, **answer.json()}

    return asked


def listed(asset: dict[str, Any], name: str) -> list[tuple[Any, ...]]:
    return [(one["vulnerability_id"], one["port"], one.get("solution_id"), one["status"]) for one in asset[name]]


EXPLOITED = "VULNERABLE_EXPL"
FIRST = [("deep", port, key, EXPLOITED) for port in (443, 8443) for key in ("fix", "all")]


def test_an_asset_as_it_is_told(cloud: Cloud, ask: Ask) -> None:
    first, second = ask(includeSame="true", size=10)["data"]
    assert listed(first, "same") == FIRST and first["new"] == first["remediated"] == []
    assert listed(second, "same") == FIRST[:2]
    assert first["same"][0] == {
        **{"vulnerability_id": "deep", "check_id": None, "key": "", "nic": None, "port": 443, "protocol": "TCP"},
        **{"proof": "<p>Seen</p>", "status": EXPLOITED, "first_found": ENDED, "last_found": ENDED},
        **{"solution_id": "fix", "solution_summary": "Fix it", "solution_fix": "<p>Fix</p>", "solution_type": "patch"},
    }
    del first["same"]
    assert first == {
        **{
            "id": cloud.asset_id("host1"),
            "host_name": "host1",
            "ip": "10.0.0.1",
            "os_description": "Ubuntu Linux 22.04",
        },
        **{"tags": [{"type": "SITE", "name": "HQ"}], "assessed_for_vulnerabilities": True},
        **{"assessed_for_policies": False, "total_vulnerabilities": 1, "risk_score": 0.0, "unique_identifiers": []},
        **{"credential_assessments": [], "last_scan_start": "2026-11-20T01:00:00.000Z", "last_scan_end": ENDED},
        **{"last_assessed_for_vulnerabilities": ENDED, "new": [], "remediated": []},
    }


def test_without_include_same_only_changes_are_told(ask: Ask) -> None:
    assert all("same" not in asset for asset in ask()["data"])


def test_what_a_scan_has_not_seen_is_not_told(cloud: Cloud, ask: Ask) -> None:
    cloud.find("host2", "open")
    cloud.patch("host1", "deep")
    new = cloud.add_asset("host3", "10.0.0.3")
    first, second, third = ask(includeSame="true")["data"]
    assert listed(first, "same") == FIRST and listed(second, "same") == FIRST[:2]
    assert third["id"] == new and not third["assessed_for_vulnerabilities"] and "last_scan_end" not in third
    cloud.scan(["host2"])
    first, second, _ = ask(includeSame="true")["data"]
    assert listed(first, "same") == FIRST
    assert listed(second, "same") == [*FIRST[:2], ("open", None, None, EXPLOITED)]


def test_a_comparison_tells_what_is_new_gone_and_the_same(cloud: Cloud, ask: Ask) -> None:
    cloud.find("host1", "open")
    cloud.patch("host2", "deep")
    cloud.scan()
    first, second = ask(includeSame="true", comparisonTime=ENDED)["data"]
    assert listed(first, "new") == [("open", None, None, EXPLOITED)] and listed(first, "same") == FIRST
    assert listed(second, "remediated") == [("deep", 443, key, "NOT_VULNERABLE") for key in ("fix", "all")]
    assert second["same"] == second["new"] == []
    # What came and went between the two instants is told by neither.
    cloud.patch("host1", "open")
    cloud.scan()
    first, _ = ask(comparisonTime=ENDED)["data"]
    assert first["new"] == first["remediated"] == []
    cloud.comparison = timedelta(days=1)
    assert listed(ask()["data"][0], "new") == FIRST


def test_what_comes_back_is_reintroduced(cloud: Cloud, ask: Ask) -> None:
    cloud.patch("host2", "deep")
    cloud.scan()
    cloud.find("host2", "deep", 443, "TCP")
    cloud.scan()
    found = ask(includeSame="true")["data"][1]["same"][0]
    assert found["first_found"] == ENDED < found["reintroduced"] == found["last_found"]


def test_tags_names_and_assets_change_at_once(cloud: Cloud, ask: Ask) -> None:
    cloud.tag("host1", "OWNER", "team")
    cloud.rename("host1", "other")
    cloud.remove_asset("host2")
    (first,) = ask()["data"]
    assert first["host_name"] == "other" and {"type": "OWNER", "name": "team"} in first["tags"]
    with pytest.raises(LookupError):
        cloud.patch("other", "open")
    with pytest.raises(LookupError):
        cloud.scan(["host2"])


def test_vulnerabilities_as_they_are_told(cloud: Cloud, ask: Ask) -> None:
    deep, plain = ask("vulnerabilities")["data"]
    assert (deep["id"], deep["title"], deep["severity"], deep["cves"]) == (
        *("deep", "Deep", "critical"),
        "CVE-2026-1,CVE-2026-2",
    )
    assert (deep["cvss_v3_score"], deep["cvss_v2_score"], deep["cvss_v2_vector"]) == (9.8, 0.0, None)
    assert (plain["severity"], plain["severity_score"], plain["cves"], plain["exploits"]) == ("severe", 9, "", [])
    cloud.hidden = {"deep"}
    assert [one["id"] for one in ask("vulnerabilities")["data"]] == ["open"]


@pytest.mark.parametrize("what", ["assets", "vulnerabilities"])
def test_pages_as_recorded(ask: Ask, what: str) -> None:
    pages, cursor = [], None
    for _ in range(3):
        pages.append(ask(what, size=1, **({"cursor": cursor} if cursor else {})))
        cursor = pages[-1]["metadata"]["cursor"]
    first, second, end = pages
    assert [page["metadata"]["number"] for page in pages] == [0, 0, 0]
    assert [page["metadata"]["totalResources"] for page in pages] == [2, 2, 2]
    assert first["data"] != second["data"] and end["data"] == [] and end["metadata"]["cursor"] is None
    assert [[link["rel"] for link in page["links"]] for page in pages] == [["self", "next"]] * 2 + [["self"]]


@pytest.mark.parametrize("size", [0, 501])
def test_sizes_that_are_refused(ask: Ask, size: int) -> None:
    assert ask(size=size)["status"] == 400


@pytest.mark.parametrize("body", [[], {"asset": "asset.ipv4 = '10.0.0.1'"}])
def test_filters_are_refused(ask: Ask, body: Any) -> None:
    assert ask(body=body)["status"] == 400


def test_keys_and_rights(cloud: Cloud, ask: Ask) -> None:
    url = f"{cloud.url}/validate"
    assert requests.get(url, headers={"X-Api-Key": cloud.api_key}, timeout=10).status_code == 200
    assert requests.get(url, timeout=10).status_code == 401
    assert requests.get(url, headers={"X-Api-Key": "wrong"}, timeout=10).status_code == 401
    assert ask("nothing")["status"] == 404
    cloud.forbidden = True
    assert ask()["status"] == 403
    assert requests.get(url, headers={"X-Api-Key": cloud.api_key}, timeout=10).status_code == 200


def test_a_limit_by_the_services_clock(cloud: Cloud, ask: Ask) -> None:
    cloud.limit, cloud.window = 2, 60
    assert [ask()["status"] for _ in range(3)] == [200, 200, 429]
    cloud.now += timedelta(seconds=20)
    refused = ask()
    assert (refused["status"], refused["headers"]["Retry-After"]) == (429, "40")
    cloud.now += timedelta(seconds=40)
    assert ask()["status"] == 200
    cloud.limit, cloud.retry_after = 0, ""
    assert "Retry-After" not in ask()["headers"]


def test_faults(cloud: Cloud, ask: Ask) -> None:
    cloud.failing, cloud.failing_at = [500], "assets"
    assert [ask("vulnerabilities")["status"], ask()["status"], ask()["status"]] == [200, 500, 200]
    cloud.cut_off = 1
    with pytest.raises(requests.exceptions.RequestException):
        ask()
    cloud.garbled = 1
    with pytest.raises(requests.exceptions.JSONDecodeError):
        ask()
    cloud.surplus = {"assets": 3}
    assert ask()["metadata"]["totalResources"] == 5
    cloud.stuck, cursor = 1, ask(size=1)["metadata"]["cursor"]
    assert ask(size=1, cursor=cursor)["metadata"]["cursor"] == cursor
    assert ask(size=1, cursor=cursor)["metadata"]["cursor"] != cursor
    cloud.overlap = 1
    assert len(ask(size=2, cursor=cursor)["data"]) == 2 and ask(size=2)["data"][0]["host_name"] == "host1"
    cloud.hollow = True
    assert ask(size=2, cursor="x:::z")["metadata"]["cursor"] and ask(size=2, cursor="x:::z")["data"] == []
    cloud.ends_after = 1
    assert ask(size=2, cursor=cursor)["data"] == []


def test_the_world_can_change_between_two_pages(cloud: Cloud, ask: Ask) -> None:
    paths: list[str] = []
    cloud.after_answer = paths.append
    ask(size=1)
    assert paths == ["/assets?size=1"] and cloud.requests == [("POST", "/vm/v4/integration/assets?size=1")]
    assert ask()["headers"]["Date"] == "Fri, 20 Nov 2026 01:30:00 GMT"


def test_the_demo() -> None:
    with Cloud() as cloud:
        ids = cloud.seed_demo()
        assert list(ids) == [one.facts.get("host_name", one.facts["ip"]) for one in cloud.machines.values()]
        assert sum(len(one.seen) for one in cloud.machines.values()) == 10
