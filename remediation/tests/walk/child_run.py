"""What a child of the walk does. Imported once, by the server that forks children."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import django
from django.db import Error, connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "remediation.settings")
django.setup()

# pylint: disable=wrong-import-position  # Django has to know its settings first
from haloitsm_client import HaloClient, HaloError  # noqa: E402
from remediation import settings  # noqa: E402
from remediation.store import models  # noqa: E402
from remediation.tickets import lease  # noqa: E402
from remediation.tickets.asking import HaloAway  # noqa: E402
from remediation.tickets.lease import Busy, TakenOver  # noqa: E402
from remediation.tickets.run import ProjectRun  # noqa: E402

if TYPE_CHECKING:
    from .child import Run

# For what took half a minute. Long enough for a request that a dead process has sent to be done.
SHORT = 0.2


def do(run: Run) -> str:
    """Run the project; how that ended, in a word."""
    lease.LASTS = run.lease
    connection.settings_dict.update(settings.database(run.database))
    project = models.Project.objects.get(pk=run.project)
    try:
        ProjectRun(
            project,
            make_client=lambda _, before: HaloClient(
                **run.halo, sleep=lambda seconds: time.sleep(min(seconds, 0.01)), before_request=before, max_wait=2.0
            ),
            now=lambda: run.now,
            sleep=lambda seconds: time.sleep(SHORT),
        ).apply()
        return "done"
    except TakenOver:
        return "taken over"
    except Busy:
        return "busy"
    except (HaloError, HaloAway):
        return "away"
    except Error:
        return "database"
