"""One writer for each connection: a lease in the database, which a process that dies or is frozen loses in seconds.

Its number is checked by every write of the journal, in the same transaction, and time by every request before it is
sent. So a process that was frozen and goes on after another one took over sends nothing more. What remains: it was
frozen between that look at the clock and the sending.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

from django.db import Error, connection

# Seconds. A lease that is not renewed for so long is anybody's.
LASTS = 8.0
_RENEWALS = 4
_LOOK = 0.1


def _clock() -> float:
    """Seconds that also go on while the machine is suspended, where the system has such a clock."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Busy(Exception):
    """Another process is writing to the same connection."""


class TakenOver(Busy):
    """This process did not renew its lease in time, and another one has it."""


class Lease:
    """The right to write to a connection, as ``one_writer`` gives it. ``number`` is higher than that of all before."""

    def __init__(self, connection_id: int, number: int, began: float) -> None:
        self.number = number
        self._connection_id = connection_id
        self._renewed = began

    def require(self) -> None:
        """Renew it. Within a transaction, no other process can take it before the end of that. Raises TakenOver."""
        began = _clock()
        until = "until = clock_timestamp() + make_interval(secs => %s)"
        query = f"UPDATE store_lease SET {until} WHERE connection_id = %s AND number = %s"  # nosec B608: no input
        with connection.cursor() as cursor:
            cursor.execute(query, [LASTS, self._connection_id, self.number])
            if not cursor.rowcount:
                raise TakenOver(
                    f"This process did nothing for {LASTS:g} s or more, and another one has taken its work over. "
                    "Run this again when that is done."
                )
        if not connection.in_atomic_block:  # else it may be taken back
            self._renewed = began

    def check(self) -> None:
        """Whether it holds, by the clock where it was renewed lately. Raises TakenOver."""
        if _clock() - self._renewed >= LASTS:
            self.require()

    def lose(self) -> None:
        """It is known that another process has it: nothing more is to be sent."""
        self._renewed = -math.inf

    def release(self) -> None:
        """Let others have it."""
        query = "UPDATE store_lease SET until = clock_timestamp() WHERE connection_id = %s AND number = %s"
        with connection.cursor() as cursor:
            cursor.execute(query, [self._connection_id, self.number])


@contextmanager
def one_writer(connection_id: int, sleep: Callable[[float], None] = time.sleep) -> Iterator[Lease]:
    """Lets one process write to a connection. Raises Busy where another one does.

    One that seems to have died is given the time until its lease ends.
    """
    lease = _taken(connection_id, sleep)
    ended = threading.Event()
    renewing = threading.Thread(target=_renew_until, args=[lease, ended], daemon=True)
    renewing.start()
    try:
        yield lease
    finally:
        ended.set()
        # Not for ever: it may be waiting for a database that is away.
        renewing.join(LASTS)
        with suppress(Error):
            lease.release()


def _taken(connection_id: int, sleep: Callable[[float], None]) -> Lease:
    """Raises Busy."""
    held: tuple[int, datetime] | None = None
    first = _clock()
    while True:
        began = _clock()
        number = _take(connection_id)
        if number is None and held and began - first > LASTS:
            # It was not renewed for so long, whatever the database's clock says: that may have been set back.
            number = _take_from(connection_id, held)
        if number is not None:
            return Lease(connection_id, number, began)
        with connection.cursor() as cursor:
            cursor.execute("SELECT number, until FROM store_lease WHERE connection_id = %s", [connection_id])
            now_held = cursor.fetchone()
        if held not in (None, now_held):
            # It was renewed meanwhile, so its holder lives.
            raise Busy("Another process is at work on this connection. Run this again when it is done.")
        held = now_held
        sleep(_LOOK)


def _take(connection_id: int) -> int | None:
    """The number of the lease, None where another process has it."""
    query = """
        INSERT INTO store_lease (connection_id, number, until)
        VALUES (%s, 1, clock_timestamp() + make_interval(secs => %s))
        ON CONFLICT (connection_id) DO UPDATE SET number = store_lease.number + 1, until = excluded.until
        WHERE store_lease.until <= clock_timestamp()
        RETURNING number
    """
    return _number(query, connection_id, LASTS)


def _take_from(connection_id: int, held: tuple[int, datetime]) -> int | None:
    """The number of the lease, if it is still the one with this number and end."""
    query = """
        UPDATE store_lease SET number = number + 1, until = clock_timestamp() + make_interval(secs => %s)
        WHERE connection_id = %s AND number = %s AND until = %s
        RETURNING number
    """
    return _number(query, LASTS, connection_id, *held)


def _number(query: str, *values: float | datetime) -> int | None:
    """The number that a statement returns, None where it returns none."""
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        row = cursor.fetchone()
        return int(row[0]) if row else None


def _renew_until(lease: Lease, ended: threading.Event) -> None:
    """Renew a lease now and then, by a connection of this thread's own."""
    while not ended.wait(LASTS / _RENEWALS):
        try:
            lease.require()
        except TakenOver:
            lease.lose()
            break
        except Error:
            connection.close()
    connection.close()
