"""Brings a trigger's state from memory back into a file, where another process may have written meanwhile."""

from __future__ import annotations

import hashlib
import sqlite3

from .database import all_rows
from .pending import list_pending, name_again
from .rows import COLUMNS, Row, age

_WATERMARK = ("baseline", "floor_id", "limit")


def fingerprint(database: sqlite3.Connection) -> str:
    """Two databases have the same fingerprint only if they hold the same."""
    digest = hashlib.sha256()
    for table in COLUMNS:
        digest.update(table.encode())
        for row in all_rows(database, table):
            digest.update(repr(row).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def overwrite(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Has ``target`` hold what ``source`` holds. Rows that are the same are not written again."""
    for table, columns in COLUMNS.items():
        kept, there = set(all_rows(source, table)), set(all_rows(target, table))
        keys = {row[0] for row in kept}
        gone = [(row[0],) for row in there if row[0] not in keys]
        target.executemany(f"DELETE FROM {table} WHERE {columns[0]} = ?", gone)  # nosec B608: names of rows.py
        _insert(target, table, sorted(kept - there, key=lambda row: row[0]))


def _insert(target: sqlite3.Connection, table: str, rows: list[Row]) -> None:
    places = ", ".join("?" * len(COLUMNS[table]))
    target.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({places})", rows)  # nosec B608: names of rows.py


def merge(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Adds to ``target`` what ``source`` holds, so that nothing is forgotten that either holds.

    Of each ticket the later state stays. Of watermark and cursor the earlier stays: polls then read some changes again,
    which make no events. What is pending or parked in either stays so. The state of another owner is deleted.
    """
    mine, theirs = dict(all_rows(source, "fact")), dict(all_rows(target, "fact"))
    if not mine:
        return
    if theirs.get("owner") != mine.get("owner"):
        overwrite(source, target)
        return
    _merge_seen(source, target, mine, theirs)
    _insert(target, "fact", list(_merged_facts(mine, theirs).items()))
    name_again(target, list_pending(source))
    parked = [row[1:] for row in all_rows(source, "parked")]
    target.executemany("INSERT OR IGNORE INTO parked (event_id, ticket_id, outputs) VALUES (?, ?, ?)", parked)


def _merged_facts(mine: dict[str, str], theirs: dict[str, str]) -> dict[str, str]:
    facts = {**theirs, **mine}
    for name in ("cursor", "window", "asked_first", "polled", "restored"):
        values = [value for value in (mine.get(name), theirs.get(name)) if value]
        if values:
            facts[name] = min(values)
    # The parts of a watermark belong together.
    earlier = min(
        (each for each in (mine, theirs) if "baseline" in each), key=lambda each: each["baseline"], default=None
    )
    return facts | {name: earlier.get(name, "") for name in _WATERMARK} if earlier else facts


def _merge_seen(
    source: sqlite3.Connection, target: sqlite3.Connection, mine: dict[str, str], theirs: dict[str, str]
) -> None:
    known = {row[0]: row for row in all_rows(target, "seen")}
    # If this state began anew while the file could not even be read, its old tickets made no events. Changes that the
    # file's watermark does not count as old must still make theirs.
    own = mine.get("baseline", "")
    unsaid = own if theirs.get("baseline", own) < own else ""
    rows = [
        row
        for row in all_rows(source, "seen")
        if row != known.get(row[0])
        and (row[0] not in known or age(row) >= age(known[row[0]]))
        and (not unsaid or row[1] > unsaid)
    ]
    _insert(target, "seen", rows)
