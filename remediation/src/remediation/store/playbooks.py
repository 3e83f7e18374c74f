"""What a playbook is made of: the solutions of a remedy, or of a ticket, with what they remove and where."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import connection

from ..domain.hosts import Device
from ..domain.playbook import MOST_DEVICES, Fix
from ..domain.ticket import pair_of, still_its
from ..service_day import service_day
from . import models
from .counts import ACCEPTED

_COUNTS = f"finding.state IN ('open', 'unconfirmed') AND NOT {ACCEPTED}"
_OF_REMEDY = f"""
SELECT asset, count(*) OVER () FROM store_finding AS finding
WHERE source_id = %(source)s AND vulnerability = ANY(%(vulnerabilities)s)
  AND coalesce(solution, vulnerability) = %(remedy)s AND {_COUNTS}
GROUP BY asset ORDER BY asset LIMIT %(most)s
"""  # nosec B608: constants
_OF_PAIRS = f"""
SELECT coalesce(solution, vulnerability), asset, vulnerability FROM store_finding AS finding
JOIN unnest(%(assets)s::text[], %(vulnerabilities)s::text[]) AS wanted (asset, vulnerability)
USING (asset, vulnerability)
WHERE source_id = %(source)s AND {_COUNTS}
ORDER BY 1, 2, 3
"""  # nosec B608: constants


def fixes_of_remedy(row: models.Remedy) -> list[Fix]:
    """The one solution of a remedy, for the devices on which it removes something that counts."""
    given = {
        "source": row.source_id,
        "vulnerabilities": row.vulnerabilities,
        "remedy": row.remedy,
        "today": service_day(),
        "most": MOST_DEVICES,
    }
    found = _rows(_OF_REMEDY, given)
    assets = [asset for asset, _ in found]
    more = int(found[0][1]) - len(found) if found else 0
    return _fixes(row.source_id, {row.remedy: (assets, row.vulnerabilities, more)})


def fixes_of_ticket(row: models.Ticket) -> list[Fix]:
    """A solution for each that removes findings of a ticket that count still, in the order of their keys."""
    source = row.project.source_id
    if source is None:
        return []
    pairs = [pair_of(text) for text in still_its(row.note.get("told") or {})]
    given = {
        "source": source,
        "assets": [asset for asset, _ in pairs],
        "vulnerabilities": [vulnerability for _, vulnerability in pairs],
        "today": service_day(),
    }
    assets: dict[str, dict[str, None]] = defaultdict(dict)
    vulnerabilities: dict[str, dict[str, None]] = defaultdict(dict)
    for remedy, asset, vulnerability in _rows(_OF_PAIRS, given):
        assets[remedy][asset] = vulnerabilities[remedy][vulnerability] = None
    return _fixes(source, {remedy: (list(assets[remedy]), list(vulnerabilities[remedy]), 0) for remedy in assets})


def _rows(query: str, given: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, given)
        return list(cursor.fetchall())


def _fixes(source: int, of: Mapping[str, tuple[Sequence[str], Sequence[str], int]]) -> list[Fix]:
    """``of``: by the keys of remedies, their assets and vulnerabilities, and how many assets there are beyond."""
    known = {one.solution: one for one in models.Solution.objects.filter(source=source, solution__in=list(of))}
    titles = _titles(source, {*of, *(name for _, names, _ in of.values() for name in names)})
    devices = _devices(source, {asset for assets, _, _ in of.values() for asset in assets})
    fixes = []
    for remedy, (assets, vulnerabilities, more) in of.items():
        solution = known.get(remedy)
        fixes.append(
            Fix(
                (solution.name if solution else titles.get(remedy)) or remedy,
                (solution.fix if solution else "") or "",
                (solution.type if solution else "") or "",
                (solution.url if solution else "") or "",
                tuple(sorted(titles.get(name) or name for name in vulnerabilities)),
                tuple(devices[asset] for asset in assets if asset in devices),
                more,
            )
        )
    return fixes


def _titles(source: int, names: Iterable[str]) -> dict[str, str | None]:
    rows = models.Vulnerability.objects.filter(source=source, vulnerability__in=list(names))
    return dict(rows.values_list("vulnerability", "title"))


def _devices(source: int, assets: Iterable[str]) -> dict[str, Device]:
    rows = models.Asset.objects.filter(source=source, asset__in=list(assets))
    found = rows.values_list("asset", "host_name", "ip", "os")
    return {asset: Device(asset, host or "", ip or "", os or "") for asset, host, ip, os in found}
