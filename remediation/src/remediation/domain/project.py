"""A remediation project: which findings are in it, how they become tickets, and who gets them by when. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import Enum
from typing import Any, Mapping, Sequence

from . import template
from .grading import Formula, worst
from .rescan import require_hours
from .scope import Scope
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


class DueFrom(str, Enum):
    """The day from which a ticket's days are counted: its creation, or when the first of its findings was found."""

    CREATED = "created"
    FIRST_FOUND = "first_found"


class Raise(str, Enum):
    """What makes a ticket more urgent than its severity: a known exploit, CISA's catalogue of what is exploited, a
    likely exploit by EPSS, or an asset whose criticality is one of ``critical_tags``."""

    EXPLOIT = "exploit"
    KEV = "kev"
    EPSS = "epss"
    CRITICALITY = "criticality"


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

    def values_of(self, asset: Mapping[str, Any]) -> list[str]:
        """What an asset has in the rule's field."""
        held = asset.get(self.field)
        return [str(value) for value in (held if isinstance(held, list) else [held]) if value]

    def _matches(self, asset: Mapping[str, Any]) -> bool:
        return any(self.value.casefold() in value.casefold() for value in self.values_of(asset))


@dataclass(frozen=True)
class Settings:
    """What a lead may change. ``due_days`` and ``priorities`` are by severity; ``rules`` are in order.

    ``min_severity`` and ``scope`` say which findings are in the project. ``static``: those that come up after the
    project was made are not, nor those that were not in the report that it was made of, if there was one. ``dynamic``:
    only the lead settles the project's own ticket. ``picked``: it holds exactly what people picked for it, finding by
    finding. ``parent``: it has a ticket of its own, of which the others are children.

    ``raise_for`` (see Raise) raises priority and due date by one severity. ``epss_from`` is 0 to 1. ``graded``: they go
    by the service's formula instead (domain.grading), where there is one.

    ``fields`` and ``parent_fields`` are custom fields of a solution's and of the project's ticket: Halo's name of the
    field, and a template for its value. ``comment`` is the template of comments, which has to hold ``$NEWS``.

    ``summary_days``: after so many days at the earliest the project's ticket gets another comment with its children's
    numbers, if they changed; 0: never.

    ``rescan``: when a person says that a ticket is done, the console is asked to scan its assets: at most
    ``rescan_hosts`` of them at once, ``rescan_scans`` times in 24 hours, and only in the hours ``rescan_hours``, as in
    20-6, of the service's clock; "": at any time.

    ``mass_share`` and ``mass_least`` hold a plan that would resolve more than this share of the live tickets and at
    least so many; ``most_creates`` holds one that would create more. ``reopen_linked``: what comes back opens a new
    ticket. ``resolve_unreported``: what two reports in a row no longer held counts as done, where absence proves
    nothing.
    """

    owner: str = ""
    priority: str = ""
    due: date | None = None
    min_severity: str = "low"
    scope: Scope = Scope()
    static: bool = False
    dynamic: bool = False
    picked: bool = False
    parent: bool = True
    granularity: Granularity = Granularity.SOLUTION
    due_days: Mapping[str, int] = field(default_factory=lambda: dict(DUE_DAYS))
    due_from: DueFrom = DueFrom.CREATED
    priorities: Mapping[str, str] = field(default_factory=lambda: dict(PRIORITY_NAMES))
    raise_for: tuple[Raise, ...] = ()
    epss_from: float = 0.5
    critical_tags: tuple[str, ...] = ("Very High", "High")
    graded: bool = False
    rules: tuple[AssignmentRule, ...] = ()
    default_agent: str | None = None
    default_team: str | None = None
    parent_summary: str = template.PARENT_SUMMARY
    parent_details: str = template.PARENT_DETAILS
    parent_fields: Mapping[str, str] = field(default_factory=dict)
    child_summary: str = template.CHILD_SUMMARY
    child_details: str = template.CHILD_DETAILS
    fields: Mapping[str, str] = field(default_factory=dict)
    comment: str = template.COMMENT
    summary_days: int = 1
    mass_share: float = 0.3
    mass_least: int = 20
    most_creates: int = 100
    reopen_linked: bool = False
    resolve_unreported: bool = False
    rescan: bool = False
    rescan_hosts: int = 10
    rescan_scans: int = 3
    rescan_hours: str = ""

    def __post_init__(self) -> None:
        if self.min_severity not in SEVERITIES:
            raise ValueError(f"There is no severity {self.min_severity!r}. Use one of {', '.join(SEVERITIES)}.")
        require_hours(self.rescan_hours)
        if self.static and self.dynamic:
            raise ValueError("A project is static or dynamic, not both.")
        for table, known in ((self.due_days, DUE_DAYS), (self.priorities, PRIORITY_NAMES)):
            if unknown := sorted(set(table) - set(known)):
                raise ValueError(f"There is no severity {unknown[0]!r}. Use one of {', '.join(SEVERITIES)}.")
        # What a lead does not say of a severity is as usual.
        object.__setattr__(self, "due_days", {**DUE_DAYS, **self.due_days})
        object.__setattr__(self, "priorities", {**PRIORITY_NAMES, **self.priorities})
        for text in (
            *(self.parent_summary, self.parent_details, *self.parent_fields.values()),
            *(self.child_summary, self.child_details, *self.fields.values()),
        ):
            template.check(text)
        template.check(self.comment, more=template.NEWS)

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
        for name, read in _READ.items():
            if name in values:
                values[name] = read(values[name])
        return cls(**values)

    def to_table(self) -> dict[str, Any]:
        """The settings as JSON-able values, which ``from_table`` reads."""
        return {
            **{name: getattr(self, name) for name in self.__dataclass_fields__},
            "due": self.due.isoformat() if self.due else None,
            "scope": self.scope.to_table(),
            "granularity": self.granularity.value,
            "due_from": self.due_from.value,
            "raise_for": [one.value for one in self.raise_for],
            "critical_tags": list(self.critical_tags),
            "rules": [vars(rule) for rule in self.rules],
            **{name: dict(getattr(self, name)) for name in ("due_days", "priorities", "fields", "parent_fields")},
        }

    def urgency(
        self, severity: str, rows: Sequence[Mapping[str, Any]], formula: Formula | None = None
    ) -> tuple[str, str]:
        """The severity by which a ticket's priority and due date go, and why it is another one, "" where it is not.

        ``formula``: the service's, which counts where the project says so.
        """
        if self.graded and formula is not None:
            found = worst(formula, rows)
            return found.severity, "" if found.severity == severity else f"it is graded so: {found.reason}"
        why = next(
            (
                reason
                for raised, reason in _REASONS.items()
                if raised in self.raise_for and any(self._raises(raised, row) for row in rows)
            ),
            "",
        )
        place = SEVERITIES.index(severity)
        return (SEVERITIES[place - 1], why) if why and place else (severity, "")

    def _raises(self, raised: Raise, row: Mapping[str, Any]) -> bool:
        if raised is Raise.EXPLOIT:
            return bool(row.get("exploits"))
        if raised is Raise.KEV:
            return bool(row.get("kev"))
        if raised is Raise.EPSS:
            return (row.get("epss") or 0.0) >= self.epss_from
        tags = {tag.casefold() for tag in row.get("criticality_tags") or []}
        return any(tag.casefold() in tags for tag in self.critical_tags)

    def due_on(self, severity: str, created: date, rows: Sequence[Mapping[str, Any]] = ()) -> date:
        """When a ticket with these findings is due: so many days after its creation, or after the first was found, by
        severity; at the latest when CISA's catalogue or the project says."""
        found: list[date] = [row["first_found"].date() for row in rows if row.get("first_found")]
        begins = min(found, default=created) if self.due_from is DueFrom.FIRST_FOUND else created
        latest: list[date] = [row["kev_due"] for row in rows if row.get("kev_due")] + ([self.due] if self.due else [])
        return min([begins + timedelta(days=self.due_days[severity]), *latest])

    def assigned(self, assets: Sequence[Mapping[str, Any]]) -> tuple[str | None, str | None, str]:
        """Agent, team and the reason: by the first rule that matches, else the defaults."""
        for number, rule in enumerate(self.rules, start=1):
            if assets and rule.matches(assets):
                return rule.agent, rule.team, f"assignment rule {number}: {rule.field} contains {rule.value!r}"
        return self.default_agent, self.default_team, "default assignment"


@dataclass(frozen=True)
class TriedRule:
    """How a rule does on some assets. ``values`` are what they have in its field; ``decides``: it is the first that
    matches."""

    rule: AssignmentRule
    matches: bool
    values: tuple[str, ...]
    decides: bool


def tried(rules: Sequence[AssignmentRule], assets: Sequence[Mapping[str, Any]]) -> list[TriedRule]:
    """How each rule does on assets, in order. Without assets none matches, as in ``Settings.assigned``."""
    found: list[TriedRule] = []
    for rule in rules:
        matches = bool(assets) and rule.matches(assets)
        values = tuple(dict.fromkeys(value for asset in assets for value in rule.values_of(asset)))
        found.append(TriedRule(rule, matches, values, matches and not any(one.matches for one in found)))
    return found


_REASONS: Mapping[Raise, str] = {
    Raise.KEV: "it is in CISA's catalogue",
    Raise.EXPLOIT: "an exploit is known",
    Raise.EPSS: "an exploit is likely",
    Raise.CRITICALITY: "a critical asset has it",
}


def _rule(table: Mapping[str, Any]) -> AssignmentRule:
    known = AssignmentRule.__dataclass_fields__
    if unknown := sorted(set(table) - set(known)):
        raise ValueError(f"An assignment rule has no {unknown[0]!r}. It has: {', '.join(sorted(known))}.")
    if missing := sorted({"field", "value"} - set(table)):
        raise ValueError(f"An assignment rule lacks its {missing[0]!r}.")
    return AssignmentRule(**table)


_READ: Mapping[str, Callable[[Any], Any]] = {
    "scope": Scope.from_table,
    "granularity": Granularity,
    "due_from": DueFrom,
    "raise_for": lambda names: tuple(Raise(name) for name in names),
    "critical_tags": tuple,
    "rules": lambda tables: tuple(_rule(table) for table in tables),
}
