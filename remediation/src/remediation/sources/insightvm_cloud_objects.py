"""Assets, findings and definitions as the Integrations API v4 tells them, as rows of text. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from .answer_part import Part

Row = tuple[str | None, ...]

# Official: the types of tags.
TAGS = {
    "SITE": "sites",
    "OWNER": "owner_tags",
    "CRITICALITY": "criticality_tags",
    "LOCATION": "location_tags",
    "CUSTOM": "custom_tags",
}
ASSET = ("asset_id", "host_name", "ip", "mac", "os", *TAGS.values(), "scan_started", "scan_finished", "assessed")
# ``remedy`` is the key of what is told of a solution.
FINDING = (
    *("asset_id", "vulnerability", "remedy", "solution", "port", "protocol", "accepted"),
    *("first_found", "last_found", "reintroduced"),
)
REMEDY = ("remedy", "solution_name", "solution_fix", "solution_type")
DEFINITION = ("vulnerability", "title", "severity", "cvss3", "cvss2", "risk", "exploits", "cves", "description")

# Official words. What has one of these is no finding; what was skipped or is unknown is no proof of that.
NOT_VULNERABLE = {"NOT_VULNERABLE", "NOT_VULN_DONT_STORE", "OVERRIDDEN_VULN_VERS", "SUPERSEDED"}
EXCEPTION = "EXCEPTION_"
# Seen in the vendor's examples: a solution that nobody knows has an id that begins so.
UNKNOWN = "unknown-"
# The more a solution covers, the earlier; the words are the vendor's.
KINDS = {"rollup": 0, "patch": 1, "workaround": 2}


@dataclass(frozen=True)
class AssetRead:
    """An asset with its findings. ``is_partial``: it does not list all of them, so it counts as not assessed."""

    key: str
    row: Row
    findings: list[Row]
    remedies: list[Row]
    is_partial: bool

    @property
    def content(self) -> int:
        """The same for the same content, in this process."""
        return hash((self.row, tuple(self.findings), tuple(self.remedies)))


class _Listed(NamedTuple):
    """An entry of an asset's list: an instance of a finding with one solution."""

    vulnerability: str
    solution: str | None
    name: str | None
    fix: str | None
    kind: str | None
    port: str | None
    protocol: str | None
    status: str
    first: str | None
    last: str | None
    back: str | None


def asset(part: Part) -> AssetRead:
    """An asset with what is present on it: what is the same as at the time of comparison, and what is new since."""
    key = part.key("id").strip()
    listed = [_listed(one) for name in ("same", "new") for one in part.parts(name)]
    by_vulnerability: dict[str, list[_Listed]] = {}
    for one in listed:
        if one.status not in NOT_VULNERABLE:
            by_vulnerability.setdefault(one.vulnerability, []).append(one)
    findings: list[Row] = []
    remedies: list[Row] = []
    for entries in by_vulnerability.values():
        best = min(entries, key=_preference)
        # A solution and a vulnerability may have the same id.
        remedy = f"solution {best.solution}" if best.solution else f"vulnerability {best.vulnerability}"
        remedies.append((remedy, best.name, best.fix, best.kind))
        findings += [(key, best.vulnerability, remedy, best.solution, *place) for place in _places(entries)]
    is_partial = not _lists_all(part, len(listed))
    return AssetRead(key, _asset_row(part, key, is_partial), findings, remedies, is_partial)


def definition(part: Part) -> Row:
    """What is told of a vulnerability. Seen live: the severity word does not follow the score; it is the word."""
    exploits = str(len(part.parts("exploits"))) if part.has("exploits") else None
    scores = (_score(part, "cvss_v3"), _score(part, "cvss_v2"), _number(part, "risk_score"))
    return (
        *(part.key("id").strip(), _text(part, "title"), _text(part, "severity"), *scores),
        *(exploits, _text(part, "cves"), _text(part, "description")),
    )


def _lists_all(part: Part, entries: int) -> bool:
    """Whether an asset lists all of its findings, as far as that can be known of one with so many entries."""
    total = part.whole("total_vulnerabilities")
    if total is None and part.is_no("assessed_for_vulnerabilities"):
        return True
    # Whether a finding in two places counts twice is not known. It has an entry for each, so fewer entries are too few.
    return total == 0 or (part.has("same") and entries >= (total or 0))


def _asset_row(part: Part, key: str, is_partial: bool) -> Row:
    tags: dict[str, set[str]] = {name: set() for name in TAGS.values()}
    for tag in part.parts("tags"):
        kind, name = (tag.text("type") or "").upper(), _text(tag, "name")
        if kind in TAGS and name:
            tags[TAGS[kind]].add(name.replace("|", "/"))
    is_assessed = not is_partial and not part.is_no("assessed_for_vulnerabilities")
    assessed = _text(part, "last_assessed_for_vulnerabilities") if is_assessed else None
    started, finished = _text(part, "last_scan_start"), _text(part, "last_scan_end")
    # Seen live: the last scan may be another than the one that has assessed the vulnerabilities.
    is_same = assessed is not None and finished == assessed
    return (
        *(key, _text(part, "host_name"), _text(part, "ip"), _text(part, "mac"), _text(part, "os_description")),
        *("|".join(sorted(names)) or None for names in tags.values()),
        *((started, finished) if is_same else (None, None)),
        assessed,
    )


def _listed(part: Part) -> _Listed:
    endpoint = part if part.has("port") else part.part("endpoint")
    return _Listed(
        part.key("vulnerability_id").strip(),
        _text(part, "solution_id"),
        _text(part, "solution_summary"),
        _text(part, "solution_fix"),
        _text(part, "solution_type"),
        _number(endpoint, "port"),
        _text(part, "protocol") or _text(endpoint, "protocol"),
        (part.text("status") or "").upper(),
        _text(part, "first_found"),
        _text(part, "last_found"),
        _text(part, "reintroduced"),
    )


def _preference(one: _Listed) -> tuple[bool, bool, int, str, str, str]:
    """The order of the solutions of one finding: known ones first, then those that cover more, then by their id."""
    rank = KINDS.get((one.kind or "").lower(), len(KINDS))
    key = one.solution or ""
    return (not key, key.startswith(UNKNOWN), rank, key, one.name or "", one.fix or "")


def _places(entries: list[_Listed]) -> list[Row]:
    """Port, protocol, why it is accepted, and the times of each place of a finding; open ones only where any is."""
    open_ones = [one for one in entries if not one.status.startswith(EXCEPTION)]
    places: dict[tuple[str, str], list[_Listed]] = {}
    for one in open_ones or entries:
        places.setdefault((one.port or "", one.protocol or ""), []).append(one)
    return [
        (
            *(port or None, protocol or None, None if open_ones else min(one.status for one in there)),
            # Official: ISO 8601 in UTC, so that texts are in the order of times.
            *(_least(one.first for one in there), _most(one.last for one in there), _most(one.back for one in there)),
        )
        for (port, protocol), there in sorted(places.items())
    ]


def _least(texts: Iterable[str | None]) -> str | None:
    return min(filter(None, texts), default=None)


def _most(texts: Iterable[str | None]) -> str | None:
    return max(filter(None, texts), default=None)


def _text(part: Part, name: str) -> str | None:
    return (part.text(name) or "").strip() or None


def _number(part: Part, name: str) -> str | None:
    value = part.number(name, -math.inf, math.inf)
    return None if value is None else str(int(value)) if value.is_integer() else str(value)


def _score(part: Part, name: str) -> str | None:
    """A CVSS score. Official example: one that there is not is 0, and its vector is null."""
    score = _number(part, f"{name}_score")
    return None if score == "0" and not part.has(f"{name}_vector") else score
