"""A remediation project: which findings are in it, how they become tickets, and who gets them by when. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import Enum
from typing import Any, Mapping, Sequence

from . import template
from .snapshot import SEVERITIES

DUE_DAYS: Mapping[str, int] = {"critical": 7, "high": 30, "medium": 60, "low": 90, "none": 90}
PRIORITY_NAMES: Mapping[str, str] = {
    "critical": "Critical",
    "high": "High",
    "medium": "Medium",
    "low": "Low",
    "none": "Low",
}


class Share(str, Enum):
    """How many of a ticket's assets have to match a rule."""

    ANY = "any"
    MOST = "most"
    ALL = "all"


class Granularity(str, Enum):
    """What one ticket stands for."""

    SOLUTION = "solution"
    SOLUTION_OWNER = "solution-owner"
    ASSET = "asset"
    VULNERABILITY = "vulnerability"


@dataclass(frozen=True)
class AssignmentRule:
    """Assigns a ticket to ``agent`` and ``team`` when a ``share`` of its assets, or more, has ``value`` in ``field``.

    ``field`` is a column of the assets' frame; text in it is compared without regard to case, a list by its members.
    """

    field: str
    value: str
    agent: str | None = None
    team: str | None = None
    share: str = Share.MOST.value

    def __post_init__(self) -> None:
        Share(self.share)

    def matches(self, assets: Sequence[Mapping[str, Any]]) -> bool:
        """Whether enough of the assets match: one, more than half, or all."""
        matching = sum(self._matches(asset) for asset in assets)
        if self.share == Share.MOST.value:
            return matching * 2 > len(assets)
        return matching == len(assets) if self.share == Share.ALL.value else matching > 0

    def _matches(self, asset: Mapping[str, Any]) -> bool:
        held = asset.get(self.field)
        values = held if isinstance(held, list) else [held]
        return any(self.value.casefold() in str(value).casefold() for value in values if value)


@dataclass(frozen=True)
class Settings:
    """What a lead may change. ``due_days`` and ``priorities`` are by severity; ``rules`` are in order.

    ``mass_share`` and ``mass_least`` hold a plan that would resolve more than this share of the live tickets and at
    least so many; ``most_creates`` holds one that would create more. ``reopen_linked``: what comes back opens a new
    ticket. ``resolve_unreported``: what two reports in a row no longer held counts as done, where absence proves
    nothing. ``dynamic``: only the lead settles the project's own ticket.
    """

    owner: str = ""
    priority: str = ""
    due: date | None = None
    min_severity: str = "low"
    granularity: Granularity = Granularity.SOLUTION
    due_days: Mapping[str, int] = field(default_factory=lambda: dict(DUE_DAYS))
    priorities: Mapping[str, str] = field(default_factory=lambda: dict(PRIORITY_NAMES))
    rules: tuple[AssignmentRule, ...] = ()
    default_agent: str | None = None
    default_team: str | None = None
    parent_summary: str = template.PARENT_SUMMARY
    parent_details: str = template.PARENT_DETAILS
    child_summary: str = template.CHILD_SUMMARY
    child_details: str = template.CHILD_DETAILS
    mass_share: float = 0.3
    mass_least: int = 20
    most_creates: int = 100
    reopen_linked: bool = False
    resolve_unreported: bool = False
    dynamic: bool = False

    def __post_init__(self) -> None:
        if self.min_severity not in SEVERITIES:
            raise ValueError(f"There is no severity {self.min_severity!r}. Use one of {', '.join(SEVERITIES)}.")
        for table, known in ((self.due_days, DUE_DAYS), (self.priorities, PRIORITY_NAMES)):
            if unknown := sorted(set(table) - set(known)):
                raise ValueError(f"There is no severity {unknown[0]!r}. Use one of {', '.join(SEVERITIES)}.")
        # What a lead does not say of a severity is as usual.
        object.__setattr__(self, "due_days", {**DUE_DAYS, **self.due_days})
        object.__setattr__(self, "priorities", {**PRIORITY_NAMES, **self.priorities})
        for text in (self.parent_summary, self.parent_details, self.child_summary, self.child_details):
            template.check(text)

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Settings:
        """Settings out of a TOML or JSON table. Raises ValueError for a key that there is none of, or a bad value."""
        known = cls.__dataclass_fields__
        unknown = sorted(set(table) - set(known))
        if unknown:
            raise ValueError(f"There is no setting {unknown[0]!r}. There are: {', '.join(sorted(known))}.")
        values = dict(table)
        if isinstance(values.get("due"), str):
            values["due"] = date.fromisoformat(values["due"])
        if "granularity" in values:
            values["granularity"] = Granularity(values["granularity"])
        if "rules" in values:
            values["rules"] = tuple(_rule(rule) for rule in values["rules"])
        return cls(**values)

    def to_table(self) -> dict[str, Any]:
        """The settings as JSON-able values, which ``from_table`` reads."""
        return {
            **{name: getattr(self, name) for name in self.__dataclass_fields__},
            "due": self.due.isoformat() if self.due else None,
            "granularity": self.granularity.value,
            "rules": [vars(rule) for rule in self.rules],
            "due_days": dict(self.due_days),
            "priorities": dict(self.priorities),
        }

    def severities(self) -> tuple[str, ...]:
        """The severities that are in the project."""
        return SEVERITIES[: SEVERITIES.index(self.min_severity) + 1]

    def due_on(self, severity: str, created: date) -> date:
        """When a ticket is due: so many days after its creation by severity, at the latest when the project is."""
        due = created + timedelta(days=self.due_days[severity])
        return min(due, self.due) if self.due else due

    def assigned(self, assets: Sequence[Mapping[str, Any]]) -> tuple[str | None, str | None, str]:
        """Agent, team and the reason: by the first rule that matches, else the defaults."""
        for number, rule in enumerate(self.rules, start=1):
            if assets and rule.matches(assets):
                return rule.agent, rule.team, f"assignment rule {number}: {rule.field} contains {rule.value!r}"
        return self.default_agent, self.default_team, "default assignment"


def _rule(table: Mapping[str, Any]) -> AssignmentRule:
    known = AssignmentRule.__dataclass_fields__
    if unknown := sorted(set(table) - set(known)):
        raise ValueError(f"An assignment rule has no {unknown[0]!r}. It has: {', '.join(sorted(known))}.")
    if missing := sorted({"field", "value"} - set(table)):
        raise ValueError(f"An assignment rule lacks its {missing[0]!r}.")
    return AssignmentRule(**table)
