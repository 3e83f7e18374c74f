"""What suggestions to join tickets are made of (domain.consolidation): tickets that are all about one device or one
solution, and devices and solutions that no ticket tells of.

A ticket by solution is about its own one. Any other is about a solution where that is the only one of all its
vulnerabilities, wherever they are; so one with a vulnerability that has several solutions is about none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.models import Q, Value
from django.db.models.functions import Coalesce

from ..domain.consolidation import LEAST, About, Candidate, Decided, Loose, Suggestion, suggested
from ..domain.snapshot import SEVERITIES
from ..domain.status import ENDED, Status
from ..service_day import service_day
from . import models
from .counts import ACCEPTED

# Of the devices, and of the solutions, that no ticket tells of, so many are suggested: those with the most findings.
MOST_LOOSE = 20
# A solution is written so: the source's number, and its own id. A vulnerability of one is, too.
_SOLUTION = "{}:{}"
_OPEN_STATES = [status.value for status in Status if status not in ENDED]

# Arrays of tickets are empty where somebody detached them. Older generations are planned no more.
_OPEN = """
open AS MATERIALIZED (
    SELECT ticket.id, ticket.key, ticket.assets, ticket.vulnerabilities, project.source_id, project.connection_id,
           coalesce(project.settings ->> 'granularity', 'solution') AS granularity
    FROM store_ticket AS ticket JOIN store_project AS project ON project.id = ticket.project_id
    WHERE ticket.halo_id IS NOT NULL AND ticket.kind = 'child' AND ticket.status = ANY(%(states)s)
      AND cardinality(ticket.assets) > 0 AND {narrow}
      AND NOT EXISTS (SELECT FROM store_ticket AS newer WHERE newer.project_id = ticket.project_id
                      AND newer.key = ticket.key AND newer.generation > ticket.generation)
)"""
# The look at all assets ends with the first that is of another device.
_PLACED = """
placed AS (
    SELECT open.id, first.device_id FROM open
    JOIN store_asset AS first ON first.source_id = open.source_id AND first.asset = open.assets[1] COLLATE "C"
    WHERE first.device_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM unnest(open.assets) AS named
        LEFT JOIN store_asset AS other ON other.source_id = open.source_id AND other.asset = named COLLATE "C"
        WHERE other.device_id IS DISTINCT FROM first.device_id
    )
)"""
_SOLVED = """
fix AS MATERIALIZED (
    SELECT source_id, vulnerability, min(remedy) AS remedy, count(*) AS remedies
    FROM store_remedy CROSS JOIN unnest(vulnerabilities) AS vulnerability GROUP BY source_id, vulnerability
), solved AS (
    SELECT id, key AS remedy FROM open WHERE granularity = 'solution'
    UNION ALL
    SELECT open.id, min(fix.remedy) FROM open CROSS JOIN unnest(open.vulnerabilities) AS told
    JOIN fix ON fix.source_id = open.source_id AND fix.vulnerability = told
    WHERE granularity NOT IN ('solution', 'solution-owner')
    GROUP BY open.id HAVING count(DISTINCT fix.remedy) = 1 AND max(fix.remedies) = 1
)"""
_NOT_PLACED = "placed AS (SELECT id, NULL::bigint AS device_id FROM open WHERE false)"
_NOT_SOLVED = 'solved AS (SELECT id, NULL::text COLLATE "C" AS remedy FROM open WHERE false)'
# What a ticket tells of its findings is long, so it is read of those only that have something in common.
_CANDIDATES = """
WITH {open}, {placed}, {solved}, grouped AS (
    SELECT open.*, placed.device_id, solved.remedy,
           count(*) OVER (PARTITION BY connection_id, device_id) AS on_device,
           count(*) OVER (PARTITION BY connection_id, source_id, remedy) AS with_solution
    FROM open LEFT JOIN placed USING (id) LEFT JOIN solved USING (id)
)
SELECT id, connection_id, granularity, created, status, device_id, source_id, remedy,
       (SELECT count(*) FROM jsonb_each_text(note -> 'told') WHERE value IN ('open', 'unconfirmed')) AS findings,
       CASE WHEN note ? 'detached' THEN 'detached' WHEN note ? 'paused' THEN 'paused' WHEN note ? 'missing' THEN 'missing'
            ELSE '' END AS aside
FROM (
    SELECT id, grouped.connection_id, granularity, device_id, source_id, remedy FROM grouped
    WHERE (device_id IS NOT NULL AND on_device >= %(least)s) OR (remedy IS NOT NULL AND with_solution >= %(least)s)
) AS several JOIN store_ticket USING (id)
"""

# A finding of a ticket that scans have settled is its ticket's when it comes back; what is new beside it is nobody's.
_TOLD = """
told AS MATERIALIZED (
    SELECT DISTINCT project.source_id, named
    FROM store_ticket AS ticket JOIN store_project AS project ON project.id = ticket.project_id
    CROSS JOIN unnest(ticket.{column}) AS named
    WHERE ticket.halo_id IS NOT NULL AND project.source_id IS NOT NULL
      AND NOT (ticket.status = 'Remediated' AND ticket.agreed_status = ticket.status)
)"""
_LOOSE_SOLUTIONS = f"""
WITH {_TOLD.format(column="vulnerabilities")}
SELECT source_id, remedy, findings, assets, vulnerabilities FROM store_remedy
WHERE findings >= %(least)s AND id NOT IN (
    SELECT covered.id FROM store_remedy AS covered CROSS JOIN unnest(covered.vulnerabilities) AS its
    JOIN told ON told.source_id = covered.source_id AND told.named = its
)
ORDER BY findings DESC, id LIMIT %(most)s
"""  # nosec B608: constants
_COUNT = " + ".join(SEVERITIES)
_LOOSE_DEVICES = f"""
WITH {_TOLD.format(column="assets")}, few AS MATERIALIZED (
    SELECT id FROM store_device
    WHERE {_COUNT} >= %(least)s AND id NOT IN (
        SELECT asset.device_id FROM told
        JOIN store_asset AS asset ON asset.source_id = told.source_id AND asset.asset = told.named COLLATE "C"
        WHERE asset.device_id IS NOT NULL
    )
    ORDER BY {_COUNT} DESC, id LIMIT %(most)s
)
SELECT asset.device_id, count(*), array_agg(DISTINCT source_id || ':' || vulnerability)
FROM few JOIN store_asset AS asset ON asset.device_id = few.id
JOIN store_finding AS finding USING (source_id, asset)
WHERE finding.state IN ('open', 'unconfirmed') AND NOT {ACCEPTED}
GROUP BY asset.device_id
"""  # nosec B608: constants


@dataclass(frozen=True)
class _Narrow:
    """Which tickets are looked at, and what they could have in common."""

    where: str = "true"
    given: dict[str, Any] = field(default_factory=dict)
    abouts: tuple[About, ...] = tuple(About)


def suggestions() -> list[Suggestion]:
    """All suggestions to join tickets, and the largest ones for findings without a ticket."""
    return suggested(_candidates(_Narrow()), _loose(), decided())


def suggestion_on(device: models.Device) -> Suggestion | None:
    """The tickets that could be one because they are all about a device, None where there are none."""
    keys = list(device.assets.values_list("source_id", "asset"))
    given = {"sources": sorted({source for source, _ in keys}), "assets": sorted({asset for _, asset in keys})}
    # The index leads to those with any of its assets; the others are left out before anything else is asked of them.
    where = "project.source_id = ANY(%(sources)s) AND ticket.assets && %(assets)s AND ticket.assets <@ %(assets)s"
    return _one_of(_Narrow(where, given, (About.DEVICE,)), str(device.pk))


def suggestion_with(remedy: models.Remedy) -> Suggestion | None:
    """The tickets that could be one because they all wait for a solution, None where there are none."""
    given = {"source": remedy.source_id, "remedy": remedy.remedy, "vulnerabilities": remedy.vulnerabilities}
    # One by solution may tell of vulnerabilities that have gone.
    told = "(ticket.key = %(remedy)s OR ticket.vulnerabilities && %(vulnerabilities)s)"
    where = f"project.source_id = %(source)s AND {told}"
    subject = _SOLUTION.format(remedy.source_id, remedy.remedy)
    return _one_of(_Narrow(where, given, (About.SOLUTION,)), subject)


def _one_of(narrow: _Narrow, subject: str) -> Suggestion | None:
    found = _candidates(narrow)
    rows = suggested(found, (), decided({one.number for one in found})) if found else []
    return next((one for one in rows if one.subject == subject), None)


def decided(tickets: Collection[int] | None = None) -> list[Decided]:
    """What people decided before: all of it, or what is about one of these tickets."""
    gone = Q(stays__note__has_any_keys=["detached", "missing"])
    is_open = Q(stays__status__in=_OPEN_STATES, stays__halo_id__isnull=False) & ~gone
    rows = models.Consolidation.objects.order_by("pk").annotate(is_open=Coalesce(is_open, Value(False)))
    if tickets is not None:
        rows = rows.filter(tickets__overlap=sorted(tickets))
    return [
        Decided(
            About(row.about),
            row.subject,
            frozenset(row.tickets),
            frozenset(row.vulnerabilities),
            row.stays_id,
            row.is_open,
        )
        for row in rows
    ]


def names_of(found: Iterable[Suggestion | models.Consolidation]) -> dict[tuple[str, str], str]:
    """What the devices and solutions are called, by about and subject. Those that are gone are left out."""
    wanted = {(str(About(one.about).value), one.subject) for one in found}
    devices = [int(subject) for about, subject in wanted if about == About.DEVICE.value]
    names = {
        (About.DEVICE.value, str(number)): name
        for number, name in models.Device.objects.filter(pk__in=devices).values_list("pk", "name")
    }
    by_source: dict[int, list[str]] = {}
    for source, solution in (parts_of(subject) for about, subject in wanted if about == About.SOLUTION.value):
        by_source.setdefault(source, []).append(solution)
    for source, solutions in by_source.items():
        # A vulnerability stands for a solution where the source names none. A solution need not have a name.
        called = [
            *((key, key) for key in solutions),
            *models.Vulnerability.objects.filter(source=source, vulnerability__in=solutions).values_list(
                "vulnerability", "title"
            ),
            *models.Solution.objects.filter(source=source, solution__in=solutions).values_list("solution", "name"),
        ]
        names |= {(About.SOLUTION.value, _SOLUTION.format(source, key)): name or key for key, name in called}
    return names


def parts_of(subject: str) -> tuple[int, str]:
    """The source's number and its own id of a solution."""
    source, _, key = subject.partition(":")
    return int(source), key


def remedies_of(found: Iterable[Suggestion]) -> dict[str, int]:
    """The numbers of the remedies that are about the solutions, by subject."""
    wanted = Q(pk__in=())
    for one in found:
        if one.about is About.SOLUTION:
            source, key = parts_of(one.subject)
            wanted |= Q(source=source, remedy=key)
    rows = models.Remedy.objects.filter(wanted).values_list("source_id", "remedy", "pk")
    return {_SOLUTION.format(source, key): number for source, key, number in rows}


def _candidates(narrow: _Narrow) -> list[Candidate]:
    query = _CANDIDATES.format(
        open=_OPEN.format(narrow=narrow.where),
        placed=_PLACED if About.DEVICE in narrow.abouts else _NOT_PLACED,
        solved=_SOLVED if About.SOLUTION in narrow.abouts else _NOT_SOLVED,
    )
    with connection.cursor() as cursor:
        cursor.execute(query, {"states": _OPEN_STATES, "least": LEAST, **narrow.given})
        return [
            Candidate(
                number=number,
                connection=halo,
                granularity=granularity,
                made=made,
                findings=findings,
                status=Status(status),
                device=None if device is None else str(device),
                solution=None if remedy is None else _SOLUTION.format(source, remedy),
                aside=aside,
            )
            for number, halo, granularity, made, status, device, source, remedy, findings, aside in cursor.fetchall()
        ]


def _loose() -> list[Loose]:
    """The largest ones, beside those that were rejected."""
    rejected = models.Consolidation.objects.filter(tickets=[]).values("about", "subject").distinct().count()
    given: dict[str, Any] = {"least": LEAST, "most": MOST_LOOSE + rejected, "today": service_day()}
    with connection.cursor() as cursor:
        cursor.execute(_LOOSE_SOLUTIONS, given)
        found = [
            Loose(About.SOLUTION, _SOLUTION.format(source, remedy), findings, assets, frozenset(vulnerabilities))
            for source, remedy, findings, assets, vulnerabilities in cursor.fetchall()
        ]
        cursor.execute(_LOOSE_DEVICES, given)
        found += [
            Loose(About.DEVICE, str(device), findings, 1, frozenset(vulnerabilities))
            for device, findings, vulnerabilities in cursor.fetchall()
        ]
    return found
