"""How a feed is fetched: what is asked, how often, and what refusals mean."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from remediation.enrichment.conditional_get import (
    MOST_REDIRECTS,
    PAUSES,
    Answer,
    AskedToWait,
    Mark,
    get_if_changed,
    require_permitted,
)
from remediation.sources import http_answer
from remediation.sources.errors import CutOff, NotThere, NotUnderstood, SourceBusy, SourceError, TooMuch, Unreachable
from stand_ins.cve_feeds import EPSS, KEV, CveFeeds


def get(address: str, pauses: list[float], known: Mark = Mark()) -> Answer:
    return get_if_changed(address, "the feed", known, 1 << 20, pauses.append)


def test_what_has_not_changed_is_not_sent_again(feeds: CveFeeds, pauses: list[float]) -> None:
    first = get(feeds.kev_url, pauses)
    assert first.content and first.mark.etag and not pauses
    assert get(feeds.kev_url, pauses, first.mark) == Answer(None, first.mark)
    feeds.exploited.pop("CVE-2026-1111")
    second = get(feeds.kev_url, pauses, first.mark)
    assert second.content and second.mark != first.mark


def test_a_redirect_to_the_file_of_the_day_is_followed_with_the_condition(feeds: CveFeeds, pauses: list[float]) -> None:
    first = get(feeds.epss_url, pauses)
    assert get(feeds.epss_url, pauses, first.mark).content is None
    day = f"/epss_scores-{feeds.day}.csv.gz"
    assert [path for _, path in feeds.requests] == [EPSS, day, EPSS, day]


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_server_that_fails_is_asked_again(feeds: CveFeeds, pauses: list[float], status: int) -> None:
    feeds.faults.failing, feeds.faults.status = 2, status
    assert get(feeds.kev_url, pauses).content
    assert pauses == list(PAUSES[:2])


def test_a_server_that_keeps_failing_is_told_of(feeds: CveFeeds, pauses: list[float]) -> None:
    feeds.faults.failing = 99
    with pytest.raises(SourceBusy, match="127.0.0.1 answers with status 503 instead of the feed"):
        get(feeds.kev_url, pauses)
    assert len(feeds.requests) == 1 + len(PAUSES) and pauses == list(PAUSES)


def test_the_pause_that_a_server_asks_for_is_made(feeds: CveFeeds, pauses: list[float]) -> None:
    feeds.faults.failing, feeds.faults.status, feeds.faults.retry_after = 1, 429, "77"
    assert get(feeds.kev_url, pauses).content
    assert pauses == [77]


def test_a_pause_by_date_is_counted_by_the_servers_clock(feeds: CveFeeds, pauses: list[float]) -> None:
    feeds.now -= timedelta(days=100)
    until = format_datetime(feeds.now + timedelta(seconds=90), usegmt=True)
    feeds.faults.failing, feeds.faults.status, feeds.faults.retry_after = 1, 503, until
    assert get(feeds.kev_url, pauses).content
    assert pauses == [90]


def test_a_pause_that_is_too_long_is_not_made(feeds: CveFeeds, pauses: list[float]) -> None:
    feeds.faults.failing, feeds.faults.status, feeds.faults.retry_after = 1, 429, "7200"
    with pytest.raises(AskedToWait) as caught:
        get(feeds.kev_url, pauses)
    assert caught.value.seconds == 7200 and not pauses and len(feeds.requests) == 1


def test_an_answer_that_breaks_off_is_asked_for_again(feeds: CveFeeds, pauses: list[float]) -> None:
    feeds.faults.cut = 1
    assert get(feeds.kev_url, pauses).content
    feeds.faults.cut = 99
    with pytest.raises(CutOff):
        get(feeds.kev_url, pauses)


@pytest.mark.parametrize(
    ("status", "error"), [(404, NotThere), (410, NotThere), (403, NotUnderstood), (204, NotUnderstood)]
)
def test_a_refusal_is_not_asked_for_again(
    feeds: CveFeeds, pauses: list[float], status: int, error: type[SourceError]
) -> None:
    feeds.faults.failing, feeds.faults.status = 1, status
    with pytest.raises(error):
        get(feeds.kev_url, pauses)
    assert not pauses


def test_not_changed_is_no_answer_to_who_knows_nothing(feeds: CveFeeds, pauses: list[float]) -> None:
    feeds.faults.failing, feeds.faults.status = 1, 304
    with pytest.raises(NotUnderstood):
        get(feeds.kev_url, pauses)


def test_an_answer_is_bounded_in_size_and_time(
    feeds: CveFeeds, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    feeds.faults.contents[KEV] = b"x" * (2 << 20)
    with pytest.raises(TooMuch):
        get(feeds.kev_url, pauses)
    feeds.faults.contents.clear()
    monkeypatch.setattr(http_answer, "LONGEST_ANSWER", -1.0)
    with pytest.raises(TooMuch):
        get(feeds.kev_url, pauses)


def test_nobody_there_is_told_of(feeds: CveFeeds, pauses: list[float]) -> None:
    address = feeds.kev_url
    feeds.stop()
    with pytest.raises(Unreachable, match="127.0.0.1, which serves the feed, gives no answer"):
        get(address, pauses)


@pytest.mark.parametrize(
    "address",
    [
        "http://mirror.example/kev.json",
        "http://10.0.0.1/kev.json",
        "https://user:word@mirror.example/kev.json",
        "ftp://mirror.example/kev.json",
        "file:///etc/passwd",
        "https://",
        "https://[::1",
        "kev.json",
        "",
    ],
)
def test_addresses_that_are_not_asked(address: str) -> None:
    with pytest.raises(NotUnderstood) as caught:
        require_permitted(address, "the feed")
    assert "word" not in str(caught.value)


@pytest.mark.parametrize("address", ["https://mirror.example/kev.json", "http://127.0.0.1:1/x", "http://localhost/x"])
def test_addresses_that_are_asked(address: str) -> None:
    require_permitted(address, "the feed")


def test_no_redirect_leads_away_from_https_and_none_goes_on_for_ever(feeds: CveFeeds, pauses: list[float]) -> None:
    feeds.faults.redirect = "http://mirror.example/other"
    with pytest.raises(NotUnderstood, match="https"):
        get(feeds.kev_url, pauses)
    feeds.faults.redirect = KEV
    feeds.requests.clear()
    with pytest.raises(NotUnderstood, match="status 302"):
        get(feeds.kev_url, pauses)
    assert len(feeds.requests) == 1 + MOST_REDIRECTS


class Nowhere(BaseHTTPRequestHandler):
    """Redirects to what is no address, which the stand-in refuses to send; from /large with more than anybody takes."""

    def do_GET(self) -> None:  # pylint: disable=invalid-name  # the base's way
        self.send_response(302)
        self.send_header("Location", "//[::1")
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(b"x" * (64 << 20 if self.path == "/large" else 0))

    def log_message(self, *_: object) -> None:  # pylint: disable=arguments-differ
        """Say nothing."""


@pytest.mark.parametrize(("path", "error"), [("/kev.json", NotUnderstood), ("/large", TooMuch)])
def test_a_redirect_to_no_address_is_refused_and_bounded(
    pauses: list[float], path: str, error: type[SourceError]
) -> None:
    with HTTPServer(("127.0.0.1", 0), Nowhere) as server:
        Thread(target=server.handle_request, daemon=True).start()
        with pytest.raises(error):
            get(f"http://127.0.0.1:{server.server_port}{path}", pauses)
