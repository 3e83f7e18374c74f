"""What to do about a ticket, from what is believed of its findings and what Halo shows of it. Pure.

The table of the design, "From a scan to tickets", row by row. People's texts are never written again: news are
comments, one for each run and ticket.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from .ledger import State
from .plan import Kind, NotDone, Step
from .status import ENDED, Status
from .template import listed
from .ticket import WORDS, Counts, Finding, Ticket, counted, evidence, pair_text

# A scan refutes a person's word only if it began so long after it: clocks differ.
SKEW = timedelta(seconds=60)
MOST_SCANS = 5
CALLED_DONE = (Status.AWAITING_VERIFICATION, Status.REMEDIATED)
_AT_WORK = (Status.NOT_STARTED, Status.IN_PROGRESS)
# What is not done about a ticket ends so where only an approver can let it end.
APPROVER_DECIDES = "an approver decides"


@dataclass(frozen=True)
class Decision:
    """Steps for one ticket, in order, and what is not done. ``linked``: what a new linked ticket is opened for."""

    steps: tuple[Step, ...] = ()
    not_done: tuple[NotDone, ...] = ()
    linked: tuple[Finding, ...] = ()


def decide(
    ticket: Ticket,
    findings: list[Finding],
    *,
    skew: timedelta = SKEW,
    linked: bool = False,
    moved: str = "",
    released: bool = False,
    about: str = "",
) -> Decision:
    """The steps for a ticket that exists, at most one comment among them.

    ``linked``: what comes back opens a new ticket instead of the old one. ``moved``: the key that the ticket's findings
    have all moved to. ``released``: an approver lets the ticket end, though its findings were only withdrawn.
    ``about`` is what the first comment on a ticket says that a person has tied the findings to.
    """
    decision = _decide(ticket, findings, skew, linked, released)
    if ticket.tied:
        decision = _opened_with(decision, f"{ticket.tied}\n\n{about}".strip())
    if ticket.joined:
        decision = _told_of_joining(ticket, decision)
    return _told_of_move(ticket, findings, decision, moved) if moved else decision


def _decide(ticket: Ticket, findings: list[Finding], skew: timedelta, linked: bool, released: bool) -> Decision:
    counts = Counts.of(findings)
    # A ticket that the findings were tied to has been told of none.
    news = [one for one in findings if ticket.tied or ticket.told.get(one.pair) != one.state]
    if ticket.status is None:
        return _nothing(ticket, "its status in HaloITSM is not mapped to one of ours", needs_person=True)
    if counts.alive:
        return _alive(ticket, ticket.status, findings, counts, news, skew, linked)
    return _settled(ticket, ticket.status, findings, counts, news, released)


def _alive(
    ticket: Ticket,
    status: Status,
    findings: list[Finding],
    counts: Counts,
    news: list[Finding],
    skew: timedelta,
    linked: bool,
) -> Decision:
    settled_by_us = status in (Status.REMEDIATED, Status.EXCEPTION) and status == ticket.agreed
    back = [finding for finding in news if finding.is_alive]
    if settled_by_us and back:
        return _came_back(ticket, status, findings, counts, back, linked)
    if status in CALLED_DONE:
        return _verified(ticket, findings, counts, news, skew)
    if settled_by_us and not linked:
        # The ticket was told that it opens again, and was not opened.
        reason = f"it is to be open again: {counts.in_words()}"
        reopen = _status(ticket, Kind.REOPEN, Status.IN_PROGRESS, reason, findings)
        told = (comment(ticket, findings, _news_text(news, counts), reason, news),) if news else ()
        return Decision((*told, reopen))
    is_missing = status in _AT_WORK and not counts.open
    living = [finding for finding in findings if finding.is_alive] if is_missing else []
    awaits = is_missing and all(finding.missed for finding in living)
    # Without news, the status of a ticket that was told that it is to be verified may still have to be set.
    if not (news or (awaits and ticket.settling)):
        return Decision()
    steps = []
    if news:
        text = _news_text(news, counts)
        if status in (Status.WILL_NOT_FIX, Status.EXCEPTION) and any(_is_new(ticket, finding) for finding in news):
            text += f"\n\nThe ticket is {status.value}. Does that hold for what is new as well?"
        steps.append(comment(ticket, findings, text, f"news of {counted(len(news))}", news, settling=awaits))
    if awaits:
        reason = f"no longer reported, and that proves nothing: {counts.in_words()}"
        steps.append(_status(ticket, Kind.SET_STATUS, Status.AWAITING_VERIFICATION, reason, living))
    return Decision(tuple(steps))


def _came_back(
    ticket: Ticket, status: Status, findings: list[Finding], counts: Counts, back: list[Finding], linked: bool
) -> Decision:
    sorts = {
        "Found again": [one for one in back if one.pair in ticket.told and one.state == State.OPEN.value],
        "Settled no longer, and not confirmed by a scan": [
            one for one in back if one.pair in ticket.told and one.state != State.OPEN.value
        ],
        "New": [one for one in back if one.pair not in ticket.told],
    }
    lines = [
        f"{words} after this ticket was {status.value}: {_hosts(those)}." for words, those in sorts.items() if those
    ]
    reason = f"{counted(len(back))} came back on {_hosts(back)}"
    if linked:
        text = "\n".join([*lines, "", "A new ticket has been opened for it. This one stays as it is."])
        return Decision((comment(ticket, findings, text, f"{reason}: a new ticket", back),), linked=tuple(back))
    text = "\n".join([*lines, "", f"Now: {counts.in_words()}."])
    said = comment(ticket, findings, text, reason, back)
    return Decision((said, _status(ticket, Kind.REOPEN, Status.IN_PROGRESS, reason, back)))


def _verified(
    ticket: Ticket, findings: list[Finding], counts: Counts, news: list[Finding], skew: timedelta
) -> Decision:
    """Somebody says that the work is done. A later scan decides."""
    moment = ticket.changed
    refuted = [
        finding
        for finding in findings
        if finding.state == State.OPEN.value
        and moment
        and finding.scan_started
        and finding.scan_started > moment + skew
    ]
    if not refuted:
        asked = f"; {ticket.rescan}" if ticket.rescan else ""
        reason = f"waiting for a scan: {counts.in_words()}; none since it was called done proves that it is gone{asked}"
        waiting = _nothing(ticket, reason)
        if not any(_is_new(ticket, finding) for finding in news):
            return waiting
        said = comment(ticket, findings, _news_text(news, counts), f"news of {counted(len(news))}", news)
        return replace(waiting, steps=(said,))
    hosts = _hosts(refuted)
    text = f"A later scan still finds this on {hosts}.\n\nNow: {counts.in_words()}."
    reason = f"a scan after it was called done still finds it on {hosts}"
    return Decision(
        (
            comment(ticket, findings, text, reason, refuted),
            _status(ticket, Kind.SET_STATUS, Status.IN_PROGRESS, reason, refuted),
        )
    )


def _settled(
    ticket: Ticket, status: Status, findings: list[Finding], counts: Counts, news: list[Finding], released: bool
) -> Decision:
    words = counts.in_words()
    if status in ENDED and status != ticket.agreed:
        text = f"Confirmed by scans: {words}." if counts.remediated else f"Nothing of it is left to be done: {words}."
        return Decision((comment(ticket, findings, text, f"confirmed: {words}", findings, agreed=status),))
    if status in ENDED:
        if not news:
            return Decision()
        return Decision((comment(ticket, findings, _news_text(news, counts), f"news of {counted(len(news))}", news),))
    if ticket.taken_back and not news:
        return _nothing(ticket, f"somebody took it back that it is settled: {words}")
    if counts.is_withdrawn and not released:
        withdrawn = _nothing(ticket, f"withdrawn: {words}; {APPROVER_DECIDES}", needs_person=True)
        if not news:
            return withdrawn
        said = comment(ticket, findings, _news_text(news, counts), f"withdrawn: {words}", news)
        return replace(withdrawn, steps=(said,))
    if ticket.agreed in ENDED and status in _AT_WORK and not news and not ticket.settling:
        # A person reopened what scans have settled. That is respected, and told once.
        reopened = _nothing(ticket, f"somebody opened it again after it was settled: {words}")
        if ticket.told_of_reopening:
            return reopened
        text = f"This is settled: {words}. It stays open, because somebody opened it again."
        said = comment(ticket, findings, text, "reopened by a person", findings, reopened=True)
        return replace(reopened, steps=(said,))
    reason = f"withdrawn, released by an approver: {words}" if counts.is_withdrawn else f"settled: {words}"
    ends = _status(ticket, Kind.SET_STATUS, counts.settled_as, reason, findings)
    steps = [replace(ends, body={**ends.body, "withdrawn": True}) if counts.is_withdrawn else ends]
    if news or not ticket.settling:
        text = f"{'Settled by scans' if counts.remediated else 'Settled'}: {words}, on {_hosts(findings)}."
        steps.insert(0, comment(ticket, findings, text, reason, findings, settling=True))
    return Decision(tuple(steps))


def _told_of_move(ticket: Ticket, findings: list[Finding], decision: Decision, moved: str) -> Decision:
    """The same decision; its comment, or one more, also tells of the move."""
    text = f"All that is left of this moved to another solution: {moved}."
    if any(step.kind is Kind.COMMENT for step in decision.steps):
        return _opened_with(decision, text)
    living = [finding for finding in findings if finding.is_alive]
    said = comment(ticket, findings, text, f"its findings moved to {moved}", living)
    return replace(decision, steps=(said, *decision.steps))


def _told_of_joining(ticket: Ticket, decision: Decision) -> Decision:
    """The same decision; its comment, or one more, also tells which tickets this one is dealt with together with."""
    numbers = sorted(ticket.joined, key=int)
    text = "\n\n".join(ticket.joined[number] for number in numbers)
    if not any(step.kind is Kind.COMMENT for step in decision.steps):
        # It is no news of the findings, so what was told of them stays, and so does what else is known of the ticket.
        body: dict[str, Any] = {"text": text, "joined": numbers, "only_joined": True}
        if ticket.told_of_reopening:
            body["reopened"] = "told"
        told = {pair_text(pair): state for pair, state in ticket.told.items()}
        reason = "somebody joined it with other tickets"
        said = Step(Kind.COMMENT, ticket.key, ticket.generation, reason, body, evidence([]), told)
        return replace(decision, steps=(said, *decision.steps))
    steps = (
        replace(step, body={**step.body, "joined": numbers}) if step.kind is Kind.COMMENT else step
        for step in _opened_with(decision, text).steps
    )
    return replace(decision, steps=tuple(steps))


def _opened_with(decision: Decision, text: str) -> Decision:
    """The same decision; its comment, where there is one, begins with a text."""
    steps = [
        (
            replace(step, body={**step.body, "text": f"{text}\n\n{step.body['text']}"})
            if step.kind is Kind.COMMENT
            else step
        )
        for step in decision.steps
    ]
    return replace(decision, steps=tuple(steps))


def _is_new(ticket: Ticket, finding: Finding) -> bool:
    """Whether people have not been told that it is there: it is new, or it came back."""
    told = None if ticket.tied else ticket.told.get(finding.pair)
    return finding.is_alive and told not in (State.OPEN.value, State.UNCONFIRMED.value)


def _news_text(news: list[Finding], counts: Counts) -> str:
    by_state: dict[str, list[Finding]] = {}
    for finding in news:
        by_state.setdefault(finding.state, []).append(finding)
    lines = [f"{words[0]}: {_hosts(by_state[state])}." for state, words in WORDS.items() if state in by_state]
    return "\n".join([*lines, "", f"Now: {counts.in_words()}."])


def _hosts(findings: list[Finding]) -> str:
    return listed(sorted({finding.host or finding.asset for finding in findings}))


def _scans(findings: list[Finding]) -> str:
    """The scans that saw or proved something, the newest first."""
    told = {
        (finding.scan_started, finding.scan or "")
        for finding in findings
        if finding.scan_started and finding.state in (State.OPEN.value, State.REMEDIATED.value)
    }
    return listed(
        [f"{scan or 'scan'} of {at:%Y-%m-%d %H:%M} UTC" for at, scan in sorted(told, reverse=True)], MOST_SCANS
    )


def comment(
    ticket: Ticket,
    findings: list[Finding],
    text: str,
    reason: str,
    behind: list[Finding],
    *,
    agreed: Status | None = None,
    reopened: bool = False,
    settling: bool = False,
) -> Step:
    """A comment on a ticket, after which it has told of all its ``findings``; ``behind`` are those it is about.

    ``agreed`` is the status that both sides have by it; ``reopened``: it tells why the ticket was settled.
    ``settling``: a status follows that it announces.
    """
    told = {pair_text(finding.pair): finding.state for finding in findings}
    scans = _scans(behind)
    body: dict[str, Any] = {"text": f"{text}\n\nEvidence: {scans}." if scans else text}
    # The same words at another time are another comment.
    if times := [finding.since for finding in behind if finding.since]:
        body["as_of"] = max(times).isoformat()
    if agreed:
        body["agreed"] = agreed.value
    if reopened:
        # A second reopening is another one.
        body["reopened"] = ticket.changed.isoformat() if ticket.changed else "told"
    if settling:
        body["settling"] = True
    return Step(Kind.COMMENT, ticket.key, ticket.generation, reason, body, evidence(behind), told)


def _status(ticket: Ticket, kind: Kind, status: Status, reason: str, behind: list[Finding]) -> Step:
    return Step(kind, ticket.key, ticket.generation, reason, {"status": status.value}, evidence(behind))


def _nothing(ticket: Ticket, reason: str, *, needs_person: bool = False) -> Decision:
    return Decision(not_done=(NotDone(ticket.name, reason, needs_person),))
