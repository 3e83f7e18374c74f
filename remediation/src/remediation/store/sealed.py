"""Whether the present key opens what is sealed in the database."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.db import models

from .secrets import KeyTrouble, has_key, key_place, open_, require_key

# The comment of every column that holds a sealed text.
MARK = "sealed by store.secrets"


def sealed_rows(*, locked: bool = False) -> Iterator[tuple[models.Model, str]]:
    """Each row that holds a sealed text, and in which column; ``locked`` until the transaction ends, if wanted."""
    # pylint: disable=protected-access  # Django documents both
    for model in apps.get_models():
        for column in (field.name for field in model._meta.fields if field.db_comment == MARK):
            rows: models.QuerySet[models.Model] = model._default_manager.exclude(**{column: ""}).order_by("pk")
            for row in rows.select_for_update() if locked else rows:
                yield row, column


def unopened() -> tuple[int, dict[str, str]]:
    """How many secrets there are, and why some cannot be opened, by what they belong to: "source console"."""
    count, trouble = 0, {}
    for row, column in sealed_rows():
        count += 1
        try:
            open_(getattr(row, column))
        except KeyTrouble as error:
            kind = row._meta.verbose_name  # pylint: disable=protected-access  # Django documents it
            trouble[f"{kind} {getattr(row, 'name', row.pk)}"] = str(error)
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
