"""The network view: each number as the database tells it, asked in another way."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone

import polars as pl
import pytest
from django.db import connection
from django.test import Client

from remediation.domain.subnets import Subnets
from remediation.store import models
from remediation.store.intake import take_in
from remediation.store.segments import LISTS, SUBNET, segments

from ..store.scans import scan
from .test_connections import text_of

DAY = datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc)
FOUND = {
    "web": ["critical-1", "low-9"],
    "db": ["critical-1", "high-2", "high-3"],
    "app": ["low-9"],
    "v6": ["medium-4"],
    "clean": [],
    "nowhere": ["none-5"],
    "odd": ["low-9"],
}
ADDRESSES = {
    "web": "10.1.2.3", "db": "10.1.2.200", "app": "10.1.3.3", "v6": "fe80:1::5", "clean": "10.9.0.1", "odd": "no address",
}  # fmt: skip
SITES = {"web": ["DMZ <1>", "HQ"], "db": ["HQ"], "v6": ["DMZ <1>"]}
RISK = {"critical-1": 900.5, "high-2": 300.0, "low-9": 10.0}


@pytest.fixture
def source(store: str) -> models.Source:
    row = models.Source.objects.create(name="console", kind="insightvm")
    seen = scan(FOUND, DAY)
    asset, name = pl.col("asset"), pl.col("vulnerability")
    take_in(
        row,
        replace(
            seen,
            findings=seen.findings.with_columns(name.replace_strict(RISK, default=None).alias("risk")),
            assets=seen.assets.with_columns(
                asset.replace_strict(ADDRESSES, default=None).alias("ip"),
                asset.replace_strict(SITES, default=[], return_dtype=pl.List(pl.String)).alias("sites"),
                asset.replace_strict(SITES, default=[], return_dtype=pl.List(pl.String)).alias("owner_tags"),
            ),
        ),
    )
    other = models.Source.objects.create(name="other", kind="insightvm")
    found = scan({"db": ["high-7"]}, DAY)
    take_in(other, replace(found, assets=found.assets.with_columns(pl.lit("10.1.2.200").alias("ip"))))
    return row


_VALID = r"ip ~ '^[0-9.]+$|^[0-9a-f:]+$'"
# By PostgreSQL's own idea of networks, finding by finding.
_NETWORKS = """
SELECT CASE WHEN {valid} THEN network(set_masklen(ip::inet, CASE family(ip::inet) WHEN 4 THEN {v4} ELSE {v6} END))::text
       ELSE '' END AS segment
"""
_ASKED = """
WITH placed AS ({placed}, source_id, asset, device_id FROM store_asset {more})
SELECT coalesce(segment, ''), count(DISTINCT device_id), count(state), coalesce(sum(risk), 0),
       count(*) FILTER (WHERE severity = 'critical'), count(*) FILTER (WHERE severity = 'high')
FROM placed LEFT JOIN store_finding AS finding USING (source_id, asset)
LEFT JOIN store_vulnerability USING (source_id, vulnerability)
WHERE state IN ('open', 'unconfirmed') OR state IS NULL GROUP BY 1
"""


def asked(placed: str, more: str = "") -> dict[str, tuple[int, int, float, int, int]]:
    with connection.cursor() as cursor:
        cursor.execute(_ASKED.format(placed=placed, more=more))
        return {row[0]: tuple(row[1:]) for row in cursor.fetchall()}


def shown(by: str, subnets: Subnets = Subnets()) -> dict[str, tuple[int, int, float, int, int]]:
    return {
        one.name: (len(one.members), one.findings, one.risk, one.counts["critical"], one.counts["high"])
        for one in segments(by, subnets)
    }


@pytest.mark.parametrize(("v4", "v6"), [(24, 64), (16, 48), (32, 128), (1, 1)])
def test_subnets_are_those_of_the_database(source: models.Source, v4: int, v6: int) -> None:
    found = shown(SUBNET, Subnets(v4, v6))
    assert found == asked(_NETWORKS.format(valid=_VALID, v4=v4, v6=v6)) and "" in found


def test_sites_and_tags_are_those_of_the_database(source: models.Source) -> None:
    for column in LISTS:
        wanted = asked("SELECT one AS segment", f"LEFT JOIN unnest({column}) AS one ON true")
        assert shown(column) == wanted, column
    assert set(shown("sites")) == {"DMZ <1>", "HQ", ""}


def marks(page: str) -> Iterator[tuple[str, str]]:
    """The letter and the words of each device."""
    for letter, words in re.findall(r'aria-hidden="true">(.)</span><span class="hidden">(.*?)</span>', page):
        yield letter, html.unescape(words)


def test_the_page_marks_devices_by_letters_and_the_most_risk_comes_first(source: models.Source, person: Client) -> None:
    page = person.get("/network/").content.decode()
    assert re.findall(r"<h2>(.*?)</h2>", page)[:2] == ["10.1.2.0/24", "No address"]
    assert "2 devices · 6 open" in page and "risk 2111" in page and "No address" in page
    assert dict(reversed(one) for one in marks(page)) == {
        "db.example: critical, 4 open": "C",
        "web.example: critical, 2 open": "C",
        "app.example: low, 1 open": "L",
        "v6.example: medium, 1 open": "M",
        "clean.example: nothing open": "·",
        "nowhere.example: none, 1 open": "N",
        "odd.example: low, 1 open": "L",
    }
    page = person.get("/network/?by=sites").content.decode()
    assert "DMZ &lt;1&gt;" in page and "/devices/?tag=DMZ%20%3C1%3E" in page and "No site" in page


@pytest.mark.parametrize("query", ["v4=33", "v4=0", "v6=200", "v4=x", "by=colour"])
def test_what_cannot_be_grouped_is_said(source: models.Source, person: Client, query: str) -> None:
    page = person.get(f"/network/?{query}")
    assert page.status_code == 400 and b'role="alert"' in page.content


def test_many_segments_have_pages_and_many_devices_an_end(
    source: models.Source, person: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remediation.web.network.network.ROWS", 2)
    monkeypatch.setattr("remediation.web.network.network.MOST", 1)
    first, last = text_of(person.get("/network/")), text_of(person.get("/network/?page=3"))
    assert "1 to 2 of 5" in first and "and 1 more" in first and "5 to 5 of 5" in last


def test_nothing_is_known_at_first(store: str, person: Client) -> None:
    assert "No device is known yet" in text_of(person.get("/network/"))


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.1.2.3", "10.1.2.0/24"), (" 10.1.2.3 ", "10.1.2.0/24"), ("2001:DB8::1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"), ("::5", "::/64"), ("host", None), ("", None), ("10.1.2", None),
        ("10.1.2.3/24", None),
    ],
)  # fmt: skip
def test_the_subnet_of_an_address(address: str, network: str | None) -> None:
    assert Subnets().of(address) == network
