"""Choices of filters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from django.db.models import Model
from django.utils.functional import lazy

YES_NO = (("yes", "yes"), ("no", "no"))


def named(kind: type[Model]) -> Sequence[tuple[str, str]]:
    """The rows of a table that have a name, by their numbers, in the order of the names. They are read when somebody
    looks at them."""
    return cast(Sequence[tuple[str, str]], lazy(_named, list)(kind))


def _named(kind: type[Model]) -> list[tuple[str, str]]:
    rows: Any = kind._default_manager  # pylint: disable=protected-access  # Django's own name for it
    return [(str(number), name) for number, name in rows.order_by("name").values_list("pk", "name")]
