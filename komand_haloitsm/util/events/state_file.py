"""The database of a trigger's state: in its file while that works, else in memory until the file works again.

No error of the disk ends a trigger. What was known stays known, what happens meanwhile is written to the file later.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path
from typing import Any, Callable, Iterable, TypeVar

from .database import ERRORS, LOCK_TIMEOUT, in_memory, is_damage, is_of_storage, on_disk, transaction
from .merge import fingerprint, merge, overwrite
from .rescue import read_database, read_file
from .rows import Row
from .set_aside import set_aside

Result = TypeVar("Result")
Work = Callable[[sqlite3.Connection], Result]

_SECONDS_BETWEEN_TRIES = 30.0
# While one tries, all threads of the trigger wait.
_LOCK_TIMEOUT_OF_A_TRY = 1.0
# More tickets than change in the two minutes that polls read again.
_NEWEST = 1_000


class StateFile:
    """Runs work on the database, one at a time, from any thread.

    ``path`` is None for a state that is only in memory. ``clock`` gives seconds that never go back.
    """

    def __init__(self, path: Path | None, logger: Any, clock: Callable[[], float]) -> None:
        self._path = path
        self._logger = logger
        self._clock = clock
        # Also keeps other threads out between the read and the write of one piece of work.
        self._lock = threading.RLock()
        self._database = in_memory()
        # The fingerprint of what the file held when it was copied into memory; None at the start.
        self._copied: str | None = None
        # Device and inode of the open file; None in memory.
        self._place: tuple[int, int] | None = None
        self._next_try = clock()
        # The table fact as last read, and the newest rows of the table seen, for when they can be read no more.
        self._facts: dict[str, str] = {}
        self._newest: dict[Any, Row] = {}
        if path is not None:
            self._start(path)

    def _start(self, path: Path) -> None:
        error = self._enter(path, LOCK_TIMEOUT)
        if error is None:
            return
        self._database = read_file(path)
        self._copied = fingerprint(self._database)
        self._next_try = self._clock() + _SECONDS_BETWEEN_TRIES
        self._warn_of_memory(path, error)

    def read(self, work: Work[Result]) -> Result:
        """The result of ``work``, which changes nothing."""
        with self._lock:
            return self._carried_out(work)

    def write(self, work: Work[Result], seen: Iterable[Row] = ()) -> Result:
        """The result of ``work``, done in a transaction. ``seen`` are the rows that it puts into the table seen.

        It is done again where the disk fails, because it may save that an event was delivered: without it, the event
        would be delivered again.
        """
        with self._lock:
            self._try_to_return()
            if self._has_moved():
                self._leave(None)
            result = self._carried_out(lambda database: self._committed(database, work))
            for row in seen:
                self._newest.pop(row[0], None)
                self._newest[row[0]] = row
            while len(self._newest) > _NEWEST:
                del self._newest[next(iter(self._newest))]
            return result

    def _carried_out(self, work: Work[Result]) -> Result:
        while True:
            try:
                return work(self._database)
            except ERRORS as error:
                # In memory no error is one of the disk.
                if self._place is None or not is_of_storage(error):
                    raise
                self._leave(error)

    def _committed(self, database: sqlite3.Connection, work: Work[Result]) -> Result:
        with transaction(database):
            result = work(database)
        self._note_facts()
        return result

    def _note_facts(self) -> None:
        try:
            self._facts = dict(self._database.execute("SELECT name, value FROM fact"))
        except ERRORS:
            # It is committed already. The next piece of work finds the error.
            pass

    def _has_moved(self) -> bool:
        """Whether the open file is no longer the one at the path: deleted, or replaced by another process."""
        return self._path is not None and self._place not in (None, _place(self._path))

    def _leave(self, error: Exception | None) -> None:
        """Go on in memory, with all that can be read. ``error`` is None where the file has moved."""
        if self._path is None:
            return
        readable = read_database(self._database, self._facts, self._newest)
        _close(self._database)
        self._database, self._place = readable, None
        self._copied = fingerprint(readable)
        if error is None or is_damage(error):
            self._try_to_return()
        else:
            self._next_try = self._clock() + _SECONDS_BETWEEN_TRIES
        if self._place is None:
            self._warn_of_memory(self._path, error or FileNotFoundError())

    def _try_to_return(self) -> None:
        if self._path is None or self._place is not None or self._clock() < self._next_try:
            return
        if self._enter(self._path, _LOCK_TIMEOUT_OF_A_TRY) is None:
            self._logger.info(f"HaloITSM trigger: its state is written to {self._path.name} again.")
        self._next_try = self._clock() + _SECONDS_BETWEEN_TRIES

    def _enter(self, path: Path, timeout: float) -> Exception | None:
        """Write to the file what memory holds, and go on there. Returns the error that prevents it."""
        try:
            database = self._opened(path, timeout)
            try:
                with transaction(database):
                    unchanged = self._copied is not None and self._copied == fingerprint(database)
                    (overwrite if unchanged else merge)(self._database, database)
                self._place = _place(path)
            except BaseException:
                database.close()
                raise
        except (*ERRORS, OSError) as error:
            return error
        self._database.close()
        self._database = database
        self._note_facts()
        return None

    def _opened(self, path: Path, timeout: float) -> sqlite3.Connection:
        try:
            return on_disk(path, timeout)
        except ERRORS as error:
            if not is_damage(error):
                raise
        aside = set_aside(path)
        self._logger.warning(
            f"HaloITSM trigger: the state file is damaged, it is set aside as {aside.name}. What can be read of it is "
            "kept."
        )
        return on_disk(path, timeout)

    def _warn_of_memory(self, path: Path, error: Exception) -> None:
        self._logger.warning(
            f"HaloITSM trigger: its state in {path.parent} cannot be written ({type(error).__name__}), so nothing is "
            "remembered across restarts while that lasts. What was known is used. The plugin needs its cache volume."
        )

    def close(self) -> None:
        """Close the file. What is only in memory is written to it, if it works now."""
        with self._lock:
            self._next_try = self._clock()
            self._try_to_return()
            self._path = self._place = None
            _close(self._database)


def _place(path: Path) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return (0, 0)
    return found.st_dev, found.st_ino


def _close(database: sqlite3.Connection) -> None:
    try:
        database.close()
    except ERRORS:
        # Closing also writes the log into the file, which may be damaged or out of reach.
        pass
