"""Whether the present key opens what is sealed in the database."""

from __future__ import annotations

from django.apps import apps

from .secrets import KeyTrouble, open_

# The comment of every column that holds a sealed text.
MARK = "sealed by store.secrets"


def unopened() -> tuple[int, dict[str, str]]:
    """How many secrets there are, and why some cannot be opened, by what they belong to: "source console"."""
    # pylint: disable=protected-access  # Django documents both
    count, trouble = 0, {}
    for model in apps.get_models():
        for field in model._meta.fields:
            if field.db_comment != MARK:
                continue
            for row in model._default_manager.exclude(**{field.name: ""}).order_by("pk"):
                count += 1
                try:
                    open_(getattr(row, field.name))
                except KeyTrouble as error:
                    name = getattr(row, "name", row.pk)
                    trouble[f"{model._meta.verbose_name} {name}"] = str(error)
    return count, trouble
