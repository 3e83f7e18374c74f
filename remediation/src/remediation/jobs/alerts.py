"""Finds what people are to be alerted of, puts it together into messages, and sends them.

Three steps, each of which a process may end in: what is new becomes rows of alerts (with what the rule knows, in one
transaction), waiting alerts become a message, and a message is sent (``alert_sending``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from ..domain.sending import State
from ..domain.alert_text import Line, Message
from ..domain.alerting import (
    OF_TICKETS,
    OF_VULNERABILITIES,
    Kind,
    Known,
    Rule,
    changes,
    escalated,
    key_of,
    may_begin,
    rises,
)
from ..domain.snapshot import SEVERITIES
from ..store import alert_subjects, models
from .alert_trouble import trouble

OFFERED = (*OF_VULNERABILITIES, Kind.ADVISORY, *OF_TICKETS, Kind.TROUBLE)
# Vulnerabilities of which nothing seems to have changed are looked at all the same after so long.
WHOLE_LOOK = timedelta(minutes=15)


@transaction.atomic
def look(rule_id: int, now: datetime, mark: str) -> int:
    """Make the alerts of what is new for a rule since the last look; how many. A kind that it looks at for the first
    time gives none, unless its maker wants to be told of what is there. ``mark`` was read before: what changed since is
    looked at once more."""
    row = models.AlertRule.objects.select_for_update().filter(pk=rule_id).first()
    if row is None:
        return 0
    rule, looked = Rule.from_table(row.settings), dict(row.looked)
    known = set(looked.get("known", []))
    is_same = looked.get("mark") == mark and _is_recent(looked.get("at"), now)
    made = 0
    for kind in (Kind(one) for one in rule.kinds):
        if not (kind in OF_VULNERABILITIES and kind.value in known and is_same):
            silently = kind.value not in known and not looked.get("past")
            made += _look_at(row, rule, kind, now, silently)
    made += _escalate(row, rule, now)
    row.looked = {"known": list(rule.kinds), "mark": mark, "at": looked["at"] if is_same else now.isoformat()}
    row.save(update_fields=["looked"])
    return made


def _is_recent(at: str | None, now: datetime) -> bool:
    return at is not None and timedelta(0) <= now - datetime.fromisoformat(at) < WHOLE_LOOK


def _look_at(row: models.AlertRule, rule: Rule, kind: Kind, now: datetime, silently: bool) -> int:
    known = alert_subjects.known_subjects(row.pk, kind)
    found, lines = subjects_of(kind, rule, now)
    if kind is Kind.EPSS:
        changed = rises(known, found, rule, now, silently=silently)
    else:
        changed = changes(known, found, now, silently=silently)
    if changed.rows:
        alert_subjects.keep_subjects(row.pk, kind, changed.rows)
    told = lines if lines is not None else lines_of(kind, changed.alerts)
    keyed = [
        replace(told[subject], key=key_of(kind, subject, number)) for subject, number in sorted(changed.alerts.items())
    ]
    return _insert(row, [(line, recipient) for line in keyed for recipient in rule.recipients], now)


def subjects_of(kind: Kind, rule: Rule, now: datetime) -> tuple[dict[str, float], dict[str, Line] | None]:
    """What a rule is about now by a kind, with the EPSS scores; and the lines, where they were read as well."""
    if kind in OF_VULNERABILITIES:
        return alert_subjects.vulnerabilities(kind, rule), None
    if kind in OF_TICKETS:
        # By the service's clock, whoever looks: a page may be shown by that of its reader.
        today = timezone.localdate(now, timezone.get_default_timezone())
        return dict.fromkeys(alert_subjects.tickets(kind, rule, today), 0.0), None
    lines = trouble(rule, now) if kind is Kind.TROUBLE else alert_subjects.advisories(rule)
    return dict.fromkeys(lines, 0.0), lines


def lines_of(kind: Kind, subjects: Collection[str]) -> dict[str, Line]:
    """What is told of vulnerabilities or tickets, by subject. Without keys."""
    if not subjects:
        return {}
    read = alert_subjects.vulnerability_lines if kind in OF_VULNERABILITIES else alert_subjects.ticket_lines
    return read(kind, subjects)


def _escalate(row: models.AlertRule, rule: Rule, now: datetime) -> int:
    """Alerts to those who are told later, of what is still so."""
    if not rule.escalation:
        return 0
    told = set(row.alerts.values_list("key", "recipient"))
    wanted: list[tuple[Line, str]] = []
    for kind in (Kind(one) for one in rule.kinds):
        known = alert_subjects.known_subjects(row.pk, kind)
        late = {
            (subject, to)
            for subject, recipients in escalated(known, rule, now).items()
            for to in recipients
            if (key_of(kind, subject, known[subject].generation), to) not in told
        }
        if late:
            names = {subject for subject, _ in late}
            lines = subjects_of(kind, rule, now)[1] or lines_of(kind, names)
            wanted += [_late(lines[one], kind, one, known[one], to) for one, to in sorted(late) if one in lines]
    return _insert(row, wanted, now)


def _late(line: Line, kind: Kind, subject: str, known: Known, to: str) -> tuple[Line, str]:
    since = known.since.date().isoformat() if known.since else ""
    return replace(line, key=key_of(kind, subject, known.generation), level=f"told first on {since}, still so"), to


def _insert(row: models.AlertRule, lines: list[tuple[Line, str]], now: datetime) -> int:
    ranks = {name: len(SEVERITIES) - 1 - place for place, name in enumerate(SEVERITIES)}
    rows = [
        models.Alert(
            rule=row, key=line.key, recipient=to, line=asdict(line), rank=ranks.get(line.severity, 4), made=now
        )
        for line, to in lines
    ]
    # What was made before by a look that nobody remembers, as after a restored backup, is not made again.
    models.Alert.objects.bulk_create(rows, 2000, ignore_conflicts=True)
    return len(rows)


@transaction.atomic
def gather(rule_id: int, now: datetime) -> int:
    """Put the waiting alerts of a rule into messages, one for each recipient who may get one now; how many."""
    row = models.AlertRule.objects.select_for_update().filter(pk=rule_id).first()
    if row is None:
        return 0
    rule, made = Rule.from_table(row.settings), 0
    waiting = models.Alert.objects.filter(rule=row, message=None)
    for recipient in sorted(set(waiting.values_list("recipient", flat=True))):
        alerts = list(waiting.filter(recipient=recipient).order_by("-rank", "pk"))
        if recipient not in rule.everybody:
            gone = {"state": State.FAILED.value, "said": "The rule does not name this recipient any more."}
            _message(row, recipient, alerts, now, **gone)
        elif _may_get_one(row, rule, recipient, now):
            _message(row, recipient, alerts, now)
            made += 1
    return made


def _may_get_one(row: models.AlertRule, rule: Rule, recipient: str, now: datetime) -> bool:
    messages = row.messages.filter(recipient=recipient)
    if messages.filter(state__in=[State.PLANNED.value, State.ABOUT.value]).exists():
        return False
    last = messages.order_by("-made").values_list("made", flat=True).first()
    return may_begin(rule, last, now, timezone.localtime(now, timezone.get_default_timezone()).hour)


def _message(
    row: models.AlertRule, recipient: str, alerts: list[models.Alert], now: datetime, **more: Any
) -> models.AlertMessage:
    text = message_of(row, [line_of(alert.line) for alert in alerts])
    message = models.AlertMessage.objects.create(
        rule=row,
        recipient=recipient,
        identity=_identity(row, recipient, [alert.key for alert in alerts]),
        content=text.to_table(),
        count=len(alerts),
        made=now,
        due=now,
        **more,
    )
    models.Alert.objects.filter(pk__in=[alert.pk for alert in alerts]).update(message=message)
    return message


def message_of(row: models.AlertRule, lines: list[Line]) -> Message:
    """A message of a rule."""
    return Message.of(row.name, lines, settings.PUBLIC_URL)


def line_of(table: Mapping[str, Any]) -> Line:
    """A line as it is stored."""
    return Line(**table)


def _identity(row: models.AlertRule, recipient: str, keys: list[str]) -> str:
    """The same for the same alerts of the same rule to the same recipient, also after a restored backup."""
    parts = [str(row.pk), row.created.isoformat(), recipient, *sorted(keys)]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]
