"""A stored source as what it says now."""

from __future__ import annotations

from typing import Any

from ..domain.snapshot import Snapshot
from ..store import models
from ..store.json_keys import change_keys
from ..store.secrets import open_
from .errors import SourceError
from .insightvm_console import InsightVmConsole
from .progress import Tell, unheard


class NotAsked(SourceError):
    """A source that is a series of files, which people bring."""


def is_read(source: models.Source) -> bool:
    """Whether the source can be asked at any time."""
    return source.kind == "insightvm"


def snapshot_of(source: models.Source, tell: Tell = unheard) -> Snapshot:
    """What the source says now; ``tell`` hears how far that is. By how many seconds the source's clock is ahead of ours
    is kept in its settings, as ``skew``.

    Raises SourceError, and KeyTrouble where its password cannot be opened.
    """
    if not is_read(source):
        name = source.name
        raise NotAsked(f"The source {name!r} is a series of files.", f"remediation import FILE --source {name!r}")
    console = _console(source, tell=tell)
    snapshot = console.snapshot()
    if console.skew is not None:
        change_keys(source, "settings", {"skew": console.skew})
    return snapshot


def log_in(source: models.Source) -> None:
    """Logs in to a source that can be asked, without long waits. Raises SourceError and KeyTrouble."""
    _console(source, sleep=lambda seconds: None, request_timeout=15.0).test()


def _console(source: models.Source, **options: Any) -> InsightVmConsole:
    settings = source.settings
    ca_file = settings.get("ca_file") or None
    return InsightVmConsole(settings["url"], settings["user"], open_(source.secret), ca_file=ca_file, **options)
