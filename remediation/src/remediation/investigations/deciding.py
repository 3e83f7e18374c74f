"""What people decide of an investigation: that it gets a ticket, which side counts, how it is closed."""

from __future__ import annotations

from django.db import transaction

from ..domain.investigation_plan import HALO, IDR
from ..domain.investigation_settings import DISPOSITIONS
from ..store import audit, models
from ..tickets.attention import DETACHED


class NotPossible(Exception):
    """What a person wants of an investigation cannot be done. The text says why."""


@transaction.atomic
def ask_for_ticket(row: models.Investigation, by: str) -> None:
    """Have a ticket made for an investigation, whatever the rule says: another one, where its ticket was detached.

    Raises NotPossible where it has one.
    """
    row = models.Investigation.objects.select_for_update(of=["self"]).select_related("ticket").get(pk=row.pk)
    if row.ticket and row.ticket.note.get(DETACHED):
        row.ticket = None
    elif row.ticket and row.ticket.halo_id:
        raise NotPossible(f"Ticket {row.ticket.halo_id} stands for this investigation already.")
    row.asked_by = by
    row.save(update_fields=["asked_by", "ticket"])
    audit.record(by, "ticket asked for", row.rrn, source=row.source.name)


@transaction.atomic
def decide(row: models.Investigation, side: str, by: str) -> None:
    """Let one side's status count where both were changed: HALO or IDR. Raises NotPossible.

    A decision that nobody was asked for would wait, and undo the next change of the other side."""
    if side not in (HALO, IDR):
        raise NotPossible(f"There is no side {side!r}. It is {HALO} or {IDR}.")
    row = models.Investigation.objects.select_for_update(of=["self"]).select_related("source").get(pk=row.pk)
    if not row.asked:
        raise NotPossible("There is nothing to decide: both sides were not changed to different things.")
    row.decided = side
    row.save(update_fields=["decided"])
    audit.record(by, "status decided", row.rrn, source=row.source.name, side=side)


@transaction.atomic
def choose_disposition(row: models.Investigation, word: str, by: str) -> None:
    """Say how an investigation ended whose ticket is closed. Raises NotPossible."""
    if word not in DISPOSITIONS:
        raise NotPossible(f"InsightIDR has no disposition {word!r}. It has: {', '.join(DISPOSITIONS)}.")
    row.disposition_chosen = word
    row.save(update_fields=["disposition_chosen"])
    audit.record(by, "disposition chosen", row.rrn, source=row.source.name, disposition=word)
