"""The register as it is stored, and which devices of scans are in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import polars as pl
from django.db import connection
from psycopg import sql

from ..domain.naming import host_key
from ..domain.register import Entry, matched, names_of
from . import copy, models

# A register entry as JSON, and as a row of the table.
FIELDS = ("name", "aliases", "addresses", "owner", "site", "criticality")
_LINKS = "store_registereddevice_devices"
_GONE = f"""
DELETE FROM {_LINKS} AS old WHERE NOT EXISTS (
    SELECT FROM {{}} AS new
    WHERE (new.registereddevice_id, new.device_id) = (old.registereddevice_id, old.device_id)
)
"""  # nosec B608: a constant
_NEW = f"""
INSERT INTO {_LINKS} (registereddevice_id, device_id)
SELECT registereddevice_id, device_id FROM {{}} ON CONFLICT DO NOTHING
"""  # nosec B608: a constant


def entries() -> dict[int, Entry]:
    """All devices of the register by their numbers."""
    rows = models.RegisteredDevice.objects.order_by("pk").values_list("pk", *FIELDS)
    return {number: entry_of(dict(zip(FIELDS, values))) for number, *values in rows}


def entry_of(table: Mapping[str, Any]) -> Entry:
    """An entry of its fields, as JSON or a row has them."""
    lists = {name: tuple(table[name]) for name in ("aliases", "addresses")}
    return Entry(**{**{name: table[name] for name in FIELDS}, **lists})


def table_of(entry: Entry) -> dict[str, Any]:
    """The fields of an entry. ``entry_of`` reads them."""
    lists = {name: list(getattr(entry, name)) for name in ("aliases", "addresses")}
    return {**{name: getattr(entry, name) for name in FIELDS}, **lists}


def link(assets: pl.DataFrame) -> None:
    """Keep which devices of scans are which of the register. ``assets`` has the columns of ``domain.devices.ASSETS``,
    with the device of each. To be called in the transaction that has grouped them."""
    register = entries()
    if not register and not models.RegisteredDevice.devices.through.objects.exists():
        return
    rows = _links(assets, register)
    with connection.cursor() as cursor, copy.Incoming(cursor, _LINKS, rows) as temporary:
        for statement in (_GONE, _NEW):
            cursor.execute(sql.SQL(statement).format(sql.Identifier(temporary)))


def _links(assets: pl.DataFrame, register: Mapping[int, Entry]) -> pl.DataFrame:
    own = host_key(pl.col("host_name"))
    rows = assets.filter(pl.col("device").is_not_null()).select("device", "known_as", "ip", own.alias("host"))
    hosts = pl.concat([rows["host"], rows["known_as"].rename("host")])
    found = matched(hosts, names_of(register))
    by_name = [
        rows.select("device", pl.col(column).alias("host")).join(found, on="host").select("entry", "device")
        for column in ("host", "known_as")
    ]
    # An address says which machine it is only where a source has nothing else.
    told = [(number, address) for number, entry in register.items() for address in entry.addresses]
    addresses = pl.DataFrame(told, schema={"entry": pl.Int64, "ip": pl.String}, orient="row")
    addresses = addresses.unique().filter(pl.len().over("ip") == 1)
    by_address = (
        rows.filter(pl.col("host").is_null()).with_columns(pl.col("ip").str.to_lowercase()).join(addresses, on="ip")
    )
    linked = pl.concat([*by_name, by_address.select("entry", "device")]).unique().sort("entry", "device")
    return linked.select(pl.col("entry").alias("registereddevice_id"), pl.col("device").alias("device_id"))


def assets_named(words: Collection[str]) -> list[tuple[int, int, str]]:
    """The assets of the devices that the register knows by one of the words, its names or addresses in small letters:
    device, source and asset of each."""
    rows = models.Asset.objects.filter(device__registered__in=_with(words)).order_by("source_id", "asset")
    return list(dict.fromkeys(rows.values_list("device_id", "source_id", "asset")))


def unseen_names(words: Collection[str]) -> set[str]:
    """Of the words, those by which the register knows a device that no scan has seen."""
    found: set[str] = set()
    for names in _with(words).filter(devices__isnull=True).values_list("keys", flat=True):
        found.update(names)
    return found & set(words)


def _with(words: Collection[str]) -> Any:
    some = list(words)
    rows = models.RegisteredDevice.objects
    return rows.filter(keys__overlap=some) | rows.filter(addresses__overlap=some)
