"""A limit on how long a transaction may do nothing: a process that is frozen in the middle of one holds its locks."""

from __future__ import annotations

from django.db import connection

# Seconds. A machine that is merely slow goes on before.
LONGEST_IDLE = 8.0


def limit_idling() -> None:
    """Let the database end this transaction, and its session, when nothing was asked in it for LONGEST_IDLE."""
    with connection.cursor() as cursor:
        milliseconds = str(int(LONGEST_IDLE * 1000))
        cursor.execute("SELECT set_config('idle_in_transaction_session_timeout', %s, true)", [milliseconds])
