"""Brings the tables to what this release needs; of several processes that start at once, one does it."""

from __future__ import annotations

import time

from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from .one_at_a_time import Lock

_LOCK = Lock.MIGRATIONS
# Seconds between two looks at whether another process is done.
_PAUSE = 0.2


def migrate() -> None:
    """Apply the migrations that are missing. Waits for another process that does so."""
    if not missing():
        return
    # Not the lock that is waited for within PostgreSQL: whoever waits there keeps indexes from being made concurrently.
    while not _asked("SELECT pg_try_advisory_lock(%s)"):
        time.sleep(_PAUSE)
    try:
        call_command("migrate", verbosity=0, interactive=False)
    finally:
        _asked("SELECT pg_advisory_unlock(%s)")


def missing() -> list[str]:
    """The migrations that are not applied yet, as ``store.0001_tables``, in their order."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def _asked(question: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(question, [_LOCK])
        return bool(cursor.fetchone()[0])
