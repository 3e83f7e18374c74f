"""What a scan changes in the tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg import Cursor

# With no credentials (1) or failed ones (2) a scan sees from outside only. That partial ones (3) and an agent (-1) see
# everything is a guess.
BLIND = (1, 2)

# Approved exceptions that have passed their date no longer count. When a console notices is a guess.
EXPIRE = """
UPDATE dim_vulnerability_exception SET status_id = 'E' WHERE status_id = 'A' AND expiration_date <= %(finished)s::date
"""

SEE = """
CREATE TEMPORARY TABLE seen ON COMMIT DROP AS
SELECT present.*, solution_id, exception
FROM present
JOIN nature USING (vulnerability_id)
LEFT JOIN (
    SELECT asset_id, vulnerability_id, min(vulnerability_exception_id) AS exception
    FROM dim_vulnerability_exception
    WHERE status_id = 'A'
    GROUP BY asset_id, vulnerability_id
) excepted USING (asset_id, vulnerability_id)
WHERE asset_id = ANY(%(assets)s) AND NOT (needs_credentials AND %(blind)s)
"""

# Documented only: `reintroduced_date` is set when a finding comes back. A guess: the age outlives its finding, what
# was excepted did not come back, and the dates are those of the scan's end.
AGE = """
INSERT INTO fact_asset_vulnerability_age AS age
SELECT asset_id, vulnerability_id, interval '0', 0, %(finished)s, %(finished)s, NULL FROM seen
ON CONFLICT (asset_id, vulnerability_id) DO UPDATE SET
    age = excluded.most_recently_discovered - age.first_discovered,
    age_in_days = excluded.most_recently_discovered::date - age.first_discovered::date,
    most_recently_discovered = excluded.most_recently_discovered,
    reintroduced_date = CASE
        WHEN (age.asset_id, age.vulnerability_id) IN (
            SELECT asset_id, vulnerability_id FROM fact_asset_vulnerability_finding
            UNION ALL
            SELECT asset_id, vulnerability_id FROM fact_asset_vulnerability_instance_excluded
        ) THEN age.reintroduced_date
        ELSE excluded.most_recently_discovered
    END
"""

FINDINGS = """
INSERT INTO fact_asset_vulnerability_finding
SELECT asset_id, %(scan)s, vulnerability_id, first_discovered, instances
FROM seen JOIN fact_asset_vulnerability_age USING (asset_id, vulnerability_id)
WHERE exception IS NULL
"""

EXCLUDED = """
INSERT INTO fact_asset_vulnerability_instance_excluded
SELECT asset_id, %(scan)s, vulnerability_id, exception, exception::text, %(finished)s, 'VE', NULL, '', NULL, port, 6
FROM seen CROSS JOIN generate_series(1, instances) AS port
WHERE exception IS NOT NULL
"""

SOLUTIONS = """
INSERT INTO dim_asset_vulnerability_solution
SELECT asset_id, vulnerability_id, solution_id FROM seen WHERE solution_id IS NOT NULL
"""

BEST_SOLUTIONS = """
INSERT INTO dim_asset_vulnerability_best_solution
SELECT asset_id, vulnerability_id, best(solution_id) FROM seen WHERE solution_id IS NOT NULL
"""

# Seen live: an asset's risk score is the sum of its findings'.
ASSETS = """
INSERT INTO fact_asset
SELECT asset_id, %(scan)s, %(started)s, %(finished)s, count(finding.vulnerability_id), coalesce(sum(riskscore), 0),
    %(credentials)s
FROM dim_asset
LEFT JOIN fact_asset_vulnerability_finding finding USING (asset_id)
LEFT JOIN dim_vulnerability USING (vulnerability_id)
WHERE asset_id = ANY(%(assets)s)
GROUP BY asset_id
"""

ASSESSED = """
UPDATE dim_asset SET last_assessed_for_vulnerabilities = %(finished)s WHERE asset_id = ANY(%(assets)s)
"""

# Documented only: the facts hold the current state, so what a scan does not see has no row.
REWRITTEN = (
    "fact_asset_vulnerability_finding",
    "fact_asset_vulnerability_instance_excluded",
    "dim_asset_vulnerability_solution",
    "dim_asset_vulnerability_best_solution",
    "fact_asset",
)


def next_scan(cursor: Cursor[Any]) -> int:
    """The number of a scan that is to come."""
    row = cursor.execute("SELECT nextval(pg_get_serial_sequence('insightvm_truth.scan', 'scan_id'))")
    return int(row.fetchall()[0][0])


def record_scan(
    cursor: Cursor[Any],
    assets: Sequence[int],
    credentials: int,
    started: datetime,
    finished: datetime,
    number: int | None = None,
) -> int:
    """Bring the facts of the assets to what a scan sees; times in UTC without a zone. The number of the scan, which is
    a new one unless it has one."""
    scan = next_scan(cursor) if number is None else number
    cursor.execute("INSERT INTO scan OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s)", (scan, started, finished))
    values: dict[str, Any] = {
        "scan": scan,
        "assets": list(assets),
        "credentials": credentials,
        "blind": credentials in BLIND,
        "started": started,
        "finished": finished,
    }
    for statement in (EXPIRE, SEE, AGE):
        cursor.execute(statement, values)
    for table in REWRITTEN:
        cursor.execute(f"DELETE FROM {table} WHERE asset_id = ANY(%(assets)s)", values)  # nosec B608: constants
    for statement in (FINDINGS, EXCLUDED, SOLUTIONS, BEST_SOLUTIONS, ASSETS, ASSESSED):
        cursor.execute(statement, values)
    return int(values["scan"])
