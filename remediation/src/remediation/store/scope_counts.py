"""How many findings, solutions and devices a project with a scope would take in now, counted by the database.

It says what ``domain.scope`` and ``domain.membership`` say of the same findings, without reading all of them; a test
compares both. What other projects have is not left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import OperationalError, connection, transaction

from ..domain.project import Granularity, Settings
from ..domain.scope import TAGS
from ..domain.snapshot import SEVERITIES
from .enriched import ENRICHED, EPSS

# Seconds after which counting is given up: others wait for the database too.
PATIENCE = 3


@dataclass(frozen=True)
class ScopeCounts:
    """What is in a scope. ``tickets``: as many as the granularity makes of it, without the project's own."""

    findings: int
    solutions: int
    devices: int
    tickets: int


class TooMany(Exception):
    """Counting took too long."""


_QUERY = """
WITH asset AS MATERIALIZED (
    SELECT asset, device_id, owner_tags FROM store_asset WHERE source_id = %(source)s AND {assets}
), vulnerability AS MATERIALIZED (
    SELECT vulnerability FROM {enriched} WHERE source_id = %(source)s AND {vulnerabilities}
), wanted AS (
    SELECT finding.asset, finding.vulnerability, coalesce(finding.solution, finding.vulnerability) AS solution,
           asset.device_id, (SELECT min(tag COLLATE "C") FROM unnest(asset.owner_tags) AS tag) AS owner
    FROM store_finding AS finding JOIN asset USING (asset) JOIN vulnerability USING (vulnerability)
    WHERE source_id = %(source)s AND state IN ('open', 'unconfirmed') AND {findings}
)
SELECT count(*), count(DISTINCT solution), count(DISTINCT coalesce('d' || device_id, asset)), count(DISTINCT {key})
FROM wanted
"""
_KEYS = {
    Granularity.SOLUTION: "solution",
    Granularity.SOLUTION_OWNER: "(solution, owner)",
    Granularity.ASSET: "asset",
    Granularity.VULNERABILITY: "vulnerability",
}


def count_scope(source_id: int, settings: Settings) -> ScopeCounts:
    """Count. Raises TooMany."""
    assets, vulnerabilities, given = _conditions(settings)
    findings = "true"
    if settings.scope.solutions:
        findings = "coalesce(finding.solution, finding.vulnerability) = ANY(%(solutions)s)"
        given["solutions"] = list(settings.scope.solutions)
    key = _KEYS[settings.granularity]
    query = _QUERY.format(enriched=ENRICHED, assets=assets, vulnerabilities=vulnerabilities, findings=findings, key=key)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{PATIENCE}s'")
            cursor.execute(query, {"source": source_id, **given})
            return ScopeCounts(*cursor.fetchone())
    except OperationalError:
        raise TooMany from None


def _conditions(settings: Settings) -> tuple[str, str, dict[str, Any]]:
    """Conditions on assets and on vulnerabilities, and what they ask for."""
    scope = settings.scope
    assets, vulnerabilities = ["true"], ["coalesce(severity, 'none') = ANY(%(severities)s)"]
    given: dict[str, Any] = {"severities": list(SEVERITIES[: SEVERITIES.index(settings.min_severity) + 1])}
    if scope.sites:
        assets.append("EXISTS (SELECT FROM unnest(sites) AS one WHERE lower(one) = ANY(%(sites)s))")
        given["sites"] = [name.lower() for name in scope.sites]
    if scope.tags:
        tags = " || ".join(TAGS)
        assets.append(f"EXISTS (SELECT FROM unnest({tags}) AS one WHERE lower(one) = ANY(%(tags)s))")  # nosec B608
        given["tags"] = [name.lower() for name in scope.tags]
    if scope.assets:
        assets.append(
            "(lower(host_name) LIKE ANY(%(patterns)s) OR lower(ip) LIKE ANY(%(patterns)s) "
            "OR lower(asset) LIKE ANY(%(patterns)s))"
        )
        given["patterns"] = [_like(pattern.lower()) for pattern in scope.assets]
    for name, column, least in (
        ("cvss", "cvss", scope.min_cvss),
        ("risk", "risk", scope.min_risk),
        ("epss", EPSS, scope.min_epss),
    ):
        if least:
            vulnerabilities.append(f"{column} >= %({name})s")
            given[name] = least
    if scope.exploitable:
        vulnerabilities.append("exploits > 0")
    if scope.kev:
        vulnerabilities.append("kev")
    return " AND ".join(assets), " AND ".join(vulnerabilities), given


def _like(pattern: str) -> str:
    """A pattern with * and ? as LIKE has it."""
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%").replace("?", "_")
