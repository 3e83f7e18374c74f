"""What a trigger remembers: which tickets it has seen, which are pending, and which events are parked.

It holds ids, times and checksums, no ticket text and no secret. It is in a file (see state_file.py) that survives a
kill at any moment: each change is one transaction in a write-ahead log. One object may be shared among threads.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterable, Mapping

from ..halo.values.sort_key import SortKey
from ..halo.webhook import Notice
from . import pending
from .database import Damaged
from .decide import LastSeen, Watermark
from .pending import Pending
from .rows import COLUMNS, OCCURRED, REPEATS, Row
from .state_file import StateFile

MOST_SEEN = 50_000
_KEPT_AFTER_PRUNING = 40_000
MOST_PARKED = 1_000


def state_path(folder: str, trigger_id: str) -> Path:
    """The file of a trigger instance. An id that is no plain word is hashed: it cannot lead out of the folder."""
    plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}", trigger_id)
    name = trigger_id if plain else hashlib.sha256(trigger_id.encode("utf-8", "surrogatepass")).hexdigest()
    return Path(folder) / f"{name}.haloitsm.sqlite3"


def open_store(path: Path | None, owner: str, logger: Any, clock: Callable[[], float] = time.monotonic) -> Store:
    """The store in the file ``path``. Never raises an error of the disk.

    Where the file cannot be written, the store works in memory, with what can be read of the file and with a warning,
    until it can be. A damaged file is set aside, with a warning, and what can be read of it is kept. With None, the
    store is in memory only.

    ``owner`` names trigger and Halo instance; the state of another owner is deleted. ``clock`` gives seconds that never
    go back.
    """
    if path is None:
        logger.warning("HaloITSM trigger: no trigger ID was given, so nothing is remembered across restarts.")
    return Store(StateFile(path, logger, clock), owner, logger)


@dataclass(frozen=True)
class Parked:
    """An event that the orchestrator has refused for good: what is needed to offer it again, without ticket text."""

    event_id: str
    ticket_id: int
    outputs: Mapping[str, int | list[str]]


class _Waiting:
    """Notices that one thread brought and that wait to be saved."""

    def __init__(self, notices: Iterable[Notice]) -> None:
        self.notices = list(notices)
        self.done = False
        self.error: Exception | None = None


class Store:
    """See the module. Made by ``open_store``. All methods raise sqlite3.Error once it is closed."""

    def __init__(self, state: StateFile, owner: str, logger: Any) -> None:
        self._state = state
        self._logger = logger
        self._waiting: list[_Waiting] = []
        self._waiting_lock = threading.Lock()
        self._saving_lock = threading.Lock()
        self._state.write(lambda database: _belong_to(database, owner))

    def watermark(self) -> Watermark | None:
        """What counts as old; None before the first start is complete."""
        facts = self._state.read(_facts)
        if "baseline" not in facts:
            return None
        old_id = facts.get("floor_id")
        restored = facts.get("restored", "")
        return Watermark(facts["baseline"], int(old_id) if old_id else None, facts.get("limit", ""), restored)

    def cursor(self) -> SortKey:
        """The moment up to which polls are complete; "" before the first poll."""
        return SortKey(self._state.read(_facts).get("cursor", ""))

    def polled_at(self) -> SortKey:
        """When by Halo's clock the last complete poll began; "" before the first, or where that is not known."""
        return SortKey(self._state.read(_facts).get("polled", ""))

    def polled(self, halo_time: str) -> None:
        """Save that a poll which began at this time by Halo's clock is complete."""
        self._state.write(lambda database: _set(database, polled=halo_time))

    def lower_watermark(self, sort_key: str) -> None:
        """Count only what happened at ``sort_key`` or before as old."""
        self._state.write(lambda database: _set(database, baseline=sort_key))

    def found_restored(self, halo_time: str) -> None:
        """Save when Halo was found to be restored from a backup: ids may be used again."""
        self._state.write(lambda database: _set(database, restored=halo_time))

    def asked_first(self, moment: SortKey) -> SortKey:
        """When a trigger that has not completed its first start asked Halo for the first time.

        The first call saves ``moment``, every call returns what is saved. ``begin`` deletes it.
        """

        def work(database: sqlite3.Connection) -> str:
            database.execute("INSERT OR IGNORE INTO fact VALUES ('asked_first', ?)", (moment,))
            return _facts(database)["asked_first"]

        known = self._state.read(_facts).get("asked_first")
        return SortKey(self._state.write(work) if known is None else known)

    def begin(self, watermark: Watermark, cursor: str, seen: Iterable[tuple[int, LastSeen]]) -> None:
        """Save the state after the first start in one transaction."""

        def work(database: sqlite3.Connection) -> None:
            old_id = "" if watermark.newest_old_id is None else str(watermark.newest_old_id)
            _set(database, baseline=watermark.sort_key, floor_id=old_id, cursor=cursor)
            database.execute("DELETE FROM fact WHERE name = 'asked_first'")
            _put(database, rows)

        rows = [_row(*item) for item in seen]
        self._state.write(work, rows)

    def forget_before(self, sort_key: str) -> None:
        """Count everything up to ``sort_key`` as old. For a pause that was too long to catch up with."""
        self._state.write(lambda database: _set(database, limit=sort_key))

    def advance(self, cursor: str, window: str) -> None:
        """Save that polls are complete up to ``cursor``.

        When there are too many tickets, those that have not changed for the longest are forgotten, but none that
        changed at ``window`` or later.
        """

        def work(database: sqlite3.Connection) -> None:
            _set(database, cursor=cursor, window=window)
            # Half a millisecond with 50,000 tickets (measured): SQLite counts in the index.
            count = database.execute("SELECT count(*) FROM seen").fetchone()[0]
            if count > MOST_SEEN:
                _prune(database, count - _KEPT_AFTER_PRUNING, window)

        self._state.write(work)

    def seen(self, ticket_id: int) -> LastSeen | None:
        """What was last seen of a ticket; None when it was never seen or is forgotten."""

        def work(database: sqlite3.Connection) -> LastSeen | None:
            row = database.execute(
                "SELECT stamp, status_id, face, action_id FROM seen WHERE ticket_id = ?", (ticket_id,)
            ).fetchone()
            return None if row is None else _last_seen(*row)

        return self._state.read(work)

    def save(self, items: Iterable[tuple[int, LastSeen]]) -> None:
        """Save what was seen of tickets in one transaction."""
        rows = [_row(*item) for item in items]
        self._state.write(lambda database: _put(database, rows), rows)

    def park(self, parked: Parked, seen: LastSeen) -> None:
        """Save an event to be offered again, and what was seen of its ticket, in one transaction.

        The newest 1,000 events are kept. What is dropped is logged.
        """

        def work(database: sqlite3.Connection) -> list[str]:
            values = (parked.event_id, parked.ticket_id, json.dumps(dict(parked.outputs)))
            database.execute("INSERT OR IGNORE INTO parked (event_id, ticket_id, outputs) VALUES (?, ?, ?)", values)
            _put(database, rows)
            surplus = "SELECT event_id FROM parked ORDER BY number DESC LIMIT -1 OFFSET ?"
            dropped = database.execute(surplus, (MOST_PARKED,)).fetchall()
            database.executemany("DELETE FROM parked WHERE event_id = ?", dropped)
            return [event_id for (event_id,) in dropped]

        rows = [_row(parked.ticket_id, seen)]
        for event_id in self._state.write(work, rows):
            self._logger.warning(
                f"HaloITSM trigger: event {event_id} is given up: more than {MOST_PARKED} events were refused."
            )

    def parked(self) -> list[Parked]:
        """The parked events, oldest first."""
        return self._state.read(_parked)

    def unpark(self, event_id: str) -> None:
        """Forget a parked event that needs no more attempts."""
        self._state.write(lambda database: _run(database, "DELETE FROM parked WHERE event_id = ?", event_id))

    def add_pending(self, notices: Iterable[Notice]) -> None:
        """Save that tickets may have changed. They are on disk when this returns, if the disk works.

        While one thread waits for the disk, the notices of other threads are collected. The next write saves them all
        with a single sync.
        """
        mine = _Waiting(notices)
        with self._waiting_lock:
            self._waiting.append(mine)
        with self._saving_lock:
            if not mine.done:
                with self._waiting_lock:
                    batch, self._waiting = self._waiting, []
                self._save_batch(batch)
        if mine.error is not None:
            raise mine.error

    def _save_batch(self, batch: list[_Waiting]) -> None:
        notices = [notice for one in batch for notice in one.notices]
        try:
            if notices:
                self._state.write(lambda database: pending.name_again(database, notices))
        # When a batch fails, its parts are saved one by one. So each thread gets only the error of its own tickets.
        except Exception as error:  # pylint: disable=broad-exception-caught
            for one in batch if len(batch) > 1 else []:
                self._save_batch([one])
            if len(batch) == 1:
                batch[0].error = error
        for one in batch:
            one.done = True

    def pending(self, most: int = 100) -> list[Pending]:
        """The tickets that have been pending for the longest, at most so many."""
        return self._state.read(lambda database: pending.list_pending(database, most))

    def postpone_pending(self, ticket_id: int, number: int) -> None:
        """Move a ticket that could not be rechecked behind all others.

        ``number`` is from ``pending``. A ticket that was named again since then keeps its place.
        """
        self._state.write(lambda database: pending.postpone(database, ticket_id, number))

    def drop_pending(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Remove tickets that have been rechecked, each as its id and number, in one transaction.

        A ticket that was named again since its number was read stays pending.
        """
        listed = list(pairs)
        self._state.write(lambda database: pending.drop(database, listed))

    def close(self) -> None:
        """Close the file."""
        self._state.close()


def _belong_to(database: sqlite3.Connection, owner: str) -> None:
    if _facts(database).get("owner") != owner:
        for table in COLUMNS:
            database.execute(f"DELETE FROM {table}")  # nosec B608: names of rows.py
        _set(database, owner=owner)


def _facts(database: sqlite3.Connection) -> dict[str, str]:
    return dict(database.execute("SELECT name, value FROM fact"))


def _set(database: sqlite3.Connection, **facts: str) -> None:
    database.executemany("INSERT OR REPLACE INTO fact VALUES (?, ?)", facts.items())


def _run(database: sqlite3.Connection, statement: str, *values: Any) -> None:
    database.execute(statement, values)


def _row(ticket_id: int, item: LastSeen) -> Row:
    """The row of the table seen."""
    occurred = {} if item.occurred is None else {OCCURRED: item.occurred}
    face = {**item.content_key, **occurred, **({REPEATS: item.repeats} if item.repeats else {})}
    return ticket_id, item.sort_key, item.status_id, json.dumps(face), item.action_id


def _put(database: sqlite3.Connection, rows: list[Row]) -> None:
    database.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?)", rows)


def _last_seen(stamp: str, status_id: int | None, face: str, action_id: int | None) -> LastSeen:
    try:
        content = json.loads(face)
        repeats, occurred = content.pop(REPEATS, 0), content.pop(OCCURRED, None)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise Damaged("it holds values of another kind") from None
    return LastSeen(stamp, status_id, content, action_id, repeats, occurred)


def _parked(database: sqlite3.Connection) -> list[Parked]:
    rows = database.execute("SELECT event_id, ticket_id, outputs FROM parked ORDER BY number").fetchall()
    try:
        return [Parked(event_id, ticket_id, json.loads(outputs)) for event_id, ticket_id, outputs in rows]
    except (ValueError, TypeError, RecursionError):
        raise Damaged("it holds values of another kind") from None


def _prune(database: sqlite3.Connection, surplus: int, window: str) -> None:
    """Forget the tickets that have not changed for the longest, and move the watermark up to the newest of them.

    Otherwise a forgotten ticket that a webhook names again would look new.
    """
    chosen = "SELECT ticket_id FROM seen WHERE stamp < ? ORDER BY stamp LIMIT ?"
    newest, highest = database.execute(
        f"SELECT max(stamp), max(ticket_id) FROM seen WHERE ticket_id IN ({chosen})",  # nosec B608: a constant
        (window, surplus),
    ).fetchone()
    if newest is None:
        return
    database.execute(f"DELETE FROM seen WHERE ticket_id IN ({chosen})", (window, surplus))  # nosec B608: a constant
    facts = _facts(database)
    _set(database, baseline=max(newest, facts.get("baseline", "")))
    if facts.get("floor_id"):
        _set(database, floor_id=str(max(int(facts["floor_id"]), highest)))
