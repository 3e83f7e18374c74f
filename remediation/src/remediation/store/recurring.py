"""The findings that come back most often after they were settled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

_OFTEN = """
WITH back AS (
    SELECT source_id, asset, vulnerability, count(*) AS times, max(snapshot_id) AS last
    FROM store_observation WHERE kind = 'rediscovered' GROUP BY source_id, asset, vulnerability
    ORDER BY times DESC, last DESC, asset, vulnerability LIMIT %s
)
SELECT coalesce(asset.host_name, asset.ip, back.asset), asset.device_id, vulnerability.id,
       coalesce(title, back.vulnerability), coalesce(severity, 'none'), times, taken, state
FROM back JOIN store_snapshotrecord AS snapshot ON snapshot.id = last
JOIN store_asset AS asset ON asset.source_id = back.source_id AND asset.asset = back.asset
JOIN store_vulnerability AS vulnerability
  ON vulnerability.source_id = back.source_id AND vulnerability.vulnerability = back.vulnerability
JOIN store_finding AS finding ON finding.source_id = back.source_id AND finding.asset = back.asset
 AND finding.vulnerability = back.vulnerability
ORDER BY times DESC, last DESC, back.asset, back.vulnerability
"""


@dataclass(frozen=True)
class Recurring:
    """``times``: how often it came back; ``last``: when it did so last; ``state``: of the ledger, now."""

    name: str
    device: int | None
    vulnerability: int
    title: str
    severity: str
    times: int
    last: datetime
    state: str


def recurring(most: int) -> Sequence[Recurring]:
    """Those that came back most often, of all sources and times."""
    with connection.cursor() as cursor:
        cursor.execute(_OFTEN, [most])
        return [Recurring(*row) for row in cursor.fetchall()]
