"""Investigations of InsightIDR, as the service knows them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class State(str, Enum):
    """What an investigation can be. Official: InsightIDR has these four."""

    OPEN = "OPEN"
    INVESTIGATING = "INVESTIGATING"
    WAITING = "WAITING"
    CLOSED = "CLOSED"


@dataclass(frozen=True)
class Investigation:
    """An investigation. ``rrn`` names it for ever.

    ``state`` is None where ``state_word``, which is InsightIDR's own, is none of the four. ``priority``,
    ``disposition`` and ``source`` are InsightIDR's words too, and may be ones that no description has. ``assignee`` is
    an e-mail address in lower case, "" for nobody. ``responsibility`` is CUSTOMER, MDR or "". ``created`` is in UTC.
    """

    rrn: str
    title: str
    state: State | None
    state_word: str
    priority: str
    disposition: str
    source: str
    assignee: str
    tags: tuple[str, ...]
    created: datetime
    responsibility: str


@dataclass(frozen=True)
class Alert:
    """An alert of an investigation. ``source`` is what raised it, in words. ``created`` is None where it is untold."""

    title: str
    type: str
    created: datetime | None
    source: str


@dataclass(frozen=True)
class Comment:
    """A comment on an investigation. ``rrn`` is its own. ``who`` is the name of a person, a key or the product."""

    rrn: str
    body: str
    who: str
    created: datetime
