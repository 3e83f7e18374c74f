"""What people are alerted of, and by which rule: what is new since the last look, each thing once. Pure.

A rule knows the things that are so now (its subjects): a vulnerability that is there, a ticket that is late. What
begins to be so is an alert, and what ended and begins again is another one: its generation is in the alert's key. EPSS
scores are compared with the score that is known: the one of the last alert, or the lowest since.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from .rescan import is_allowed, require_hours
from .snapshot import SEVERITIES

MOST_DAYS = 3650
MOST_MINUTES = 7 * 24 * 60


class Kind(str, Enum):
    """What an alert is about."""

    NEW = "new"
    KEV = "kev"
    EPSS = "epss"
    ADVISORY = "advisory"
    DUE = "due"
    OVERDUE = "overdue"
    TROUBLE = "trouble"


NAMES: Mapping[Kind, str] = {
    Kind.NEW: "New vulnerability",
    Kind.KEV: "In CISA's catalogue of what is exploited (KEV)",
    Kind.EPSS: "EPSS has risen",
    Kind.ADVISORY: "New advisory of Cisco",
    Kind.DUE: "Ticket is due soon",
    Kind.OVERDUE: "Ticket is overdue",
    Kind.TROUBLE: "The service is in trouble",
}
# They are about vulnerabilities.
OF_VULNERABILITIES = (Kind.NEW, Kind.KEV, Kind.EPSS)
OF_TICKETS = (Kind.DUE, Kind.OVERDUE)


@dataclass(frozen=True)
class Rule:
    """What a person wants to be told of, and how. The names are the keys of its table.

    ``kinds`` are values of Kind. ``severity``: the least one of a vulnerability. ``source``, ``project``: numbers of
    rows, None for all. ``owner``: an owner tag that one of the devices has to have, "" for any. ``epss_from``: a score
    (0 to 1) that is passed from below, and ``epss_rise``: by how much it rises at least; either may be None.
    ``due_days``: so many days before the day a ticket is due; ``overdue_days``: more than so many days after it.
    ``failures``: so many readings or runs in a row that failed; ``silent_days``: so many days without a reading.

    ``mails`` are addresses; ``webhook`` is the host of a webhook, whose address and key are the rule's secret, and
    ``webhook_header`` the header that gets the key;
    ``connection`` is the number of the one whose HaloITSM gets a ticket, None for none. ``escalation``: after so many
    days an address is told of what is still so. ``every``: so many minutes are at least between two messages to one
    recipient. ``quiet``: hours in which nothing is sent, as in 20-6, by the service's clock; "": none.
    """

    kinds: tuple[str, ...] = (Kind.NEW.value,)
    severity: str = SEVERITIES[0]
    source: int | None = None
    project: int | None = None
    owner: str = ""
    epss_from: float | None = 0.5
    epss_rise: float | None = None
    due_days: int = 3
    overdue_days: int = 0
    failures: int = 3
    silent_days: int = 2
    mails: tuple[str, ...] = ()
    webhook: str = ""
    webhook_header: str = "X-API-Key"
    connection: int | None = None
    escalation: tuple[tuple[int, str], ...] = ()
    every: int = 60
    quiet: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError for what cannot be."""
        for kind in self.kinds:
            Kind(kind)
        require_hours(self.quiet)
        if self.severity not in SEVERITIES:
            raise ValueError(f"There is no severity {self.severity!r}.")
        if any(days < 1 or days > MOST_DAYS for days, _ in self.escalation):
            raise ValueError(f"Something is escalated after 1 to {MOST_DAYS} days.")

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Rule:
        """Out of a JSON table. Raises ValueError."""
        known = {one.name: table[one.name] for one in fields(cls) if one.name in table}
        for name in ("kinds", "mails"):
            known[name] = tuple(known.get(name, getattr(cls, name)))
        known["escalation"] = tuple((int(days), str(to)) for days, to in known.get("escalation", ()))
        return cls(**known)

    def to_table(self) -> dict[str, Any]:
        """As JSON has it."""
        table = {one.name: getattr(self, one.name) for one in fields(self)}
        return table | {
            "kinds": list(self.kinds),
            "mails": list(self.mails),
            "escalation": [list(one) for one in self.escalation],
        }

    @property
    def recipients(self) -> tuple[str, ...]:
        """Who is told at once: ``mail:ADDRESS``, ``webhook``, ``halo``."""
        others = (("webhook",) if self.webhook else ()) + (("halo",) if self.connection else ())
        return tuple(f"mail:{one}" for one in self.mails) + others

    @property
    def everybody(self) -> frozenset[str]:
        """Who is told at once or later."""
        return frozenset((*self.recipients, *(f"mail:{to}" for _, to in self.escalation)))

    def selects_as(self, other: Rule) -> bool:
        """Whether both are about the same subjects."""
        told = ("mails", "webhook", "webhook_header", "connection", "escalation", "every", "quiet")
        return all(getattr(self, one.name) == getattr(other, one.name) for one in fields(self) if one.name not in told)


@dataclass(frozen=True)
class Known:
    """What a rule knows of a subject: of which ``generation`` it is, whether it is so (``present``), whether an alert
    was made of that (``told``), since when it is so, and the EPSS score (``value``) that the next is compared with."""

    generation: int = 0
    present: bool = False
    told: bool = False
    since: datetime | None = None
    value: float | None = None


@dataclass(frozen=True)
class Changes:
    """``rows``: what is known of the subjects that have changed. ``alerts``: the generations of those to tell of."""

    rows: Mapping[str, Known] = field(default_factory=dict)
    alerts: Mapping[str, int] = field(default_factory=dict)


def changes(known: Mapping[str, Known], now: Collection[str], at: datetime, *, silently: bool) -> Changes:
    """What begins and what ends, where ``now`` are the subjects that are so. ``silently``: without alerts, because what
    was there before the rule is no news."""
    rows, alerts = {}, {}
    for subject in now:
        before = known.get(subject, Known())
        if not before.present:
            generation = before.generation + 1
            rows[subject] = Known(generation, True, not silently, at)
            if not silently:
                alerts[subject] = generation
    there = frozenset(now)
    for subject, before in known.items():
        if before.present and subject not in there:
            rows[subject] = Known(before.generation, False, before.told)
    return Changes(rows, alerts)


def rises(known: Mapping[str, Known], now: Mapping[str, float], rule: Rule, at: datetime, *, silently: bool) -> Changes:
    """Which EPSS scores have risen. A score that was not known before has not: it is kept, to compare the next with."""
    rows, alerts = {}, {}
    for subject, score in now.items():
        before = known.get(subject)
        if before is None or before.value is None:
            rows[subject] = Known(value=score)
        elif has_risen(before.value, score, rule):
            generation = before.generation + (not silently)
            rows[subject] = Known(generation, told=not silently, since=at, value=score)
            if not silently:
                alerts[subject] = generation
        elif score < before.value:
            rows[subject] = Known(before.generation, told=before.told, since=before.since, value=score)
    return Changes(rows, alerts)


def has_risen(before: float, now: float, rule: Rule) -> bool:
    """Whether a score passes the rule's from below, or rises by as much as it wants."""
    passes = rule.epss_from is not None and before < rule.epss_from <= now
    # A difference of two decimal fractions is seldom exact.
    return passes or (rule.epss_rise is not None and now - before >= rule.epss_rise - 1e-9 and now > before)


def key_of(kind: Kind, subject: str, generation: int) -> str:
    """The same for the same alert, whoever looks and whenever."""
    return f"{kind.value}:{subject}:{generation}"


def escalated(known: Mapping[str, Known], rule: Rule, at: datetime) -> dict[str, list[str]]:
    """Who is to be told as well of what is still so, by subject: those whose days are over."""
    found: dict[str, list[str]] = {}
    for subject, one in known.items():
        if one.present and one.told and one.since is not None:
            late = [f"mail:{to}" for days, to in rule.escalation if at - one.since >= timedelta(days=days)]
            if late:
                found[subject] = late
    return found


def may_begin(rule: Rule, last: datetime | None, now: datetime, hour: int) -> bool:
    """Whether another message to a recipient may be made, where the last was at ``last``. ``hour`` is of the day. A
    time that is yet to come is none: the clock was wrong."""
    if is_quiet(rule, hour):
        return False
    return last is None or not timedelta(0) <= now - last < timedelta(minutes=rule.every)


def is_quiet(rule: Rule, hour: int) -> bool:
    """Whether an hour of the day is one in which nothing is sent."""
    return bool(rule.quiet) and is_allowed(rule.quiet, hour)


def in_trouble(outcomes: Sequence[str], failures: int, good: Collection[str] = ("done", "held")) -> bool:
    """Whether the newest runs, the newest first, have failed so often in a row; or the newest was refused, which does
    not get better by itself."""
    if outcomes and outcomes[0] == "refused":
        return True
    return len(outcomes) >= failures and not any(one in good for one in outcomes[:failures])
