"""How investigations and tickets stand for each other: states, priorities, who gets a ticket, what is carried. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .investigation import Investigation, State

PRIORITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "UNSPECIFIED", "UNMAPPED")
"""All that InsightIDR tells: the last one when it reads something that it does not know itself."""
DISPOSITIONS = (
    *("BENIGN", "MALICIOUS", "NOT_APPLICABLE", "UNDECIDED"),
    *("FALSE_POSITIVE", "SECURITY_TEST", "UNKNOWN", "UNSPECIFIED"),
)
# What says nothing of how an investigation ended.
UNDECIDED = ("", "UNDECIDED", "UNKNOWN", "UNSPECIFIED")
# The names that are taken where the instance has them and nobody has said otherwise.
USUAL_STATES: Mapping[State, str] = {
    State.OPEN: "New",
    State.INVESTIGATING: "In Progress",
    State.WAITING: "On Hold",
    State.CLOSED: "Closed",
}
USUAL_PRIORITIES: Mapping[str, str] = {
    "CRITICAL": "Critical",
    "HIGH": "High",
    "MEDIUM": "Medium",
    "LOW": "Low",
    "UNSPECIFIED": "Low",
    "UNMAPPED": "Low",
}


@dataclass(frozen=True)
class Rule:
    """Which investigations get a ticket by themselves: those that have one of each that is given, in any case of
    letters. All empty: every one. ``off``: none, people ask for each."""

    states: tuple[str, ...] = (State.OPEN.value, State.INVESTIGATING.value, State.WAITING.value)
    priorities: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    off: bool = False

    def takes(self, one: Investigation) -> bool:
        """Whether an investigation gets a ticket by this rule."""
        wanted = ((self.states, (one.state_word,)), (self.priorities, (one.priority,)), (self.sources, (one.source,)))
        return not self.off and all(
            not chosen or {word.casefold() for word in chosen} & {word.casefold() for word in there}
            for chosen, there in (*wanted, (self.tags, one.tags))
        )

    def in_words(self) -> str:
        """What the rule takes, for a step's reason."""
        said = [
            f"{name} {' or '.join(chosen)}"
            for name, chosen in (
                ("status", self.states),
                ("priority", self.priorities),
                ("source", self.sources),
                ("tag", self.tags),
            )
            if chosen
        ]
        return "the rule takes " + (", ".join(said) or "every investigation")


@dataclass(frozen=True)
class InvestigationSettings:
    """What an administrator may change.

    ``states`` are Halo's status for each of InsightIDR's, for writing, in place of the usual one; an empty one: none,
    and nothing is set there. ``reads`` is InsightIDR's for further ones of Halo's. ``priorities`` are Halo's for new
    tickets.

    ``days``: how far back investigations are looked for that have no ticket. ``comments``: people's comments in Halo
    are carried to the investigation; ``comments_back``: and those of the investigation to Halo. ``assignees``: who has
    it in one has it in the other, where both know the e-mail address. ``disposition``: what an investigation is closed
    with that has none; empty: a person is asked.
    """

    rule: Rule = Rule()
    states: Mapping[str, str] = field(default_factory=dict)
    reads: Mapping[str, str] = field(default_factory=dict)
    priorities: Mapping[str, str] = field(default_factory=lambda: dict(USUAL_PRIORITIES))
    team: str = ""
    days: int = 28
    comments: bool = True
    comments_back: bool = False
    assignees: bool = True
    disposition: str = ""
    most_creates: int = 50

    def __post_init__(self) -> None:
        known = {one.value for one in State}
        for word in (*self.states, *self.reads.values()):
            if word not in known:
                raise ValueError(f"InsightIDR has no status {word!r}. It has: {', '.join(sorted(known))}.")
        if unknown := sorted(set(self.priorities) - set(PRIORITIES)):
            raise ValueError(f"InsightIDR has no priority {unknown[0]!r}. It has: {', '.join(PRIORITIES)}.")
        if self.disposition and self.disposition not in DISPOSITIONS:
            raise ValueError(f"InsightIDR has no disposition {self.disposition!r}. It has: {', '.join(DISPOSITIONS)}.")
        if self.days < 1:
            raise ValueError("Investigations are looked for one day back or more.")

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> InvestigationSettings:
        """Out of a JSON table. Raises ValueError for a key that there is none of, or a bad value."""
        if unknown := sorted(set(table) - set(cls.__dataclass_fields__)):
            raise ValueError(f"There is no setting {unknown[0]!r}. There are: {', '.join(cls.__dataclass_fields__)}.")
        values = dict(table)
        if "rule" in values:
            rule = values["rule"]
            if unknown := sorted(set(rule) - set(Rule.__dataclass_fields__)):
                raise ValueError(f"A rule has no {unknown[0]!r}. It has: {', '.join(Rule.__dataclass_fields__)}.")
            chosen: dict[str, Any] = {name: value if name == "off" else tuple(value) for name, value in rule.items()}
            values["rule"] = Rule(**chosen)
        return cls(**values)

    def to_table(self) -> dict[str, Any]:
        """As ``from_table`` takes it."""
        rule = {name: value if name == "off" else list(value) for name, value in vars(self.rule).items()}
        return {**vars(self), "rule": rule}
