"""The roles of people: everybody has one, and each may do what those before it may.

A viewer reads. An analyst imports reports, opens tickets and works with them. An approver releases held runs, accepts
risks and edits projects. An administrator connects HaloITSM and sources, and gives others their roles.

They are Django's groups of the same names. A superuser is an administrator, and who is in no group is a viewer.
"""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Group, User
from django.db import transaction

from .one_at_a_time import Lock, one_at_a_time

VIEWER, ANALYST, APPROVER, ADMIN = ROLES = ("viewer", "analyst", "approver", "admin")


class LastAdministrator(Exception):
    """Nobody could give roles any more."""

    def __init__(self) -> None:
        super().__init__("This is the last administrator who can sign in. Make another one first.")


def role_of(user: AbstractBaseUser | AnonymousUser) -> str:
    """The role of somebody who has signed in."""
    if not isinstance(user, User):
        return VIEWER
    if user.is_superuser:
        return ADMIN
    held = set(user.groups.values_list("name", flat=True))
    return max(held & set(ROLES), key=ROLES.index, default=VIEWER)


def is_at_least(held: str, wanted: str) -> bool:
    """Whether a role may do what another one may."""
    return ROLES.index(held) >= ROLES.index(wanted)


@transaction.atomic
def give_role(user: User, role: str) -> None:
    """Give somebody a role instead of the one before. Raises LastAdministrator."""
    # Two who take each other's role away at once would leave nobody.
    one_at_a_time(Lock.ROLES)
    user.groups.remove(*Group.objects.filter(name__in=ROLES))
    user.groups.add(Group.objects.get_or_create(name=role)[0])
    user.is_superuser = False
    user.save(update_fields=["is_superuser"])
    _require_an_administrator()


@transaction.atomic
def set_active(user: User, active: bool) -> None:
    """Let somebody sign in, or not any more: from the next request on. Raises LastAdministrator."""
    # Two who take each other's role away at once would leave nobody.
    one_at_a_time(Lock.ROLES)
    user.is_active = active
    user.save(update_fields=["is_active"])
    _require_an_administrator()


def _require_an_administrator() -> None:
    active = User.objects.filter(is_active=True)
    if not (active.filter(is_superuser=True).exists() or active.filter(groups__name=ADMIN).exists()):
        raise LastAdministrator
