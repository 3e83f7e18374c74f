"""Takes a snapshot in: refuses what is suspicious, changes the ledger, keeps the snapshot; all or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from ..domain.observe import observe
from ..domain.snapshot import SEVERITIES, Snapshot
from ..domain.suspicion import suspicions
from . import bulk, models
from .retention import empty_old_frames


class Suspicious(Exception):
    """A snapshot is not believed, and nothing was changed; the text says why."""


@dataclass(frozen=True)
class Intake:
    """What a snapshot held and changed. ``unchanged``: the very same was taken in before."""

    snapshot: int
    counts: dict[str, Any]
    observations: dict[str, int]
    unchanged: bool = False


def take_in(source: models.Source, snapshot: Snapshot, *, accept: bool = False) -> Intake:
    """Take a snapshot in. ``accept``: an approver accepts what would be suspicious. Raises Suspicious."""
    with transaction.atomic():
        bulk.lock(source.pk)
        # First, so that it is also done where the source says the same again.
        empty_old_frames(source.pk, timezone.now(), settings.KEEP_DAYS)
        content = bulk.content_hash(snapshot)
        before = models.SnapshotRecord.objects.filter(source=source).order_by("-pk").first()
        if before is not None and before.content_hash == content:
            return Intake(before.pk, counts(snapshot), {}, unchanged=True)
        covered = bulk.covered_assets(source.pk)
        reasons = suspicions(snapshot, covered)
        if reasons and not accept:
            raise Suspicious("; ".join(reasons))
        observed = observe(snapshot, bulk.read_ledger(source.pk))
        record = bulk.save_snapshot(source.pk, snapshot, content)
        bulk.write_assets(source.pk, snapshot)
        bulk.write_vulnerabilities(source.pk, snapshot)
        bulk.write_solutions(source.pk, snapshot)
        bulk.write_ledger(source.pk, observed.delta)
        bulk.append_observations(source.pk, record, observed.observations)
    kinds = observed.observations["kind"].value_counts().iter_rows()
    return Intake(record, counts(snapshot), {str(kind): int(count) for kind, count in kinds})


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
