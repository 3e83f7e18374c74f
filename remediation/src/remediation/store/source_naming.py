"""The rules by which a stored source's host names are compared."""

from __future__ import annotations

from ..domain.naming import Naming
from . import models


def naming_of(source: models.Source) -> Naming:
    """As its settings have them."""
    rules = source.settings.get("naming", {})
    return Naming(aliases=rules.get("aliases", {}), suffixes=tuple(rules.get("suffixes", ())))
