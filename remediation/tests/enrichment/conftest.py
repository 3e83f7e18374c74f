"""Both feeds as stand-ins, a store that reads them, and a sleep that only counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from stand_ins.cve_feeds import CveFeeds, Exploited

DAY = date(2026, 11, 20)


@pytest.fixture
def feeds(monkeypatch: pytest.MonkeyPatch) -> Iterator[CveFeeds]:
    """Two CVEs in the catalogue, of which one has a score, and a score of a third. The service's settings name them."""
    with CveFeeds(DAY) as running:
        running.exploited = {
            "CVE-2026-1111": Exploited(date(2026, 11, 1), date(2026, 11, 22), "Known"),
            "CVE-2025-123456": Exploited(date(2025, 3, 1), date(2026, 12, 24)),
        }
        running.scores = {"CVE-2026-1111": (0.97, 0.999), "CVE-2026-2222": (0.01, 0.5)}
        monkeypatch.setattr("django.conf.settings.FEEDS", {"kev": running.kev_url, "epss": running.epss_url})
        yield running


@pytest.fixture
def pauses() -> list[float]:
    """The pauses that were made: ``pauses.append`` is a sleep."""
    return []
