"""The weekly report: each number as the observations, the snapshots and the tickets tell it, one by one."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from remediation.domain.week import Week
from remediation.store import models
from remediation.store.intake import take_in

from ..store.scans import scan
from .test_connections import text_of

WEEK = Week(date(2026, 11, 16))
CAME, WENT = {"new", "rediscovered", "exception_lapsed"}, {"remediated", "excepted", "left_coverage"}


def at(day: int, hour: int = 1) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=timezone.utc)


@pytest.fixture
def world(store: str) -> None:
    console, other, quiet = (
        models.Source.objects.create(name=name, kind="insightvm", created=at(1))
        for name in ("console", "=other", "quiet")
    )
    take_in(console, scan({"web": ["critical-1", "low-9"], "db": ["high-2"]}, at(10)))
    models.Asset.objects.filter(asset="web").update(owner_tags=["Ann", "=Ben"])
    # The first and the last moment of the week, and the ones beside them.
    take_in(console, scan({"web": ["critical-1"], "db": ["high-2", "high-3"]}, at(16, 0)))
    take_in(console, scan({"web": ["critical-1", "low-9"], "db": ["high-3"]}, at(22, 23)))
    take_in(console, scan({"web": [], "db": ["high-3"]}, at(23, 0)))
    take_in(other, scan({"app": ["medium-1", "none-7"]}, at(18)))
    take_in(quiet, scan({"app": ["medium-1"]}, at(2)))
    connection = models.Connection.objects.create(name="halo", settings={})
    project = models.Project.objects.create(
        name="DMZ <b>", slug="dmz", connection=connection, source=console, settings={"owner": "Lead"}
    )
    for number, (due, status, assigned, note) in enumerate(
        [
            (date(2026, 11, 22), "In Progress", "Marcus", {}),
            (date(2026, 11, 1), "", "", {}),
            (date(2026, 11, 23), "In Progress", "Marcus", {}),
            (date(2026, 11, 10), "Remediated", "Marcus", {}),
            (date(2026, 11, 10), "Not Started", "Marcus", {"detached": "anna"}),
            (None, "Not Started", "Marcus", {}),
        ]
    ):
        models.Ticket.objects.create(
            project=project, key=f"k{number}", reference=f"r{number}", halo_id=2100 + number, due=due, status=status,
            assigned=assigned, note=note, title=f"=title {number}",
        )  # fmt: skip
    models.Ticket.objects.create(project=project, key="k9", reference="r9", due=date(2026, 11, 1))


def observed() -> list[models.Observation]:
    """Those of the week, one by one."""
    rows = models.Observation.objects.select_related("source")
    taken = dict(models.SnapshotRecord.objects.values_list("pk", "taken"))
    return [one for one in rows if at(16, 0) <= taken[one.snapshot_id] < at(23, 0)]


def changes(by: Callable[[models.Observation], list[str]]) -> dict[str, tuple[int, int]]:
    came, went = Counter[str](), Counter[str]()
    for one in observed():
        for name in by(one):
            came[name] += one.kind in CAME
            went[name] += one.kind in WENT
    return {name: (came[name], went[name]) for name in came | went}


def lines(page: bytes) -> dict[str, dict[str, dict[str, str]]]:
    found: dict[str, dict[str, dict[str, str]]] = {}
    for row in csv.DictReader(io.StringIO(page.decode())):
        found.setdefault(row["part"], {})[row["name"]] = row
    return found


def pairs(rows: dict[str, dict[str, str]]) -> dict[str, tuple[int, int]]:
    return {name.lstrip("'"): (int(row["came"]), int(row["went"])) for name, row in rows.items()}


def test_each_number(world: None, person: Client) -> None:
    found = lines(person.get("/weekly/?week=2026-11-19&export=csv").content)
    sources = changes(lambda one: [one.source.name])
    assert pairs(found["source"]) == {**sources, "quiet": (0, 0)}
    assert sources["console"][0] >= 2 and sources["console"][1] >= 2, "something came and went"

    def severity(one: models.Observation) -> list[str]:
        known = models.Vulnerability.objects.get(source=one.source_id, vulnerability=one.vulnerability)
        return [known.severity or "none"]

    def owners(one: models.Observation) -> list[str]:
        return models.Asset.objects.get(source=one.source_id, asset=one.asset).owner_tags or ["nobody"]

    def counted(by: Callable[[models.Observation], list[str]]) -> dict[str, tuple[int, int]]:
        return {name: both for name, both in changes(by).items() if any(both)}

    assert pairs(found["severity"]) == counted(severity)
    assert pairs(found["owner"]) == counted(owners)
    assert {name.lstrip("'"): row["read"] for name, row in found["source"].items()} == {
        "console": "yes", "=other": "yes", "quiet": "no"
    }  # fmt: skip
    # What is open at an end is what the last snapshot before it held.
    opened = {name.lstrip("'"): (row["open_before"], row["open"]) for name, row in found["source"].items()}
    assert opened == {"console": ("3", "3"), "=other": ("", "2"), "quiet": ("1", "1")}

    late = [
        one
        for one in models.Ticket.objects.all()
        if one.halo_id and one.due and one.due <= WEEK.last and not one.note
        and one.status not in ("Remediated", "Will Not Fix", "Exception")
    ]  # fmt: skip
    assert set(found["late ticket"]) == {str(one.halo_id) for one in late} == {"2100", "2101"}
    assert {name: row["late"] for name, row in found["late by owner"].items()} == {"Marcus": "1", "Lead": "1"}
    assert all(row["title"].startswith("'=") for row in found["late ticket"].values())

    page = person.get("/weekly/?week=2026-11-16")
    text = text_of(page)
    came, went = (sum(both[place] for both in sources.values()) for place in (0, 1))
    assert f"{came} findings came up or came back, {went} were settled. 6 were open at its end. 2 tickets" in text
    assert "nothing of it is in these numbers: quiet." in text
    assert b"DMZ &lt;b&gt;" in page.content and "<b>" not in page.content.decode().split("<main", 1)[1]
    printed = person.get("/weekly/print?week=2026-11-16").content.decode()
    assert f"<strong>{came}</strong>" in printed and 'class="main"' not in printed


def test_a_source_that_said_the_same_again_was_read(world: None, person: Client) -> None:
    quiet = models.Source.objects.get(name="quiet")
    models.Run.objects.create(source=quiet, kind="read", started=at(17), finished=at(17), outcome="failed")
    assert "numbers: quiet" in text_of(person.get("/weekly/?week=2026-11-16"))
    models.Run.objects.create(source=quiet, kind="read", started=at(17), finished=at(17), outcome="done")
    assert "numbers: quiet" not in text_of(person.get("/weekly/?week=2026-11-16"))


@pytest.mark.parametrize("week", ["x", "2026-13-01", "0001-01-01", "9999-12-31", "2026-11-16\0", "1" * 500])
def test_no_week(store: str, person: Client, week: str) -> None:
    assert person.get("/weekly/", {"week": week}).status_code in (400, 404)


def test_without_anything(store: str, person: Client) -> None:
    assert "There is no source yet" in text_of(person.get("/weekly/"))
    assert "not over" in text_of(person.get("/weekly/", {"week": date.today().isoformat()}))


def form(page: HttpResponse, **changed: str) -> dict[str, str]:
    found = re.search(r'name="version" value="(\d+)"', page.content.decode())
    assert found
    known = {"weekday": "1", "hour": "8", "recipients": "a@x.example\r\nb@x.example a@x.example", "on": "on"}
    return {**known, "version": found[1], **changed}


def test_when_it_is_sent(store: str, as_role: Callable[[str], Client], person: Client) -> None:
    admin = as_role("admin")
    assert person.get("/weekly/settings").status_code == 403 and "Send it by mail" not in text_of(
        person.get("/weekly/")
    )
    page = admin.get("/weekly/settings")
    assert "Nothing yet" in text_of(page) and "there is no mail server" in text_of(page)
    assert admin.post("/weekly/settings", form(page)).status_code == 302
    row = models.Setting.objects.get(name="weekly")
    assert row.value["recipients"] == ["a@x.example", "b@x.example"]
    assert (row.value["weekday"], row.value["hour"]) == (1, 8) and row.value["on_since"]
    assert models.AuditEntry.objects.get(what="weekly report changed").who == "admin"
    # Somebody who saw the version of before.
    late = admin.post("/weekly/settings", form(page, hour="9"))
    assert late.status_code == 409 and "Somebody else has changed this" in text_of(late)
    # A change of the hour leaves since when it is on.
    admin.post("/weekly/settings", form(admin.get("/weekly/settings"), hour="9"))
    again = models.Setting.objects.get(name="weekly")
    assert again.value == {**row.value, "hour": 9}
    off = form(admin.get("/weekly/settings"))
    del off["on"]
    admin.post("/weekly/settings", off)
    assert models.Setting.objects.get(name="weekly").value["on_since"] is None


@pytest.mark.parametrize(
    "changed",
    [
        {"recipients": ""},
        {"recipients": "a@x.example\nnobody"},
        {"recipients": "a@x.example\0"},
        {"recipients": " ".join(f"a{number}@x.example" for number in range(51))},
        {"recipients": "x" * 10_000},
        {"hour": "24"},
        {"hour": ""},
        {"weekday": "7"},
        {"weekday": "x"},
    ],
)
def test_what_cannot_be_set(store: str, as_role: Callable[[str], Client], changed: dict[str, str]) -> None:
    admin = as_role("admin")
    refused = admin.post("/weekly/settings", form(admin.get("/weekly/settings"), **changed))
    assert refused.status_code == 400
    assert models.Setting.objects.get(name="weekly").value == {}


def test_what_was_sent_is_shown(store: str, as_role: Callable[[str], Client]) -> None:
    report = models.WeeklyReport.objects.create(week=WEEK.first, subject="Subject <b>", text="", html="")
    models.WeeklyMessage.objects.create(
        report=report, recipient="a@x.example", state="failed", due=at(23), said="No such <address>."
    )
    text = text_of(as_role("admin").get("/weekly/settings"))
    assert "a@x.example: failed" in text and "No such <address>." in text


def test_a_million_would_be_counted_by_the_database(world: None, person: Client) -> None:
    """The page asks the same few questions however much there is."""
    with CaptureQueriesContext(connection) as few:
        person.get("/weekly/?week=2026-11-16")
    console = models.Source.objects.get(name="console")
    take_in(console, scan({"web": [f"low-{number}" for number in range(100, 200)]}, at(22, 23) + timedelta(minutes=1)))
    with CaptureQueriesContext(connection) as many:
        person.get("/weekly/?week=2026-11-16")
    assert len(many) == len(few)
