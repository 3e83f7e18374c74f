"""What is known of the findings of a device and of its assets: who reports them, who accepted them, and the tickets."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
from django.db.models import Exists, OuterRef

from ..domain.acceptance import Acceptance, excepted
from ..domain.ledger import ALIVE, State
from ..domain.snapshot import SEVERITIES
from ..domain.ticket import OUT, SUPERSEDED, pair_text
from ..service_day import service_day
from . import copy, models
from .acceptances import holding, as_known
from .addressed import ADDRESSED

AssetKey = tuple[int, str]
"""The number of a source, and the source's own id of the asset."""

FINDINGS_OF_DEVICE: dict[str, Any] = {
    # Null where the source names none: then the row is of one vulnerability of one source.
    "cve": pl.String,
    # The sources' own ids, of which each may stand for several CVEs.
    "vulnerabilities": pl.List(pl.String),
    "title": pl.String,
    # The worst that a source gives it, a word of SEVERITIES.
    "severity": pl.String,
    # Names of sources, in order.
    "sources": pl.List(pl.String),
    # States of the ledger, in its order, with what is accepted today as excepted.
    "states": pl.List(pl.String),
    # Halo's numbers of the tickets that tell of it.
    "tickets": pl.List(pl.Int64),
    # Whether somebody has called it done, and no scan has judged that.
    "addressed": pl.Boolean,
}

_LEDGER = """
SELECT store_finding.source_id AS source, store_source.name AS source_name, asset, vulnerability,
       store_finding.solution, state, title, severity, cves
FROM store_finding
JOIN unnest(%s::bigint[], %s::text[]) AS wanted (source_id, asset) USING (source_id, asset)
JOIN store_source ON store_source.id = source_id
LEFT JOIN store_vulnerability USING (source_id, vulnerability)
"""
_ADDRESSED = f"""
SELECT finding.source_id AS source, finding.asset, finding.vulnerability
FROM store_finding AS finding JOIN store_asset AS asset USING (source_id, asset)
WHERE asset.device_id = %s AND {ADDRESSED}
"""  # nosec B608: a constant
_ROWS: dict[str, Any] = {
    "source": pl.Int64,
    "source_name": pl.String,
    **dict.fromkeys(("asset", "vulnerability", "solution", "state", "title", "severity"), pl.String),
    "cves": pl.List(pl.String),
}
_TICKETS: dict[str, Any] = {
    "source": pl.Int64,
    "asset": pl.String,
    "vulnerability": pl.String,
    "number": pl.Int64,
    "project": pl.String,
    "told": pl.String,
}


@dataclass(frozen=True)
class AssetFacts:
    """What goes with an asset. ``findings``: how many it has that are open or unconfirmed, and that nobody accepted.
    ``tickets``: number and project of each ticket that tells of one of its findings as there. ``acceptances``: the
    numbers of those that hold today and name the asset.
    """

    findings: int
    tickets: tuple[tuple[int, str], ...]
    acceptances: tuple[int, ...]


def findings_of_device(device_id: int, today: date | None = None) -> pl.DataFrame:
    """One row for each CVE on a device, or, where a source names no CVE, for each vulnerability of that source.

    Columns as in FINDINGS_OF_DEVICE, the worst first. It holds all that was ever found, also what is gone.
    ``today``: by the service's time zone where it is not given.
    """
    rows = models.Asset.objects.filter(device=device_id).values_list("source_id", "asset")
    found = _findings(list(rows), today or service_day())
    numbers = (
        _tickets(found)
        .filter(~pl.col("told").is_in([OUT, SUPERSEDED]))
        .group_by("source", "asset", "vulnerability")
        .agg(pl.col("number").alias("tickets"))
    )
    called_done = copy.select(
        _ADDRESSED, [device_id], {name: _ROWS[name] for name in ("source", "asset", "vulnerability")}
    )
    rank = pl.col("severity").replace_strict(list(SEVERITIES), range(len(SEVERITIES)), default=len(SEVERITIES) - 1)
    states = [state.value for state in State]
    lines = (
        found.join(numbers, on=["source", "asset", "vulnerability"], how="left")
        .join(called_done.with_columns(addressed=True), on=["source", "asset", "vulnerability"], how="left")
        .with_columns(
            rank.alias("rank"),
            pl.col("state").replace_strict(states, range(len(states))).alias("state_rank"),
            pl.col("cves").fill_null([]).list.eval(pl.element().str.strip_chars().str.to_uppercase()).list.unique(),
        )
        .explode("cves", empty_as_null=True, keep_nulls=True)
        .rename({"cves": "cve"})
        .with_columns(
            # A source's own id says nothing of another source's.
            pl.when(pl.col("cve").is_null())
            .then(pl.struct("source", "vulnerability"))
            .alias("own"),
        )
        .sort("rank", "source_name", "asset", "vulnerability")
        .group_by("cve", "own", maintain_order=True)
        .agg(
            pl.col("vulnerability").unique().sort().alias("vulnerabilities"),
            pl.col("title").drop_nulls().first(),
            pl.col("rank").min(),
            pl.col("source_name").unique().sort().alias("sources"),
            pl.col("state_rank").unique().sort().alias("states"),
            pl.col("tickets").explode().drop_nulls().unique().sort(),
            pl.col("addressed").fill_null(False).any(),
        )
    )
    return (
        lines.sort("rank", "cve", pl.col("vulnerabilities").list.first(), nulls_last=True, maintain_order=True)
        .with_columns(
            pl.col("rank").replace_strict(range(len(SEVERITIES)), list(SEVERITIES)).alias("severity"),
            pl.col("states").list.eval(pl.element().replace_strict(range(len(states)), states)),
        )
        .select(list(FINDINGS_OF_DEVICE))
        .cast(FINDINGS_OF_DEVICE)  # type: ignore[arg-type]  # polars takes a mapping of names to types
    )


def facts_of_assets(keys: Collection[AssetKey], today: date | None = None) -> dict[AssetKey, AssetFacts]:
    """What goes with each of these assets. ``today``: as in ``findings_of_device``."""
    day = today or service_day()
    found = _findings(keys, day)
    alive = found.filter(pl.col("state").is_in(ALIVE)).group_by("source", "asset").len()
    counts = {(source, asset): count for source, asset, count in alive.iter_rows()}
    tickets: dict[AssetKey, set[tuple[int, str]]] = {}
    for row in _tickets(found).filter(pl.col("told").is_in(ALIVE)).iter_rows(named=True):
        tickets.setdefault((row["source"], row["asset"]), set()).add((row["number"], row["project"]))
    accepted: dict[AssetKey, list[int]] = {}
    for one in holding({source for source, _ in keys}, day):
        if one.asset is not None:
            accepted.setdefault((one.source_id, one.asset), []).append(one.pk)
    return {
        key: AssetFacts(counts.get(key, 0), tuple(sorted(tickets.get(key, ()))), tuple(accepted.get(key, ())))
        for key in keys
    }


def _findings(keys: Collection[AssetKey], today: date) -> pl.DataFrame:
    """All findings of these assets, with the columns of _ROWS; what is accepted today as excepted."""
    sources, assets = [source for source, _ in keys], [asset for _, asset in keys]
    found = copy.select(_LEDGER, [sources, assets], _ROWS)
    by_source: dict[int, list[Acceptance]] = {source: [] for source in sorted(set(sources))}
    for row in holding(by_source, today):
        by_source[row.source_id].append(as_known(row))
    parts = [excepted(found.filter(pl.col("source") == source), some, today) for source, some in by_source.items()]
    return pl.concat(parts) if parts else found


def _tickets(found: pl.DataFrame) -> pl.DataFrame:
    """The tickets that tell of these findings, a row for each pair of both, with the columns of _TICKETS.

    Of the tickets of one project and key, the newest; none that Halo no longer shows.
    """
    rows = []
    newer = models.Ticket.objects.filter(
        project=OuterRef("project"), key=OuterRef("key"), generation__gt=OuterRef("generation")
    )
    for (source,), part in found.group_by("source", maintain_order=True):
        pairs = {pair_text(pair): pair for pair in part.select("asset", "vulnerability").iter_rows()}
        there = models.Ticket.objects.filter(
            ~Exists(newer), project__source=source, halo_id__isnull=False, note__told__has_any_keys=list(pairs)
        )
        for ticket in there.select_related("project"):
            told: Mapping[str, str] = ticket.note["told"]
            if not (ticket.note.get("missing") or ticket.note.get("detached")):
                rows += [
                    (source, *pairs[text], ticket.halo_id, ticket.project.name, told[text])
                    for text in pairs.keys() & told.keys()
                ]
    return pl.DataFrame(rows, schema=_TICKETS, orient="row")
