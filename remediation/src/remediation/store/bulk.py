"""Reads and writes of the large tables, as frames: ledger, assets, vulnerabilities, solutions, observations, snapshots.

All use Django's connection and are part of the transaction around them. What has not changed is not written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import polars as pl
from django.db import connection, transaction
from psycopg import sql

from ..domain.ledger import KEY, LEDGER
from ..domain.observe import SCANNED
from ..domain.snapshot import ASSETS, COVERAGE, FINDINGS, SEVERITIES, Proof, Snapshot
from . import copy, models
from .copy import lock
from .enriched import ENRICHED, EPSS
from .packing import content_hash, pack, unpack

__all__ = [
    "append_observations",
    "covered_assets",
    "load_snapshot",
    "lock",
    "read_assets",
    "read_findings",
    "read_findings_with",
    "read_ledger",
    "read_listed",
    "read_scanned",
    "read_solutions",
    "read_vulnerabilities",
    "remove_listed",
    "save_snapshot",
    "vulnerabilities_of",
    "write_assets",
    "write_ledger",
    "write_listed",
    "write_solutions",
    "write_vulnerabilities",
]

ASSET_ROWS: dict[str, Any] = {
    **ASSETS,
    **{name: kind for name, kind in COVERAGE.items() if name not in ASSETS},
    "covered": pl.Boolean,
}
VULNERABILITY_ROWS: dict[str, Any] = {
    name: FINDINGS[name]
    for name in ("vulnerability", "title", "severity", "family", "cvss", "risk", "vpr", "epss", "exploits", "cves")
}
# With what the feeds tell of its CVEs. Their EPSS counts where the source tells none.
ENRICHED_ROWS: dict[str, Any] = {**VULNERABILITY_ROWS, "kev": pl.Boolean, "kev_due": pl.Date}
_ENRICHED = ", ".join(f"{EPSS} AS epss" if name == "epss" else name for name in ENRICHED_ROWS)
SOLUTION_ROWS: dict[str, Any] = {
    name: FINDINGS[name]
    for name in ("solution", "solution_name", "solution_fix", "solution_type", "solution_url", "solution_estimate")
}


# The ledger


def read_ledger(source_id: int) -> pl.DataFrame:
    """The source's ledger, with the columns of LEDGER, in no order."""
    return copy.select("SELECT * FROM store_finding WHERE source_id = %s", [source_id], LEDGER)


def write_ledger(source_id: int, delta: pl.DataFrame) -> int:
    """Write the rows of ``delta``, which has the columns of LEDGER and each finding once. Returns how many differed."""
    return copy.upsert("store_finding", source_id, KEY, delta.select(list(LEDGER)))


def read_findings(source_id: int) -> pl.DataFrame:
    """The ledger with what is known of each row's asset, vulnerability and solution beside it.

    Columns: LEDGER, and those of ASSET_ROWS, ENRICHED_ROWS and SOLUTION_ROWS that LEDGER has not. A severity that
    the source does not tell is "none".
    """
    return _whole(
        read_ledger(source_id), read_assets(source_id), read_vulnerabilities(source_id), read_solutions(source_id)
    )


def _whole(
    ledger: pl.DataFrame, assets: pl.DataFrame, vulnerabilities: pl.DataFrame, solutions: pl.DataFrame
) -> pl.DataFrame:
    own = [name for name in ASSET_ROWS if name not in LEDGER or name == "asset"]
    return (
        ledger.join(assets.select(own), on="asset", how="left")
        .join(vulnerabilities, on="vulnerability", how="left")
        .join(solutions, on="solution", how="left")
        .with_columns(pl.col("severity").fill_null("none"))
    )


def read_findings_with(source_id: int, vulnerability: str, most: int) -> pl.DataFrame:
    """The findings that are open or unconfirmed and have the same solution as those of a vulnerability: those that make
    one ticket. At most so many. Columns as in ``read_findings``; no rows where nothing has the vulnerability now."""
    first = copy.select(
        f"SELECT * FROM store_finding WHERE {_ALIVE} AND vulnerability = %s ORDER BY asset LIMIT 1",  # nosec B608
        [source_id, vulnerability],
        LEDGER,
    )
    solution = first["solution"][0] if len(first) else None
    if solution is None:
        return read_alive(source_id, "vulnerability", vulnerability, most)
    return read_alive(source_id, "solution", solution, most)


_ALIVE = "source_id = %s AND state IN ('open', 'unconfirmed')"


def read_alive(source_id: int, column: str, value: str, most: int) -> pl.DataFrame:
    """The findings that are open or unconfirmed and have a value in a column of KEY or ``solution``: at most so many.
    Columns as in ``read_findings``."""
    given: list[Any] = [source_id, value]
    same = f"{_ALIVE} AND {column} = %s"
    if column == "solution":
        same += " AND vulnerability = ANY(%s)"
        given.append(vulnerabilities_of(source_id, value))
    query = f"SELECT * FROM store_finding WHERE {same} ORDER BY asset, vulnerability LIMIT %s"  # nosec B608
    ledger = copy.select(query, [*given, most], LEDGER)

    def named(table: str, key: str, wanted: pl.Series, schema: dict[str, Any], told: str = "*") -> pl.DataFrame:
        query = f"SELECT {told} FROM {table} WHERE source_id = %s AND {key} = ANY(%s)"  # nosec B608
        return copy.select(query, [source_id, wanted.drop_nulls().unique().to_list()], schema)

    short = {name.removeprefix("solution_"): kind for name, kind in SOLUTION_ROWS.items()}
    return _whole(
        ledger,
        named("store_asset", "asset", ledger["asset"], ASSET_ROWS),
        named(ENRICHED, "vulnerability", ledger["vulnerability"], ENRICHED_ROWS, _ENRICHED),
        named("store_solution", "solution", ledger["solution"], short).rename(dict(zip(short, SOLUTION_ROWS))),
    )


# The findings that a project was made of


def read_listed(project_id: int) -> pl.DataFrame:
    """The keys of the findings that a report told when the project was made of it; none for any other project."""
    query = "SELECT * FROM store_listedfinding WHERE project_id = %s"
    return copy.select(query, [project_id], {name: LEDGER[name] for name in KEY})


def write_listed(project_id: int, findings: pl.DataFrame) -> int:
    """Keep the keys of the findings that a project is made of, beside those that are kept. Returns how many are new."""
    rows = findings.select(KEY).unique().join(read_listed(project_id), on=KEY, how="anti").sort(KEY)
    return copy.append("store_listedfinding", rows.with_columns(pl.lit(project_id, pl.Int64).alias("project_id")))


def remove_listed(project_id: int, pairs: Sequence[tuple[str, str]]) -> None:
    """Forget that a project is made of these findings, each an asset and a vulnerability."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM store_listedfinding WHERE project_id = %s "
            "AND (asset, vulnerability) IN (SELECT * FROM unnest(%s::text[], %s::text[]))",
            [project_id, [asset for asset, _ in pairs], [vulnerability for _, vulnerability in pairs]],
        )


# Assets, with how they were assessed


def read_assets(source_id: int) -> pl.DataFrame:
    """The assets that the source ever knew, with the columns of ASSET_ROWS."""
    return copy.select("SELECT * FROM store_asset WHERE source_id = %s", [source_id], ASSET_ROWS)


def read_scanned(source_id: int) -> pl.DataFrame:
    """When each asset that the source ever knew was last scanned, or else assessed: the columns of SCANNED."""
    query = "SELECT asset, coalesce(scan_started, assessed) AS scan_started FROM store_asset WHERE source_id = %s"
    return copy.select(query, [source_id], SCANNED)


def covered_assets(source_id: int) -> int:
    """How many assets the source covered by its last full snapshot."""
    return models.Asset.objects.filter(source=source_id, covered=True).count()


@transaction.atomic
def write_assets(source_id: int, snapshot: Snapshot) -> int:
    """Write what a snapshot says of assets and of their assessment. Returns how many rows changed.

    What it does not tell of an asset (null) stays as it was, and so does an asset whose stored scan is later. A full
    snapshot (Proof.is_full) covers no more the assets that are not in its coverage.
    """
    rows = asset_rows(snapshot)
    stored = read_scanned(source_id).rename({"scan_started": "stored"})
    later = rows.join(stored, on="asset").filter(pl.col("stored") > pl.coalesce("scan_started", "assessed"))
    news = rows.join(later, on="asset", how="anti")
    written = copy.upsert("store_asset", source_id, ["asset"], news, keeps=rows.columns[1:])
    if not snapshot.proof.is_full:
        return written
    newest = None if snapshot.proof is Proof.SCAN else rows.select(pl.coalesce("scan_started", "assessed").max()).item()
    return written + _uncover(source_id, rows.filter("covered").select("asset"), newest)


def asset_rows(snapshot: Snapshot) -> pl.DataFrame:
    """One row for each asset that a snapshot names, with the columns of ASSET_ROWS. Null is what it does not tell."""
    coverage = snapshot.coverage.unique("asset", keep="first", maintain_order=True)
    covered = coverage.with_columns(pl.lit(True).alias("covered"))
    rows = snapshot.assets.unique("asset", keep="first", maintain_order=True).join(
        covered, on="asset", how="full", coalesce=True, suffix="_covered"
    )
    return rows.select(
        pl.coalesce(name, f"{name}_covered") if f"{name}_covered" in rows.columns else pl.col(name)
        for name in ASSET_ROWS
        if name != "covered"
    ).with_columns(rows["covered"].fill_null(False) if snapshot.proof.is_full else rows["covered"])


def _uncover(source_id: int, covered: pl.DataFrame, newest: datetime | None) -> int:
    """Cover no asset but these. ``newest``: what was assessed after that is left, because a file may be an old one."""
    with connection.cursor() as cursor, copy.Incoming(cursor, "store_asset", covered) as temporary:
        cursor.execute(
            sql.SQL(
                "UPDATE store_asset SET covered = false WHERE source_id = %s AND covered "
                "AND NOT EXISTS (SELECT FROM {} AS new WHERE new.asset = store_asset.asset) "
                "AND NOT coalesce(coalesce(scan_started, assessed) > %s, false)"
            ).format(sql.Identifier(temporary)),
            [source_id, newest],
        )
        return int(cursor.rowcount)


# Vulnerabilities and solutions


def read_vulnerabilities(source_id: int) -> pl.DataFrame:
    """The vulnerabilities that the source ever found, with the columns of ENRICHED_ROWS."""
    query = f"SELECT {_ENRICHED} FROM {ENRICHED} WHERE source_id = %s"  # nosec B608
    return copy.select(query, [source_id], ENRICHED_ROWS)


@transaction.atomic
def write_vulnerabilities(source_id: int, rows: pl.DataFrame, counted: pl.DataFrame | None = None) -> int:
    """Write ``vulnerability_rows``, with what is ``counted`` of them. What is not told (null) stays. Returns how many
    changed.

    ``tell_vulnerabilities`` is to follow in the same transaction: without what the feeds tell, no page shows one.
    """
    if counted is not None:
        rows = rows.join(counted, on="vulnerability", how="left").with_columns(pl.col("alive").fill_null(0))
    searched = rows.select("vulnerability", "title", "cves")
    if copy.upsert("store_searchedvulnerability", source_id, ["vulnerability"], searched, keeps=searched.columns[1:]):
        with connection.cursor() as cursor:
            # Together, and before anybody searches.
            cursor.execute("SELECT gin_clean_pending_list('searched_words')")
    return copy.upsert("store_vulnerability", source_id, ["vulnerability"], rows, keeps=rows.columns[1:])


def vulnerability_rows(snapshot: Snapshot) -> pl.DataFrame:
    """What a snapshot says of each vulnerability, with its description: the row with the highest scores, whatever the
    order of the findings."""
    plain = [name for name in VULNERABILITY_ROWS if name != "cves"]
    rank = pl.col("severity").replace_strict({name: place for place, name in enumerate(SEVERITIES)}, default=99)
    return (
        snapshot.findings.select(list(VULNERABILITY_ROWS))
        .unique(plain)
        .sort(
            ["vulnerability", rank, "cvss", "risk", "vpr", "epss", "exploits", "title", "family"],
            descending=[False, False, True, True, True, True, True, False, False],
            nulls_last=True,
        )
        .unique("vulnerability", keep="first", maintain_order=True)
        .join(snapshot.descriptions, on="vulnerability", how="left")
    )


def read_solutions(source_id: int) -> pl.DataFrame:
    """The solutions that the source ever named, with the columns of SOLUTION_ROWS."""
    short = {name.removeprefix("solution_"): kind for name, kind in SOLUTION_ROWS.items()}
    rows = copy.select("SELECT * FROM store_solution WHERE source_id = %s", [source_id], short)
    return rows.rename(dict(zip(short, SOLUTION_ROWS)))


def write_solutions(source_id: int, rows: pl.DataFrame) -> int:
    """Write ``solution_rows``. What they do not tell (null) stays, as do the vulnerabilities of earlier ones. Returns
    how many rows changed."""
    pairs = rows.select("solution", vulnerability="vulnerabilities").explode("vulnerability")
    query = "SELECT solution, unnest(vulnerabilities) AS vulnerability FROM store_solution WHERE source_id = %s"
    before = copy.select(query, [source_id], dict(pairs.schema))
    new = pairs.join(before, on=pairs.columns, how="anti")
    ever = pl.concat([new, before.join(new, on="solution", how="semi")]).sort("vulnerability")
    told = ever.group_by("solution", maintain_order=True).agg(vulnerabilities="vulnerability")
    news = rows.drop("vulnerabilities").join(told, on="solution", how="left")
    return copy.upsert("store_solution", source_id, ["solution"], news, keeps=news.columns[1:])


def vulnerabilities_of(source_id: int, solution: str) -> list[str]:
    """All that any finding of the source with this solution ever had; none for a solution that it never named."""
    known = models.Solution.objects.filter(source=source_id, solution=solution)
    return next(iter(known.values_list("vulnerabilities", flat=True)), [])


def solution_rows(snapshot: Snapshot) -> pl.DataFrame:
    """What a snapshot says of each solution, with the table's names and the vulnerabilities that have it, whatever the
    order of the findings."""
    told = snapshot.findings.select(*SOLUTION_ROWS, "vulnerability").filter(pl.col("solution").is_not_null()).unique()
    return (
        told.select(list(SOLUTION_ROWS))
        .sort(list(SOLUTION_ROWS), nulls_last=True)
        .unique("solution", keep="first", maintain_order=True)
        .join(told.group_by("solution").agg(vulnerabilities=pl.col("vulnerability").unique()), on="solution")
        .rename(lambda name: name.removeprefix("solution_"))
    )


# Observations and snapshots

# More than a snapshot has rows.
_PLACES = 2**32


def append_observations(
    source_id: int, snapshot_id: int, observations: pl.DataFrame, *, run_id: int | None = None
) -> int:
    """Append what a snapshot changed, each finding once; columns that the table has not go into ``detail``. Returns how
    many."""
    own = ["asset", "vulnerability", "solution", "kind"]
    others = [name for name in observations.columns if name not in own]
    detail = pl.struct(others).struct.json_encode() if others else pl.lit("{}")
    rows = observations.select(
        *own,
        detail.alias("detail"),
        (pl.int_range(pl.len(), dtype=pl.Int64) + snapshot_id * _PLACES).alias("place"),
        pl.lit(source_id, pl.Int64).alias("source_id"),
        pl.lit(snapshot_id, pl.Int64).alias("snapshot_id"),
        pl.lit(run_id, pl.Int64).alias("run_id"),
    )
    return copy.append("store_observation", rows)


def save_snapshot(source_id: int, snapshot: Snapshot, content: str | None = None, frames: bytes | None = None) -> int:
    """Keep a snapshot whole. ``content`` is its content_hash and ``frames`` what pack makes of it, where the caller has
    them. Returns the record's number."""
    record = models.SnapshotRecord.objects.create(
        source_id=source_id,
        taken=snapshot.taken,
        proof=snapshot.proof.value,
        rows=snapshot.rows,
        findings=len(snapshot.findings),
        assets=snapshot.coverage["asset"].n_unique(),
        content_hash=content or content_hash(snapshot),
        frames=frames or pack(snapshot),
    )
    return record.pk


def load_snapshot(snapshot_id: int) -> Snapshot:
    """A snapshot as it was saved. Raises SnapshotRecord.DoesNotExist, also where its frames were too old to be kept."""
    record = models.SnapshotRecord.objects.get(pk=snapshot_id, frames__isnull=False)
    frames = unpack(bytes(record.frames or b""))
    return replace(
        Snapshot(record.taken, Proof(record.proof), frames["findings"], frames["assets"], frames["coverage"]),
        exceptions=frames["exceptions"],
        fixed=frames["fixed"],
        rows=record.rows,
    )
