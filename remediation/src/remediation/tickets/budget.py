"""The budget of requests to Halo that all processes keep to, through the database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction

from ..domain import budget
from ..store import models
from ..store.idle import limit_idling


class Budget:
    """That of a connection's API application. ``now`` is the present.

    Requests are counted as they are sent. Waiting is for whoever is about to do a piece of work, of a few requests: no
    request waits in the middle of it.
    """

    def __init__(self, connection: models.Connection, now: Callable[[], datetime]) -> None:
        settings = connection.settings
        self._application = f"{settings.get('client_id', '')} at {settings.get('resource_server', '')}"
        self._limit = int(settings.get("requests") or budget.USUAL_LIMIT)
        self._now = now

    @property
    def limit(self) -> int:
        """The requests that are allowed in five minutes."""
        return self._limit

    def spend(self) -> None:
        """Count a request that is about to be sent."""
        with transaction.atomic():
            limit_idling()
            row, _ = models.RequestBudget.objects.select_for_update().get_or_create(application=self._application)
            row.spent = budget.spend(row.spent, self._now().timestamp())
            row.save(update_fields=["spent"])

    def pause(self) -> float:
        """Seconds until one more request is within the limit, 0 where it is."""
        row = models.RequestBudget.objects.filter(application=self._application).first()
        return budget.pause(row.spent, self._now().timestamp(), self._limit) if row else 0.0

    def wait(self, sleep: Callable[[float], None], say: Callable[[str], None]) -> None:
        """Wait until one more request is within the limit. Where it has to, it says so, here and by ``shown``."""
        while pause := self.pause():
            until = self._now() + timedelta(seconds=pause)
            models.RequestBudget.objects.filter(application=self._application).update(waits_until=until)
            say(f"  waiting  {pause:.0f} s: {self._limit} requests were sent to HaloITSM in the last five minutes")
            sleep(pause)

    def shown(self) -> dict[str, object]:
        """How many requests were ``used`` in the last five minutes, the ``limit``, and until when a run ``waits``."""
        row = models.RequestBudget.objects.filter(application=self._application).first()
        now = self._now()
        waits = row.waits_until if row and row.waits_until and row.waits_until > now else None
        used = budget.used(row.spent, now.timestamp()) if row else 0
        return {"used": used, "limit": self._limit, "waits": waits.isoformat() if waits else None}
