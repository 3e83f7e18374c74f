"""Reports that programs send: put together part by part in a source's watched folder, which takes them in."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

from ..sources.report_csv import LARGEST
from ..store import models
from ..store.json_keys import change_keys

# A hidden folder within the watched one, so that a part is never taken for a whole.
INCOMING = ".incoming"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
# Seconds after which nobody goes on with a report whose last part came so long ago.
UNFINISHED = 7 * 86400.0


class WrongPart(Exception):
    """A part that does not go on where the file ends so far: ``have`` is how many bytes there are."""

    def __init__(self, there: int) -> None:
        super().__init__(f"{there} bytes are there")
        self.have = there


def new_token(source: models.Source) -> str:
    """A secret with which programs send reports of this source; the one before is worth nothing any more."""
    token = secrets.token_urlsafe(32)
    change_keys(source, "settings", {"token": _digest(token)})
    return token


def source_of(token: str) -> models.Source | None:
    """The source that a token is for, if its folder is watched."""
    found = models.Source.objects.filter(settings__token=_digest(token), settings__has_key="watch").first()
    # What the database compares is a digest, which nobody can choose. This comparison takes the same time for each.
    return found if found and hmac.compare_digest(str(found.settings["token"]), _digest(token)) else None


def have(source: models.Source, name: str) -> int:
    """How many bytes of a report are there already. Raises ValueError for a name that is none."""
    place = _place(source, name)
    return place.stat().st_size if place.is_file() else 0


def add_part(source: models.Source, name: str, start: int, content: bytes, size: int) -> bool:
    """Add the bytes from ``start`` on to a report of ``size`` bytes; whether it is whole now, and waits to be taken in.

    A part that is there already is not added again. Raises WrongPart, ValueError for a name or size that is none, and
    OSError.
    """
    place = _place(source, name)
    whole = append(place, start, content, size)
    if whole:
        # Another one that sent the same last part may have put it there.
        with suppress(FileNotFoundError):
            place.rename(_final(source, name))
    return whole


def append(place: Path, start: int, content: bytes, size: int) -> bool:
    """Add the bytes from ``start`` on to a file of ``size`` bytes, which is made where it is not there; whether it is
    whole now, and on the disk. Raises as ``add_part``."""
    if not 0 < size <= LARGEST or start + len(content) > size:
        raise ValueError(f"A report has from 1 to {LARGEST} bytes, and its parts no more than that.")
    place.parent.mkdir(exist_ok=True, mode=0o700, parents=True)
    number = os.open(place, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(number, "r+b") as file:
        # Two that send the same at once would mix their parts.
        fcntl.flock(file, fcntl.LOCK_EX)
        if not os.fstat(number).st_nlink:
            # It was removed as one that nobody goes on with.
            raise WrongPart(0)
        end = file.seek(0, os.SEEK_END)
        if start > end:
            raise WrongPart(end)
        file.write(content[end - start :])
        file.flush()
        if file.tell() < size:
            return False
        os.fsync(file.fileno())
    return True


def forget_unfinished(folder: Path, now: float) -> int:
    """Remove the reports in a watched folder that nobody goes on with; returns how many. ``now`` is in seconds since
    1970. Raises OSError."""
    count = 0
    if not (folder / INCOMING).is_dir():
        return count
    for place in (folder / INCOMING).iterdir():
        if not place.is_file() or place.is_symlink() or now - place.stat().st_mtime < UNFINISHED:
            continue
        with place.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # A part comes right now.
                continue
            place.unlink(missing_ok=True)
            count += 1
    return count


def _place(source: models.Source, name: str) -> Path:
    if not NAME.fullmatch(name):
        raise ValueError("A report's name has letters, digits, points, dashes and low lines, 100 at most.")
    return Path(source.settings["watch"]["folder"]) / INCOMING / name


def _final(source: models.Source, name: str) -> Path:
    """Where the whole report goes: beside one of the same name that still waits, not over it."""
    folder = Path(source.settings["watch"]["folder"])
    place = folder / name
    return place if not place.exists() else folder / f"{secrets.token_hex(4)}-{name}"


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
