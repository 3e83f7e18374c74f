"""When the mail with a weekly report is sent again, and when it never is. Pure.

Mail has no way to ask whether a message arrived. Where the server may have taken one, the same is sent once more with
the same Message-ID, by which mail programs show it once or at least together, and then no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

# How long a process may be at one message: what it leaves behind longer than that, it has not finished.
LASTS = timedelta(minutes=15)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=10), timedelta(hours=6)
# Then the next one comes.
GIVEN_UP_AFTER = timedelta(days=6)
AGAIN = 1


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
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True)
class Next:
    """What becomes of a message; ``due`` is when it is tried again, and ``said`` is added to what the try said."""

    state: State
    due: datetime
    said: str = ""


def after(outcome: Outcome, tries: int, unknown: int, made: datetime, now: datetime) -> Next:
    """What becomes of a message after a try. ``tries`` were made, this one among them, of which ``unknown`` ended
    without an answer; ``made`` is when the report was."""
    if outcome is Outcome.DONE:
        return Next(State.SENT, now)
    if outcome is Outcome.FINAL:
        return Next(State.FAILED, now)
    if outcome is Outcome.UNKNOWN and unknown > AGAIN:
        return Next(State.FAILED, now, "It is not sent a third time, so that nobody gets it again and again.")
    if now - made > GIVEN_UP_AFTER:
        return Next(State.FAILED, now, f"It was tried for {GIVEN_UP_AFTER.days} days.")
    pause: timedelta = min(FIRST_PAUSE * 2 ** min(max(tries - 1, 0), 20), LONGEST_PAUSE)
    return Next(State.PLANNED, now + pause)
