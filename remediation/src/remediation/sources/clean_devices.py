"""Devices that a full file should hold and that are clean: the person who imports the file names them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches

import polars as pl

from ..domain.snapshot import COVERAGE, Proof, Snapshot
from .errors import SourceError

# What stands as the scan of a clean device: the evidence of what it settles.
WORD = "word of a person on the report"
MOST_NAMES = 5


class NotClean(SourceError):
    """A device that cannot be taken as clean: it is not known, or the file has findings of it."""


def named(hosts: Iterable[str], known: pl.DataFrame) -> dict[str, list[str]]:
    """The assets that each host names, by id, host name or address, in that order. Raises NotClean for one that is not
    known.

    ``known`` has the columns asset, host_name and ip. Case and a trailing dot do not count. A short name is not taken
    for a long one: whose findings are settled is not guessed.
    """
    names = {column: known[column].str.to_lowercase().str.strip_suffix(".") for column in ("asset", "host_name", "ip")}
    found: dict[str, list[str]] = {}
    for host in hosts:
        wanted = host.strip().lower().removesuffix(".")
        matches = (known.filter(column == wanted)["asset"].sort().to_list() for column in names.values())
        found[host] = next((assets for assets in matches if wanted and assets), [])
        if not found[host]:
            raise NotClean(f"The source knows no device {host!r}.", _nearest(wanted, names))
    return found


def _nearest(wanted: str, names: dict[str, pl.Series]) -> str:
    there = sorted({name for column in names.values() for name in column.drop_nulls().to_list()})
    if not there:
        return "It knows no device yet: import a file that holds findings first."
    longer = [name for name in there if wanted and name.startswith(f"{wanted}.")]
    near = (longer + [name for name in get_close_matches(wanted, there, MOST_NAMES) if name not in longer])[:MOST_NAMES]
    return f"The nearest: {', '.join(near)}." if near else f"None is called nearly so, of {len(there)} names."


def with_clean(snapshot: Snapshot, clean: dict[str, list[str]], known: pl.DataFrame) -> Snapshot:
    """The snapshot, covering the clean assets as well. Raises NotClean.

    They were assessed at the newest assessment of the file, or, where it has no rows, when it was taken: by the word of
    the person. The credentials are those of their last assessment (``known``, by asset), so that the word counts for as
    much as another scan of the same kind.
    """
    if not clean:
        return snapshot
    if snapshot.proof not in (Proof.FILE, Proof.DEVICES):
        raise NotClean("A file of which only what is listed counts names no clean devices.", "Leave one of both out.")
    assets = sorted({asset for one in clean.values() for asset in one})
    with_findings = set(snapshot.findings["asset"].to_list())
    for host, same in clean.items():
        if not with_findings.isdisjoint(same):
            raise NotClean(f"The file itself has findings of {host!r}.", "Do not name it clean.")
    assessed = snapshot.coverage["assessed"].max() if snapshot.coverage.height else snapshot.taken
    if assessed is None and snapshot.proof is Proof.DEVICES:
        # Such a report counts by its own date.
        assessed = snapshot.taken
    if assessed is None:
        raise NotClean(
            "The file does not tell when its assets were assessed, so a clean device cannot be told either.",
            "Give a file with the column last_assessed filled in.",
        )
    rows = (
        known.filter(pl.col("asset").is_in(assets))
        .select("asset", "host_name", "ip", "credentials")
        .with_columns(
            pl.lit(WORD).alias("scan"),
            pl.lit(assessed).alias("scan_started"),
            pl.lit(None).alias("scan_finished"),
            pl.lit(assessed).alias("assessed"),
        )
        .select(list(COVERAGE))
        .cast(COVERAGE)  # type: ignore[arg-type]  # polars takes a mapping of names to types
    )
    return replace(snapshot, coverage=pl.concat([snapshot.coverage, rows]))
