"""A ticket as the service knows it, and the findings that it stands for. Pure."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Mapping

from .ledger import ALIVE, State
from .status import Status
from .ticket_template import TicketTemplate

Pair = tuple[str, str]
"""The key of a finding: its asset and its vulnerability, each by the source's own id."""


_ESCAPED = re.compile(r"((?:[^\\|]|\\.)*)\|(.*)", re.DOTALL)


def pair_text(pair: Pair) -> str:
    """A pair as one text, as it is stored. ``pair_of`` reads it. An asset's bar and backslash get a backslash."""
    asset, vulnerability = pair
    if "|" in asset or "\\" in asset:
        asset = asset.replace("\\", "\\\\").replace("|", "\\|")
    return f"{asset}|{vulnerability}"


def pair_of(text: str) -> Pair:
    """The pair of a text that ``pair_text`` has made."""
    asset, _, vulnerability = text.partition("|")
    if "\\" in asset and (found := _ESCAPED.fullmatch(text)):
        return re.sub(r"\\(.)", r"\1", found[1], flags=re.DOTALL), found[2]
    return asset, vulnerability


# What a ticket tells of a finding is a state of the ledger, or one of these. SUPERSEDED: it moved to another solution,
# and so to another ticket. OUT: the project sees it no more. UNREPORTED: enough reports in a row no longer held it, and
# the project takes that for done.
SUPERSEDED = "superseded"
OUT = "out"
UNREPORTED = "unreported"


def still_its(told: Mapping[str, str]) -> list[str]:
    """Of what a ticket has told of findings, by their texts: those that are the ticket's still."""
    return [text for text, state in told.items() if state not in (OUT, SUPERSEDED)]


# In words, as a line of a comment begins and as counts end.
WORDS: Mapping[str, tuple[str, str]] = {
    State.OPEN.value: ("Open", "open"),
    State.UNCONFIRMED.value: ("No longer seen, not confirmed", "unconfirmed"),
    State.REMEDIATED.value: ("Remediated", "remediated"),
    UNREPORTED: ("No longer reported", "no longer reported"),
    State.EXCEPTED.value: ("Accepted", "excepted"),
    State.LEFT.value: ("Out of coverage", "out of coverage"),
    SUPERSEDED: ("Moved to another solution", "moved to another solution"),
    OUT: ("No longer in the project", "no longer in the project"),
}


@dataclass(frozen=True)
class Finding:
    """One finding of a ticket: what is believed of it since when, and when a scan last said so.

    ``missed``: how many reports in a row no longer held it, where absence proves nothing.
    """

    asset: str
    host: str
    vulnerability: str
    title: str
    state: str
    scan: str | None
    scan_started: datetime | None
    since: datetime | None = None
    missed: int = 0

    @property
    def pair(self) -> Pair:
        """The key of the finding."""
        return self.asset, self.vulnerability

    @property
    def is_alive(self) -> bool:
        """Whether it is still there, as far as anybody has proved."""
        return self.state in ALIVE


@dataclass(frozen=True)
class Ticket:
    """``key`` is what it stands for (a solution), ``generation`` counts its tickets.

    ``told`` is the state of each finding that its text and comments have told; ``status`` what Halo shows now, None
    where it is not mapped; ``agreed`` the status that both sides last had; ``changed`` when Halo's ticket last changed.
    ``told_of_reopening`` says that a person has been told why the ticket was settled. ``out`` are findings that an edit
    of the lead's has taken out of the project. ``listed`` says that the whole list of its assets was attached once.
    ``missing``: Halo does not show the ticket any more. ``settling``: the status that its last comment announced is not
    set yet. ``taken_back``: a person took back what was done last, and nothing is new since.

    ``paused`` and ``detached`` name the person who said so: nothing is planned for a paused ticket until somebody lets
    it go on, and the service has forgotten a detached one. ``tied``: in words, who tied its findings to this ticket of
    Halo's, which has not been told so yet. ``tying``: in words, that a person has chosen a ticket of Halo's instead of
    a new one, "" where nobody has. ``joined``: what it is to be told of tickets that it is dealt with together with, by
    the number of what a person decided.

    ``rescan``: what was asked of the scanner when a person called it done, or why nothing was. ``retyped``: in words,
    that somebody gave it another type, "" where nobody did. ``template``: by which it was made, None where by the
    project's own texts.

    Of a project's own ticket: ``numbers`` are those of its children that it told last, on the day ``numbers_told``.
    """

    key: str
    generation: int = 1
    halo_id: int | None = None
    title: str = ""
    status: Status | None = None
    agreed: Status | None = None
    changed: datetime | None = None
    told: Mapping[Pair, str] = field(default_factory=dict)
    told_of_reopening: bool = False
    out: frozenset[Pair] = frozenset()
    listed: bool = False
    missing: bool = False
    settling: bool = False
    taken_back: bool = False
    paused: str = ""
    detached: str = ""
    tied: str = ""
    joined: Mapping[str, str] = field(default_factory=dict)
    tying: str = ""
    rescan: str = ""
    retyped: str = ""
    template: TicketTemplate | None = None
    numbers: str = ""
    numbers_told: date | None = None

    @property
    def name(self) -> str:
        """Key and generation."""
        return f"{self.key}/{self.generation}"

    @property
    def left_alone(self) -> str:
        """Why the service writes nothing to it: ``paused by anna``. "" where nobody has said so."""
        return left_alone(self.paused, self.detached)


@dataclass(frozen=True)
class Counts:
    """How many findings of a ticket are in which state. ``withdrawn`` holds the ``superseded`` and the ``out`` ones."""

    open: int = 0
    unconfirmed: int = 0
    remediated: int = 0
    excepted: int = 0
    withdrawn: int = 0
    unreported: int = 0
    superseded: int = 0
    out: int = 0

    @classmethod
    def of(cls, findings: list[Finding]) -> Counts:
        """The counts of findings."""
        by = Counter(finding.state for finding in findings)
        return cls(
            open=by[State.OPEN.value],
            unconfirmed=by[State.UNCONFIRMED.value],
            remediated=by[State.REMEDIATED.value],
            excepted=by[State.EXCEPTED.value],
            withdrawn=by[State.LEFT.value] + by[SUPERSEDED] + by[OUT],
            unreported=by[UNREPORTED],
            superseded=by[SUPERSEDED],
            out=by[OUT],
        )

    @property
    def alive(self) -> bool:
        """Whether any finding is open or not proved gone."""
        return bool(self.open or self.unconfirmed)

    @property
    def is_withdrawn(self) -> bool:
        """Whether nothing was remediated or excepted and nothing is alive: an approver decides."""
        return not (self.alive or self.remediated or self.unreported or self.excepted)

    @property
    def settled_as(self) -> Status:
        """What a ticket without living findings is: remediated if anything was, else an exception.

        A withdrawn one is mapped like an exception.
        """
        return Status.REMEDIATED if self.remediated or self.unreported else Status.EXCEPTION

    def in_words(self) -> str:
        """``3 remediated, 1 excepted``."""
        counts = {
            State.OPEN.value: self.open,
            State.UNCONFIRMED.value: self.unconfirmed,
            State.REMEDIATED.value: self.remediated,
            UNREPORTED: self.unreported,
            State.EXCEPTED.value: self.excepted,
            State.LEFT.value: self.withdrawn - self.superseded - self.out,
            SUPERSEDED: self.superseded,
            OUT: self.out,
        }
        return ", ".join(f"{count} {WORDS[state][1]}" for state, count in counts.items() if count) or "no findings"


def evidence(findings: list[Finding]) -> dict[str, Any]:
    """The scans and assets behind a step, JSON-able."""
    return {
        "assets": sorted({finding.host or finding.asset for finding in findings}),
        "scans": sorted({finding.scan for finding in findings if finding.scan}),
        "findings": len(findings),
    }


def left_alone(paused: str, detached: str) -> str:
    """Why the service writes nothing to a ticket that a person has paused or detached, "" where nobody has."""
    return f"detached by {detached}" if detached else f"paused by {paused}" if paused else ""


def counted(findings: int) -> str:
    """``1 finding``, ``2 findings``."""
    return f"{findings} finding" + "s" * (findings != 1)


def gone(halo_id: int | None) -> str:
    """Why nothing is done about a ticket that Halo does not show any more."""
    return f"ticket {halo_id} does not exist in HaloITSM any more, or the API's agent may not see it"
