"""Folders for reports and copies of them, which nobody else reads. What a killed process leaves is removed later."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "remediation-import-"
_LOCK = "lock"
# Seconds after which a folder has got its lock, if its process lives.
_LOCKED = 60.0
_FULL = (errno.ENOSPC, errno.EDQUOT)


class NoRoom(OSError):
    """The folder for temporary files is full: ``cause`` names it, ``assistance`` says what to do."""

    def __init__(self, folder: str) -> None:
        self.cause = f"There is no room for the report in {folder}."
        self.assistance = "Make room there, or name another folder for temporary files with TMPDIR."
        super().__init__(errno.ENOSPC, self.cause)

    def __str__(self) -> str:
        return f"{self.cause} {self.assistance}"


@contextmanager
def private_folder() -> Iterator[Path]:
    """A new folder, there for the time of the block. Those that killed processes have left are removed first.

    Raises NoRoom where it is too small for what the block writes.
    """
    _sweep()
    try:
        with tempfile.TemporaryDirectory(prefix=_PREFIX) as folder:
            # The lock is let go when the process ends, however that is. It is held before it has the name by which
            # others look for it: one that they found free would tell them that this process has ended.
            unnamed = Path(folder) / f"{_LOCK}.new"
            with unnamed.open("xb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                unnamed.rename(Path(folder) / _LOCK)
                yield Path(folder)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise NoRoom(tempfile.gettempdir()) from None


def _sweep() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            if _is_left(folder):
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            # Of somebody else, or gone by now.
            continue


def _is_left(folder: Path) -> bool:
    """Whether a folder is ours and no process holds its lock. Raises OSError."""
    about = folder.lstat()
    if about.st_uid != os.getuid() or not folder.is_dir() or folder.is_symlink():
        return False
    if not (folder / _LOCK).exists():
        return time.time() - about.st_mtime > _LOCKED
    with (folder / _LOCK).open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
