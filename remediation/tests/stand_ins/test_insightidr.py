"""The stand-in InsightIDR: what each verb changes, and its API as a client sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
import requests

from stand_ins.insightidr import Fault, Idr

INVESTIGATIONS, COMMENTS = "/idr/v2/investigations", "/idr/v1/comments"
Ask = Callable[..., requests.Response]


@pytest.fixture
def idr() -> Iterator[Idr]:
    """Three investigations, of one, two and forty days ago, and two users."""
    with Idr() as running:
        running.add_user("Ana@corp.example", "Ana")
        running.add_user("jo@corp.example", "Jo")
        for title, days, more in (
            ("Old", 40, {"status": "CLOSED", "disposition": "BENIGN"}),
            (
                "Second",
                2,
                {"status": "WAITING", "priority": "HIGH", "assignee": "ana@corp.example", "tags": ["a", "b"]},
            ),
            ("First", 1, {"priority": "LOW", "source": "USER", "responsibility": "MDR"}),
        ):
            running.investigate(title, created=running.now - timedelta(days=days), **{"source": "ALERT", **more})
        yield running


@pytest.fixture
def ask(idr: Idr) -> Ask:
    def send(method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        version = "comments-preview" if path.startswith(COMMENTS) else "investigations-preview"
        sent = {"X-Api-Key": idr.api_key, "Accept-version": version, **headers}
        return requests.request(method, idr.url + path, json=body, headers=sent, timeout=10, allow_redirects=False)

    return send


def titles(answer: requests.Response) -> list[str]:
    return [one["title"] for one in answer.json()["data"]]


def rrn(idr: Idr, title: str) -> str:
    return next(one.rrn for one in idr.investigations.values() if one.title == title)


def place(idr: Idr, title: str, rest: str = "") -> str:
    return f"{INVESTIGATIONS}/{quote(rrn(idr, title), safe='')}{rest}"


# Lists


@pytest.mark.parametrize(
    "query, expected",
    [
        # Without a time, the last 28 days; the newest first.
        ("", ["First", "Second"]),
        ("start_time=2000-01-01T00:00:00Z", ["First", "Second", "Old"]),
        ("start_time=2000-01-01T00:00:00Z&sort=created_time,ASC", ["Old", "Second", "First"]),
        ("start_time=2000-01-01T00:00:00Z&statuses=CLOSED,WAITING", ["Second", "Old"]),
        ("start_time=2000-01-01T00:00:00Z&end_time=2000-01-02T00:00:00Z", []),
        ("priorities=HIGH,CRITICAL", ["Second"]),
        ("sources=USER", ["First"]),
        ("tags=b", ["Second"]),
        ("tags=b,c", []),
        ("assignee.email=Ana@corp.example", ["Second"]),
        ("sort=priority,ASC", ["First", "Second"]),
        ("size=1", ["First"]),
        # The index counts pages.
        ("size=1&index=1", ["Second"]),
        ("size=1&index=2", []),
    ],
)
def test_lists(ask: Ask, query: str, expected: list[str]) -> None:
    assert titles(ask("GET", f"{INVESTIGATIONS}?{query}")) == expected


@pytest.mark.parametrize("query", ["size=0", "size=101", "index=-1", "sort=color,ASC", "start_time=yesterday"])
def test_what_a_list_refuses(ask: Ask, query: str) -> None:
    answer = ask("GET", f"{INVESTIGATIONS}?{query}")
    assert answer.status_code == 400 and set(answer.json()) == {"message", "correlation_id"}


def test_a_page_tells_of_all(ask: Ask) -> None:
    page = ask("GET", f"{INVESTIGATIONS}?size=1").json()["metadata"]
    assert page == {"index": 0, "size": 1, "total_pages": 2, "total_data": 2}


def test_searches(ask: Ask) -> None:
    def found(*wanted: tuple[str, str, str], **more: Any) -> list[str]:
        search = [{"field": field, "operator": operator, "value": value} for field, operator, value in wanted]
        return titles(ask("POST", f"{INVESTIGATIONS}/_search", {"search": search, **more}))

    assert found() == ["First", "Second"]
    assert found(sort=[{"field": "Created time", "order": "ASC"}]) == ["Second", "First"]
    assert found(("status", "EQUALS", "WAITING"), ("title", "CONTAINS", "eco")) == ["Second"]
    assert found(("title", "EQUALS", "Old"), start_time="2000-01-01T00:00:00Z") == ["Old"]
    refused = ask("POST", f"{INVESTIGATIONS}/_search", {"search": [{"field": "color", "operator": "EQUALS"}]})
    assert refused.status_code == 400


# One investigation


def test_an_investigation_as_it_is_told(idr: Idr, ask: Ask) -> None:
    one = idr.investigation(rrn(idr, "Second"))
    told = ask("GET", place(idr, "Second")).json()
    assert told == ask("GET", f"{INVESTIGATIONS}/{one.id}").json()
    assert told["rrn"].startswith("rrn:investigation:us:") and told["created_time"].endswith("Z")
    names = ("title", "status", "priority", "disposition", "assignee", "tags", "responsibility", "latest_alert_time")
    assert [told[name] for name in names] == [
        *("Second", "WAITING", "HIGH", "UNDECIDED", {"name": "Ana", "email": "ana@corp.example"}),
        *(["a", "b"], None, None),
    ]
    assert ask("GET", place(idr, "First")).json()["assignee"] is None
    assert ask("GET", f"{INVESTIGATIONS}/rrn:none").status_code == 404


def test_an_investigation_is_made(ask: Ask) -> None:
    body = {"title": "New", "priority": "HIGH", "status": "OPEN", "assignee": {"email": "jo@corp.example"}}
    made = ask("POST", INVESTIGATIONS, body).json()
    assert (made["title"], made["assignee"]["name"], made["source"]) == ("New", "Jo", "USER")
    assert titles(ask("GET", f"{INVESTIGATIONS}?priorities=HIGH")) == ["New", "Second"]
    assert ask("POST", INVESTIGATIONS, {"priority": "HIGH"}).status_code == 400


def test_fields_are_changed_together_or_not_at_all(idr: Idr, ask: Ask) -> None:
    changes = {"status": "CLOSED", "disposition": "MALICIOUS", "assignee": {"email": "jo@corp.example"}}
    told = ask("PATCH", place(idr, "First"), {**changes, "title": "Renamed", "priority": "CRITICAL"}).json()
    names = ("title", "status", "disposition", "priority")
    assert [told[name] for name in names] == ["Renamed", "CLOSED", "MALICIOUS", "CRITICAL"]
    before = ask("GET", place(idr, "Second")).json()
    for wrong in ({"status": "DONE"}, {"assignee": {"email": "nobody@corp.example"}}, {"assignee": {}}):
        assert ask("PATCH", place(idr, "Second"), {"priority": "LOW", **wrong}).status_code == 400
    assert ask("GET", place(idr, "Second")).json() == before


def test_single_fields(idr: Idr, ask: Ask) -> None:
    assert ask("PUT", place(idr, "First", "/status/waiting")).json()["status"] == "WAITING"
    closed = ask("PUT", place(idr, "First", "/status/CLOSED"), {"disposition": "BENIGN"}).json()
    assert (closed["status"], closed["disposition"]) == ("CLOSED", "BENIGN")
    # One that is so already is told, and not changed.
    assert ask("PUT", place(idr, "First", "/status/CLOSED")).json() == closed
    assert ask("PUT", place(idr, "First", "/priority/MEDIUM")).json()["priority"] == "MEDIUM"
    assert ask("PUT", place(idr, "First", "/disposition/MALICIOUS")).json()["disposition"] == "MALICIOUS"
    assigned = ask("PUT", place(idr, "First", "/assignee"), {"user_email_address": "ANA@corp.example"}).json()
    assert assigned["assignee"] == {"name": "Ana", "email": "ana@corp.example"}
    for rest, body in (
        ("/status/DONE", None),
        ("/priority/UNMAPPED", None),
        ("/disposition/GOOD", None),
        ("/assignee", {"user_email_address": "nobody@corp.example"}),
        ("/assignee", {}),
    ):
        assert ask("PUT", place(idr, "First", rest), body).status_code == 400


def test_alerts_come_newest_first(idr: Idr, ask: Ask) -> None:
    idr.alert(rrn(idr, "First"), "One", created=idr.now - timedelta(hours=1), rule="Rule")
    idr.alert(rrn(idr, "First"), "Two", "Some type")
    told = ask("GET", place(idr, "First", "/alerts")).json()
    assert [(one["title"], one["alert_type"]) for one in told["data"]] == [
        ("Two", "Some type"),
        ("One", "Attacker Behavior Detected"),
    ]
    assert told["data"][1]["detection_rule_rrn"]["rule_name"] == "Rule" and told["metadata"]["total_data"] == 2
    assert ask("GET", place(idr, "First")).json()["latest_alert_time"] == told["data"][0]["created_time"]


# Comments


def test_comments(idr: Idr, ask: Ask) -> None:
    target = rrn(idr, "First")
    theirs = idr.comment(target, "By a person")
    made = ask("POST", COMMENTS, {"target": target, "body": "By the key"}).json()
    assert made["creator"] == {"type": "USER", "name": "HaloITSM Sync"} and made["target"] == target
    assert ask("GET", f"{COMMENTS}/{made['rrn']}").json() == made
    listed = ask("GET", f"{COMMENTS}?target={target}").json()
    assert [one["body"] for one in listed["data"]] == ["By a person", "By the key"]
    assert ask("GET", f"{COMMENTS}?target={target}&size=1&index=1").json()["data"] == [made]
    # Only its creator deletes a comment.
    assert ask("DELETE", f"{COMMENTS}/{theirs}").status_code == 403
    assert ask("DELETE", f"{COMMENTS}/{made['rrn']}").status_code == 204
    assert ask("DELETE", f"{COMMENTS}/{made['rrn']}").status_code == 404
    assert [one.rrn for one in idr.comments(target)] == [theirs]
    idr.delete_comment(theirs)
    assert ask("GET", f"{COMMENTS}?target={target}").json()["data"] == []
    assert ask("POST", COMMENTS, {"target": "rrn:none", "body": "x"}).status_code == 404
    assert ask("POST", COMMENTS, {"target": target, "body": ""}).status_code == 400


# People


def test_what_people_do_shows(idr: Idr, ask: Ask) -> None:
    first = rrn(idr, "First")
    before = ask("GET", place(idr, "First")).json()["last_accessed"]
    idr.set_status(first, "CLOSED", "FALSE_POSITIVE")
    idr.set_priority(first, "CRITICAL")
    idr.assign(first, "jo@corp.example")
    told = ask("GET", place(idr, "First")).json()
    assert [told[name] for name in ("status", "disposition", "priority")] == ["CLOSED", "FALSE_POSITIVE", "CRITICAL"]
    assert told["assignee"]["name"] == "Jo" and told["last_accessed"] > before
    idr.unassign(first)
    assert ask("GET", place(idr, "First")).json()["assignee"] is None
    idr.remove(first)
    assert ask("GET", f"{INVESTIGATIONS}/{first}").status_code == 404


# What is refused, and what goes wrong


def test_keys_and_versions(idr: Idr, ask: Ask) -> None:
    assert requests.get(f"{idr.url}/validate", timeout=10).status_code == 401
    assert ask("GET", "/validate").status_code == 200
    assert ask("GET", INVESTIGATIONS, **{"X-Api-Key": "another"}).status_code == 401
    assert ask("GET", INVESTIGATIONS, **{"Accept-version": "comments-preview"}).status_code == 400
    assert ask("GET", f"{COMMENTS}?target=x", **{"Accept-version": "investigations-preview"}).status_code == 400
    idr.forbidden = True
    assert ask("GET", INVESTIGATIONS).status_code == 403
    assert ask("GET", "/elsewhere").status_code == 403


@pytest.mark.parametrize(
    "fault, status, is_done",
    [
        (Fault.BUSY, 429, False),
        (Fault.BUSY_UNTOLD, 429, False),
        (Fault.FAILS, 500, False),
        (Fault.FAILS_AFTER, 500, True),
        (Fault.UNHEARD, None, False),
        (Fault.CUT_OFF, None, True),
        (Fault.CUT_SHORT, None, True),
        (Fault.SLOW, 200, True),
        (Fault.HTML, 200, False),
        (Fault.HTML_AFTER, 200, True),
        (Fault.REDIRECT, 302, False),
    ],
)
def test_faults(idr: Idr, ask: Ask, fault: Fault, status: int | None, is_done: bool) -> None:
    idr.faults, idr.faulty, idr.hang = [fault], "PUT .*", 0.01
    assert ask("GET", INVESTIGATIONS).status_code == 200
    if status is None:
        with pytest.raises(requests.RequestException):
            ask("PUT", place(idr, "First", "/status/CLOSED"))
    else:
        answer = ask("PUT", place(idr, "First", "/status/CLOSED"))
        assert answer.status_code == status
        assert answer.headers.get("Retry-After") == ("7" if fault is Fault.BUSY else None)
        assert answer.text.startswith("<html>") == (fault in (Fault.HTML, Fault.HTML_AFTER))
    assert (idr.investigation(rrn(idr, "First")).status == "CLOSED") == is_done
    assert ask("PUT", place(idr, "First", "/status/CLOSED")).status_code == 200


def test_pages_that_do_not_fit_together(idr: Idr, ask: Ask) -> None:
    second = f"{INVESTIGATIONS}?size=1&index=1"
    idr.repeating, idr.leaving_out = 1, 1
    assert titles(ask("GET", second)) == ["First"]
    assert titles(ask("GET", second)) == []
    assert titles(ask("GET", second)) == ["Second"]
    idr.surplus = 1
    assert ask("GET", second).json()["metadata"]["total_data"] == 3
    seen: list[tuple[str, str]] = []
    idr.after_answer = lambda method, path: seen.append((method, path))
    ask("GET", second)
    assert seen == [("GET", second)]
    idr.answers = {INVESTIGATIONS: b'{"data":[]}'}
    assert ask("GET", second).json() == {"data": []}


def test_the_demo_has_a_dozen_of_the_last_month(idr: Idr) -> None:
    with Idr() as other:
        rrns = other.seed_demo()
        assert len(rrns) == len(other.investigations) == 12
        found = list(other.investigations.values())
        assert {one.status for one in found} == {"OPEN", "INVESTIGATING", "WAITING", "CLOSED"}
        assert {one.priority for one in found} == {"UNMAPPED", "UNSPECIFIED", "LOW", "MEDIUM", "HIGH", "CRITICAL"}
        assert all(other.now - timedelta(days=28) < one.created < other.now for one in found)
        assert all(alert.created < other.now for one in found for alert in one.alerts)
