"""What a trigger remembers: SQLite beside the runtime's own files, or in memory where there is no place on disk.

Survives a kill at any moment (write-ahead log, one transaction per fact). Holds ids, times and checksums: no ticket text
and no secret. One object may be shared among threads.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterable, Iterator

from .decide import Baseline, Seen

MOST_SEEN = 50_000
_KEPT_AFTER_PRUNING = 40_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (
    ticket_id INTEGER PRIMARY KEY, stamp TEXT NOT NULL, status_id INTEGER, face TEXT NOT NULL, action_id INTEGER
);
CREATE INDEX IF NOT EXISTS seen_by_stamp ON seen (stamp);
CREATE TABLE IF NOT EXISTS hint (ticket_id INTEGER PRIMARY KEY, number INTEGER NOT NULL);
"""


def state_path(folder: str, trigger_id: str) -> Path:
    """The file of a trigger instance. An id that is no plain word cannot lead out of the folder: its hash is used."""
    plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}", trigger_id)
    name = trigger_id if plain else hashlib.sha256(trigger_id.encode("utf-8", "surrogatepass")).hexdigest()
    return Path(folder) / f"{name}.haloitsm.sqlite3"


def open_store(path: Path | None, owner: str, logger: Any) -> Store:
    """The store in ``path``, or in memory when that is None or cannot be written, which is said.

    ``owner`` names trigger and Halo instance; what another owner has left is forgotten. A file that is no sound database
    is set aside, which is said as well.
    """
    if path is None:
        logger.warning("HaloITSM trigger: no trigger ID was given, so nothing is remembered across restarts.")
        return Store(_memory(), owner, logger)
    try:
        return Store(_on_disk(path), owner, logger)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            return _without_disk(path, owner, logger, error)
    except OSError as error:
        return _without_disk(path, owner, logger, error)
    aside = path.with_name(f"{path.name}.corrupt-{time.time_ns()}")
    logger.warning(f"HaloITSM trigger: the state file is damaged, it is set aside as {aside.name}; starting anew.")
    try:
        path.replace(aside)
        for ending in ("-wal", "-shm"):
            Path(f"{path}{ending}").unlink(missing_ok=True)
        _drop_old_wrecks(path)
        return Store(_on_disk(path), owner, logger)
    except (OSError, sqlite3.Error) as error:
        return _without_disk(path, owner, logger, error)


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
    if database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        raise sqlite3.DatabaseError("quick_check failed")
    database.executescript(_SCHEMA)
    return database


class Store:
    """See the module. Made by ``open_store``."""

    def __init__(self, database: sqlite3.Connection, owner: str, logger: Any) -> None:
        self._database = database
        self._logger = logger
        # A hint may come while the loop saves: SQLite would serialise them, but not the two statements of one thought.
        self._lock = threading.RLock()
        self._waiting: list[int] = []
        self._waiting_lock = threading.Lock()
        with self._transaction():
            if self._fact("owner") != owner:
                for table in ("fact", "seen", "hint"):
                    self._database.execute(f"DELETE FROM {table}")  # nosec B608: names from the line above
                self._set("owner", owner)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._database.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                self._leave_disk(error)
                self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._commit()

    def _commit(self) -> None:
        try:
            self._database.execute("COMMIT")
        except sqlite3.OperationalError as error:
            # A full disk: what was just done is done, so it goes on in memory rather than be forgotten and repeated.
            self._leave_disk(error)

    def _leave_disk(self, error: sqlite3.Error) -> None:
        self._logger.warning(
            f"HaloITSM trigger: its state cannot be written any more ({type(error).__name__}): what is seen from now on "
            "is not remembered across a restart. Check the plugin's cache volume."
        )
        memory = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._database.backup(memory)
        self._database.close()
        self._database = memory

    def _fact(self, name: str) -> str | None:
        row = self._database.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def _set(self, name: str, value: str) -> None:
        self._database.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, value))

    def baseline(self) -> Baseline | None:
        """What is old, None before the first start is done."""
        with self._lock:
            stamp, floor = self._fact("baseline"), self._fact("floor_id")
        return None if stamp is None else Baseline(stamp, int(floor) if floor else None)

    def cursor(self) -> str:
        """The stamp up to which polls are complete, "" before the first."""
        with self._lock:
            return self._fact("cursor") or ""

    def begin(self, baseline: Baseline, cursor: str, seen: Iterable[tuple[int, Seen]]) -> None:
        """Save the first start, or a new one after a long pause: all at once."""
        with self._transaction():
            self._set("baseline", baseline.stamp)
            self._set("floor_id", "" if baseline.floor_id is None else str(baseline.floor_id))
            self._set("cursor", cursor)
            for ticket_id, item in seen:
                self._put(ticket_id, item)

    def advance(self, cursor: str, window: str) -> None:
        """Save that polls are complete up to ``cursor``; forget the oldest when there are too many before ``window``."""
        with self._transaction():
            self._set("cursor", cursor)
            count = self._database.execute("SELECT count(*) FROM seen").fetchone()[0]
            if count > MOST_SEEN:
                self._prune(count - _KEPT_AFTER_PRUNING, window)

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

    def seen(self, ticket_id: int) -> Seen | None:
        """What was last seen of a ticket."""
        with self._lock:
            row = self._database.execute(
                "SELECT stamp, status_id, face, action_id FROM seen WHERE ticket_id = ?", (ticket_id,)
            ).fetchone()
        return Seen(row[0], row[1], json.loads(row[2]), row[3]) if row else None

    def save(self, items: Iterable[tuple[int, Seen]]) -> None:
        """Save what was seen of tickets, all at once."""
        with self._transaction():
            for ticket_id, item in items:
                self._put(ticket_id, item)

    def _put(self, ticket_id: int, item: Seen) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?)",
            (ticket_id, item.stamp, item.status_id, json.dumps(dict(item.face)), item.action_id),
        )

    def hint(self, ticket_ids: Iterable[int]) -> None:
        """Save that tickets may have changed; on disk when this returns.

        Whoever comes while another waits for the disk is saved along with the next one: one sync for many.
        """
        with self._waiting_lock:
            self._waiting.extend(ticket_ids)
        with self._lock:
            with self._waiting_lock:
                batch, self._waiting = self._waiting, []
            try:
                self._save_hints(dict.fromkeys(batch))
            except BaseException:
                # The others who wait find theirs still to be done, and fail or succeed by themselves.
                with self._waiting_lock:
                    self._waiting[:0] = batch
                raise

    def _save_hints(self, ticket_ids: Iterable[int]) -> None:
        rows = list(ticket_ids)
        if not rows:
            return
        with self._transaction() as database:
            number = database.execute("SELECT coalesce(max(number), 0) FROM hint").fetchone()[0]
            pairs = [(ticket_id, number + place) for place, ticket_id in enumerate(rows, start=1)]
            database.executemany("INSERT OR REPLACE INTO hint VALUES (?, ?)", pairs)

    def hints(self, most: int = 100) -> list[tuple[int, int]]:
        """The oldest hints: ticket id, and the number that tells it from a later hint for the same ticket."""
        with self._lock:
            return self._database.execute(
                "SELECT ticket_id, number FROM hint ORDER BY number LIMIT ?", (most,)
            ).fetchall()

    def drop_hint(self, ticket_id: int, number: int) -> None:
        """Forget a hint that has been followed; one that came meanwhile stays."""
        with self._transaction():
            self._database.execute("DELETE FROM hint WHERE ticket_id = ? AND number = ?", (ticket_id, number))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()
