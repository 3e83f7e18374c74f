"""Reads into memory what can be read of a state file that cannot be written, or that is damaged."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Iterator, Mapping
from urllib.parse import quote

from .database import ERRORS, all_rows, connected, in_memory, transaction
from .rows import COLUMNS, Row, age, sound

_LOCK_TIMEOUT = 1.0


def read_file(path: Path) -> sqlite3.Connection:
    """A database in memory with all that can be read of the file, which is not changed; empty if nothing can."""
    for way in (_opened_read_only, _opened_as_a_copy, _opened_without_its_log):
        with ExitStack() as closing:
            try:
                source = way(path, closing)
                # What the schema says of one table may be damaged. The others are read nevertheless.
                source.execute("PRAGMA writable_schema=ON")
                source.execute("SELECT count(*) FROM sqlite_master")
            except (*ERRORS, OSError):
                continue
            return read_database(source, {}, {})
    return in_memory()


def _opened_read_only(path: Path, closing: ExitStack) -> sqlite3.Connection:
    """SQLite reads the newest changes from the write-ahead log. It would also rebuild the log's index, which takes
    space on the disk, unless told not to."""
    return _connected(f"file:{quote(str(path))}?mode=ro&readonly_shm=1", closing)


def _opened_as_a_copy(path: Path, closing: ExitStack) -> sqlite3.Connection:
    """The newest changes may be in the write-ahead log only, which SQLite cannot read in a folder without its index."""
    folder = Path(tempfile.mkdtemp())
    closing.callback(shutil.rmtree, folder, ignore_errors=True)
    for ending in ("", "-wal"):
        if Path(f"{path}{ending}").exists():
            shutil.copyfile(f"{path}{ending}", folder / f"state{ending}")
    return _connected(f"file:{quote(str(folder / 'state'))}?mode=rw", closing)


def _opened_without_its_log(path: Path, closing: ExitStack) -> sqlite3.Connection:
    return _connected(f"file:{quote(str(path))}?immutable=1", closing)


def _connected(name: str, closing: ExitStack) -> sqlite3.Connection:
    database = connected(name, _LOCK_TIMEOUT)
    closing.callback(database.close)
    return database


def read_database(
    source: sqlite3.Connection, facts: Mapping[str, str], newest: Mapping[Any, Row]
) -> sqlite3.Connection:
    """A database in memory with all that can be read of ``source``. No error of the source is raised.

    ``facts`` are those last known, ``newest`` the newest rows of the table seen, each under its ticket id. They stand
    in for what cannot be read.
    """
    memory = in_memory()
    with transaction(memory):
        for table, columns in COLUMNS.items():
            read, whole = _rows(source, table)
            rows = {row[0]: row for row in (sound(table, row) for row in read) if row}
            whole = whole and len(rows) == len(read)
            if table == "fact" and not whole:
                rows = _facts({**facts, **dict(rows.values())})
            if table == "seen" and not whole:
                rows = _seen(rows, read, newest, memory)
            places = ", ".join("?" * len(columns))
            memory.executemany(
                f"INSERT OR IGNORE INTO {table} VALUES ({places})", rows.values()
            )  # nosec B608: names of rows.py
            if table == "seen" and not whole:
                _count_as_forgotten(memory)
    return memory


def _rows(source: sqlite3.Connection, table: str) -> tuple[list[Row], bool]:
    """The rows that can be read, sound or not, and whether these are all."""
    try:
        return all_rows(source, table).fetchall(), True
    except ERRORS:
        return list(_one_by_one(source, table)), False


def _one_by_one(source: sqlite3.Connection, table: str) -> Iterator[Row]:
    """The rows on pages that can be read. Their keys are looked up from both ends of the table, up to the damage.

    The index of the table seen holds the keys and times once more, so most rows are found in spite of several damaged
    pages, and of a row on a damaged page at least that it was seen, and when.
    """
    columns = COLUMNS[table]
    there = _read(source, f"SELECT name FROM pragma_table_info('{table}')")  # nosec B608: of rows.py
    chosen = ", ".join(name if (name,) in there else "NULL" for name in columns)
    by_key = f"SELECT {columns[0]} FROM {table} NOT INDEXED ORDER BY 1"  # nosec B608: names of rows.py
    by_stamp = "SELECT ticket_id, stamp FROM seen INDEXED BY seen_by_stamp ORDER BY stamp"
    found: dict[object, Row | None] = {}
    for order in ("ASC", "DESC"):
        found |= {key: None for (key,) in _read(source, f"{by_key} {order}") if key not in found}
        if table == "seen":
            found |= {key: (key, stamp, None, "{}", None) for key, stamp in _read(source, f"{by_stamp} {order}")}
    statement = f"SELECT {chosen} FROM {table} WHERE {columns[0]} = ?"  # nosec B608: names of rows.py
    for key, known in found.items():
        row = next(iter(_read(source, statement, key)), known)
        if row:
            yield row


def _read(source: sqlite3.Connection, statement: str, *values: object) -> list[Row]:
    """The rows up to the first that cannot be read."""
    rows: list[Row] = []
    try:
        for row in source.execute(statement, values):
            rows.append(row)
    except ERRORS:
        pass
    return rows


def _facts(facts: dict[str, str]) -> dict[Any, Row]:
    """Of watermark and cursor, the one that is known serves for the other."""
    known = facts.get("baseline") or facts.get("cursor")
    if known:
        facts = {"baseline": known, "cursor": known, **facts}
    return {name: (name, value) for name, value in facts.items()}


def _seen(
    rows: dict[Any, Row], read: list[Row], newest: Mapping[Any, Row], memory: sqlite3.Connection
) -> dict[Any, Row]:
    """The sound rows, those that are known to be newer, and those of which only the ticket's id is sound.

    The last were seen, at the latest at the cursor.
    """
    cursor = memory.execute("SELECT value FROM fact WHERE name = 'cursor'").fetchone()
    unsound = [row[0] for row in read if isinstance(row[0], int)] if cursor else []
    newer = {key: row for key, row in newest.items() if key not in rows or age(row) >= age(rows[key])}
    return {**{key: (key, cursor[0], None, "{}", None) for key in unsound}, **rows, **newer}


def _count_as_forgotten(memory: sqlite3.Connection) -> None:
    """Moves the watermark up where tickets that were seen are no longer known, as Store.advance does on forgetting.

    Otherwise each of them would look new when it changes next. Only up to ``window``: what changed later may never
    have been seen, so it makes its events, for a second time if need be.
    """
    facts = dict(memory.execute("SELECT name, value FROM fact"))
    window = facts.get("window", "")
    if window <= facts.get("baseline", ""):
        return
    highest = memory.execute("SELECT max(ticket_id) FROM seen WHERE stamp < ?", (window,)).fetchone()[0]
    old_id = facts.get("floor_id")
    facts |= {"baseline": window, "floor_id": str(max(int(old_id), highest)) if old_id and highest else ""}
    memory.executemany("INSERT OR REPLACE INTO fact VALUES (?, ?)", facts.items())
