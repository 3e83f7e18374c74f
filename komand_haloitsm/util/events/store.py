"""What a trigger remembers, in an SQLite file beside the runtime's own files; in memory where no file can be written.

The file survives a kill at any moment (write-ahead log, one transaction per change). It holds ids, times and checksums,
no ticket text and no secret. One object may be shared among threads.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterable

from ..halo.values.sort_key import SortKey
from .decide import LastSeen, Watermark

MOST_SEEN = 50_000
_KEPT_AFTER_PRUNING = 40_000
# The names in the file are those of version 1.0.0, whose state must stay readable. In the table fact, "baseline" is the
# watermark's sort_key, "floor_id" its newest_old_id and "limit" its horizon. In the table seen, stamp is the sort_key
# and face the content_key. The table hint holds the pending tickets.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (
    ticket_id INTEGER PRIMARY KEY, stamp TEXT NOT NULL, status_id INTEGER, face TEXT NOT NULL, action_id INTEGER
);
CREATE INDEX IF NOT EXISTS seen_by_stamp ON seen (stamp);
CREATE TABLE IF NOT EXISTS hint (ticket_id INTEGER PRIMARY KEY, number INTEGER NOT NULL);
"""
# Counts values that this store never writes. A database can pass SQLite's integrity check and still have such values.
_UNREADABLE = """
SELECT (SELECT count(*) FROM seen WHERE typeof(stamp) != 'text' OR typeof(status_id) NOT IN ('integer', 'null')
        OR typeof(action_id) NOT IN ('integer', 'null') OR NOT json_valid(face) OR json_type(face) != 'object')
     + (SELECT count(*) FROM hint WHERE typeof(number) != 'integer')
     + (SELECT count(*) FROM fact WHERE typeof(value) != 'text'
        OR (name = 'floor_id' AND value GLOB '*[^0-9]*')
        OR (name IN ('baseline', 'cursor', 'limit') AND value GLOB '*[^-0-9T:.]*'))
"""


def state_path(folder: str, trigger_id: str) -> Path:
    """The file of a trigger instance. An id that is no plain word is hashed: it cannot lead out of the folder."""
    plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}", trigger_id)
    name = trigger_id if plain else hashlib.sha256(trigger_id.encode("utf-8", "surrogatepass")).hexdigest()
    return Path(folder) / f"{name}.haloitsm.sqlite3"


def open_store(path: Path | None, owner: str, logger: Any) -> Store:
    """The store in the file ``path``; a store in memory, with a warning, when that is None or cannot be written.

    ``owner`` names trigger and Halo instance; the state of another owner is deleted. A damaged file is renamed, with a
    warning, and the store starts empty.
    """
    if path is None:
        logger.warning("HaloITSM trigger: no trigger ID was given, so nothing is remembered across restarts.")
        return Store(_memory(), owner, logger)
    try:
        return Store(_on_disk(path), owner, logger)
    except (sqlite3.Error, OSError, ValueError) as error:
        if _is_no_damage(error):
            return _without_disk(path, owner, logger, error)
    aside = path.with_name(f"{path.name}.corrupt-{time.time_ns()}")
    logger.warning(f"HaloITSM trigger: the state file is damaged, it is set aside as {aside.name}; starting anew.")
    try:
        path.replace(aside)
        for ending in ("-wal", "-shm"):
            Path(f"{path}{ending}").unlink(missing_ok=True)
        _drop_old_wrecks(path)
        return Store(_on_disk(path), owner, logger)
    except (sqlite3.Error, OSError, ValueError) as error:
        return _without_disk(path, owner, logger, error)


# SQLite's error codes for a file that cannot be written, as opposed to one that cannot be understood.
_NO_PLACE = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    }
)


def _is_no_damage(error: Exception) -> bool:
    # The low byte of SQLite's extended error code is the primary code.
    return isinstance(error, OSError) or getattr(error, "sqlite_errorcode", 0) & 0xFF in _NO_PLACE


def _without_disk(path: Path, owner: str, logger: Any, error: Exception) -> Store:
    logger.warning(
        f"HaloITSM trigger: {path.parent} cannot be written ({type(error).__name__}), so nothing is remembered across "
        "restarts. The plugin needs its cache volume."
    )
    return Store(_memory(), owner, logger)


def _drop_old_wrecks(path: Path) -> None:
    """Keep only the newest damaged file, for whoever investigates it: more of them would fill the volume."""
    for wreck in sorted(path.parent.glob(f"{path.name}.corrupt-*"))[:-1]:
        wreck.unlink(missing_ok=True)


def _memory() -> sqlite3.Connection:
    return _ready(sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None))


def _on_disk(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    # The file is created before SQLite opens it, so that others can never read it. SQLite's log files inherit its mode.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    os.chmod(path, 0o600)
    database = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
    try:
        return _ready(database)
    except sqlite3.Error:
        database.close()
        raise


def _ready(database: sqlite3.Connection) -> sqlite3.Connection:
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("PRAGMA journal_size_limit=1048576")
    if database.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
        raise sqlite3.DatabaseError("the integrity check failed")
    database.executescript(_SCHEMA)
    if database.execute(_UNREADABLE).fetchone()[0]:
        raise sqlite3.DatabaseError("it holds values of another kind")
    return database


# The key of LastSeen.repeats in the column face, beside the fields of the ticket.
_REPEATS = "same"


class _Waiting:
    """Ticket ids that one thread brought and that wait to be saved as pending."""

    def __init__(self, ticket_ids: Iterable[int]) -> None:
        self.ticket_ids = list(ticket_ids)
        self.done = False
        self.error: Exception | None = None


class Store:
    """See the module. Made by ``open_store``."""

    def __init__(self, database: sqlite3.Connection, owner: str, logger: Any) -> None:
        self._database = database
        self._logger = logger
        # The receiver's threads save pending tickets while the loop saves too. SQLite runs one transaction at a time.
        # The lock also keeps other threads out between a method's read and its write.
        self._lock = threading.RLock()
        self._waiting: list[_Waiting] = []
        self._waiting_lock = threading.Lock()
        self._write(lambda: self._belong_to(owner))

    def _belong_to(self, owner: str) -> None:
        if self._fact("owner") != owner:
            for table in ("fact", "seen", "hint"):
                self._database.execute(f"DELETE FROM {table}")  # nosec B608: names from the line above
            self._set("owner", owner)

    def _write(self, work: Callable[[], None]) -> None:
        """Do ``work`` in a transaction.

        When the disk fails, the store goes on in memory and the trigger goes on too. ``work`` is done there as well,
        because it may save that an event was delivered: without it, the event would be delivered again.
        """
        with self._lock:
            try:
                self._transaction(work)
            except sqlite3.OperationalError as error:
                self._leave_disk(error)
                self._transaction(work)

    def _transaction(self, work: Callable[[], None]) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            work()
            self._database.execute("COMMIT")
        except BaseException:
            # After some errors, for example a full disk, SQLite has already rolled back by itself.
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def _leave_disk(self, error: sqlite3.Error) -> None:
        self._logger.warning(
            f"HaloITSM trigger: its state cannot be written any more ({type(error).__name__}): what it sees from now "
            "on is not remembered across a restart. Check the plugin's cache volume."
        )
        memory = _memory()
        try:
            self._database.backup(memory)
        except sqlite3.Error:
            # The file cannot even be read, so the store goes on empty.
            memory = _memory()
        self._database.close()
        self._database = memory

    def _fact(self, name: str) -> str | None:
        row = self._database.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def _set(self, name: str, value: str) -> None:
        self._database.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, value))

    def watermark(self) -> Watermark | None:
        """What counts as old; None before the first start is complete."""
        with self._lock:
            sort_key, old_id, horizon = self._fact("baseline"), self._fact("floor_id"), self._fact("limit")
        return None if sort_key is None else Watermark(sort_key, int(old_id) if old_id else None, horizon or "")

    def cursor(self) -> SortKey:
        """The moment up to which polls are complete; "" before the first poll."""
        with self._lock:
            return SortKey(self._fact("cursor") or "")

    def begin(self, watermark: Watermark, cursor: str, seen: Iterable[tuple[int, LastSeen]]) -> None:
        """Save the state after the first start in one transaction."""

        def work() -> None:
            self._set("baseline", watermark.sort_key)
            self._set("floor_id", "" if watermark.newest_old_id is None else str(watermark.newest_old_id))
            self._set("cursor", cursor)
            self._put(items)

        items = list(seen)
        self._write(work)

    def forget_before(self, sort_key: str) -> None:
        """Count everything up to ``sort_key`` as old. For a pause that was too long to catch up with."""
        self._write(lambda: self._set("limit", sort_key))

    def advance(self, cursor: str, window: str) -> None:
        """Save that polls are complete up to ``cursor``.

        When there are too many tickets, those that have not changed for the longest are forgotten, but none that
        changed at ``window`` or later.
        """

        def work() -> None:
            self._set("cursor", cursor)
            count = self._database.execute("SELECT count(*) FROM seen").fetchone()[0]
            if count > MOST_SEEN:
                self._prune(count - _KEPT_AFTER_PRUNING, window)

        self._write(work)

    def _prune(self, surplus: int, window: str) -> None:
        """Forget the tickets that have not changed for the longest, and move the watermark up to the newest of them.

        Otherwise a forgotten ticket that a webhook names again would look new.
        """
        chosen = "SELECT ticket_id FROM seen WHERE stamp < ? ORDER BY stamp LIMIT ?"
        newest, highest = self._database.execute(
            f"SELECT max(stamp), max(ticket_id) FROM seen WHERE ticket_id IN ({chosen})",  # nosec B608: a constant
            (window, surplus),
        ).fetchone()
        if newest is None:
            return
        self._database.execute(
            f"DELETE FROM seen WHERE ticket_id IN ({chosen})", (window, surplus)  # nosec B608: a constant
        )
        self._set("baseline", max(newest, self._fact("baseline") or ""))
        old_id = self._fact("floor_id")
        if old_id:
            self._set("floor_id", str(max(int(old_id), highest)))

    def seen(self, ticket_id: int) -> LastSeen | None:
        """What was last seen of a ticket; None when it was never seen or is forgotten."""
        with self._lock:
            row = self._database.execute(
                "SELECT stamp, status_id, face, action_id FROM seen WHERE ticket_id = ?", (ticket_id,)
            ).fetchone()
        if row is None:
            return None
        face = json.loads(row[2])
        repeats = face.pop(_REPEATS, 0)
        return LastSeen(row[0], row[1], face, row[3], repeats)

    def save(self, items: Iterable[tuple[int, LastSeen]]) -> None:
        """Save what was seen of tickets in one transaction."""
        listed = list(items)
        self._write(lambda: self._put(listed))

    def _put(self, items: Iterable[tuple[int, LastSeen]]) -> None:
        self._database.executemany(
            "INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?)",
            [
                (number, item.sort_key, item.status_id, json.dumps(_face(item)), item.action_id)
                for number, item in items
            ],
        )

    def add_pending(self, ticket_ids: Iterable[int]) -> None:
        """Save that tickets may have changed. They are on disk when this returns.

        While one thread waits for the disk, the tickets of other threads are collected. The next write saves them all
        with a single sync.
        """
        mine = _Waiting(ticket_ids)
        with self._waiting_lock:
            self._waiting.append(mine)
        with self._lock:
            if not mine.done:
                with self._waiting_lock:
                    batch, self._waiting = self._waiting, []
                self._save_batch(batch)
        if mine.error is not None:
            raise mine.error

    def _save_batch(self, batch: list[_Waiting]) -> None:
        try:
            self._save_pending(batch)
        # When a batch fails, its parts are saved one by one. So each thread gets only the error of its own tickets.
        except Exception as error:  # pylint: disable=broad-exception-caught
            for one in batch if len(batch) > 1 else []:
                self._save_batch([one])
            if len(batch) == 1:
                batch[0].error = error
        for one in batch:
            one.done = True

    def _save_pending(self, batch: list[_Waiting]) -> None:
        ticket_ids = list(dict.fromkeys(ticket_id for one in batch for ticket_id in one.ticket_ids))

        def work() -> None:
            number = self._next_number()
            pairs = [(ticket_id, number + place) for place, ticket_id in enumerate(ticket_ids)]
            self._database.executemany("INSERT OR REPLACE INTO hint VALUES (?, ?)", pairs)

        if ticket_ids:
            self._write(work)

    def _next_number(self) -> int:
        return int(self._database.execute("SELECT coalesce(max(number), 0) + 1 FROM hint").fetchone()[0])

    def postpone_pending(self, ticket_id: int, number: int) -> None:
        """Move a ticket that could not be rechecked behind all others.

        ``number`` is from ``pending``. A ticket that was named again since then keeps its place.
        """

        def work() -> None:
            values = (self._next_number(), ticket_id, number)
            self._run("UPDATE hint SET number = ? WHERE ticket_id = ? AND number = ?", values)

        self._write(work)

    def pending(self, most: int = 100) -> list[tuple[int, int]]:
        """The tickets that have been pending for the longest, each as its id and a number.

        A ticket that is named again while it is pending gets another number.
        """
        with self._lock:
            return self._database.execute(
                "SELECT ticket_id, number FROM hint ORDER BY number LIMIT ?", (most,)
            ).fetchall()

    def drop_pending(self, ticket_id: int, number: int) -> None:
        """Remove a ticket that has been rechecked. If it was named again meanwhile, it stays pending."""
        mine = (ticket_id, number)
        self._write(lambda: self._run("DELETE FROM hint WHERE ticket_id = ? AND number = ?", mine))

    def _run(self, statement: str, values: tuple[Any, ...]) -> None:
        self._database.execute(statement, values)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()


def _face(item: LastSeen) -> dict[str, int]:
    return {**item.content_key, _REPEATS: item.repeats} if item.repeats else dict(item.content_key)
