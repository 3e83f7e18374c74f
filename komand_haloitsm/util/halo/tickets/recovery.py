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
# The shortest pause after a 429, which doubles with each.
PAUSE_WHEN_LIMITED = 5.0
# How long a list may lag behind what was written.
LIST_LAG = 6.0


class Next(Enum):
    """LOOK: wait, then look again. SEND: wait, then send once more. REFUSED: the answer was a refusal, so nothing was
    made. UNKNOWN: it may exist, or come later: no client knows how late a Halo can be."""

    LOOK = "look"
    SEND = "send"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Situation:
    """A write after a look that found nothing.

    ``looked`` is how long it was looked for since the loss, ``looks`` how often, ``left`` how much of the call's time
    is left. ``sends`` counts the sends so far that may have been carried out; ``renewed`` says whether an access token
    was renewed for it before, ``limited`` how often the rate was limited. ``reliable`` says that a look finds the very
    thing if it is there, not one like it. ``clear`` says that a refusal is Halo's own, with a message. ``first_pause``
    is the shortest pause between two looks, ``wait`` what Halo asked for.
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
    limited: int = 1
    clear: bool = False


def after_absence(now: Situation) -> tuple[Next, float]:
    """The next step, and the seconds to wait before it."""
    if now.loss is Loss.REFUSED:
        # A list may lag, so that an answer that is not Halo's own is looked into twice.
        again = not now.clear and now.looks == 1 and now.left >= LIST_LAG
        return (Next.LOOK, LIST_LAG) if again else (Next.REFUSED, 0.0)
    if now.loss is Loss.TOKEN:
        # An access token can expire early. A second refusal means that the agent lacks the right.
        return (Next.REFUSED if now.renewed else Next.SEND), 0.0
    if now.loss is Loss.LIMITED:
        wait = max(now.wait, PAUSE_WHEN_LIMITED * 2 ** min(now.limited - 1, 4))
        return (Next.SEND, wait) if wait <= now.left else (Next.REFUSED, 0.0)
    enough = LOOK_AFTER_BREAK if now.loss is Loss.BROKEN else LOOK_AFTER_TIMEOUT
    if now.looked >= enough:
        if now.sends == 1 and (now.reliable or now.loss is Loss.BROKEN):
            return Next.SEND, 0.0
        if now.sends > 1 and now.loss is Loss.BROKEN:
            return Next.UNKNOWN, 0.0
    pause = min(now.first_pause * 2 ** min(now.looks - 1, 10), LONGEST_PAUSE)
    if now.looked < enough:
        pause = min(pause, max(enough - now.looked, now.first_pause))
    return (Next.LOOK, pause) if 0 < pause <= now.left else (Next.UNKNOWN, 0.0)
