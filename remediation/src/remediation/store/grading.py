"""Severities by the administrator's formula (domain.grading): kept beside the scanner's, and tried before they are.

The formula stands here once more, as SQL, because a page of a million rows cannot wait for Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection

from ..domain.grading import BOUNDS, Facts, Formula, grade, in_words
from ..domain.snapshot import SEVERITIES
from . import models
from .enriched import ENRICHED, EPSS

NAME = "grading"
_WORD = " ".join(f"WHEN '{name}' THEN %({name})s::float8" for name in BOUNDS)
_BASE = f"coalesce(vpr, cvss, CASE severity {_WORD} ELSE 0 END)"
# Added in the order of domain.grading, so that both come to the same number.
_RAISES = f"""least(
    CASE WHEN kev THEN %(kev)s::float8 ELSE 0 END
    + CASE WHEN {EPSS} >= %(epss_from)s::float8 THEN %(epss)s::float8 ELSE 0 END
    + CASE WHEN exploits <> 0 THEN %(exploit)s::float8 ELSE 0 END
    + CASE WHEN marked THEN %(criticality)s::float8 ELSE 0 END,
    %(most)s::float8)"""
_SCORE = f"CASE WHEN {_BASE} > 0 THEN least({_BASE} + {_RAISES}, 10) ELSE 0 END"
_GRADES = " ".join(f"WHEN score >= %({name})s::float8 THEN '{name}'" for name in BOUNDS)
_SCORED = f"""
WITH critical AS MATERIALIZED (
    SELECT DISTINCT finding.source_id, finding.vulnerability FROM store_asset AS asset
    JOIN store_finding AS finding ON finding.source_id = asset.source_id AND finding.asset = asset.asset
    WHERE %(criticality)s::float8 > 0 AND state IN ('open', 'unconfirmed')
      AND (%(source)s::bigint IS NULL OR asset.source_id = %(source)s::bigint)
      AND EXISTS (SELECT FROM unnest(asset.criticality_tags) AS tag WHERE lower(btrim(tag)) = ANY(%(tags)s::text[]))
), known AS (
    SELECT vulnerability.*, enrichment.*, critical.vulnerability IS NOT NULL AS marked FROM {ENRICHED}
    LEFT JOIN critical USING (source_id, vulnerability)
    WHERE (%(source)s::bigint IS NULL OR vulnerability.source_id = %(source)s::bigint)
), scored AS (
    SELECT id, title, vulnerability, severity, alive, marked, {_SCORE} AS score FROM known
), now AS (
    SELECT *, CASE {_GRADES} ELSE 'none' END AS grade FROM scored
)
"""  # nosec B608: constants
_UPDATE = f"""{_SCORED}
UPDATE store_vulnerability AS old SET graded = now.grade, on_critical = now.marked FROM now
WHERE old.id = now.id AND (old.graded, old.on_critical) IS DISTINCT FROM (now.grade, now.marked)
"""  # nosec B608: constants
_FORGET = """
UPDATE store_vulnerability SET graded = NULL, on_critical = false
WHERE source_id = %(source)s AND (graded IS NOT NULL OR on_critical)
"""
_PREVIEW = f"""{_SCORED}
SELECT coalesce(severity, 'none') AS scanner, grade, count(*) FROM now WHERE alive > 0 GROUP BY 1, 2
"""  # nosec B608: constants
_CHANGED = f"""{_SCORED}
SELECT id, coalesce(title, vulnerability), coalesce(severity, 'none'), grade, alive FROM now
WHERE alive > 0 AND coalesce(severity, 'none') <> grade ORDER BY score DESC, id LIMIT %(first)s
"""  # nosec B608: constants
FIRST = 100


@dataclass(frozen=True)
class Changed:
    """A vulnerability of which the formula says another severity than its scanner, on so many devices."""

    number: int
    title: str
    scanner: str
    graded: str
    devices: int


@dataclass(frozen=True)
class Preview:
    """What a formula would change of the open vulnerabilities: how many have the scanner's severity of a row and the
    grade of a column, in the order of SEVERITIES, and the first of those that differ, the worst before others."""

    matrix: dict[str, dict[str, int]]
    changed: list[Changed]

    @property
    def differing(self) -> int:
        """How many differ."""
        return sum(count for name, row in self.matrix.items() for graded, count in row.items() if graded != name)

    @property
    def all(self) -> int:
        """How many there are."""
        return sum(sum(row.values()) for row in self.matrix.values())


def stored() -> tuple[bool, Formula]:
    """Whether severities are graded, and the formula, the usual one where none was stored."""
    row = models.Setting.objects.filter(name=NAME).first()
    value = row.value if row else {}
    return bool(value.get("on")), Formula.from_table(value.get("formula") or {})


def formula() -> Formula | None:
    """The formula by which severities are graded, None where they are not."""
    is_on, known = stored()
    return known if is_on else None


def grade_vulnerabilities(source_id: int) -> int:
    """Grade the vulnerabilities of a source, or forget their grades where there is no formula; returns how many
    changed. The source is to be locked by the caller."""
    known = formula()
    with connection.cursor() as cursor:
        if known is None:
            cursor.execute(_FORGET, {"source": source_id})
        else:
            cursor.execute(_UPDATE, _given(known, source_id))
        return int(cursor.rowcount)


def preview(known: Formula) -> Preview:
    """What a formula would change. Nothing is written."""
    given = {**_given(known, None), "first": FIRST}
    matrix = {name: dict.fromkeys(SEVERITIES, 0) for name in SEVERITIES}
    with connection.cursor() as cursor:
        cursor.execute(_PREVIEW, given)
        for scanner, graded, count in cursor.fetchall():
            matrix[scanner if scanner in matrix else SEVERITIES[-1]][graded] += count
        cursor.execute(_CHANGED, given)
        return Preview(matrix, [Changed(*row) for row in cursor.fetchall()])


def explained(row: models.Vulnerability) -> str:
    """Why a vulnerability is graded as it is, in words; "" where it is not graded."""
    known = formula()
    if known is None or row.graded is None:
        return ""
    feeds = row.enrichment
    facts = Facts(row.severity, row.vpr, row.cvss, feeds.known_epss, feeds.kev, bool(row.exploits), row.on_critical)
    return in_words(row.severity, grade(known, facts))


def _given(known: Formula, source_id: int | None) -> dict[str, Any]:
    return {**known.to_table(), "tags": known.lowered_tags(), "source": source_id}
