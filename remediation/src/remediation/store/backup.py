"""A backup of the service: one file that any supported PostgreSQL can be filled from again.

What belongs to no person and to no finding (queued jobs, sessions) is left out, and so is the key file.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
import zipfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO

from django.apps import apps
from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from psycopg import sql

from .backup_file import BLOCK, FORMAT, MANIFEST, BackupError, Manifest, Sequence, Table
from .copy import names

# By their labels. All other apps are kept, so that a new one is in the backup unless somebody decides otherwise.
LEFT_OUT = frozenset({"procrastinate", "sessions"})
# What a server or a role may set otherwise, and what the text of values depends on.
SESSION = (
    "SET LOCAL datestyle = 'ISO, YMD'",
    "SET LOCAL intervalstyle = 'postgres'",
    "SET LOCAL timezone = 'UTC'",
    "SET LOCAL extra_float_digits = 1",
    "SET LOCAL bytea_output = 'hex'",
    "SET LOCAL statement_timeout = 0",
)


def write_backup(target: Path, now: datetime, *, force: bool = False) -> Manifest:
    """Write the service's tables, as they are at one moment, to ``target``, which its owner alone may read.

    The file gets its name when it is complete; a kill leaves one whose name ends in ``.part``. Raises BackupError where
    ``target`` exists and ``force`` is not set, or is no file, and OSError.
    """
    with (
        _written_beside(target, force) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        with _one_state():
            manifest = Manifest(
                format=FORMAT,
                service=_release(),
                server=_server_version(),
                made=now.isoformat(),
                migrations=applied_migrations(),
                tables=[_copied_out(archive, table) for table in kept_tables()],
            )
        archive.writestr(MANIFEST, json.dumps(asdict(manifest), indent=1))
    return manifest


def kept_labels() -> set[str]:
    """The labels of the apps whose tables are kept."""
    return {config.label for config in apps.get_app_configs()} - LEFT_OUT


def tables_of(labels: Collection[str]) -> set[str]:
    """The tables of apps, by their labels, also those that join two others, as the code has them."""
    options = [model._meta for model in apps.get_models(include_auto_created=True)]  # pylint: disable=protected-access
    return {one.db_table for one in options if one.app_label in labels and one.managed and not one.proxy}


def kept_tables() -> list[str]:
    """The tables of the kept apps that are in the database."""
    return sorted(tables_of(kept_labels()) & set(connection.introspection.table_names()))


def applied_migrations() -> list[tuple[str, str]]:
    """The migrations of the kept apps that the database has had, in no order that matters."""
    return sorted(key for key in MigrationRecorder(connection).applied_migrations() if key[0] in kept_labels())


@contextmanager
def _one_state() -> Iterator[None]:
    """A transaction that reads, from beginning to end, what was committed when it began."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        for setting in SESSION:
            cursor.execute(setting)
        yield


def _copied_out(archive: zipfile.ZipFile, table: str) -> Table:
    """Write a table's member. Its columns are those of the database, which may be at older migrations than the code."""
    columns = columns_of(table)
    statement = sql.SQL("COPY {} ({}) TO STDOUT (FORMAT text, ENCODING 'UTF8')").format(
        sql.Identifier(table), names(columns)
    )
    digest, rows = hashlib.sha256(), 0
    with archive.open(f"tables/{table}", "w", force_zip64=True) as member, connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for block in _joined(bytes(part) for part in copy):
                digest.update(block)
                rows += block.count(b"\n")  # one at the end of each row; in a value it is written as \n
                member.write(block)
    return Table(table, columns, rows, digest.hexdigest(), _sequences(table, columns))


def _joined(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in larger parts: PostgreSQL sends each row by itself."""
    held: list[bytes] = []
    size = 0
    for part in parts:
        held.append(part)
        size += len(part)
        if size >= BLOCK:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


def columns_of(table: str) -> list[str]:
    """The columns of a table that can be written, in its order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(quote_ident(%s)) AND attnum > 0 "
            "AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
            [table],
        )
        return [str(name) for (name,) in cursor.fetchall()]


def _sequences(table: str, columns: list[str]) -> list[Sequence]:
    """Where the numbers of a table's columns go on. Never before the rows: numbers are given out outside transactions,
    and these are read after the state was taken."""
    found = []
    with connection.cursor() as cursor:
        for column in columns:
            cursor.execute("SELECT pg_get_serial_sequence(quote_ident(%s), %s)", [table, column])
            (name,) = cursor.fetchone()
            if name is not None:
                cursor.execute(f"SELECT last_value, is_called FROM {name}")  # nosec B608: quoted by PostgreSQL
                last, called = cursor.fetchone()
                found.append(Sequence(column, int(last), bool(called)))
    return found


def _release() -> str:
    """The service's version; from a tree that is not installed, there is none."""
    try:
        return version("haloitsm-remediation")
    except PackageNotFoundError:
        return "unreleased"


def _server_version() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return str(cursor.fetchone()[0])


@contextmanager
def _written_beside(target: Path, force: bool) -> Iterator[IO[bytes]]:
    """A new file (0600) beside the target, which becomes the target at the end of the block and is gone on an error."""
    if os.path.lexists(target) and not stat.S_ISREG(target.lstat().st_mode):
        raise BackupError(f"{target} is no file, but a link, a folder or a device. Choose another name.")
    exists = BackupError(f"{target} exists. Choose another name, or replace it with --force.")
    if target.exists() and not force:
        raise exists
    number, name = tempfile.mkstemp(dir=target.parent, prefix=f"{target.name}.", suffix=".part")  # 0600
    made = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if not force:
            # Whoever has made it in the meantime keeps it. Hard links would do as well, but many shares have none.
            try:
                os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            except FileExistsError:
                raise exists from None
        made.replace(target)
        _sync_folder(target.parent)
    finally:
        made.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """See that the file's new name is on the disk."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
