"""What a rule for alerts can be about, out of the database: vulnerabilities that count (store.counts) and tickets.

Each is read by one statement over summaries and tickets, never over findings one by one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date, timedelta
from typing import Any

from django.db import connection

from ..domain.alert_text import LONGEST_LINE, Line, cut
from ..domain.alerting import Kind, Known, Rule
from ..domain.snapshot import SEVERITIES
from ..domain.status import ENDED
from . import models
from .enriched import ENRICHED, EPSS

# The same for the same vulnerabilities and scores: counted anew whenever something of them has changed.
_MARK = f"""
SELECT concat_ws('/', count(*), sum(id), sum(alive), sum(id * alive), sum(rank * id), sum(id) FILTER (WHERE kev),
                 sum(hashfloat8({EPSS})::bigint), sum(id * hashfloat8({EPSS})))
FROM {ENRICHED} WHERE alive > 0
"""  # nosec B608: constants
_VULNERABILITIES = f"""
SELECT vulnerability.id, {EPSS} FROM {ENRICHED}
WHERE alive > 0 AND rank >= %(rank)s
"""  # nosec B608: constants
_OF_KIND = {Kind.NEW: "", Kind.KEV: " AND kev", Kind.EPSS: f" AND {EPSS} IS NOT NULL"}
_OF_SOURCE = " AND vulnerability.source_id = %(source)s"
_OF_OWNER = """ AND EXISTS (
    SELECT FROM store_finding AS finding
    JOIN store_asset AS asset ON asset.source_id = finding.source_id AND asset.asset = finding.asset
    WHERE finding.source_id = vulnerability.source_id AND finding.vulnerability = vulnerability.vulnerability
      AND finding.state IN ('open', 'unconfirmed') AND asset.owner_tags @> ARRAY[%(owner)s]
)"""
_OF_PROJECT = """ AND EXISTS (
    SELECT FROM store_ticket AS ticket JOIN store_project AS project ON project.id = ticket.project_id
    WHERE project.id = %(project)s AND project.source_id = vulnerability.source_id AND ticket.halo_id IS NOT NULL
      AND ticket.vulnerabilities @> ARRAY[vulnerability.vulnerability COLLATE "default"]
)"""
_TICKETS = """
SELECT ticket.id, ticket.due FROM store_ticket AS ticket JOIN store_project AS project ON project.id = ticket.project_id
WHERE ticket.halo_id IS NOT NULL AND ticket.kind = 'child' AND NOT ticket.settled AND ticket.status <> ALL(%(ended)s)
  AND NOT ticket.note ? 'detached' AND ticket.due >= %(since)s AND ticket.due <= %(until)s
"""
_TICKETS_OF_SOURCE = " AND project.source_id = %(source)s"
_TICKETS_OF_PROJECT = " AND project.id = %(project)s"
_TICKETS_OF_OWNER = """ AND EXISTS (
    SELECT FROM store_asset AS asset WHERE asset.source_id = project.source_id
      AND asset.asset = ANY(ticket.assets COLLATE "C") AND asset.owner_tags @> ARRAY[%(owner)s]
)"""
_TOLD_VULNERABILITIES = f"""
SELECT vulnerability.id, coalesce(title, vulnerability.vulnerability), coalesce(severity, 'none'), cves, alive, kev_due,
       kev_ransomware, {EPSS}, source.name
FROM {ENRICHED} JOIN store_source AS source ON source.id = vulnerability.source_id
WHERE vulnerability.id = ANY(%s)
"""  # nosec B608: constants
_TOLD_TICKETS = """
SELECT ticket.id, ticket.title, ticket.due, ticket.halo_id, ticket.status, project.name
FROM store_ticket AS ticket JOIN store_project AS project ON project.id = ticket.project_id WHERE ticket.id = ANY(%s)
"""
# Those that an answer about a release, a CVE or an identifier of ours holds.
_ADVISORIES = """
SELECT advisory, title, lower(sir), cves, published FROM store_advisory AS known
WHERE EXISTS (SELECT FROM store_ciscoanswer AS answer WHERE answer.advisories @> ARRAY[known.advisory COLLATE "default"])
"""
_KEEP = """
INSERT INTO store_alertsubject AS old (rule_id, kind, subject, generation, present, told, since, value)
SELECT %s, %s, new.* FROM unnest(%s::text[], %s::int[], %s::bool[], %s::bool[], %s::timestamptz[], %s::float8[]) AS new
ON CONFLICT (rule_id, kind, subject) DO UPDATE
SET generation = excluded.generation, present = excluded.present, told = excluded.told, since = excluded.since,
    value = excluded.value
"""
_KNOWN = ("generation", "present", "told", "since", "value")
_FEW = 3


def mark() -> str:
    """The same as long as no vulnerability that counts, and no score of one, has changed."""
    with connection.cursor() as cursor:
        cursor.execute(_MARK)
        return str(cursor.fetchone()[0])


def vulnerabilities(kind: Kind, rule: Rule) -> dict[str, float]:
    """The EPSS scores of the vulnerabilities that a rule is about by a kind, by their numbers; 0.0 for none."""
    query = _VULNERABILITIES + _OF_KIND[kind]
    given: dict[str, Any] = {"rank": len(SEVERITIES) - 1 - SEVERITIES.index(rule.severity)}
    for value, name, condition in (
        (rule.source, "source", _OF_SOURCE),
        (rule.project, "project", _OF_PROJECT),
        (rule.owner, "owner", _OF_OWNER),
    ):
        if value:
            query, given[name] = query + condition, value
    return {str(number): score or 0.0 for number, score in _rows(query, given)}


def tickets(kind: Kind, rule: Rule, today: date) -> list[str]:
    """The tickets that a rule is about by a kind, each with its date: one that is due on another day is another one."""
    since, until = date.min, today - timedelta(days=rule.overdue_days + 1)
    if kind is Kind.DUE:
        since, until = today, today + timedelta(days=rule.due_days)
    query = _TICKETS
    given: dict[str, Any] = {"ended": [one.value for one in ENDED], "since": since, "until": until}
    for value, name, condition in (
        (rule.source, "source", _TICKETS_OF_SOURCE),
        (rule.project, "project", _TICKETS_OF_PROJECT),
        (rule.owner, "owner", _TICKETS_OF_OWNER),
    ):
        if value:
            query, given[name] = query + condition, value
    return [f"{number}:{due.isoformat()}" for number, due in _rows(query, given)]


def advisories(rule: Rule) -> dict[str, Line]:
    """What is told of the advisories of Cisco's that concern what there is here, by their identifiers. Without keys.

    A rule for one source, project or owner is about none: an advisory belongs to no source.
    """
    if rule.source or rule.project or rule.owner:
        return {}
    found = {}
    for advisory, title, word, cves, published in _rows(_ADVISORIES, []):
        # Cisco's own words are those of severities; Informational, and none, count as none.
        severity = word if word in SEVERITIES else "none"
        if SEVERITIES.index(severity) <= SEVERITIES.index(rule.severity):
            facts = [advisory, _several(cves), f"published {published:%Y-%m-%d}" if published else ""]
            detail = ", ".join(filter(None, facts))
            found[advisory] = Line(Kind.ADVISORY.value, "", cut(title, LONGEST_LINE) or advisory, detail, severity)
    return found


def known_subjects(rule_id: int, kind: Kind) -> dict[str, Known]:
    """What a rule knows of the subjects of a kind."""
    rows = models.AlertSubject.objects.filter(rule=rule_id, kind=kind.value)
    return {subject: Known(*values) for subject, *values in rows.values_list("subject", *_KNOWN)}


def keep_subjects(rule_id: int, kind: Kind, rows: Mapping[str, Known]) -> None:
    """Keep what a rule knows of some subjects of a kind: a hundred thousand at once, where a rule is made."""
    columns = [[getattr(known, name) for known in rows.values()] for name in _KNOWN]
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, [rule_id, kind.value, list(rows), *columns])


def vulnerability_lines(kind: Kind, subjects: Collection[str]) -> dict[str, Line]:
    """What is told of vulnerabilities, by their numbers. Without keys."""
    found = {}
    for number, title, severity, cves, alive, due, ransomware, epss, source in _rows(
        _TOLD_VULNERABILITIES, [list(map(int, subjects))]
    ):
        facts = [_several(cves), f"on {alive} device{'' if alive == 1 else 's'}", f"source {source}"]
        if due is not None:
            facts.append(f"KEV due {due.isoformat()}{', ransomware known' if ransomware else ''}")
        if epss is not None:
            facts.append(f"EPSS {epss:.0%}")
        path = f"/vulnerabilities/{number}/"
        found[str(number)] = Line(
            kind.value, "", cut(title, LONGEST_LINE), ", ".join(filter(None, facts)), severity, path
        )
    return found


def ticket_lines(kind: Kind, subjects: Collection[str]) -> dict[str, Line]:
    """What is told of tickets, by their subjects. Without keys."""
    numbers = {subject: int(subject.partition(":")[0]) for subject in subjects}
    rows = {row[0]: row[1:] for row in _rows(_TOLD_TICKETS, [sorted(set(numbers.values()))])}
    found = {}
    for subject, number in numbers.items():
        if number not in rows:
            continue
        title, due, halo_id, status, project = rows[number]
        detail = ", ".join(filter(None, [f"due {due.isoformat()}", f"ticket {halo_id}", status, f"project {project}"]))
        name = cut(title, LONGEST_LINE) or f"Ticket {halo_id}"
        found[subject] = Line(kind.value, "", name, detail, "", f"/tickets/{number}/")
    return found


def _several(texts: list[str]) -> str:
    more = f" and {len(texts) - _FEW} more" if len(texts) > _FEW else ""
    return ", ".join(texts[:_FEW]) + more


def _rows(query: str, given: Any) -> Iterable[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, given)
        return list(cursor.fetchall())
