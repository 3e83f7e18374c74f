"""Replaces a damaged state file by a new one that has all that could be read.

The damaged file is kept under a name of its own, for whoever investigates it.
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from .database import LOCK_TIMEOUT, on_disk, transaction
from .merge import overwrite
from .rescue import read_file


def set_aside(path: Path) -> Path:
    """Returns the new name of the damaged file. Raises ERRORS of database.py and OSError; the file is then untouched.

    The new file is complete before it takes its place, so that a kill in between loses nothing.
    """
    now = time.time_ns()
    new, aside = path.with_name(f"{path.name}.new-{now}"), path.with_name(f"{path.name}.corrupt-{now}")
    _delete(path, "new")
    try:
        _write(new, path)
        _link(path, aside)
        # SQLite would apply the old log to the new file.
        for ending in ("-wal", "-shm"):
            Path(f"{path}{ending}").unlink(missing_ok=True)
        new.replace(path)
    finally:
        _delete(path, "new")
    _delete(path, "corrupt", but_not=aside)
    return aside


def _write(new: Path, damaged: Path) -> None:
    readable = read_file(damaged)
    database = on_disk(new, LOCK_TIMEOUT)
    try:
        with transaction(database):
            overwrite(readable, database)
        # Moves everything from the log into the file itself. Only that is renamed.
        if database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            raise sqlite3.OperationalError("the new file cannot be completed")
    finally:
        database.close()
        readable.close()


def _link(path: Path, aside: Path) -> None:
    try:
        os.link(path, aside)
    except OSError:
        # Some file systems have no links. The file is renamed then, and missing until the new one takes its place.
        path.replace(aside)
    os.chmod(aside, 0o600)


def _delete(path: Path, kind: str, but_not: Path | None = None) -> None:
    """More than one damaged or unfinished file would fill the volume."""
    for file in path.parent.glob(f"{path.name}.{kind}-*"):
        if file != but_not:
            file.unlink(missing_ok=True)
