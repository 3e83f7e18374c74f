"""The client of HaloITSM for who waits at a page: at addresses that may be asked, and for a short time only."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.conf import settings
from django.utils import timezone

from haloitsm_client import HaloClient

from ..reachable import require_reachable
from ..store import models
from .asking import HaloAway
from .budget import Budget
from .run import client_of

# Seconds: for all requests of a page, to connect, for a pause in an answer, and for one request with its repetitions.
# A page takes one of the few threads of the web server.
LONGEST = 20.0
LIMITS = {"connect_timeout": 4.0, "read_timeout": 8.0, "max_wait": 8.0}


def page_client(connection: models.Connection, clock: Callable[[], float] = time.monotonic) -> HaloClient:
    """The client. After LONGEST seconds it begins no request any more, and raises HaloAway.

    Raises NotReachable for an address that the service does not ask, HaloAway where the budget is used up, and
    HaloError for an address that cannot be used.
    """
    for name in ("auth_server", "resource_server"):
        require_reachable(connection.settings[name].strip(), settings.NETWORKS)
    budget = Budget(connection, timezone.now)
    if pause := budget.pause():
        raise HaloAway(
            f"{budget.shown()['used']} requests were sent to HaloITSM in the last five minutes, and {budget.limit} are "
            f"allowed. Try again in {pause:.0f} seconds."
        )
    ends = clock() + LONGEST

    def in_time() -> None:
        if clock() > ends:
            raise HaloAway(f"HaloITSM is so slow that the page gave up after {LONGEST:.0f} seconds. Try again later.")

    return client_of(connection, in_time, **LIMITS)
