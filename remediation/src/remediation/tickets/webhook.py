"""Halo's webhooks: where they come in, whether one is Halo's, and of which tickets of ours it tells.

A webhook says "look at this ticket" and is believed in nothing else. One that is lost costs time only, because every
run asks Halo what has changed since the last one; one that is doubled or forged costs a run that finds nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from haloitsm_client.webhook import is_authentic, notices

from ..store import models
from ..store.secrets import open_, seal

# Nobody needs to know more exactly when the last one came, and each would be a write.
_HEARD_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Webhook:
    """What Halo's administrator enters: the end of the address, and the secret. Both are shown once."""

    token: str
    secret: str


def new_webhook(connection: models.Connection) -> Webhook:
    """Another address and secret for the webhooks of an instance; those before are worth nothing any more.

    Raises KeyTrouble where nothing can be sealed.
    """
    made = Webhook(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
    _store(connection, webhook_address=_digest(made.token), webhook_secret=seal(made.secret), webhook_heard=None)
    return made


def end_webhook(connection: models.Connection) -> None:
    """Believe no webhook of this instance any more."""
    _store(connection, webhook_address="", webhook_secret="", webhook_heard=None)  # nosec B106: none


def sender_of(token: str, body: bytes, headers: Mapping[str, str]) -> models.Connection | None:
    """The connection whose instance has sent this; None for an address that is none, and for a wrong proof.

    Raises KeyTrouble where the secret cannot be opened.
    """
    digest = _digest(token)
    found = models.Connection.objects.filter(webhook_address=digest).first()
    # What the database compares is a digest, which nobody can choose. This comparison takes the same time for each.
    if found is None or not hmac.compare_digest(found.webhook_address, digest):
        return None
    return found if is_authentic(body, headers, open_(found.webhook_secret)) else None


def projects_told(connection: models.Connection, body: bytes, now: datetime) -> list[models.Project]:
    """The projects, in their order, that have a ticket of which a webhook tells; those that are paused look at nothing.

    Raises UnreadableWebhook.
    """
    numbers = [notice.ticket_id for notice in notices(body)]
    silent = Q(webhook_heard=None) | Q(webhook_heard__lt=now - _HEARD_EVERY)
    models.Connection.objects.filter(silent, pk=connection.pk).update(webhook_heard=now)
    told = models.Ticket.objects.filter(halo_id__in=numbers, project__connection=connection)
    # What is not in Halo's list of changes is asked for by itself: a ticket that was deleted or merged is in none.
    told.update(webhook=now)
    projects = models.Project.objects.filter(paused=False, pk__in=told.values("project"))
    return list(projects.order_by("position"))


def _store(connection: models.Connection, **fields: str | None) -> None:
    models.Connection.objects.filter(pk=connection.pk).update(**fields)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
