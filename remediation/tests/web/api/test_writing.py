"""What programs do by the JSON API: approve a plan, send a report, ask for a ticket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import pytest

from halo_emulator import HaloEmulator
from remediation.jobs.report_tasks import take_in_upload
from remediation.jobs.tasks import run_project
from remediation.store import models
from remediation.store.api_keys import make_key
from remediation.store.devices import regroup
from remediation.store.intake import take_in
from tests.jobs.conftest import connected, waiting_jobs

from ...store.scans import scan
from .conftest import Program

DAY = datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc)
WEEKLY = b"Hostname,CVE,Severity,Vulnerability Name\nweb1,CVE-2026-0001,High,One\ndb1,CVE-2026-0002,Critical,Two\n"

Having = Callable[[str], Program]


# Plans


def test_a_project_and_its_newest_plan(viewer: Program, project: models.Project) -> None:
    (found,) = viewer.get("/projects")["items"]
    assert found == {
        "id": project.pk,
        "slug": "dmz",
        "name": "Patch <DMZ>",
        "position": 0,
        "source": "console",
        "connection": "halo",
        "paused": False,
        "tickets": 1,
        "closed": 0,
    }
    assert viewer.get("/projects/dmz") == found and viewer.get("/projects", paused="yes")["items"] == []
    plan = viewer.get("/projects/dmz/plan")
    known = {"held": True, "approved_at": None, "approved_by": None, "steps": 3, "not_done": 1}
    assert plan == {"id": plan["id"], "made": "2026-11-20T01:00:00Z", **known}
    at = f"/projects/dmz/plans/{plan['id']}"
    steps = viewer.get(f"{at}/steps")["items"]
    assert [(one["about"], one["kind"], one["state"]) for one in steps] == [
        ("s1", "comment", "done"),
        ("s2", "create", "waiting"),
        ("s3", "create", "planned"),
    ]
    assert steps[1]["result"] == "held until <somebody> approves" and steps[0]["result"] == "comment 5"
    assert viewer.get(f"{at}/steps", state="planned", kind="create")["items"] == [steps[2]]
    first = viewer.get(f"{at}/steps", limit=2)
    assert viewer.get(f"{at}/steps", limit=2, cursor=first["next"])["items"] == [steps[2]]
    not_done = {"about": "s9", "reason": "below the <filter>", "needs_person": False}
    assert viewer.get(f"{at}/not-done") == {"items": [not_done], "next": None}


def test_what_is_not_done_has_pages(viewer: Program, project: models.Project) -> None:
    reasons = [{"key": f"k{n}", "reason": f"reason {n}", "needs_person": n == 3} for n in range(5)]
    plan = models.Plan.objects.create(project=project, not_done=reasons)
    at, seen, more = f"/projects/dmz/plans/{plan.pk}/not-done", [], {}
    while more is not None:
        found = viewer.get(at, limit=2, **more)
        seen += [(one["about"], one["needs_person"]) for one in found["items"]]
        more = {"cursor": found["next"]} if found["next"] else None
    assert seen == [(f"k{n}", n == 3) for n in range(5)]


@pytest.mark.parametrize("path", ["/projects/x", "/projects/x/plan", "/projects/%00", "/projects/dmz/plans/1/steps"])
def test_a_plan_that_is_not_there(path: str, viewer: Program, project: models.Project) -> None:
    models.Plan.objects.all().delete()
    assert viewer.ask("GET", path)[0] == 404
    assert viewer.ask("GET", "/projects/dmz/plan")[0] == 404


def test_an_approver_approves_the_newest_held_plan(program: Having, project: models.Project) -> None:
    plan = models.Plan.objects.get()
    at = f"/projects/dmz/plans/{plan.pk}/approve"
    assert program("analyst").ask("POST", at)[0] == 403 and waiting_jobs() == []
    status, answer = program("approver").ask("POST", at)
    assert status == 202 and answer["id"] == plan.pk and answer["approved_by"] == "API key approver's"
    assert waiting_jobs() == [f"project-{project.pk}"]
    entry = models.AuditEntry.objects.get(what="plan approved")
    assert (entry.who, entry.of, entry.detail["plan"]) == ("API key approver's", "Patch <DMZ>", plan.pk)


@pytest.mark.parametrize("newer_is_held", [True, False])
def test_another_plan_than_the_newest_held_one_is_not_approved(
    newer_is_held: bool, program: Having, project: models.Project
) -> None:
    old = models.Plan.objects.get()
    newer = models.Plan.objects.create(project=project, held=newer_is_held)
    for number in [old.pk] + ([] if newer_is_held else [newer.pk]):
        status, problem = program("approver").ask("POST", f"/projects/dmz/plans/{number}/approve")
        assert status == 409 and "approve that one" in problem["assistance"], problem
    assert not models.Plan.objects.exclude(approved_at=None).exists() and waiting_jobs() == []
    assert program("approver").ask("POST", "/projects/dmz/plans/0/approve")[0] == 422


# Imports


def begun(program: Program, **said: Any) -> int:
    report = {"name": "weekly.csv", "size": len(WEEKLY), "source": "weekly", **said}
    status, answer = program.ask("POST", "/imports", report)
    assert (status, answer["have"], answer["whole"]) == (201, 0, False), answer
    return int(answer["id"])


def part(program: Program, number: int, content: bytes, at: int = 0, size: int = len(WEEKLY)) -> tuple[int, Any]:
    said = {"HTTP_CONTENT_RANGE": f"bytes {at}-{at + len(content) - 1}/{size}"}
    return program.ask("PUT", f"/imports/{number}/content", content, **said)


def test_a_report_in_parts_is_taken_in(program: Having, viewer: Program) -> None:
    analyst = program("analyst")
    number = begun(analyst)
    assert viewer.get(f"/imports/{number}")["state"] == "sending"
    assert part(analyst, number, WEEKLY[:30]) == (202, {"id": number, "have": 30, "whole": False})
    status, problem = part(analyst, number, WEEKLY[40:], 40)
    assert status == 409 and problem["assistance"] == "Go on with byte 30."
    assert part(analyst, number, WEEKLY[:30])[1]["have"] == 30, "a part that came twice is there once"
    assert part(analyst, number, WEEKLY[30:], 30) == (202, {"id": number, "have": len(WEEKLY), "whole": True})
    assert viewer.get(f"/imports/{number}")["state"] == "importing"
    status, problem = part(analyst, number, WEEKLY[30:], 30)
    assert status == 409 and waiting_jobs() == [f"take-{number}"]
    take_in_upload(number)
    done = viewer.get(f"/imports/{number}")
    assert (done["state"], done["who"], done["source"], done["size"]) == (
        "done",
        "API key analyst's",
        "weekly",
        len(WEEKLY),
    )
    assert viewer.get("/imports", state="done", source="weekly")["items"] == [done]
    assert {one["host_name"] for one in viewer.get("/findings")["items"]} == {"web1", "db1"}
    assert viewer.get("/runs", kind="import")["items"][0]["outcome"] == "done"
    entry = models.AuditEntry.objects.get(what="report taken in")
    assert (entry.who, entry.of) == ("API key analyst's", "weekly")


def test_a_report_that_was_whole_when_the_service_stopped_is_taken_in_by_its_last_part(program: Having) -> None:
    analyst = program("analyst")
    number = begun(analyst)
    assert analyst.ask("PUT", f"/imports/{number}/content", WEEKLY)[0] == 202
    models.Upload.objects.update(state="sent")
    assert analyst.ask("PUT", f"/imports/{number}/content", WEEKLY)[1]["whole"]
    assert models.Upload.objects.get().state == "importing"


def test_a_report_is_of_the_key_that_began_it(program: Having) -> None:
    number = begun(program("analyst"))
    other = Program(make_key("another", "approver", "somebody"))
    for asked in (other, program("approver")):
        assert part(asked, number, WEEKLY)[0] == 404
    mine = models.Upload.objects.create(who="approver", name="a browser's", size=1)
    assert part(program("approver"), mine.pk, b"x", 0, 1)[0] == 404, "not what a person has begun"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"coverage": "all"}, "body.report.coverage: "),
        ({"size": 0}, "body.report.size: "),
        ({"size": 2**60}, "body.report.size: "),
        ({"name": "a\0b"}, "body.report.name: "),
        ({"name": "\ud800"}, "body.report.name: "),
        ({"source": ""}, "This field is required."),
        ({"source": "x" * 101}, "at most 100 characters"),
        ({"source": "a\0b"}, "Null characters are not allowed."),
        ({"severities": ["worst"]}, "worst is not one of the available choices"),
        ({"vendors": "Cisco"}, "only matter where the file holds all findings"),
        ({"nonsense": 1}, "body.report.nonsense: "),
    ],
)
def test_what_is_no_report_is_refused(said: dict[str, Any], told: str, program: Having) -> None:
    report = {"name": "weekly.csv", "size": 5, "source": "weekly", **said}
    status, problem = program("analyst").ask("POST", "/imports", report)
    assert status == 422 and told in problem["cause"], problem
    assert not models.Upload.objects.exists()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b'{"name": NaN}'])
def test_what_is_no_json_is_refused(body: bytes, program: Having) -> None:
    for kind in ("application/json", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain"):
        status, problem = program("analyst").ask("POST", "/imports", body, content_type=kind)
        assert status in (400, 422) and problem["cause"], (status, problem)


@pytest.mark.parametrize("given", ["bytes 0-1/3", "bytes 0-9/10", "0-4/5", "bytes 4-0/5", "bytes 0-4/6", "bytes 0-4/*"])
def test_a_range_that_does_not_fit_is_refused(given: str, program: Having) -> None:
    number = begun(program("analyst"), size=5)
    asked = program("analyst").ask("PUT", f"/imports/{number}/content", b"abcde", HTTP_CONTENT_RANGE=given)
    assert asked[0] == 422 and models.Upload.objects.get().state == "sending"


def test_a_part_that_is_too_large(program: Having) -> None:
    number = begun(program("analyst"), size=9_000_000)
    assert program("analyst").ask("PUT", f"/imports/{number}/content", b"x" * 9_000_000)[0] == 413


def test_a_disk_that_is_full(program: Having, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("remediation.jobs.uploads.add_part", full)
    status, problem = part(program("analyst"), begun(program("analyst")), WEEKLY)
    assert status == 507 and "No space left" in problem["cause"]


# A ticket for this


@pytest.fixture
def halo() -> Iterator[HaloEmulator]:
    with HaloEmulator() as running:
        yield running


@pytest.fixture
def found(store: str, halo: HaloEmulator) -> models.Vulnerability:
    connected(halo)
    source = models.Source.objects.create(name="console", kind="insightvm")
    take_in(source, scan({"web": ["critical-1", "low-9"], "db": ["critical-1"]}, DAY))
    regroup()
    return models.Vulnerability.objects.get(vulnerability="critical-1")


def made_in(halo: HaloEmulator) -> list[Any]:
    tickets = halo.tickets.values()
    return [one for one in tickets if str(one.get("third_party_id_string") or "").startswith("remediation:")]


def test_asking_twice_makes_one_ticket(program: Having, found: models.Vulnerability, halo: HaloEmulator) -> None:
    analyst, asked = program("analyst"), {"vulnerability": found.pk}
    (before,) = analyst.get("/ticket-for", **asked)
    known = {"source": "console", "about": "critical-1", "findings": 2, "accepted": 0}
    assert before == {**known, "on_the_way": 0, "left": True, "tickets": [], "why": before["why"]}
    assert not models.Project.objects.exists(), "looking makes nothing"
    for _ in range(2):
        status, (now,) = analyst.ask("POST", "/ticket-for", asked)
        assert (status, now) == (202, {**known, "on_the_way": 2, "left": False, "tickets": [], "why": None})
    project = models.Project.objects.get()
    assert waiting_jobs() == [f"project-{project.pk}"]
    run_project(project.pk)
    (made,) = made_in(halo)
    status, (then,) = analyst.ask("POST", "/ticket-for", asked)
    assert (status, then["on_the_way"], then["left"]) == (200, 0, False)
    assert [(one["number"], one["findings"]) for one in then["tickets"]] == [(made["id"], 2)]
    assert analyst.get("/ticket-for", **asked) == [then]
    (ticket,) = program("viewer").get("/tickets", number=made["id"])["items"]
    assert ticket["id"] == then["tickets"][0]["id"] and ticket["reference"] == made["third_party_id_string"]
    run_project(project.pk)
    assert len(made_in(halo)) == 1
    entry = models.AuditEntry.objects.get(what="ticket asked for")
    assert (entry.who, entry.of) == ("API key analyst's", "critical-1")


def test_a_device_gets_what_no_other_ticket_has(
    program: Having, found: models.Vulnerability, halo: HaloEmulator
) -> None:
    analyst = program("analyst")
    analyst.ask("POST", "/ticket-for", {"vulnerability": found.pk, "connection": "halo"})
    device = models.Asset.objects.get(asset="web").device_id
    status, (now,) = analyst.ask("POST", "/ticket-for", {"device": device})
    assert status == 202 and (now["about"], now["findings"], now["on_the_way"]) == ("web", 2, 2)
    for project in models.Project.objects.order_by("position"):
        run_project(project.pk)
    assert len(made_in(halo)) == 2
    assert analyst.ask("POST", "/ticket-for", {"device": device})[0] == 200


def test_what_holds_a_ticket_up_is_told(program: Having, found: models.Vulnerability) -> None:
    program("analyst").ask("POST", "/ticket-for", {"vulnerability": found.pk})
    models.Project.objects.update(paused=True)
    (now,) = program("analyst").get("/ticket-for", vulnerability=found.pk)
    assert now["why"] == "The project is paused. An approver lets it run again."


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ({}, 422, "either a device or a vulnerability"),
        ({"device": 1, "vulnerability": 1}, 422, "either a device or a vulnerability"),
        ({"device": 999}, 404, "no such device"),
        ({"vulnerability": 999}, 404, "no such vulnerability"),
        ({"device": 0}, 422, "device"),
        ({"vulnerability": "x"}, 422, "vulnerability"),
        ({"vulnerability": "FOUND", "connection": "nonsense"}, 422, "that there are: halo"),
        ({"vulnerability": 2**64}, 422, "vulnerability"),
        ({"nonsense": 1}, 422, "nonsense"),
    ],
)
def test_what_no_ticket_is_for(
    asked: dict[str, Any], status: int, said: str, program: Having, found: models.Vulnerability
) -> None:
    asked = {name: found.pk if value == "FOUND" else value for name, value in asked.items()}
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    for answer in (
        program("analyst").ask("POST", "/ticket-for", asked),
        program("analyst").ask("GET", f"/ticket-for?{query}"),
    ):
        assert answer[0] == status and said in answer[1]["cause"], answer
    assert not models.Project.objects.exists()


def test_one_of_several_connections_is_named(program: Having, found: models.Vulnerability) -> None:
    models.Connection.objects.create(name="other")
    status, problem = program("analyst").ask("POST", "/ticket-for", {"vulnerability": found.pk})
    assert status == 422 and "halo, other" in problem["cause"]
    asked = {"vulnerability": found.pk, "connection": "halo"}
    assert program("analyst").ask("POST", "/ticket-for", asked)[0] == 202
