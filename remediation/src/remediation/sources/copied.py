"""A private copy of a file that a person hands in, so that nobody changes it while it is read."""

from __future__ import annotations

import codecs
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import NotUnderstood, SourceError
from .private_folder import private_folder
from .progress import Tell, unheard
from .report_csv import unpacked

BLOCK = 1 << 20


class NotReadable(SourceError):
    """A file that cannot be read: missing, no regular file, no right to read, or changed while it was read."""


@contextmanager
def copied(file: Path, tell: Tell = unheard) -> Iterator[Path]:
    """A copy, unpacked where the file is a gzip file, that is there for the time of the block.

    ``tell`` hears how far the copying is. Raises NotReadable, NotUnderstood for a file that is no text, CutOff for a
    gzip file that breaks off, TooMuch for one that holds too much, and NoRoom.
    """
    with private_folder() as folder:
        raw = folder / "report"
        _copy(file, raw, tell)
        plain = unpacked(raw)
        _refuse_binary(plain)
        yield plain


def _copy(file: Path, to: Path, tell: Tell) -> None:
    try:
        # A FIFO without a writer would keep the opener waiting for ever.
        number = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotReadable(f"There is no file {file}.", "Check its name and folder.") from None
    except OSError as error:
        raise NotReadable(f"{file} cannot be read: {error.strerror}.", "Check who may read it.") from None
    before = os.fstat(number)
    if not stat.S_ISREG(before.st_mode):
        os.close(number)
        what = "a folder" if stat.S_ISDIR(before.st_mode) else "no regular file"
        raise NotReadable(f"{file} is {what}.", "Name a file that holds the report.")
    with os.fdopen(number, "rb") as source, to.open("wb") as copy:
        done = 0
        while block := source.read(BLOCK):
            done += copy.write(block)
            tell(f"{done:,} of {before.st_size:,} bytes copied")
        after = os.fstat(number)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or done != before.st_size:
        raise NotReadable(f"{file} changed while it was read.", "Import it again once it is written to its end.")


def _refuse_binary(plain: Path) -> None:
    """A NUL is in no text, but in every one in UTF-16, as spreadsheets write it, which begins with its mark."""
    done = 0
    with plain.open("rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return
        file.seek(0)
        while block := file.read(BLOCK):
            if (place := block.find(b"\0")) >= 0:
                raise NotUnderstood(
                    f"The file is no text in UTF-8: byte {done + place + 1} is a NUL.",
                    "Give the report as the source wrote it, as CSV in UTF-8.",
                )
            done += len(block)
