"""When a message to people is sent again, and when it never is. Pure.

Mail has no way to ask whether a message arrived: where the server took all of one and gave no answer, the same is sent
once more with the same Message-ID, and then no more. A webhook gets the same key each time, and is asked until it
answers. A ticket is looked up by its reference before it is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

# How long a process may be at one message: what it leaves behind longer than that, it has not finished.
LASTS = timedelta(minutes=15)
LONGEST_PAUSE = timedelta(hours=6)
# So many messages of unknown outcome are sent again, by the way they go.
AGAIN = {"mail": 1}


class Outcome(str, Enum):
    """How a try ended. LATER: it was not sent. FINAL: it never will be. UNKNOWN: it may have been."""

    DONE = "done"
    LATER = "later"
    FINAL = "final"
    UNKNOWN = "unknown"


class State(str, Enum):
    """Of a message. ABOUT: a try was begun, and its end is not known yet."""

    PLANNED = "planned"
    ABOUT = "about"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Patience:
    """``first`` is the pause after the first try. A message is given up ``given_up_after`` so long."""

    first: timedelta
    given_up_after: timedelta


OF_ALERTS = Patience(timedelta(minutes=1), timedelta(days=7))
# Then the next report comes.
OF_WEEKLY_REPORTS = Patience(timedelta(minutes=10), timedelta(days=6))


@dataclass(frozen=True)
class Next:
    """What becomes of a message; ``due`` is when it is tried again, and ``said`` is added to what the try said."""

    state: State
    due: datetime
    said: str = ""


def after(
    outcome: Outcome, way: str, tries: int, unknown: int, made: datetime, now: datetime, patience: Patience = OF_ALERTS
) -> Next:
    """What becomes of a message after a try. ``way`` is how it goes: mail, webhook or halo. ``tries`` were made, this
    one among them, of which ``unknown`` ended without an answer; ``made`` is when there was something to tell."""
    if outcome is Outcome.DONE:
        return Next(State.DONE, now)
    if outcome is Outcome.FINAL:
        return Next(State.FAILED, now)
    if outcome is Outcome.UNKNOWN and unknown > AGAIN.get(way, 10**9):
        return Next(State.FAILED, now, "It is not sent a third time, so that nobody gets it again and again.")
    if now - made > patience.given_up_after:
        return Next(State.FAILED, now, f"It was tried for {patience.given_up_after.days} days.")
    return Next(State.PLANNED, now + pause(tries, patience))


def pause(tries: int, patience: Patience = OF_ALERTS) -> timedelta:
    """How long to wait after so many tries: longer and longer."""
    doubled: int = 2 ** min(max(tries - 1, 0), 20)
    return min(patience.first * doubled, LONGEST_PAUSE)
