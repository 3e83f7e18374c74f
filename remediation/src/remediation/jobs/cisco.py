"""Asks Cisco's openVuln, where an administrator has given the service an access to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError
from django.utils import timezone

from ..enrichment.cisco.reading import MOST, NAME, TITLE, access, api_of, keep_failure, read_cisco
from ..enrichment.conditional_get import AskedToWait
from ..store import models
from .telling import told
from .work import Ended

# After which time it is tried again after a failure.
RETRY = timedelta(hours=1)
# Seconds until an answer, where somebody waits for it.
CHECK_TIMEOUT = 10.0


def is_due(now: datetime) -> bool:
    """Whether there is an access, and something may be to be asked."""
    return access() is not None and not models.Feed.objects.filter(name=NAME, due__gt=now).exists()


def ask_cisco(*, sleep: Callable[[float], None] = time.sleep, most: int = MOST) -> Ended | None:
    """Ask a part of what is worth knowing; None where there is no access. Raises OperationalError and InterfaceError.

    A failure is kept, with when it is tried again: where Cisco said how long to wait, not before that.
    """
    row = access()
    if row is None:
        return None
    try:
        asked = read_cisco(row, timezone.now, sleep, most)
    except Exception as error:  # pylint: disable=broad-exception-caught  # each ending is kept
        if isinstance(error, (OperationalError, InterfaceError)):
            raise
        text, ending = told(error)
        wait = timedelta(seconds=error.seconds) if isinstance(error, AskedToWait) else RETRY
        keep_failure(text, timezone.now() + wait)
        return Ended({"error": text}, text, ending)
    text = f"{TITLE}: {asked.kept:,} answers, {asked.refused:,} refusals, {asked.left:,} still to be asked."
    return Ended(dict(vars(asked)), text)


def check_access(row: models.Cisco, sleep: Callable[[float], None] = time.sleep) -> str:
    """Why Cisco does not answer with an access, "" where it does. ``row`` need not be stored. A page waits for it."""
    try:
        api = api_of(row, timezone.now, sleep)
        api.patient, api.timeout = False, CHECK_TIMEOUT
        api.check()
    except Exception as error:  # pylint: disable=broad-exception-caught  # a page tells it
        if isinstance(error, (OperationalError, InterfaceError)):
            raise
        return told(error)[0]
    return ""
