"""Reads the feeds about CVEs, and puts what they tell beside the vulnerabilities."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from ..enrichment.conditional_get import AskedToWait
from ..enrichment.reading import KINDS, Kind, keep_failure, read_feed
from ..store import models
from ..store.cves import tell_all_vulnerabilities
from .telling import told
from .work import Ended

# After which time a feed is tried again that could not be read.
RETRY = timedelta(hours=1)


def due_feeds(now: datetime) -> list[str]:
    """The names of the feeds that are to be read, of those that are not off."""
    later = set(models.Feed.objects.filter(due__gt=now).values_list("name", flat=True))
    return [kind.name for kind in KINDS if settings.FEEDS[kind.name] and kind.name not in later]


def read_feeds(
    names: list[str] | None = None, *, accept: bool = False, sleep: Callable[[float], None] = time.sleep
) -> dict[str, Ended]:
    """Read the feeds with these names, or all, without those that are off. How each reading ended, by name.

    What is known then is put beside all vulnerabilities, also where no feed could be read: an earlier reading may have
    ended before it did so. ``accept`` as in ``read_feed``. Raises OperationalError and InterfaceError.
    """
    wanted = [kind for kind in KINDS if settings.FEEDS[kind.name] and (names is None or kind.name in names)]
    done = {kind.name: _read(kind, accept, sleep) for kind in wanted}
    tell_all_vulnerabilities()
    return done


def _read(kind: Kind, accept: bool, sleep: Callable[[float], None]) -> Ended:
    now = timezone.now()
    try:
        read = read_feed(kind, settings.FEEDS[kind.name], now, sleep, accept=accept)
    except Exception as error:  # pylint: disable=broad-exception-caught  # the other feed has its turn
        if isinstance(error, (OperationalError, InterfaceError)):
            raise
        text, ending = told(error)
        wait = timedelta(seconds=error.seconds) if isinstance(error, AskedToWait) else RETRY
        keep_failure(kind, text, now + max(wait, RETRY))
        return Ended({"error": text}, text, ending)
    news = "not changed since it was read last" if read.changed is None else f"{read.changed:,} changed"
    value = {"of": read.day.isoformat(), "cves": read.rows, "changed": read.changed or 0}
    return Ended(value, f"{kind.title} of {read.day}: {read.rows:,} CVEs, {news}.")
