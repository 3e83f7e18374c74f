"""Locks of the database that are no row's. Their numbers stand here together, so that no two have the same."""

from __future__ import annotations

from enum import IntEnum, unique

from django.db import connection


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


def one_at_a_time(lock: Lock) -> None:
    """Wait until nobody else has the lock, and have it until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock])
