"""What the feeds tell of CVEs in plans and tickets: texts, priority, due date, and that a later word changes nothing."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from remediation.enrichment.epss import ROWS as EPSS
from remediation.enrichment.kev import ROWS as KEV
from remediation.store.cves import tell_all_vulnerabilities, write_cves

from .conftest import START, Scene

TODAY = START.date()
CVE = "CVE-2026-0002"  # of each vulnerability whose key has two signs


def in_kev(due: date) -> None:
    write_cves("kev", pl.DataFrame([(CVE, TODAY, due, True)], schema=KEV, orient="row"), TODAY, START)
    tell_all_vulnerabilities()


def scored(epss: float) -> None:
    write_cves("epss", pl.DataFrame([(CVE, epss, 0.9)], schema=EPSS, orient="row"), TODAY, START)
    tell_all_vulnerabilities()


def due(scene: Scene, key: str) -> str:
    return str(scene.ticket(key)["deadlinedate"])[:10]


@pytest.mark.parametrize(
    ("days", "expected"), [(5, 5), (90, 30)], ids=["KEV's is earlier", "the severity's is earlier"]
)
def test_the_due_date_is_kevs_where_it_is_earlier(scene: Scene, days: int, expected: int) -> None:
    in_kev(TODAY + timedelta(days=days))
    scene.scan("a1 v1 s1", "a2 other s2")
    scene.run().apply()
    assert due(scene, "s1") == (TODAY + timedelta(days=expected)).isoformat()
    assert due(scene, "s2") == (TODAY + timedelta(days=30)).isoformat()


def test_a_ticket_that_is_there_keeps_its_date_and_the_plan_stays_empty(scene: Scene) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    before = due(scene, "s1")
    in_kev(TODAY + timedelta(days=2))
    scored(0.99)
    scene.halo.forget_requests()
    assert not scene.run().apply()[0].steps
    assert due(scene, "s1") == before and not scene.writes()


@pytest.mark.parametrize("raised", ["kev", "epss"])
def test_priority_and_due_date_are_raised(scene: Scene, raised: str) -> None:
    scene.settings(raise_for=[raised], child_details="KEV $KEV, EPSS $TOP_EPSS", most_creates=100)
    in_kev(TODAY + timedelta(days=90))
    scored(0.75)
    scene.scan("a1 v1 s1", "a2 other s2")
    scene.run().apply()
    assert due(scene, "s1") == (TODAY + timedelta(days=7)).isoformat()
    assert due(scene, "s2") == (TODAY + timedelta(days=30)).isoformat()
    assert scene.ticket("s1")["priority_id"] != scene.ticket("s2")["priority_id"]
    assert "KEV yes, EPSS 0.75" in scene.ticket("s1")["details"]
    assert "KEV , EPSS" in scene.ticket("s2")["details"]


@pytest.mark.parametrize("scope", [{"kev": True}, {"min_epss": 0.5}])
def test_a_scope_takes_in_what_the_feeds_name_and_keeps_it(scene: Scene, scope: dict[str, object]) -> None:
    scene.settings(scope=scope)
    scene.scan("a1 v1 s1", "a2 other s2")
    assert not scene.run().apply()[0].steps
    in_kev(TODAY + timedelta(days=9))
    scored(0.75)
    scene.run().apply()
    assert set(scene.tickets()) == {"s1", "project"}
    write_cves("kev", pl.DataFrame([("CVE-2020-1111", TODAY, TODAY, None)], schema=KEV, orient="row"), TODAY, START)
    scored(0.1)
    assert not scene.run().apply()[0].steps, "what is in a ticket stays in it"
