"""Assets find their devices when a snapshot is taken in."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest
from django.db import connection, transaction

from remediation.domain.snapshot import ASSETS, COVERAGE, FINDINGS, Proof, Snapshot
from remediation.store import bulk, devices, models
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
