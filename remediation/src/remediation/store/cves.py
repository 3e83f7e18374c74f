"""What the feeds tell of CVEs (KEV, EPSS): kept for all CVEs, and beside each vulnerability for the worst of its own.

Only what has changed is written. What a scanner has said is in other columns, which nothing here touches.
"""

from __future__ import annotations

from datetime import date, datetime

import polars as pl
from django.db import connection, transaction
from psycopg import sql

from . import copy, models
from .grading import grade_vulnerabilities
from .hash_joins import hash_joins

_UPDATE = """
UPDATE store_cve AS old SET ({columns}, {of}, read) = ROW({new}, %(day)s, %(read)s)
FROM {incoming} AS new WHERE old.cve = new.cve AND ROW({new}) IS DISTINCT FROM ROW({old})
"""
_INSERT = """
INSERT INTO store_cve (cve, {columns}, {of}, read) SELECT new.cve, {new}, %(day)s, %(read)s
FROM {incoming} AS new WHERE NOT EXISTS (SELECT FROM store_cve AS old WHERE old.cve = new.cve)
"""
_FORGET = """
UPDATE store_cve AS old SET ({columns}, {of}, read) = ROW({nothing}, NULL, %(read)s)
WHERE {of} IS NOT NULL AND NOT EXISTS (SELECT FROM {incoming} AS new WHERE old.cve = new.cve)
"""
_TELL = """
WITH named AS (
    SELECT id, epss, unnest(coalesce(nullif(cves, '{}'), '{NULL}')) AS cve FROM store_vulnerability
    WHERE source_id = %s
), now AS MATERIALIZED (
    SELECT named.id, coalesce(bool_or(cve.kev_due IS NOT NULL), false) AS kev, min(cve.kev_due) AS kev_due,
           coalesce(bool_or(cve.kev_ransomware), false) AS kev_ransomware, max(cve.epss) AS feed_epss,
           coalesce(named.epss, max(cve.epss)) AS known_epss
    FROM named LEFT JOIN store_cve AS cve ON cve.cve = upper(btrim(named.cve)) COLLATE "C"
    GROUP BY named.id, named.epss
), updated AS (
    UPDATE store_enrichment AS old
    SET kev = now.kev, kev_due = now.kev_due, kev_ransomware = now.kev_ransomware, feed_epss = now.feed_epss,
        known_epss = now.known_epss
    FROM now WHERE old.vulnerability_id = now.id
      AND (old.kev, old.kev_due, old.kev_ransomware, old.feed_epss, old.known_epss)
          IS DISTINCT FROM (now.kev, now.kev_due, now.kev_ransomware, now.feed_epss, now.known_epss)
    RETURNING 1
), inserted AS (
    INSERT INTO store_enrichment (vulnerability_id, kev, kev_due, kev_ransomware, feed_epss, known_epss)
    SELECT * FROM now WHERE NOT EXISTS (SELECT FROM store_enrichment AS old WHERE old.vulnerability_id = now.id)
    RETURNING 1
)
SELECT (SELECT count(*) FROM updated) + (SELECT count(*) FROM inserted)
"""


@transaction.atomic
def write_cves(feed: str, facts: pl.DataFrame, day: date, read: datetime) -> int:
    """Write what a feed, ``kev`` or ``epss``, tells on a day of all its CVEs; of others it tells nothing any more.

    ``facts`` has ``cve`` once each, and columns of models.Cve. Returns how many rows changed.
    """
    columns = [name for name in facts.columns if name != "cve"]
    with connection.cursor() as cursor:
        # Both feeds write to the same rows. Who reads waits for nobody.
        cursor.execute("LOCK TABLE store_cve IN SHARE ROW EXCLUSIVE MODE")
        with hash_joins(), copy.Incoming(cursor, "store_cve", facts.sort("cve")) as incoming:
            parts = {
                "incoming": sql.Identifier(incoming),
                "of": sql.Identifier(f"{feed}_of"),
                "columns": copy.names(columns),
                "new": copy.listed(sql.Identifier("new", name) for name in columns),
                "old": copy.listed(sql.Identifier("old", name) for name in columns),
                "nothing": copy.listed(sql.NULL for _ in columns),
            }
            changed = 0
            for statement in (_UPDATE, _INSERT, _FORGET):
                cursor.execute(sql.SQL(statement).format(**parts), {"day": day, "read": read})
                changed += int(cursor.rowcount)
        if changed:
            # Without figures, the join of vulnerabilities with it would be planned for another size.
            cursor.execute("ANALYZE store_cve")
    return changed


@hash_joins()
def tell_vulnerabilities(source_id: int) -> int:
    """Put the worst that is known of its CVEs beside each vulnerability of a source; returns how many are new or have
    changed.

    The source is to be locked by the caller, in the transaction that this is done in.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TELL, [source_id])
        changed = int(cursor.fetchone()[0])
    # What is graded depends on what is told.
    grade_vulnerabilities(source_id)
    return changed


def tell_all_vulnerabilities() -> int:
    """The same for all sources, one after the other."""
    changed = 0
    for number in models.Source.objects.order_by("pk").values_list("pk", flat=True):
        with transaction.atomic():
            copy.lock(number)
            changed += tell_vulnerabilities(number)
    return changed
