"""A worker as a process: ``python -m remediation.jobs.worker MINUTES``, with the minutes between two rounds.

It ends by SIGTERM after the jobs it is at, with its parent, and when it has lost the database: in that case with code 0
or 1, whichever part of it notices first. Its supervisor starts it again. By SIGUSR1 it writes to its standard error
where in the code each of its threads is.
"""

from __future__ import annotations

import asyncio
import faulthandler
import signal
import sys
from contextlib import suppress
from datetime import timedelta

import django
from procrastinate import PsycopgConnector
from procrastinate.app import WorkerOptions
from procrastinate.contrib.django.utils import connector_params
from procrastinate.worker import Worker

from ..parent import end_with_parent
from .rescue import BEAT, SILENCE, rescue_for_ever

# Jobs at a time: a console that takes its time keeps nobody else waiting.
CONCURRENCY = 4
POLLING = 1.0
# What PostgreSQL calls the connections of the queue; those of its jobs are called as all others of the service.
QUEUE = "remediation queue"


async def work(every: timedelta) -> None:
    """Do jobs until SIGTERM, or until the database is lost."""
    from procrastinate.contrib.django import app

    with app.replace_connector(PsycopgConnector(kwargs={**connector_params(), "application_name": QUEUE})):
        async with app.open_async():
            app.perform_import_paths()  # type: ignore[no-untyped-call]
            options: WorkerOptions = {
                **app.worker_defaults,  # what closes Django's connections after each job
                "concurrency": CONCURRENCY,
                "fetch_job_polling_interval": POLLING,
                "delete_jobs": "always",
                "update_heartbeat_interval": BEAT,
                "stalled_worker_timeout": SILENCE,
                "additional_context": {"every": every},
            }
            worker = Worker(app, **options)
            rescuer = asyncio.create_task(rescue_for_ever(app, worker))
            try:
                await worker.run()  # type: ignore[no-untyped-call]
            finally:
                rescuer.cancel()
                with suppress(asyncio.CancelledError):
                    await rescuer


def main() -> None:
    """Entry point."""
    faulthandler.register(signal.SIGUSR1)
    django.setup()
    end_with_parent()
    asyncio.run(work(timedelta(minutes=int(sys.argv[1]))))


if __name__ == "__main__":
    main()
