"""What a trigger remembers: SQLite beside the runtime's own files, or in memory where there is no place on disk.

Survives a kill at any moment (write-ahead log, one transaction per fact). Holds ids, times and checksums, no ticket
text and no secret. One object may be shared among threads.
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
# The names in the file are those of version 1.0.0, whose state must stay readable. Of the facts, "baseline" is the
# watermark's sort_key, "floor_id" its newest_old_id, "limit" its horizon. A stamp is a sort_key, a face a content_key,
# and hint holds the pending tickets.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (
    ticket_id INTEGER PRIMARY KEY, stamp TEXT NOT NULL, status_id INTEGER, face TEXT NOT NULL, action_id INTEGER
);
CREATE INDEX IF NOT EXISTS seen_by_stamp ON seen (stamp);
CREATE TABLE IF NOT EXISTS hint (ticket_id INTEGER PRIMARY KEY, number INTEGER NOT NULL);
"""
# A sound database can still hold what is none of ours.
_UNREADABLE = """
SELECT (SELECT count(*) FROM seen WHERE typeof(stamp) != 'text' OR typeof(status_id) NOT IN ('integer', 'null')
        OR typeof(action_id) NOT IN ('integer', 'null') OR NOT json_valid(face) OR json_type(face) != 'object')
     + (SELECT count(*) FROM hint WHERE typeof(number) != 'integer')
     + (SELECT count(*) FROM fact WHERE typeof(value) != 'text'
        OR (name = 'floor_id' AND value GLOB '*[^0-9]*')
        OR (name IN ('baseline', 'cursor', 'limit') AND value GLOB '*[^-0-9T:.]*'))
"""


def state_path(folder: str, trigger_id: str) -> Path:
    """The file of a trigger instance. An id that is no plain word cannot lead out of the folder: its hash is used."""
    plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}", trigger_id)
    name = trigger_id if plain else hashlib.sha256(trigger_id.encode("utf-8", "surrogatepass")).hexdigest()
    return Path(folder) / f"{name}.haloitsm.sqlite3"


def open_store(path: Path | None, owner: str, logger: Any) -> Store:
    """The store in ``path``, or in memory when that is None or cannot be written, which is said.

    ``owner`` names trigger and Halo instance; what another owner has left is forgotten. A file that is no sound store
    is set aside, which is said as well.
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


# What SQLite says of a place that cannot be written, as opposed to a file that cannot be understood.
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
    # The low byte is the kind; the rest tells more about it.
    return isinstance(error, OSError) or getattr(error, "sqlite_errorcode", 0) & 0xFF in _NO_PLACE


def _without_disk(path: Path, owner: str, logger: Any, error: Exception) -> Store:
    logger.warning(
        f"HaloITSM trigger: {path.parent} cannot be written ({type(error).__name__}), so nothing is remembered across "
        "restarts. The plugin needs its cache volume."
    )
    return Store(_memory(), owner, logger)


def _drop_old_wrecks(path: Path) -> None:
    """Keep one damaged file for whoever looks into it; more would fill the volume."""
    for wreck in sorted(path.parent.glob(f"{path.name}.corrupt-*"))[:-1]:
        wreck.unlink(missing_ok=True)


def _memory() -> sqlite3.Connection:
    return _ready(sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None))


def _on_disk(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Made before SQLite opens it, so that it is at no time readable for others; the log files inherit the mode.
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


# Where the face in the file keeps LastSeen.repeats, beside the fields of the ticket.
_REPEATS = "same"


class _Waiting:
    """Tickets that wait to be saved as pending, for the thread that brought them."""

    def __init__(self, ticket_ids: Iterable[int]) -> None:
        self.ticket_ids = list(ticket_ids)
        self.done = False
        self.error: Exception | None = None


class Store:
    """See the module. Made by ``open_store``."""

    def __init__(self, database: sqlite3.Connection, owner: str, logger: Any) -> None:
        self._database = database
        self._logger = logger
        # The receiver's threads save pending tickets while the loop saves too. SQLite runs one transaction at a time,
        # but nobody may come in between where a method reads first and then writes.
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

        When the disk fails, the store goes on in memory rather than end the trigger. What is being saved has been
        delivered, so that forgetting it would deliver it again.
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
            # SQLite itself has already rolled back after some errors, a full disk among them.
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
            # Not even readable: it goes on with nothing remembered, which the warning has said.
            memory = _memory()
        self._database.close()
        self._database = memory

    def _fact(self, name: str) -> str | None:
        row = self._database.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def _set(self, name: str, value: str) -> None:
        self._database.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, value))

    def watermark(self) -> Watermark | None:
        """What is old, None before the first start is done."""
        with self._lock:
            sort_key, floor, horizon = self._fact("baseline"), self._fact("floor_id"), self._fact("limit")
        return None if sort_key is None else Watermark(sort_key, int(floor) if floor else None, horizon or "")

    def cursor(self) -> SortKey:
        """The moment up to which polls are complete, "" before the first."""
        with self._lock:
            return SortKey(self._fact("cursor") or "")

    def begin(self, watermark: Watermark, cursor: str, seen: Iterable[tuple[int, LastSeen]]) -> None:
        """Save the first start, all at once."""

        def work() -> None:
            self._set("baseline", watermark.sort_key)
            self._set("floor_id", "" if watermark.newest_old_id is None else str(watermark.newest_old_id))
            self._set("cursor", cursor)
            self._put(items)

        items = list(seen)
        self._write(work)

    def forget_before(self, sort_key: str) -> None:
        """Count everything up to ``sort_key`` as old, after a pause that was too long to catch up with."""
        self._write(lambda: self._set("limit", sort_key))

    def advance(self, cursor: str, window: str) -> None:
        """Save that polls are complete up to ``cursor``; of too many, forget the oldest before ``window``."""

        def work() -> None:
            self._set("cursor", cursor)
            count = self._database.execute("SELECT count(*) FROM seen").fetchone()[0]
            if count > MOST_SEEN:
                self._prune(count - _KEPT_AFTER_PRUNING, window)

        self._write(work)

    def _prune(self, surplus: int, window: str) -> None:
        """Forget the tickets that have been still for the longest, and count all as old as they are as old.

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
        floor = self._fact("floor_id")
        if floor:
            self._set("floor_id", str(max(int(floor), highest)))

    def seen(self, ticket_id: int) -> LastSeen | None:
        """What was last seen of a ticket."""
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
        """Save what was seen of tickets, all at once."""
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
        """Save that tickets may have changed; on disk when this returns.

        Threads that come while another waits for the disk are saved together by the next write: one sync for many.
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
        # Whatever the error is, each thread learns of the one that its own tickets caused.
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
        """Put a ticket that could not be rechecked behind all others; one named again meanwhile stays in its place."""

        def work() -> None:
            values = (self._next_number(), ticket_id, number)
            self._run("UPDATE hint SET number = ? WHERE ticket_id = ? AND number = ?", values)

        self._write(work)

    def pending(self, most: int = 100) -> list[tuple[int, int]]:
        """The tickets that are pending for the longest: id, and a number that is another when it is named again."""
        with self._lock:
            return self._database.execute(
                "SELECT ticket_id, number FROM hint ORDER BY number LIMIT ?", (most,)
            ).fetchall()

    def drop_pending(self, ticket_id: int, number: int) -> None:
        """Forget a pending ticket that has been rechecked; if it was named again meanwhile, it stays."""
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
