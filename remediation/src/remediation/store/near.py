"""Names that no scan has, and the devices that may be meant; and what a person says of it, as another name of one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import polars as pl
from django.db import transaction

from ..domain.naming import host_key
from ..domain.near_names import KnownNames
from ..domain.register import key_of
from . import audit, copy, models
from .devices import lock_sources, regroup
from .source_naming import naming_of, store_naming
from .versions import change_version

_HOSTS = "SELECT source_id AS source, host_name, device_id AS device FROM store_asset WHERE device_id IS NOT NULL"
_OTHERS = """
SELECT DISTINCT told.key, device_id AS device FROM store_registereddevice AS entry
JOIN store_registereddevice_devices AS linked ON linked.registereddevice_id = entry.id, unnest(entry.keys) AS told (key)
"""
_SCHEMA: dict[str, Any] = {"key": pl.String, "device": pl.Int64}


@dataclass(frozen=True)
class Offer:
    """``word`` is known nowhere; ``device`` may be meant, called ``name``; ``why`` says how both differ."""

    word: str
    name: str
    device: models.Device
    why: str


class NotAdded(Exception):
    """A name cannot be made another one of a device; the text says why."""


def known_names() -> KnownNames:
    """By which names devices are known: those that scans tell, the old ones of each source's rules, and those of the
    register."""
    hosts = copy.select(_HOSTS, [], {"source": pl.Int64, "host_name": pl.String, "device": pl.Int64})
    plain = hosts.select(host_key(pl.col("host_name")).alias("key"), "device")
    told = [plain, copy.select(_OTHERS, [], _SCHEMA)]
    for source in models.Source.objects.filter(settings__has_key="naming"):
        naming = naming_of(source)
        rows = hosts.filter(pl.col("source") == source.pk)
        by_rule = rows.select(host_key(pl.col("host_name"), naming).alias("key"), "device")
        old = pl.DataFrame(
            list(naming.final_names().items()), schema={"old": pl.String, "key": pl.String}, orient="row"
        )
        told += [by_rule, by_rule.join(old, on="key").select(pl.col("old").alias("key"), "device")]
    return KnownNames(pl.concat(told).drop_nulls().unique().iter_rows())


def offers(words: Collection[str], known: KnownNames | None = None) -> list[Offer]:
    """For the words of a text that are like names, and that no device has: which one may be meant."""
    near = (known or known_names()).near(words)
    rows = models.Device.objects.in_bulk([one.device for one in near])
    return [Offer(one.word, one.name, rows[one.device], one.why) for one in near if one.device in rows]


def add_name(device: models.Device, word: str, who: str) -> list[str]:
    """Make a word another name of a device, in the rules of each source that tells a host name of it, and put devices
    together by them. Returns the names of the sources that have it now. Raises NotAdded.

    To be called when no transaction is open, as ``devices.regroup``.
    """
    name = key_of(word)
    with transaction.atomic():
        lock_sources()
        if not name or len(name) > 253 or not name.isprintable() or any(sign.isspace() or sign == "=" for sign in name):
            raise NotAdded("This can be no name of a machine.")
        if name in known_names():
            raise NotAdded(f"A device is called {name!r} already. Devices are joined on the command line: device join.")
        changed = [_has_now(source, device, name, who) for source in _told_by(device)]
        if not changed:
            raise NotAdded("No source tells a host name of this device. Give it the name in the register.")
        regroup()
    return changed


def _told_by(device: models.Device) -> list[models.Source]:
    named = device.assets.filter(host_name__isnull=False).values("source_id")
    return list(models.Source.objects.filter(pk__in=named).order_by("name"))


def _has_now(source: models.Source, device: models.Device, name: str, who: str) -> str:
    hosts = device.assets.filter(source=source, host_name__isnull=False).values_list("host_name", flat=True)
    host = min(key_of(name) for name in hosts if name)
    rules = source.settings.get("naming") or {}
    try:
        change_version(source, source.version)
        store_naming(source, {**rules.get("aliases", {}), name: host}, rules.get("suffixes", ()))
    except ValueError as error:
        raise NotAdded(f"The rules of {source.name} do not allow it: {error}") from None
    changed = audit.changes(rules, source.settings["naming"])
    audit.record(who, "rules of names changed", source.name, changed=changed)
    return source.name
