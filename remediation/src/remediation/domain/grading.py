"""A severity by a formula that people see: Tenable's VPR, else CVSS, raised by what is known beside it. Pure.

``store.grading`` has the same formula in SQL, and a test holds the two together. A scanner's own severity stays.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .snapshot import SEVERITIES

HIGHEST = 10.0
# The names of numbers, each with what it is and the highest that it may be.
NUMBERS: Mapping[str, tuple[str, float]] = {
    "kev": ("Points for a CVE in CISA's catalogue (KEV)", HIGHEST),
    "epss": ("Points for a high EPSS", HIGHEST),
    "epss_from": ("EPSS is high from", 1.0),
    "exploit": ("Points for a known exploit", HIGHEST),
    "criticality": ("Points for a critical asset", HIGHEST),
    "most": ("At most so many points together", HIGHEST),
    "critical": ("Critical from", HIGHEST),
    "high": ("High from", HIGHEST),
    "medium": ("Medium from", HIGHEST),
    "low": ("Low from", HIGHEST),
}
BOUNDS = SEVERITIES[:-1]


@dataclass(frozen=True)
class Formula:
    """Points from 0 to 10 that are added to a score of 0 to 10, at most ``most`` together, and from which sum on a
    severity is which. ``critical_tags`` are those of critical assets, compared without regard to case.

    What has neither VPR nor CVSS begins at the bound of its scanner's word. What begins at 0 is never raised.
    """

    kev: float = 2.0
    epss: float = 1.0
    epss_from: float = 0.5
    exploit: float = 1.0
    criticality: float = 1.0
    most: float = 3.0
    critical: float = 9.0
    high: float = 7.0
    medium: float = 4.0
    low: float = 0.1
    critical_tags: tuple[str, ...] = ("Very High", "High")

    def __post_init__(self) -> None:
        for name, (title, highest) in NUMBERS.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                raise ValueError(f"{title}: {value!r} is no number.")
            if not 0 <= value <= highest:
                raise ValueError(f"{title}: give a number from 0 to {highest:g}.")
        if not self.critical > self.high > self.medium > self.low > 0:
            raise ValueError("The bounds have to fall from critical to low, and that of low has to be above 0.")

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Formula:
        """A formula out of what ``to_table`` made. Raises ValueError."""
        if unknown := sorted(set(table) - set(cls.__dataclass_fields__)):
            raise ValueError(f"The formula has no {unknown[0]!r}.")
        values = {**table, "critical_tags": tuple(table.get("critical_tags", cls.critical_tags))}
        return cls(**values)

    def to_table(self) -> dict[str, Any]:
        """The formula as JSON-able values."""
        return {**{name: getattr(self, name) for name in NUMBERS}, "critical_tags": list(self.critical_tags)}

    def is_critical(self, tags: Iterable[str] | None) -> bool:
        """Whether an asset with these tags is critical."""
        wanted = set(self.lowered_tags())
        return any(tag.strip().lower() in wanted for tag in tags or ())

    def lowered_tags(self) -> list[str]:
        """``critical_tags`` as they are compared."""
        return [tag.strip().lower() for tag in self.critical_tags]


@dataclass(frozen=True)
class Facts:
    """What is known of a vulnerability, or of a finding. ``on_critical``: a critical asset has it."""

    severity: str | None
    vpr: float | None = None
    cvss: float | None = None
    epss: float | None = None
    kev: bool = False
    exploit: bool = False
    on_critical: bool = False


@dataclass(frozen=True)
class Grade:
    """``severity`` by a ``score`` of 0 to 10. ``because``: where it begins, and each raise, in words."""

    severity: str
    score: float
    because: tuple[str, ...]

    @property
    def reason(self) -> str:
        """``VPR 6.7, KEV +2``."""
        return ", ".join(self.because)


def grade(formula: Formula, facts: Facts) -> Grade:
    """The grade of what is known."""
    base, begins = _base(formula, facts)
    raises = [(name, points) for name, points in _raises(formula, facts) if points] if base > 0 else []
    points = 0.0
    for _, more in raises:
        points += more
    score = min(base + min(points, formula.most), HIGHEST)
    words = [begins, *(f"{name} +{more:g}" for name, more in raises)]
    if points > formula.most:
        words.append(f"of which {formula.most:g} count")
    severity = next((name for name in BOUNDS if score >= getattr(formula, name)), SEVERITIES[-1])
    return Grade(severity, score, tuple(words))


def worst(formula: Formula, findings: Iterable[Mapping[str, Any]]) -> Grade:
    """The worst grade of findings with the columns of vulnerability and asset, each by the tags of its own asset."""
    grades = [
        grade(
            formula,
            Facts(
                row.get("severity"),
                row.get("vpr"),
                row.get("cvss"),
                row.get("epss"),
                bool(row.get("kev")),
                bool(row.get("exploits")),
                formula.is_critical(row.get("criticality_tags")),
            ),
        )
        for row in findings
    ]
    return max(grades, key=lambda one: one.score, default=Grade(SEVERITIES[-1], 0.0, ("no finding",)))


def in_words(scanner: str | None, found: Grade) -> str:
    """``scanner: high; graded: critical, because VPR 6.7, KEV +2``."""
    return f"scanner: {scanner or 'not told'}; graded: {found.severity}, because {found.reason}"


def _base(formula: Formula, facts: Facts) -> tuple[float, str]:
    if facts.vpr is not None:
        return facts.vpr, f"VPR {facts.vpr:g}"
    if facts.cvss is not None:
        return facts.cvss, f"CVSS {facts.cvss:g}"
    if facts.severity in BOUNDS:
        return float(getattr(formula, facts.severity)), f"the scanner says {facts.severity}, without a score"
    return 0.0, "there is no score"


def _raises(formula: Formula, facts: Facts) -> list[tuple[str, float]]:
    """In the order in which SQL adds them."""
    is_likely = facts.epss is not None and facts.epss >= formula.epss_from
    return [
        ("KEV", formula.kev if facts.kev else 0.0),
        ("EPSS", formula.epss if is_likely else 0.0),
        ("exploit", formula.exploit if facts.exploit else 0.0),
        ("critical asset", formula.criticality if facts.on_critical else 0.0),
    ]
