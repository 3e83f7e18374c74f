"""How long findings were there until a scan proved that they were gone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.db import connection

from ..domain.snapshot import SEVERITIES

# A finding that came back begins anew with the snapshot that saw it again.
_TIMES = """
WITH told AS (
    SELECT observed.source_id, asset, vulnerability, kind, taken,
           max(CASE WHEN kind = 'rediscovered' THEN taken END) OVER (
               PARTITION BY observed.source_id, asset, vulnerability ORDER BY observed.place
           ) AS again
    FROM store_observation AS observed JOIN store_snapshotrecord AS snapshot ON snapshot.id = observed.snapshot_id
    WHERE kind IN ('remediated', 'rediscovered')
), fixed AS (
    SELECT date_trunc('month', taken AT TIME ZONE 'UTC')::date AS month, vulnerability.rank,
           greatest(extract(epoch FROM taken - coalesce(again, first_found)) / 86400, 0)::float8 AS days
    FROM told JOIN store_finding USING (source_id, asset, vulnerability)
    JOIN store_vulnerability AS vulnerability USING (source_id, vulnerability)
    WHERE kind = 'remediated' AND taken >= %s
)
SELECT month, rank, count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY days),
       percentile_cont(0.9) WITHIN GROUP (ORDER BY days)
FROM fixed WHERE days IS NOT NULL GROUP BY month, rank ORDER BY month, rank DESC
"""


@dataclass(frozen=True)
class FixTime:
    """Of the findings of a severity that were proved gone in a month (UTC): how many, and after how many days half of
    them and nine in ten were. ``month`` is its first day."""

    month: date
    severity: str
    count: int
    median: float
    most: float


def fix_times(since: date) -> list[FixTime]:
    """A line for each month and severity from a day on, the oldest month and the worst severity first.

    A finding counts each time that it was fixed: from when its source found it first, or saw it again, to the snapshot
    that proved it gone.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TIMES, [since])
        return [
            FixTime(month, SEVERITIES[len(SEVERITIES) - 1 - rank], count, median, most)
            for month, rank, count, median, most in cursor.fetchall()
        ]
