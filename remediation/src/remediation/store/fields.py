"""The fields of which tables have many."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models


def key_text(**options: Any) -> models.TextField[str, str]:
    """A source's own id. Compared byte by byte on every server, which is also how polars sorts."""
    return models.TextField(db_collation="C", **options)


def texts() -> ArrayField[list[str], list[str]]:
    """A list of texts, empty where there are none."""
    return ArrayField(models.TextField(), default=list, db_default=[])


def owner(to: str, **options: Any) -> Any:
    """A reference from a large table. The database does not check it: a check for each row costs more than the row."""
    return models.ForeignKey(to, models.PROTECT, db_constraint=False, db_index=False, **options)


def version() -> models.IntegerField[int, int]:
    """Counts what people have changed of a row: store.versions."""
    return models.IntegerField(default=1, db_default=1)
