"""What a rule would tell now: what is so, how much of it is known, and the message of what waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from ...domain.alert_text import MOST, Line, Message
from ...domain.alerting import NAMES, Kind, Known, Rule, changes, rises
from ...domain.snapshot import SEVERITIES
from ...jobs.alerts import line_of, lines_of, subjects_of
from ...store import models
from ...store.alert_subjects import known_subjects

# So many of each kind are shown.
SHOWN = 20
# Of more new ones than that, the worst are not looked for.
MOST_READ = 10_000


@dataclass(frozen=True)
class Found:
    """Of a kind: how many are so now (of EPSS: have a score), how many of these are ``new`` to the rule, and the first
    ones; ``new`` ones before the others."""

    kind: Kind
    count: int
    new: int
    lines: tuple[Line, ...]

    @property
    def name(self) -> str:
        """What the kind is called."""
        return NAMES[self.kind]

    @property
    def more(self) -> int:
        """How many are not shown. Of EPSS, those whose score has not risen are not meant."""
        return (self.new if self.kind is Kind.EPSS else self.count) - len(self.lines)


@dataclass(frozen=True)
class Preview:
    """``message`` is what would be sent next, None where nothing waits and nothing is new."""

    found: tuple[Found, ...]
    message: Message | None


def preview(rule: Rule, name: str, row: models.AlertRule | None, now: datetime) -> Preview:
    """Nothing is stored. ``row`` is the stored rule, None for one that is not stored yet: to that nothing is known, as
    if it told of all that is there."""
    found, news, count = [], [], 0
    for kind in (Kind(one) for one in rule.kinds):
        known: dict[str, Known] = known_subjects(row.pk, kind) if row is not None else {}
        there, lines = subjects_of(kind, rule, now)
        compared = (
            rises(known, there, rule, now, silently=False)
            if kind is Kind.EPSS
            else changes(known, there, now, silently=False)
        )
        begun = sorted(compared.alerts)
        others = [] if kind is Kind.EPSS else sorted(set(there) - set(begun))
        shown, read = [*begun, *others][:SHOWN], begun[:MOST_READ]
        told = lines if lines is not None else lines_of(kind, {*shown, *read})
        found.append(Found(kind, len(there), len(begun), tuple(told[one] for one in shown if one in told)))
        news += [told[one] for one in read if one in told]
        count += len(begun)
    waiting = _waiting(row)
    first = sorted([*waiting, *news], key=_worst)[:MOST]
    count += len(waiting)
    return Preview(tuple(found), Message(name, tuple(first), count, settings.PUBLIC_URL) if first else None)


def _worst(line: Line) -> int:
    """As messages are ordered: what has no severity is as urgent as the worst."""
    return SEVERITIES.index(line.severity) if line.severity in SEVERITIES else 0


def _waiting(row: models.AlertRule | None) -> list[Line]:
    """What is found already and not in a message yet, once each."""
    if row is None:
        return []
    rows = row.alerts.filter(message=None).order_by("-rank", "pk").values_list("key", "line")
    return [line_of(line) for line in dict(rows).values()]
