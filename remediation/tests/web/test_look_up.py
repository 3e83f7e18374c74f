"""From any ticket of HaloITSM to the vulnerabilities of the devices that it names."""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from ipaddress import ip_network

import pytest
from django.db import connection as database
from django.test import Client

from halo_emulator import HaloEmulator
from remediation.jobs.tasks import run_project
from remediation.store import models
from remediation.store.intake import take_in
from remediation.store.source_naming import store_naming
from tests.jobs.conftest import connected

from ..store.scans import scan, tell
from .test_connections import text_of
from .test_lists import rows

DAY = datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc)
SECRET = "the password is swordfish"
FOUND = {"web": ["critical-1", "low-9"], "db": ["high-2"], "app": ["low-9"], "idle": []}


@pytest.fixture
def halo(store: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[HaloEmulator]:
    monkeypatch.setattr("django.conf.settings.NETWORKS", [ip_network("127.0.0.0/8")])
    with HaloEmulator() as running:
        connected(running)
        yield running


@pytest.fixture
def source(store: str) -> models.Source:
    """Hosts web.example to idle.example, the second source sees db too; db's old name is oracle7, and .example counts
    for nothing at the first source."""
    row = models.Source.objects.create(name="console", kind="insightvm")
    store_naming(row, {"oracle7": "db"}, ["example"])
    take_in(row, scan(FOUND, DAY))
    other = models.Source.objects.create(name="other", kind="insightvm")
    take_in(other, scan({"db": ["critical-5"]}, DAY + timedelta(hours=1)))
    tell("high-2", kev=True)
    models.Asset.objects.filter(asset="app").update(ip="10.0.0.7")
    return row


def found(client: Client, number: int) -> dict[str, list[str]]:
    """What the page tells, by device: open, worst, KEV."""
    page = client.get("/tickets/look-up", {"number": number})
    assert page.status_code == 200, text_of(page)
    lines = re.findall(r"<tr><th scope=\"row\">(.*?)</tr>", page.content.decode(), re.S)
    cells = [[html.unescape(re.sub(r"<[^>]*>", "", cell)).strip() for cell in line.split("<td>")] for line in lines]
    assert SECRET not in page.content.decode()
    return {name: rest[:3] for name, *rest in cells}


def wanted(*names: str) -> dict[str, list[str]]:
    """The same asked of the database, finding by finding."""
    result = {}
    for name in names:
        with database.cursor() as cursor:
            cursor.execute(
                "SELECT severity, kev FROM store_finding JOIN store_vulnerability USING (source_id, vulnerability) "
                "JOIN store_enrichment AS told ON told.vulnerability_id = store_vulnerability.id "
                "JOIN store_asset USING (source_id, asset) WHERE host_name = %s AND state IN ('open', 'unconfirmed')",
                [name],
            )
            there = cursor.fetchall()
        worst = next((one for one in ("critical", "high", "medium", "low") if one in {row[0] for row in there}), "–")
        result[name] = [str(len(there)), worst.capitalize(), "yes" if any(row[1] for row in there) else "no"]
    return result


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"summary": "Reboot WEB tonight"}, ["web.example"]),
        ({"summary": "x", "details": f"{SECRET}: web.example, oracle7.example"}, ["db.example", "web.example"]),
        ({"summary": "oracle7"}, ["db.example"]),
        ({"summary": "see https://10.0.0.7:8443/ and idle"}, ["app.example", "idle.example"]),
        ({"summary": "website, web-old, weber, dbs, 10.0.0.77, db.example.org"}, []),
        ({"summary": "x", "customfields": [{"id": 202, "value": "db; web"}]}, ["db.example", "web.example"]),
        ({"summary": "x", "assets": [{"id": 4, "key_field": "DB", "inventory_number": "A-7"}]}, ["db.example"]),
    ],
)
def test_the_devices_that_a_ticket_names(
    source: models.Source,
    halo: HaloEmulator,
    as_role: Callable[[str], Client],
    fields: dict[str, object],
    names: list[str],
) -> None:
    number = halo.log_ticket(**fields)["id"]
    assert found(as_role("analyst"), number) == wanted(*names)


def test_a_ticket_of_ours_has_its_devices_and_each_device_its_tickets(
    source: models.Source, halo: HaloEmulator, as_role: Callable[[str], Client]
) -> None:
    project = models.Project.objects.create(
        name="All", slug="all", connection=models.Connection.objects.get(), source=source
    )
    run_project(project.pk)
    row = models.Ticket.objects.get(key="fix low-9")
    analyst = as_role("analyst")
    halo.change_ticket(row.halo_id, details="No names.", summary="None")
    assert found(analyst, row.halo_id or 0) == wanted("app.example", "web.example")
    page = text_of(analyst.get("/tickets/look-up", {"number": row.halo_id}))
    assert "It is one of ours" in page and "All" in page
    other = halo.log_ticket(summary="app is slow")["id"]
    page = text_of(analyst.get("/tickets/look-up", {"number": other}))
    assert f"{row.halo_id}:" in page and "one of ours" not in page
    assert rows(analyst, "/vulnerabilities/?device=app.example") == ["low-9"]


def test_what_cannot_be_looked_up_is_said_and_no_text_is_kept(
    source: models.Source, halo: HaloEmulator, as_role: Callable[[str], Client], caplog: pytest.LogCaptureFixture
) -> None:
    analyst = as_role("analyst")
    number = halo.log_ticket(summary=f"web {SECRET}")["id"]
    with caplog.at_level(logging.DEBUG):
        assert found(analyst, number) == wanted("web.example")
        missing = analyst.get("/tickets/look-up", {"number": 999_999})
        assert missing.status_code == 502 and "does not exist" in text_of(missing)
    assert SECRET not in caplog.text
    with database.cursor() as cursor:
        for table in database.introspection.table_names(cursor):
            cursor.execute(f'SELECT count(*) FROM "{table}" AS kept WHERE strpos(kept::text, %s) > 0', [SECRET])
            assert cursor.fetchone() == (0,), table
    for wrong in ("x", "-1", "9" * 30, "1 2"):
        assert analyst.get("/tickets/look-up", {"number": wrong}).status_code == 400
    halo.stop()
    away = analyst.get("/tickets/look-up", {"number": number})
    assert away.status_code == 502 and "could not be read" in text_of(away)
    models.Connection.objects.all().delete()
    assert "No HaloITSM is connected" in text_of(analyst.get("/tickets/look-up"))
