"""When the feeds are read, how that ends, and that it reaches the vulnerabilities."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from django.utils import timezone as clock

from remediation.ending import Ending
from remediation.jobs import feed_tasks
from remediation.jobs.enrich import due_feeds, read_feeds
from remediation.jobs.status import status
from remediation.store import models
from stand_ins.cve_feeds import CveFeeds

from ..store.scans import scan
from .conftest import wait_until, waiting_jobs

HOUR = timedelta(hours=1)


def no_sleep(_: float) -> None:
    """Nobody waits."""


@pytest.fixture
def vulnerability(store: str) -> models.Vulnerability:
    from remediation.store.intake import take_in

    source = models.Source.objects.create(name="console", kind="insightvm")
    take_in(source, scan({"web": ["critical-1"]}, datetime(2026, 11, 20, tzinfo=timezone.utc)))
    row = models.Vulnerability.objects.get()
    row.cves = ["CVE-2026-1111"]
    row.save(update_fields=["cves"])
    return row


def test_both_are_due_once_a_day_and_what_is_off_never(
    store: str, feeds: CveFeeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now()
    assert due_feeds(now) == ["kev", "epss"]
    assert {name: ended.ending for name, ended in read_feeds().items()} == {"kev": 0, "epss": 0}
    assert not due_feeds(clock.now()) and due_feeds(now + timedelta(days=2)) == ["kev", "epss"]
    monkeypatch.setattr("django.conf.settings.FEEDS", {"kev": "", "epss": feeds.epss_url})
    assert due_feeds(now + timedelta(days=2)) == ["epss"]
    feeds.requests.clear()
    assert list(read_feeds()) == ["epss"] and all("epss" in path for _, path in feeds.requests)


def test_what_is_read_reaches_the_vulnerabilities_also_after_a_reading_that_did_not(
    vulnerability: models.Vulnerability, feeds: CveFeeds
) -> None:
    read_feeds()
    told = models.Enrichment.objects.values_list("kev", "feed_epss")
    assert told.get() == (True, 0.97)
    # As if the process had ended between both.
    models.Enrichment.objects.update(kev=False, feed_epss=None)
    assert all("not changed" in ended.text for ended in read_feeds().values())
    assert told.get() == (True, 0.97)


def test_a_failure_is_kept_tried_again_and_stops_not_the_other(store: str, feeds: CveFeeds) -> None:
    feeds.faults.contents["/known_exploited_vulnerabilities.json"] = b"{}"
    done = read_feeds(sleep=no_sleep)
    assert [ended.ending for ended in done.values()] == [Ending.REFUSED, Ending.DONE]
    shown = status()
    assert not shown["ok"] and "lists no vulnerability" in shown["feeds"][0]["wrong"] and not shown["feeds"][1]["wrong"]
    now = clock.now()
    assert not due_feeds(now) and due_feeds(now + HOUR) == ["kev"]
    feeds.faults.contents.clear()
    read_feeds(["kev"])
    assert status()["ok"]


def test_a_server_that_asks_for_a_longer_pause_gets_it(store: str, feeds: CveFeeds) -> None:
    feeds.faults.failing, feeds.faults.status, feeds.faults.retry_after = 1, 429, str(3 * 60 * 60)
    assert read_feeds(["kev"], sleep=no_sleep)["kev"].ending is Ending.FAILED
    now = clock.now()
    assert due_feeds(now + 2 * HOUR) == ["epss"] and due_feeds(now + 3 * HOUR) == ["kev", "epss"]


def test_the_clock_asks_for_what_is_due_once(store: str, feeds: CveFeeds) -> None:
    feed_tasks.look_for_due_feeds(0)
    feed_tasks.look_for_due_feeds(0)
    assert waiting_jobs() == ["enrich"]
    feed_tasks.read_due_feeds()
    assert not due_feeds(clock.now()) and models.Cve.objects.count() == 3
    requests = len(feeds.requests)
    feed_tasks.read_due_feeds()
    assert len(feeds.requests) == requests, "nothing is due"


@pytest.mark.usefixtures("no_round")
def test_a_worker_reads_them(worker: Callable[[], Any], environment: dict[str, str], feeds: CveFeeds) -> None:
    environment |= {"REMEDIATION_KEV_URL": feeds.kev_url, "REMEDIATION_EPSS_URL": feeds.epss_url}
    feed_tasks.ask_to_enrich()
    worker()
    wait_until(lambda: models.Feed.objects.filter(day=feeds.day).count() == 2)
