"""Who somebody is at an OpenID provider, and which user that is here.

The provider's name for a person, the subject, never changes and is never given to somebody else; an e-mail address may
be. So an address is believed once: to find the user to whom the subject is tied from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from django.contrib.auth.models import User
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.db import transaction

from . import audit, models
from .one_at_a_time import Lock, one_at_a_time
from .roles import VIEWER


@dataclass(frozen=True)
class Claims:
    """What a provider says of a person. ``email`` is empty unless the provider has verified it; ``names`` are those by
    which a new user could be called, the best first."""

    issuer: str
    subject: str
    email: str = ""
    names: Sequence[str] = ()


class Taken(Exception):
    """Another user has it. The text is for the person who gave it."""


@transaction.atomic
def user_of(claims: Claims, *, makes_viewers: bool) -> User | None:
    """The user who is tied to the subject; else the one with the same e-mail address, who is tied to it now; else, with
    ``makes_viewers``, a new viewer; else None. The very first user, who is an administrator, is not made so.

    Nobody who is tied to another subject of the provider is found by an address: it may have got a new owner.
    """
    # Two sign-ins of the same new person would make two users.
    one_at_a_time(Lock.IDENTITIES)
    known = models.Identity.objects.filter(issuer=claims.issuer, subject=claims.subject).first()
    if known is not None:
        return known.user
    same = list(User.objects.filter(email__iexact=claims.email)[:2]) if claims.email else []
    if not same:
        return _new_viewer(claims) if makes_viewers and User.objects.exists() else None
    if len(same) > 1 or identity_of(same[0], claims.issuer):
        return None
    _tie(same[0], claims.issuer, claims.subject, by=same[0].username, email=claims.email)
    return same[0]


def identity_of(user: User, issuer: str) -> models.Identity | None:
    """Who a user is at a provider."""
    return models.Identity.objects.filter(user=user, issuer=issuer).first()


@transaction.atomic
def tie(user: User, issuer: str, subject: str, by: str) -> None:
    """Tie a user to a subject, instead of the one before. Raises Taken."""
    # Two sign-ins of the same new person would make two users.
    one_at_a_time(Lock.IDENTITIES)
    if models.Identity.objects.filter(issuer=issuer, subject=subject).exclude(user=user).exists():
        raise Taken("Another user is tied to this subject.")
    untie(user, issuer, by)
    _tie(user, issuer, subject, by)


@transaction.atomic
def untie(user: User, issuer: str, by: str) -> None:
    """Tie a user to nobody at the provider. Whoever has their e-mail address there is tied again by coming in."""
    known = identity_of(user, issuer)
    if known is not None:
        known.delete()
        audit.record(by, "single sign-on untied", user.username, subject=known.subject)


@transaction.atomic
def set_email(user: User, email: str, by: str) -> None:
    """Give a user an e-mail address, or none. Raises Taken."""
    # Two sign-ins of the same new person would make two users.
    one_at_a_time(Lock.IDENTITIES)
    if email and User.objects.filter(email__iexact=email).exclude(pk=user.pk).exists():
        raise Taken("Another user has this e-mail address.")
    before, user.email = user.email, email
    user.save(update_fields=["email"])
    audit.record(by, "e-mail changed", user.username, email=[before, email])


def _new_viewer(claims: Claims) -> User:
    user = User(username=_free_name(claims), email=claims.email)
    user.set_unusable_password()
    user.save()  # in no group: a viewer
    audit.record(user.username, "user added", user.username, role=VIEWER, by="single sign-on")
    _tie(user, claims.issuer, claims.subject, by=user.username)
    return user


def _free_name(claims: Claims) -> str:
    """The first of the names that can be used and is nobody's; else one made of the subject."""
    allowed = UnicodeUsernameValidator()
    for name in claims.names:
        try:
            allowed(name)
        except ValidationError:
            continue
        if len(name) <= 150 and not User.objects.filter(username__iexact=name).exists():
            return name
    return "sso-" + sha256(f"{claims.issuer} {claims.subject}".encode()).hexdigest()[:16]


def _tie(user: User, issuer: str, subject: str, by: str, **detail: str) -> None:
    models.Identity.objects.create(user=user, issuer=issuer, subject=subject)
    audit.record(by, "single sign-on tied", user.username, issuer=issuer, subject=subject, **detail)
