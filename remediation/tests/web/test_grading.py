"""The formula in a browser: tried, stored, shown in lists and on pages, and used by a project that says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from remediation.domain.grading import Formula
from remediation.domain.plan import Kind
from remediation.domain.planning import plan
from remediation.domain.project import DUE_DAYS
from remediation.store import models
from remediation.store.cves import tell_all_vulnerabilities
from remediation.store.intake import take_in
from remediation.tickets.world import world_of
from remediation.web.vulnerabilities.rows import vulnerabilities
from tests.jobs.conftest import waiting_jobs

from ..store.scans import scan
from .test_connections import text_of
from .test_lists import rows

DAY = datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc)
USUAL: dict[str, Any] = {**Formula().to_table(), "critical_tags": "Very High\nHigh"}


@pytest.fixture
def admin(as_role: Callable[[str], Client]) -> Client:
    return as_role("admin")


@pytest.fixture
def source(store: str) -> models.Source:
    row = models.Source.objects.create(name="console", kind="insightvm")
    take_in(row, scan({"web": ["high-1", "medium-2", "low-3"]}, DAY))
    models.Vulnerability.objects.filter(vulnerability="high-1").update(vpr=3.0)
    models.Vulnerability.objects.filter(vulnerability="medium-2").update(cvss=6.5, exploits=1)
    models.Vulnerability.objects.filter(vulnerability="low-3").update(cvss=8.8)
    models.Asset.objects.update(criticality_tags=["High"])
    return row


def turn_on(admin: Client) -> None:
    assert admin.post("/settings/grading", {**USUAL, "on": "on", "do": "save"}).status_code == 302
    assert waiting_jobs() == ["enrich"]
    tell_all_vulnerabilities()


def test_a_preview_shows_what_would_change_and_stores_nothing(admin: Client, source: models.Source) -> None:
    shown = text_of(admin.post("/settings/grading", {**USUAL, "on": "on", "do": "preview"}))
    assert "Of 3 open vulnerabilities, 3 would have another severity" in shown
    assert "High 0 0 1 0 0" in shown and "Medium 0 1 0 0 0" in shown and "Low 1 0 0 0 0" in shown
    assert models.Setting.objects.get(name="grading").value == {} and not waiting_jobs()
    # Another formula, another preview.
    other = text_of(admin.post("/settings/grading", {**USUAL, "criticality": "0", "do": "preview"}))
    assert "Low 0 1 0 0 0" in other


def test_it_is_stored_once_audited_and_shown(admin: Client, person: Client, source: models.Source) -> None:
    turn_on(admin)
    late = admin.post("/settings/grading", {**USUAL, "version": "1", "do": "save"})
    assert late.status_code == 409 and "Somebody else changed the formula" in text_of(late)
    assert models.AuditEntry.objects.get().what == "grading changed"
    assert rows(person, "/vulnerabilities/?order=-graded") == ["low-3", "medium-2", "high-1"]
    assert rows(person, "/vulnerabilities/?graded=critical&graded=medium&order=-graded") == ["low-3", "high-1"]
    assert rows(person, "/vulnerabilities/?severity=high") == ["high-1"], "the scanner's own"
    number = models.Vulnerability.objects.get(vulnerability="medium-2").pk
    shown = text_of(person.get(f"/vulnerabilities/{number}/"))
    assert "scanner: medium; graded: high, because CVSS 6.5, exploit +1, critical asset +1" in shown
    assert "Severities are graded by a formula" in text_of(person.get("/settings/"))


def test_what_is_no_formula_is_refused(admin: Client) -> None:
    for wrong in ({"kev": "-1"}, {"kev": ""}, {"kev": "nan"}, {"high": "9.5"}, {"epss_from": "2"}, {"low": "0"}):
        assert admin.post("/settings/grading", {**USUAL, **wrong, "do": "save"}).status_code == 400, wrong
    assert not models.AuditEntry.objects.exists()


def test_only_administrators_may(as_role: Callable[[str], Client]) -> None:
    assert as_role("approver").get("/settings/grading").status_code == 403
    assert as_role("approver").post("/settings/grading", {**USUAL, "do": "save"}).status_code == 403


def test_the_database_goes_by_an_index(store: str) -> None:
    listing = vulnerabilities(dict(DUE_DAYS), is_graded=True)
    query = f"{listing.rows} ORDER BY {listing.column('graded').order} DESC, {listing.key} DESC LIMIT 50"
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off")
        cursor.execute(f"EXPLAIN SELECT {listing.key} FROM {query}", listing.given)
        found = str(cursor.fetchall())
    assert "using vulnerability_by_graded" in found and "Sort" not in found


def test_a_projects_tickets_go_by_it_only_where_the_project_says_so(admin: Client, source: models.Source) -> None:
    halo = models.Connection.objects.create(name="halo")
    project = models.Project.objects.create(name="p", slug="p", connection=halo, source=source)

    def priorities() -> dict[str, tuple[str, str]]:
        steps = plan(world_of(project, DAY.date())).steps
        return {one.ticket_key: (one.body["priority"], one.body["due"]) for one in steps if one.kind is Kind.CREATE}

    plain = priorities()
    assert plain["fix low-3"] == ("Low", "2027-02-18")
    project.settings = {"graded": True}
    assert priorities() == plain, "there is no formula"
    turn_on(admin)
    assert priorities() == {
        "fix high-1": ("Medium", "2027-01-19"),
        "fix medium-2": ("High", "2026-12-20"),
        "fix low-3": ("Critical", "2026-11-27"),
    }
    reasons = {one.ticket_key: one.reason for one in plan(world_of(project, DAY.date())).steps}
    assert "low, as urgent as critical because it is graded so: CVSS 8.8, critical asset +1" in reasons["fix low-3"]
    # Without its tag, the asset raises nothing.
    models.Asset.objects.update(criticality_tags=[])
    assert priorities()["fix low-3"] == ("High", "2026-12-20")
    project.settings = {}
    assert priorities() == plain
