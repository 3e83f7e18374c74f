"""Keys with which programs use the JSON API: each has a role, and can be ended. Only their digests are kept."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

from django.db import transaction

from ..domain.pace import with_another
from . import audit, models
from .idle import limit_idling
from .roles import ANALYST, APPROVER, VIEWER

ROLES = (VIEWER, ANALYST, APPROVER)
# So many characters of a key are shown later. What is left cannot be guessed.
SHOWN = 8
# Nobody needs to know more exactly when a key was used last.
_USED_EVERY = timedelta(minutes=1)


@transaction.atomic
def make_key(name: str, role: str, by: str) -> str:
    """Make a key and return it: it cannot be read again. Raises IntegrityError where there is one of that name."""
    key = secrets.token_urlsafe(32)
    models.ApiKey.objects.create(name=name, role=role, made_by=by, digest=_digest(key), begins=key[:SHOWN])
    audit.record(by, "API key made", name, role=role)
    return key


@transaction.atomic
def end_key(number: int, now: datetime, by: str) -> None:
    """Believe a key no more. One that was ended before, or that is not there, stays as it is."""
    rows = models.ApiKey.objects.select_for_update().filter(pk=number, ended=None)
    for row in rows:
        rows.update(ended=now)
        audit.record(by, "API key ended", row.name)


@transaction.atomic
def admit(key: str, now: datetime, a_minute: int) -> tuple[models.ApiKey | None, float]:
    """Whose request has this key, and how many seconds it has to wait because there were ``a_minute`` in a minute.

    None for a key that is none or was ended. A request that need not wait is counted, by all processes together.
    """
    limit_idling()
    digest = _digest(key)
    row = models.ApiKey.objects.select_for_update().filter(digest=digest, ended=None).first()
    # What the database compares is a digest, which nobody can choose. This comparison takes the same time for each.
    if row is None or not hmac.compare_digest(row.digest, digest):
        return None, 0.0
    row.busy, wait = with_another(row.busy, now, a_minute)
    if not wait:
        row.used = now if row.used is None or row.used <= now - _USED_EVERY else row.used
        row.save(update_fields=["busy", "used"])
    return row, wait


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
