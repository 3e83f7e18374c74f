"""A template of a ticket: its texts, how urgent it is, and the lines that it is never without. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import template
from .snapshot import SEVERITIES

LONGEST_DUE = 3650


@dataclass(frozen=True)
class TicketTemplate:
    """``summary``, ``details`` and the lines of ``compliance`` are templates with variables, also in brackets.

    ``team`` says whose it is, "" is everybody's. ``priority`` is one of SEVERITIES, "" goes by the findings' severity,
    and so do ``days``, where they are None: so many days after a ticket is made it is due.
    """

    name: str
    summary: str
    details: str
    team: str = ""
    priority: str = ""
    days: int | None = None
    compliance: tuple[str, ...] = ()

    def check(self) -> None:
        """Raises ValueError for what cannot be used."""
        for text in (self.summary, self.details, *self.compliance):
            template.check_with_brackets(text)
        if self.priority and self.priority not in SEVERITIES:
            raise ValueError(f"There is no priority {self.priority!r}. Use one of {', '.join(SEVERITIES)}.")
        if self.days is not None and not 0 <= self.days <= LONGEST_DUE:
            raise ValueError(f"The days are 0 to {LONGEST_DUE}.")

    def to_table(self) -> dict[str, Any]:
        """As JSON-able values, which ``from_table`` reads."""
        return {**vars(self), "compliance": list(self.compliance)}

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> TicketTemplate:
        """Out of a JSON table. Keys that there are none of are left."""
        known = {name: table[name] for name in cls.__dataclass_fields__ if name in table}
        return cls(**{**known, "compliance": tuple(table.get("compliance") or ())})


_FACTS = (
    "Devices ([asset_count]): [hostname]\n"
    "Addresses: [ip_address]\n"
    "Systems: [operating_system]\n\n"
    "Vulnerabilities ([vulnerability_count]): [vulnerability_list]\n"
    "CVEs: [cve_list]\n"
    "Severity: [severity]. VPR: [vpr_score]. CVSS: [cvss_score]. EPSS: [epss_score].\n"
    "Due: [due_date]. Estimate: [estimate].\n\n"
    "Solution (1 of [solution_count]): [solution]\n"
    "[remediation_steps]\n\n"
)
CRITICAL = TicketTemplate(
    name="Critical",
    summary="Critical: [vulnerability_list] on [hostname]",
    details=_FACTS + "What to do:\n"
    "1. Isolate the system: take it off the network, or let nothing reach it but what the repair needs.\n"
    "2. Emergency patch: apply the solution now, outside of the usual window, and tell the owner of the service.\n"
    "3. Verify: look at the version, try the service, and have the device scanned again.\n"
    "4. Document: what was done, by whom and when, and what was found out about misuse before the patch.",
    priority="critical",
    days=7,
)
STANDARD = TicketTemplate(
    name="Standard",
    summary="[vulnerability_list] on [hostname] ([severity])",
    details=_FACTS + "What to do:\n"
    "1. Review: read the solution, and who depends on the devices.\n"
    "2. Test in staging: apply it there first, and write down how to go back.\n"
    "3. Schedule: agree on a window with the owner of the service, before the due date.\n"
    "4. Apply and verify: apply it, try the service, and have the devices scanned again.",
)
BUILT_IN: Mapping[str, TicketTemplate] = {"critical": CRITICAL, "standard": STANDARD}
"""Those that are always there, by the words that choose them. They can be copied, and not changed or removed."""


def usual(severity: str, team: str | None, others: Mapping[str, TicketTemplate]) -> str:
    """Which template a ticket has where nobody chooses one, by its word; ``others`` are those beside the built-in ones.

    For what is critical that of the ticket's team that is critical too, else the built-in one; for the rest that of the
    team, else the standard one.
    """
    is_critical = severity == SEVERITIES[0]
    for word, one in others.items():
        if team and one.team.casefold() == team.casefold() and (one.priority == SEVERITIES[0]) is is_critical:
            return word
    return "critical" if is_critical else "standard"
