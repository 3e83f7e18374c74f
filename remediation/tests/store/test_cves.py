"""What feeds tell of CVEs, in the store: written where it is news, and put beside the vulnerabilities of all sources."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest
from django.db import connection

from remediation.enrichment.epss import ROWS as EPSS
from remediation.enrichment.kev import ROWS as KEV
from remediation.store import bulk, models
from remediation.store.cves import tell_all_vulnerabilities, write_cves
from remediation.store.intake import take_in

from .scans import scan, tell

DAY = date(2026, 11, 20)
READ = datetime(2026, 11, 20, 15, tzinfo=timezone.utc)
NEXT, LATER = DAY + timedelta(days=1), READ + timedelta(days=1)
ADDED, DUE = date(2026, 11, 1), date(2026, 11, 22)


def kev(*rows: tuple[Any, ...], day: date = DAY, read: datetime = READ) -> int:
    return write_cves("kev", pl.DataFrame(rows, schema=KEV, orient="row"), day, read)


def epss(*rows: tuple[Any, ...], day: date = DAY, read: datetime = READ) -> int:
    return write_cves("epss", pl.DataFrame(rows, schema=EPSS, orient="row"), day, read)


def known(cve: str) -> tuple[Any, ...]:
    row = models.Cve.objects.get(cve=cve)
    return row.kev_due, row.kev_ransomware, row.kev_of, row.epss, row.epss_percentile, row.epss_of, row.read


@pytest.mark.usefixtures("store")
def test_both_feeds_tell_of_one_cve_and_an_unchanged_day_writes_nothing() -> None:
    assert kev(("CVE-2026-1111", ADDED, DUE, True), ("CVE-2026-2222", ADDED, DUE, None)) == 2
    assert epss(("CVE-2026-1111", 0.9, 0.99), ("CVE-2026-3333", 0.1, 0.2)) == 2
    assert known("CVE-2026-1111") == (DUE, True, DAY, 0.9, 0.99, DAY, READ)
    assert known("CVE-2026-2222") == (DUE, None, DAY, None, None, None, READ)
    rows = set(models.Cve.objects.values_list())
    assert kev(("CVE-2026-2222", ADDED, DUE, None), ("CVE-2026-1111", ADDED, DUE, True), day=NEXT, read=LATER) == 0
    assert epss(("CVE-2026-1111", 0.9, 0.99), ("CVE-2026-3333", 0.1, 0.2), day=NEXT, read=LATER) == 0
    assert set(models.Cve.objects.values_list()) == rows
    assert epss(("CVE-2026-1111", 0.9, 0.98), ("CVE-2026-3333", 0.1, 0.2), day=NEXT, read=LATER) == 1
    assert known("CVE-2026-1111") == (DUE, True, DAY, 0.9, 0.98, NEXT, LATER)


@pytest.mark.usefixtures("store")
def test_what_leaves_one_feed_keeps_what_the_other_tells() -> None:
    kev(("CVE-2026-1111", ADDED, DUE, True))
    epss(("CVE-2026-1111", 0.9, 0.99), ("CVE-2026-3333", 0.1, 0.2))
    assert kev(("CVE-2026-9999", ADDED, DUE, True), day=NEXT, read=LATER) == 2
    assert known("CVE-2026-1111") == (None, None, None, 0.9, 0.99, DAY, LATER)
    assert epss(("CVE-2026-3333", 0.1, 0.2), day=NEXT, read=LATER) == 1
    assert known("CVE-2026-1111") == (None, None, None, None, None, None, LATER)


@pytest.mark.usefixtures("store")
def test_many_rows_are_written_in_seconds_where_the_figures_of_the_table_are_old() -> None:
    kev(("CVE-2026-1111", ADDED, DUE, True))
    with connection.cursor() as cursor:
        # Loops over both tables take minutes.
        cursor.execute("SET statement_timeout = '20s'")
    many = [(f"CVE-2026-{number}", 0.5, 0.5) for number in range(10_000, 50_000)]
    assert epss(*many) == 40_000


def told(of: str) -> tuple[Any, ...]:
    feeds = ("kev", "kev_due", "kev_ransomware", "feed_epss")
    rows = models.Enrichment.objects.filter(vulnerability__vulnerability=of)
    return rows.values_list(*feeds, "vulnerability__epss").get()


@pytest.fixture
def source(store: str) -> models.Source:
    row = models.Source.objects.create(name="console", kind="insightvm")
    take_in(row, scan({"web": ["critical-1", "low-9", "low-8"]}, READ))
    # One source writes them as it likes.
    cves = ["cve-2026-1111", " CVE-2026-2222", "CVE-2026-3333"]
    tell("critical-1", cves=cves)
    tell("low-9", cves=["CVE-2026-3333"], epss=0.5)
    return row


@pytest.mark.usefixtures("source")
def test_a_vulnerability_is_as_bad_as_the_worst_of_its_cves() -> None:
    kev(("CVE-2026-1111", ADDED, DUE, False), ("CVE-2026-2222", ADDED, DUE + timedelta(days=1), True))
    epss(("CVE-2026-1111", 0.1, 0.5), ("CVE-2026-3333", 0.7, 0.9))
    assert tell_all_vulnerabilities() == 2
    assert told("critical-1") == (True, DUE, True, 0.7, None)
    assert told("low-9") == (False, None, False, 0.7, 0.5), "the source's own stays"
    assert told("low-8") == (False, None, False, None, None)
    assert tell_all_vulnerabilities() == 0


@pytest.mark.usefixtures("source")
def test_a_cve_that_leaves_the_catalogue_takes_its_due_date_along() -> None:
    kev(("CVE-2026-1111", ADDED, DUE, True), ("CVE-2026-2222", ADDED, DUE + timedelta(days=9), False))
    tell_all_vulnerabilities()
    kev(("CVE-2026-2222", ADDED, DUE + timedelta(days=9), False))
    assert tell_all_vulnerabilities() == 1
    assert told("critical-1") == (True, DUE + timedelta(days=9), False, None, None)
    kev(("CVE-2020-1111", ADDED, DUE, False))
    assert tell_all_vulnerabilities() == 1
    assert told("critical-1") == (False, None, False, None, None)


def test_what_comes_after_the_feeds_were_read_is_told_at_once(store: str) -> None:
    kev(("CVE-2026-1111", ADDED, DUE, True))
    epss(("CVE-2026-1111", 0.9, 0.99))
    row = models.Source.objects.create(name="console", kind="insightvm")
    snapshot = scan({"web": ["critical-1"]}, READ)
    snapshot.findings.replace_column(snapshot.findings.get_column_index("cves"), pl.Series("cves", [["CVE-2026-1111"]]))
    take_in(row, snapshot)
    assert told("critical-1") == (True, DUE, True, 0.9, None)


def test_each_new_vulnerability_gets_what_the_feeds_tell_and_only_once(store: str) -> None:
    kev(("CVE-2026-1111", ADDED, DUE, False), ("CVE-2026-2222", ADDED, DUE + timedelta(days=1), True))
    epss(("CVE-2026-1111", 0.1, 0.5), ("CVE-2026-3333", 0.7, 0.9))
    row = models.Source.objects.create(name="console", kind="insightvm")
    snapshot = scan({"web": ["critical-1", "critical-2", "low-8", "low-9"]}, READ)
    cves = pl.Series("cves", [["CVE-2026-2222", " cve-2026-1111 "], ["CVE-2026-3333"], ["CVE-2026-4444"], None])
    snapshot.findings.replace_column(snapshot.findings.get_column_index("cves"), cves)
    take_in(row, snapshot)
    found = [told(name)[:4] for name in ("critical-1", "critical-2", "low-8", "low-9")]
    assert found == [(True, DUE, True, 0.1), (False, None, False, 0.7), *[(False, None, False, None)] * 2]
    assert tell_all_vulnerabilities() == 0


def test_frames_have_what_the_feeds_tell_where_the_source_tells_none(source: models.Source) -> None:
    kev(("CVE-2026-1111", ADDED, DUE, False))
    epss(("CVE-2026-3333", 0.7, 0.9))
    tell_all_vulnerabilities()
    of = ["vulnerability", "epss", "kev", "kev_due"]
    rows = {("critical-1", 0.7, True, DUE), ("low-9", 0.5, False, None), ("low-8", None, False, None)}
    assert set(bulk.read_findings(source.pk).select(of).rows()) == rows
    assert set(bulk.read_alive(source.pk, "asset", "web", 10).select(of).rows()) == rows
