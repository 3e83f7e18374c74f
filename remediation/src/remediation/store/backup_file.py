"""The file of a backup: a zip with a member ``tables/NAME`` for each table and ``manifest.json``, which comes last.

A table is in PostgreSQL's text format of COPY, the one that it promises to read in every version.
"""

from __future__ import annotations

import errno
import hashlib
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

FORMAT = 1
MANIFEST = "manifest.json"
BLOCK = 1 << 20
# What zipfile and zlib raise for damaged bytes, and for lengths and places that damage has changed.
_UNREADABLE = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error, EOFError),
    *(KeyError, NotImplementedError, RuntimeError, ValueError),
)


class BackupError(Exception):
    """A backup cannot be written, read or restored; the text says why and what to do. Nothing was changed."""


@dataclass(frozen=True)
class Sequence:
    """Where a column's numbers go on: ``called`` says whether ``last`` was given out."""

    column: str
    last: int
    called: bool


@dataclass(frozen=True)
class Table:
    """A table in a backup. ``sha256`` is of its member, unpacked."""

    name: str
    columns: list[str]
    rows: int
    sha256: str
    sequences: list[Sequence] = field(default_factory=list)

    @property
    def member(self) -> str:
        """The name of its member."""
        return f"tables/{self.name}"


@dataclass(frozen=True)
class Manifest:
    """What a backup holds. ``made`` is in UTC; ``migrations`` are pairs of app and name."""

    format: int
    service: str
    server: str
    made: str
    migrations: list[tuple[str, str]]
    tables: list[Table]

    @property
    def rows(self) -> int:
        """The rows of all tables."""
        return sum(table.rows for table in self.tables)


class Backup:
    """A backup that was opened for reading: its manifest is understood, its tables may still be damaged."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        """Raises BackupError."""
        self._path = path
        self._archive = archive
        self.manifest = self._read_manifest()

    def verify(self) -> None:
        """Read all of it. Raises BackupError where anything is not as it was written."""
        for table in self.manifest.tables:
            for _ in self.blocks(table):
                pass

    def blocks(self, table: Table) -> Iterator[bytes]:
        """A table's member in parts. Raises BackupError where it is not as it was written, at the latest at its end."""
        digest = hashlib.sha256()
        with _readable(self.damaged(table.name)), self._archive.open(table.member) as member:
            while block := member.read(BLOCK):
                digest.update(block)
                yield block
        if digest.hexdigest() != table.sha256:
            raise self.damaged(table.name)

    def damaged(self, part: str) -> BackupError:
        """The error that says that a part is damaged."""
        return BackupError(f"{self._path} is cut off or damaged, in {part}. Use another backup; nothing was changed.")

    def _read_manifest(self) -> Manifest:
        if MANIFEST not in self._archive.namelist():
            raise BackupError(f"{self._path} is a zip, and no backup of this service.")
        with _readable(self.damaged("its manifest")):
            made = json.loads(self._archive.read(MANIFEST))
        number = made.get("format") if isinstance(made, dict) else None
        if isinstance(number, int) and number > FORMAT:
            raise BackupError(
                f"{self._path} has format {number}, and this release reads up to {FORMAT}. "
                f"Restore it with release {made.get('service')} of the service or a newer one."
            )
        try:
            tables = [
                Table(**{**table, "sequences": [Sequence(**one) for one in table["sequences"]]})
                for table in made["tables"]
            ]
            migrations = [(str(app), str(name)) for app, name in made["migrations"]]
            return Manifest(**{**made, "tables": tables, "migrations": migrations})
        except (KeyError, TypeError, ValueError):
            raise BackupError(f"{self._path} has a manifest that is none of this service's.") from None


@contextmanager
def _readable(otherwise: BackupError) -> Iterator[None]:
    """Raises the error where the block finds damage. A disk that cannot be read is none."""
    try:
        yield
    except _UNREADABLE as error:
        raise otherwise from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # a place before the file's begin
            raise
        raise otherwise from error


@contextmanager
def opened_backup(path: Path) -> Iterator[Backup]:
    """A backup for reading. Raises BackupError where the file is none, or is cut off, or is too new; and OSError."""
    with path.open("rb") as file:
        is_none = f"{path} is cut off, or is no backup of this service. Use another one; nothing was changed."
        with _readable(BackupError(is_none)):
            archive = zipfile.ZipFile(file)
        with archive:
            yield Backup(path, archive)
