"""Which tickets could be dealt with as one, and which findings without a ticket could be told in one. Pure.

Tickets belong together that are all about one device, or all about one solution. A ticket over many devices is about
none of them. Nothing is closed or lost by it: one ticket stays, and the others are joined to it by comments.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from .plan import digest
from .project import Granularity
from .status import ENDED, Status

# One alone saves nothing.
LEAST = 2


class About(str, Enum):
    """What those that belong together have in common."""

    DEVICE = "device"
    SOLUTION = "solution"


@dataclass(frozen=True)
class Candidate:
    """A ticket, by the numbers of its row and of its connection's.

    ``device`` and ``solution`` are the only ones that it is about, None where it is about none or several.
    ``findings``: how many it tells of that are still there. ``status`` is None where Halo's is not mapped. ``aside``:
    why nobody writes to it: it is paused, detached, missing or not made yet; "" where nothing is in the way.
    """

    number: int
    connection: int
    granularity: str
    made: datetime
    findings: int
    status: Status | None = Status.NOT_STARTED
    device: str | None = None
    solution: str | None = None
    aside: str = ""

    @property
    def takes_part(self) -> bool:
        """Whether there is work left in it, and it can be told of others."""
        return self.status is not None and self.status not in ENDED and self.findings > 0 and not self.aside

    def subject(self, about: About) -> str | None:
        """What it could share with others. Tickets by owner are apart because different people do the work."""
        if about is About.DEVICE:
            return self.device
        return None if self.granularity == Granularity.SOLUTION_OWNER.value else self.solution


@dataclass(frozen=True)
class Loose:
    """Findings of a device or a solution that no ticket tells of: how many, on how many devices, and of which
    vulnerabilities."""

    about: About
    subject: str
    findings: int
    devices: int
    vulnerabilities: frozenset[str]


@dataclass(frozen=True)
class Decided:
    """What a person decided before. ``stays`` is the ticket that the others were joined to, None where the suggestion
    was rejected; ``is_open``: there is work left in that one. It has ``tickets`` or, of findings without one,
    ``vulnerabilities``."""

    about: About
    subject: str
    tickets: frozenset[int] = frozenset()
    vulnerabilities: frozenset[str] = frozenset()
    stays: int | None = None
    is_open: bool = True


@dataclass(frozen=True)
class Suggestion:
    """``tickets`` that could be dealt with as one, the one that stays first, with the reason ``why`` it does; or, where
    there are none, findings that could be told in one. ``connection`` is 0 for findings without a ticket."""

    about: About
    subject: str
    connection: int
    findings: int
    tickets: tuple[int, ...] = ()
    why: str = ""
    devices: int = 0
    vulnerabilities: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        """The same for the same device or solution, whatever is about it."""
        return digest([self.about.value, self.connection, self.subject, bool(self.tickets)])

    @property
    def version(self) -> str:
        """Another one where somebody would carry out something else than what was shown."""
        return digest([self.tickets, sorted(self.vulnerabilities)])

    @property
    def saved(self) -> int:
        """So many tickets, or separate findings, there would be less to deal with."""
        return (len(self.tickets) or self.findings) - 1


def suggested(
    candidates: Iterable[Candidate], loose: Iterable[Loose] = (), decided: Sequence[Decided] = ()
) -> list[Suggestion]:
    """The suggestions, those that save most first; the same in whatever order the rows come.

    What was rejected comes back only with something new: another ticket, or another vulnerability. A ticket that was
    joined to another one takes part in nothing as long as there is work left in that one.
    """
    taking = {one.number: one for one in candidates if one.takes_part}
    carried = [one for one in decided if one.stays is not None and one.is_open]
    joined = {number for one in carried for number in one.tickets if number != one.stays}
    staying = {one.stays for one in carried if one.stays is not None}
    free = [one for number, one in sorted(taking.items()) if number not in joined]
    found = _largest([_of(*group, staying) for group in _groups(free)])
    rejected = [one for one in decided if one.stays is None]
    found = [one for one in found if not any(set(one.tickets) <= other.tickets for other in rejected)]
    found += [
        Suggestion(one.about, one.subject, 0, one.findings, devices=one.devices, vulnerabilities=one.vulnerabilities)
        for one in loose
        if one.findings >= LEAST and not _is_rejected(one, rejected)
    ]
    return sorted(found, key=lambda one: (not one.tickets, -one.saved, one.about.value, one.subject, one.connection))


def _groups(free: Sequence[Candidate]) -> list[tuple[About, str, list[Candidate]]]:
    """The tickets of each subject that has several, within a connection."""
    groups: dict[tuple[About, int, str], list[Candidate]] = {}
    for about in About:
        for one in free:
            if (subject := one.subject(about)) is not None:
                groups.setdefault((about, one.connection, subject), []).append(one)
    return [(about, subject, rows) for (about, _, subject), rows in groups.items() if len(rows) >= LEAST]


def _of(about: About, subject: str, rows: Sequence[Candidate], staying: set[int]) -> Suggestion:
    """The suggestion of some tickets."""
    known = [one for one in rows if one.number in staying]
    most = max(one.findings for one in known or rows)
    best = [one for one in known or rows if one.findings == most]
    first = min(best, key=lambda one: (one.made, one.number))
    if known:
        why = "others were joined to it before"
    elif len(best) > 1:
        why = f"of those with the most findings, {most}, it is the oldest"
    else:
        why = f"it has the most findings, {most}"
    rest = sorted((one for one in rows if one is not first), key=lambda one: (-one.findings, one.made, one.number))
    numbers = tuple(one.number for one in (first, *rest))
    return Suggestion(about, subject, first.connection, sum(one.findings for one in rows), numbers, why)


def _largest(found: Sequence[Suggestion]) -> list[Suggestion]:
    """Those that are not within another one. Of two with the same tickets, the one with a solution: that is one job."""
    with_ticket: dict[int, list[Suggestion]] = {}
    for one in found:
        for number in one.tickets:
            with_ticket.setdefault(number, []).append(one)

    def is_within(one: Suggestion) -> bool:
        mine = set(one.tickets)
        for other in with_ticket[one.tickets[0]]:
            theirs = set(other.tickets)
            if mine < theirs or (mine == theirs and one.about is About.DEVICE and other.about is About.SOLUTION):
                return True
        return False

    return [one for one in found if not is_within(one)]


def _is_rejected(one: Loose, rejected: Sequence[Decided]) -> bool:
    return any(
        (one.about, one.subject) == (other.about, other.subject)
        and not other.tickets
        and one.vulnerabilities <= other.vulnerabilities
        for other in rejected
    )
