"""The first user, who is made by a link that only whoever has started the service sees.

The link is of use once, because it makes the first user, and for a quarter of an hour.
"""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.core.signing import BadSignature, TimestampSigner
from django.db import transaction

from .one_at_a_time import Lock, one_at_a_time
from .secrets import derived

VALID = timedelta(minutes=15)
_PURPOSE = "first user"


class NoLongerValid(Exception):
    """There is a user by now, or the link is too old, or it is none of ours."""


def exists() -> bool:
    """Whether there is any user."""
    return User.objects.exists()


def token() -> str:
    """What the link carries. Raises KeyTrouble."""
    return _signer().sign("first")


def require_valid(given: str) -> None:
    """Raises NoLongerValid, and KeyTrouble."""
    try:
        _signer().unsign(given, max_age=VALID)
    except BadSignature:
        raise NoLongerValid from None
    if exists():
        raise NoLongerValid


@transaction.atomic
def create(given: str, user: User) -> None:
    """Save a user as the first one, an administrator. Raises NoLongerValid, and KeyTrouble."""
    one_at_a_time(Lock.FIRST_USER)  # two may have opened the link
    require_valid(given)
    user.is_superuser = True
    user.save()


def _signer() -> TimestampSigner:
    first, *others = derived(_PURPOSE)
    return TimestampSigner(key=first, fallback_keys=[*others], salt=_PURPOSE)
