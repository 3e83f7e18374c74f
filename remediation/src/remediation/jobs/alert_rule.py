"""Rules for alerts as people make, change, pause and remove them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from urllib.parse import urlsplit

from django.db import transaction

from ..domain.alerting import Rule
from ..store import alert_subjects, audit, models
from ..store.secrets import KeyTrouble, open_, seal
from ..store.versions import ChangedMeanwhile, change_version
from .alerts import look


@dataclass(frozen=True)
class WebhookSecret:
    """Where a rule's webhook is, and its key. The address is a secret as well: whoever knows that of an API Trigger may
    begin its workflow."""

    address: str = ""
    key: str = ""

    @classmethod
    def of(cls, row: models.AlertRule) -> WebhookSecret:
        """What is sealed in a rule. Raises KeyTrouble."""
        opened = open_(row.secret)
        return cls(**json.loads(opened)) if opened else cls()

    def sealed(self) -> str:
        """As it is stored; "" where there is none. Raises KeyTrouble."""
        return seal(json.dumps(asdict(self))) if self.address else ""

    @property
    def host(self) -> str:
        """What pages show of it."""
        return urlsplit(self.address).hostname or ""


@transaction.atomic
def add_rule(name: str, rule: Rule, secret: WebhookSecret, now: datetime, by: str, *, past: bool) -> models.AlertRule:
    """A new rule, which knows from now on what is there. ``past``: it tells of all that is there first. Raises
    IntegrityError where there is one of that name, and KeyTrouble."""
    table = rule.to_table()
    row = models.AlertRule.objects.create(
        name=name, settings=table, secret=secret.sealed(), created=now, looked={"past": True} if past else {}
    )
    audit.record(by, "alert rule added", name, settings=table, past=past)
    look(row.pk, now, alert_subjects.mark())
    return row


@transaction.atomic
def change_rule(
    row: models.AlertRule, version: int, name: str, rule: Rule, secret: WebhookSecret, now: datetime, by: str
) -> None:
    """Change a rule. Where it is to be about other things, those that are there now are known, and no alerts.

    Raises ChangedMeanwhile, IntegrityError where there is another one of that name, and KeyTrouble.
    """
    if row.version != version:
        raise ChangedMeanwhile(row)
    before, was = dict(row.settings), row.name
    # What came up until now is told by the rule as it was.
    if not row.paused:
        look(row.pk, now, alert_subjects.mark())
    is_same = _is_stored(secret, row)
    sealed = row.secret if is_same else secret.sealed()
    change_version(row, version, name=name, settings=rule.to_table(), secret=sealed)
    changed = audit.changes({**before, "name": was}, {**row.settings, "name": name})
    if not is_same:
        changed["secret"] = ["", "stored"]
    audit.record(by, "alert rule changed", name, changed=changed)
    if not rule.selects_as(Rule.from_table(before)):
        models.AlertRule.objects.filter(pk=row.pk).update(looked={})
        look(row.pk, now, alert_subjects.mark())


def _is_stored(secret: WebhookSecret, row: models.AlertRule) -> bool:
    try:
        return secret == WebhookSecret.of(row)
    except KeyTrouble:
        # It was entered again because of that.
        return False


@transaction.atomic
def pause_rule(row: models.AlertRule, paused: bool, by: str) -> None:
    """Let a rule find and send nothing, or go on. What came up meanwhile, and is so still, it tells when it goes on."""
    if models.AlertRule.objects.filter(pk=row.pk, paused=not paused).update(paused=paused):
        audit.record(by, "alert rule paused" if paused else "alert rule resumed", row.name)


@transaction.atomic
def remove_rule(row: models.AlertRule, by: str) -> None:
    """Remove a rule, with what it has sent and what waits."""
    waiting = row.messages.filter(state__in=["planned", "about"]).count() + row.alerts.filter(message=None).count()
    audit.record(by, "alert rule removed", row.name, settings=row.settings, not_sent=waiting)
    row.delete()


@transaction.atomic
def send_again(message: models.AlertMessage, now: datetime, by: str) -> bool:
    """Send a message that was given up once more, with the same identity. False where it was not given up."""
    given_up = models.AlertMessage.objects.filter(pk=message.pk, state="failed")
    if not given_up.update(state="planned", due=now, made=now, unknown=0):
        return False
    audit.record(by, "alerts sent again", message.rule.name, to=message.recipient)
    return True
