"""Puts a new key in the place of the one that seals secrets, without a moment at which a secret cannot be opened."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from . import secrets
from .one_at_a_time import Lock, one_at_a_time
from .sealed import sealed_rows


@dataclass(frozen=True)
class Sealed:
    """How many secrets there are. ``older``: how many of them an older key seals. ``lost``: how many no key opens.

    ``keys``: how many keys there are.
    """

    secrets: int
    older: int
    lost: int
    keys: int


class KeyInUse(ValueError):
    """An older key that is still needed. The text is for a person."""


def sealed() -> Sealed:
    """What the keys of today seal. Raises KeyTrouble where there is no key of use."""
    states = [secrets.sealed_by(getattr(row, name)) for row, name in sealed_rows()]
    return Sealed(
        len(states), sum(place is not None and place > 0 for place in states), states.count(None), secrets.count_keys()
    )


@transaction.atomic
def rotate() -> Sealed:
    """Make a new key, unless REMEDIATION_KEY gives it, and seal every secret anew with the first key.

    The older keys stay, and open what a backup holds. What no key opens stays as it is.

    Raises KeyTrouble. Ended at any moment, it can be called again.
    """
    one_at_a_time(Lock.KEYS)
    if not secrets.is_given():
        secrets.add_key()
    for row, name in sealed_rows(locked=True):
        anew = secrets.sealed_anew(getattr(row, name))
        if anew is not None:
            rows = type(row)._default_manager  # pylint: disable=protected-access  # Django's own name for it
            rows.filter(pk=row.pk).update(**{name: anew})
    return sealed()


@transaction.atomic
def forget_older() -> None:
    """Remove all keys but the first from the key file. Backups of before cannot be opened without them.

    Raises KeyInUse where one is needed, and where REMEDIATION_KEY gives them; KeyTrouble where there is none of use.
    """
    one_at_a_time(Lock.KEYS)
    if secrets.is_given():
        raise KeyInUse("The keys are in REMEDIATION_KEY. Take the older ones out there, and start the service again.")
    found = sealed()
    if found.older or found.lost:
        raise KeyInUse(
            f"{found.older} secrets are sealed with an older key, and {found.lost} are opened by none. Seal all of "
            "them anew first, and enter again those that cannot be opened."
        )
    secrets.keep_first_key()
