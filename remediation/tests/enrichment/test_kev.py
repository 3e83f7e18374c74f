"""CISA's catalogue: what is understood of it, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from remediation.enrichment.kev import parse
from remediation.sources.errors import NotUnderstood
from stand_ins.cve_feeds import CveFeeds, Exploited


def catalogue() -> dict[str, Any]:
    feeds = CveFeeds(date(2026, 11, 20))
    feeds.exploited = {
        "CVE-2026-1111": Exploited(date(2026, 11, 1), date(2026, 11, 22), "Known"),
        "CVE-2025-1234567": Exploited(date(2025, 3, 1), date(2025, 3, 22), "Unknown"),
        "CVE-2021-4444": Exploited(date(2021, 11, 3), date(2021, 11, 17), None),
    }
    return feeds.catalogue()


def test_a_catalogue_is_read_with_what_is_new_in_it_and_without_what_was_not_in_old_ones() -> None:
    told = catalogue()
    told["vulnerabilities"][0]["forensicTriage"] = "Yes"
    told["vulnerabilities"][1]["cwes"] = ["CWE-79"]
    facts = parse(json.dumps(told).encode())
    assert (facts.day, facts.release) == (date(2026, 11, 20), "2026.11.20")
    assert facts.rows.rows() == [
        ("CVE-2026-1111", date(2026, 11, 1), date(2026, 11, 22), True),
        ("CVE-2025-1234567", date(2025, 3, 1), date(2025, 3, 22), False),
        ("CVE-2021-4444", date(2021, 11, 3), date(2021, 11, 17), None),
    ]


def entry(**members: Any) -> Callable[[dict[str, Any]], None]:
    return lambda told: told["vulnerabilities"][1].update(members)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda told: told.update(vulnerabilities=[]), "lists no vulnerability"),
        (lambda told: told.update(vulnerabilities=None), "lists no vulnerability"),
        (lambda told: told.pop("vulnerabilities"), "lists no vulnerability"),
        (lambda told: told["vulnerabilities"].pop(), "tells a count of 3"),
        (lambda told: told.pop("count"), "tells a count of None"),
        (lambda told: told.update(dateReleased="yesterday"), "dateReleased"),
        (lambda told: told.pop("dateReleased"), "dateReleased"),
        (lambda told: told["vulnerabilities"].__setitem__(1, "CVE-2025-1"), "Entry 2"),
        (entry(cveID="CVE-25-1234"), "Entry 2"),
        (entry(cveID="CVE-2025-1234\n"), "Entry 2"),
        (entry(cveID=None), "Entry 2"),
        (entry(cveID="CVE-2026-1111"), "CVE-2026-1111 twice"),
        (entry(dateAdded="03/01/2025"), "dateAdded of CVE-2025-1234567"),
        (entry(dueDate=""), "dueDate of CVE-2025-1234567"),
        (entry(dueDate=None), "dueDate of CVE-2025-1234567"),
        (entry(dueDate=20250322), "dueDate of CVE-2025-1234567"),
        (entry(knownRansomwareCampaignUse="Maybe"), "neither Known nor Unknown"),
        (entry(knownRansomwareCampaignUse=["Known"]), "neither Known nor Unknown"),
    ],
)
def test_what_is_not_understood_is_refused_whole(change: Callable[[dict[str, Any]], Any], said: str) -> None:
    told = catalogue()
    change(told)
    with pytest.raises(NotUnderstood, match=said):
        parse(json.dumps(told).encode())


@pytest.mark.parametrize("content", [b"", b"<html>Sign in</html>", b"[]", b"null", b"[" * 100_000, b"\xff\xfe{}"])
def test_what_is_no_catalogue_is_refused(content: bytes) -> None:
    with pytest.raises(NotUnderstood):
        parse(content)


def test_any_cut_makes_a_catalogue_another_thing() -> None:
    whole = json.dumps(catalogue()).encode()
    for length in range(0, len(whole), 7):
        with pytest.raises(NotUnderstood):
            parse(whole[:length])
