"""The organisation's own list of its devices, and which names of scans it knows. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

# A row for each name by which the register knows a device: the number of the device, and the name as ``key_of`` has it.
NAMES = {"entry": pl.Int64, "key": pl.String}
_BARE = r"^[^.]+"
# What stands as a name in some scans, and is none.
_ADDRESS = r"^[0-9.]+$|:"


@dataclass(frozen=True)
class Entry:
    """A device of the register. ``addresses`` are IP addresses in their usual form; texts that are not told are
    empty."""

    name: str
    aliases: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    owner: str = ""
    site: str = ""
    criticality: str = ""

    @property
    def key(self) -> str:
        """By what it is the same device in another edition of the register."""
        return key_of(self.name)

    @property
    def keys(self) -> list[str]:
        """What all its names are compared by, its own first."""
        return list(dict.fromkeys([self.key, *map(key_of, self.aliases)]))


@dataclass(frozen=True)
class Difference:
    """What another edition of the register changes. ``kept`` are devices that it does not hold and that stay."""

    new: Sequence[Entry] = ()
    changed: Sequence[Entry] = ()
    gone: Sequence[Entry] = ()
    kept: Sequence[Entry] = ()
    same: int = 0

    @property
    def is_none(self) -> bool:
        """Whether nothing changes."""
        return not (self.new or self.changed or self.gone)


def key_of(name: str) -> str:
    """What a name is compared by: case, blanks around it and a dot at its end do not count."""
    return name.strip().lower().removesuffix(".")


def contradictions(rows: Iterable[tuple[int, Entry]]) -> list[tuple[int, str]]:
    """What of a register cannot all be true, each with its line: a name that two devices have."""
    owners: dict[str, tuple[int, str]] = {}
    found = []
    for line, entry in rows:
        for key in entry.keys:
            first, own = owners.setdefault(key, (line, entry.key))
            if (first, own) != (line, entry.key):
                what = "its name" if key == entry.key else "one of its other names"
                found.append((line, f"{what} is that of another device, on line {first}"))
                break
    return found


def shared(entries: Iterable[Entry]) -> list[str]:
    """The names that several of these devices have, in order."""
    found: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        for key in entry.keys:
            found[key].add(entry.key)
    return sorted(key for key, owners in found.items() if len(owners) > 1)


def difference(before: Iterable[Entry], after: Iterable[Entry], *, keeps: bool = False) -> Difference:
    """What an edition changes of the one before. ``keeps``: what it does not hold stays. By name, in its order."""
    old, new = {one.key: one for one in before}, {one.key: one for one in after}
    missing = [old[key] for key in sorted(old.keys() - new.keys())]
    there = sorted(new.keys() & old.keys())
    changed = [new[key] for key in there if new[key] != old[key]]
    return Difference(
        new=[new[key] for key in sorted(new.keys() - old.keys())],
        changed=changed,
        gone=() if keeps else missing,
        kept=missing if keeps else (),
        same=len(there) - len(changed),
    )


def names_of(entries: Mapping[int, Entry]) -> pl.DataFrame:
    """The columns of NAMES, of devices by their numbers."""
    rows = [(number, key) for number, entry in entries.items() for key in entry.keys]
    return pl.DataFrame(rows, schema=NAMES, orient="row")


def matched(hosts: pl.Series, names: pl.DataFrame) -> pl.DataFrame:
    """The device of the register that each of the hosts is: columns host and entry, no row for what is none.

    ``hosts`` are names as ``key_of`` has them, ``names`` has the columns of NAMES. A name without a domain is that of
    the only domain which has it, among hosts and the register; where there are several, it stands for itself.
    """
    wanted = hosts.drop_nulls().unique().rename("host").to_frame().filter(~pl.col("host").str.contains(_ADDRESS))
    told = pl.concat([wanted["host"], names["key"]]).unique().rename("key").to_frame()
    only = (
        told.with_columns(pl.col("key").str.extract(f"({_BARE})").alias("short"))
        .filter(pl.col("key") != pl.col("short"))
        .group_by("short")
        .agg(pl.first("key"), pl.len())
        .filter(pl.col("len") == 1)
    )

    def whole(column: str) -> pl.Expr:
        return pl.col(column).replace(only["short"], only["key"]).alias("whole")

    known = names.select("entry", whole("key"))
    # A name that is whole by the only domain can come to be two devices' name: then it is none's.
    known = known.unique().filter(pl.len().over("whole") == 1)
    return wanted.with_columns(whole("host")).join(known, on="whole").select("host", "entry").sort("host")


def other_names(hosts: pl.Series, entries: Mapping[int, Entry]) -> dict[str, str]:
    """For each host that the register knows by another name: the name it has there, as ``key_of`` has it."""
    found = matched(hosts, names_of(entries))
    return {host: key for host, number in found.iter_rows() if (key := entries[number].key) != host}
