"""How often Cisco is asked: all processes together keep to the vendor's limits, through the database.

Cisco allows an application 10 requests a second and 5,000 a day (its own examples say so); users have been refused at
some 30 a minute. The service keeps to half a request a second and 4,500 a day, whatever it was that used them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction

from ...domain import budget
from ...store import models
from ..conditional_get import AskedToWait

PACE = timedelta(seconds=2)
A_DAY = 4500
DAY = budget.Window(24 * 3600.0, 3600.0)
# How long nobody asks after a refusal that says no time, and the longest that one may say, in seconds.
USUAL_WAIT, LONGEST_WAIT = 600.0, 24 * 3600.0


class Allowance:
    """That of an access. ``now`` is the present. One that is not stored, which somebody tries, has no count."""

    def __init__(self, access: models.Cisco, now: Callable[[], datetime], sleep: Callable[[float], None]) -> None:
        self._rows = models.Cisco.objects.filter(pk=access.pk)
        self._is_stored = access.pk is not None
        self._now = now
        self._sleep = sleep

    def spend(self) -> None:
        """Count a request that is about to be sent, and wait until it is its turn. Raises AskedToWait where that is
        not soon, and where somebody took the access away."""
        if not self._is_stored:
            return
        with transaction.atomic():
            row = self._rows.select_for_update().first()
            if row is None:
                raise AskedToWait("The access to Cisco was taken away.", USUAL_WAIT)
            now = self._now()
            wait = max(
                (row.waits_until - now).total_seconds() if row.waits_until else 0.0,
                budget.pause(row.spent, now.timestamp(), A_DAY, DAY),
            )
            if wait > 0:
                raise AskedToWait("Cisco is not to be asked now: it said so, or a day's requests are used.", wait)
            # A clock that was wrong once holds nobody for long.
            turn = min(max(row.next_at or now, now), now + 60 * PACE)
            row.next_at, row.spent = turn + PACE, budget.spend(row.spent, now.timestamp(), DAY)
            row.save(update_fields=["next_at", "spent"])
        if turn > now:
            self._sleep((turn - now).total_seconds())

    def refused(self, seconds: float | None) -> float:
        """Keep that Cisco has refused, until when nobody asks. Returns for how many seconds."""
        wait = USUAL_WAIT if seconds is None else min(max(seconds, 1.0), LONGEST_WAIT)
        self._rows.update(waits_until=self._now() + timedelta(seconds=wait))
        return wait


def used(access: models.Cisco, now: datetime) -> int:
    """How many requests were sent in the last 24 hours."""
    return budget.used(access.spent, now.timestamp(), DAY)
