"""The templates of tickets that there are: the built-in ones, and those that people have made."""

from __future__ import annotations

from ..domain.ticket_template import BUILT_IN, TicketTemplate
from . import models


def made_by_people() -> dict[str, TicketTemplate]:
    """Those in the store, by their numbers as text, in the order of their names."""
    return {str(row.pk): template_of(row) for row in models.TicketTemplate.objects.order_by("name")}


def all_templates() -> dict[str, TicketTemplate]:
    """All, by the words that choose them, the built-in ones first."""
    return {**BUILT_IN, **made_by_people()}


def template_of(row: models.TicketTemplate) -> TicketTemplate:
    """The domain's template of a stored one."""
    return TicketTemplate(
        name=row.name,
        summary=row.summary,
        details=row.details,
        team=row.team,
        priority=row.priority,
        days=row.days,
        compliance=tuple(row.compliance),
    )
