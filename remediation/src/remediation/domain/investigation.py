"""An investigation of InsightIDR, its alerts and its comments, as plain data. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class State(str, Enum):
    """What InsightIDR calls the status of an investigation (in Rapid7's own plugin)."""

    OPEN = "OPEN"
    INVESTIGATING = "INVESTIGATING"
    WAITING = "WAITING"
    CLOSED = "CLOSED"


@dataclass(frozen=True)
class Investigation:
    """``state`` is None where ``state_word`` is a word that nobody knows. ``assignee`` is an e-mail address in lower
    case, empty for nobody. ``rrn`` is its name everywhere in Rapid7's platform."""

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
    """One of an investigation's alerts."""

    title: str
    type: str
    created: datetime | None
    source: str


@dataclass(frozen=True)
class Comment:
    """A comment of one investigation. ``who`` is its author's name."""

    rrn: str
    body: str
    who: str
    created: datetime
