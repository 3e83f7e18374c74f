"""How work is put into the queue: transactionally, by Django's connection, and never twice; and how it ends there.

A job's arguments are ids only, because the queue logs them. A job never raises: how its work ended is in the table of
runs. Jobs of one lock run one after the other, over all workers: those of a Halo connection, and those of a source.
The same work waits in the queue once at most; while it is done, it can be asked for once more.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.manager import JobManager
from procrastinate.tasks import configure_task

from ..ending import Ending
from ..store import models
from ..tickets.lease import Busy
from . import work

# How long work waits that could not be done, in seconds.
PAUSE = 60
# How long to wait for the database to come back, in seconds.
PATIENCE = 30
INTERRUPTED = "The process that did this ended before it was done. The work was begun anew."
AWAY = (OperationalError, InterfaceError)

_log = logging.getLogger(__name__)


def ask(task: str, *, lock: str, once: str, pause: int, **ids: int) -> bool:
    """Put a task into the queue, to be begun in ``pause`` seconds; False where the same (``once``) waits there already.

    Those of one ``lock`` are done one after the other.
    """
    job = configure_task(
        name=task,
        # In a worker, the application's own manager has connections that know nothing of Django's transactions.
        job_manager=JobManager(DjangoConnector()),
        lock=lock,
        queueing_lock=once,
        schedule_in={"seconds": pause} if pause else None,
    )
    try:
        # The refusal of a second one would end a surrounding transaction; it ends this savepoint only.
        with transaction.atomic():
            job.defer(**ids)
    except AlreadyEnqueued:
        return False
    return True


def ended_of(do: Callable[[], work.Ended], again: Callable[[], bool]) -> work.Ended | None:
    """How a piece of work ended; None where it could not be done now, and waits in the queue again.

    Raises OperationalError and InterfaceError where the database went away and stays away. The worker cannot tell the
    queue so either: the job stays begun, and is taken over.
    """
    try:
        return work.attempt(do, but=(*AWAY, Busy))
    except Busy:
        _log.info("Somebody else is writing to the connection. The work waits in the queue again.")
    except AWAY:
        _log.warning("The database went away in the middle of a job. The work waits in the queue again.")
    deadline = time.monotonic() + PATIENCE
    while True:
        connection.close()
        try:
            again()
            return None
        except AWAY:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def close_what_was_interrupted(**of: models.Source | models.Project | str | int) -> None:
    """End the rows of runs that have no end. Their process is gone, or it writes their true end later."""
    ended = {"finished": timezone.now(), "outcome": Ending.FAILED.word, "detail": {"text": INTERRUPTED}}
    models.Run.objects.filter(finished=None, **of).update(**ended)
