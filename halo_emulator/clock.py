"""Time as Halo writes it: UTC, seven fractional digits, Z (official and seen live)."""

import re
import threading
import time
from datetime import datetime, timedelta, timezone

from .settings import Settings

TICKS_PER_SECOND = 10_000_000
_ISO = re.compile(
    r"^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(?::(\d{2})(?:[.,](\d+))?)?)?\s*(Z|[+-]\d{2}:?\d{2})?$", re.IGNORECASE
)


def _written(ticks: int) -> str:
    seconds, fraction = divmod(ticks, TICKS_PER_SECOND)
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}.{fraction:07d}Z"


def canonical(value: object, hours_ahead: float = 0) -> str | None:
    """The same moment in the form that this package stores, in which text sorts as time. None if it is no date.
    `hours_ahead`: the moment is taken for local time of a zone so many hours ahead of UTC, whatever zone it names."""
    if isinstance(value, datetime):
        value = value.isoformat()
    match = _ISO.match(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    day, minutes, seconds, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{minutes or '00:00'}:{seconds or '00'}") - _offset(zone)
        moment -= timedelta(hours=hours_ahead)
    except (ValueError, OverflowError):
        return None
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{(fraction or '')[:7]:0<7}Z"


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone in "Zz":
        return timedelta()
    digits = zone[1:].replace(":", "")
    size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -size if zone[0] == "-" else size


class Clock:
    """Halo's clock: the machine's, moved by `offset` seconds. No two timestamps are equal (a test device of ours)."""

    def __init__(self, settings: Settings) -> None:
        self.offset = 0.0
        self._settings = settings
        self._last = 0
        self._lock = threading.Lock()

    def now(self, ahead: float = 0.0) -> str:
        """A timestamp later than every earlier one, unless `offset` was moved back in between."""
        with self._lock:
            self._last = max(time.time_ns() // 100, self._last + 1)
            return _written(self._last + int((self.offset + ahead) * TICKS_PER_SECOND))

    def database_now(self) -> str:
        """A timestamp for a ticket or an action, whose clock may differ from Halo's (a test device of ours)."""
        return self.now(self.database_ahead)

    def last_update_at(self, moment: str) -> str:
        """The `last_update` of a change that happens at this moment, both by the clock of tickets and actions."""
        shown = datetime.fromisoformat(moment[:26]) - timedelta(seconds=self._settings.last_update_behind)
        return f"{shown.isoformat(timespec='microseconds')}{moment[26:]}"

    def last_update_now(self) -> str:
        """The `last_update` of a change that happens now."""
        return self.last_update_at(self.database_now())

    @property
    def database_ahead(self) -> float:
        """Seconds by which the dates in tickets and actions are ahead of this clock."""
        return self._settings.database_clock_offset + 3600 * self._settings.writes_local_time

    def seconds(self) -> float:
        """Seconds since 1970 by this clock."""
        return time.time() + self.offset

    def database_ago(self, days: float) -> str:
        """The timestamp of `days` days ago."""
        return _written(int((self.seconds() + self.database_ahead - days * 86400) * TICKS_PER_SECOND))
