"""Assets find their devices when a snapshot is taken in."""

from __future__ import annotations

import threading
import time
from datetime import date, datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest
from django.apps import apps
from django.db import connection, transaction

from remediation.domain.snapshot import ASSETS, COVERAGE, FINDINGS, Proof, Snapshot
from remediation.store import bulk, devices, models
from remediation.store.device_findings import FINDINGS_OF_DEVICE, facts_of_assets, findings_of_device
from remediation.store.devices import ByHand, DevicesChanged
from remediation.store.intake import take_in

NOON = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)
MAC = "00:50:56:aa:00:01"


def source(name: str) -> models.Source:
    return models.Source.objects.create(name=name, kind="insightvm")


def take(of: models.Source, *assets: dict[str, Any], day: int = 0) -> None:
    moment = NOON + timedelta(days=day)
    covered = [{"asset": row["asset"], "assessed": moment} for row in assets]
    frames = [
        pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)
        for rows, schema in (([], FINDINGS), (assets, ASSETS), (covered, COVERAGE))
    ]
    take_in(of, Snapshot(moment, Proof.SCAN, *frames), accept=True)


def found() -> dict[str, int | None]:
    return {f"{row.source.name}/{row.asset}": row.device_id for row in models.Asset.objects.select_related("source")}


def test_assets_of_two_sources_are_one_device(store: str) -> None:
    one, two = source("one"), source("two")
    take(one, {"asset": "1", "host_name": "web01"}, {"asset": "2", "host_name": "db01"})
    first = found()
    assert len(set(first.values())) == 2 and None not in first.values()
    take(two, {"asset": "x", "host_name": "WEB01.corp.example"}, {"asset": "y", "ip": "10.0.0.9"})
    now = found()
    assert now["two/x"] == now["one/1"] == first["one/1"] and now["one/2"] == first["one/2"]
    assert sorted(models.Device.objects.values_list("name", flat=True)) == ["10.0.0.9", "WEB01.corp.example", "db01"]


def test_a_name_that_changes_moves_the_asset_and_leaves_no_empty_device(store: str) -> None:
    one = source("one")
    take(one, {"asset": "1", "host_name": "web01"}, {"asset": "2", "host_name": "new"})
    before = found()
    take(one, {"asset": "1", "host_name": "web01"}, {"asset": "2", "host_name": "web01"}, day=1)
    assert found() == {"one/1": before["one/1"], "one/2": before["one/1"]}
    assert models.Device.objects.count() == 1


def test_what_a_person_put_together_stays(store: str) -> None:
    one = source("one")
    take(one, {"asset": "1", "host_name": "web01"}, {"asset": "2", "host_name": "db01"})
    own = models.Device.objects.create(name="cluster", by_hand=True)
    empty = models.Device.objects.create(name="nothing yet", by_hand=True)
    models.Asset.objects.update(device=own)
    take(one, {"asset": "1", "host_name": "web01"}, {"asset": "2", "mac": MAC}, {"asset": "3", "mac": MAC}, day=1)
    assert set(found().values()) == {own.pk}
    assert {row.name for row in models.Device.objects.all()} == {"cluster", empty.name}


def test_the_same_again_writes_nothing(store: str) -> None:
    one = source("one")
    take(one, {"asset": "1", "host_name": "web01"}, {"asset": "2", "host_name": "db01"})
    with connection.cursor() as cursor:
        cursor.execute("SELECT asset, xmin::text FROM store_asset UNION SELECT name, xmin::text FROM store_device")
        before = cursor.fetchall()
        assert devices.regroup() == 0
        cursor.execute("SELECT asset, xmin::text FROM store_asset UNION SELECT name, xmin::text FROM store_device")
        assert cursor.fetchall() == before


def test_two_sources_are_taken_in_at_once(store: str) -> None:
    sources = [source(name) for name in ("one", "two", "three")]
    errors: list[BaseException] = []

    def work(of: models.Source) -> None:
        try:
            for day in range(5):
                take(of, *({"asset": str(number), "host_name": f"h{number + day}"} for number in range(40)), day=day)
        except BaseException as error:  # told below
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(of,)) for of in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert devices.regroup() == 0
    by_asset = found()
    assert all(by_asset[f"one/{n}"] == by_asset[f"two/{n}"] == by_asset[f"three/{n}"] for n in range(40))


def test_a_hundred_thousand_assets_take_seconds(store: str) -> None:
    number = pl.int_range(100_000, eager=True)
    one, two = source("one"), source("two")
    with transaction.atomic():
        for of, domain, share in ((one, "", 1), (two, ".corp.example", 2)):
            rows = pl.DataFrame(
                {"asset": number.cast(pl.String), "host_name": "host" + (number // share).cast(pl.String) + domain}
            )
            frame = rows.head(100_000 // 2).select(
                pl.col(name) if name in rows.columns else pl.lit(None, kind).alias(name)
                for name, kind in ASSETS.items()
            )
            bulk.write_assets(
                of.pk, Snapshot(NOON, Proof.SCAN, pl.DataFrame(schema=FINDINGS), frame, pl.DataFrame(schema=COVERAGE))
            )
    times = []
    for _ in range(2):
        begin = time.perf_counter()
        moved = devices.regroup()
        times.append((round(time.perf_counter() - begin, 2), moved))
    print("first, again:", times)
    assert models.Device.objects.count() == 50_000 and times[1][1] == 0


# By hand


def three(one: models.Source) -> dict[str, int]:
    """The devices web01, db01 and mail01 of a source, by the asset of each."""
    take(one, *({"asset": name, "host_name": f"{name}01"} for name in ("web", "db", "mail")))
    return {row.asset: row.device_id or 0 for row in models.Asset.objects.all()}


def test_a_join_is_made_as_it_was_shown_and_no_import_undoes_it(store: str) -> None:
    one = source("one")
    numbers = three(one)
    change = ByHand.join([numbers["web"], numbers["db"]])
    shown = change.shown()
    assert found() == {f"one/{name}": number for name, number in numbers.items()}
    assert change.make(shown).equals(shown)
    assert shown["after"].to_list() == [numbers["web"]] * 2
    now = {"one/web": numbers["web"], "one/db": numbers["web"], "one/mail": numbers["mail"]}
    assert found() == now
    device = models.Device.objects.get(pk=numbers["web"])
    assert device.by_hand and device.name == "web01" and models.Device.objects.count() == 2
    take(one, *({"asset": name, "host_name": f"{name}99"} for name in ("web", "db", "mail")), day=1)
    assert found() == now


def test_a_split_is_made_as_it_was_shown_and_no_import_undoes_it(store: str) -> None:
    one, two = source("one"), source("two")
    for of in (one, two):
        take(of, {"asset": "1", "host_name": "web01"}, {"asset": "2", "host_name": "web01"})
    (device,) = set(found().values())
    assert device
    change = ByHand.split(device, [(one.pk, "1"), (two.pk, "1")])
    made = change.make(change.shown())
    (other,) = set(found().values()) - {device}
    now = {"one/1": other, "two/1": other, "one/2": device, "two/2": device}
    assert found() == now and made["after"].to_list() == [other, device, other, device]
    assert set(models.Device.objects.values_list("name", "by_hand")) == {("web01", True)}
    for of in (one, two):
        take(of, {"asset": "1", "host_name": "web01"}, {"asset": "2", "host_name": "web01"}, day=1)
    assert devices.regroup() == 0 and found() == now


def test_a_released_device_is_of_the_rules_again(store: str) -> None:
    one = source("one")
    numbers = three(one)
    for change in (ByHand.join([numbers["db"], numbers["web"]]), ByHand.release(numbers["db"])):
        made = change.make(change.shown())
    now = found()
    assert len(set(now.values())) == 3 and now["one/mail"] == numbers["mail"]
    assert dict(made.select("asset", "after").iter_rows()) == {"web": now["one/web"], "db": now["one/db"]}
    assert not models.Device.objects.filter(by_hand=True).exists()


def test_a_device_by_hand_without_assets_ends_when_it_is_joined_or_released(store: str) -> None:
    numbers = three(source("one"))
    for change in (lambda pk: ByHand.join([numbers["web"], pk]), ByHand.release):
        empty = models.Device.objects.create(name="nothing", by_hand=True)
        by_hand = change(empty.pk)
        by_hand.make(by_hand.shown())
        assert not models.Device.objects.filter(pk=empty.pk).exists()


def test_what_has_changed_since_it_was_shown_is_not_done(store: str) -> None:
    one = source("one")
    numbers = three(one)
    join = ByHand.join([numbers["web"], numbers["db"]])
    with pytest.raises(ValueError, match="leave an asset"):
        ByHand.split(numbers["web"], [(one.pk, "web")]).shown()
    shown = join.shown()
    take(one, {"asset": "web", "host_name": "web01"}, {"asset": "db", "host_name": "web01"}, day=1)
    before = found()
    with pytest.raises(DevicesChanged):
        join.make(shown)
    assert before["one/web"] and found() == before
    split = ByHand.split(before["one/web"], [(one.pk, "web")])
    shown = split.shown()
    take(one, {"asset": "web", "host_name": "web01"}, {"asset": "db", "host_name": "db01"}, day=2)
    # Now one of the two assets is not in it any more.
    with pytest.raises(DevicesChanged):
        split.make(shown)
    assert not models.Device.objects.filter(by_hand=True).exists()


def test_nothing_but_assets_names_a_device(store: str) -> None:
    """Whoever lets another table name devices has to say what a join and a split do to its rows."""
    naming = {
        model.__name__
        for model in apps.get_app_config("store").get_models()
        for field in model._meta.get_fields()
        if field.concrete and (field.related_model is models.Device or field.name.startswith("device"))
    }
    # The segments of the network and the register are kept anew at each regrouping: tests/web/test_network.py, and
    # test_register.py.
    assert naming == {"Asset", "RegisteredDevice", "Segment"}


# Findings of a device


def say(of: models.Source, *rows: tuple[str, str, str, list[str]], day: int = 0) -> None:
    """A scan of asset 1, named web01, and asset 2, named db01. A row: asset, vulnerability, severity, CVEs."""
    moment = NOON + timedelta(days=day)
    names = {"1": "web01", "2": "db01"}
    found_ = [
        {
            "asset": asset,
            "vulnerability": key,
            "severity": word,
            "cves": cves,
            "title": f"{of.name} {key}",
            "solution": "s",
        }
        for asset, key, word, cves in rows
    ]
    covered = [{"asset": asset, "assessed": moment, "scan_started": moment, "credentials": 4} for asset in names]
    machines = [{"asset": asset, "host_name": name} for asset, name in names.items()]
    frames = [
        pl.DataFrame([{name: row.get(name) for name in schema} for row in part], schema=schema)
        for part, schema in ((found_, FINDINGS), (machines, ASSETS), (covered, COVERAGE))
    ]
    take_in(of, Snapshot(moment, Proof.SCAN, *frames), accept=True)


def ticket(of: models.Source, number: int | None, told: dict[str, str], **fields: Any) -> models.Ticket:
    halo, _ = models.Connection.objects.get_or_create(name="halo")
    project, _ = models.Project.objects.get_or_create(
        name=f"p {of.name}", defaults={"slug": of.name, "connection": halo, "source": of}
    )
    note = {"told": told, **fields.pop("note", {})}
    fields = {"key": "s", "reference": f"r{models.Ticket.objects.count()}", **fields}
    return models.Ticket.objects.create(project=project, halo_id=number, note=note, **fields)


def device_of(of: models.Source, asset: str) -> int:
    return models.Asset.objects.get(source=of, asset=asset).device_id or 0


def test_one_cve_by_two_scanners_is_one_line(store: str) -> None:
    one, two = source("one"), source("two")
    say(
        one,
        ("1", "v1", "medium", ["CVE-2026-1", "CVE-2026-2"]),
        ("1", "v2", "low", []),
        ("2", "v1", "medium", ["CVE-2026-9"]),
    )
    say(two, ("1", "77", "critical", ["cve-2026-1 "]), ("1", "v2", "high", []))
    say(two, ("1", "v2", "high", []), day=1)
    device = device_of(one, "1")
    assert device == device_of(two, "1") != device_of(one, "2")
    ticket(one, 11, {"1|v1": "open", "1|v2": "out"})
    ticket(two, 12, {"1|77": "remediated", "1|v2": "open"})
    lines = findings_of_device(device)
    assert dict(lines.schema) == FINDINGS_OF_DEVICE
    assert not lines["addressed"].any() and lines.drop("addressed").rows() == [
        ("CVE-2026-1", ["77", "v1"], "two 77", "critical", ["one", "two"], ["open", "remediated"], [11, 12]),
        (None, ["v2"], "two v2", "high", ["two"], ["open"], [12]),
        # Another source's own id v2 is another vulnerability.
        ("CVE-2026-2", ["v1"], "one v1", "medium", ["one"], ["open"], [11]),
        (None, ["v2"], "one v2", "low", ["one"], ["open"], []),
    ]


def test_a_device_without_findings_has_no_line(store: str) -> None:
    numbers = three(source("one"))
    lines = findings_of_device(numbers["web"])
    assert lines.is_empty() and dict(lines.schema) == FINDINGS_OF_DEVICE
    assert findings_of_device(0).is_empty() and facts_of_assets([]) == {}


def test_what_goes_with_an_asset(store: str) -> None:
    one, two = source("one"), source("two")
    for of in (one, two):
        say(of, ("1", "v1", "high", []), ("1", "v2", "high", []), ("2", "v1", "high", []))
    ticket(one, 11, {"1|v1": "open", "2|v1": "open"}, key="a")
    ticket(one, 10, {"1|v2": "open"}, key="b")
    ticket(one, 12, {"1|v2": "remediated"}, key="b", generation=2)
    ticket(one, None, {"1|v2": "open"}, key="c")
    ticket(one, 13, {"1|v2": "open"}, key="d", note={"missing": True})
    today = date(2026, 6, 2)
    accepted = {"source": one, "reason": "r", "approver": "a", "expires": today}
    holds = models.RiskAcceptance.objects.create(asset="1", vulnerability="v2", **accepted)
    models.RiskAcceptance.objects.create(asset="1", withdrawn=NOON, **accepted)
    models.RiskAcceptance.objects.create(solution="other", **accepted)
    keys = [(one.pk, "1"), (one.pk, "2"), (two.pk, "1")]
    facts = facts_of_assets(keys, today)
    assert [facts[key].findings for key in keys] == [1, 1, 2]
    assert [facts[key].tickets for key in keys] == [((11, "p one"),), ((11, "p one"),), ()]
    assert [facts[key].acceptances for key in keys] == [(holds.pk,), (), ()]
    lines = findings_of_device(device_of(one, "1"), today).select("vulnerabilities", "sources", "states")
    assert lines.filter(pl.col("states").list.contains("excepted")).rows() == [(["v2"], ["one"], ["excepted"])]
    assert lines.height == 4
    later = facts_of_assets(keys, today + timedelta(days=1))[keys[0]]
    assert later.findings == 2 and later.acceptances == ()


def test_a_join_and_a_split_change_no_finding_acceptance_or_ticket(store: str) -> None:
    one, two = source("one"), source("two")
    for of in (one, two):
        say(of, ("1", "v1", "high", []), ("2", "v1", "high", []))
    ticket(one, 11, {"1|v1": "open"})
    models.RiskAcceptance.objects.create(source=one, asset="1", reason="r", approver="a", expires=date(2099, 1, 1))

    def rest() -> list[Any]:
        tables = [row for row in connection.introspection.table_names() if row.startswith("store_")]
        rows: list[Any] = []
        with connection.cursor() as cursor:
            for table in sorted(set(tables) - {"store_device", "store_asset", "store_segment"}):
                cursor.execute(f"SELECT t::text, xmin::text FROM {table} AS t ORDER BY 1")
                rows += cursor.fetchall()
        return rows

    before = rest()
    first, second = device_of(one, "1"), device_of(one, "2")
    states = findings_of_device(first)["states"].to_list()
    change = ByHand.join([first, second])
    change.make(change.shown())
    # What is accepted on one of its assets is not accepted on the others.
    assert findings_of_device(first)["states"].to_list() == [["open", "excepted"], ["open"]]
    change = ByHand.split(first, [(one.pk, "2"), (two.pk, "2")])
    change.make(change.shown())
    assert findings_of_device(first)["states"].to_list() == states == [["excepted"], ["open"]]
    assert rest() == before and before
