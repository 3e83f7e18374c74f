"""Changes of a row that people make: each has seen a version of it, and changes that one or none."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import F


class ChangedMeanwhile(Exception):
    """Somebody else changed the row after it was shown. ``now`` is the row as it is, None where it is gone."""

    def __init__(self, now: models.Model | None) -> None:
        super().__init__("Somebody else changed this after it was shown to you. Nothing was stored.")
        self.now = now


def change_version(row: models.Model, version: int, **fields: Any) -> None:
    """Set fields of a stored row whose version is still ``version``; the row gets them too, and the next version.

    Raises ChangedMeanwhile.
    """
    rows = type(row)._default_manager  # pylint: disable=protected-access  # Django's own name for it
    if not rows.filter(pk=row.pk, version=version).update(**fields, version=F("version") + 1):
        raise ChangedMeanwhile(rows.filter(pk=row.pk).first())
    for name, value in {**fields, "version": version + 1}.items():
        setattr(row, name, value)
