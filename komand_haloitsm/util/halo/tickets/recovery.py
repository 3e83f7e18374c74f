"""Decides what to do about a write whose outcome is not known, after it was looked up in vain. Pure.

Seconds are counted by the caller. What was found is used at once, so that all decisions here are about absence.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ..errors import Loss

# A broken connection: Halo is done with the write, or is not, within this time.
LOOK_AFTER_BREAK = 20.0
# No answer in time: a Halo that still has not made it after this time will not make it.
LOOK_AFTER_TIMEOUT = 60.0
LONGEST_PAUSE = 16.0
# A 429 that does not say how long to wait.
PAUSE_WHEN_LIMITED = 5.0


class Next(Enum):
    """LOOK: wait, then look again. SEND: wait, then send once more. REFUSED: the answer was a refusal, so nothing was
    made. ABSENT: it was looked for long enough and is not there. UNKNOWN: it may exist."""

    LOOK = "look"
    SEND = "send"
    REFUSED = "refused"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Situation:
    """A write after a look that found nothing.

    ``looked`` is how long it was looked for since the loss, ``looks`` how often, ``left`` how much of the call's time
    is left. ``sends`` counts the sends so far that may have been carried out; ``renewed`` says whether an access token
    was renewed for it before. ``reliable`` says that a look finds the very thing if it is there, not one like it.
    ``first_pause`` is the shortest pause between two looks, ``wait`` what Halo asked for.
    """

    loss: Loss
    looked: float
    looks: int
    left: float
    sends: int
    renewed: bool
    reliable: bool
    first_pause: float
    wait: float = 0.0


def after_absence(now: Situation) -> tuple[Next, float]:
    """The next step, and the seconds to wait before it."""
    if now.loss is Loss.REFUSED:
        return Next.REFUSED, 0.0
    if now.loss is Loss.TOKEN:
        # An access token can expire early. A second refusal means that the agent lacks the right.
        return (Next.REFUSED if now.renewed else Next.SEND), 0.0
    if now.loss is Loss.LIMITED:
        wait = now.wait or PAUSE_WHEN_LIMITED * 2 ** min(now.looks - 1, 4)
        return (Next.SEND, wait) if wait <= now.left else (Next.REFUSED, 0.0)
    enough = LOOK_AFTER_BREAK if now.loss is Loss.BROKEN else LOOK_AFTER_TIMEOUT
    if now.looked >= enough:
        if now.sends == 1 and (now.reliable or now.loss is Loss.BROKEN):
            return Next.SEND, 0.0
        if now.sends > 1 and now.reliable and now.loss is Loss.BROKEN:
            return Next.ABSENT, 0.0
    pause = min(now.first_pause * 2 ** min(now.looks - 1, 10), LONGEST_PAUSE)
    if now.looked < enough:
        pause = min(pause, max(enough - now.looked, now.first_pause))
    return (Next.LOOK, pause) if 0 < pause <= now.left else (Next.UNKNOWN, 0.0)
