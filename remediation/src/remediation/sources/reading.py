"""A stored source as what it says now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import settings as of_service
from django.db import Error, connection

from ..domain.snapshot import Snapshot
from ..store import models
from ..store.json_keys import change_keys
from ..store.secrets import open_
from .errors import SourceBusy, SourceError
from .insightvm_console import InsightVmConsole
from .insightvm_rest import InsightVmRest
from .kept_reading import forget
from .progress import Tell, unheard

_LOCK = 7_411_005


class NotAsked(SourceError):
    """A source that is a series of files, which people bring."""


def is_read(source: models.Source) -> bool:
    """Whether the source can be asked at any time."""
    return source.kind == "insightvm"


def snapshot_of(source: models.Source, tell: Tell = unheard) -> Snapshot:
    """What the source says now; ``tell`` hears how far that is. By how many seconds the source's clock is ahead of ours
    is kept in its settings, as ``skew``.

    Raises SourceError, also where another process is reading it, and KeyTrouble where its password cannot be opened.
    """
    if not is_read(source):
        name = source.name
        raise NotAsked(f"The source {name!r} is a series of files.", f"remediation import FILE --source {name!r}")
    with one_reader(source.pk):
        mark = {} if source.settings.get("mode") == "rest" else {"mark": _mark(source)}
        console = _console(source, tell=tell, **mark)
        snapshot = console.snapshot()
    if console.skew is not None:
        change_keys(source, "settings", {"skew": console.skew})
    return snapshot


def log_in(source: models.Source) -> None:
    """Logs in to a source that can be asked, without long waits. Raises SourceError and KeyTrouble."""
    _console(source, sleep=lambda seconds: None, request_timeout=15.0).test()


def forget_reading(source: models.Source) -> None:
    """Remove what an unfinished reading of the source has left in the data folder."""
    forget(_kept_at(source))


def _console(source: models.Source, **options: Any) -> InsightVmConsole | InsightVmRest:
    settings = source.settings
    login = (settings["url"], settings["user"], open_(source.secret))
    ca_file = settings.get("ca_file") or None
    if settings.get("mode") == "rest":
        return InsightVmRest(*login, ca_file=ca_file, keep=_kept_at(source), **options)
    return InsightVmConsole(*login, ca_file=ca_file, **options)


def _mark(source: models.Source) -> str:
    """What no other source's reports have in their names, whatever installation reads it."""
    mark = str(source.settings.get("mark") or "")
    return mark or str(change_keys(source, "settings", {"mark": uuid4().hex[:12]})["mark"])


@contextmanager
def one_reader(source_id: int) -> Iterator[None]:
    """Lets one process read a source. Raises SourceBusy. A process that dies lets others."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCK, source_id])
        if not cursor.fetchone()[0]:
            raise SourceBusy("Another process is reading this source.", "Read it again when that is done.")
        try:
            yield
        finally:
            # With a connection that was lost, the lock is gone as well.
            with suppress(Error):
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_LOCK, source_id])


def _kept_at(source: models.Source) -> Path:
    return Path(of_service.DATA) / "readings" / f"{source.pk}.jsonl"
