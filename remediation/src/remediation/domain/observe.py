"""What a snapshot changes in the ledger. Pure.

A snapshot is compared with the ledger, not with the snapshot before, so that what one scan could not settle is settled by
a later one. Nothing is settled without proof: a finding that is missing is remediated only where its asset was scanned
again, by a scan that started after the finding was last seen and with credentials no worse than those that saw it.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from .ledger import ALIVE, KEY, LEDGER, State
from .snapshot import Proof, Snapshot

OBSERVATIONS: dict[str, pl.DataType | type[pl.DataType]] = {
    "asset": pl.String,
    "vulnerability": pl.String,
    "solution": pl.String,
    "kind": pl.String,
    "before": pl.String,
    "scan": pl.String,
}

APPROVED = "approved"


@dataclass(frozen=True)
class Observed:
    """``delta``: the rows of the ledger that change, whole. ``observations``: what each change is, in one word."""

    delta: pl.DataFrame
    observations: pl.DataFrame


def observe(snapshot: Snapshot, ledger: pl.DataFrame) -> Observed:
    """The changes that a snapshot makes in its source's ledger."""
    joined = _joined(snapshot, ledger)
    judged = joined.with_columns(_kind(snapshot.proof)).filter(pl.col("kind").is_not_null())
    delta = judged.select(
        *KEY,
        pl.coalesce("f_solution", "solution").alias("solution"),
        _state_after().alias("state"),
        pl.when(_state_after() == pl.col("state"))
        .then(pl.coalesce("since", pl.lit(snapshot.taken)))
        .otherwise(pl.lit(snapshot.taken))
        .alias("since"),
        pl.coalesce("first_found", "f_first_found", pl.lit(snapshot.taken)).alias("first_found"),
        pl.when(pl.col("found"))
        .then(pl.coalesce("f_last_found", "c_started", pl.lit(snapshot.taken)))
        .otherwise(pl.col("last_found"))
        .alias("last_found"),
        pl.coalesce("f_instances", "instances").alias("instances"),
        pl.when(pl.col("found") | (pl.col("kind") == "remediated"))
        .then(pl.coalesce("c_scan", "scan"))
        .otherwise(pl.col("scan"))
        .alias("scan"),
        pl.when(pl.col("found") | (pl.col("kind") == "remediated"))
        .then(pl.coalesce("c_started", "scan_started"))
        .otherwise(pl.col("scan_started"))
        .alias("scan_started"),
        pl.when(pl.col("found"))
        .then(_weaker("credentials", "c_credentials"))
        .otherwise(pl.col("credentials"))
        .alias("credentials"),
        pl.when(pl.col("found")).then(0).otherwise(pl.col("missed").fill_null(0) + 1).alias("missed"),
    ).cast(
        LEDGER
    )  # type: ignore[arg-type]  # polars takes a mapping of names to types
    told = judged.filter(pl.col("kind") != "seen_again").select(
        *KEY,
        pl.coalesce("f_solution", "solution").alias("solution"),
        "kind",
        pl.col("state").alias("before"),
        pl.col("c_scan").alias("scan"),
    )
    return Observed(delta.sort(KEY), told.cast(OBSERVATIONS).sort(KEY))  # type: ignore[arg-type]  # as above


def _joined(snapshot: Snapshot, ledger: pl.DataFrame) -> pl.DataFrame:
    """A row for each finding that the ledger or the snapshot knows, with what is known of its asset's scan."""
    found = snapshot.findings.select(
        *KEY,
        pl.col("solution").alias("f_solution"),
        pl.col("first_found").alias("f_first_found"),
        pl.col("last_found").alias("f_last_found"),
        pl.col("instances").alias("f_instances"),
        pl.lit(True).alias("found"),
    ).unique(KEY, keep="first")
    scans = snapshot.coverage.select(
        "asset",
        pl.col("scan").alias("c_scan"),
        pl.coalesce("scan_started", "assessed").alias("c_started"),
        pl.col("credentials").alias("c_credentials"),
        pl.lit(True).alias("covered"),
    ).unique("asset", keep="first")
    excepted = (
        snapshot.exceptions.filter(pl.col("status").str.to_lowercase() == APPROVED)
        .select(*KEY, pl.lit(True).alias("excepted"))
        .unique(KEY)
    )
    return (
        ledger.join(found, on=KEY, how="full", coalesce=True)
        .join(scans, on="asset", how="left")
        .join(excepted, on=KEY, how="left")
        .with_columns(pl.col("found", "covered", "excepted").fill_null(False))
    )


def _rank(column: str) -> pl.Expr:
    """Credentials in order: none or failed 1, some or all 2, not applicable 0, not told None."""
    credentials = pl.col(column)
    return pl.when(credentials >= 3).then(2).when(credentials >= 1).then(1).when(credentials == -1).then(0)


def _weaker(one: str, other: str) -> pl.Expr:
    """The weaker of two credentials, where both are told."""
    return (
        pl.when(pl.col(one).is_null())
        .then(pl.col(other))
        .when(pl.col(other).is_null() | (_rank(one) <= _rank(other)))
        .then(pl.col(one))
        .otherwise(pl.col(other))
    )


def _proved() -> pl.Expr:
    """Whether the asset was scanned in a way that would have seen the finding."""
    before, now = _rank("credentials"), _rank("c_credentials")
    # -1 stands beside -1 only; where neither side tells its credentials, they do not count.
    good_enough = (
        pl.when(before.is_null() & now.is_null())
        .then(True)
        .when((before == 0) | (now == 0))
        .then(before == now)
        .otherwise(now >= before)
        .fill_null(False)
    )
    last_seen = pl.coalesce("last_found", "scan_started")
    later = (pl.col("c_started") > last_seen) & (pl.col("c_started") > pl.coalesce("scan_started", "last_found"))
    return pl.col("covered") & later.fill_null(False) & good_enough


def _kind(proof: Proof) -> pl.Expr:
    """The observation's word; null where nothing changes."""
    state, found = pl.col("state"), pl.col("found")
    scanned_again = (pl.col("c_started") > pl.col("scan_started")).fill_null(False)
    present = (
        pl.when(state.is_null())
        .then(pl.lit("new"))
        .when(state == State.EXCEPTED.value)
        .then(pl.lit("exception_lapsed"))
        .when(state.is_in([State.REMEDIATED.value, State.LEFT.value]))
        .then(pl.lit("rediscovered"))
        .when(pl.col("f_solution") != pl.col("solution"))
        .then(pl.lit("superseded"))
        .when(state == State.UNCONFIRMED.value)
        .then(pl.lit("still_there"))
        .when(scanned_again | (pl.col("f_instances") != pl.col("instances")).fill_null(False))
        .then(pl.lit("seen_again"))
    )
    missing = state.is_in([*ALIVE, State.EXCEPTED.value])
    if proof is Proof.SCAN:
        absent = (
            pl.when(pl.col("excepted"))
            .then(pl.when(state != State.EXCEPTED.value).then(pl.lit("excepted")))
            .when(~pl.col("covered"))
            .then(pl.lit("left_coverage"))
            .when(_proved())
            .then(pl.lit("remediated"))
            .when(state != State.UNCONFIRMED.value)
            .then(pl.lit("unconfirmed"))
        )
    elif proof is Proof.DEVICES:
        absent = pl.when(pl.col("covered")).then(pl.lit("no_longer_reported"))
    else:
        absent = pl.lit(None, dtype=pl.String)
    returned = pl.when((state == State.LEFT.value) & _proved() & (proof is Proof.SCAN)).then(pl.lit("remediated"))
    return pl.when(found).then(present).when(missing).then(absent).otherwise(returned).alias("kind")


def _state_after() -> pl.Expr:
    kind = pl.col("kind")
    return (
        pl.when(pl.col("found"))
        .then(pl.lit(State.OPEN.value))
        .when(kind == "excepted")
        .then(pl.lit(State.EXCEPTED.value))
        .when(kind == "left_coverage")
        .then(pl.lit(State.LEFT.value))
        .when(kind == "remediated")
        .then(pl.lit(State.REMEDIATED.value))
        .otherwise(pl.lit(State.UNCONFIRMED.value))
    )
