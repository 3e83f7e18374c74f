"""What is open on some devices, by solution: what one would do about all of them at once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from django.db import connection

from ..domain.snapshot import SEVERITIES
from ..domain.ticket import Pair, pair_of, still_its
from ..service_day import service_day
from . import models
from .counts import ACCEPTED

_FINDINGS = f"""
SELECT finding.source_id, coalesce(finding.solution, finding.vulnerability), finding.asset, finding.vulnerability,
       asset.device_id, coalesce(rank, 0), coalesce(kev, false)
FROM store_asset AS asset JOIN store_finding AS finding USING (source_id, asset)
LEFT JOIN store_vulnerability AS known USING (source_id, vulnerability)
LEFT JOIN store_enrichment AS enrichment ON enrichment.vulnerability_id = known.id
WHERE asset.device_id = ANY(%(devices)s) AND state IN ('open', 'unconfirmed') AND NOT {ACCEPTED}
ORDER BY 1, 2, 3, 4
"""  # nosec B608: a constant


@dataclass
class Job:
    """A solution of a source, or the vulnerability that stands for one, and what it would remove from the devices.

    ``told``: of how many of its ``findings`` there a ticket tells. ``devices`` are their numbers. ``everywhere``: on
    how many devices of its source it removes something. ``number`` is its remedy's, None where that is counted anew.
    """

    source: int
    key: str
    name: str = ""
    number: int | None = None
    everywhere: int = 0
    findings: int = 0
    told: int = 0
    rank: int = 0
    kev: bool = False
    devices: set[int] = field(default_factory=set)

    @property
    def worst(self) -> str:
        """The worst of their severities."""
        return SEVERITIES[len(SEVERITIES) - 1 - self.rank]


def jobs_on(devices: Collection[int]) -> list[Job]:
    """The solutions for what is open on devices, and not accepted, the worst first."""
    with connection.cursor() as cursor:
        cursor.execute(_FINDINGS, {"devices": sorted(devices), "today": service_day()})
        rows = cursor.fetchall()
    pairs: dict[int, set[Pair]] = {}
    for source, _, asset, vulnerability, *_ in rows:
        pairs.setdefault(source, set()).add((asset, vulnerability))
    told = {source: _told(source, some) for source, some in pairs.items()}
    jobs: dict[tuple[int, str], Job] = {}
    for source, key, asset, vulnerability, device, rank, kev in rows:
        job = jobs.setdefault((source, key), Job(source, key, name=key))
        job.findings += 1
        job.told += (asset, vulnerability) in told[source]
        job.rank, job.kev = max(job.rank, rank), job.kev or kev
        job.devices.add(device)
    _name(jobs)
    return sorted(jobs.values(), key=lambda job: (-job.rank, -job.findings, job.source, job.key))


def _told(source: int, pairs: Collection[Pair]) -> set[Pair]:
    """Those of the findings, and perhaps others, of which tickets tell."""
    rows = models.Ticket.objects.filter(
        project__source=source,
        halo_id__isnull=False,
        assets__overlap=sorted({asset for asset, _ in pairs}),
        vulnerabilities__overlap=sorted({vulnerability for _, vulnerability in pairs}),
    )
    notes = rows.exclude(note__has_any_keys=["missing", "detached"]).values_list("note__told", flat=True)
    return {pair_of(text) for told in notes for text in still_its(told or {})}


def _name(jobs: dict[tuple[int, str], Job]) -> None:
    by_source: dict[int, list[str]] = {}
    for source, key in jobs:
        by_source.setdefault(source, []).append(key)
    for source, keys in by_source.items():
        for key, title in models.Vulnerability.objects.filter(source=source, vulnerability__in=keys).values_list(
            "vulnerability", "title"
        ):
            jobs[source, key].name = title or key
        for key, name in models.Solution.objects.filter(source=source, solution__in=keys).values_list(
            "solution", "name"
        ):
            jobs[source, key].name = name or key
        for remedy in models.Remedy.objects.filter(source=source, remedy__in=keys).only("remedy", "assets"):
            jobs[source, remedy.remedy].number = remedy.pk
            jobs[source, remedy.remedy].everywhere = remedy.assets
