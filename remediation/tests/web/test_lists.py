"""The lists of vulnerabilities and devices, and the pages of one: what passes the filters, in order, and as files."""

from __future__ import annotations

import csv
import html
import json
import io
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest
from django.test import Client

from remediation.store import models
from remediation.store.intake import take_in

from ..store.scans import scan, tell

DAY = datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc)
HOSTILE = "<script>alert(1)</script>‮ evil 💥"


@pytest.fixture
def source(store: str) -> models.Source:
    """Two scans by two sources: critical-1 on both of web and db, the rest on one; the second source sees web too."""
    first = models.Source.objects.create(name="console", kind="insightvm")
    take_in(first, scan({"web": ["critical-1", "low-9"], "db": ["critical-1", "high-2"]}, DAY))
    second = models.Source.objects.create(name="other", kind="nessus-csv")
    take_in(second, scan({"web": ["high-7"]}, DAY + timedelta(days=1)))
    tell("critical-1", cves=["CVE-2026-1", "CVE-2026-2"], cvss=9.8)
    tell("high-7", cves=["CVE-2026-1"], title=HOSTILE, cvss=7.0)
    tell("high-2", title="=HYPERLINK(1)", vpr=6.5)
    return first


def rows(client: Client, address: str) -> list[str]:
    """The first cell of each row."""
    page = client.get(address)
    assert page.status_code == 200, html.unescape(page.content.decode())
    cells = re.findall(
        r'<tr>\s*(?:<td class="tick">.*?</td>\s*)?<th scope="row"[^>]*>(.*?)</th>', page.content.decode(), re.S
    )
    return [html.unescape(re.sub(r"<[^>]*>", "", cell)).strip() for cell in cells]


def test_the_worst_come_first_and_each_is_a_link(person: Client, source: models.Source) -> None:
    assert rows(person, "/vulnerabilities/") == ["critical-1", HOSTILE, "=HYPERLINK(1)", "low-9"]
    page = person.get("/vulnerabilities/").content.decode()
    assert "<script>alert" not in page
    number = models.Vulnerability.objects.get(vulnerability="critical-1").pk
    assert f'href="/vulnerabilities/{number}/"' in page
    assert rows(person, f"/vulnerabilities/{number}/")[:2] == ["db.example", "web.example"]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("cve=cve-2026-2", ["critical-1"]),
        ("cve=CVE-2026-1", ["critical-1", HOSTILE]),
        ("words=hyper", ["=HYPERLINK(1)"]),
        ("words=%25", []),
        ("device=web", ["critical-1", HOSTILE, "low-9"]),
        ("severity=high&severity=low", [HOSTILE, "=HYPERLINK(1)", "low-9"]),
        ("least_cvss=7.5", ["critical-1"]),
        ("least_vpr=6", ["=HYPERLINK(1)"]),
        ("ticket=yes", []),
        ("overdue=no&words=low", ["low-9"]),
        ("order=severity", ["low-9", "=HYPERLINK(1)", HOSTILE, "critical-1"]),
        ("order=-cvss", ["critical-1", HOSTILE, "low-9", "=HYPERLINK(1)"]),
        ("order=-alive&severity=critical", ["critical-1"]),
        ("columns=cves&columns=title", ["CVE-2026-1, CVE-2026-2", "CVE-2026-1", "–", "–"]),
    ],
)
def test_filters_orders_and_columns(person: Client, source: models.Source, query: str, shown: list[str]) -> None:
    assert rows(person, f"/vulnerabilities/?{query}") == shown


@pytest.mark.parametrize(
    "query", ["order=colour", "after=x", "columns=colour", "least_cvss=high", "severity=red", "words=%00"]
)
def test_what_cannot_be_answered_is_said(person: Client, source: models.Source, query: str) -> None:
    page = person.get(f"/vulnerabilities/?{query}")
    assert page.status_code == 400 and b'role="alert"' in page.content and b"Show the whole list" in page.content


def test_htmx_gets_the_list_alone(person: Client, source: models.Source) -> None:
    part = person.get("/vulnerabilities/?words=low", headers={"hx-request": "true"}).content.decode()
    assert part.lstrip().startswith('<section id="list"') and "<header" not in part and "low-9" in part


def test_pages_go_on_and_back(person: Client, store: str) -> None:
    source = models.Source.objects.create(name="console", kind="insightvm")
    take_in(source, scan({"web": [f"low-{number:03}" for number in range(120)]}, DAY))
    seen: list[str] = []
    address = "/vulnerabilities/"
    for _ in range(3):
        seen += rows(person, address)
        found = re.search(r'<a href="(\?[^"]*after=[^"]*)" hx-get', person.get(address).content.decode())
        address = "/vulnerabilities/" + html.unescape(found[1]) if found else ""
    assert len(seen) == len(set(seen)) == 120 and not address


def exported(client: Client, address: str) -> Iterator[list[str]]:
    page = client.get(address)
    assert page.headers["Content-Disposition"].startswith("attachment")
    return csv.reader(io.StringIO(b"".join(page.streaming_content).decode()))  # type: ignore[attr-defined]


def test_exports_hold_what_is_shown_and_no_formula(person: Client, source: models.Source) -> None:
    lines = list(exported(person, "/vulnerabilities/?columns=title&columns=cvss&columns=vpr&export=csv"))
    assert lines == [
        ["Vulnerability", "CVSS", "VPR"],
        ["critical-1", "9.8", ""],
        [HOSTILE, "7.0", ""],
        ["'=HYPERLINK(1)", "", "6.5"],
        ["low-9", "", ""],
    ]
    page = person.get("/devices/?columns=name&columns=critical&export=json")
    assert page.headers["Content-Type"] == "application/json"
    assert json.loads(b"".join(page.streaming_content)) == [  # type: ignore[attr-defined]
        {"name": "web.example", "critical": 1},
        {"name": "db.example", "critical": 1},
    ]


def test_devices_with_the_most_of_the_worst_come_first(person: Client, source: models.Source) -> None:
    assert rows(person, "/devices/") == ["web.example", "db.example"]
    assert rows(person, "/devices/?severity=low") == ["web.example"]
    assert rows(person, "/devices/?name=DB") == ["db.example"]
    number = models.Device.objects.get(name="web.example").pk
    page = html.unescape(person.get(f"/devices/{number}/").content.decode())
    assert "CVE-2026-1" in page and "console, other" in page, "one line for one CVE of two sources"


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("name=db.exa", ["db.example"]),
        ("name=10.0.0.7", ["web.example"]),
        ("name=10.0", ["web.example"]),
        ("name=web+db", []),
        ("name='%26|!():*\\", []),
        ("tag=DMZ", ["web.example"]),
        ("tag=Ann", ["db.example"]),
        ("tag=Nobody", []),
    ],
)
def test_devices_are_found_by_how_their_names_and_addresses_begin_and_by_tags(
    person: Client, source: models.Source, asked: str, found: list[str]
) -> None:
    models.Asset.objects.filter(host_name="web.example").update(ip="10.0.0.7", sites=["HQ", "DMZ"])
    models.Asset.objects.filter(host_name="db.example").update(owner_tags=["Ann"])
    assert rows(person, f"/devices/?{asked}") == found


def test_a_view_is_kept_and_is_its_owners(
    person: Client, source: models.Source, as_role
) -> None:  # type: ignore[no-untyped-def]
    saved = person.post("/views/vulnerabilities/", {"name": "Worst <b>", "query": "severity=critical&order=-cvss"})
    assert saved.status_code == 302
    address = saved.headers["Location"]
    assert rows(person, address) == ["critical-1"]
    assert "Worst &lt;b&gt;" in person.get("/vulnerabilities/").content.decode()
    other = as_role("analyst")
    view = models.SavedView.objects.get()
    assert b"Worst" not in other.get("/vulnerabilities/").content
    assert other.post(f"/views/{view.pk}/remove/").status_code == 404
    assert person.post(f"/views/{view.pk}/remove/").status_code == 302 and not models.SavedView.objects.exists()
    assert person.post("/views/vulnerabilities/", {"name": " "}).status_code == 400
    assert person.post("/views/nothing/", {"name": "x"}).status_code == 400


def test_times_are_the_readers(person: Client, source: models.Source) -> None:
    person.cookies["zone"] = "Pacific/Auckland"
    number = models.Device.objects.get(name="web.example").pk
    page = person.get(f"/devices/{number}/").content.decode()
    assert "2026-11-21 14:00" in page and "Times are in Pacific/Auckland." in page
    for zone in ("Nowhere/None", "../../etc/passwd", "\0", "x" * 5000):
        person.cookies["zone"] = zone
        assert "Times are in UTC." in person.get("/devices/").content.decode()


def test_chosen_rows_are_exported_and_no_others(as_role, source: models.Source) -> None:  # type: ignore[no-untyped-def]
    analyst = as_role("analyst")
    chosen = list(
        models.Vulnerability.objects.filter(vulnerability__in=["low-9", "high-2"]).values_list("pk", flat=True)
    )
    asked = "&".join(f"chosen={number}" for number in chosen)
    page = analyst.get(f"/vulnerabilities/?{asked}&export=json&columns=title")
    titles = {one["title"] for one in json.loads(b"".join(page.streaming_content))}
    assert titles == {"low-9", "=HYPERLINK(1)"}
    assert b'name="export" value="csv"' in analyst.get("/vulnerabilities/").content
    for wrong in ("x", "-1", "9" * 19, "1;--"):
        assert analyst.get("/vulnerabilities/", {"chosen": wrong}).status_code == 400


def test_a_page_of_a_vulnerability_tells_what_it_is_and_links_only_to_web_addresses(
    person: Client, source: models.Source
) -> None:
    row = models.Vulnerability.objects.get(vulnerability="critical-1")
    models.Vulnerability.objects.filter(pk=row.pk).update(description="Lets <b>all</b> in.\nReally.")
    solutions = models.Solution.objects.filter(solution="fix critical-1")
    for url, linked in (("https://vendor.example/kb?a=1&b=2", True), ("javascript:alert(1)", False), ("//x", False)):
        assert solutions.update(url=url) == 1
        page = person.get(f"/vulnerabilities/{row.pk}/").content.decode()
        assert (f'href="{html.escape(url)}"' in page) is linked and html.escape(url) in page
    assert "Lets &lt;b&gt;all&lt;/b&gt; in." in page
    history = page[page.index('id="history"') :]
    assert ">web.example</a>" in history and ">db.example</a>" in history
    assert 'href="https://www.cve.org/CVERecord?id=CVE-2026-2"' in page
