"""The audit: who did what, and to what. What is written there stays: the database refuses to change or remove it."""

from __future__ import annotations

from typing import Any

from . import models


def record(who: str, what: str, of: str = "", **detail: Any) -> None:
    """Write an entry, in the transaction of what was done. ``detail`` is JSON-able and holds no secret."""
    models.AuditEntry.objects.create(who=who, what=what, of=of, detail=detail)


def changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, list[Any]]:
    """What differs between two tables: the value before and the one after, by key."""
    keys = sorted(before.keys() | after.keys())
    return {key: [before.get(key), after.get(key)] for key in keys if before.get(key) != after.get(key)}
