"""Accepted risks: who may, what is counted and run then, and that the later of two is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest
from django.test import Client
from django.utils import timezone as clock

from remediation.jobs.tasks import count_source
from remediation.sources.excepting import set_most
from remediation.store import models
from remediation.store.intake import take_in
from tests.jobs.conftest import waiting_jobs

from ..store.scans import scan
from .test_connections import text_of

DAY = datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc)
UNTIL = clock.localdate() + timedelta(days=5)
GIVEN = {"reason": "<b>Isolated</b>", "until": UNTIL.isoformat()}


@pytest.fixture
def source(store: str) -> models.Source:
    row = models.Source.objects.create(name="console", kind="insightvm")
    take_in(row, scan({"web": ["critical-1", "low-9"], "db": ["critical-1"]}, DAY))
    return row


def number_of(vulnerability: str) -> int:
    return models.Vulnerability.objects.get(vulnerability=vulnerability).pk


def alive() -> dict[str, int]:
    return dict(models.Vulnerability.objects.values_list("vulnerability", "alive"))


def test_a_risk_is_accepted_renewed_and_withdrawn(source: models.Source, as_role: Callable[[str], Client]) -> None:
    halo = models.Connection.objects.create(name="halo")
    project = models.Project.objects.create(name="p", slug="p", connection=halo, source=source)
    models.Project.objects.create(name="q", slug="q", connection=halo, source=source, paused=True)
    approver, viewer = as_role("approver"), as_role("viewer")
    number = number_of("critical-1")
    address = f"/acceptances/new?vulnerability={number}"
    assert address in approver.get(f"/vulnerabilities/{number}/").content.decode()
    assert address not in viewer.get(f"/vulnerabilities/{number}/").content.decode()
    given = {**GIVEN, "vulnerability": number}
    assert "required" in text_of(approver.post("/acceptances/new", {**given, "reason": " "}))
    assert "This day is over." in text_of(approver.post("/acceptances/new", {**given, "until": "2020-01-01"}))
    assert not models.RiskAcceptance.objects.exists()
    assert approver.post("/acceptances/new", given).status_code == 302
    assert waiting_jobs() == [f"count-{source.pk}", f"project-{project.pk}"]
    assert alive() == {"critical-1": 2, "low-9": 1}
    shown = viewer.get(f"/vulnerabilities/{number}/").content.decode()
    assert len(re.findall(r"<td[^>]*>\s*excepted\s*</td>", shown)) == 2
    count_source(source.pk)
    assert alive() == {"critical-1": 0, "low-9": 1}
    assert models.Device.objects.get(name="db.example").critical == 0

    page = viewer.get("/acceptances/").content.decode()
    assert "&lt;b&gt;Isolated" in page and "<b>Iso" not in page and "ends soon" in page and UNTIL.isoformat() in page
    accepted = models.RiskAcceptance.objects.get()
    address = f"/acceptances/{accepted.pk}/"
    assert "Withdraw" not in viewer.get(address).content.decode()
    models.Vulnerability.objects.filter(vulnerability="critical-1").update(title="Old <library>")
    assert "Old <library> (vulnerability critical-1)" in text_of(viewer.get(address)).replace("( ", "(").replace(
        " )", ")"
    )
    later = UNTIL + timedelta(days=90)
    assert approver.post(address, {"until": "2020-01-01", "version": 1}).status_code == 400
    assert approver.post(address, {"until": later.isoformat(), "version": 1}).status_code == 302
    late = approver.post(address, {"until": "2099-01-01", "version": 1})
    assert late.status_code == 409 and "2099-01-01" in late.content.decode() and f"until {later}" in text_of(late)
    assert models.RiskAcceptance.objects.get().expires == later
    assert approver.post(address, {"withdraw": "yes", "version": 1}).status_code == 409
    assert approver.post(address, {"withdraw": "yes", "version": 2}).status_code == 302
    assert approver.post(address, {"until": "2099-01-01", "version": 3}).status_code == 409, "it is withdrawn"
    count_source(source.pk)
    assert alive()["critical-1"] == 2
    text = text_of(viewer.get(address))
    for what in ("risk accepted", "acceptance renewed", "acceptance withdrawn"):
        assert f"{what} by approver" in text


@pytest.mark.parametrize(
    ("names", "left"),
    [
        (("asset:web",), {"critical-1": 1, "low-9": 0}),
        (("device:web.example",), {"critical-1": 1, "low-9": 0}),
        (("solution:fix low-9",), {"critical-1": 2, "low-9": 0}),
        (("chosen:critical-1", "chosen:low-9"), {"critical-1": 0, "low-9": 0}),
        (("vulnerability:critical-1", "asset:db"), {"critical-1": 1, "low-9": 1}),
        (("vulnerability:critical-1", "on:WEB.example"), {"critical-1": 1, "low-9": 1}),
        (("chosen:critical-1", "chosen:low-9", "on:db"), {"critical-1": 1, "low-9": 1}),
    ],
)
def test_what_can_be_accepted(
    names: tuple[str, ...], left: dict[str, int], source: models.Source, as_role: Callable[[str], Client]
) -> None:
    found = {
        "asset": lambda name: models.Asset.objects.get(asset=name).pk,
        "device": lambda name: models.Device.objects.get(name=name).pk,
        "solution": lambda name: models.Solution.objects.get(solution=name).pk,
        "vulnerability": number_of,
        "chosen": number_of,
        "on": str,
    }
    given: dict[str, list[object]] = {}
    for kind, name in (one.split(":") for one in names):
        given.setdefault(kind, []).append(found[kind](name))
    approver = as_role("approver")
    assert approver.get("/acceptances/new", given).status_code == 200
    assert approver.post("/acceptances/new", {**GIVEN, **given}).status_code == 302
    count_source(source.pk)
    assert alive() == left


def test_a_device_that_there_is_none_of_is_told_at_its_field(
    source: models.Source, as_role: Callable[[str], Client]
) -> None:
    given = {**GIVEN, "vulnerability": number_of("critical-1"), "on": "nowhere"}
    page = as_role("approver").post("/acceptances/new", given)
    assert page.status_code == 400 and "console knows no device of this name." in text_of(page)
    assert 'value="nowhere"' in page.content.decode() and 'aria-invalid="true"' in page.content.decode()
    models.Asset.objects.update(host_name="twin")
    text = text_of(as_role("approver").post("/acceptances/new", {**given, "on": "twin"}))
    assert "several of this name: db, web" in text or "several of this name: web, db" in text
    assert not models.RiskAcceptance.objects.exists()


def test_a_form_that_is_sent_twice_accepts_once(source: models.Source, as_role: Callable[[str], Client]) -> None:
    approver, given = as_role("approver"), {**GIVEN, "vulnerability": number_of("critical-1")}
    for _ in range(2):
        assert approver.post("/acceptances/new", given).status_code == 302
    accepted = models.RiskAcceptance.objects.get()
    assert models.AuditEntry.objects.filter(what="risk accepted").count() == 1
    approver.post(f"/acceptances/{accepted.pk}/", {"withdraw": "yes", "version": accepted.version})
    approver.post("/acceptances/new", given)
    assert models.RiskAcceptance.objects.filter(withdrawn=None).count() == 1, "what was withdrawn is accepted anew"


def test_nothing_named(source: models.Source, as_role: Callable[[str], Client]) -> None:
    for query in ("", "vulnerability=999", "chosen=x", "solution=99999999999999999999"):
        assert as_role("approver").get(f"/acceptances/new?{query}").status_code == 302


def test_who_may(source: models.Source, as_role: Callable[[str], Client]) -> None:
    analyst = as_role("analyst")
    given = {**GIVEN, "vulnerability": number_of("critical-1")}
    assert analyst.post("/acceptances/new", given).status_code == 403
    as_role("approver").post("/acceptances/new", given)
    row = models.RiskAcceptance.objects.get()
    assert analyst.post(f"/acceptances/{row.pk}/", {"withdraw": "yes", "version": 1}).status_code == 403
    assert "Accept the risk" not in analyst.get("/vulnerabilities/").content.decode()
    assert "Accept the risk of the chosen" in as_role("approver").get("/vulnerabilities/").content.decode()


def test_those_that_end_first_come_first(source: models.Source, as_role: Callable[[str], Client]) -> None:
    today = clock.localdate()
    for name, days, withdrawn in (("c", 90, None), ("a", 3, None), ("d", -5, None), ("b", 30, None), ("e", 60, DAY)):
        models.RiskAcceptance.objects.create(
            source=source,
            vulnerability="critical-1",
            reason=f"reason {name}",
            approver="x",
            expires=today + timedelta(days=days),
            withdrawn=withdrawn,
        )
    page = text_of(as_role("viewer").get("/acceptances/"))
    assert sorted("abcde", key=lambda name: page.index(f"reason {name}")) == ["a", "b", "c", "e", "d"]
    page = text_of(as_role("viewer").get("/acceptances/", {"state": ["holds", "ends soon"]}))
    assert "reason c" in page and "reason d" not in page and "reason e" not in page


def test_what_insightvm_makes_of_it_is_shown(source: models.Source, as_role: Callable[[str], Client]) -> None:
    approver, viewer = as_role("approver"), as_role("viewer")
    approver.post("/acceptances/new", {**GIVEN, "vulnerability": number_of("critical-1")})
    assert f"exceptions-{source.pk}" not in waiting_jobs(), "nobody has said that they are sent"
    row = models.RiskAcceptance.objects.get()
    address = f"/acceptances/{row.pk}/"
    assert "In InsightVM" not in text_of(viewer.get(address))
    approver.post(f"{address}send")
    assert f"exceptions-{source.pk}" not in waiting_jobs()
    set_most(source, 1, "admin")
    known = {"source": source, "acceptance": row, "vulnerability": "critical-1", "until": row.expires}
    models.ConsoleException.objects.create(
        **known, asset="web", state="rejected", number=17, said="It was <rejected> in InsightVM."
    )
    models.ConsoleException.objects.create(**known, asset="db", state="waiting")
    page = viewer.get(address)
    assert "web.example critical-1 rejected 17" in text_of(page) and "1 rejected, 1 waiting." in text_of(page)
    assert "It was &lt;rejected&gt; in InsightVM." in page.content.decode()
    assert "Ask for the 1" not in text_of(page) and "Ask for the 1 that wait" in text_of(approver.get(address))
    assert as_role("analyst").post(f"{address}send", {"release": "yes"}).status_code == 403
    assert not models.ConsoleException.objects.filter(released=True).exists()
    for _ in range(2):
        assert approver.post(f"{address}send", {"release": "yes"}).status_code == 302
    assert waiting_jobs().count(f"exceptions-{source.pk}") == 1
    assert models.ConsoleException.objects.get(released=True).asset == "db"
    assert models.AuditEntry.objects.get(what="exceptions released").who == "approver"
    assert "Ask for the" not in text_of(approver.get(address))


def test_renewing_and_withdrawing_ask_the_console(source: models.Source, as_role: Callable[[str], Client]) -> None:
    set_most(source, 5, "admin")
    approver = as_role("approver")
    approver.post("/acceptances/new", {**GIVEN, "vulnerability": number_of("critical-1")})
    assert f"exceptions-{source.pk}" in waiting_jobs()
