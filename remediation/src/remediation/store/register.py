"""Takes another edition of the register in: shown before it is done, and done as it was shown or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import polars as pl
from django.db import transaction
from django.utils import timezone

from ..domain.register import Difference, Entry, difference, shared
from . import audit, models
from .devices import lock_sources, regroup, shown_with
from .one_at_a_time import Lock, one_at_a_time
from .registered import entries, entry_of, table_of

# What somebody brought and nobody took in is forgotten.
KEPT = timedelta(days=7)
MOST_NAMED = 10


class RegisterChanged(Exception):
    """The register, or what scans know, is not as a person has seen it."""

    def __init__(self) -> None:
        super().__init__("The register or the devices have changed since this was shown to you. Nothing was done.")


class SharedNames(Exception):
    """A device that stays in the register has a name of one that is brought."""

    def __init__(self, names: Sequence[str]) -> None:
        told = ", ".join(names[:MOST_NAMED]) + (", ..." if len(names) > MOST_NAMED else "")
        super().__init__(
            f"Devices that stay in the register have names of those in the file: {told}. Nothing was changed. "
            "Correct the file, or bring the whole register."
        )


@dataclass(frozen=True)
class Look:
    """What an edition would change. ``assets`` are those of the devices that are joined or parted, with the columns of
    ``domain.devices.outcome``. ``seen`` stands for all of it."""

    difference: Difference
    assets: pl.DataFrame
    seen: str


def draft(who: str, name: str, found: Sequence[Entry], columns: dict[str, str], *, keeps: bool) -> models.RegisterDraft:
    """Keep what somebody has brought until somebody takes it in."""
    models.RegisterDraft.objects.filter(made__lt=timezone.now() - KEPT).delete()
    return models.RegisterDraft.objects.create(
        who=who, name=name, entries=[table_of(one) for one in found], columns=columns, keeps=keeps
    )


def drafted(row: models.RegisterDraft) -> list[Entry]:
    """The devices of a draft."""
    return [entry_of(one) for one in row.entries]


def look(found: Sequence[Entry], *, keeps: bool) -> Look:
    """What it would change now; changes nothing. Raises SharedNames, which cannot be where nothing is kept."""
    before = entries()
    changes = difference(before.values(), found, keeps=keeps)
    if changes.is_none:
        return Look(changes, pl.DataFrame(), _seen(changes, pl.DataFrame()))
    if names := shared([*found, *changes.kept]):
        raise SharedNames(names)
    after = dict(enumerate([*found, *changes.kept], start=1))
    assets = shown_with(after)
    return Look(changes, assets, _seen(changes, assets))


@transaction.atomic
def take_in(found: Sequence[Entry], seen: str, who: str, name: str, *, keeps: bool) -> Difference:
    """Take it in as it was shown, and put devices together by it at once. Raises RegisterChanged and SharedNames.

    To be called when no transaction is open, as ``devices.regroup``.
    """
    one_at_a_time(Lock.REGISTER)
    lock_sources()
    shown = look(found, keeps=keeps)
    if shown.seen != seen:
        raise RegisterChanged
    changes = shown.difference
    if changes.is_none:
        return changes
    models.RegisteredDevice.objects.filter(key__in=[one.key for one in changes.gone]).delete()
    rows = [
        models.RegisteredDevice(key=one.key, keys=one.keys, **table_of(one)) for one in (*changes.new, *changes.changed)
    ]
    models.RegisteredDevice.objects.bulk_create(
        rows,
        batch_size=1000,
        update_conflicts=True,
        unique_fields=["key"],
        update_fields=["name", "keys", "aliases", "addresses", "owner", "site", "criticality"],
    )
    counts = {word: len(getattr(changes, word)) for word in ("new", "changed", "gone", "kept")}
    audit.record(who, "register taken in", name, **counts, same=changes.same)
    regroup()
    return changes


def _seen(changes: Difference, assets: pl.DataFrame) -> str:
    said = [[[table_of(one) for one in getattr(changes, word)] for word in ("new", "changed", "gone")], assets.rows()]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
