"""What the JSON API tells: each list with the filters of its page, in pages that lose and repeat nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from remediation.store import models
from remediation.store.acceptances import accept
from remediation.store.devices import regroup
from remediation.store.intake import take_in

from ...store.scans import scan, tell
from .conftest import Program

DAY = datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc)
FOUND = {"web": ["critical-1", "low-9"], "db": ["critical-1", "high-2"]}


@pytest.fixture
def source(store: str) -> models.Source:
    """Two machines of one source, with four findings of three vulnerabilities; one was remediated since."""
    row = models.Source.objects.create(name="console", kind="insightvm")
    take_in(row, scan({**FOUND, "db": [*FOUND["db"], "high-5"]}, DAY))
    take_in(row, scan(FOUND, DAY + timedelta(days=1)))
    tell("critical-1", cves=["CVE-2026-1"], cvss=9.8)
    return row


def column(found: dict[str, Any], name: str) -> list[Any]:
    assert found["next"] is None
    return [item[name] for item in found["items"]]


def vulnerability(name: str) -> int:
    return models.Vulnerability.objects.get(vulnerability=name).pk


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ({}, ["critical-1", "low-9", "high-2"]),
        ({"order": "-severity"}, ["critical-1", "high-2", "low-9"]),
        ({"severity": ["high", "low"]}, ["low-9", "high-2"]),
        ({"cve": "cve-2026-1"}, ["critical-1"]),
        ({"words": "high"}, ["high-2"]),
        ({"device": "db", "least_cvss": "9"}, ["critical-1"]),
        ({"ticket": "yes"}, []),
        ({"kev": "no", "order": "severity"}, ["low-9", "high-2", "critical-1"]),
    ],
)
def test_vulnerabilities(query: dict[str, Any], titles: list[str], viewer: Program, source: models.Source) -> None:
    found = column(viewer.get("/vulnerabilities", **query), "title")
    assert found == titles if "order" in query else sorted(found) == sorted(titles)


def test_a_vulnerability_in_full(viewer: Program, source: models.Source) -> None:
    (found,) = viewer.get("/vulnerabilities", cve="CVE-2026-1", source=source.pk)["items"]
    assert found == {
        "id": vulnerability("critical-1"),
        "title": "critical-1",
        "severity": "critical",
        "cves": ["CVE-2026-1"],
        "cvss": 9.8,
        **dict.fromkeys(("vpr", "kev", "kev_due", "epss", "epss_by", "risk", "exploits")),
        "devices": 2,
        "first_found": found["first_found"],
        "last_new_device": found["first_found"],
        "due": found["due"],
        "tickets": 0,
        "source": "console",
    }
    assert viewer.get("/vulnerabilities", chosen=[found["id"], 10**12])["items"] == [found]


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        ({}, {"web critical-1", "web low-9", "db critical-1", "db high-2", "db high-5"}),
        ({"state": "remediated"}, {"db high-5"}),
        ({"state": ["open", "unconfirmed"], "severity": "high"}, {"db high-2"}),
        ({"device": "web"}, {"web critical-1", "web low-9"}),
        ({"vulnerability": "critical-1"}, {"web critical-1", "db critical-1"}),
        ({"vulnerability": "critical-1", "device": "db"}, {"db critical-1"}),
        ({"state": "excepted"}, {"web low-9"}),
        ({"state": "open", "severity": "low"}, set()),
    ],
)
def test_findings(query: dict[str, Any], pairs: set[str], viewer: Program, source: models.Source) -> None:
    regroup()
    until = (DAY + timedelta(days=5000)).date()
    known = {"asset": None, "solution": None, "vulnerability": "low-9", "reason": "x", "by": "lead"}
    accept(source, until=until, **known)
    asked = dict(query)
    if "vulnerability" in asked:
        asked["vulnerability"] = vulnerability(asked["vulnerability"])
    if "device" in asked:
        asked["device"] = models.Asset.objects.get(asset=asked["device"]).device_id
    found = viewer.get("/findings", **asked, source=source.pk)["items"]
    assert {f"{item['host_name'].removesuffix('.example')} {item['source_id']}" for item in found} == pairs
    for item in found:
        assert item["source"] == "console" and item["solution"] == f"fix {item['source_id']}"
        assert datetime.fromisoformat(item["since"]).utcoffset() == timedelta(0) and item["since"].endswith("Z")


def test_devices(viewer: Program, source: models.Source) -> None:
    regroup()
    found = viewer.get("/devices", order="-worst")["items"]
    assert [(one["name"], one["open"], one["critical"]) for one in found] == [
        ("db.example", 2, 1),
        ("web.example", 2, 1),
    ]
    assert column(viewer.get("/devices", severity="low"), "name") == ["web.example"]
    assert viewer.get(f"/devices/{found[0]['id']}") == found[0]
    assert found[0]["sources"] == ["console"] and found[0]["assessed"] == "2026-11-21T01:00:00Z"


def test_runs(viewer: Program, project: models.Project) -> None:
    read, held = viewer.get("/runs")["items"]
    assert read == {
        "id": read["id"],
        "kind": "read",
        "project": None,
        "source": "console",
        "started": "2026-11-20T01:00:00Z",
        "finished": "2026-11-20T01:00:00Z",
        "outcome": "done",
        "text": "4 findings on 3 assets.",
    }
    assert viewer.get(f"/runs/{held['id']}") == held
    for query in ({"outcome": "held"}, {"project": project.pk}, {"kind": "project"}):
        assert viewer.get("/runs", **query)["items"] == [held]


def test_tickets(viewer: Program, project: models.Project) -> None:
    models.Ticket.objects.filter(key="s1").update(reference="remediation:dmz:s1:1", halo_changed=DAY)
    (found,) = viewer.get("/tickets", number=2107)["items"]
    assert found["title"] == "Apply <b>s1</b>" and found["project"] == "dmz" and found["status"] == "In Progress"
    assert found["changed"] == "2026-11-20T01:00:00Z" and found["reference"] == "remediation:dmz:s1:1"
    assert viewer.get("/tickets", reference="remediation:dmz:s1:1")["items"] == [found]
    assert viewer.get(f"/tickets/{found['id']}") == found
    assert column(viewer.get("/tickets"), "number") == [2107], "what is not in HaloITSM yet is none"
    assert viewer.get("/tickets", reference="remediation:dmz:s1:2")["items"] == []
    assert viewer.get("/tickets", number=7)["items"] == []


@pytest.mark.parametrize("of", ["devices", "runs", "tickets", "imports", "projects"])
def test_what_is_not_there(of: str, viewer: Program) -> None:
    for number in ("999999", str(2**63 - 1)):
        status, problem = viewer.ask("GET", f"/{of}/{number}")
        assert status == 404 and "There is no such" in problem["cause"]


# Pages


def test_a_walk_gives_each_row_once_while_rows_come_go_and_change(viewer: Program, store: str) -> None:
    source = models.Source.objects.create(name="console", kind="insightvm")
    take_in(source, scan({f"h{host}": [f"high-{n}" for n in range(6)] for host in range(5)}, DAY))
    stays = set(models.Asset.objects.exclude(asset="h1").values_list("asset", flat=True))
    seen: list[tuple[str, str]] = []
    cursor: dict[str, str] = {}
    for turn in range(100):
        found = viewer.get("/findings", limit=4, **cursor)
        seen += [(item["host_name"].removesuffix(".example"), item["source_id"]) for item in found["items"]]
        if found["next"] is None:
            break
        cursor = {"cursor": found["next"]}
        if turn == 1:
            take_in(source, scan({"a-new-one": ["low-1"], "h0": ["low-1"]}, DAY + timedelta(days=1)), accept=True)
            models.Finding.objects.filter(asset="h1").delete()
            models.Vulnerability.objects.update(severity="low")
    assert len(seen) == len(set(seen))
    assert set(seen) >= {(host, f"high-{n}") for host in stays for n in range(6)}
    assert ("a-new-one", "low-1") in seen and len(found["items"]) <= 4


@pytest.mark.parametrize("of", ["vulnerabilities", "devices"])
@pytest.mark.parametrize("order", ["id", "-id", None])
def test_pages_together_are_the_list(of: str, order: str | None, viewer: Program, store: str) -> None:
    source = models.Source.objects.create(name="console", kind="insightvm")
    take_in(source, scan({f"h{n}": [f"high-{n}", f"low-{n}"] for n in range(7)}, DAY))
    regroup()
    query = {"order": order} if order else {}
    whole = [item["id"] for item in viewer.get(f"/{of}", limit=500, **query)["items"]]
    assert len(whole) >= 7 and whole == sorted(whole, reverse=order == "-id")
    parts, more = [], {}
    while True:
        found = viewer.get(f"/{of}", limit=3, **query, **more)
        parts += [item["id"] for item in found["items"]]
        if not found["next"]:
            break
        more = {"cursor": found["next"]}
    assert parts == whole


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("nonsense=1", "There is no parameter 'nonsense'"),
        ("before=1~2", "There is no parameter 'before'"),
        ("columns=title", "There is no parameter 'columns'"),
        ("export=csv", "There is no parameter 'export'"),
        ("limit=0", "from 1 to 500"),
        ("limit=501", "from 1 to 500"),
        ("limit=x", "from 1 to 500"),
        ("limit=", "is empty"),
        ("cve=", "is empty"),
        ("cve=%20", "is empty"),
        ("cve=a&cve=b", "more than once"),
        ("order=nonsense", "no column"),
        ("order=title", "cannot be ordered"),
        ("order=id;drop", "no column"),
        ("severity=worst", "no such choice"),
        ("source=1", "no such choice"),
        ("least_cvss=high", "has to be a number"),
        ("least_cvss=nan", "has to be a number"),
        ("new=1e300", "none that the list understands"),
        ("chosen=-1", "has to be numbers of rows"),
        ("cve=%00", "none that the list understands"),
        ("device=%00", "none that the list understands"),
        ("cursor=x", "The cursor is none"),
        ("cursor=%F0%9F%92%A5", "The cursor is none"),
        # [“vulnerabilities”, “id”, ...]: numbers, no key, a word, a lone surrogate; and of another list.
        ("cursor=WzEsIDIsIDNd", "The cursor is none"),
        ("cursor=WyJ2dWxuZXJhYmlsaXRpZXMiLCAiaWQiLCAieCJd", "not one that the list has given"),
        ("cursor=WyJ2dWxuZXJhYmlsaXRpZXMiLCAiaWQiLCAieH4xIl0%3D", "none that the list understands"),
        ("cursor=WyJ2dWxuZXJhYmlsaXRpZXMiLCAiaWQiLCAiXHVkODAwfjEiXQ%3D%3D", "The cursor is none"),
        ("cursor=WyJkZXZpY2VzIiwgImlkIiwgIjF%2BMSJd", "The cursor is none"),
    ],
)
def test_what_is_not_understood_is_refused(query: str, said: str, viewer: Program) -> None:
    status, problem = viewer.ask("GET", f"/vulnerabilities?{query}")
    assert status == 422 and said in problem["cause"] and "openapi.json" in problem["assistance"], problem


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/runs/1?nonsense=1", "There is no parameter 'nonsense'"),
        ("/projects/dmz?limit=1", "There is no parameter 'limit'"),
        ("/ticket-for?device=1&device=2", "more than once"),
        ("/ticket-for?vulnerability=1&connection=", "is empty"),
        ("/ticket-for?nonsense=1", "There is no parameter 'nonsense'"),
    ],
)
def test_no_operation_ignores_a_parameter(path: str, said: str, program: Callable[[str], Program]) -> None:
    status, problem = program("analyst").ask("GET", path)
    assert status == 422 and said in problem["cause"]


@pytest.mark.parametrize("path", ["/devices/0", "/devices/x", "/devices/-1", f"/devices/{2**63}", "/devices/1.5"])
def test_a_number_that_is_none_is_refused(path: str, viewer: Program) -> None:
    status, problem = viewer.ask("GET", path)
    assert status == 422 and problem["cause"].startswith("path.device: ")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"])
def test_other_methods(method: str, viewer: Program) -> None:
    answer = viewer.answer(method, "/vulnerabilities")
    assert answer.status_code == 405 and answer.headers["Allow"] == "GET"


@pytest.mark.parametrize("path", ["/", "/nonsense", "/vulnerabilities/", "/devices/1/2", "/docs"])
def test_other_addresses(path: str, program: Callable[[str], Program]) -> None:
    status, problem = program("viewer").ask("GET", path)
    assert status == 404 and set(problem) == {"cause", "assistance"}


def test_a_mistake_of_the_program_is_told_without_its_text(
    viewer: Program, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr("remediation.web.api.vulnerabilities.listed", broken)
    status, problem = viewer.ask("GET", "/vulnerabilities")
    assert status == 500 and "secret" not in str(problem) and "log" in problem["assistance"]
    assert "RuntimeError in" in caplog.text and "a secret" not in caplog.text
