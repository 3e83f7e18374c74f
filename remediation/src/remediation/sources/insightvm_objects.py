"""The objects of InsightVM's API v3 as what a snapshot holds. Pure.

Names, kinds and words are official unless said otherwise.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..domain.snapshot import severity_of_score
from .answer_part import Part
from .errors import NotUnderstood
from .insightvm_rows import BOUNDS, SEVERITY_OF_WORD

# An asset's history also tells of exceptions and of imports from elsewhere, by which nobody looked at the asset.
ASSESSING = ("SCAN", "AGENT-IMPORT", "SCAN-LOG-IMPORT")
STATUSES = ("vulnerable", "invulnerable", "no-results")
TAGS = ("owner", "criticality", "location", "custom")
# The words of the reports. That WORKAROUND is there what is a configuration here is a guess.
SOLUTION_TYPES = {"rollup-patch": "ROLLUP", "patch": "PATCH", "configuration": "WORKAROUND"}
CONFIDENCES = ("exact", "partial", "none")
EXCEPTED = "-with-exception-applied"


@dataclass(frozen=True)
class Listed:
    """An asset as the list of assets tells it.

    ``assessed``: when it was last looked at for vulnerabilities, by ``scan`` where that was a scan. ``counted``: how
    many vulnerabilities it says that it has. ``version`` is another one after each scan of the asset and each exception
    on it.
    """

    asset: str
    host_name: str | None
    ip: str | None
    mac: str | None
    os: str | None
    assessed: datetime | None
    scan: str | None
    counted: int
    version: str


def listed(asset: Part) -> Listed:
    """An asset of ``/assets``."""
    history = asset.parts("history")
    last = _last_assessment(history) if not asset.is_no("assessedForVulnerabilities") else None
    return Listed(
        asset=asset.key("id"),
        host_name=asset.text("hostName"),
        ip=asset.text("ip"),
        mac=asset.text("mac"),
        os=asset.text("os"),
        assessed=last.time("date") if last else None,
        scan=last.key("scanId") if last and last.has("scanId") and not _is_of_agent(last) else None,
        counted=counted(asset),
        version=json.dumps([len(history), *_words(history[-1:])]),
    )


def counted(asset: Part) -> int:
    """How many vulnerabilities an asset says that it has; 0 where it says nothing."""
    return asset.part("vulnerabilities").whole("total") or 0


def _last_assessment(history: list[Part]) -> Part | None:
    dated = [(moment, entry) for entry in history if _assesses(entry) and (moment := entry.time("date"))]
    return max(dated, key=lambda pair: pair[0])[1] if dated else None


def _assesses(entry: Part) -> bool:
    """Where no type is told, a scan's number tells as much."""
    kind = entry.text("type")
    return kind.upper() in ASSESSING if kind else entry.has("scanId")


def _is_of_agent(entry: Part) -> bool:
    """An agent looks at its own time, whatever scan its news are filed under."""
    return (entry.text("type") or "").upper() == "AGENT-IMPORT"


def _words(entries: list[Part]) -> list[Any]:
    return [[one.text("date"), one.text("type"), one.whole("version"), one.whole("scanId")] for one in entries]


@dataclass(frozen=True)
class Found:
    """A vulnerability of an asset: open, excepted, or in part both. Neither: the asset has it not, or no more."""

    vulnerability: str
    instances: int | None = None
    since: str | None = None
    is_open: bool = False
    exceptions: tuple[str | None, ...] = field(default=())


def found(finding: Part) -> Found:
    """A finding of ``/assets/{id}/vulnerabilities``. Raises NotUnderstood for a status that is not official."""
    status = (finding.text("status") or "").lower()
    if status not in STATUSES:
        raise NotUnderstood("A finding has a status that is not known here.", "Tell which release the console is.")
    results = finding.parts("results")
    numbers = sorted({number for result in results for number in result.numbers("exceptions")})
    exceptions: tuple[str | None, ...] = tuple(map(str, numbers))
    if not exceptions and any((result.text("status") or "").endswith(EXCEPTED) for result in results):
        exceptions = (None,)
    since = finding.time("since")
    return Found(
        vulnerability=finding.key("id"),
        instances=finding.whole("instances", most=int(BOUNDS["instances"][1])),
        since=since.isoformat() if since else None,
        is_open=status == "vulnerable",
        exceptions=exceptions,
    )


def vulnerability(told: Part) -> dict[str, Any]:
    """What a snapshot says of a vulnerability of ``/vulnerabilities/{id}``."""
    scores = told.part("cvss")
    cvss = [scores.part(name).number("score", *BOUNDS["cvss_v3_score"]) for name in ("v3", "v2")]
    score = told.number("severityScore", *BOUNDS["severity_score"])
    word = SEVERITY_OF_WORD.get((told.text("severity") or "").lower(), "none")
    return {
        "vulnerability": told.key("id"),
        "title": told.text("title"),
        "severity": word if score is None else severity_of_score(score),
        "cvss": next((one for one in cvss if one is not None), None),
        "risk": told.number("riskScore", *BOUNDS["riskscore"]),
        "exploits": told.whole("exploits", most=int(BOUNDS["exploits"][1])),
        "cves": told.texts("cves"),
        "description": told.part("description").text("text"),
    }


def best_solution(told: Part) -> dict[str, Any] | None:
    """What a snapshot's findings say of their solution, of ``/assets/{id}/vulnerabilities/{vulnerability}/solution``.

    None where there is none. The console may name several and does not tell which is the best: that it is the one
    whose match is the surest is a guess, and the least id decides between equals.
    """
    solutions = told.resources()
    if not solutions:
        return None
    best = min(solutions, key=lambda one: (_doubt(one), one.key("id")))
    kind = (best.text("type") or "").lower().replace(" ", "-")
    return {
        "solution": best.key("id"),
        "solution_name": best.part("summary").text("text"),
        "solution_fix": best.part("steps").text("text"),
        "solution_type": SOLUTION_TYPES.get(kind),
        "solution_url": None,
        "solution_estimate": best.text("estimate"),
    }


def _doubt(solution: Part) -> int:
    confidence = (solution.text("confidence") or "none").lower()
    return CONFIDENCES.index(confidence) if confidence in CONFIDENCES else len(CONFIDENCES)


def tags(told: Part) -> dict[str, list[str]]:
    """The names of ``/assets/{id}/tags`` by a snapshot's columns."""
    names: dict[str, set[str]] = {kind: set() for kind in TAGS}
    for tag in told.resources():
        kind, name = (tag.text("type") or "").lower(), tag.text("name")
        if kind in names and name:
            names[kind].add(name)
    return {f"{kind}_tags": sorted(names[kind]) for kind in TAGS}


def scanned(scan: Part) -> tuple[datetime, datetime | None] | None:
    """When a scan of ``/scans/{id}`` began and ended; None where it is not finished, and so proves nothing yet."""
    started = scan.time("startTime")
    if started is None or (scan.text("status") or "").lower() != "finished":
        return None
    return started, scan.time("endTime")
