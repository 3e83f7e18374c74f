"""The SQLite databases of triggers' state: their tables, how they are opened, and what SQLite's errors mean."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from .rows import COLUMNS, sound

LOCK_TIMEOUT = 10.0
# The names in the file are those of version 1.0.0, whose state must stay readable. In the table fact, "baseline" is the
# watermark's sort_key, "floor_id" its newest_old_id and "limit" its horizon. In the table seen, stamp is the sort_key
# and face the content_key. The table hint holds the pending tickets.
#
# Version 1.0.0 can open this file as well. It knows neither notice, which holds what else is known of a pending ticket,
# nor parked. So the database itself empties them: for a ticket that was named again or rechecked, and with the owner.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (
    ticket_id INTEGER PRIMARY KEY, stamp TEXT NOT NULL, status_id INTEGER, face TEXT NOT NULL, action_id INTEGER
);
CREATE INDEX IF NOT EXISTS seen_by_stamp ON seen (stamp);
CREATE TABLE IF NOT EXISTS hint (ticket_id INTEGER PRIMARY KEY, number INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS notice (ticket_id INTEGER PRIMARY KEY, sent TEXT NOT NULL, agent_id INTEGER);
CREATE TRIGGER IF NOT EXISTS hint_named AFTER INSERT ON hint
    BEGIN DELETE FROM notice WHERE ticket_id = NEW.ticket_id; END;
CREATE TRIGGER IF NOT EXISTS hint_gone AFTER DELETE ON hint
    BEGIN DELETE FROM notice WHERE ticket_id = OLD.ticket_id; END;
CREATE TABLE IF NOT EXISTS parked (
    number INTEGER PRIMARY KEY, event_id TEXT NOT NULL UNIQUE, ticket_id INTEGER NOT NULL, outputs TEXT NOT NULL
);
CREATE TRIGGER IF NOT EXISTS owner_gone AFTER DELETE ON fact WHEN OLD.name = 'owner'
    BEGIN DELETE FROM parked; END;
"""


# What using a database raises. SQLite's message may quote a damaged name, and Python then fails to decode the message.
ERRORS = (sqlite3.Error, UnicodeDecodeError)


class Damaged(sqlite3.DatabaseError):
    """A database holds what was never written into it."""


def in_memory() -> sqlite3.Connection:
    """An empty database in memory."""
    database = connected(":memory:")
    _complete(database)
    return database


def on_disk(path: Path, timeout: float) -> sqlite3.Connection:
    """The database in a file, which is made where there is none. All of it is read, and Damaged raised, if it is not
    sound. ``timeout`` is how many seconds it waits for a lock, now and later. Raises ERRORS and OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The file is created before SQLite opens it, so that others can never read it. SQLite's log files inherit its mode.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    os.chmod(path, 0o600)
    database = connected(str(path), timeout)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("PRAGMA journal_size_limit=1048576")
        if database.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
            raise Damaged("the integrity check failed")
        _complete(database)
        for table in COLUMNS:
            if any(sound(table, row) != row for row in all_rows(database, table)):
                raise Damaged("it holds values of another kind")
    except BaseException:
        database.close()
        raise
    return database


def _complete(database: sqlite3.Connection) -> None:
    there = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    if not there >= set(re.findall(r"IF NOT EXISTS (\w+)", _SCHEMA)):
        database.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")


def connected(name: str, timeout: float = LOCK_TIMEOUT) -> sqlite3.Connection:
    """A connection that any thread may use and whose transactions begin and end only when they are told to."""
    return sqlite3.connect(
        name, timeout=timeout, check_same_thread=False, isolation_level=None, uri=name.startswith("file:")
    )


def all_rows(database: sqlite3.Connection, table: str) -> sqlite3.Cursor:
    """The rows of a table of ``COLUMNS``, in the order of their keys."""
    columns = ", ".join(COLUMNS[table])
    return database.execute(f"SELECT {columns} FROM {table} ORDER BY 1")  # nosec B608: names of rows.py


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Commits what is done within; undoes it when that raises."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield database
        database.execute("COMMIT")
    except BaseException:
        # After some errors, for example a full disk, SQLite has already rolled back by itself.
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


# SQLite's error codes for a file that cannot be reached now, as opposed to one that cannot be understood.
_OUT_OF_REACH = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)
# Those of SQLITE_IOERR that are about the content: the medium does not give back what was written to it.
_UNREADABLE = frozenset({sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS})
_MISTAKES = (sqlite3.ProgrammingError, sqlite3.IntegrityError, sqlite3.DataError, sqlite3.NotSupportedError)


def is_damage(error: Exception) -> bool:
    """Whether an error says that the content of a file is damaged, not that the file cannot be reached or written."""
    code = getattr(error, "sqlite_errorcode", 0)
    # The low byte of SQLite's extended error code is the primary code.
    return not isinstance(error, OSError) and (code in _UNREADABLE or code & 0xFF not in _OUT_OF_REACH)


def is_of_storage(error: Exception) -> bool:
    """Whether one of ERRORS comes from the file or the disk, not from what SQLite was asked to do."""
    return isinstance(error, (sqlite3.DatabaseError, UnicodeDecodeError)) and not isinstance(error, _MISTAKES)
