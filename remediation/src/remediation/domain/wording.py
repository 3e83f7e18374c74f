"""How a person wants one ticket to be: by which template, and what they have typed over it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from . import template
from .compliance import ended_with
from .project import Settings
from .snapshot import SEVERITIES
from .ticket_template import TicketTemplate

NOT_KNOWN = "not known"
"""Stands in a ticket for what no source tells. A number that nobody has told is never 0."""
_TOLD_OR_NOT = (
    *("TOP_VPR", "TOP_CVSS", "TOP_EPSS", "TOP_CVE", "CVE_LIST", "ASSET_IP_LIST", "ASSET_OS_LIST"),
    *("SOL_NAME", "SOL_FIX", "SOL_ESTIMATE"),
)
TYPED = ("summary", "details", "priority", "due", "estimate")
"""What a person can type over."""


@dataclass(frozen=True)
class Wording:
    """``chosen`` is the template, as it was when it was chosen; None where the project's own texts count.

    ``typed`` holds what was changed of what was filled in, by the names in TYPED: texts as they stand, in which nothing
    is filled in any more, the priority as Halo calls it ("": Halo's own choice), the due date as 2026-12-24. ``by`` is
    who did.
    """

    chosen: TicketTemplate | None = None
    typed: Mapping[str, str] = field(default_factory=dict)
    by: str = ""

    def over(self, settings: Settings) -> Settings:
        """A project's settings with the template's in their place."""
        if self.chosen is None:
            return settings
        same: dict[str, Any] = {
            "child_summary": template.without_brackets(self.chosen.summary),
            "child_details": template.without_brackets(self.chosen.details),
        }
        days, urgency = self.chosen.days, self.chosen.priority
        if days is not None:
            same["due_days"] = dict.fromkeys(SEVERITIES, days)
        if urgency:
            same["priorities"] = dict.fromkeys(SEVERITIES, settings.priorities[urgency])
        return replace(settings, **same)

    def values(self, known: Mapping[str, str]) -> dict[str, str]:
        """The values of variables, as a ticket by this wording tells them."""
        told = dict(known)
        if "estimate" in self.typed:
            told["SOL_ESTIMATE"] = self.typed["estimate"]
        if self.chosen is None:
            return told
        told |= {name: told.get(name) or NOT_KNOWN for name in _TOLD_OR_NOT}
        if told["TOP_VPR"] in ("0", "0.0"):
            # VPR begins at 0.1: a source that says 0 has none.
            told["TOP_VPR"] = NOT_KNOWN
        return told

    @property
    def due(self) -> date | None:
        """The day that was typed, None where it goes by the settings."""
        return date.fromisoformat(self.typed["due"]) if "due" in self.typed else None

    def summary(self, filled: str) -> str:
        """The summary, where ``filled`` is what the template has become."""
        return self.typed.get("summary", filled)

    def details(self, filled: str, values: Mapping[str, str]) -> str:
        """The details, with the lines of compliance at their end, which nobody can leave out."""
        text = self.typed.get("details", filled)
        estimate = self.typed.get("estimate")
        if "details" in self.typed and estimate and estimate not in text:
            # It has no field of its own in Halo that is known to take words.
            text = f"{text}\n\nEstimate: {estimate}"
        lines = self.chosen.compliance if self.chosen else ()
        return ended_with(text, [template.fill(template.without_brackets(line), values) for line in lines])

    def priority(self, usual: str) -> str:
        """Halo's name of the priority; ``usual`` is that of the settings."""
        return self.typed.get("priority", usual)

    @property
    def words(self) -> str:
        """``by the template Critical; summary and due edited by anna``. "" where nothing was chosen or typed."""
        edited = ", ".join(name for name in TYPED if name in self.typed)
        chosen = f"by the template {self.chosen.name}" if self.chosen else ""
        return "; ".join(filter(None, [chosen, f"{edited} edited by {self.by}" if edited else ""]))

    def to_table(self) -> dict[str, Any]:
        """As JSON-able values, which ``from_table`` reads."""
        return {"chosen": self.chosen.to_table() if self.chosen else None, "typed": dict(self.typed), "by": self.by}

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Wording:
        """Out of a JSON table."""
        chosen = table.get("chosen")
        typed = {name: str(value) for name, value in (table.get("typed") or {}).items() if name in TYPED}
        return cls(TicketTemplate.from_table(chosen) if chosen else None, typed, str(table.get("by") or ""))
