"""Reports that people bring in a browser: sent in parts, looked at without changing anything, and taken in on their
word. A report that nobody takes in is forgotten after a week.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction

from ..domain.snapshot import Only
from ..ending import Ending
from ..sources.any_report import ReportOptions
from ..sources.progress import Tell
from ..sources.report_file import Holds
from ..store import models
from ..store.intake import Suspicious
from . import incoming
from .imports import import_file
from .telling import told
from .watched import OF_UPLOAD, Cancelled, watched
from .work import Ended

KEPT = timedelta(days=7)
State = models.Upload.State


def folder_of(upload: models.Upload) -> Path:
    """The folder with its bytes. It has no part of the file's name, which is the browser's word."""
    return settings.DATA / "uploads" / str(upload.pk)


def report_of(upload: models.Upload) -> Path:
    """The file itself."""
    return folder_of(upload) / "report"


def errors_of(upload: models.Upload) -> Path:
    """What was wrong with its rows, as CSV; not there where nothing was."""
    return folder_of(upload) / "errors.csv"


def have(upload: models.Upload) -> int:
    """How many bytes of it are there."""
    place = report_of(upload)
    return place.stat().st_size if place.is_file() else 0


def add_part(upload: models.Upload, start: int, content: bytes) -> bool:
    """Add the bytes from ``start`` on; whether it is whole now. Raises as ``incoming.append``."""
    whole = incoming.append(report_of(upload), start, content, upload.size)
    if whole:
        models.Upload.objects.filter(pk=upload.pk, state=State.SENDING).update(state=State.SENT, told="")
    return whole


def options_of(table: Mapping[str, Any]) -> ReportOptions:
    """What its person said of it, out of ``Upload.options``: coverage, severities, vendors, sites, mapping."""
    only = {name: tuple(table.get(name) or ()) for name in ("severities", "vendors", "sites")}
    return ReportOptions(
        Holds(table.get("coverage", Holds.LISTED.value)), "", Only(**only), mapping=table.get("mapping") or {}
    )


def look(upload: models.Upload) -> Ended:
    """Take it in and take that back: what it holds, what is wrong in it and what it would change is kept, and nothing
    else. It is done where it can be taken in."""

    def work(tell: Tell) -> Ended:
        with transaction.atomic():
            ended = _import(upload, tell)
            transaction.set_rollback(True)
        return ended

    return _done(upload, State.LOOKING, State.LOOKED, work)


def take_in(upload: models.Upload) -> Ended:
    """Take it in."""
    ended = _done(upload, State.IMPORTING, State.DONE, lambda tell: _import(upload, tell))
    if ended.ending is Ending.DONE:
        report_of(upload).unlink(missing_ok=True)
    return ended


def sweep(now: datetime) -> None:
    """Forget the bytes of what was not taken in within a week, and what was unfinished then."""
    old = models.Upload.objects.filter(made__lt=now - KEPT)
    for upload in old:
        shutil.rmtree(folder_of(upload), ignore_errors=True)
    old.exclude(state=State.DONE).delete()


def _import(upload: models.Upload, tell: Tell) -> Ended:
    errors_of(upload).unlink(missing_ok=True)
    clean, accept = upload.options.get("clean_hosts") or [], bool(upload.options.get("accept"))
    options = options_of(upload.options)
    return import_file(
        report_of(upload), upload.source, options, clean=clean, accept=accept, errors_to=errors_of(upload), tell=tell
    )


def _done(upload: models.Upload, begins: str, ends: str, work: Callable[[Tell], Ended]) -> Ended:
    """Do a piece of work, and keep how far it is and how it ended. Database errors are the caller's."""
    models.Upload.objects.filter(pk=upload.pk).update(state=begins, told="It begins.")
    try:
        with watched(OF_UPLOAD, upload.pk) as tell:
            ended = work(tell)
        state = ends
    except Cancelled as error:
        state, ended = State.CANCELLED, Ended({}, str(error), Ending.REFUSED)
    except Exception as error:  # pylint: disable=broad-exception-caught  # told to its person, whatever it is
        if isinstance(error, (OperationalError, InterfaceError)):
            raise  # the caller tries again when the database is back
        text, ending = told(error)
        state, ended = State.REFUSED, Ended({"suspicious": isinstance(error, Suspicious)}, text, ending)
    upload.state, upload.told, upload.result = state, ended.text, ended.value
    upload.save(update_fields=["state", "told", "result"])
    return ended
