"""Scanners in clouds on the command line: added, checked, read, and read again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from remediation.sources.scanner import Details, store_scanner
from remediation.sources.tenable_vm import BEGINNING, TenableVm
from remediation.store import models
from stand_ins.insightvm_cloud import Cloud
from stand_ins.tenable_vm import Tenable

from .test_refused_input import refused


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud() as running:
        running.seed_demo()
        yield running


@pytest.fixture
def tenable() -> Iterator[Tenable]:
    with Tenable() as running:
        yield running


def add(line: Any, kind: str, url: str, secret: str, user: str = "") -> Any:
    words = ("--kind", kind, "--url", url, "--password-file", line.file("secret", secret))
    return line("source", "add", "c", *words, *(("--user", user) if user else ()))


def states() -> dict[str, int]:
    counts: dict[str, int] = {}
    for state in models.Finding.objects.values_list("state", flat=True):
        counts[state] = counts.get(state, 0) + 1
    return counts


def test_insightvm_in_the_cloud(line: Any, cloud: Cloud) -> None:
    assert add(line, "insightvm-cloud", cloud.url, cloud.api_key).code == 0
    first = line("source", "read", "c", "--json")
    assert first.code == 0, first
    assert first.json["findings"] == models.Finding.objects.count() > 5
    assert line("source", "read", "c", "--json").json["unchanged"]
    assert line("check").out.count("accepts") == 1
    row = models.Finding.objects.filter(state="open").order_by("asset", "vulnerability").first()
    assert row is not None
    cloud.patch(row.asset, row.vulnerability)
    cloud.scan()
    assert line("source", "read", "c").code == 0
    # Nobody tells with which credentials it was looked for.
    row.refresh_from_db()
    assert row.state == "unconfirmed" and row.missed == 1


def test_tenable_by_increments(line: Any, tenable: Tenable) -> None:
    ids = tenable.seed_demo()
    assert add(line, "tenable-vm", tenable.url, tenable.secret_key, tenable.access_key).code == 0
    first = line("source", "read", "c", "--json")
    assert first.code == 0, first
    count = models.Finding.objects.filter(state="open").count()
    assert count > 5
    asset, plugin = models.Finding.objects.filter(state="open").values_list("asset", "vulnerability").first() or (
        "",
        "",
    )
    assert asset in ids.values()
    tenable.fix(asset, int(plugin))
    tenable.scan()
    assert line("source", "read", "c").code == 0
    assert models.Finding.objects.get(asset=asset, vulnerability=plugin).state == "remediated"
    assert states()["open"] == count - 1
    # An increment, which leaves out what has not changed, settles nothing of that.
    settings = models.Source.objects.get().settings
    assert settings["since"] > settings["whole"]


def known() -> models.Source:
    return models.Source.objects.get()


def add_tenable(line: Any, tenable: Tenable) -> dict[str, str]:
    """Tenable with the demo's world, as a source that was read once."""
    ids = tenable.seed_demo()
    assert add(line, "tenable-vm", tenable.url, tenable.secret_key, tenable.access_key).code == 0
    assert line("source", "read", "c").code == 0
    return ids


def asked_since(tenable: Tenable) -> list[bool]:
    """Of each export, whether it was of everything."""
    return [export["filters"]["since"] == BEGINNING for export in tenable.exports]


def test_a_port_that_is_fixed_leaves_the_finding_open(line: Any, tenable: Tenable) -> None:
    asset = add_tenable(line, tenable)["web01"]
    for port in (443, 8443):
        tenable.now += timedelta(days=2, hours=1)
        assert line("source", "read", "c").code == 0
        assert models.Finding.objects.get(asset=asset, vulnerability=40001).state == "open"
        tenable.fix(asset, 40001, port)
        tenable.scan([asset], ports=[port])
    assert line("source", "read", "c").code == 0
    assert models.Finding.objects.get(asset=asset, vulnerability=40001).state == "remediated"
    assert asked_since(tenable) == [True, False, False, False]
    models.OpenInstances.objects.all().delete()
    assert line("source", "read", "c").code == 0 and asked_since(tenable)[-1]


@pytest.mark.parametrize("is_known_first", [True, False], ids=["tracked first", "untracked first"])
def test_an_asset_that_is_not_tracked_stays_that_of_its_name(line: Any, tenable: Tenable, is_known_first: bool) -> None:
    for number in (1, 2):
        tenable.add_plugin(number, f"plugin {number}", "General", 3)
    tracked, untracked = (tenable.add_asset("a.example", "10.0.0.1", tracked=is_one) for is_one in (True, False))
    both = [(tracked, 1), (untracked, 2)]
    assert add(line, "tenable-vm", tenable.url, tenable.secret_key, tenable.access_key).code == 0
    for asset, plugin in both if is_known_first else reversed(both):
        tenable.find(asset, plugin, 443)
        tenable.scan([asset])
        assert line("source", "read", "c").code == 0
        tenable.now += timedelta(days=4)
    tenable.fix(untracked, 2)
    tenable.scan([untracked])
    assert line("source", "read", "c").code == 0
    found = models.Finding.objects.order_by("vulnerability")
    assert [(row.vulnerability, row.state) for row in found] == [("1", "open"), ("2", "remediated")]
    assert len({row.asset for row in found}) == 1


def test_a_clock_that_was_wrong_is_followed_by_everything(line: Any, tenable: Tenable) -> None:
    right = tenable.now
    tenable.now += timedelta(days=30)
    asset = add_tenable(line, tenable)["web01"]
    tenable.now = right + timedelta(hours=1)
    for _ in range(2):
        assert line("source", "read", "c").code == 0
        tenable.now += timedelta(hours=1)
    tenable.now += timedelta(days=30)
    tenable.fix(asset, 10001)
    tenable.scan()
    assert line("source", "read", "c").code == 0
    assert models.Finding.objects.get(asset=asset, vulnerability=10001).state == "remediated"
    assert asked_since(tenable) == [True, True, False, False]


def test_what_was_read_with_a_key_that_is_no_longer_used_is_not_stored(
    line: Any, tenable: Tenable, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenable.seed_demo()
    assert add(line, "tenable-vm", tenable.url, tenable.secret_key, tenable.access_key).code == 0
    rows = TenableVm.rows

    def meanwhile(self: TenableVm) -> Any:
        read = rows(self)
        store_scanner(Details("c", "tenable-vm", tenable.url, user="another"), "another key", known())
        return read

    monkeypatch.setattr(TenableVm, "rows", meanwhile)
    ended = line("source", "read", "c")
    assert ended.code == 1 and "was changed while it was read" in ended.err
    assert not models.Finding.objects.exists() and "since" not in known().settings


def test_rows_that_cannot_be_used_are_no_reading(line: Any, tenable: Tenable, monkeypatch: pytest.MonkeyPatch) -> None:
    add_tenable(line, tenable)
    before = known().settings["since"]
    tenable.now += timedelta(hours=1)
    monkeypatch.setattr(tenable, "exported", lambda key: {**Tenable.exported(tenable, key), "asset": {"id": key[0]}})
    ended = line("source", "read", "c")
    assert ended.code == 4 and "rows cannot be used" in ended.err and "--bad-rows" not in ended.err
    assert known().settings["since"] == before


def test_a_key_that_is_wrong_is_told_and_kept_out(line: Any, cloud: Cloud, tenable: Tenable) -> None:
    assert add(line, "insightvm-cloud", cloud.url, "wrong-key").code == 0
    ended = line("source", "read", "c")
    assert ended.code == 4 and "key" in ended.err and "wrong-key" not in ended.err
    assert line("source", "remove", "c").code == 0
    assert add(line, "tenable-vm", tenable.url, "wrong-key", "other-key").code == 0
    ended = line("source", "read", "c")
    assert ended.code == 4 and "wrong-key" not in ended.err + ended.out and not models.Finding.objects.exists()


def test_what_each_kind_wants(line: Any) -> None:
    secret = line.file("secret", "x")
    words = ("source", "add", "c", "--password-file", secret, "--kind")
    refused(line, *words, "insightvm-cloud", says="--region")
    refused(line, *words, "insightvm-cloud", "--region", "mars", says="no region mars")
    refused(line, *words, "insightvm-cloud", "--region", "eu", "--user", "me", says="has no user")
    refused(line, *words, "tenable-vm", says="access key. (--user)")
    refused(line, *words, "insightvm", "--user", "me", says="as in https://console:3780. (--url")
    assert line(*words, "insightvm-cloud", "--region", "eu").code == 0
    assert models.Source.objects.get().settings["url"] == "https://eu.api.insight.rapid7.com"
    assert line(*words, "tenable-vm", "--user", "key").code == 4
