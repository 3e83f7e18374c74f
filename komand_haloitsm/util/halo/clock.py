"""What the client needs of time and chance (clock, sleep, random numbers), as one object that a test can replace."""

from __future__ import annotations

import random
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Callable


def utc_now() -> datetime:
    """The present time, as an aware UTC datetime."""
    return datetime.now(timezone.utc)


def unique_id() -> str:
    """A text that no other call gets."""
    return uuid.uuid4().hex


@dataclass(frozen=True)
class Clock:
    """``monotonic`` and ``sleep`` are in seconds, ``jitter`` is a random number from 0 to 1, ``now`` is UTC."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random
    now: Callable[[], datetime] = utc_now
    unique_id: Callable[[], str] = unique_id
