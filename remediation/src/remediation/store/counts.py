"""How many findings are open on what: kept beside vulnerabilities, assets and devices, so that a page counts nothing;
how many vulnerabilities are, beside their source; and what each remedy would remove.

A finding counts while it is open or unconfirmed and no acceptance of a risk covers it today. A finding is one
vulnerability of one source on one asset, so two scanners that see the same count as two.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import polars as pl
from django.db import connection, transaction

from ..domain.snapshot import UTC_TIME
from . import copy
from .hash_joins import hash_joins
from .one_at_a_time import Lock, one_at_a_time
from .segment_counts import keep_segments

COUNTED: copy.Schema = {"vulnerability": pl.String, "alive": pl.Int64, "oldest": UTC_TIME, "newest": UTC_TIME}
_BY_VULNERABILITY = """
CREATE TEMPORARY TABLE counted_vulnerability ON COMMIT DROP AS
SELECT vulnerability, count(*) AS alive, min(first_found) AS oldest, max(first_found) AS newest
FROM counted_finding GROUP BY vulnerability
"""
_VULNERABILITIES = """
WITH now AS (
    SELECT store_vulnerability.id, coalesce(counted.alive, 0) AS alive, counted.oldest, counted.newest
    FROM store_vulnerability LEFT JOIN counted_vulnerability AS counted USING (vulnerability)
    WHERE source_id = %(source)s
)
UPDATE store_vulnerability AS old SET alive = now.alive, oldest = now.oldest, newest = now.newest
FROM now WHERE old.id = now.id AND old.source_id = %(source)s
  AND (old.alive, old.oldest, old.newest) IS DISTINCT FROM (now.alive, now.oldest, now.newest)
"""
_ASSETS = """
WITH counted AS (
    SELECT asset, count(*) FILTER (WHERE rank = 4) AS critical, count(*) FILTER (WHERE rank = 3) AS high,
           count(*) FILTER (WHERE rank = 2) AS medium, count(*) FILTER (WHERE rank = 1) AS low,
           count(*) FILTER (WHERE rank = 0) AS none, sum(risk) AS risk
    FROM counted_finding JOIN store_vulnerability USING (vulnerability)
    WHERE store_vulnerability.source_id = %(source)s GROUP BY asset
), now AS (
    SELECT store_asset.id, coalesce(counted.critical, 0) AS critical, coalesce(counted.high, 0) AS high,
           coalesce(counted.medium, 0) AS medium, coalesce(counted.low, 0) AS low, coalesce(counted.none, 0) AS none,
           coalesce(counted.risk, 0) AS risk
    FROM store_asset LEFT JOIN counted USING (asset) WHERE source_id = %(source)s
)
UPDATE store_asset AS old SET critical = now.critical, high = now.high, medium = now.medium, low = now.low,
                              none = now.none, risk = now.risk
FROM now WHERE old.id = now.id AND old.source_id = %(source)s
  AND (old.critical, old.high, old.medium, old.low, old.none, old.risk)
      IS DISTINCT FROM (now.critical, now.high, now.medium, now.low, now.none, now.risk)
"""
_NO_REMEDIES = """
DELETE FROM store_remedy
WHERE source_id = %(source)s AND NOT EXISTS (SELECT FROM counted_finding WHERE counted_finding.remedy = store_remedy.remedy)
"""
# Devices are counted and owners named apart: count(DISTINCT) over both would sort all findings by text.
_REMEDIES = """
WITH counted AS (
    SELECT remedy, vulnerability, count(*) AS found FROM counted_finding GROUP BY remedy, vulnerability
), worth AS (
    SELECT remedy, sum(found) AS findings, sum(found * risk) AS risk,
           coalesce(sum(found) FILTER (WHERE rank = 4), 0) AS critical,
           coalesce(sum(found) FILTER (WHERE rank = 3), 0) AS high,
           coalesce(sum(found) FILTER (WHERE rank = 2), 0) AS medium,
           coalesce(sum(found) FILTER (WHERE rank = 1), 0) AS low,
           coalesce(sum(found) FILTER (WHERE rank = 0), 0) AS none,
           array_agg(vulnerability::text ORDER BY vulnerability) AS vulnerabilities
    FROM counted JOIN store_vulnerability USING (vulnerability) WHERE source_id = %(source)s GROUP BY remedy
), pairs AS MATERIALIZED (
    SELECT remedy, owner_tags FROM (SELECT DISTINCT remedy, asset FROM counted_finding) AS once
    JOIN store_asset USING (asset) WHERE source_id = %(source)s
), wheres AS (
    SELECT remedy, count(*) AS assets FROM pairs GROUP BY remedy
), owned AS (
    SELECT remedy, array_agg(owner ORDER BY owner) AS owners
    FROM (
        SELECT DISTINCT remedy, owner FROM pairs CROSS JOIN unnest(owner_tags) AS owner
        WHERE owner_tags <> '{}' AND owner IS NOT NULL
    ) AS named
    GROUP BY remedy
)
INSERT INTO store_remedy AS old
    (source_id, remedy, findings, assets, risk, critical, high, medium, low, none, vulnerabilities, owners)
SELECT %(source)s, remedy, findings, assets, risk, critical, high, medium, low, none, vulnerabilities,
       coalesce(owners, '{}')
FROM worth JOIN wheres USING (remedy) LEFT JOIN owned USING (remedy)
ON CONFLICT (source_id, remedy) DO UPDATE SET
    findings = excluded.findings, assets = excluded.assets, risk = excluded.risk, critical = excluded.critical,
    high = excluded.high, medium = excluded.medium, low = excluded.low, none = excluded.none,
    vulnerabilities = excluded.vulnerabilities, owners = excluded.owners
WHERE (old.findings, old.assets, old.risk, old.critical, old.high, old.medium, old.low, old.none, old.vulnerabilities,
       old.owners)
      IS DISTINCT FROM (excluded.findings, excluded.assets, excluded.risk, excluded.critical, excluded.high,
       excluded.medium, excluded.low, excluded.none, excluded.vulnerabilities, excluded.owners)
"""


def accepted_of(source: str) -> str:
    """Whether the risk of a row of ``finding`` is accepted on a day, as SQL. ``source`` is its source, as SQL."""
    return f"""EXISTS (
    SELECT FROM store_riskacceptance AS accepted
    WHERE accepted.source_id = {source} AND withdrawn IS NULL AND expires >= %(today)s
      AND coalesce(accepted.asset = finding.asset, true)
      AND coalesce(accepted.vulnerability = finding.vulnerability, true)
      AND (accepted.solution IS NULL OR accepted.solution = coalesce(finding.solution, finding.vulnerability))
)"""  # nosec B608: constants


ACCEPTED = accepted_of("finding.source_id")
_SOURCE = """
WITH now AS (
    SELECT count(*) FILTER (WHERE rank = 4) AS critical, count(*) FILTER (WHERE rank = 3) AS high,
           count(*) FILTER (WHERE rank = 2) AS medium, count(*) FILTER (WHERE rank = 1) AS low,
           count(*) FILTER (WHERE rank = 0) AS none
    FROM store_vulnerability WHERE source_id = %(source)s AND alive > 0
)
UPDATE store_source SET critical = now.critical, high = now.high, medium = now.medium, low = now.low, none = now.none
FROM now WHERE id = %(source)s
"""
_COUNTED = f"""
CREATE TEMPORARY TABLE counted_finding ON COMMIT DROP AS
SELECT asset, vulnerability, coalesce(solution, vulnerability) AS remedy, first_found FROM store_finding AS finding
WHERE source_id = %(source)s AND state IN ('open', 'unconfirmed') AND NOT {ACCEPTED}
"""  # nosec B608: a constant
_DEVICES = """
WITH now AS (
    SELECT store_device.id, coalesce(sum(asset.critical), 0) AS critical, coalesce(sum(asset.high), 0) AS high,
           coalesce(sum(asset.medium), 0) AS medium, coalesce(sum(asset.low), 0) AS low,
           coalesce(sum(asset.none), 0) AS none, coalesce(sum(asset.risk), 0) AS risk, max(coalesce(asset.scan_started, asset.assessed)) AS assessed
    FROM store_device LEFT JOIN store_asset AS asset ON asset.device_id = store_device.id GROUP BY store_device.id
)
UPDATE store_device AS old SET critical = now.critical, high = now.high, medium = now.medium, low = now.low,
                               none = now.none, risk = now.risk, assessed = now.assessed
FROM now WHERE old.id = now.id
  AND (old.critical, old.high, old.medium, old.low, old.none, old.risk, old.assessed)
      IS DISTINCT FROM (now.critical, now.high, now.medium, now.low, now.none, now.risk, now.assessed)
"""
_DAY = """
INSERT INTO store_dailycount (source_id, day, critical, high, medium, low, none, new, gone)
SELECT %(source)s, %(day)s, coalesce(sum(alive) FILTER (WHERE rank = 4), 0), coalesce(sum(alive) FILTER (WHERE rank = 3), 0),
       coalesce(sum(alive) FILTER (WHERE rank = 2), 0), coalesce(sum(alive) FILTER (WHERE rank = 1), 0),
       coalesce(sum(alive) FILTER (WHERE rank = 0), 0), %(new)s, %(gone)s
FROM store_vulnerability WHERE source_id = %(source)s AND alive > 0
ON CONFLICT (source_id, day) DO UPDATE SET
    critical = excluded.critical, high = excluded.high, medium = excluded.medium, low = excluded.low,
    none = excluded.none, new = store_dailycount.new + excluded.new, gone = store_dailycount.gone + excluded.gone
"""


@transaction.atomic
def count_source(source_id: int, today: date) -> None:
    """Count the findings of a source's vulnerabilities and assets anew. The source is to be locked by the caller.

    Devices follow by ``count_devices``, after their assets have been grouped.
    """
    with counting(source_id, today):
        pass


@contextmanager
def counting(source_id: int, today: date) -> Iterator[pl.DataFrame]:
    """The same, when the block ends. The block gets what is counted of each vulnerability with a finding, and may write
    vulnerabilities with it: a row that is written once is half the work of one that is counted later.

    To be used in a transaction.
    """
    given: dict[str, Any] = {"source": source_id, "today": today}
    with connection.cursor() as cursor:
        cursor.execute(_COUNTED, given)
        cursor.execute(_BY_VULNERABILITY)
        yield copy.select("SELECT * FROM counted_vulnerability", (), COUNTED)
        with hash_joins():
            for statement in (_VULNERABILITIES, _ASSETS, _NO_REMEDIES, _REMEDIES):
                cursor.execute(statement, given)
        cursor.execute(_SOURCE, given)
        cursor.execute("DROP TABLE counted_finding, counted_vulnerability")


@transaction.atomic
@hash_joins()
def count_devices() -> None:
    """Sum up what is known of the assets of each device, and of each segment of the network."""
    # Who counts later has seen what was stored earlier: else the older sums could stay.
    one_at_a_time(Lock.COUNTING)
    with connection.cursor() as cursor:
        cursor.execute(_DEVICES)
    keep_segments()


def keep_day(source_id: int, day: date, new: int, gone: int) -> None:
    """Keep what is open on a day, after ``count_source``, and how many findings came up and went on it."""
    with connection.cursor() as cursor:
        cursor.execute(_DAY, {"source": source_id, "day": day, "new": new, "gone": gone})
