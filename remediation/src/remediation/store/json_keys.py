"""Changes single keys of a row's JSON field, so that what another process stored in the others meanwhile stays."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.db import models, transaction

from .idle import limit_idling


@transaction.atomic
def change_keys(
    row: models.Model, field: str, changes: Mapping[str, Any], *, without: Collection[str] = ()
) -> dict[str, Any]:
    """Set the keys ``changes`` of a stored row's JSON field and remove the keys ``without``; the field as it is then.

    The field is read anew, under a lock of its row, and nothing else of the row is written. ``row`` gets the field too.
    Raises DoesNotExist where the row is gone.
    """
    limit_idling()
    rows = type(row)._default_manager  # pylint: disable=protected-access  # Django's own name for it
    stored = rows.select_for_update().values_list(field, flat=True).get(pk=row.pk)
    changed = {key: value for key, value in {**stored, **changes}.items() if key not in without}
    if changed != stored:
        rows.filter(pk=row.pk).update(**{field: changed})
    setattr(row, field, changed)
    return changed
