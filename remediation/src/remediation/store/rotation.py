"""Puts a new key in the place of the one that seals secrets, without a moment at which a secret cannot be opened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection, models, transaction

from . import secrets
from .sealed import sealed_columns

_LOCK = 7_411_006


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
    states = [secrets.sealed_by(getattr(row, name)) for row, name in _all()]
    return Sealed(
        len(states), sum(place is not None and place > 0 for place in states), states.count(None), secrets.count_keys()
    )


@transaction.atomic
def rotate() -> Sealed:
    """Make a new key, unless REMEDIATION_KEY gives it, and seal every secret anew with the first key.

    The older keys stay, and open what a backup holds. What no key opens stays as it is.

    Raises KeyTrouble. Ended at any moment, it can be called again.
    """
    _one_at_a_time()
    if not secrets.is_given():
        secrets.add_key()
    for row, name in _all(locked=True):
        before = getattr(row, name)
        if secrets.sealed_by(before) is not None:
            rows = type(row)._default_manager  # pylint: disable=protected-access  # Django's own name for it
            rows.filter(pk=row.pk).update(**{name: secrets.seal(secrets.open_(before))})
    return sealed()


@transaction.atomic
def forget_older() -> None:
    """Remove all keys but the first from the key file. Backups of before cannot be opened without them.

    Raises KeyInUse where one is needed, and where REMEDIATION_KEY gives them; KeyTrouble where there is none of use.
    """
    _one_at_a_time()
    if secrets.is_given():
        raise KeyInUse("The keys are in REMEDIATION_KEY. Take the older ones out there, and start the service again.")
    found = sealed()
    if found.older or found.lost:
        raise KeyInUse(
            f"{found.older} secrets are sealed with an older key, and {found.lost} are opened by none. Seal all of "
            "them anew first, and enter again those that cannot be opened."
        )
    secrets.keep_first_key()


def _all(locked: bool = False) -> Iterator[tuple[models.Model, str]]:
    """Each row with a secret, and in which column."""
    for model, name in sealed_columns():
        of_model = model._default_manager  # pylint: disable=protected-access  # Django's own name for it
        rows: models.QuerySet[Any] = of_model.exclude(**{name: ""}).order_by("pk")
        for row in rows.select_for_update() if locked else rows:
            yield row, name


def _one_at_a_time() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
