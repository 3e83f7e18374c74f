"""An error as a person reads it, and how the work ended by it."""

from __future__ import annotations

from django.db import OperationalError

from haloitsm_client import HaloError

from ..ending import Ending, unexpected
from ..investigations.errors import IdrAway, IdrError
from ..reachable import NotReachable
from ..sources.errors import SourceBusy, SourceError, Unreachable
from ..store.intake import Suspicious
from ..store.secrets import KeyTrouble
from ..tickets.asking import HaloAway, is_away
from ..tickets.instance import NotInHalo
from ..tickets.lease import Busy
from .watched import Cancelled

# Refusals of Halo that are about what was typed into the connection.
_HALO_REFUSED = frozenset({"credential", "input", "invalid_client", "invalid_scope", "unauthorized_client"})

# The first that fits counts.
_ENDINGS: tuple[tuple[type[Exception], Ending], ...] = (
    (SourceBusy, Ending.FAILED),
    (Unreachable, Ending.FAILED),
    (KeyTrouble, Ending.FAILED),
    (OperationalError, Ending.FAILED),
    (OSError, Ending.FAILED),
    (Cancelled, Ending.REFUSED),
    (NotReachable, Ending.REFUSED),
    (SourceError, Ending.REFUSED),
    (Suspicious, Ending.REFUSED),
    (NotInHalo, Ending.REFUSED),
    (Busy, Ending.HELD),
    (HaloAway, Ending.HELD),
    (IdrAway, Ending.HELD),
    (IdrError, Ending.FAILED),
)


def told(error: Exception) -> tuple[str, Ending]:
    """The text and the ending. Only texts that are known to hold no secret and no finding are shown."""
    ending = _ending(error)
    if ending is None:
        return unexpected(error), Ending.FAILED
    cause, assistance = getattr(error, "cause", str(error)), getattr(error, "assistance", "")
    return f"{cause} {assistance}".strip(), ending


def at_a_page(error: Exception) -> str:
    """The same text for a page that lets somebody choose the address: with the number of the answer's status, and
    without what it said."""
    if isinstance(error, HaloError) and "said below" in error.assistance:
        status = f"The status of the answer is {error.status}." if error.status else ""
        return f"{error.cause} {status}".strip()
    return told(error)[0]


def is_lost(error: Exception) -> bool:
    """Whether an error says that asking HaloITSM for something else is of no use now."""
    return isinstance(error, HaloAway) or (isinstance(error, HaloError) and is_away(error))


def _ending(error: Exception) -> Ending | None:
    """None for an error that has no text for people."""
    if isinstance(error, HaloError):
        return Ending.REFUSED if error.kind in _HALO_REFUSED else Ending.FAILED
    return next((ending for kind, ending in _ENDINGS if isinstance(error, kind)), None)
