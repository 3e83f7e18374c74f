"""Takes a snapshot in: refuses what is suspicious, changes the ledger, keeps the snapshot; all or nothing."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import polars as pl
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from ..domain.observe import observe
from ..domain.report_filter import passing
from ..domain.snapshot import SEVERITIES, Proof, Snapshot
from ..domain.suspicion import suspicions, within_coverage
from ..service_day import service_day
from . import bulk, models
from .counts import counting, keep_day
from .cves import tell_vulnerabilities
from .devices import regroup
from .hash_joins import hash_joins
from .packing import content_hash, pack
from .retention import empty_old_frames

MOST_NAMED = 5
# Observations by which a finding comes up, and those by which it goes.
CAME = ("new", "rediscovered", "exception_lapsed")
WENT = ("remediated", "excepted", "left_coverage")
# What a person can do about a snapshot that is not believed.
REAL = "Nothing was changed. If this is real, take it in with --accept-coverage."
NAME_CLEAN = (
    "Nothing was changed. Name the devices that are clean with --clean, or say that the file is not whole: "
    "--coverage listed. If the series holds no more than this, take it in with --accept-coverage."
)


class Suspicious(Exception):
    """A snapshot is not believed, and nothing was changed: ``cause`` says why, ``assistance`` what to do."""

    def __init__(self, cause: str, assistance: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.assistance = assistance


@dataclass(frozen=True)
class Intake:
    """What a snapshot held and changed. ``unchanged``: the very same was taken in before. ``errors``: what of it was
    left out, in sentences."""

    snapshot: int
    counts: dict[str, Any]
    observations: dict[str, int]
    unchanged: bool = False
    errors: tuple[str, ...] = ()


def take_in(source: models.Source, snapshot: Snapshot, *, accept: bool = False, is_answer: bool = False) -> Intake:
    """Take a snapshot in. ``accept``: an approver accepts what would be suspicious. ``is_answer``: the source said it
    when it was asked, so that what it has said before may be news. Raises Suspicious.

    Findings of a few assets that are not in the coverage are left out, and told in ``errors``.
    """
    # What needs no database is made while PostgreSQL writes, on another core.
    with transaction.atomic(), hash_joins(), ThreadPoolExecutor(1) as beside:
        bulk.lock(source.pk)
        # First, so that it is also done where the source says the same again.
        empty_old_frames(source.pk, timezone.now(), settings.KEEP_DAYS)
        uncovered: list[str] = []
        if not suspicions(snapshot, 0):  # where there are many, an approver accepts all of them or none
            snapshot, uncovered = within_coverage(snapshot)
        errors = (_left_out(uncovered),) if uncovered else ()
        content = beside.submit(content_hash, snapshot)
        is_answer = is_answer or snapshot.proof.is_of_all_assets
        same = _same_before(source, content, only_newest=is_answer or (accept and not _is_dated(snapshot)))
        if same is not None:
            return Intake(
                same, counts(snapshot), {}, unchanged=True, errors=errors + _told_before(source, snapshot, same)
            )
        covered = bulk.covered_assets(source.pk)
        reasons = suspicions(snapshot, covered)
        is_file = snapshot.proof is Proof.FILE
        if reasons and not accept:
            raise Suspicious(f"This is not believed: {'; '.join(reasons)}.", NAME_CLEAN if is_file else REAL)
        observed = observe(snapshot, _judged(source, snapshot), bulk.read_scanned(source.pk))
        frames = beside.submit(pack, snapshot)
        solutions = beside.submit(bulk.solution_rows, snapshot)
        vulnerabilities = beside.submit(bulk.vulnerability_rows, snapshot)
        held = beside.submit(counts, snapshot)
        bulk.write_ledger(source.pk, observed.delta)
        bulk.write_assets(source.pk, snapshot)
        record = bulk.save_snapshot(source.pk, snapshot, content.result(), frames.result())
        bulk.append_observations(source.pk, record, observed.observations)
        bulk.write_solutions(source.pk, solutions.result())
        kinds = dict(observed.observations["kind"].value_counts().iter_rows())
        with counting(source.pk, service_day()) as counted:
            bulk.write_vulnerabilities(source.pk, vulnerabilities.result(), counted)
        tell_vulnerabilities(source.pk)
        keep_day(source.pk, snapshot.taken.date(), _sum(kinds, CAME), _sum(kinds, WENT))
        # Devices are of all sources, and those are not locked here.
        transaction.on_commit(regroup)
        return Intake(record, held.result(), kinds, errors=errors)


def _sum(kinds: dict[str, int], wanted: Collection[str]) -> int:
    return sum(count for kind, count in kinds.items() if kind in wanted)


def _judged(source: models.Source, snapshot: Snapshot) -> pl.DataFrame:
    """The ledger; where the report was made with a filter, with what passes it."""
    ledger = bulk.read_ledger(source.pk)
    if not snapshot.only:
        return ledger
    return passing(ledger, snapshot.only, bulk.read_vulnerabilities(source.pk), bulk.read_assets(source.pk))


def _left_out(assets: list[str]) -> str:
    named = ", ".join(assets[:MOST_NAMED]) + (", ..." if len(assets) > MOST_NAMED else "")
    return (
        f"Findings of {len(assets)} assets that are not in the coverage were left out (asset {named}): "
        "they came up while the source was read, and the next reading has them."
    )


def _same_before(source: models.Source, content: Future[str], only_newest: bool) -> int | None:
    """The record of the same content: the newest of the source, or any of it.

    What a scanner says again may be news, because its world can return to what it was. A file that says when its assets
    were assessed says the same whenever it is brought; one that does not is more likely an old one, unless an approver
    accepts it.
    """
    records = models.SnapshotRecord.objects.filter(source=source).order_by("-pk")
    if not records.exists():
        return None  # without waiting for the hash
    candidates = records[:1] if only_newest else records.filter(content_hash=content.result())
    held = candidates.values_list("pk", "content_hash")
    return next((number for number, hashed in held if hashed == content.result()), None)


def _is_dated(snapshot: Snapshot) -> bool:
    """Whether it tells of all its assets when they were assessed."""
    return not snapshot.coverage.select(pl.coalesce("scan_started", "assessed")).to_series().null_count()


def _told_before(source: models.Source, snapshot: Snapshot, same: int) -> tuple[str, ...]:
    """What a person can do who knows better, where a file without dates is an earlier one again."""
    records = models.SnapshotRecord.objects.filter(source=source)
    if _is_dated(snapshot) or not records.filter(pk__gt=same).exists():
        return ()
    read = records.values_list("read", flat=True).get(pk=same)
    return (
        f"It holds what a file held that was brought on {read:%Y-%m-%d}, and no dates: an old one tells nothing. "
        "If it is new, take it in with --accept-coverage.",
    )


def counts(snapshot: Snapshot) -> dict[str, Any]:
    """What a snapshot holds, as the command line tells it."""
    findings = snapshot.findings
    by_severity = dict(findings["severity"].value_counts().iter_rows())
    return {
        "rows": snapshot.rows,
        "findings": findings.select("asset", "vulnerability").n_unique() if len(findings) else 0,
        "instances": int(findings["instances"].fill_null(1).sum()),
        "assets": snapshot.coverage["asset"].n_unique(),
        "vulnerabilities": findings["vulnerability"].n_unique(),
        "cves": findings["cves"].explode().drop_nulls().n_unique() if len(findings) else 0,
        "severities": {name: int(by_severity.get(name, 0)) for name in SEVERITIES},
    }
