"""Locks of the database that are no row's. Their numbers stand here together, so that no two have the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum, unique

from django.db import Error, connection


@unique
class Lock(IntEnum):
    """What one process at a time does."""

    MIGRATIONS = 7_411_002
    STALLED_JOBS = 7_411_003
    FIRST_USER = 7_411_004
    READING = 7_411_005  # with the number of the source
    KEYS = 7_411_006
    IDENTITIES = 7_411_007
    ACCEPTANCES = 7_411_008
    ROLES = 7_411_009
    WRITING = 7_411_010  # with the number of the source
    COUNTING = 7_411_011
    REGISTER = 7_411_012
    CISCO = 7_411_021


def one_at_a_time(lock: Lock) -> None:
    """Wait until nobody else has the lock, and have it until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock])


@contextmanager
def only_one(lock: Lock, number: int) -> Iterator[bool]:
    """Whether this process has the lock with a number, until the end of the block. A process that dies lets it go, and
    so does one that loses the database: its next statement raises."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [lock, number])
        if not cursor.fetchone()[0]:
            yield False
            return
        try:
            yield True
        finally:
            # With a connection that was lost, the lock is gone as well.
            with suppress(Error):
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [lock, number])
