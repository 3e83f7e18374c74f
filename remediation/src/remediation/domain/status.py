"""The six statuses of a remediation ticket, and how they stand for an instance's own. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Iterable, Mapping


class Status(str, Enum):
    """Our statuses. The last three end a ticket's work."""

    NOT_STARTED = "Not Started"
    IN_PROGRESS = "In Progress"
    AWAITING_VERIFICATION = "Awaiting Verification"
    REMEDIATED = "Remediated"
    WILL_NOT_FIX = "Will Not Fix"
    EXCEPTION = "Exception"


# What a person maps a ticket's end to where all of it was only withdrawn. It reads as Exception.
WITHDRAWN = "Withdrawn"
ENDED = frozenset({Status.REMEDIATED, Status.WILL_NOT_FIX, Status.EXCEPTION})

# The names that are taken for each where the instance has them and nobody has said otherwise.
USUAL_NAMES: Mapping[Status, tuple[str, ...]] = {
    Status.NOT_STARTED: ("New",),
    Status.IN_PROGRESS: ("In Progress",),
    Status.AWAITING_VERIFICATION: ("Awaiting Verification",),
    Status.REMEDIATED: ("Remediated", "Resolved"),
    Status.WILL_NOT_FIX: ("Closed - Won't Fix",),
    Status.EXCEPTION: ("Closed - Exception",),
}

# A parent has the first of these that any of its children has.
PRECEDENCE = (
    Status.AWAITING_VERIFICATION,
    Status.IN_PROGRESS,
    Status.NOT_STARTED,
    Status.EXCEPTION,
    Status.WILL_NOT_FIX,
    Status.REMEDIATED,
)


@dataclass(frozen=True)
class StatusMap:
    """``write``: our status to the id of one of the instance's. ``names``: all of the instance's, by id.

    ``reads``: what others of the instance's statuses mean for us, by id. ``withdrawn``: what a ticket ends with of
    which nothing was remediated or excepted, None where that is the status for Exception. ``lost``: the names that
    somebody chose for statuses of ours, WITHDRAWN among them, and that the instance does not have.
    """

    write: Mapping[Status, int] = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)
    reads: Mapping[int, Status] = field(default_factory=dict)
    withdrawn: int | None = None
    lost: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        names: Mapping[int, str],
        chosen: Mapping[Status, str],
        reading: Mapping[str, Status] | None = None,
        withdrawn: str = "",
    ) -> StatusMap:
        """From the instance's statuses, and the names that a person chose. Raises ValueError for an unknown name.

        ``reading``: our status for each further name of the instance's. Of two statuses of one name the older counts.
        """
        by_name = numbers_by_name(names)

        def number_of(name: str) -> int:
            if name.casefold() not in by_name:
                known = ", ".join(sorted(names.values()))
                raise ValueError(f"HaloITSM has no status named {name!r}. It has: {known}.")
            return by_name[name.casefold()]

        write: dict[Status, int] = {}
        for status in Status:
            if status in chosen:
                write[status] = number_of(chosen[status])
                continue
            found = (by_name.get(name.casefold()) for name in USUAL_NAMES[status])
            number = next((number for number in found if number is not None), None)
            if number is not None:
                write[status] = number
        reads = {number_of(name): status for name, status in (reading or {}).items()}
        if not withdrawn:
            return cls(write, names, reads)
        ends = number_of(withdrawn)
        # A status that is set for something else as well says nothing by itself.
        own = {} if ends in write.values() else {ends: Status.EXCEPTION}
        return cls(write, names, {**own, **reads}, ends)

    @classmethod
    def of_those_there(
        cls, names: Mapping[int, str], chosen: Mapping[Status, str], reading: Mapping[str, Status], withdrawn: str
    ) -> StatusMap:
        """The same without the chosen names that the instance does not have, which are ``lost``. No other status stands
        in for one of these."""
        known = {name.casefold() for name in names.values()}
        there = {status: name for status, name in chosen.items() if name.casefold() in known}
        reads = {name: status for name, status in reading.items() if name.casefold() in known}
        lost = {status.value: name for status, name in chosen.items() if status not in there}
        if withdrawn and withdrawn.casefold() not in known:
            lost[WITHDRAWN] = withdrawn
        mapped = cls.of(names, there, reads, "" if WITHDRAWN in lost else withdrawn)
        write = {status: number for status, number in mapped.write.items() if status.value not in lost}
        return replace(mapped, write=write, lost=lost)

    def unmapped(self) -> list[Status]:
        """Ours that stand for none of the instance's: steps that would set them are not done."""
        return [status for status in Status if status not in self.write]

    def doubled(self) -> dict[int, list[Status]]:
        """The instance's that several of ours are written as, and that nobody has said what to read as: they read as
        Awaiting Verification."""
        found: dict[int, list[Status]] = {}
        for status, number in self.write.items():
            found.setdefault(number, []).append(status)
        return {number: ours for number, ours in found.items() if len(ours) > 1 and number not in self.reads}

    def written(self, body: Mapping[str, Any]) -> int | None:
        """The instance's status that a step's body sets; None where nobody has mapped it, or it is lost.

        The body has our ``status``, and ``withdrawn`` where all of the ticket was; or the instance's that it
        ``restores``.
        """
        if "restores" in body:
            return int(body["restores"])
        if body.get("withdrawn") and (self.withdrawn is not None or WITHDRAWN in self.lost):
            return self.withdrawn
        return self.write.get(Status(body["status"]))

    def read(self, halo_status: int | None) -> Status | None:
        """Our status for one of the instance's; None where nobody has mapped it.

        One status that stands for several of ours reads as Awaiting Verification, until facts say which. What a
        person has said of a status counts before that.
        """
        if halo_status is not None and halo_status in self.reads:
            return self.reads[halo_status]
        ours = [status for status, number in self.write.items() if number == halo_status]
        if len(ours) > 1:
            return Status.AWAITING_VERIFICATION
        return ours[0] if ours else None


def numbers_by_name(names: Mapping[int, str]) -> dict[str, int]:
    """The numbers of an instance's statuses by their names in small letters; of two of one name the older counts."""
    return {name.casefold(): number for number, name in sorted(names.items(), reverse=True)}


def of_parent(children: Iterable[Status]) -> Status | None:
    """The parent's status by precedence; None without children."""
    there = set(children)
    return next((status for status in PRECEDENCE if status in there), None)
