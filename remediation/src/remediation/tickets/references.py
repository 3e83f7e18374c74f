"""The references by which Halo finds our tickets again: ``remediation:SLUG:KEY:NUMBER``. None is ever given twice."""

from __future__ import annotations

from itertools import count

from ..store import models

OURS = "remediation:"
"""How all of them begin."""


def free_reference(project: models.Project, key: str, first: int) -> str:
    """A reference for a new ticket of a key, with the first number from ``first`` that no ticket has or ever had."""
    for number in count(first):
        reference = f"{OURS}{project.slug}:{key}:{number}"
        # A ticket that is made anew leaves its reference to the one that Halo lost: only the journal has it then.
        if not any(table.objects.filter(reference=reference).exists() for table in (models.Ticket, models.Journal)):
            return reference
    raise AssertionError("there is always another number")


def parts_of(reference: str) -> tuple[str, int]:
    """The key and the number of a reference. A key may hold colons itself.

    One that another product has given, as InsightIDR's RRN of an investigation, is the key itself, of its first ticket.
    """
    if not reference.startswith(OURS):
        return reference, 1
    _, _, rest = reference.split(":", 2)
    key, _, number = rest.rpartition(":")
    return key, int(number)
