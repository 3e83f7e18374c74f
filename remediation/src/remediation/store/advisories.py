"""Cisco's advisories: what is worth asking for, what was answered, and what is known of a vulnerability or a device.

An answer is of use for 90 days, unless Cisco tells before that something of it has changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from ..domain.cisco_software import Software, software_of
from . import models

KEEP = timedelta(days=90)
CVE, RELEASE, ADVISORY = "cve", "release", "advisory"
# Vulnerabilities on a device that may be of Cisco's: what the scanner calls so, and all that a device of Cisco's has.
_OF_CISCO = """
alive > 0 AND (title ILIKE '%cisco%' OR family ILIKE '%cisco%' OR vulnerability ILIKE 'cisco-%'
    OR (source_id, vulnerability) IN (
        SELECT finding.source_id, finding.vulnerability FROM store_asset AS asset
        JOIN store_finding AS finding ON finding.source_id = asset.source_id AND finding.asset = asset.asset
        WHERE asset.os ILIKE '%cisco%' AND finding.state IN ('open', 'unconfirmed')))
"""
_CVES = f"""
SELECT DISTINCT upper(btrim(named.cve)) FROM store_vulnerability, unnest(cves) AS named (cve)
WHERE {_OF_CISCO} AND upper(btrim(named.cve)) ~ '^CVE-[0-9]{{4}}-[0-9]{{4,19}}$'
"""  # nosec B608: constants
_SYSTEMS = "SELECT DISTINCT os FROM store_asset WHERE os ILIKE '%cisco%'"
_TITLES = "SELECT DISTINCT title FROM store_vulnerability WHERE alive > 0 AND cves = '{}' AND title ILIKE '%cisco-sa-%'"
_NAMED = re.compile(r"cisco-sa-[a-z0-9_-]{1,100}", re.IGNORECASE)


def about_cve(cve: str) -> str:
    """The key of an answer about a CVE."""
    return f"{CVE} {cve}"


def about_release(software: Software) -> str:
    """The key of an answer about a release."""
    return f"{RELEASE} {software.os_type} {software.version}"


def about_advisory(advisory: str) -> str:
    """The key of an answer about an identifier."""
    return f"{ADVISORY} {advisory}"


def wanted() -> list[str]:
    """The keys of all answers that are of use now: releases first, because they are few and tell most."""
    releases = {about_release(one) for text in _column(_SYSTEMS) if (one := software_of(text))}
    ids = {about_advisory(one) for title in _column(_TITLES) for one in named_in(title)}
    return [*sorted(releases), *sorted(map(about_cve, _column(_CVES)), reverse=True), *sorted(ids)]


def due(keys: Sequence[str], now: datetime) -> list[str]:
    """Those of the keys that are to be asked: in their order, what was never asked before what is too old."""
    known = dict(models.CiscoAnswer.objects.filter(about__in=keys).values_list("about", "again"))
    old = sorted((known[key], key) for key in keys if key in known and known[key] <= now)
    return [key for key in keys if key not in known] + [key for _, key in old]


@transaction.atomic
def keep_answer(
    about: str, advisories: Sequence[models.Advisory], fixed: Mapping[str, list[str]], now: datetime
) -> None:
    """Keep what was answered: advisories, or none, and of a release the first ones without each."""
    keep_advisories(advisories)
    answer = {"advisories": sorted(one.advisory for one in advisories), "fixed": dict(fixed)}
    models.CiscoAnswer.objects.update_or_create(
        about=about, defaults={**answer, "read": now, "again": now + KEEP, "said": ""}
    )


def keep_refusal(about: str, said: str, again: datetime) -> None:
    """Keep why there was no answer; what was answered before stays."""
    models.CiscoAnswer.objects.update_or_create(about=about, defaults={"said": said, "again": again})


def keep_advisories(advisories: Iterable[models.Advisory]) -> None:
    """Keep advisories as they are told now."""
    columns = ["title", "cves", "sir", "cvss", "published", "updated", "url", "read"]
    models.Advisory.objects.bulk_create(
        # In one order, so that two that write the same do not wait for each other.
        sorted(advisories, key=lambda one: one.advisory),
        update_conflicts=True,
        unique_fields=["advisory"],
        update_fields=columns,
    )


@transaction.atomic
def keep_change(advisory: models.Advisory, systems: Sequence[str], now: datetime) -> int:
    """What depends on an advisory that was published or changed is to be asked again, unless it was answered after
    that. ``systems``: of which systems it is, none where that is not told. Returns how many answers.
    """
    if models.Advisory.objects.filter(pk=advisory.pk).exists():
        keep_advisories([advisory])
    about = Q(advisories__contains=[advisory.advisory]) | Q(about__in=[about_cve(cve) for cve in advisory.cves])
    for system in systems or [""]:
        about |= Q(about__startswith=f"{RELEASE} {system} " if system else f"{RELEASE} ")
    rows = models.CiscoAnswer.objects.filter(about, again__gt=now)
    if advisory.updated is not None:
        rows = rows.filter(Q(read__lt=advisory.updated) | Q(read=None))
    return rows.update(again=now)


@dataclass(frozen=True)
class Known:
    """What Cisco says of a release. ``read`` is None where it was not asked yet; ``said``: why it gave no answer.

    ``advisories`` are rows, each with ``first``: the first releases without it, "" where none is told.
    """

    software: Software
    read: datetime | None
    said: str
    advisories: Sequence[models.Advisory]


def named_in(title: str | None) -> list[str]:
    """The identifiers of advisories that a title names."""
    return _NAMED.findall(title or "")


def about_vulnerability(row: models.Vulnerability) -> list[models.Advisory]:
    """The advisories about a vulnerability's CVEs, or that its title names, newest first. Each has ``fixes``: pairs of
    a release that a device with the vulnerability runs, as Known, and of the first releases without it, in words."""
    cves = sorted({cve.strip().upper() for cve in row.cves})
    found = models.Advisory.objects.filter(Q(cves__overlap=cves) | Q(advisory__in=named_in(row.title)))
    rows = list(found.order_by("-published", "advisory")[:20])
    if rows:
        known = _known(software_of(text) for text in _column(_SYSTEMS_WITH, [row.source_id, row.vulnerability]))
        for one in rows:
            mine = [(here, held) for here in known for held in here.advisories if held.advisory == one.advisory]
            setattr(one, "fixes", [(here, getattr(held, "first")) for here, held in mine])
    return rows


_SYSTEMS_WITH = """
SELECT DISTINCT os FROM store_finding AS finding
JOIN store_asset AS asset ON asset.source_id = finding.source_id AND asset.asset = finding.asset
WHERE finding.source_id = %s AND finding.vulnerability = %s AND state IN ('open', 'unconfirmed') AND os ILIKE '%%cisco%%'
"""


def about_device(assets: Iterable[models.Asset]) -> list[Known]:
    """What Cisco says of the releases that a device's assets run."""
    return _known(software_of(one.os) for one in assets)


def _known(programs: Iterable[Software | None]) -> list[Known]:
    wanted_ones = sorted({one for one in programs if one is not None}, key=about_release)
    answers = models.CiscoAnswer.objects.in_bulk([about_release(one) for one in wanted_ones])
    return [_known_of(one, answers.get(about_release(one))) for one in wanted_ones]


def _known_of(software: Software, answer: models.CiscoAnswer | None) -> Known:
    if answer is None:
        return Known(software, None, "", ())
    rows = list(models.Advisory.objects.filter(advisory__in=answer.advisories).order_by("-published", "advisory"))
    for row in rows:
        setattr(row, "first", ", ".join(answer.fixed.get(row.advisory, [])))
    return Known(software, answer.read, answer.said, rows)


def _column(query: str, parameters: Sequence[Any] | None = None) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return [row[0] for row in cursor.fetchall()]
