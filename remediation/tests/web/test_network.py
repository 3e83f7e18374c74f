"""The network view: each number as the database tells it, asked in another way."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from datetime import timezone as zones
from hashlib import sha256

import polars as pl
import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from remediation.domain.subnets import Subnets
from remediation.store import models
from remediation.store.acceptances import accept, recount
from remediation.store.devices import ByHand
from remediation.store.intake import take_in
from remediation.store.segments import LISTS, SUBNET, segments

from ..store.scans import scan
from .test_connections import text_of

DAY = datetime(2026, 11, 20, 1, 0, tzinfo=zones.utc)
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
FROM placed LEFT JOIN store_finding AS finding
    ON (finding.source_id, finding.asset) = (placed.source_id, placed.asset) AND state IN ('open', 'unconfirmed')
LEFT JOIN store_vulnerability AS known
    ON (known.source_id, known.vulnerability) = (finding.source_id, finding.vulnerability)
GROUP BY 1
"""


def asked(placed: str, more: str = "") -> dict[str, tuple[int, int, float, int, int]]:
    with connection.cursor() as cursor:
        cursor.execute(_ASKED.format(placed=placed, more=more))
        return {row[0]: tuple(row[1:]) for row in cursor.fetchall()}


def shown(by: str, subnets: Subnets = Subnets()) -> dict[str, tuple[int, int, float, int, int]]:
    return {
        one.name: (one.devices, one.findings, one.risk, one.counts["critical"], one.counts["high"])
        for one in segments(by, subnets, size=1000).segments
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


@pytest.mark.parametrize("v4", [24, 25])  # kept, and counted when it is asked for
def test_many_segments_have_pages_and_many_devices_an_end(
    source: models.Source, person: Client, monkeypatch: pytest.MonkeyPatch, v4: int
) -> None:
    monkeypatch.setattr("remediation.web.network.network.ROWS", 2)
    monkeypatch.setattr("remediation.web.network.network.MOST", 1)
    whole = [one.name for one in segments(SUBNET, Subnets(v4), size=100).segments]
    walked: list[list[str]] = []
    address = f"/network/?v4={v4}"
    for _ in range(len(whole)):
        page = person.get(address).content.decode()
        walked.append([name.replace("No address", "") for name in re.findall(r"<h2>(.*?)</h2>", page)])
        following = re.search(r'<a href="([^"]*)">Next page', page)
        if not following:
            break
        address = "/network/" + html.unescape(following[1])
    assert [name for names in walked for name in names] == whole and len(whole) >= 5
    last = re.search(r'<a href="([^"]*)">Page before', page)
    assert last
    page = person.get("/network/" + html.unescape(last[1])).content.decode()
    assert [name.replace("No address", "") for name in re.findall(r"<h2>(.*?)</h2>", page)] == walked[-2]
    first = text_of(person.get(f"/network/?v4={v4}"))
    assert f"2 of {len(whole)} segments" in first and ("and 1 more" in first or v4 == 25)


PLACES = ("x", "~", "nan~1~1~1~1~1~n", "1~1", "9" * 400 + "~1~1~1~1~1~n", "1~1~1~1~x~1~", "%00")


def test_a_place_that_no_page_gave_is_refused(source: models.Source, person: Client) -> None:
    for place in PLACES:
        for more in ("", "&v4=25"):
            assert person.get(f"/network/?after={place}{more}").status_code == 400, place
    assert "Show the first ones" in text_of(person.get("/network/?after=0~0~0~0~0~0~zzz"))


def test_what_is_kept_follows_whatever_changes(source: models.Source) -> None:
    def both() -> None:
        assert shown(SUBNET) == asked(_NETWORKS.format(valid=_VALID, v4=24, v6=64))
        for column in LISTS:
            assert shown(column) == asked("SELECT one AS segment", f"LEFT JOIN unnest({column}) AS one ON true"), column
        names = dict(models.Device.objects.values_list("pk", "name"))
        for one in (one for by in (SUBNET, *LISTS) for one in segments(by).segments):
            assert [member.name for member in one.members] == [names[member.device] for member in one.members]
            assert sum(member.findings for member in one.members) == one.findings

    def device(name: str) -> int:
        return models.Device.objects.get(name=name).pk

    both()
    web, app = device("web.example"), device("app.example")
    before = shown(SUBNET)["10.1.2.0/24"]
    change = ByHand.join([web, app, device("db.example")])
    change.make(change.shown())
    both()
    assert shown(SUBNET)["10.1.2.0/24"][0] == before[0] - 1
    change = ByHand.split(web, [(source.pk, "app")])
    change.make(change.shown())
    both()
    # What is accepted is open no more; the database is asked for it by its own dates.
    accept(source, asset="web", solution=None, vulnerability=None, reason="r", until=timezone.localdate(), by="anna")
    recount(source.pk, timezone.localdate())
    found = shown(SUBNET)["10.1.2.0/24"]
    assert found[1:] == (before[1] - 2, before[2] - 910.5, before[3] - 1, before[4])
    models.RiskAcceptance.objects.all().delete()
    recount(source.pk, timezone.localdate())
    both()
    # A machine that gets another address leaves an empty network behind, which is no more.
    moved = scan({"clean": ["high-2"]}, DAY + timedelta(days=1))
    take_in(source, replace(moved, assets=moved.assets.with_columns(pl.lit("10.77.0.1").alias("ip"))), accept=True)
    both()
    assert "10.77.0.0/24" in shown(SUBNET) and "10.9.0.0/24" not in shown(SUBNET)


def test_a_store_that_an_older_program_has_filled_is_shown_as_well(source: models.Source, person: Client) -> None:
    page = text_of(person.get("/network/"))
    models.Segment.objects.all().delete()
    assert text_of(person.get("/network/")) == page and not models.Segment.objects.exists()


def test_a_name_of_any_length_stops_no_import(source: models.Source) -> None:
    name = "".join(sha256(bytes([number])).hexdigest() for number in range(40))[:2600]
    models.Asset.objects.filter(asset="web").update(sites=[name, name[:600]])
    recount(source.pk, timezone.localdate())
    assert name[:500] in shown("sites")


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


@pytest.mark.parametrize("bits", [(24, 64), (1, 1), (32, 128), (17, 49)])
def test_many_addresses_have_the_subnets_of_each(bits: tuple[int, int]) -> None:
    subnets = Subnets(*bits)
    some = [
        "10.1.2.3", "255.255.255.255", "0.0.0.0", "10.01.2.3", "256.1.1.1", "1.2.3", "", " 10.1.2.3", "::", "2001:db8::9",
        "fe80::1%eth0", "::ffff:10.1.2.3", "host", "1.2.3.4.5", "99.100.199.200", "10.1.2.3\n", None,
    ]  # fmt: skip
    wanted = [None if one is None else subnets.of(one) for one in some]
    assert subnets.of_each(pl.Series(some)).to_list() == wanted
    assert subnets.of_each(pl.Series([], dtype=pl.String)).to_list() == []
    assert subnets.of_each(pl.Series([None], dtype=pl.String)).to_list() == [None]
