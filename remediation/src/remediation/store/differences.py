"""What changed in the ledger between two moments, out of the observations of the snapshots between them.

What a snapshot did not change has no observation, so the work grows with what changed and not with what is there. What
is still there is counted backwards, from what is counted as open now (store.counts). As there, a finding whose risk
somebody accepts today does not count, neither before nor after.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from typing import Any

from django.db import OperationalError, connection, transaction
from psycopg.errors import QueryCanceled

from ..domain.difference import THERE, Difference
from ..domain.snapshot import SEVERITIES
from ..service_day import service_day
from . import models
from .counts import ACCEPTED

# Seconds after which a page gives up.
PATIENCE = 10
# Of devices and owners, those with the most changes.
MOST_LINES = 25


@dataclass(frozen=True)
class Window:
    """Two moments as numbers of snapshots: ``between`` were taken in after the earlier one and up to the later one,
    ``later`` after that. ``sources`` are those that are compared."""

    sources: tuple[int, ...]
    between: tuple[int, ...]
    later: tuple[int, ...]


class TooMany(Exception):
    """Comparing took too long."""


@dataclass(frozen=True)
class Line:
    """How many findings of a severity, a device or an owner became what. ``of`` is the device's number."""

    name: str
    counts: Mapping[str, int] = field(default_factory=dict)
    still: int = 0
    of: int | None = None


def between_days(since: date, until: date, source: int | None = None) -> Window:
    """From the end of one day to the end of another, in UTC, of one source or of all."""
    sources = [source] if source else list(models.Source.objects.order_by("pk").values_list("pk", flat=True))
    between: list[int] = []
    later: list[int] = []
    for number in sources:
        taken = list(models.SnapshotRecord.objects.filter(source=number).order_by("pk").values_list("pk", "taken"))
        first, second = _after(taken, since), _after(taken, until)
        between += [pk for pk, _ in taken[first:second]]
        later += [pk for pk, _ in taken[second:]]
    return Window(tuple(sources), tuple(between), tuple(later))


def between_snapshots(before: models.SnapshotRecord, after: models.SnapshotRecord) -> Window:
    """From what was believed after one snapshot of a source to what was believed after a later one."""
    numbers = models.SnapshotRecord.objects.filter(source=before.source_id, pk__gt=before.pk).order_by("pk")
    known = list(numbers.values_list("pk", flat=True))
    return Window(
        (before.source_id,),
        tuple(pk for pk in known if pk <= after.pk),
        tuple(pk for pk in known if pk > after.pk),
    )


def _after(taken: list[tuple[int, datetime]], day: date) -> int:
    """The place of the first snapshot that was taken after a day. An old file that was brought later than a newer one
    comes after it, because the ledger was changed in that order."""
    found = (place for place, (_, when) in enumerate(taken) if when.astimezone(timezone.utc).date() > day)
    return next(found, len(taken))


# A row for each finding of which something was observed. ``was`` and ``is``: whether it was and is there; ``kind`` is
# null where nothing became of it. A solution changes only by what is told anew; the observation before has the old one.
_CHANGED = f"""
CREATE TEMPORARY TABLE {{table}} ON COMMIT DROP AS
WITH told AS (
    SELECT place, snapshot_id, source_id, asset, vulnerability, solution, kind, detail ->> 'before' AS before
    FROM store_observation WHERE snapshot_id = ANY(%(snapshots)s)
), ends AS (
    SELECT min(place) AS first, max(place) AS last,
           bool_or(kind IN ('superseded', 'rediscovered', 'exception_lapsed')) AS told_anew
    FROM told GROUP BY source_id, asset, vulnerability
), finding AS (
    SELECT last.place AS id, last.source_id, last.asset, last.vulnerability, last.solution, last.kind AS ended,
           first.before, coalesce(first.before IN ('open', 'unconfirmed'), false) AS was,
           last.kind NOT IN ('remediated', 'excepted', 'left_coverage') AS "is",
           CASE WHEN told_anew AND first.before IS NOT NULL THEN (
               SELECT earlier.solution FROM store_observation AS earlier
               WHERE earlier.source_id = first.source_id AND earlier.asset = first.asset
                 AND earlier.vulnerability = first.vulnerability AND earlier.snapshot_id < first.snapshot_id
               ORDER BY earlier.snapshot_id DESC LIMIT 1
           ) ELSE last.solution END AS solution_before
    FROM ends JOIN told AS first ON first.place = ends.first JOIN told AS last ON last.place = ends.last
)
SELECT finding.id, finding.source_id, vulnerability.id AS vulnerability_id, vulnerability.rank, asset.id AS asset_id,
       asset.device_id, finding.vulnerability, finding.solution, was, "is",
       CASE
           WHEN NOT was AND "is" THEN CASE WHEN before IS NULL THEN 'new' ELSE 'back' END
           WHEN was AND NOT "is" THEN CASE WHEN ended = 'remediated' THEN 'fixed' ELSE 'gone' END
           WHEN was AND solution_before IS DISTINCT FROM finding.solution THEN 'moved'
           WHEN was AND before = 'open' AND ended IN ('unconfirmed', 'no_longer_reported') THEN 'unseen'
       END AS kind,
       CASE WHEN was AND "is" THEN solution_before END AS solution_before, NULL::bigint AS asset_before
FROM finding
JOIN store_vulnerability AS vulnerability
  ON vulnerability.source_id = finding.source_id AND vulnerability.vulnerability = finding.vulnerability
JOIN store_asset AS asset ON asset.source_id = finding.source_id AND asset.asset = finding.asset
WHERE NOT {ACCEPTED}
"""  # nosec B608: constants
# On a device that is several assets of a source, what went from one and came to another has moved. Each once.
_MOVED = """
WITH several AS (
    SELECT source_id, device_id FROM store_asset WHERE source_id = ANY(%(sources)s) AND device_id IS NOT NULL
    GROUP BY source_id, device_id HAVING count(*) > 1
), sides AS (
    SELECT changed.*, row_number() OVER (
        PARTITION BY changed.source_id, changed.device_id, vulnerability_id, "is" ORDER BY asset_id
    ) AS place
    FROM {table} AS changed JOIN several USING (source_id, device_id) WHERE was <> "is"
), moved AS (
    SELECT came.id AS came, went.id AS went, went.asset_id AS asset_before
    FROM sides AS came JOIN sides AS went USING (source_id, device_id, vulnerability_id, place)
    WHERE came."is" AND NOT went."is"
)
UPDATE {table} AS changed
SET kind = CASE WHEN changed.id = moved.came THEN 'moved' END,
    asset_before = CASE WHEN changed.id = moved.came THEN moved.asset_before END
FROM moved WHERE changed.id IN (moved.came, moved.went)
"""


@contextmanager
def differences(window: Window, *, patient: bool = False) -> Iterator[None]:
    """Makes the table ``changed_finding`` for the block, which is a transaction. Raises TooMany, unless ``patient``."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL jit = off")
        try:
            if not patient:
                cursor.execute(f"SET LOCAL statement_timeout = '{PATIENCE}s'")
            for table, snapshots in (("changed_finding", window.between), ("changed_later", window.later)):
                given: dict[str, Any] = {
                    "snapshots": list(snapshots),
                    "sources": list(window.sources),
                    "today": service_day(),
                }
                cursor.execute(_CHANGED.format(table=table), given)
                cursor.execute(_MOVED.format(table=table), given)
            cursor.execute("ANALYZE changed_finding")
            yield
        except OperationalError as error:
            if isinstance(error.__cause__, QueryCanceled):
                raise TooMany from None
            raise
        cursor.execute("DROP TABLE changed_finding, changed_later")


# Each of the following is to be used in ``differences``.

_KINDS = ", ".join(f"count(*) FILTER (WHERE kind = '{kind.value}') AS {kind.value}" for kind in Difference)
_NET = """(count(*) FILTER (WHERE "is") - count(*) FILTER (WHERE was))"""
_OPEN = " + ".join(f"sum(asset.{name})" for name in SEVERITIES)
_OWNERS = "JOIN store_asset AS asset ON asset.id = asset_id LEFT JOIN unnest(asset.owner_tags) AS owner ON true"


def by_severity(window: Window) -> list[Line]:
    """A line for each severity, the worst first."""
    columns = ", ".join(f"coalesce(sum({name}), 0)" for name in SEVERITIES)
    now = _rows(f"SELECT {columns} FROM store_asset WHERE source_id = ANY(%s)", [list(window.sources)])  # nosec B608
    ranks = dict(zip(range(len(SEVERITIES) - 1, -1, -1), map(int, now[0])))
    found, later = _counted("rank"), _later("rank")
    return [
        _line(SEVERITIES[len(SEVERITIES) - 1 - rank], found.get(rank, {}), count - later.get(rank, 0))
        for rank, count in ranks.items()
    ]


def by_device(window: Window) -> list[Line]:
    """The devices with the most changes."""
    found = _counted("device_id", most=MOST_LINES)
    query = f"""SELECT device_id, {_OPEN} FROM store_asset AS asset
        WHERE source_id = ANY(%s) AND device_id = ANY(%s) GROUP BY device_id"""  # nosec B608: constants
    now = dict(_rows(query, [list(window.sources), list(found)]))
    names = dict(models.Device.objects.filter(pk__in=found).values_list("pk", "name"))
    later = _later("device_id")
    return [
        _line(names.get(number, ""), counts, int(now.get(number, 0)) - later.get(number, 0), number)
        for number, counts in found.items()
    ]


def by_owner(window: Window) -> list[Line]:
    """The owners, by their tags, with the most changes; "" is nobody. What two own counts for each."""
    found = _counted("owner", _OWNERS, MOST_LINES)
    query = f"""SELECT owner, {_OPEN} FROM store_asset AS asset LEFT JOIN unnest(asset.owner_tags) AS owner ON true
        WHERE source_id = ANY(%s) GROUP BY owner"""  # nosec B608: constants
    now = dict(_rows(query, [list(window.sources)]))
    later = _later("owner", _OWNERS)
    return [_line(owner or "", counts, int(now.get(owner, 0)) - later.get(owner, 0)) for owner, counts in found.items()]


def _line(name: str, counts: Mapping[str, int], there: int, of: int | None = None) -> Line:
    """``there``: how many are there at the later moment."""
    return Line(name, counts, there - sum(counts.get(kind.value, 0) for kind in THERE), of)


def _counted(of: str, more: str = "", most: int = 1000) -> dict[Any, dict[str, int]]:
    """How many of each kind, by something of a row: those with the most changes first."""
    rows = _rows(
        f"SELECT {of}, {_KINDS} FROM changed_finding {more} WHERE kind IS NOT NULL "  # nosec B608: constants
        f"GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT {most}"
    )
    return {row[0]: dict(zip((kind.value for kind in Difference), row[1:])) for row in rows}


def _later(of: str, more: str = "") -> dict[Any, int]:
    """How many more are there now than at the later moment."""
    return dict(_rows(f"SELECT {of}, {_NET} FROM changed_later {more} GROUP BY 1"))  # nosec B608: constants


def _rows(query: str, given: Sequence[Any] = ()) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, given)
        return list(cursor.fetchall())
