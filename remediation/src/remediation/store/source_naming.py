"""The rules by which a stored source's host names are compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..domain.naming import Naming
from . import models
from .json_keys import change_keys


def naming_of(source: models.Source) -> Naming:
    """As its settings have them."""
    rules = source.settings.get("naming", {})
    return Naming(aliases=rules.get("aliases", {}), suffixes=tuple(rules.get("suffixes", ())))


def store_naming(source: models.Source, aliases: Mapping[str, str], suffixes: Iterable[str]) -> None:
    """Store other rules. Empty suffixes are left out. Devices follow at the next ``devices.regroup``.

    Raises ValueError, whose text is for a person.
    """
    kept = [one.strip() for one in suffixes if one.strip()]
    Naming(aliases, tuple(kept))
    change_keys(source, "settings", {"naming": {"suffixes": kept, "aliases": dict(aliases)}})
