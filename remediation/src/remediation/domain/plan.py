"""A plan: the ordered steps that would make Halo agree with the facts. Pure data.

Dry run is showing the plan, apply is carrying it out, audit is the stored plan.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Mapping

from .status import Status

PARENT_KEY = "project"
"""The key of a project's own ticket. No other ticket has it."""


class Kind(str, Enum):
    """What a step does in Halo, or to an investigation of InsightIDR."""

    CREATE_PARENT = "create-parent"
    CREATE = "create"
    COMMENT = "comment"
    SET_STATUS = "set-status"
    REOPEN = "reopen"
    FOLLOW = "follow"
    ASSIGN = "assign"
    COMMENT_INVESTIGATION = "comment-investigation"
    SET_INVESTIGATION = "set-investigation"
    ASSIGN_INVESTIGATION = "assign-investigation"


CREATES = (Kind.CREATE, Kind.CREATE_PARENT)
STATUSES = (Kind.SET_STATUS, Kind.REOPEN)
OF_INVESTIGATIONS = (Kind.COMMENT_INVESTIGATION, Kind.SET_INVESTIGATION, Kind.ASSIGN_INVESTIGATION)


@dataclass(frozen=True)
class Step:
    """``ticket_key`` and ``generation`` name the ticket; ``body`` is what is written, ``told`` what the ticket has told
    of its findings once the step is done.

    ``same``: what makes it the same step on another day, where its body holds dates that the day decides.
    """

    kind: Kind
    ticket_key: str
    generation: int
    reason: str
    body: Mapping[str, Any] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)
    told: Mapping[str, str] = field(default_factory=dict)
    same: str = ""

    @property
    def ticket(self) -> str:
        """The name of the ticket: key and generation."""
        return f"{self.ticket_key}/{self.generation}"

    @property
    def key(self) -> str:
        """The same for the same step, whenever it is planned."""
        content = digest([self.same or dict(self.body), dict(self.told)])
        return f"{self.ticket_key}/{self.generation}/{self.kind.value}/{content}"


@dataclass(frozen=True)
class NotDone:
    """Something that is not done, and why. ``needs_person``: it stays so until a person does something about it."""

    key: str
    reason: str
    needs_person: bool = False


@dataclass(frozen=True)
class Plan:
    """``held`` says why an approver has to release it, "" where nobody has to.

    ``parent_agrees``: the status that a person gave the project's ticket and that its children came to have as well.
    """

    steps: tuple[Step, ...] = ()
    not_done: tuple[NotDone, ...] = ()
    held: str = ""
    parent_agrees: Status | None = None


def digest(value: Any) -> str:
    """Ten hexadecimal digits that are the same for the same JSON-able value."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:10]
