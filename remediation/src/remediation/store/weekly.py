"""What the weekly report tells, counted by the database.

Of a source, from its daily counts: those of ``keep_day``. By severity and by owner, from the observations of the
snapshots that were taken in the week: the same changes, so that both sums agree. A source that says the same again has
no new snapshot, so it was read as well where a reading in the week was complete. An owner is an owner tag of a device;
what two own counts for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import connection

from ..domain.snapshot import SEVERITIES
from ..domain.status import ENDED
from ..domain.week import Week
from ..domain.weekly import NOBODY, LateTicket, Line, SourceLine, Weekly
from .intake import CAME, WENT

# Of owners, and of late tickets.
MOST_OWNERS, MOST_LATE = 50, 200

_OPEN = """(SELECT critical + high + medium + low + none FROM store_dailycount AS counted
    WHERE counted.source_id = source.id AND day {} ORDER BY day DESC LIMIT 1)"""
_SOURCES = f"""
SELECT source.id, source.name, coalesce(changed.came, 0), coalesce(changed.went, 0),
       {_OPEN.format("< %(first)s")}, {_OPEN.format("<= %(last)s")},
       EXISTS (SELECT FROM store_snapshotrecord AS record
               WHERE record.source_id = source.id AND taken >= %(since)s AND taken < %(until)s)
       OR EXISTS (SELECT FROM store_run AS run WHERE run.source_id = source.id AND run.kind IN ('read', 'import')
                  AND outcome = 'done' AND started >= %(since)s AND started < %(until)s)
FROM store_source AS source LEFT JOIN (
    SELECT source_id, sum(new) AS came, sum(gone) AS went FROM store_dailycount
    WHERE day BETWEEN %(first)s AND %(last)s GROUP BY source_id
) AS changed ON changed.source_id = source.id
WHERE source.created < %(until)s OR EXISTS (
    SELECT FROM store_dailycount AS counted WHERE counted.source_id = source.id AND day <= %(last)s)
ORDER BY source.name
"""  # nosec B608: constants
_CHANGED = """
WITH changed AS (
    SELECT observed.source_id, observed.{by}, count(*) FILTER (WHERE kind = ANY(%(came)s)) AS came,
           count(*) FILTER (WHERE kind = ANY(%(went)s)) AS went
    FROM store_snapshotrecord AS record JOIN store_observation AS observed ON observed.snapshot_id = record.id
    WHERE taken >= %(since)s AND taken < %(until)s AND kind = ANY(%(changes)s)
    GROUP BY observed.source_id, observed.{by}
)
"""
_SEVERITIES = f"""{_CHANGED.format(by="vulnerability")}
SELECT coalesce(severity, 'none'), sum(came)::bigint, sum(went)::bigint FROM changed
LEFT JOIN store_vulnerability AS known USING (source_id, vulnerability) GROUP BY 1
"""  # nosec B608: constants
_OWNERS = f"""{_CHANGED.format(by="asset")}
SELECT coalesce(owner, %(nobody)s), sum(came)::bigint, sum(went)::bigint FROM changed
LEFT JOIN store_asset AS known USING (source_id, asset) LEFT JOIN unnest(known.owner_tags) AS owner ON true
GROUP BY owner ORDER BY sum(came) + sum(went) DESC, 1 LIMIT %(most)s
"""  # nosec B608: constants
_OWNER = "coalesce(nullif(ticket.assigned, ''), nullif(project.settings->>'owner', ''), %(nobody)s)"
# Those that nobody follows, or that Halo does not show, are nobody's work there.
_LATE = """
FROM store_ticket AS ticket JOIN store_project AS project ON project.id = ticket.project_id
WHERE ticket.halo_id IS NOT NULL AND ticket.due <= %(last)s AND NOT ticket.status = ANY(%(ended)s)
  AND NOT ticket.note ?| ARRAY['detached', 'missing']
"""
_LATE_TICKETS = f"""
SELECT ticket.id, ticket.halo_id, ticket.title, ticket.due, {_OWNER}, project.name
{_LATE} ORDER BY ticket.due, ticket.id LIMIT %(most)s
"""  # nosec B608: constants
_LATE_OWNERS = f"SELECT {_OWNER}, count(*) {_LATE} GROUP BY 1 ORDER BY 2 DESC, 1"  # nosec B608: constants


def weekly(week: Week, most_late: int = MOST_LATE) -> Weekly:
    """The report of a week. What is late is so now; all else is as of then, and as far as it was read by now."""
    given = {
        "first": week.first,
        "last": week.last,
        "since": week.since,
        "until": week.until,
        "came": list(CAME),
        "went": list(WENT),
        "changes": [*CAME, *WENT],
        "ended": [status.value for status in ENDED],
        "nobody": NOBODY,
    }
    severities = {name: Line(name, came, went) for name, came, went in _rows(_SEVERITIES, given)}
    late_owners: list[Any] = _rows(_LATE_OWNERS, given)
    return Weekly(
        week,
        tuple(SourceLine(*row) for row in _rows(_SOURCES, given)),
        tuple(severities[name] for name in SEVERITIES if name in severities),
        tuple(Line(*row) for row in _rows(_OWNERS, {**given, "most": MOST_OWNERS})),
        tuple(LateTicket(*row) for row in _rows(_LATE_TICKETS, {**given, "most": most_late})),
        sum(count for _, count in late_owners),
        tuple(late_owners[:MOST_OWNERS]),
    )


def _rows(query: str, given: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, given)
        return list(cursor.fetchall())
