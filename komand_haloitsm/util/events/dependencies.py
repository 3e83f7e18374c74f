"""What the loop of a trigger works with."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Mapping

from ..halo.errors import HaloError
from ..halo.tickets.read import TicketReader
from .decide import Event, EventPolicy
from .delivery import Delivery
from .lifecycle import Stopping
from .store import Store

Row = dict[str, Any]

LONGEST_CATCH_UP = timedelta(days=7)
# Above so many tickets, one list takes the place of single requests.
FEW = 3
# Errors on reading a ticket or its actions that waiting does not change, and how often in a row they are believed.
LASTING = frozenset({"forbidden", "unauthorized", "not_found", "refused", "unknown_shape"})
REFUSALS_BELIEVED = 3


@dataclass(frozen=True)
class Dependencies:
    """What a loop needs. ``output(event, ticket)`` makes the event's body; ``interval`` is in seconds.

    ``own_agent()`` is the API application's agent, None where it is not known. ``hides_closed()``: whether Halo's plain
    lists leave out closed tickets. ``started()`` is called once, after the first poll that succeeds.
    ``seconds_per_request``: the share of time that the trigger's budget has for each request.
    """

    reader: TicketReader
    store: Store
    policy: EventPolicy
    delivery: Delivery
    stopping: Stopping
    output: Callable[[Event, Row], Mapping[str, Any]]
    interval: float
    logger: Any
    own_agent: Callable[[], int | None] = lambda: None
    hides_closed: Callable[[], bool] = lambda: False
    started: Callable[[], None] = lambda: None
    seconds_per_request: float = 0.0
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)


def is_general(error: HaloError) -> bool:
    """Whether an error concerns Halo as a whole, or the network on the way to it, rather than one ticket."""
    return error.status is None or error.status in (429, 502, 503, 504)


def in_short(error: HaloError) -> str:
    """The kind and status of an error. What Halo said is left out: it may quote a ticket, which must not be logged."""
    return f"({error.kind}, HTTP {error.status})" if error.status else f"({error.kind})"
