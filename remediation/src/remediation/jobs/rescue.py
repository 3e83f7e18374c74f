"""Takes the jobs of dead workers over. Every worker looks for them; an advisory lock lets one at a time do so."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import cast

from procrastinate import App
from procrastinate.exceptions import ConnectorException, UniqueViolation
from procrastinate.jobs import Job, Status
from procrastinate.psycopg_connector import PsycopgConnector
from procrastinate.worker import Worker

from ..store.one_at_a_time import Lock

# Seconds. A worker says every BEAT that it lives, and counts as dead after SILENCE. Dead ones are looked for every
# PAUSE.
BEAT = 2.0
SILENCE = 8.0
PAUSE = 5.0
# A job whose workers died this often is given up. The next round asks for the work anew.
MOST_ATTEMPTS = 5
_LOCK = Lock.STALLED_JOBS

_log = logging.getLogger(__name__)


async def rescue_for_ever(app: App, worker: Worker) -> None:
    """Look for jobs of dead workers until cancelled.

    Ends the process where ``worker`` itself counts as dead: it has lost the database and waits for a job, and its
    supervisor starts another.
    """
    while True:
        await asyncio.sleep(PAUSE)
        try:
            taken = await rescue(app)
        except ConnectorException:
            continue  # the database is away, which ends the worker as well
        if worker.worker_id is not None and any(job.worker_id == worker.worker_id for job in taken):
            _log.error("This worker has lost the database in the middle of a job. It ends, and another goes on.")
            os._exit(1)


async def rescue(app: App) -> list[Job]:
    """Put the jobs of dead workers back into the queue; the jobs that were found. Raises ConnectorException."""
    connector = cast(PsycopgConnector, app.connector)  # as worker.work has set it
    async with connector.pool.connection() as connection:
        # Held until the end of the block: two that list the same job would have it done twice.
        locked = await (await connection.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])).fetchone()
        if locked is None or not locked[0]:
            return []
        jobs = list(await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=SILENCE))
        for job in jobs:
            await _take_over(app, job)
    return jobs


async def _take_over(app: App, job: Job) -> None:
    if job.attempts >= MOST_ATTEMPTS:
        _log.error("Job %s (%s) is given up: %d workers died of it.", job.id, job.task_name, job.attempts)
        await app.job_manager.finish_job(job, Status.FAILED, delete_job=True)
        return
    try:
        await app.job_manager.retry_job(job)
        _log.warning("The worker of job %s (%s) is gone. The job waits in the queue again.", job.id, job.task_name)
    except UniqueViolation:
        # The same work was asked for since, and waits in the queue: that is enough.
        await app.job_manager.finish_job(job, Status.ABORTED, delete_job=True)
