"""A ticket as the service knows it, and the findings that it stands for. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Mapping

from .ledger import ALIVE, State
from .status import Status

Pair = tuple[str, str]


@dataclass(frozen=True)
class Finding:
    """One finding of a ticket: what the ledger believes of it, and when a scan last said so."""

    asset: str
    host: str
    vulnerability: str
    title: str
    state: str
    scan: str | None
    scan_started: datetime | None

    @property
    def pair(self) -> Pair:
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
    ``told_of_reopening`` says that a person has been told why the ticket was settled.
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


@dataclass(frozen=True)
class Counts:
    """How many findings of a ticket are in which state."""

    open: int = 0
    unconfirmed: int = 0
    remediated: int = 0
    excepted: int = 0
    withdrawn: int = 0

    @classmethod
    def of(cls, findings: list[Finding]) -> Counts:
        """The counts of findings."""
        by = Counter(finding.state for finding in findings)
        return cls(
            by[State.OPEN.value],
            by[State.UNCONFIRMED.value],
            by[State.REMEDIATED.value],
            by[State.EXCEPTED.value],
            by[State.LEFT.value],
        )

    @property
    def alive(self) -> bool:
        """Whether any finding is open or not proved gone."""
        return bool(self.open or self.unconfirmed)

    @property
    def settled_as(self) -> Status:
        """What a ticket without living findings is: remediated if anything was, else an exception, or withdrawn."""
        return Status.REMEDIATED if self.remediated else Status.EXCEPTION

    def in_words(self) -> str:
        """``3 remediated, 1 excepted``."""
        named: list[tuple[int, str]] = [
            (self.open, "open"),
            (self.unconfirmed, "unconfirmed"),
            (self.remediated, "remediated"),
            (self.excepted, "excepted"),
            (self.withdrawn, "out of coverage"),
        ]
        return ", ".join(f"{count} {word}" for count, word in named if count) or "no findings"


def evidence(findings: list[Finding]) -> dict[str, Any]:
    """The scans and assets behind a step, JSON-able."""
    return {
        "assets": sorted({finding.host or finding.asset for finding in findings}),
        "scans": sorted({finding.scan for finding in findings if finding.scan}),
        "findings": len(findings),
    }
