"""What a long reading has so far, kept in a file, so that the next one can go on where it ended.

A line for each thing that was read, so that a process that is killed loses one at most. The file holds what the
database holds too, is for its owner only, and goes away with the end of a whole reading.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

# Seconds. A reading goes on with what another one kept if that ended no longer ago than this, and uses nothing that was
# read longer ago than that, however many readings in between have failed.
SOON_ENOUGH = 3600.0
OLDEST = 86400.0
# Another one where the lines of another release are not understood, or were judged by less.
FORMAT = 2


class KeptReading:
    """Values by kind, key and version: those of the reading before, and a place for those of this one."""

    def __init__(self, file: TextIO | None, values: dict[tuple[str, str, str], Any], now: Callable[[], float]) -> None:
        self._file = file
        self._values = values
        self._now = now

    def of(self, kind: str) -> dict[tuple[str, str], Any]:
        """What the reading before kept of a kind, by key and version."""
        return {(key, version): value for (one, key, version), value in self._values.items() if one == kind}

    def put(self, kind: str, key: str, value: Any, version: str = "") -> None:
        """Keep a value that JSON can hold for the next reading."""
        if self._file:
            line = {"at": self._now(), "kind": kind, "key": key, "version": version, "value": value}
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()


@contextmanager
def kept_reading(path: Path | None, of: str, now: Callable[[], float]) -> Iterator[KeptReading]:
    """What is kept at ``path`` of a reading of ``of``; the file goes when the block ends without an error.

    Nothing is kept without a path, while another process reads the same, and where the folder cannot be written to.
    """
    file = _locked(path) if path else None
    if path is None or file is None:
        yield KeptReading(None, {}, now)
        return
    with file:
        values = _read(file, of, now())
        file.seek(0, os.SEEK_END)
        if not values:
            file.truncate(0)
        # The newline ends a line that a killed process has left unfinished.
        file.write("\n" + json.dumps({"format": FORMAT, "of": of}) + "\n")
        yield KeptReading(file, values, now)
        path.unlink(missing_ok=True)


def forget(path: Path) -> None:
    """Remove what is kept at a path."""
    path.unlink(missing_ok=True)


def _locked(path: Path) -> TextIO | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(number)
        return None
    if not os.fstat(number).st_nlink:
        # Whoever had it has ended since it was opened here, and has removed it.
        os.close(number)
        return None
    return os.fdopen(number, "r+", encoding="utf-8", errors="replace")


def _read(file: TextIO, of: str, now: float) -> dict[tuple[str, str, str], Any]:
    """The values of the lines that are new enough, if the file is of the same; none otherwise."""
    values: dict[tuple[str, str, str], Any] = {}
    last = 0.0
    file.seek(0)
    for text in file:
        try:
            line = json.loads(text)
        except ValueError:
            # The last line of a process that was killed.
            continue
        if "format" in line:
            if (line["format"], line["of"]) != (FORMAT, of):
                return {}
            continue
        last = line["at"]
        if now - last <= OLDEST:
            values[line["kind"], line["key"], line["version"]] = line["value"]
    return values if 0 <= now - last <= SOON_ENOUGH else {}
