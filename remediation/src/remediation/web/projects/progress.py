"""How far projects are: how many of their tickets are closed."""

from __future__ import annotations

from django.db.models import Count, Q, QuerySet

from ...domain.status import ENDED
from ...store import models


def with_progress(rows: QuerySet[models.Project]) -> QuerySet[models.Project]:
    """Projects with ``made``, how many tickets they have in HaloITSM without their own, and ``closed`` of these."""
    made = Q(tickets__halo_id__isnull=False, tickets__kind="child")
    closed = made & Q(tickets__status__in=[status.value for status in ENDED])
    return rows.annotate(made=Count("tickets", filter=made), closed=Count("tickets", filter=closed))
