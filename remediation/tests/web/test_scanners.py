"""A scanner is added, tested and changed in the pages, and a source's rules for names of machines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_network

import pytest
from django.conf import settings
from django.test import Client

from remediation.jobs import watched
from remediation.jobs.work import read_source
from remediation.sources.scanner import Details, Unfit, store_scanner
from remediation.store import models
from remediation.store.intake import take_in
from stand_ins.insightvm_console import Console
from tests.jobs.conftest import waiting_jobs

from ..store.scans import scan
from .conftest import DAY
from .form_in_page import fields_of
from .test_connections import text_of

ADD = "/settings/scanners/insightvm/"


@pytest.fixture
def console(database: str) -> Iterator[Console]:
    with Console(database, tls=True) as running:
        running.polls_until_ready = 0
        running.seed_demo()
        running.requests.clear()
        yield running


@pytest.fixture
def admin(as_role: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr(settings, "NETWORKS", [ip_network("127.0.0.0/8")])
    return as_role("admin")


def typed(console: Console, **other: str) -> dict[str, str]:
    known = {"name": "console", "url": console.url, "user": console.user, "secret": console.password}
    return {**known, "mode": "sql", "every": "60", "ca": console.ca_file.read_text(encoding="ascii"), **other}


def test_a_scanner_is_tested_stored_and_read(admin: Client, console: Console) -> None:
    tested = admin.post(ADD, {**typed(console), "do": "test"})
    assert "answers and accepts the user" in text_of(tested) and console.password not in tested.content.decode()
    assert not models.Source.objects.exists()
    assert admin.post(ADD, {**typed(console), "do": "save"}).status_code == 302
    source = models.Source.objects.get()
    assert waiting_jobs() == [f"source-{source.pk}"]
    assert read_source(source).value["findings"]
    said = str(list(models.AuditEntry.objects.values()))
    assert "scanner added" in said and console.password not in said
    page = admin.get(f"/settings/sources/{source.pk}/").content.decode()
    assert console.password not in page and source.secret not in page


def test_a_reading_tells_how_far_it_is_and_is_stopped(
    admin: Client, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert admin.post(ADD, {**typed(console), "do": "save"}).status_code == 302
    source = models.Source.objects.get()
    stop = f"/settings/sources/{source.pk}/stop"
    assert "No reading of this source is running" in text_of(admin.post(stop, follow=True))
    monkeypatch.setattr(watched, "PAUSE", 0.0)
    pages = []

    def told(text: str) -> None:
        pages.append(text_of(admin.get("/settings/")))
        if len(pages) == 3:
            assert "The reading ends soon" in text_of(admin.post(stop, follow=True))

    with pytest.raises(watched.Cancelled):
        read_source(source, tell=told)
    assert "report of the" in pages[1] and len(pages) == 3
    assert "refused It was stopped. Nothing was changed." in text_of(admin.get("/settings/"))
    assert not models.SnapshotRecord.objects.exists() and not console.reports
    assert read_source(source).value["findings"]


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"secret": "a-wrong-password"}, "refuses the user or the password"),
        ({"ca": ""}, "certificate is not trusted"),
        ({"url": "https://127.0.0.1:9"}, "gives no answer"),
        ({"url": "https://169.254.169.254"}, "never asked"),
        ({"url": "https://10.1.2.3"}, "REMEDIATION_NETWORKS"),
        ({"url": "ftp://x"}, "no address of a scanner"),
        ({"ca": "no certificate"}, "no certificate in PEM form"),
        ({"user": ""}, "required"),
        ({"name": " x"}, "begins or ends with a blank"),
    ],
)
def test_what_a_test_finds_wrong_is_said_and_nothing_is_stored(
    admin: Client, console: Console, other: dict[str, str], says: str
) -> None:
    answer = admin.post(ADD, {**typed(console, **other), "do": "test"}, headers={"HX-Request": "true"})
    assert says in text_of(answer)
    assert "a-wrong-password" not in answer.content.decode()
    assert not models.Source.objects.exists()


def test_a_stored_secret_is_sent_nowhere_else_and_the_later_of_two_is_told(admin: Client, console: Console) -> None:
    admin.post(ADD, {**typed(console), "do": "save"})
    source = models.Source.objects.get()
    address = f"/settings/sources/{source.pk}/"
    shown = {name: values[0] for name, values in fields_of(admin.get(address).content.decode()).items()}
    console.requests.clear()
    for do in ("test", "save"):
        for url in ("https://127.0.0.2:3780", console.url.replace("https://", "http://")):
            away = admin.post(address, {**shown, "url": url, "do": do})
            assert away.status_code == 400 and "is sent nowhere else" in text_of(away)
    assert admin.post(address, {**shown, "every": "30", "do": "save"}).status_code == 302
    source.refresh_from_db()
    assert source.settings["every"] == 30 and read_source(source).value["findings"], "with the secret of before"
    late = admin.post(address, {**shown, "every": "99", "do": "save"})
    assert late.status_code == 409 and "Somebody else changed this" in text_of(late)
    source.refresh_from_db()
    assert source.settings["every"] == 30


def test_a_schedule_that_was_changed_meanwhile_is_not_written_over(admin: Client, console: Console) -> None:
    admin.post(ADD, {**typed(console), "do": "save"})
    source = models.Source.objects.get()
    address = f"/settings/sources/{source.pk}/"
    shown = {name: values[0] for name, values in fields_of(admin.get(address).content.decode()).items()}
    admin.post(f"{address}schedule", {"every": "15"})
    assert admin.post(address, {**shown, "do": "save"}).status_code == 409
    source.refresh_from_db()
    assert source.settings["every"] == 15


def test_another_console_under_a_known_name(admin: Client, console: Console) -> None:
    admin.post(ADD, {**typed(console), "do": "save"})
    assert "a source of that name already" in text_of(admin.post(ADD, {**typed(console), "do": "save"}))
    with pytest.raises(Unfit, match="a source of that name already"):  # what two forms at once come to
        store_scanner(Details("console", "insightvm", console.url, "user"), "a secret", None)
    source = models.Source.objects.get()
    read_source(source)
    given = {**typed(console), "version": str(source.version), "url": "https://127.0.0.2:3780", "do": "save"}
    assert "If it is the same one" in text_of(admin.post(f"/settings/sources/{source.pk}/", given))
    assert admin.post(f"/settings/sources/{source.pk}/", {**given, "moved": "on"}).status_code == 302


def test_the_cloud_and_tenable_are_asked_for_what_they_need(admin: Client) -> None:
    cloud = "/settings/scanners/insightvm-cloud/"
    assert "Give the region" in text_of(admin.post(cloud, {"name": "c", "secret": "k", "every": "0", "do": "save"}))
    assert "user" not in fields_of(admin.get(cloud).content.decode())
    assert set(fields_of(admin.get("/settings/scanners/tenable-vm/").content.decode())) >= {"user", "secret"}
    assert admin.get("/settings/scanners/csv/").status_code == 404


def test_names_of_machines(as_role: Callable[[str], Client], store: str) -> None:
    rows = [models.Source.objects.create(name=name, kind="csv") for name in ("one", "two")]
    take_in(rows[0], scan({"web.corp": ["v"]}, DAY))
    take_in(rows[1], scan({"www": ["v"]}, DAY))
    assert models.Device.objects.count() == 2
    admin, address = as_role("admin"), f"/settings/sources/{rows[0].pk}/names"
    for aliases, says in (("web", "not of the form"), ("a = b\na = c", "two names"), ("a = b\nb = a", "circle")):
        assert says in text_of(admin.post(address, {"suffixes": "", "aliases": aliases}))
    given = {"suffixes": " corp.example \n\n", "aliases": "web = www.example"}
    assert admin.post(address, given).status_code == 302
    assert models.Asset.objects.values("device").distinct().count() == 1
    page = fields_of(admin.get(address).content.decode(), "suffixes")
    assert page["suffixes"] == ["corp.example"]
    assert admin.post(address, {**given, "suffixes": "other.example", "version": page["version"]}).status_code == 302
    late = admin.post(address, {**given, "version": page["version"]})
    assert late.status_code == 409 and "Somebody else changed this" in text_of(late)
    many = "\n".join(f"d{number}.example" for number in range(9_000))
    assert "at most 50000 characters" in text_of(admin.post(address, {**given, "suffixes": many}))
    rows[0].refresh_from_db()
    assert rows[0].settings["naming"]["suffixes"] == ["other.example"]
