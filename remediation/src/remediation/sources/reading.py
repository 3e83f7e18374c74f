"""A stored source as what it says now."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl
from django.conf import settings as of_service
from django.utils import timezone

from ..domain.snapshot import Proof, Snapshot
from ..store import models
from ..store.bulk import read_assets
from ..store.copy import lock
from ..store.json_keys import change_keys
from ..store.one_at_a_time import Lock, only_one
from ..store.open_instances import are_stored, read_instances, write_instances
from ..store.secrets import open_
from ..store.source_naming import naming_of
from . import row_errors
from .authorities import file_of
from .console_http import ConsoleHttp
from .errors import SourceBusy, SourceError
from .http_answer import Meanings
from .insightvm_cloud import InsightVmCloud
from .insightvm_console import InsightVmConsole
from .insightvm_rest import InsightVmRest
from .kept_reading import forget
from .open_instances import completed, known_after, none_known
from .progress import Tell, unheard
from .row_errors import refuse_too_many
from .scanner_snapshot import snapshot_of_rows
from .tenable_vm import TenableVm

CONSOLE, CLOUD, TENABLE = KINDS = ("insightvm", "insightvm-cloud", "tenable-vm")
Scanner = InsightVmConsole | InsightVmRest | InsightVmCloud | TenableVm
# An increment does not tell what a person accepts between two scans of an asset, so everything is read this often.
EVERYTHING_AFTER = timedelta(days=6, hours=12)
# Seconds for an answer to somebody who waits for it. A scanner is asked four times at most.
LONGEST_SILENCE = 5.0
# Seconds for an answer to a write, or to what is asked for its sake.
LONGEST_WAIT = 60.0
_NOT_USED = "Nothing was stored. Look for a newer release of this service."


class NotAsked(SourceError):
    """A source that is a series of files, which people bring."""


@dataclass(frozen=True)
class Reading:
    """What a source says now. ``notes`` are sentences on what of it could not be used. ``kept`` are keys for the
    settings of the source, and ``instances`` is what of it is known from then on, where it tells only changes: to be
    stored with the snapshot. ``place`` is what was read, and with whose eyes."""

    snapshot: Snapshot
    notes: tuple[str, ...] = ()
    kept: Mapping[str, Any] = field(default_factory=dict)
    instances: pl.DataFrame | None = None
    place: tuple[str | None, ...] = ()


def is_read(source: models.Source) -> bool:
    """Whether the source can be asked at any time."""
    return source.kind in KINDS


def reading_of(source: models.Source, tell: Tell = unheard) -> Reading:
    """What the source says now; ``tell`` hears how far that is. By how many seconds the source's clock is ahead of ours
    is kept in its settings, as ``skew``.

    Raises SourceError, also where another process is reading it, and KeyTrouble where its password cannot be opened.
    """
    if not is_read(source):
        name = source.name
        raise NotAsked(f"The source {name!r} is a series of files.", f"remediation import FILE --source {name!r}")
    with one_reader(source.pk):
        place = _place(source)
        scanner = _scanner(source, tell=tell, **_mark(source))
        reading = _said(source, scanner)
    if scanner.skew is not None:
        change_keys(source, "settings", {"skew": scanner.skew})
    return replace(reading, place=place)


def keep(source: models.Source, reading: Reading) -> None:
    """Store what of a reading the next one goes on from."""
    if reading.kept:
        change_keys(source, "settings", reading.kept)
    if reading.instances is not None:
        write_instances(source.pk, reading.instances)


def require_same_place(source: models.Source, reading: Reading) -> None:
    """Raises SourceBusy where somebody has changed the place of a source since it was read. Nobody does from then on
    until the transaction ends."""
    lock(source.pk)
    if _place(models.Source.objects.get(pk=source.pk)) != reading.place:
        raise SourceBusy(
            "The address, the user or the key of the source was changed while it was read: nothing was stored.",
            "Read it again.",
        )


def _place(source: models.Source) -> tuple[str | None, ...]:
    user = source.settings.get("user")
    # A password is another's only where there is no name beside it.
    return source.settings.get("url"), user, None if user else open_(source.secret)


def _said(source: models.Source, scanner: Scanner) -> Reading:
    if isinstance(scanner, InsightVmConsole):
        return Reading(scanner.snapshot())
    if isinstance(scanner, InsightVmRest):
        return Reading(scanner.snapshot(), scanner.notes)
    rows = scanner.rows()
    if isinstance(scanner, TenableVm):
        began = scanner.last_export_began or timezone.now()
        known = none_known() if scanner.has_read_all else read_instances(source.pk)
        # Absence proves nothing: it says itself what is fixed, and an increment leaves out what is unchanged.
        snapshot, errors = snapshot_of_rows(
            completed(rows, known),
            taken=began,
            proof=Proof.NOTHING,
            naming=naming_of(source),
            known=read_assets(source.pk),
        )
        refuse_too_many(errors, rows.height, assistance=_NOT_USED)
        whole = {"whole": began.isoformat()} if scanner.has_read_all else {}
        return Reading(
            replace(snapshot, rows=rows.height),
            _notes(errors),
            {"since": began.isoformat(), **whole},
            known_after(rows, known),
        )
    taken = scanner.taken or timezone.now()
    snapshot, errors = snapshot_of_rows(rows, taken=taken, proof=Proof.ASSESSED, naming=naming_of(source))
    refuse_too_many(errors, rows.height, assistance=_NOT_USED)
    return Reading(snapshot, (*scanner.notes, *_notes(errors)))


def _notes(errors: pl.DataFrame) -> tuple[str, ...]:
    """What is told of rows in a reading that nobody watches."""
    if errors.is_empty():
        return ()
    counts = errors.group_by("column", "what").len().sort("len", "column", "what", descending=[True, False, False])
    return tuple(f"{count} x {column}: {what}" for column, what, count in counts.head(row_errors.SHOWN).iter_rows())


def log_in(source: models.Source) -> None:
    """Logs in to a source that can be asked, without long waits. Raises SourceError and KeyTrouble."""
    _scanner(source, sleep=lambda seconds: None, request_timeout=LONGEST_SILENCE).test()


def console_of(
    source: models.Source, meanings: Meanings, sleep: Callable[[float], None] = time.sleep
) -> closing[ConsoleHttp]:
    """A conversation with the console that a source is, for a block; ``meanings`` as in ConsoleHttp.

    Raises NotAsked for a source that is none, and KeyTrouble.
    """
    if source.kind != CONSOLE:
        raise NotAsked(f"The source {source.name!r} is no InsightVM console.", "Name one that is: source list.")
    settings = source.settings
    trusted = _ca_file(settings)
    verify = str(trusted) if trusted else True
    login = (settings["url"], settings["user"], open_(source.secret))
    return closing(ConsoleHttp(*login, verify, LONGEST_WAIT, sleep, meanings))


def forget_reading(source: models.Source) -> None:
    """Remove what an unfinished reading of the source has left in the data folder."""
    forget(_kept_at(source))


def _scanner(source: models.Source, **options: Any) -> Scanner:
    settings, secret = source.settings, open_(source.secret)
    options["ca_file"] = _ca_file(settings)
    if source.kind == CLOUD:
        return InsightVmCloud(settings["url"], secret, **options)
    if source.kind == TENABLE:
        return TenableVm(settings["url"], settings["user"], secret, since=_since(source), **options)
    login = (settings["url"], settings["user"], secret)
    if settings.get("mode") == "rest":
        return InsightVmRest(*login, keep=_kept_at(source), **options)
    return InsightVmConsole(*login, **options)


def _ca_file(settings: Mapping[str, Any]) -> str | Path | None:
    return file_of(str(settings.get("ca") or "")) or settings.get("ca_file") or None


def _since(source: models.Source) -> datetime | None:
    """From when on Tenable is asked for changes; None where it is to be asked for everything."""
    since, whole = source.settings.get("since"), source.settings.get("whole")
    if not since or not whole or not are_stored(source.pk):
        return None
    passed = datetime.fromisoformat(since) - datetime.fromisoformat(whole)
    # What was read whole after that was dated by a clock that was wrong.
    return datetime.fromisoformat(since) if timedelta(0) <= passed <= EVERYTHING_AFTER else None


def _mark(source: models.Source) -> dict[str, str]:
    """What no other source's reports have in their names, whatever installation reads it; for who makes reports."""
    if source.kind != CONSOLE or source.settings.get("mode") == "rest":
        return {}
    mark = str(source.settings.get("mark") or "")
    return {"mark": mark or str(change_keys(source, "settings", {"mark": uuid4().hex[:12]})["mark"])}


@contextmanager
def one_reader(source_id: int) -> Iterator[None]:
    """Lets one process read a source. Raises SourceBusy. A process that dies lets others."""
    with only_one(Lock.READING, source_id) as is_ours:
        if not is_ours:
            raise SourceBusy("Another process is reading this source.", "Read it again when that is done.")
        yield


def _kept_at(source: models.Source) -> Path:
    return Path(of_service.DATA) / "readings" / f"{source.pk}.jsonl"
