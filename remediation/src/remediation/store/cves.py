"""What the feeds tell of CVEs (KEV, EPSS): kept for all CVEs, and beside each vulnerability for the worst of its own.

Only what has changed is written. What a scanner has said is in other columns, which nothing here touches.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import polars as pl
from django.db import connection, transaction
from psycopg import sql

from . import copy, models
from .grading import grade_vulnerabilities
from .hash_joins import hash_joins

# Of a vulnerability. The source's own counts before FIRST's.
EPSS = "coalesce(epss, feed_epss)"
_FACTS: dict[str, Any] = {"cve": pl.String, "kev_due": pl.Date, "kev_ransomware": pl.Boolean, "epss": pl.Float64}
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
_WORST = """
WITH now AS (
    SELECT named.id, coalesce(bool_or(cve.kev_due IS NOT NULL), false) AS kev, min(cve.kev_due) AS kev_due,
           coalesce(bool_or(cve.kev_ransomware), false) AS kev_ransomware, max(cve.epss) AS feed_epss
    FROM (
        SELECT id, unnest(coalesce(nullif(cves, '{}'), '{NULL}')) AS cve FROM store_vulnerability WHERE source_id = %s
    ) AS named
    LEFT JOIN store_cve AS cve ON cve.cve = upper(btrim(named.cve)) COLLATE "C"
    GROUP BY named.id
)
UPDATE store_vulnerability AS old
SET kev = now.kev, kev_due = now.kev_due, kev_ransomware = now.kev_ransomware, feed_epss = now.feed_epss
FROM now WHERE old.id = now.id
  AND (old.kev, old.kev_due, old.kev_ransomware, old.feed_epss)
      IS DISTINCT FROM (now.kev, now.kev_due, now.kev_ransomware, now.feed_epss)
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


def worst_of(vulnerabilities: pl.DataFrame) -> pl.DataFrame:
    """What ``tell_vulnerabilities`` would put beside each, out of its ``cves``, so that a new one is written once.

    Columns: vulnerability, kev, kev_due, kev_ransomware and feed_epss. Those of which the feeds tell nothing are left
    out. To be used in a transaction.
    """
    cve = pl.col("cves").str.strip_chars(" ").str.to_uppercase()
    named = vulnerabilities.explode("cves").select("vulnerability", cve=cve).drop_nulls()
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM store_cve)")
        if not cursor.fetchone()[0]:
            return _worst(named, pl.DataFrame(schema=_FACTS))
        with copy.Incoming(cursor, "store_cve", named.select("cve").unique("cve").sort("cve")) as incoming:
            query = f"SELECT store_cve.* FROM store_cve JOIN {incoming} USING (cve)"  # nosec B608: a name of our own
            return _worst(named, copy.select(query, (), _FACTS))


def _worst(named: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    """The worst of the ``facts`` about the CVEs that each vulnerability is ``named`` with."""
    return (
        named.join(facts, on="cve")
        .group_by("vulnerability")
        .agg(
            pl.col("kev_due").is_not_null().any().alias("kev"),
            pl.col("kev_due").min(),
            pl.col("kev_ransomware").fill_null(False).any(),
            pl.col("epss").max().alias("feed_epss"),
        )
    )


@hash_joins()
def tell_vulnerabilities(source_id: int) -> int:
    """Put the worst that is known of its CVEs beside each vulnerability of a source; returns how many changed.

    The source is to be locked by the caller, in the transaction that this is done in.
    """
    with connection.cursor() as cursor:
        cursor.execute(_WORST, [source_id])
        changed = int(cursor.rowcount)
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
