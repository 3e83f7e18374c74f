"""A week, and when the report of one is due. Weeks begin on Monday, and days at midnight, UTC. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import Any

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_WEEK = timedelta(days=7)
# A reading that began longer ago is not waited for: its process is gone.
READING_LASTS = timedelta(hours=6)


@dataclass(frozen=True)
class Week:
    """``first`` is its Monday."""

    first: date

    @property
    def last(self) -> date:
        """Its Sunday."""
        return self.first + timedelta(days=6)

    @property
    def since(self) -> datetime:
        """Its first moment."""
        return datetime.combine(self.first, time(), timezone.utc)

    @property
    def until(self) -> datetime:
        """The first moment after it."""
        return self.since + _WEEK

    @property
    def before(self) -> Week:
        """The week before."""
        return Week(self.first - _WEEK)

    def __str__(self) -> str:
        number = self.first.isocalendar()
        return f"week {number.week} of {number.year}, {self.first.isoformat()} to {self.last.isoformat()}"


def week_of(day: date) -> Week:
    """The week that a day is in."""
    return Week(day - timedelta(days=day.weekday()))


@dataclass(frozen=True)
class Schedule:
    """When the report of a week is sent: on the first such ``weekday`` (Monday is 0) after its end, from the ``hour``
    on, UTC. ``on_since``: when somebody turned it on; None: it is off."""

    weekday: int = 0
    hour: int = 7
    recipients: tuple[str, ...] = ()
    on_since: datetime | None = None

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Schedule:
        """As it is stored."""
        since = stored.get("on_since")
        return cls(
            int(stored.get("weekday", cls.weekday)),
            int(stored.get("hour", cls.hour)),
            tuple(stored.get("recipients") or ()),
            datetime.fromisoformat(since) if since else None,
        )

    def moment(self, week: Week) -> datetime:
        """When the report of a week is due."""
        return week.until + timedelta(days=self.weekday, hours=self.hour)


def due_week(schedule: Schedule, now: datetime) -> Week | None:
    """The newest week whose report is due; None where it is off, or was not on yet at that moment.

    Of weeks that were missed, as while nothing ran, only the newest is reported: nobody wants ten at once.
    """
    if schedule.on_since is None or not schedule.recipients:
        return None
    week = week_of(now.astimezone(timezone.utc).date()).before
    while schedule.moment(week) > now:
        week = week.before
    return week if schedule.moment(week) >= schedule.on_since else None
