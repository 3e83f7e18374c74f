"""Reading a feed into the store: what is kept of it, what is not believed, and what an unchanged day costs."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest

from remediation.enrichment.conditional_get import PAUSES
from remediation.enrichment.reading import EVERY, KINDS, NotBelieved, Read, keep_failure, read_feed
from remediation.sources.errors import SourceError
from remediation.store import models
from stand_ins.cve_feeds import EPSS, KEV, CveFeeds, Exploited

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=timezone.utc)
DAY = timedelta(days=1)
KEV_KIND, EPSS_KIND = KINDS

pytestmark = pytest.mark.usefixtures("store")


def read(feeds: CveFeeds, now: datetime = NOON, kind: Any = KEV_KIND, **options: bool) -> Read:
    address = feeds.kev_url if kind is KEV_KIND else feeds.epss_url
    return read_feed(kind, address, now, lambda _: None, **options)


def everything() -> tuple[set[Any], dict[str, Any]]:
    feed = models.Feed.objects.values().get(name="kev")
    return set(models.Cve.objects.values_list()), {name: feed[name] for name in ("day", "rows", "etag", "read")}


def test_both_are_read_and_kept_with_their_dates(feeds: CveFeeds) -> None:
    assert read(feeds) == Read(feeds.day, 2, 2)
    assert read(feeds, kind=EPSS_KIND) == Read(feeds.day, 2, 2)
    kev, epss = models.Feed.objects.order_by("-name")
    assert (kev.day, kev.release, kev.rows, kev.read, kev.due) == (feeds.day, "2026.11.20", 2, NOON, NOON + EVERY)
    assert (epss.release, epss.error) == ("v2025.03.14", "")
    assert models.Cve.objects.get(cve="CVE-2026-1111").epss == 0.97
    assert models.Cve.objects.count() == 3


def test_an_unchanged_day_sends_nothing_and_writes_nothing(feeds: CveFeeds) -> None:
    read(feeds)
    rows, _ = everything()
    assert read(feeds, NOON + DAY) == Read(feeds.day, 2, None)
    assert everything()[0] == rows
    assert models.Feed.objects.get().read == NOON + DAY
    # A server that knows no ETag sends all of it again.
    feeds.faults.tells_etag = False
    models.Feed.objects.update(etag="")
    feeds.day += DAY
    assert read(feeds, NOON + 2 * DAY) == Read(feeds.day, 2, 0)
    assert everything()[0] == rows


def test_another_address_is_read_whole(feeds: CveFeeds) -> None:
    read(feeds)
    models.Feed.objects.update(address="https://mirror.example/kev.json")
    assert read(feeds, NOON + DAY) == Read(feeds.day, 2, 0)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no JSON object"),
        (b"{}", "lists no vulnerability"),
        (b'{"vulnerabilities": [], "count": 0}', "lists no vulnerability"),
        (b'{"vulnerabilities": [{"cveID": "CVE-2', "no JSON object"),
        (b"<html>The proxy wants a word</html>", "no JSON object"),
    ],
)
def test_a_hostile_catalogue_changes_nothing(feeds: CveFeeds, content: bytes, said: str) -> None:
    read(feeds)
    before = everything()
    feeds.faults.contents[KEV] = content
    with pytest.raises(SourceError, match=said):
        read(feeds, NOON + DAY)
    assert everything() == before
    feeds.faults.contents.clear()
    feeds.exploited.popitem()
    feeds.faults.cut = 1 + len(PAUSES)
    with pytest.raises(SourceError, match="broke off"):
        read(feeds, NOON + DAY)
    assert everything() == before


def test_hostile_scores_change_nothing(feeds: CveFeeds) -> None:
    read(feeds, kind=EPSS_KIND)
    before = set(models.Cve.objects.values_list())
    for content in (b"", b"\x1f\x8b\0\0", feeds.scores_csv().encode()[:-3]):
        feeds.faults.contents[f"/epss_scores-{feeds.day}.csv.gz"] = content
        with pytest.raises(SourceError):
            read(feeds, NOON + DAY, EPSS_KIND)
    assert set(models.Cve.objects.values_list()) == before and EPSS in {path for _, path in feeds.requests}


def test_what_is_much_shorter_or_older_is_not_believed_until_somebody_says_so(feeds: CveFeeds) -> None:
    entry = Exploited(date(2026, 11, 1), date(2026, 11, 22))
    feeds.exploited = {f"CVE-2026-{number}": entry for number in range(1000, 1020)}
    read(feeds)
    for number in (1000, 1001):
        del feeds.exploited[f"CVE-2026-{number}"]
    assert read(feeds, NOON + DAY).changed == 2, "single ones do leave"
    before = everything()
    for number in range(1002, 1005):
        del feeds.exploited[f"CVE-2026-{number}"]
    with pytest.raises(NotBelieved, match="holds 15 CVEs, and held 18 before"):
        read(feeds, NOON + 2 * DAY)
    assert everything() == before
    assert read(feeds, NOON + 2 * DAY, accept=True).changed == 3
    feeds.day -= DAY
    with pytest.raises(NotBelieved, match="2026-11-19, and that of 2026-11-20 is known"):
        read(feeds, NOON + 3 * DAY)
    assert read(feeds, NOON + 3 * DAY, accept=True) == Read(feeds.day, 15, 0)


def test_a_failure_is_kept_until_a_reading_succeeds(feeds: CveFeeds) -> None:
    keep_failure(KEV_KIND, "It was away.", NOON + timedelta(hours=1))
    assert models.Feed.objects.values_list("error", "day", "due").get() == (
        "It was away.",
        None,
        NOON + timedelta(hours=1),
    )
    read(feeds)
    assert models.Feed.objects.get().error == ""
