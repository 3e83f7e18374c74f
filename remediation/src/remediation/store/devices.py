"""Groups the assets of all sources to devices, by rule and by hand, and stores what has changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl
from django.db import connection, transaction
from django.utils import timezone
from psycopg import sql

from ..domain import devices
from ..domain.naming import host_key
from ..domain.register import Entry, other_names
from . import copy, models
from .counts import count_devices
from .hash_joins import hash_joins
from .registered import entries, link
from .source_naming import naming_of

_ASSETS = """
SELECT store_asset.source_id AS source, asset, host_name, NULL AS known_as, ip, mac, store_device.id AS device,
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
@hash_joins()
def regroup() -> int:
    """Give each asset its device, and each device that no person made its name. Returns how many assets have moved.

    To be called when no transaction is open: it waits for those that take a snapshot in, and they for none of its kind.
    """
    lock_sources()
    assets = _assets()
    found = _stored(devices.grouped(assets), assets)
    moved = found.join(assets.select(*devices.KEY, "device"), on=devices.KEY, suffix="_before").filter(
        pl.col("device").ne_missing(pl.col("device_before"))
    )
    _move(moved)
    _rename(devices.names(assets, found))
    with connection.cursor() as cursor:
        cursor.execute(_EMPTY)
    link(assets.drop("device").join(found, on=devices.KEY))
    count_devices()
    return moved.height


class DevicesChanged(Exception):
    """The devices are not as a person has seen them: another import or another person came first."""


@dataclass(frozen=True)
class ByHand:
    """A change of devices by hand. It is shown before it is made, and made as it was shown or not at all.

    It moves assets, and marks devices as put together by a person. Findings, risk acceptances and tickets name assets
    and no devices, so nothing of theirs is lost or changed.
    """

    _put: Callable[[pl.DataFrame], pl.DataFrame]
    # These are no longer put together by a person; where they are empty then, they end.
    _let_go: Sequence[int] = ()

    @classmethod
    def join(cls, devices_: Sequence[int]) -> ByHand:
        """Puts the assets of all these devices into the first, and keeps them together."""
        return cls(partial(devices.joined, devices=devices_), devices_[1:])

    @classmethod
    def split(cls, device: int, chosen: Collection[tuple[int, str]]) -> ByHand:
        """Puts assets of a device into a new one, and keeps both apart."""
        return cls(partial(devices.split, device=device, chosen=chosen))

    @classmethod
    def release(cls, device: int) -> ByHand:
        """Hands a device back to the rules."""
        return cls(partial(devices.released, device=device), [device])

    def shown(self) -> pl.DataFrame:
        """What it would do now, with the columns of ``domain.devices.outcome``; changes nothing.

        Raises ValueError for what cannot be done.
        """
        assets = _assets()
        return devices.outcome(assets, self._put(assets))

    @transaction.atomic
    def make(self, shown: pl.DataFrame) -> pl.DataFrame:
        """Do what was ``shown``. Returns it with the numbers of new devices. Raises DevicesChanged and ValueError.

        To be called when no transaction is open, as ``regroup``.
        """
        lock_sources()
        assets = _assets()
        try:
            put = self._put(assets)
        except ValueError:
            raise DevicesChanged from None
        if not devices.outcome(assets, put).equals(shown):
            raise DevicesChanged
        new = put.filter(pl.col("device") == devices.NEW)
        if not new.is_empty():
            name = devices.names(put, new.select(*devices.KEY, "device"))["name"].item()
            number = models.Device.objects.create(name=name, by_hand=True).pk
            put = put.with_columns(pl.col("device").replace(devices.NEW, number))
        before = assets.select(*devices.KEY, pl.col("device").alias("before"))
        _move(put.join(before, on=devices.KEY).filter(pl.col("device").ne_missing(pl.col("before"))))
        hands = put.filter("by_hand")["device"].unique().to_list()
        models.Device.objects.filter(pk__in=hands, by_hand=False).update(by_hand=True)
        models.Device.objects.filter(pk__in=[one for one in self._let_go if one not in hands]).update(by_hand=False)
        regroup()
        now = _assets().select(*devices.KEY, pl.col("device").alias("after"))
        return shown.drop("after").join(now, on=devices.KEY, maintain_order="left").select(shown.columns)


def shown_with(register: Mapping[int, Entry]) -> pl.DataFrame:
    """What would be joined and parted if this were the register, with the columns of ``domain.devices.outcome``.

    Changes nothing.
    """
    return devices.outcome(_assets(), _assets(register))


def lock_sources() -> None:
    """Keep others from changing any source's assets until the transaction ends."""
    with connection.cursor() as cursor:
        # In the order of the numbers, so that two of these do not wait for each other.
        cursor.execute("SELECT FROM store_source ORDER BY id FOR NO KEY UPDATE")


def _assets(register: Mapping[int, Entry] | None = None) -> pl.DataFrame:
    """All assets, with the columns of ``domain.devices.ASSETS``, as named by a register: the stored one, if none is
    given."""
    assets = copy.select(_ASSETS, [], devices.ASSETS)
    namings = {source.pk: naming_of(source) for source in models.Source.objects.filter(settings__has_key="naming")}
    known_as = [
        pl.when(pl.col("source") == number).then(host_key(pl.col("host_name"), naming))
        for number, naming in namings.items()
    ]
    assets = assets.with_columns(pl.coalesce(*known_as, "known_as").alias("known_as"))
    register = entries() if register is None else register
    if not register:
        return assets
    # What the rules of its source make of a name is what the register is asked for.
    called = pl.coalesce("known_as", host_key(pl.col("host_name")))
    names = other_names(assets.select(called).to_series(), register)
    return assets.with_columns(
        pl.coalesce(called.replace_strict(names, default=None, return_dtype=pl.String), "known_as").alias("known_as")
    )


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
