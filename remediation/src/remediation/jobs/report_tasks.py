"""The jobs about report files: those that people bring, and those that are put into a watched folder."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from procrastinate.contrib.django import app

from ..ending import Ending
from ..store import models
from . import uploads, work
from .incoming import forget_unfinished
from .queue import AWAY, ask, close_what_was_interrupted, ended_of
from .tasks import ask_to_run_all_of
from .watched_folder import ready, take_in_folder

WATCH = "watch"

_log = logging.getLogger(__name__)


@app.task(name="import_folder")
def import_folder(source_id: int) -> None:
    """Take in what was put into a source's folder, however that ends; then its projects are to be run."""
    source = models.Source.objects.filter(pk=source_id, settings__has_key="watch").first()
    if source is None:
        return
    close_what_was_interrupted(source=source)
    try:
        ended = take_in_folder(source)
    except OSError as error:
        _log.error("The folder of source %s cannot be used: %s.", source_id, type(error).__name__)
        return
    except AWAY:
        _log.warning("The database went away while files were taken in. They stay where they are.")
        return
    _log.info("Of source %s, %s files were taken in.", source_id, len(ended))
    if any(map(_changed_something, ended.values())):
        ask_to_run_all_of(source_id)


def ask_to_look(upload: models.Upload) -> bool:
    """Put looking at a report that was brought into the queue; False where it waits there already."""
    return ask("look_at_upload", lock=f"upload-{upload.pk}", once=f"look-{upload.pk}", pause=0, upload_id=upload.pk)


def ask_to_take_in(upload: models.Upload) -> bool:
    """Put the taking in of a report that was brought into the queue; False where it waits there already."""
    return ask("take_in_upload", lock=f"upload-{upload.pk}", once=f"take-{upload.pk}", pause=0, upload_id=upload.pk)


@app.task(name="look_at_upload")
def look_at_upload(upload_id: int) -> None:
    """Read a report that was brought, and find out what it would change."""
    if (upload := models.Upload.objects.filter(pk=upload_id).first()) is not None:
        ended_of(lambda: uploads.look(upload), lambda: ask_to_look(upload))


@app.task(name="take_in_upload")
def take_in_upload(upload_id: int) -> None:
    """Take in a report that was brought; then the projects of its source are to be run."""
    if (upload := models.Upload.objects.filter(pk=upload_id).first()) is None:
        return
    ended = ended_of(lambda: uploads.take_in(upload), lambda: ask_to_take_in(upload))
    if ended is not None and _changed_something(ended):
        ask_to_run_all_of(models.Source.objects.get(name=upload.source).pk)


def _changed_something(imported: work.Ended) -> bool:
    """Whether a report was taken in that was not known before."""
    return imported.ending is Ending.DONE and not imported.value["unchanged"]


@app.periodic(cron="* * * * *", periodic_id=WATCH)
@app.task(name=WATCH, lock=WATCH, queueing_lock=WATCH)
def look_for_files(timestamp: int) -> None:  # pylint: disable=unused-argument  # always given
    """Put the taking in of each folder that has something ready into the queue."""
    for source in models.Source.objects.filter(settings__has_key="watch"):
        try:
            folder = Path(source.settings["watch"]["folder"])
            if forgotten := forget_unfinished(folder, time.time()):
                _log.warning("Of source %s, %s reports were never sent to their end. Removed.", source.pk, forgotten)
            waits = bool(ready(folder, time.time()))
        except OSError as error:
            _log.error("The folder of source %s cannot be read: %s.", source.pk, type(error).__name__)
            continue
        if waits:
            lock, once = f"source-{source.pk}", f"folder-{source.pk}"
            ask("import_folder", lock=lock, once=once, pause=0, source_id=source.pk)
