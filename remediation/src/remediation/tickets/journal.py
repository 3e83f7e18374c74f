"""What is about to be written to Halo, and what came of it. Only the holder of a connection's lease may say so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import transaction

from ..store import models
from ..store.idle import limit_idling
from .lease import Lease


class Journal:
    """Writes entries for as long as the lease is ours. Raises TakenOver, and writes nothing, where it is not."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease

    @contextmanager
    def held(self) -> Iterator[None]:
        """A transaction that only the holder of the lease can carry out."""
        with transaction.atomic():
            limit_idling()
            self._lease.require()
            yield

    def note(
        self, event: str, ticket: models.Ticket, step: models.Step | None, detail: Mapping[str, Any], at: datetime
    ) -> None:
        """Add an entry about a ticket. In a transaction, the rest of it belongs to the holder of the lease as well."""
        with self.held():
            models.Journal.objects.create(
                step=step, ticket=ticket, event=event, reference=ticket.reference, detail=dict(detail), at=at
            )
