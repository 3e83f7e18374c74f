"""The register of devices: brought, shown, taken in; and what pages then say of names that no scan has."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from ipaddress import ip_network

import polars as pl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.http import HttpResponse
from django.test import Client

from halo_emulator import HaloEmulator
from remediation.domain.register import Entry
from remediation.jobs.tasks import run_project
from remediation.store import models
from remediation.store.devices import ByHand, regroup
from remediation.store.intake import take_in
from remediation.store.register import RegisterChanged, look
from remediation.store.register import take_in as take_register_in
from tests.jobs.conftest import connected

from ..store.scans import scan
from .test_connections import text_of
from .test_lists import rows

DAY = datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc)
FOUND = {"web": ["critical-1"], "old7": ["high-2"], "db": ["low-9"], "host-01": ["low-9"], "bare": ["low-3"]}
REGISTER = (
    "Name,Aliases,IP,Team,Site,Criticality\n"
    'WEB.example,"old7, www-alt",10.0.0.1,Web <b>team</b>,HQ,High\n'
    "db,,,DBA,,\n"
    "printer9,,10.0.0.9,=1+1,,\n"
    "never01,never-alt,,,,\n"
)


@pytest.fixture
def source(store: str) -> models.Source:
    row = models.Source.objects.create(name="console", kind="insightvm")
    seen = scan(FOUND, DAY)
    # One that only has an address.
    bare = pl.col("asset") == "bare"
    host, ip = pl.col("host_name"), pl.lit("10.0.0.9")
    seen.assets.replace_column(
        seen.assets.columns.index("host_name"),
        seen.assets.select(pl.when(~bare).then(host).alias("host_name")).to_series(),
    )
    seen.assets.replace_column(
        seen.assets.columns.index("ip"), seen.assets.select(pl.when(bare).then(ip).alias("ip")).to_series()
    )
    take_in(row, seen)
    return row


def device(name: str) -> models.Device:
    return models.Device.objects.get(name=name)


def bring(client: Client, text: str | bytes, **more: str) -> HttpResponse:
    content = text.encode() if isinstance(text, str) else text
    return client.post("/register/bring", {"file": SimpleUploadedFile("devices.csv", content), **more})


def take(client: Client, address: str) -> HttpResponse:
    page = client.get(address).content.decode()
    seen = re.search(r'name="seen" value="(\w+)"', page)
    assert seen, page
    return client.post(f"{address}take-in", {"seen": seen[1]}, follow=True)


def counts() -> dict[str, int]:
    """As the database tells them, by names and not by what the register has kept of them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM store_registereddevice), "
            "(SELECT count(DISTINCT entry.id) FROM store_registereddevice AS entry JOIN store_asset AS asset "
            " ON asset.device_id IS NOT NULL AND (lower(host_name) = ANY(keys) OR split_part(lower(host_name), '.', 1) "
            " = ANY(keys) OR (host_name IS NULL AND ip = ANY(addresses)))), (SELECT count(*) FROM store_device)"
        )
        return dict(zip(("registered", "seen", "devices"), cursor.fetchone()))


def facts(client: Client) -> dict[str, str]:
    page = client.get("/register/").content.decode()
    return {
        html.unescape(title): re.sub("<[^>]*>", "", value)
        for title, value in re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page)
    }


def test_a_register_is_shown_first_and_then_puts_devices_together(
    source: models.Source, as_role: Callable[[str], Client]
) -> None:
    admin = as_role("admin")
    brought = bring(admin, REGISTER)
    assert brought.status_code == 302
    address = brought.headers["Location"]
    page = admin.get(address).content.decode()
    assert "4 new, 0 changed, 0 gone" in page and "Web &lt;b&gt;team" in page and "Owner or team from <em>Team" in page
    moved = re.search(r"<tbody>(.*?)</tbody>", page, re.S)
    assert moved and moved[1].count("<tr>") == 1 and "old7.example" in moved[1] and "web.example" in moved[1]
    assert not models.RegisteredDevice.objects.exists() and models.Device.objects.count() == 5
    taken = take(admin, address)
    assert "The register was taken in: 4 new, 0 changed, 0 gone, 0 the same." in text_of(taken)
    web = device("web.example")
    assert set(web.assets.values_list("asset", flat=True)) == {"web", "old7"}
    assert models.Device.objects.count() == 4 and not models.RegisterDraft.objects.exists()
    assert (web.critical, web.high) == (1, 1)

    viewer = as_role("viewer")
    found = facts(viewer)
    wanted = counts()
    assert found == {
        "In the register": str(wanted["registered"]),
        "Of these, seen by a scan": str(wanted["seen"]),
        "Never seen by a scan": str(wanted["registered"] - wanted["seen"]),
        "In scans, and not in the register": f"1 of {wanted['devices']}",
    }
    assert wanted == {"registered": 4, "seen": 3, "devices": 4}
    assert rows(viewer, "/register/?seen=no") == ["never01"]
    assert rows(viewer, "/register/?seen=yes") == ["db", "printer9", "WEB.example"]
    assert rows(viewer, "/register/?words=OLD") == ["WEB.example"]
    assert rows(viewer, "/register/unknown/") == ["host-01.example"]
    exported = list(csv.reader(io.StringIO(viewer.get("/register/?export=csv").getvalue().decode("utf-8-sig"))))
    assert [line[0] for line in exported[1:]] == ["db", "never01", "printer9", "WEB.example"]
    assert exported[3][3] == "'=1+1"
    assert "host-01.example" in viewer.get("/register/unknown/?export=csv").getvalue().decode()
    page = viewer.get(f"/devices/{web.pk}/").content.decode()
    assert "In the register: WEB.example, also old7, www-alt" in page and "owner Web &lt;b&gt;team&lt;/b&gt;" in page
    assert "It is not in the" in viewer.get(f"/devices/{device('host-01.example').pk}/").content.decode()

    # The same again changes nothing, and says so; nor does its order.
    lines = REGISTER.splitlines(keepends=True)
    before = list(models.RegisteredDevice.objects.order_by("pk").values())
    for text in (REGISTER, "".join([lines[0], *lines[:0:-1]])):
        page = admin.get(bring(admin, text).headers["Location"])
        assert "it would change nothing" in text_of(page) and "Take it in" not in text_of(page)
    assert list(models.RegisteredDevice.objects.order_by("pk").values()) == before
    audited = models.AuditEntry.objects.get(what="register taken in")
    assert (audited.who, audited.of, audited.detail["new"]) == ("admin", "devices.csv", 4)

    # An import keeps together what the register knows, and one without the other name takes it apart again.
    take_in(source, scan(FOUND, DAY + timedelta(days=1)))
    assert models.Device.objects.count() == 4
    page = take(admin, bring(admin, REGISTER.replace("old7, ", "").replace("db,,,DBA,,\n", "")).headers["Location"])
    assert "0 new, 1 changed, 1 gone, 2 the same" in text_of(page)
    assert models.Device.objects.count() == 5 and device("old7.example")
    kept = bring(admin, "Name,Team\ndb,DBA\n", keeps="on").headers["Location"]
    assert "3 that it does not hold and that stay" in text_of(admin.get(kept))
    assert "1 new, 0 changed, 0 gone" in text_of(take(admin, kept))
    assert models.RegisteredDevice.objects.count() == 4
    regroup()
    # What told an address only has got a name in the scan after.
    assert facts(viewer)["In scans, and not in the register"] == "3 of 5"


def test_what_is_put_together_by_hand_stays(source: models.Source) -> None:
    entries = [Entry("web", ("old7", "db"))]
    join = ByHand.join([device("db.example").pk, device("host-01.example").pk])
    join.make(join.shown())
    shown = look(entries, keeps=False)
    take_register_in(entries, shown.seen, "anna", "x.csv", keeps=False)
    hand = models.Device.objects.get(by_hand=True)
    # The rules may add to a device by hand, and take nothing of it.
    assert {"db", "host-01"} <= set(hand.assets.values_list("asset", flat=True))
    assert models.RegisteredDevice.objects.get().devices.filter(pk=hand.pk).exists()


def test_what_changes_while_a_person_looks_is_not_done(source: models.Source, as_role: Callable[[str], Client]) -> None:
    admin = as_role("admin")
    address = bring(admin, REGISTER).headers["Location"]
    seen = re.search(r'name="seen" value="(\w+)"', admin.get(address).content.decode())
    assert seen
    take_in(source, scan({**FOUND, "www-alt": ["low-9"]}, DAY + timedelta(days=1)))
    answer = admin.post(f"{address}take-in", {"seen": seen[1]}, follow=True)
    assert "Nothing was done" in text_of(answer) and not models.RegisteredDevice.objects.exists()
    assert "4 new" in text_of(take(admin, address))
    # A second click finds no draft, and the same register changes nothing.
    for again in (admin.post(f"{address}take-in", {"seen": seen[1]}, follow=True), admin.get(address, follow=True)):
        assert "it was taken in, or a week has passed" in text_of(again)
    entries = [Entry("web")]
    with pytest.raises(RegisterChanged):
        take_register_in(entries, "x", "anna", "y", keeps=False)
    assert models.RegisteredDevice.objects.count() == 4


REFUSED: tuple[tuple[str | bytes, str], ...] = (
    ("", "file is empty"),
    ("Name,Owner\n,x\n<b>,y\n", "line 2, the name is empty"),
    ("A,B\nx y,z w\n", "No column is known"),
    (b"Name,Owner\na\0,b\n", "NUL"),
    (b"\x1f\x8b broken", "breaks off"),
    ("Name,Owner\n<script>alert(1)</script>,a\n<SCRIPT>alert(1)</script>,b\n", "line 3, its name is that of"),
)


def test_a_file_that_cannot_be_used_is_refused_whole(source: models.Source, as_role: Callable[[str], Client]) -> None:
    admin = as_role("admin")
    for text, says in REFUSED:
        answer = bring(admin, text)
        assert answer.status_code == 400 and says in text_of(answer), text
        assert "<script>alert" not in answer.content.decode()
    assert not models.RegisterDraft.objects.exists() and not models.RegisteredDevice.objects.exists()


def test_columns_can_be_chosen_and_hostile_cells_are_only_shown(
    source: models.Source, as_role: Callable[[str], Client]
) -> None:
    admin = as_role("admin")
    text = "A,B,C\n<script>alert(1)</script>,$X <i>,web\n"
    address = bring(admin, text, column_name="A", column_owner="B", column_site="C").headers["Location"]
    assert "alert" in admin.get(address).content.decode()
    take(admin, address)
    for page in ("/register/", "/register/?words=script", "/register/?owner=$x <i>"):
        found = admin.get(page).content.decode()
        assert "<script>alert" not in found and "&lt;script&gt;alert(1)" in found, page
    assert bring(admin, text, column_name="Z").status_code == 400
    # What stays must not have a name of what comes.
    address = bring(admin, "Name,Aliases\nx1,web01\n").headers["Location"]
    take(admin, address)
    answer = bring(admin, "Name,Aliases\nx2,WEB01\n", keeps="on")
    assert answer.status_code == 400 and "have names of those in the file: web01." in text_of(answer)
    assert bring(admin, "Name,Aliases\nx2,WEB01\n").status_code == 302
    assert as_role("analyst").post("/register/bring", {}).status_code == 403


# Names that no scan has


@pytest.fixture
def halo(store: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[HaloEmulator]:
    monkeypatch.setattr("django.conf.settings.NETWORKS", [ip_network("127.0.0.0/8")])
    with HaloEmulator() as running:
        connected(running)
        yield running


def test_a_name_that_no_scan_has_is_offered_and_added_by_a_click(
    source: models.Source, halo: HaloEmulator, as_role: Callable[[str], Client]
) -> None:
    text = "Please look at host01.corp, host-02, never-alt and www-alt. <script>x1</script>"
    number = halo.log_ticket(summary="Slow", details=text)["id"]
    entries = [Entry("web.example", ("www-alt",)), Entry("never01", ("never-alt",))]
    take_register_in(entries, look(entries, keeps=False).seen, "anna", "x.csv", keeps=False)
    analyst, admin = as_role("analyst"), as_role("admin")
    page = analyst.get("/tickets/look-up", {"number": number})
    assert ">web.example</a></th>" in page.content.decode(), "by its name in the register"
    assert "host01.corp is not known; did you mean host-01.example ?" in text_of(page).replace(" ;", ";")
    assert "host-02 is not known" not in text_of(page) and "seen by no scan: never-alt." in text_of(page)
    assert "another name of it" not in text_of(page), "only who may change names may"
    page = admin.get("/tickets/look-up", {"number": number})
    form = re.search(r'action="/register/other-name".*?</form>', page.content.decode(), re.S)
    assert form and "another name of it" in form[0]
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[0]))
    assert fields["word"] == "host01.corp" and fields["number"] == str(number)
    assert analyst.post("/register/other-name", fields).status_code == 403
    done = admin.post("/register/other-name", fields, follow=True)
    assert "host01.corp is another name of host-01.example now, in the rules of console." in text_of(done)
    assert done.request["PATH_INFO"] == "/tickets/look-up" and ">host-01.example</a></th>" in done.content.decode()
    assert "is not known" not in text_of(done)
    source.refresh_from_db()
    assert source.settings["naming"]["aliases"] == {"host01.corp": "host-01.example"} and source.version == 2
    assert models.AuditEntry.objects.get(what="rules of names changed").who == "admin"
    # Twice changes nothing, nor does a name that is a device's.
    for word in ("host01.corp", "DB.example", "", "a b", "x" * 300, "bell\a"):
        page = admin.post("/register/other-name", {**fields, "word": word}, follow=True)
        assert "Nothing was changed." in text_of(page), word
    assert admin.post("/register/other-name", {**fields, "device": "99999"}).status_code == 404
    source.refresh_from_db()
    assert source.version == 2 and models.Device.objects.count() == 5


def test_our_tickets_whose_devices_have_other_names(
    source: models.Source, halo: HaloEmulator, as_role: Callable[[str], Client]
) -> None:
    project = models.Project.objects.create(
        name="All", slug="all", connection=models.Connection.objects.get(), source=source
    )
    run_project(project.pk)
    viewer = as_role("viewer")
    assert "Each open ticket names its devices as scans do" in text_of(viewer.get("/register/mismatches/"))
    # host-01 has another name by now, old7 is in no scan any more, and db is part of web.
    seen = scan({"web": ["critical-1"], "db": ["low-9"], "host-01": ["low-9"]}, DAY + timedelta(days=1))
    host = pl.when(pl.col("asset") == "host-01").then(pl.lit("HOST01.example")).otherwise("host_name")
    renamed = seen.assets.select(host.alias("host_name")).to_series()
    seen.assets.replace_column(seen.assets.columns.index("host_name"), renamed)
    take_in(source, seen, accept=True)
    join = ByHand.join([device("web.example").pk, device("db.example").pk])
    join.make(join.shown())
    page = viewer.get("/register/mismatches/")
    found = {}
    for line in re.findall(r"<tr>\s*<th scope=\"row\".*?</tr>", page.content.decode(), re.S):
        cells = [html.unescape(re.sub(r"<[^>]*>", "", cell)).strip() for cell in re.split(r"<td[^>]*>", line)]
        found[int(cells[1])] = cells[3:]
    tickets = {row.key: row.halo_id for row in models.Ticket.objects.filter(kind="child")}
    assert found.keys() == {tickets["fix low-9"], tickets["fix high-2"], tickets["fix low-3"]}
    renamed_, gone, joined = found[tickets["fix low-9"] or 0]
    assert renamed_.startswith("host-01.example: did you mean HOST01.example?") and gone == "–"
    assert joined == "db.example is part of web.example"
    assert found[tickets["fix high-2"] or 0] == ["–", "old7.example", "–"]
    assert found[tickets["fix low-3"] or 0] == ["–", "10.0.0.9", "–"]
    assert rows(viewer, "/register/mismatches/?kind=renamed") == [models.Ticket.objects.get(key="fix low-9").title]
    assert "old7.example" in viewer.get("/register/mismatches/?export=csv").getvalue().decode()
    # A person says that both are the same machine: then the name is known.
    admin = as_role("admin")
    given = {"word": "host-01.example", "device": str(device("HOST01.example").pk)}
    assert "is another name" in text_of(admin.post("/register/other-name", given, follow=True))
    assert rows(viewer, "/register/mismatches/?kind=renamed") == []
    # What has ended is nobody's any more.
    models.Ticket.objects.update(status="Remediated")
    assert rows(viewer, "/register/mismatches/") == []
