"""What the database counts in a scope is what the plan takes in, for any scope."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from remediation.domain.membership import Membership, believed, key_column
from remediation.domain.project import Granularity, Settings
from remediation.domain.snapshot import SEVERITIES
from remediation.store import models
from remediation.store.bulk import read_findings
from remediation.store.intake import take_in
from remediation.store.scope_counts import count_scope

from .scans import scan, tell

DAY = datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc)
FOUND = {
    "web1": ["critical-1", "high-1", "low-1"],
    "web2": ["critical-1", "none-1"],
    "db_1": ["high-1", "medium-1"],
    "db%2": ["medium-1", "low-2"],
}
WORDS = ["HQ", "dmz", "Paris", "ops"]
SCOPES = some.fixed_dictionaries(
    {},
    optional={
        "sites": some.lists(some.sampled_from(WORDS), max_size=2),
        "tags": some.lists(some.sampled_from(WORDS), max_size=2),
        "assets": some.lists(some.sampled_from(["web*", "*.EXAMPLE", "db_1", "db?1", "db%*", "*", "none"]), max_size=2),
        "solutions": some.lists(some.sampled_from(["fix critical-1", "fix low-1", "critical-1"]), max_size=2),
        "min_cvss": some.sampled_from([0.0, 5.0, 9.0]),
        "min_risk": some.sampled_from([0.0, 100.0]),
        "min_epss": some.sampled_from([0.0, 0.5]),
        "exploitable": some.booleans(),
        "kev": some.booleans(),
    },
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    scope=SCOPES,
    severity=some.sampled_from(SEVERITIES),
    granularity=some.sampled_from(list(Granularity)),
    places=some.lists(some.lists(some.sampled_from(WORDS), max_size=2), min_size=8, max_size=8),
    scores=some.lists(some.none() | some.sampled_from([0.1, 0.6, 5.0, 9.5, 200.0]), min_size=9, max_size=9),
)
def test_both_take_in_the_same(
    store: str,
    scope: dict[str, Any],
    severity: str,
    granularity: Granularity,
    places: list[list[str]],
    scores: list[Any],
) -> None:
    source = models.Source.objects.first() or models.Source.objects.create(name="console", kind="insightvm")
    if not models.SnapshotRecord.objects.exists():
        take_in(source, scan(FOUND, DAY))
    for row, sites, owners in zip(models.Asset.objects.order_by("asset"), places[:4], places[4:]):
        models.Asset.objects.filter(pk=row.pk).update(sites=sites, owner_tags=owners)
    for row, cvss, other in zip(models.Vulnerability.objects.order_by("pk"), scores, scores[::-1]):
        changes = {"cvss": cvss, "risk": other, "epss": other, "exploits": None if cvss is None else int(cvss > 1)}
        told = {"feed_epss": cvss, "kev": (other or 0) > 1}
        tell(row.vulnerability, **changes, **told)
    wanted = Settings.from_table({"scope": scope, "min_severity": severity, "granularity": granularity.value})
    membership = Membership(wanted, believed(read_findings(source.pk), wanted), (), {}, DAY)
    rows = membership.wanted_rows()
    counted = count_scope(source.pk, wanted)
    assert (counted.findings, counted.solutions) == (rows.height, rows["solution"].n_unique())
    assert counted.devices == rows["asset"].n_unique()
    assert counted.tickets == len(membership.rows().keys), key_column(wanted)
