"""Sources: added with their settings, listed with how their last reading ended, and removed."""

from __future__ import annotations

import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import certifi
import pytest
from django.db import connection
from django.utils import timezone

from halo_emulator import HaloEmulator
from remediation.jobs.work import is_due
from remediation.store import models
from stand_ins.insightvm_console import Console

from .test_refused_input import refused


def words(line: Any, *more: str, url: str = "http://127.0.0.1:9") -> list[str]:
    password = line.file("password", "secret of this test")
    return [
        "source",
        "add",
        "c",
        "--kind",
        "insightvm",
        "--url",
        url,
        "--user",
        "u",
        "--password-file",
        password,
        *more,
    ]


def certificate() -> str:
    """One of some authority."""
    trusted = ssl.create_default_context(cafile=certifi.where())
    return ssl.DER_cert_to_PEM_cert(trusted.get_ca_certs(binary_form=True)[0])


def test_a_source_is_added_with_its_settings(line: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    line.file("ca.pem", certificate())
    monkeypatch.chdir(line.folder)
    assert line(*words(line, "--mode", "sql", "--every", "90", "--ca-file", "ca.pem")).code == 0
    source = models.Source.objects.get()
    assert source.settings == {
        "url": "http://127.0.0.1:9",
        "user": "u",
        "mode": "sql",
        "every": 90,
        "ca": certificate(),
    }
    assert "secret of this test" not in source.secret


def test_the_help_says_what_a_reading_without_reports_cannot_prove(line: Any) -> None:
    said = " ".join(line("source", "add", "--help").out.split()).replace("│ │ ", "")
    assert "permits no reports" in said and "never remediated" in said


def test_a_source_is_due_when_its_last_complete_reading_began_long_enough_ago(line: Any) -> None:
    line(*words(line, "--every", "90"))
    source, now = models.Source.objects.get(), timezone.now()
    assert is_due(source, now)
    models.Run.objects.create(source=source, kind="read", outcome="done", started=now - timedelta(minutes=89))
    models.Run.objects.create(source=source, kind="read", outcome="failed", started=now)
    assert not is_due(source, now)
    assert is_due(source, now + timedelta(minutes=1))
    line(*words(line))
    assert is_due(models.Source.objects.get(), now)


def test_what_cannot_be_added(line: Any) -> None:
    soap = line(*words(line, "--mode", "soap"))
    assert soap.code == 2 and "'rest'" in soap.err
    refused(line, *words(line, "--ca-file", "/nowhere.pem"), says="cannot be read")
    refused(line, *words(line, "--ca-file", line.file("no.pem", "x")), says="no certificate in PEM form")
    for url in ("console", "ftp://console", "https://"):
        refused(line, *words(line, url=url), says="no address of a scanner")
    ended = line(*words(line, url="https://me:word-in-the-address@console"))
    assert ended.code == 4 and "holds a user" in ended.err and "word-in" not in ended.err
    assert line(*words(line, "--every", "-1")).code == 2
    assert line(*words(line, "--every", "99999999999999")).code == 2
    line("import", line.report("a.csv", "1 v1 s1"), "--source", "c")
    refused(line, *words(line), says="is a series of files")


def test_another_console_does_not_take_the_place_of_one_that_was_read(line: Any) -> None:
    here, there = "https://console:3780", "https://other:3780"
    assert line(*words(line, url=here)).code == 0
    assert line(*words(line, url=there)).code == line(*words(line, url=here)).code == 0, "nothing was read yet"
    source = models.Source.objects.get()
    models.SnapshotRecord.objects.create(source=source, taken=timezone.now(), rows=0, findings=0, assets=0)
    for url in (there, "https://console:3781", "https://console"):
        refused(line, *words(line, url=url), says="and --moved for the same one")
    assert models.Source.objects.get().settings["url"] == here
    assert line(*words(line, "--every", "7", url="HTTPS://CONSOLE:3780/")).code == 0
    assert line(*words(line, "--moved", url=there)).code == 0
    assert models.Source.objects.get().settings["url"] == there


@pytest.mark.parametrize("port", ["x", "99999"])
def test_a_port_that_is_none(line: Any, port: str) -> None:
    refused(line, *words(line, url=f"https://console:{port}"), says="has a port or host that is none")


@pytest.mark.parametrize("as_json", [True, False])
def test_what_is_left_out_of_a_reading_is_told(line: Any, database: str, as_json: bool) -> None:
    with Console(database) as console:
        console.polls_until_ready = 0
        console.seed_demo()

        def come_up(name: str) -> None:
            if "coverage" in name:
                asset = console.add_asset("new01.corp.example", "10.0.0.77")
                console.find(asset, "msft-cve-2026-10001")
                console.scan()

        console.after_report = come_up
        account = ("--user", console.user, "--password-file", line.file("right", console.password))
        line("source", "add", "c", "--kind", "insightvm", "--url", console.url, *account)
        ended = line("source", "read", "c", *(["--json"] if as_json else []))
    assert ended.code == 0
    told = " ".join(ended.json["errors"]) if as_json else ended.out
    assert "Findings of 1 assets that are not in the coverage were left out" in told


def test_sources_are_listed(line: Any) -> None:
    assert line("source", "list").out == "There is no source yet.\n"
    line(*words(line, "--every", "90"))
    assert line("source", "list", "--json").json == {
        "sources": [{"name": "c", "kind": "insightvm", "every": 90, "last": None}]
    }
    line("import", line.report("a.csv", "1 v1 s1"), "--source", "weekly")
    line("source", "read", "weekly")
    models.Source.objects.filter(name="c").update(settings={"url": "http://127.0.0.1:9", "user": "u"}, secret="")
    shown = line("source", "list", "--json").json["sources"]
    assert [(row["name"], row["kind"]) for row in shown] == [("c", "insightvm"), ("weekly", "insightvm-report")]
    assert set(shown[1]["last"]) == {"kind", "started", "finished", "outcome", "text"}
    assert (shown[1]["last"]["kind"], shown[1]["last"]["outcome"]) == ("read", "refused")
    out = line("source", "list").out
    assert "c (insightvm): never read" in out and "refused. The source 'weekly' is a series of files." in out


def test_a_source_is_removed_with_all_that_it_said(line: Any) -> None:
    for name, asset in (("one", "1"), ("two", "2")):
        line("import", line.report("a.csv", f"{asset} v1 s1"), "--source", name)
    models.RiskAcceptance.objects.create(
        source=models.Source.objects.get(name="one"), asset="1", reason="r", approver="a", expires="2099-01-01"
    )
    assert line("source", "remove", "one", "--json").json == {"name": "one"}
    left = models.Source.objects.get()
    assert left.name == "two"
    for relation in models.Source._meta.related_objects:
        table = relation.related_model._meta.db_table
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {table} WHERE {relation.field.column} <> %s", [left.pk])
            assert cursor.fetchone() == (0,), table
    for kept in (models.Asset, models.Device, models.Finding, models.Enrichment):
        assert kept.objects.count() == 1, kept
    # The same file is news again.
    assert not line("import", str(line.folder / "a.csv"), "--source", "one", "--json").json["unchanged"]


def test_a_source_that_a_project_uses_is_not_removed(line: Any, halo: HaloEmulator) -> None:
    line.project("1 v1 s1")
    refused(line, "source", "remove", "weekly", says="is used by: p.")
    refused(line, "source", "remove", "nowhere", says="There are: weekly.")
    assert Path(line.folder / "first.csv").exists()
