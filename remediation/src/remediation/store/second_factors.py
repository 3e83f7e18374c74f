"""The second factor of a person: the codes of an app, and ten recovery codes. Each code is good once.

The app's secret is sealed. Of recovery codes, which are random and long, only the digests are kept.
"""

from __future__ import annotations

import base64
import secrets
from datetime import datetime
from hashlib import sha256

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.db import transaction

from ..domain.one_time_code import period_of, secret_of
from . import audit, models
from .secrets import open_, seal

RECOVERY_CODES = 10
SETTING = "second factor"


def of(user: AbstractBaseUser | AnonymousUser) -> models.SecondFactor | None:
    """Somebody's second factor."""
    return models.SecondFactor.objects.filter(user_id=user.pk or 0).first()


def locked(user: User) -> models.SecondFactor | None:
    """The same, and nobody else can use a code of it before the transaction ends."""
    return models.SecondFactor.objects.select_for_update().filter(user=user).first()


def new_secret() -> str:
    """A secret for an app."""
    return secret_of(secrets.token_bytes(20))


@transaction.atomic
def set_up(user: User, secret: str, code: str, now: datetime) -> list[str]:
    """Make a second factor of a secret, where ``code`` shows that an app has it.

    Returns the recovery codes, which cannot be read again; none where the code is wrong, or where somebody else has set
    one up for the same person meanwhile. Raises KeyTrouble.
    """
    period = period_of(secret, _entered(code), now, after=0)
    if period is None:
        return []
    codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
    digests = [_digest(_entered(one)) for one in codes]
    _, is_new = models.SecondFactor.objects.get_or_create(
        user=user, defaults={"secret": seal(secret), "used": period, "recovery": digests}
    )
    if not is_new:
        return []
    audit.record(user.username, "second factor set up", user.username)
    return codes


def use_up(factor: models.SecondFactor, code: str, now: datetime) -> bool:
    """Whether a code is good. It is not a second time. ``factor`` is ``locked``. Raises KeyTrouble."""
    entered = _entered(code)
    if _digest(entered) in factor.recovery:
        factor.recovery.remove(_digest(entered))
        factor.save(update_fields=["recovery"])
        name = factor.user.username
        audit.record(name, "recovery code used", name, left=len(factor.recovery))
        return True
    period = period_of(open_(factor.secret), entered, now, after=factor.used)
    if period is None:
        return False
    factor.used = period
    factor.save(update_fields=["used"])
    return True


@transaction.atomic
def remove(user: User, by: str) -> bool:
    """Take somebody's second factor away. Returns whether there was one."""
    factor = locked(user)
    if factor is None:
        return False
    factor.delete()
    audit.record(by, "second factor removed", user.username)
    return True


def is_required() -> bool:
    """Whether everybody needs one."""
    return models.Setting.objects.filter(name=SETTING, value__required=True).exists()


@transaction.atomic
def require(required: bool, by: str) -> None:
    """Let everybody need one, or leave it to each."""
    models.Setting.objects.update_or_create(name=SETTING, defaults={"value": {"required": required}})
    audit.record(by, "second factor required" if required else "second factor left to each")


def _recovery_code() -> str:
    """80 random bits, as abcd-efgh-ijkl-mnop."""
    text = base64.b32encode(secrets.token_bytes(10)).decode("ascii").lower()
    return "-".join(text[place : place + 4] for place in range(0, len(text), 4))


def _entered(code: str) -> str:
    """A code without what people put between its parts."""
    return "".join(code.split()).replace("-", "").lower()


def _digest(code: str) -> str:
    return sha256(code.encode()).hexdigest()
