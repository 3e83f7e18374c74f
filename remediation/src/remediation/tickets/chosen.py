"""A ticket of HaloITSM's that a person chooses to stand for findings, instead of a new one.

A row of ours stands for it before it is tied: its note has TYING as ``attention`` has it, with the ``findings`` that it
is about. Until that is settled no ticket is made for them. Where it cannot be, they can be asked for again.
"""

from __future__ import annotations

from collections.abc import Collection

from ..domain.status import ENDED
from ..store import models
from .attention import DETACHED, NOT_TIED, TYING, NotPossible, refusal, ticket_to_take
from .instance import Instance, Options
from .page_client import page_client
from .references import free_reference
from .world import generations_of


def require_there(connection: models.Connection, number: int) -> None:
    """Ask Halo at once whether a ticket can be chosen, for who waits at a page.

    Raises NotPossible where it cannot, HaloError, HaloAway and NotReachable.
    """
    ticket_to_take(Instance(page_client(connection), Options.from_table(connection.settings)), number)


def choose(project: models.Project, key: str, number: int, findings: Collection[str], by: str) -> None:
    """Keep that a ticket of Halo's is to stand for findings, by their texts. In a transaction, which ends by the error.

    Raises NotPossible.
    """
    rows = list(models.Ticket.objects.filter(project=project, key=key).order_by("-generation"))
    there = next((one for one in rows if one.halo_id is not None and not one.note.get(DETACHED)), None)
    if there is not None and there.status not in [status.value for status in ENDED]:
        raise NotPossible(
            f"Ticket {there.halo_id} stands for it already, and all of it has one ticket. "
            "To take another one, tie that ticket to it on its own page."
        )
    generation = generations_of(rows).get(key, 0) + 1
    row = models.Ticket.objects.create(
        project=project,
        key=key,
        generation=generation,
        reference=free_reference(project, key, generation),
        note={TYING: {"to": number, "by": by, "findings": sorted(findings)}},
    )
    if reason := refusal(row, number):
        raise NotPossible(reason)


def to_be_tied(project: models.Project, key: str) -> models.Ticket | None:
    """The row of a key for which a ticket was chosen that is not tied yet, None where there is none."""
    return models.Ticket.objects.filter(project=project, key=key, halo_id__isnull=True, note__has_key=TYING).first()


def forget_refused(project: models.Project, key: str) -> None:
    """Forget that a ticket that was chosen for a key could not be had: somebody asks anew. Halo has heard of none."""
    rows = models.Ticket.objects.filter(project=project, key=key, halo_id__isnull=True, note__has_key=NOT_TIED)
    rows.exclude(journal__isnull=False).delete()
