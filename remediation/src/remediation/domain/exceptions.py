"""Accepted risks as vulnerability exceptions of an InsightVM console: what is asked for, extended and recalled. Pure.

The console is a list of exceptions, each of a scope, such as one asset, and a vulnerability. Ours are known by a
reference in their comment. Nobody's but ours are touched, and of ours only those that nobody has judged are recalled.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import Enum

from .ticket import Pair

# A request whose answer did not come may be carried out as much later. How long really is a guess.
LATE = timedelta(minutes=10)
# How our references begin. The rest is random.
REFERENCE = "remediation-exception:"
# A comment is cut to as many characters. What a console bears is a guess.
LONGEST_COMMENT = 1000
_REFERENCE = re.compile(REFERENCE + "[0-9a-f]{32}")


class State(str, Enum):
    """What became of what was to be asked for. The words of the console are official.

    WAITING: nothing was sent yet. ASKED: it was sent, and not read back yet. OTHER: the console has another word.
    RECALLED: by us. REFUSED: the console has not taken it. COVERED: the console has one for the same asset and
    vulnerability, which is not ours, so nothing was sent.
    """

    WAITING = "waiting"
    ASKED = "asked"
    UNDER_REVIEW = "under review"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    DELETED = "deleted"
    OTHER = "other"
    RECALLED = "recalled"
    REFUSED = "refused"
    COVERED = "covered"


# What the console says, and what of it is still in force or may come to be.
_SAID = {one.value: one for one in (State.UNDER_REVIEW, State.APPROVED, State.REJECTED, State.EXPIRED, State.DELETED)}
_ENDED = (State.REJECTED, State.EXPIRED, State.DELETED)
_PENDING = (State.ASKED, State.UNDER_REVIEW)
_UNSENT = (State.WAITING, State.COVERED)


class Act(str, Enum):
    """What is written to the console. ``NONE``: nothing."""

    NONE = ""
    SUBMIT = "submit"
    RECALL = "recall"
    EXTEND = "extend"


@dataclass(frozen=True)
class Wanted:
    """An acceptance that holds, by its number, and covers a finding that is there; up to and on the day ``until``."""

    acceptance: int
    until: date


@dataclass(frozen=True)
class Asked:
    """What is kept of an asset and a vulnerability for which an exception was asked, or is to be.

    ``acceptance`` is the number of the one for which, ``until`` the day that was asked for, ``number`` the console's.
    ``doing`` was begun at ``since``, and its outcome is not known. ``released``: it needs no word of an approver.
    ``said``: what a person should know, "" for nothing.
    """

    acceptance: int
    until: date
    reference: str = ""
    state: State = State.WAITING
    number: int | None = None
    doing: Act = Act.NONE
    since: datetime | None = None
    released: bool = False
    said: str = ""


@dataclass(frozen=True)
class Listed:
    """An exception as the console lists it; words and ids in the console's letters. ``until``: its last day, None
    where it has no end."""

    number: int
    scope: str
    of: str
    vulnerability: str
    state: str
    comment: str = ""
    until: date | None = None

    @property
    def is_ended(self) -> bool:
        """Whether it is not in force, and cannot come to be."""
        return _SAID.get(self.state.casefold(), State.OTHER) in _ENDED


@dataclass(frozen=True)
class Decision:
    """What is to be kept of an asset and a vulnerability, and what is written first. ``asked`` is None where nothing is
    to be kept any more."""

    pair: Pair
    asked: Asked | None
    act: Act = Act.NONE


def comment_of(reason: str, approver: str, until: date, reference: str) -> str:
    """The comment of an exception: who accepts the risk until when and why, and by what we know it again."""
    begin = f"Accepted by {approver} until {until.isoformat()}: "
    end = f"\nReference: {reference}"
    room = LONGEST_COMMENT - len(begin) - len(end)
    return begin + (reason if len(reason) <= room else reason[: max(room - 3, 0)] + "...") + end


def index_of(listed: Iterable[Listed]) -> dict[tuple[str, str, str], Listed]:
    """The exceptions that are or may come to be in force, by scope, what it is of, and vulnerability, in small
    letters."""
    return {_key(one.scope, one.of, one.vulnerability): one for one in listed if not one.is_ended}


def read_back(asked: Mapping[Pair, Asked], listed: Iterable[Listed], now: datetime) -> dict[Pair, Asked]:
    """What is known once the whole list of the console was read. What was begun is settled by what the list shows.

    What was begun and does not show is taken for not done when it is LATE.
    """
    ours: dict[str, Listed] = {}
    for one in listed:
        if found := _REFERENCE.search(one.comment):
            ours[found[0]] = one
    return {pair: _read_back(one, _same(ours.get(one.reference), pair), now) for pair, one in asked.items()}


def decide(
    wanted: Mapping[Pair, Wanted],
    holding: Mapping[int, date],
    asked: Mapping[Pair, Asked],
    listed: Iterable[Listed],
    most: int,
) -> list[Decision]:
    """What changes, in the order of acceptances. At most ``most`` that nobody has released are submitted.

    ``wanted`` are the findings that acceptances cover, ``holding`` the last days of all acceptances that hold, by their
    numbers. ``asked`` is as ``read_back`` gave it. What is begun and not settled is left alone.
    """
    index = index_of(listed)
    room = most
    decisions = []
    for pair in sorted(wanted.keys() | asked.keys(), key=lambda one: (_acceptance(one, wanted, asked), one)):
        want, known = wanted.get(pair), asked.get(pair)
        if known is not None and known.doing is not Act.NONE:
            continue
        if want is None or not _is_asked_anew(known, want):
            if known is not None:
                decisions.append(_of_known(pair, known, want, holding))
            continue
        fresh = Asked(want.acceptance, want.until)
        if known is not None and known.state is State.WAITING:
            # The reference is that of a request that may have been lost: what comes of it later is ours as well.
            fresh = replace(fresh, reference=known.reference, released=known.released)
        if there := index.get(_key("asset", *pair)):
            said = f"The console has exception {there.number} for it, {there.state.lower()}, which is not ours."
            decisions.append(Decision(pair, replace(fresh, state=State.COVERED, said=said)))
        elif fresh.released or (room > 0 and (known is None or known.state is not State.WAITING)):
            room -= 0 if fresh.released else 1
            decisions.append(Decision(pair, replace(fresh, state=State.ASKED), Act.SUBMIT))
        else:
            said = f"Waits for an approver: one run asks for {most} at most."
            decisions.append(Decision(pair, replace(fresh, said=said)))
    return [one for one in decisions if one.act is not Act.NONE or one.asked != asked.get(one.pair)]


def _is_asked_anew(known: Asked | None, want: Wanted) -> bool:
    """Whether it is to be asked for: not yet, or again because a person has accepted the risk again since."""
    if known is None or known.state in (*_UNSENT, State.RECALLED):
        return True
    if known.state is State.EXPIRED:
        return want.until > known.until
    return known.state in (State.REJECTED, State.DELETED, State.REFUSED) and want.acceptance > known.acceptance


def _of_known(pair: Pair, known: Asked, want: Wanted | None, holding: Mapping[int, date]) -> Decision:
    """What becomes of one that is not asked for now."""
    until = want.until if want else holding.get(known.acceptance)
    acceptance = want.acceptance if want else known.acceptance
    if until is None and known.state in _UNSENT:
        return Decision(pair, None)
    if until is None and known.state in _PENDING:
        return Decision(pair, replace(known, said=""), Act.RECALL)
    if until is None and known.state is State.APPROVED:
        return Decision(pair, replace(known, said="The acceptance has ended. What is approved is ended in InsightVM."))
    if until is None or known.state not in (*_PENDING, State.APPROVED):
        return Decision(pair, known)
    if until > known.until:
        return Decision(pair, replace(known, acceptance=acceptance, until=until, said=""), Act.EXTEND)
    said = f"It was asked for until {known.until.isoformat()}, which is not shortened." if until < known.until else ""
    return Decision(pair, replace(known, acceptance=acceptance, said=said))


def _read_back(asked: Asked, there: Listed | None, now: datetime) -> Asked:
    idle = replace(asked, doing=Act.NONE, since=None)
    if there is None:
        return _not_there(asked, idle, now)
    state = _SAID.get(there.state.casefold(), State.OTHER)
    if state is State.DELETED and (asked.doing is Act.RECALL or asked.state is State.RECALLED):
        return replace(idle, state=State.RECALLED, said="")
    if asked.doing is Act.EXTEND and there.until is not None:
        # What is not so is asked for once more, which does no harm.
        idle = replace(idle, until=min(asked.until, there.until))
    said = asked.said if state is asked.state else _told(state, there.state)
    return replace(idle, number=there.number, state=state, said=said)


def _not_there(asked: Asked, idle: Asked, now: datetime) -> Asked:
    if asked.doing is Act.SUBMIT:
        is_late = asked.since is None or now - asked.since >= LATE
        # It was let through once.
        return replace(idle, state=State.WAITING, released=True, said="") if is_late else asked
    if asked.doing is Act.RECALL:
        return replace(idle, state=State.RECALLED, said="")
    if asked.state in (*_UNSENT, State.RECALLED, State.REFUSED, State.DELETED):
        return asked
    return replace(idle, state=State.DELETED, said="The console does not show it any more. It is not asked for again.")


def _told(state: State, word: str) -> str:
    if state in (State.REJECTED, State.DELETED):
        return f"It was {state.value} in InsightVM, and is not asked for again. The acceptance here goes on."
    return f"The console calls it {word!r}, which is not known here." if state is State.OTHER else ""


def _acceptance(pair: Pair, wanted: Mapping[Pair, Wanted], asked: Mapping[Pair, Asked]) -> int:
    return wanted[pair].acceptance if pair in wanted else asked[pair].acceptance


def _same(there: Listed | None, pair: Pair) -> Listed | None:
    """The exception, where it is of this asset and vulnerability."""
    if there is None or _key(there.scope, there.of, there.vulnerability) != _key("asset", *pair):
        return None
    return there


def _key(scope: str, of: str, vulnerability: str) -> tuple[str, str, str]:
    return scope.casefold(), of, vulnerability.casefold()
