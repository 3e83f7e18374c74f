"""What the feeds tell, on the pages: in the list, on the pages of one vulnerability and device, in files, in settings."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import date, datetime, timezone
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from remediation.domain.project import DUE_DAYS
from remediation.jobs.enrich import read_feeds
from remediation.store import models
from remediation.store.intake import take_in
from remediation.store.listing import Query, page
from remediation.web.vulnerabilities.rows import vulnerabilities
from stand_ins.cve_feeds import KEV, CveFeeds, Exploited
from tests.jobs.conftest import waiting_jobs

from ..store.scans import scan
from .test_connections import text_of
from .test_lists import rows

DAY = datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc)


@pytest.fixture
def source(store: str, feeds: CveFeeds) -> models.Source:
    """Four vulnerabilities: two in the catalogue, one of which the source scores, one with a score, one with nothing."""
    feeds.exploited["CVE-2026-4444"] = Exploited(date(2026, 11, 2), date(2026, 12, 1))
    feeds.scores["CVE-2026-4444"] = (0.6, 0.9)
    row = models.Source.objects.create(name="console", kind="insightvm")
    take_in(row, scan({"web": ["critical-1", "high-2", "medium-4", "low-9"]}, DAY))
    for name, cve in {"critical-1": 2222, "high-2": 1111, "medium-4": 4444}.items():
        models.Vulnerability.objects.filter(vulnerability=name).update(cves=[f"CVE-2026-{cve}"])
    models.Vulnerability.objects.filter(vulnerability="medium-4").update(epss=0.005)
    read_feeds()
    return row


LISTED = {
    "kev=yes": ["high-2", "medium-4"],
    "kev=no": ["critical-1", "low-9"],
    "order=-kev": ["medium-4", "high-2", "low-9", "critical-1"],
    "order=-epss": ["high-2", "critical-1", "medium-4", "low-9"],
    "order=epss": ["low-9", "medium-4", "critical-1", "high-2"],
    "least_epss=0.01": ["critical-1", "high-2"],
    "kev=yes&order=-epss": ["high-2", "medium-4"],
}


@pytest.mark.usefixtures("source")
def test_the_list_is_filtered_and_ordered(person: Client) -> None:
    assert {query: rows(person, f"/vulnerabilities/?{query}") for query in LISTED} == LISTED


@pytest.mark.usefixtures("source")
def test_pages_go_on_by_it() -> None:
    listing = vulnerabilities(dict(DUE_DAYS))
    for order in ("kev", "-kev", "epss", "-epss"):
        whole = [row["title"] for row in page(listing, Query(order=order)).rows]
        found = page(listing, Query(order=order, size=1))
        seen = [row["title"] for row in found.rows]
        while found.later:
            found = page(listing, Query(order=order, after=found.later, size=1))
            seen += [row["title"] for row in found.rows]
        assert seen == whole and len(seen) == 4, order


@pytest.mark.parametrize(
    ("column", "asked", "index"),
    [
        ("kev", "", "enrichment_by_kev"),
        ("epss", "", "enrichment_by_epss"),
        ("severity", "kev", "enrichment_in_kev"),
    ],
)
def test_the_database_goes_by_an_index(store: str, column: str, asked: str, index: str) -> None:
    """So that a page is as quick among a million."""
    listing = vulnerabilities(dict(DUE_DAYS))
    by, where = listing.column(column), {one.name: one.sql for one in listing.filters}.get(asked, "true")
    query = f"{listing.rows} AND {where} ORDER BY {by.order} DESC, {by.order_key or listing.key} DESC LIMIT 50"
    with connection.cursor() as cursor:
        # The table is empty, for which any way is as good.
        cursor.execute("SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off")
        cursor.execute(f"EXPLAIN SELECT {listing.key} FROM {query}", {**listing.given, "kev": "yes"})
        plan = str(cursor.fetchall())
    assert f"using {index}" in plan and "Sort" not in plan


@pytest.mark.usefixtures("source")
def test_each_says_its_source_and_date_also_in_files(person: Client) -> None:
    columns = "&".join(f"columns={name}" for name in ("title", "kev", "kev_due", "epss", "epss_by"))
    known = {
        "critical-1": ["", "", "0.01", "FIRST, 2026-11-20"],
        "high-2": ["due 2026-11-22, ransomware known (CISA, 2026-11-20)", "2026-11-22", "0.97", "FIRST, 2026-11-20"],
        "medium-4": ["due 2026-12-01 (CISA, 2026-11-20)", "2026-12-01", "0.005", "the source"],
        "low-9": ["", "", "", ""],
    }
    told = content(person.get(f"/vulnerabilities/?{columns}&export=csv"))
    header, *lines = csv.reader(io.StringIO(told))
    assert header == ["Vulnerability", "KEV", "KEV due", "EPSS", "EPSS by"]
    assert {line[0]: line[1:] for line in lines} == known
    objects = json.loads(content(person.get(f"/vulnerabilities/?{columns}&export=json")))
    assert objects[1] == {"title": "high-2", "epss": 0.97} | dict(
        zip(("kev", "kev_due", "epss_by"), (*known["high-2"][:2], known["high-2"][3]))
    )
    page_of_list = text_of(person.get("/vulnerabilities/"))
    assert "ransomware known (CISA, 2026-11-20)" in page_of_list and "FIRST, 2026-11-20" in page_of_list


def content(answer: Any) -> str:
    return b"".join(answer.streaming_content).decode()


@pytest.mark.usefixtures("source")
def test_the_pages_of_one_tell_each_cve(person: Client) -> None:
    number = models.Vulnerability.objects.get(vulnerability="high-2").pk
    shown = text_of(person.get(f"/vulnerabilities/{number}/"))
    assert "yes, due 2026-11-22, ransomware known (2026-11-20)" in shown
    assert "CVE-2026-1111 2026-11-01 2026-11-22 known 0.97 0.999" in shown
    assert "CISA's catalogue of known exploited vulnerabilities, of 2026-11-20" in shown
    number = models.Device.objects.get().pk
    shown = text_of(person.get(f"/devices/{number}/"))
    assert "CVE-2026-1111 due 2026-11-22, ransomware known 0.97" in shown and "FIRST's scores, of 2026-11-20" in shown


def test_the_pages_say_so_where_nothing_was_read(person: Client, store: str) -> None:
    take_in(models.Source.objects.create(name="console", kind="insightvm"), scan({"web": ["high-2"]}, DAY))
    shown = text_of(person.get(f"/vulnerabilities/{models.Vulnerability.objects.get().pk}/"))
    assert "no (not read)" in shown
    assert "CISA's catalogue, not read" in text_of(person.get(f"/devices/{models.Device.objects.get().pk}/"))
    assert text_of(person.get("/settings/")).count("off") == 2


def test_settings_show_what_was_read_and_administrators_ask_for_more(
    source: models.Source, feeds: CveFeeds, as_role: Callable[[str], Client]
) -> None:
    admin, viewer = as_role("admin"), as_role("viewer")
    shown = text_of(viewer.get("/settings/"))
    assert "3 CVEs of 2026-11-20, release 2026.11.20" in shown and feeds.kev_url in shown
    assert "Read the feeds now" not in shown
    assert viewer.post("/settings/feeds/read").status_code == 403 and not waiting_jobs()
    assert "A reading is asked for." in text_of(admin.post("/settings/feeds/read", follow=True))
    assert waiting_jobs() == ["enrich"] and not models.Feed.objects.exclude(due=None).exists()
    assert "waits in the queue already" in text_of(admin.post("/settings/feeds/read", follow=True))


def test_only_a_failure_is_on_the_overview(source: models.Source, feeds: CveFeeds, person: Client) -> None:
    assert "CISA's catalogue" not in text_of(person.get("/"))
    feeds.faults.contents[KEV] = b"{}"
    read_feeds()
    shown = text_of(person.get("/"))
    assert "CISA's catalogue (KEV) could not be read: CISA's catalogue lists no vulnerability." in shown
    assert "FIRST's" not in shown
    assert "The last try failed" in text_of(person.get("/settings/"))
