"""Fills a database from a backup: all of it or nothing, in one transaction."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.apps import apps
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from psycopg import sql

from .backup import LEFT_OUT, SESSION, kept_labels, kept_tables, tables_of
from .backup_file import Backup, BackupError, Table
from .copy import listed, names

RECORD = "django_migrations"


def restore(backup: Backup, *, replace: bool = False) -> None:
    """Fill the database: at the backup's migrations, then on to the newest.

    The backup is read whole before anything is changed. Raises BackupError where it is damaged or of a newer release,
    where the database holds anything and ``replace`` is not set, and where others use what would be replaced.
    """
    _refuse_unknown_migrations(backup)
    there = tables_there()
    if there and not replace:
        raise BackupError(
            f"The database is not empty: {_described(there)}. "
            "Restore into an empty one, or drop what is there with --replace."
        )
    _refuse_strangers(there)
    if there:
        _refuse_company()
    backup.verify()
    with transaction.atomic():
        _clear(there)
        migrate_to(backup.manifest.migrations)
        _copy_in(backup)
        # What is checked at the end of a transaction would keep tables from being altered before.
        _execute("SET CONSTRAINTS ALL IMMEDIATE")
        _execute("SET CONSTRAINTS ALL DEFERRED")
        migrate_to(_newest())
    # The other apps' tables, and what Django makes for itself after migrations.
    call_command("migrate", verbosity=0, interactive=False)


def tables_there() -> list[str]:
    """All tables of the database, whosever they are."""
    return sorted(connection.introspection.table_names())


def _described(tables: list[str]) -> str:
    """The tables that have rows, with how many, and how many others there are."""
    counted = {table: _count(table) for table in tables if table != RECORD}
    full = [f"{table} ({rows} rows)" for table, rows in counted.items() if rows]
    return ", ".join([*full, f"{len(counted) - len(full)} tables without rows"])


def _count(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
        return int(cursor.fetchone()[0])


def _refuse_unknown_migrations(backup: Backup) -> None:
    known = MigrationExecutor(connection).loader.disk_migrations
    unknown = [f"{app}.{name}" for app, name in backup.manifest.migrations if (app, name) not in known]
    if unknown:
        raise BackupError(
            f"The backup is of release {backup.manifest.service}, whose tables this release does not know "
            f"({', '.join(unknown)}). Restore it with that release or a newer one."
        )


def _is_ours(table: str) -> bool:
    """Whether a table is the service's, also one of another release. Django names tables after their apps."""
    labels = {config.label for config in apps.get_app_configs()}
    return table == RECORD or table in tables_of(labels) or table.startswith(_prefixes(labels))


def _prefixes(labels: Collection[str]) -> tuple[str, ...]:
    return tuple(f"{label}_" for label in labels)


def _refuse_strangers(there: list[str]) -> None:
    strangers = [table for table in there if not _is_ours(table)]
    if strangers:
        raise BackupError(
            f"The database also holds tables of something else: {', '.join(strangers)}. "
            "Give the service a database of its own."
        )


def _refuse_company() -> None:
    """A worker that goes on while its tables are replaced would write what belongs to others into them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        others = int(cursor.fetchone()[0])
    if others:
        raise BackupError(
            f"{others} other connections use the database. Stop the service and whatever else is connected, "
            "then restore again."
        )


def _clear(there: list[str]) -> None:
    """Drop the kept apps' tables and forget their migrations; empty the others', which are about what was there."""
    for setting in SESSION:
        _execute(setting)
    if not there:
        return
    left = tables_of(LEFT_OUT)
    emptied = [table for table in there if table in left or table.startswith(_prefixes(LEFT_OUT))]
    if emptied:
        _execute(sql.SQL("TRUNCATE {}").format(listed(map(sql.Identifier, emptied))))
    dropped = [table for table in there if table != RECORD and table not in emptied]
    if dropped:
        _execute(sql.SQL("DROP TABLE {}").format(listed(map(sql.Identifier, dropped))))
    if RECORD in there:
        _execute(sql.SQL("DELETE FROM {} WHERE app <> ALL(%s)").format(sql.Identifier(RECORD)), [sorted(LEFT_OUT)])


def migrate_to(targets: list[tuple[str, str]]) -> None:
    """Apply migrations up to these, in the transaction around."""
    executor = MigrationExecutor(connection)
    nodes = executor.loader.graph.node_map
    wanted = set(targets) & set(nodes)
    # A target that another one of its app builds on would be gone back to.
    last = [
        key
        for key in sorted(wanted)
        if not any(child.key in wanted and child.key[0] == key[0] for child in nodes[key].children)
    ]
    executor.migrate(last)


def _newest() -> list[tuple[str, str]]:
    leaves = MigrationExecutor(connection).loader.graph.leaf_nodes()
    return [key for key in leaves if key[0] in kept_labels()]


def _copy_in(backup: Backup) -> None:
    there = kept_tables()
    missing = [table.name for table in backup.manifest.tables if table.name not in there]
    if missing:
        raise BackupError(f"This release has no tables for {', '.join(missing)} of the backup.")
    # What migrations have put in is in the backup too.
    _execute(sql.SQL("TRUNCATE {}").format(listed(map(sql.Identifier, there))))
    # Migrations that add a reference have it checked at once until the transaction ends. Tables refer to later ones.
    _execute("SET CONSTRAINTS ALL DEFERRED")
    for table in backup.manifest.tables:
        _copy_table(backup, table)


def _copy_table(backup: Backup, table: Table) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT text, ENCODING 'UTF8')").format(
        sql.Identifier(table.name), names(table.columns)
    )
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for block in backup.blocks(table):
                copy.write(block)
        if cursor.rowcount != table.rows:
            raise backup.damaged(table.name)
        for one in table.sequences:
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence(quote_ident(%s), %s), %s, %s)",
                [table.name, one.column, one.last, one.called],
            )


def _execute(statement: str | sql.Composed, parameters: list[Any] | None = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
