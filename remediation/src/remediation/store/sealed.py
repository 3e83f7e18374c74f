"""Whether the present key opens what is sealed in the database."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.db import models

from .secrets import KeyTrouble, has_key, key_place, open_, require_key

# The comment of every column that holds a sealed text.
MARK = "sealed by store.secrets"


def sealed_columns() -> Iterator[tuple[type[models.Model], str]]:
    """Each table and column that holds sealed texts, empty where there is none."""
    for model in apps.get_models():
        for field in model._meta.fields:  # pylint: disable=protected-access  # Django documents it
            if field.db_comment == MARK:
                yield model, field.name


def unopened() -> tuple[int, dict[str, str]]:
    """How many secrets there are, and why some cannot be opened, by what they belong to: "source console"."""
    # pylint: disable=protected-access  # Django documents both
    count, trouble = 0, {}
    for model, column in sealed_columns():
        for row in model._default_manager.exclude(**{column: ""}).order_by("pk"):
            count += 1
            try:
                open_(getattr(row, column))
            except KeyTrouble as error:
                name = getattr(row, "name", row.pk)
                trouble[f"{model._meta.verbose_name} {name}"] = str(error)
    return count, trouble


def require_key_of_all() -> dict[str, str]:
    """Make the key where there is none, and nothing that it would have to open. What a key that is there does not open,
    as ``unopened`` has it. Raises KeyTrouble where there is none of use."""
    count, trouble = unopened()
    if count and not has_key():
        raise KeyTrouble(
            f"The key is gone: {key_place()} is missing, and {count} secrets are sealed with it "
            f"({', '.join(trouble)}). Restore it, or set REMEDIATION_KEY. If it is lost for good, "
            "enter each of them again, with remediation connect and remediation source add: that makes a new key. "
            "Second factors end with remediation user remove-second-factor."
        )
    require_key()
    return trouble
