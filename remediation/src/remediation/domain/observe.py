"""What a snapshot changes in the ledger. Pure.

A snapshot is compared with the ledger, not with the snapshot before, so that what one scan could not settle is settled
by a later one. Nothing is settled without proof: a finding that is missing is remediated only where its asset was
scanned again, by a scan that started after the finding was last seen and with credentials no worse than those that saw
it. Where it is not told with which credentials it was seen, or by a source that never tells them, such a scan proves
that it is no longer reported, and no more. A source that itself calls a finding fixed is believed. The same snapshot
again changes nothing, and an older one neither: what only an older scan of an asset saw is no news. Of two scans that
ran at the same time, the one that began later is the newer, but for what the other saw after that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from .ledger import ALIVE, ENOUGH_MISSES, KEY, LEDGER, State
from .snapshot import UTC_TIME, Proof, Snapshot

OBSERVATIONS: dict[str, pl.DataType | type[pl.DataType]] = {
    "asset": pl.String,
    "vulnerability": pl.String,
    "solution": pl.String,
    "kind": pl.String,
    "before": pl.String,
    "scan": pl.String,
}

APPROVED = "approved"
# What a snapshot tells of a finding that the ledger keeps.
_FOUND = ("solution", "first_found", "last_found", "instances")
# When each asset was last scanned, or else assessed, as far as the source ever told.
SCANNED: dict[str, pl.DataType | type[pl.DataType]] = {"asset": pl.String, "scan_started": UTC_TIME}
# These change the ledger and are no news.
UNTOLD = ("seen_again", "missed_again", "exception_gone", "exception_back")
# A source leaves out an exception that hides nothing, as after a patch: the state stays until a later scan decides.
STILL_EXCEPTED = ("excepted", "exception_gone", "exception_back")


@dataclass(frozen=True)
class Observed:
    """``delta``: the rows of the ledger that change, whole. ``observations``: what each change is, in one word."""

    delta: pl.DataFrame
    observations: pl.DataFrame


def observe(snapshot: Snapshot, ledger: pl.DataFrame, scanned: pl.DataFrame | None = None) -> Observed:
    """The changes that a snapshot makes in its source's ledger.

    ``scanned`` has the columns of SCANNED, each asset once: what was known of assets before, also of those without
    findings. ``ledger`` may have the column ``passes`` as well: whether a finding passes the filter of the report, so
    that its absence can tell something.
    """
    before = pl.DataFrame(schema=SCANNED) if scanned is None else scanned
    joined = _joined(snapshot, _within(snapshot, ledger), before)
    judged = (
        joined.with_columns(_kind(snapshot))
        .filter(pl.col("kind").is_not_null())
        .with_columns(_state_after().alias("state_after"))
    )
    taken = pl.lit(snapshot.taken)
    seen = pl.coalesce("f_last_found", "c_started", taken)
    missed = pl.col("kind").is_in(["no_longer_reported", "missed_again"])
    is_gone = pl.col("kind") == "exception_gone"
    # A miss moves these too, so that the same report is not counted twice; an exception that is gone or has lapsed, so
    # that no scan from the time of the exception counts as proof.
    judged_by_scan = pl.col("found") | missed | is_gone | pl.col("kind").is_in(["remediated", "exception_lapsed"])
    rows = judged.select(
        *KEY,
        pl.coalesce("f_solution", "solution").alias("solution"),
        pl.col("state_after").alias("state"),
        pl.when(pl.col("state_after") == pl.col("state"))
        .then(pl.coalesce("since", taken))
        .otherwise(taken)
        .alias("since"),
        pl.coalesce("first_found", "f_first_found", taken).alias("first_found"),
        pl.when("found").then(pl.max_horizontal("last_found", seen)).otherwise("last_found").alias("last_found"),
        pl.coalesce("f_instances", "instances").alias("instances"),
        pl.when(judged_by_scan).then(pl.coalesce("c_scan", "scan")).otherwise("scan").alias("scan"),
        pl.when(pl.col("is_fixed") & (pl.col("kind") == "remediated"))
        .then(pl.coalesce("fixed", "scan_started"))
        .when(missed | (~pl.col("found") & (snapshot.proof is Proof.DEVICES) & judged_by_scan))
        .then(pl.coalesce("c_started", taken))
        .when(judged_by_scan)
        # Where a source tells of no scans, it saw the finding itself at that time.
        .then(pl.coalesce(_looked(snapshot), "scan_started")).otherwise("scan_started").alias("scan_started"),
        pl.when("found").then(_credentials_after()).otherwise("credentials").alias("credentials"),
        pl.when(missed).then(pl.col("missed").fill_null(0) + 1).when(is_gone).then(1).otherwise(0).alias("missed"),
    )
    delta = rows.cast(LEDGER)  # type: ignore[arg-type]  # polars takes a mapping of names to types
    told = judged.filter(~pl.col("kind").is_in(UNTOLD)).select(
        *KEY,
        pl.coalesce("f_solution", "solution").alias("solution"),
        "kind",
        pl.col("state").alias("before"),
        pl.col("c_scan").alias("scan"),
    )
    return Observed(delta.sort(KEY), told.cast(OBSERVATIONS).sort(KEY))  # type: ignore[arg-type]  # as above


def _looked(snapshot: Snapshot) -> pl.Expr:
    """When the scan began that saw a finding or missed it. A source that does not tell of scans saw the finding itself
    at a time that may be before it saw others of the asset."""
    if snapshot.proof in (Proof.NOTHING, Proof.DEVICES):
        seen = pl.when("found").then("f_last_found")
        return pl.when("found").then(pl.min_horizontal("c_started", seen)).otherwise("c_started")
    return pl.coalesce("c_started", pl.when("found").then("f_last_found"))


def in_force(exceptions: pl.DataFrame, day: date) -> pl.DataFrame:
    """The exceptions, approved or not, that have not run out on a day. On the day of its expiry, one still holds."""
    return exceptions.filter(pl.col("expires").is_null() | (pl.col("expires") >= day))


def _joined(snapshot: Snapshot, ledger: pl.DataFrame, scanned: pl.DataFrame) -> pl.DataFrame:
    """A row for each finding that the ledger or the snapshot knows, with what is known of its asset's scan."""
    known, found = _numbered(ledger, snapshot.findings.select(*KEY, *_FOUND))
    # What is said twice of one finding is merged, so that the order of rows does not matter.
    if found["number"].n_unique() < found.height:
        found = found.group_by("number").agg(
            pl.first(*KEY), pl.min("solution", "first_found"), pl.max("last_found", "instances")
        )
    found = found.rename({name: f"f_{name}" for name in (*KEY, *_FOUND)}).with_columns(pl.lit(True).alias("found"))
    started = pl.coalesce("scan_started", "assessed")
    scans = (
        snapshot.coverage.select(
            "asset",
            pl.col("scan").alias("c_scan"),
            started.alias("c_started"),
            pl.col("credentials").alias("c_credentials"),
            pl.lit(True).alias("covered"),
        )
        .sort("c_started", "c_scan", "c_credentials", descending=True, nulls_last=True)
        .unique("asset", keep="first", maintain_order=True)
        .join(
            scanned.select("asset", pl.col("scan_started").alias("scanned_before")),
            on="asset",
            how="full",
            coalesce=True,
        )
    )
    excepted = (
        in_force(snapshot.exceptions, snapshot.taken.date())
        .filter(pl.col("status").str.to_lowercase() == APPROVED)
        .select(*KEY, pl.lit(True).alias("excepted"))
        .unique(KEY)
    )
    joined = (
        known.join(found, on="number", how="full", coalesce=True)
        .with_columns(pl.coalesce(name, f"f_{name}") for name in KEY)
        .join(scans, on="asset", how="left")
    )
    # Often there are none, and a join of a million rows with nothing takes its time as well.
    if excepted.is_empty():
        joined = joined.with_columns(pl.lit(False).alias("excepted"))
    else:
        joined = joined.join(excepted, on=KEY, how="left")
    if snapshot.fixed.is_empty():
        joined = joined.with_columns(pl.lit(False).alias("is_fixed"), pl.lit(None, UTC_TIME).alias("fixed"))
    else:
        fixed = snapshot.fixed.group_by(KEY).agg(pl.max("fixed")).with_columns(pl.lit(True).alias("is_fixed"))
        joined = joined.join(fixed, on=KEY, how="left")
    return joined.with_columns(pl.col("found", "covered", "excepted", "is_fixed").fill_null(False))


def _within(snapshot: Snapshot, ledger: pl.DataFrame) -> pl.DataFrame:
    """The rows of the ledger that the snapshot can say something of: all of them, unless its report had a filter."""
    if "passes" not in ledger.columns:
        return ledger
    told = (snapshot.findings, snapshot.fixed, snapshot.exceptions)
    named = pl.concat([frame.select(KEY) for frame in told]).unique().with_columns(pl.lit(True).alias("named"))
    there = ledger.join(named, on=KEY, how="left").filter(pl.col("passes") | pl.col("named").fill_null(False))
    return there.drop("passes", "named")


def _numbered(ledger: pl.DataFrame, found: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both with the column number: the key of a finding as one number. Two texts are compared several times slower."""
    keys = pl.concat([ledger.select(KEY), found.select(KEY)])
    codes = keys.select(pl.col(name).cast(pl.Categorical).to_physical().cast(pl.UInt64) for name in KEY)
    numbers = (codes["asset"] * 2**32 + codes["vulnerability"]).alias("number")
    return ledger.with_columns(numbers[: ledger.height]), found.with_columns(numbers[ledger.height :])


def _rank(column: str) -> pl.Expr:
    """Credentials in order: none or failed 1, some or all 2, not applicable 0, not told None."""
    credentials = pl.col(column)
    return pl.when(credentials >= 3).then(2).when(credentials >= 1).then(1).when(credentials == -1).then(0)


def _credentials_after() -> pl.Expr:
    """The weaker of the credentials that saw the finding, where both are told and can be compared; else the newer."""
    before, now = _rank("credentials"), _rank("c_credentials")
    weaker_before = (before > 0) & (now > 0) & (before <= now)
    return pl.when(now.is_null() | weaker_before).then("credentials").otherwise("c_credentials")


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
    return pl.col("covered") & _is_later() & good_enough


def _is_later() -> pl.Expr:
    """Whether the asset was assessed after the finding was last seen, or last judged by a scan."""
    last = pl.max_horizontal("last_found", "scan_started")
    return (pl.col("c_started") > last).fill_null(False)


def _kind(snapshot: Snapshot) -> pl.Expr:
    """The observation's word; null where nothing changes."""
    state = pl.col("state")
    # An older snapshot, or an older scan, tells nothing of what a newer one has judged. A scan that began before
    # another may have come to the asset after it.
    looked = pl.max_horizontal(
        "c_started", pl.when("found").then("f_last_found").when("is_fixed").then(pl.col("fixed"))
    )
    scanned = pl.when(pl.col("c_started").is_not_null()).then(looked)
    is_stale = (pl.col("since") > snapshot.taken) | (scanned < pl.col("scan_started"))
    is_no_news = state.is_null() & (scanned < pl.col("scanned_before"))
    # So is what was seen last before that which settled it, and what was fixed before it was seen again.
    was_seen = pl.col("found") & pl.col("c_started").is_null()
    is_no_later = pl.col("f_last_found") <= pl.max_horizontal("scan_started", "last_found")
    is_stale |= was_seen & (state == State.REMEDIATED.value) & is_no_later
    is_stale |= was_seen & (state == State.EXCEPTED.value) & (pl.col("f_last_found") < pl.col("last_found"))
    is_stale |= pl.col("is_fixed") & ~pl.col("found") & (pl.col("fixed") < pl.col("last_found"))
    return (
        pl.when((state.is_not_null() & is_stale.fill_null(False)) | is_no_news.fill_null(False))
        .then(None)
        .when("found")
        .then(_present(state, _looked(snapshot)))
        .when("excepted")
        .then(_excepted(state))
        .when("is_fixed")
        .then(pl.when(state.is_in([*ALIVE, State.EXCEPTED.value, State.LEFT.value])).then(pl.lit("remediated")))
        .when(snapshot.proof is Proof.NOTHING)
        .then(None)
        .otherwise(
            _missing_from_scans(snapshot, state) if snapshot.proof.is_full else _missing_from_report(snapshot, state)
        )
        .alias("kind")
    )


def _present(state: pl.Expr, looked: pl.Expr) -> pl.Expr:
    is_newer = (
        (looked > pl.col("scan_started")).fill_null(looked.is_not_null())
        | (pl.col("f_last_found") > pl.col("last_found")).fill_null(False)
        | (pl.col("f_instances") != pl.col("instances")).fill_null(pl.col("f_instances").is_not_null())
    )
    return (
        pl.when(state.is_null())
        .then(pl.lit("new"))
        .when(state == State.EXCEPTED.value)
        .then(pl.lit("exception_lapsed"))
        .when(state.is_in([State.REMEDIATED.value, State.LEFT.value]))
        .then(pl.lit("rediscovered"))
        .when((pl.col("f_solution") != pl.col("solution")).fill_null(pl.col("f_solution").is_not_null()))
        .then(pl.lit("superseded"))
        .when(state == State.UNCONFIRMED.value)
        .then(pl.lit("still_there"))
        .when(is_newer)
        .then(pl.lit("seen_again"))
    )


def _excepted(state: pl.Expr) -> pl.Expr:
    return (
        pl.when(state.is_in(ALIVE) | ((state == State.LEFT.value) & pl.col("covered")))
        .then(pl.lit("excepted"))
        .when((state == State.EXCEPTED.value) & (pl.col("missed") > 0))
        .then(pl.lit("exception_back"))
    )


def _missing_from_scans(snapshot: Snapshot, state: pl.Expr) -> pl.Expr:
    covered = pl.col("covered")
    # A file speaks of the assets in it only: by one that is not in it, nothing has left.
    leaves = state.is_in([*ALIVE, State.EXCEPTED.value]) & snapshot.proof.is_of_all_assets
    tells_no_credentials = pl.lit(snapshot.proof is Proof.ASSESSED)
    # Seen by a source that told no credentials, which now are told: as when a console's user got the right to reports.
    untold_before = pl.col("credentials").is_null() & pl.col("c_credentials").is_not_null()
    is_counted = _is_later() & (tells_no_credentials | untold_before)
    return (
        pl.when(~covered)
        .then(pl.when(leaves).then(pl.lit("left_coverage")))
        # The scans from the time of an exception did not show the finding: a later one decides.
        .when((state == State.EXCEPTED.value) & (pl.col("missed").fill_null(0) == 0))
        .then(pl.lit("exception_gone"))
        .when(state.is_in([State.OPEN.value, State.EXCEPTED.value, State.LEFT.value]) & is_counted)
        .then(pl.lit("no_longer_reported"))
        .when((state == State.UNCONFIRMED.value) & (pl.col("missed").fill_null(0) < ENOUGH_MISSES) & is_counted)
        .then(pl.lit("missed_again"))
        .when((state != State.REMEDIATED.value) & _proved() & ~tells_no_credentials)
        .then(pl.lit("remediated"))
        .when(state.is_in([State.OPEN.value, State.LEFT.value]))
        .then(pl.lit("unconfirmed"))
    )


def _missing_from_report(snapshot: Snapshot, state: pl.Expr) -> pl.Expr:
    """A report counts once, by the date of its asset's assessment, else by its own."""
    last = pl.max_horizontal("last_found", "scan_started")
    is_later = (pl.coalesce("c_started", pl.lit(snapshot.taken)) > last).fill_null(True)
    return (
        pl.when(~pl.col("covered"))
        .then(None)
        .when(state == State.EXCEPTED.value)
        .then(pl.lit("exception_lapsed"))
        .when((state == State.OPEN.value) & is_later)
        .then(pl.lit("no_longer_reported"))
        .when((state == State.UNCONFIRMED.value) & is_later & (pl.col("missed").fill_null(0) < ENOUGH_MISSES))
        .then(pl.lit("missed_again"))
    )


def _state_after() -> pl.Expr:
    """UNCONFIRMED for every way of being missing that settles nothing."""
    kind = pl.col("kind")
    return (
        pl.when(pl.col("found"))
        .then(pl.lit(State.OPEN.value))
        .when(kind.is_in(STILL_EXCEPTED))
        .then(pl.lit(State.EXCEPTED.value))
        .when(kind == "left_coverage")
        .then(pl.lit(State.LEFT.value))
        .when(kind == "remediated")
        .then(pl.lit(State.REMEDIATED.value))
        .otherwise(pl.lit(State.UNCONFIRMED.value))
    )
