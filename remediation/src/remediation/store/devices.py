"""Groups the assets of all sources to devices, and stores what has changed."""

from __future__ import annotations

import polars as pl
from django.db import connection, transaction
from django.utils import timezone
from psycopg import sql

from ..domain import devices
from . import copy

_ASSETS = """
SELECT store_asset.source_id AS source, asset, host_name, ip, mac, store_device.id AS device,
       coalesce(by_hand, false) AS by_hand
FROM store_asset LEFT JOIN store_device ON store_device.id = store_asset.device_id
"""
_NUMBERS = "SELECT nextval(pg_get_serial_sequence('store_device', 'id')) AS id FROM generate_series(1, %s)"
_NAMES = "SELECT id AS device, name FROM store_device WHERE NOT by_hand"
_MOVE = """
UPDATE store_asset SET device_id = new.device_id FROM {} AS new
WHERE store_asset.source_id = new.source_id AND store_asset.asset = new.asset
"""
_EMPTY = """
DELETE FROM store_device
WHERE NOT by_hand AND NOT EXISTS (SELECT FROM store_asset WHERE store_asset.device_id = store_device.id)
"""


@transaction.atomic
def regroup() -> int:
    """Give each asset its device, and each device that no person made its name. Returns how many assets have moved.

    To be called when no transaction is open: it waits for those that take a snapshot in, and they for none of its kind.
    """
    with connection.cursor() as cursor:
        # In the order of the numbers, so that two of these do not wait for each other.
        cursor.execute("SELECT FROM store_source ORDER BY id FOR NO KEY UPDATE")
    assets = copy.select(_ASSETS, [], devices.ASSETS)
    found = _stored(devices.grouped(assets), assets)
    moved = found.join(assets.select(*devices.KEY, "device"), on=devices.KEY, suffix="_before").filter(
        pl.col("device").ne_missing(pl.col("device_before"))
    )
    _move(moved)
    _rename(devices.names(assets, found))
    with connection.cursor() as cursor:
        cursor.execute(_EMPTY)
    return moved.height


def _stored(found: pl.DataFrame, assets: pl.DataFrame) -> pl.DataFrame:
    """The same with a row in the table, and its number, for each new device."""
    new = found.filter(pl.col("device") < 0)
    if new.is_empty():
        return found
    called = devices.names(assets, new).sort("device", descending=True)
    numbers = copy.select(_NUMBERS, [called.height], {"id": pl.Int64})["id"]
    rows = called.select(
        numbers.alias("id"), "name", pl.lit(False).alias("by_hand"), pl.lit(timezone.now()).alias("created")
    )
    copy.append("store_device", rows)
    number = pl.col("device")
    return found.with_columns(number.replace_strict(called["device"], numbers, default=number))


def _move(moved: pl.DataFrame) -> None:
    rows = moved.select(pl.col("source").alias("source_id"), "asset", pl.col("device").alias("device_id"))
    if rows.is_empty():
        return
    with connection.cursor() as cursor, copy.Incoming(cursor, "store_asset", rows) as temporary:
        cursor.execute(sql.SQL(_MOVE).format(sql.Identifier(temporary)))


def _rename(called: pl.DataFrame) -> None:
    stored = copy.select(_NAMES, [], {"device": pl.Int64, "name": pl.String})
    changed = called.join(stored, on="device", suffix="_before").filter(pl.col("name") != pl.col("name_before"))
    with connection.cursor() as cursor:
        cursor.executemany("UPDATE store_device SET name = %s WHERE id = %s", changed.select("name", "device").rows())
