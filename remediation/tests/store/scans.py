"""Scans that a test makes up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl
from django.db.models import OuterRef, Subquery
from django.db.models.functions import Coalesce

from remediation.domain.snapshot import ASSETS, COVERAGE, FINDINGS, Proof, Snapshot
from remediation.store import models


def scan(found: Mapping[str, Sequence[str]], taken: datetime) -> Snapshot:
    """A scan with the vulnerabilities of each asset, all seen with full credentials; a vulnerability is called by its
    severity and a number, as in high-3. Hosts are called ASSET.example."""
    findings = [
        {"asset": asset, "vulnerability": name, "severity": name.split("-")[0], "solution": f"fix {name}"}
        for asset, names in found.items()
        for name in names
    ]
    covered = [{"asset": asset, "scan": f"{taken:%d}", "scan_started": taken, "credentials": 4} for asset in found]
    return Snapshot(
        taken=taken,
        proof=Proof.SCAN,
        rows=len(findings),
        findings=_frame(findings, FINDINGS),
        assets=_frame([{"asset": asset, "host_name": f"{asset}.example"} for asset in found], ASSETS),
        coverage=_frame(covered, COVERAGE),
    )


def tell(vulnerability: str, **columns: Any) -> None:
    """Store something else of the vulnerabilities of that name, as if their sources and the feeds had said it."""
    searched = {name: value for name, value in columns.items() if name in ("title", "cves")}
    feeds = {name: columns.pop(name) for name in ("kev", "kev_due", "kev_ransomware", "feed_epss") if name in columns}
    rows = models.Vulnerability.objects.filter(vulnerability=vulnerability)
    rows.update(**columns)
    models.SearchedVulnerability.objects.filter(vulnerability=vulnerability).update(**searched)
    enrichments = models.Enrichment.objects.filter(vulnerability__in=rows)
    enrichments.update(**feeds)
    own = Subquery(rows.filter(pk=OuterRef("pk")).values("epss"))
    enrichments.update(known_epss=Coalesce(own, "feed_epss"))


def _frame(rows: Sequence[Mapping[str, Any]], schema: Mapping[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=dict(schema), orient="row")
