"""What is different between the tickets that are kept and those that HaloITSM shows, and what is done about it. Pure.

A person's work in HaloITSM is never overwritten: what differs is read back, told, or adopted.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum

_REFERENCE = re.compile(r"remediation:([^:\s]+):(.+):([0-9]{1,9})")


class Kind(str, Enum):
    """How a ticket differs."""

    GONE = "gone"
    MERGED = "merged"
    BACK = "back"
    STATUS = "status"
    AGENT = "agent"
    DUE = "due date"
    TYPE = "type"
    PARENT = "parent"
    REFERENCE = "reference"
    SAID = "comments"
    TWINS = "twins"
    UNKNOWN = "unknown"
    OPEN = "open write"
    LEFT = "left"


# Nothing is done about these here: a run or a person does.
LEFT_ALONE = frozenset({Kind.OPEN, Kind.LEFT})
READ_BACK = "is read back"
_TOLD = "is told here once, and stays as it is: whoever changed it decides"


@dataclass(frozen=True)
class Difference:
    """``number`` is HaloITSM's, 0 where there is none; ``of`` names the ticket that is kept, "" where none is.

    ``found`` says what is different, ``remedy`` what is done about it. ``also`` are further numbers of HaloITSM's.
    """

    kind: Kind
    number: int
    of: str
    found: str
    remedy: str
    also: tuple[int, ...] = ()

    @property
    def is_applied(self) -> bool:
        """Whether applying changes what is kept."""
        return self.kind not in LEFT_ALONE


@dataclass(frozen=True)
class Kept:
    """A ticket as it is kept. ``number`` is HaloITSM's, None where it is not made as far as is known.

    ``status``, ``agent``, ``type`` and ``parent`` are HaloITSM's numbers; None for an agent that was never read, and
    for a type or parent that nobody has chosen. ``is_elsewhere``: a person has detached it, or tied its findings to
    another ticket, so that the one with its reference is not its own. ``open`` says what the next run does about a
    write of which nobody knows what became. ``twins`` are tickets with the same reference that were told of;
    ``looks_for_twins``: the next run looks for more. ``other_reference``: one of which it was told that HaloITSM's
    ticket carries it. ``heard``: what its newest comment says that was found here and that no journal has.
    """

    name: str
    reference: str
    number: int | None
    status: int | None = None
    agent: int | None = None
    due: date | None = None
    type: int | None = None
    parent: int | None = None
    is_missing: bool = False
    is_elsewhere: bool = False
    is_detached: bool = False
    open: str = ""
    twins: frozenset[int] = frozenset()
    looks_for_twins: bool = False
    other_reference: str = ""
    heard: str = ""


@dataclass(frozen=True)
class There:
    """A ticket as HaloITSM shows it. ``is_copy``: somebody else than the service made it. ``said``: what its newest
    comment of ours says, "" where the journal has it."""

    number: int
    reference: str = ""
    status: int | None = None
    agent: int | None = None
    due: date | None = None
    type: int | None = None
    parent: int | None = None
    merged_into: int | None = None
    is_closed: bool = False
    is_copy: bool = False
    said: str = ""


@dataclass(frozen=True)
class Owner:
    """A project that references name. ``elsewhere`` names its connection, where that is another one than this;
    ``unread`` says why not all of its tickets could be read, "" where they were."""

    name: str
    elsewhere: str = ""
    unread: str = ""


def parsed(reference: str) -> tuple[str, str, int] | None:
    """The project's slug, the key and the number of one of our references; None for another text."""
    found = _REFERENCE.fullmatch(reference)
    return (found[1], found[2], int(found[3])) if found else None


def differences(
    kept: Sequence[Kept],
    there: Mapping[int, There],
    owners: Mapping[str, Owner],
    given_up: Collection[str],
    names: Mapping[int, str],
) -> list[Difference]:
    """All that is different, what is kept first.

    ``there`` are the tickets by number: all that are kept as far as HaloITSM shows them, and all others that were found
    with one of our references. ``owners`` are all projects by their slugs, ``given_up`` the references of tickets that
    were made anew, and ``names`` those of HaloITSM's statuses.
    """
    found: list[Difference] = []
    for one in kept:
        if one.open:
            found.append(Difference(Kind.OPEN, one.number or 0, one.name, "a write was begun and not ended", one.open))
        if one.number is not None and not one.is_detached:
            found += _of_kept(one, there.get(one.number), names)
    return [*found, *_unknown(kept, there, owners, given_up)]


def _of_kept(kept: Kept, there: There | None, names: Mapping[int, str]) -> list[Difference]:
    if there is None or there.merged_into:
        return [] if kept.is_missing else [_gone(kept, there)]
    found = [*_read_back(kept, there, names), *_told(kept, there)]
    return [Difference(kind, there.number, kept.name, text, remedy) for kind, text, remedy in found]


def _gone(kept: Kept, there: There | None) -> Difference:
    kind, text = Kind.GONE, "does not exist, or the API's agent may not see it"
    if there is not None:
        kind, text = Kind.MERGED, f"was merged into ticket {there.merged_into}"
    remedy = "nothing is written to it any more, until a person ties its findings to another ticket or remakes it"
    return Difference(kind, kept.number or 0, kept.name, text, remedy)


def _read_back(kept: Kept, there: There, names: Mapping[int, str]) -> Iterator[tuple[Kind, str, str]]:
    """What people may change, as kind, text and remedy."""
    if kept.is_missing:
        yield Kind.BACK, "is shown again", READ_BACK
    if there.status is not None and there.status != kept.status:
        theirs, ours = (names.get(one or 0, f"status {one}") for one in (there.status, kept.status))
        yield Kind.STATUS, f"is {theirs}; kept is {ours}", READ_BACK
    if None not in (there.agent, kept.agent) and there.agent != kept.agent:
        yield Kind.AGENT, f"is agent {there.agent}'s; kept is agent {kept.agent}", READ_BACK
    if there.due is not None and there.due != kept.due:
        yield Kind.DUE, f"is due {there.due}; kept is {kept.due}", READ_BACK


def _told(kept: Kept, there: There) -> Iterator[tuple[Kind, str, str]]:
    """What nobody should have changed, and what was said after the backup, as kind, text and remedy."""
    if None not in (there.type, kept.type) and there.type != kept.type:
        yield Kind.TYPE, f"is of type {there.type}; ours is type {kept.type}", _TOLD
    if kept.parent is not None and there.parent != kept.parent:
        yield Kind.PARENT, f"is under {there.parent or 'no ticket'}; ours is under {kept.parent}", _TOLD
    if not kept.is_elsewhere and there.reference not in ("", kept.reference, kept.other_reference):
        yield Kind.REFERENCE, f"carries {there.reference}; ours is {kept.reference}", _TOLD
    if there.said and there.said != kept.heard:
        remedy = "what that comment says is not said again"
        yield Kind.SAID, "its newest comment of ours is not in the journal", remedy


def _unknown(
    kept: Sequence[Kept], there: Mapping[int, There], owners: Mapping[str, Owner], given_up: Collection[str]
) -> Iterator[Difference]:
    """The tickets that carry one of our references and are not those that are kept."""
    known = {one.number for one in kept}
    by_reference = {one.reference: one for one in kept}
    others: dict[str, list[There]] = {}
    for one in sorted(there.values(), key=lambda one: one.number):
        if one.number not in known and not one.merged_into and parsed(one.reference):
            others.setdefault(one.reference, []).append(one)
    for reference, found in others.items():
        holder = by_reference.get(reference)
        if holder is None or (holder.number is None and not holder.open):
            yield _adopted(reference, found, owners, given_up)
        elif holder.number is not None and not holder.is_elsewhere and not holder.is_detached:
            twins = [one.number for one in found if not one.is_closed and one.number not in holder.twins]
            if twins and not holder.looks_for_twins:
                text = f"tickets {', '.join(map(str, twins))} have its reference as well"
                remedy = "the next run of its project lets the lowest number count, and closes the others"
                yield Difference(Kind.TWINS, holder.number, holder.name, text, remedy, tuple(twins))


def _adopted(
    reference: str, found: Sequence[There], owners: Mapping[str, Owner], given_up: Collection[str]
) -> Difference:
    """What is done about tickets with a reference that is in no ticket that is kept."""
    slug = (parsed(reference) or ("",))[0]
    owner = owners.get(slug)
    # Of our own the lowest number counts.
    first, *rest = (one.number for one in sorted(found, key=lambda one: (one.is_copy, one.number)))
    others = tuple(rest)
    reason = ""
    if all(one.is_copy for one in found):
        reason = "somebody else made it"
    elif owner is None:
        reason = "its project does not exist any more"
    elif owner.elsewhere:
        reason = f"its project belongs to the connection {owner.elsewhere!r}"
    elif reference in given_up:
        reason = "a person had another one made in its place"
    elif owner.unread:
        reason = f"not everything could be read: {owner.unread}"
    if reason or owner is None:
        return Difference(
            Kind.LEFT, first, "", f"carries {reference}, and is in no store", f"is left: {reason}", others
        )
    more = f", and so do tickets {', '.join(map(str, others))}" if others else ""
    remedy = f"is adopted by the project {owner.name!r}" + ("; its next run closes the others" if others else "")
    return Difference(Kind.UNKNOWN, first, "", f"carries {reference}{more}, and is in no store", remedy, others)
