"""Whether the data folder is fit for use: its rights, and how much the disk has left. Needs nothing of Django."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# A snapshot of a million findings takes about a hundredth of it, a backup of some years a few of it.
LEAST_FREE = 1 << 30


@dataclass(frozen=True)
class Checked:
    """One thing that was looked at: what it is found to be or, if not ``ok``, what is wrong and what to do."""

    what: str
    text: str
    ok: bool = True


def check_folder(folder: Path, free: int | None = None) -> Iterator[Checked]:
    """The folder's rights, and the disk's free space in bytes, unless ``free`` tells it."""
    try:
        seen = folder.stat()
        free = shutil.disk_usage(folder).free if free is None else free
    except OSError as error:
        yield Checked("data folder", f"{folder} cannot be used: {error.strerror}. Make it, or name another.", False)
        return
    yield _rights(folder, seen)
    text = f"{free / (1 << 30):.1f} GiB free where {folder} is"
    enough = free >= LEAST_FREE
    yield Checked("disk", f"{text}{'' if enough else '. Make room: the database stops when it is full'}.", enough)


def _rights(folder: Path, seen: os.stat_result) -> Checked:
    mode = stat.S_IMODE(seen.st_mode)
    if seen.st_uid != os.geteuid():
        text = f"{folder} belongs to the user with number {seen.st_uid}. Run the service as that user."
        return Checked("data folder", text, False)
    if mode & 0o066:
        text = f"{folder} is open to others ({mode:04o}). Take their rights away: chmod go-rw {folder}"
        return Checked("data folder", text, False)
    if not os.access(folder, os.W_OK | os.X_OK):
        text = f"{folder} cannot be written to. Give its owner the right: chmod u+rwx {folder}"
        return Checked("data folder", text, False)
    return Checked("data folder", f"{folder}, closed to others.")
