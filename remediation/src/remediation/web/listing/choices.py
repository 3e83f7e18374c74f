"""Choices of filters."""

from __future__ import annotations

from typing import Any

from django.db.models import Model

YES_NO = (("yes", "yes"), ("no", "no"))


def named(kind: type[Model]) -> list[tuple[str, str]]:
    """The rows of a table that have a name, by their numbers, in the order of the names."""
    rows: Any = kind._default_manager  # pylint: disable=protected-access  # Django's own name for it
    return [(str(number), name) for number, name in rows.order_by("name").values_list("pk", "name")]
