"""Sends the messages with alerts that are due, and keeps what became of each.

"About to" is stored before a try and its end after it. A try that has no end some minutes later belongs to a process
that is gone: nobody knows whether it was sent, and domain.sending says what follows from that.
"""

from __future__ import annotations

from datetime import datetime

from django.db import InterfaceError, OperationalError
from django.db.models import F
from django.utils import timezone

from haloitsm_client import HaloError, UncertainWrite

from .. import mail
from ..domain.sending import LASTS, Next, Outcome, State, after
from ..domain.alert_text import Message
from ..domain.alerting import Rule, is_quiet
from ..store import models
from ..store.secrets import KeyTrouble
from ..tickets.alert_ticket import OURS, AlertTickets, MayBeMade
from ..tickets.asking import HaloAway
from ..tickets.instance import NotInHalo
from ..tickets.lease import Busy
from .alert_rule import WebhookSecret
from .alert_webhook import post
from .telling import told

# More wait for the next turn.
MOST_AT_ONCE = 30
CUT_OFF = "The process that sent this ended before it knew the outcome."
LONGEST_SAID = 500


def send_due(now: datetime) -> int:
    """Try the messages that are due, the oldest first; how many were sent. A rule that is paused sends nothing, and
    nobody is sent anything in the quiet hours of its rule. Raises OperationalError and InterfaceError."""
    open_ones = models.AlertMessage.objects.filter(
        state__in=[State.PLANNED.value, State.ABOUT.value], due__lte=now, rule__paused=False
    )
    sent = 0
    for message in open_ones.select_related("rule").order_by("due", "pk")[:MOST_AT_ONCE]:
        if message.state == State.ABOUT.value:
            _end(message, Outcome.UNKNOWN, CUT_OFF, now)
        elif not is_quiet(
            Rule.from_table(message.rule.settings), timezone.localtime(now, timezone.get_default_timezone()).hour
        ):
            sent += _try(message, now)
    return sent


def _try(message: models.AlertMessage, now: datetime) -> bool:
    if not _begin(message, now):
        return False
    try:
        outcome, said = _send(message, now)
    except Exception as error:  # pylint: disable=broad-exception-caught  # the others have their turn
        if isinstance(error, (OperationalError, InterfaceError)):
            # Nothing can be kept now.
            raise
        outcome, said = Outcome.UNKNOWN, told(error)[0]
    _end(message, outcome, said, now)
    return outcome is Outcome.DONE


def _begin(message: models.AlertMessage, now: datetime) -> bool:
    """Whether this try is ours: another process may have begun it just before."""
    planned = models.AlertMessage.objects.filter(pk=message.pk, state=State.PLANNED.value, tries=message.tries)
    if not planned.update(state=State.ABOUT.value, tries=F("tries") + 1, at=now, due=now + LASTS):
        return False
    message.state, message.tries = State.ABOUT.value, message.tries + 1
    return True


def _end(message: models.AlertMessage, outcome: Outcome, said: str, now: datetime) -> None:
    """Keep how a try ended, unless somebody else has decided on it meanwhile."""
    unknown = message.unknown + (outcome is Outcome.UNKNOWN)
    way = message.recipient.partition(":")[0]
    found: Next = after(outcome, way, message.tries, unknown, message.made, now)
    ours = models.AlertMessage.objects.filter(pk=message.pk, state=State.ABOUT.value, tries=message.tries)
    words = " ".join(filter(None, [said, found.said]))[:LONGEST_SAID]
    ours.update(state=found.state.value, due=found.due, at=now, unknown=unknown, said=words)


def _send(message: models.AlertMessage, now: datetime) -> tuple[Outcome, str]:
    """How a try ended, and what is said of it."""
    row, text = message.rule, Message.from_table(message.content)
    rule = Rule.from_table(row.settings)
    way, _, address = message.recipient.partition(":")
    if message.recipient not in rule.everybody:
        return Outcome.FINAL, "The rule does not name this recipient any more."
    if way == "mail":
        return _by_mail(address, message.identity, text)
    if way == "webhook":
        try:
            secret = WebhookSecret.of(row)
        except KeyTrouble as error:
            return Outcome.LATER, str(error)
        payload = text.payload(message.identity)
        return post(secret.address, rule.webhook_header, secret.key, message.identity, payload)
    return _as_ticket(rule, message.identity, text, now)


def _by_mail(address: str, identity: str, text: Message) -> tuple[Outcome, str]:
    try:
        of = mail.message_id_of("alerts", identity)
        mail.send(address, text.subject, text.text(), text.html(), message_id=of)
    except mail.MailError as error:
        outcome = Outcome.FINAL if error.is_final else Outcome.UNKNOWN if error.is_unknown else Outcome.LATER
        return outcome, f"{error.cause} {error.assistance}"
    return Outcome.DONE, "The mail server took it."


def _as_ticket(rule: Rule, identity: str, text: Message, now: datetime) -> tuple[Outcome, str]:
    connection = models.Connection.objects.filter(pk=rule.connection or 0).first()
    if connection is None:
        return Outcome.FINAL, "The connection to HaloITSM is gone."
    body = {"summary": text.subject, "details": text.text()}
    try:
        number = AlertTickets(connection, now=lambda: now).make(f"{OURS}{identity}", body)
    except UncertainWrite as error:
        return Outcome.UNKNOWN, told(error)[0]
    except MayBeMade as error:
        return Outcome.LATER, str(error)
    except Busy:
        return Outcome.LATER, "Another process is writing to this HaloITSM."
    except (HaloError, HaloAway, NotInHalo, KeyTrouble) as error:
        return Outcome.LATER, told(error)[0]
    return Outcome.DONE, f"It is ticket {number}."
