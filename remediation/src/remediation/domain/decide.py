"""What to do about a ticket, from what is believed of its findings and what Halo shows of it. Pure.

The table of the design, "From a scan to tickets", row by row. People's texts are never written again: news are comments,
one for each run and ticket.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from .plan import Kind, NotDone, Step
from .status import ENDED, Status
from .template import listed
from .ticket import Counts, Finding, Ticket, evidence

# A scan refutes a person's word only if it began so long after it: clocks differ.
SKEW = timedelta(seconds=60)
_CLOSED_BY_PEOPLE = (Status.AWAITING_VERIFICATION, Status.REMEDIATED)


@dataclass(frozen=True)
class Decision:
    """Steps for one ticket, in order, and what is not done."""

    steps: tuple[Step, ...] = ()
    not_done: tuple[NotDone, ...] = ()


def decide(ticket: Ticket, findings: list[Finding], *, skew: timedelta = SKEW, linked: bool = False) -> Decision:
    """The steps for a ticket that exists. ``linked``: what comes back opens a new ticket instead of the old one."""
    counts = Counts.of(findings)
    news = [finding for finding in findings if ticket.told.get(finding.pair) != finding.state]
    if ticket.status is None:
        return _nothing(ticket, "its status in HaloITSM is not mapped to one of ours")
    if counts.alive:
        return _alive(ticket, findings, counts, news, skew, linked)
    return _settled(ticket, findings, counts, news)


def _alive(
    ticket: Ticket, findings: list[Finding], counts: Counts, news: list[Finding], skew: timedelta, linked: bool
) -> Decision:
    settled_by_us = ticket.agreed in (Status.REMEDIATED, Status.EXCEPTION) and ticket.status == ticket.agreed
    back = [finding for finding in news if finding.is_alive]
    if settled_by_us and back:
        return _came_back(ticket, findings, counts, back, linked)
    if ticket.status in _CLOSED_BY_PEOPLE and ticket.status != (ticket.agreed if settled_by_us else None):
        return _verified(ticket, findings, counts, skew)
    if not news:
        return Decision()
    text = _news_text(news, counts)
    if ticket.status in (Status.WILL_NOT_FIX, Status.EXCEPTION) and any(_is_new(ticket, one) for one in news):
        text += f"\n\nThe ticket is {ticket.status.value}. Does that hold for what is new as well?"
    return Decision((_comment(ticket, findings, text, f"news of {len(news)} findings", news),))


def _came_back(ticket: Ticket, findings: list[Finding], counts: Counts, back: list[Finding], linked: bool) -> Decision:
    hosts = _hosts(back)
    text = f"Found again after this ticket was {ticket.status.value if ticket.status else 'settled'}: {hosts}."
    reason = f"{len(back)} findings are back on {hosts}"
    if linked:
        return _nothing(ticket, f"{reason}: a new linked ticket is made")
    comment = _comment(ticket, findings, f"{text}\n\nNow: {counts.in_words()}.", reason, back)
    return Decision((comment, _status(ticket, Kind.REOPEN, Status.IN_PROGRESS, reason, back)))


def _verified(ticket: Ticket, findings: list[Finding], counts: Counts, skew: timedelta) -> Decision:
    """Somebody says that the work is done. A later scan decides."""
    moment = ticket.changed
    refuted = [
        finding
        for finding in findings
        if finding.is_alive
        and moment
        and finding.scan_started
        and finding.scan_started > moment + skew
        and finding.state == "open"
    ]
    if not refuted:
        return _nothing(ticket, f"waiting for a scan: {counts.in_words()}, none of it scanned since it was called done")
    hosts = _hosts(refuted)
    text = f"A later scan still finds this on {hosts}.\n\nNow: {counts.in_words()}."
    reason = f"a scan after it was called done still finds it on {hosts}"
    return Decision(
        (
            _comment(ticket, findings, text, reason, refuted),
            _status(ticket, Kind.SET_STATUS, Status.IN_PROGRESS, reason, refuted),
        )
    )


def _settled(ticket: Ticket, findings: list[Finding], counts: Counts, news: list[Finding]) -> Decision:
    target = counts.settled_as
    words = counts.in_words()
    if ticket.status in ENDED and ticket.status == ticket.agreed and not news:
        return Decision()
    if ticket.status in ENDED:
        if not news and ticket.agreed == ticket.status:
            return Decision()
        text = f"Confirmed by scans: {words}."
        return Decision((_comment(ticket, findings, text, f"confirmed: {words}", findings, agreed=ticket.status),))
    if ticket.agreed in ENDED and not news:
        # A person reopened what scans have settled. That is respected, and told once.
        if ticket.told_of_reopening:
            return Decision()
        text = f"Scans have settled this: {words}. It stays open, because somebody opened it again."
        return Decision((_comment(ticket, findings, text, "reopened by a person", findings, reopened=True),))
    reason = f"settled: {words}"
    text = f"Settled by scans: {words}, on {_hosts(findings)}."
    return Decision(
        (
            _comment(ticket, findings, text, reason, findings),
            _status(ticket, Kind.SET_STATUS, target, reason, findings),
        )
    )


def _is_new(ticket: Ticket, finding: Finding) -> bool:
    return finding.is_alive and finding.pair not in ticket.told


def _news_text(news: list[Finding], counts: Counts) -> str:
    by_state: dict[str, list[Finding]] = {}
    for finding in news:
        by_state.setdefault(finding.state, []).append(finding)
    words = {
        "open": "Open",
        "unconfirmed": "No longer seen, not confirmed",
        "remediated": "Remediated",
        "excepted": "Accepted",
        "left": "Out of coverage",
    }
    lines = [f"{words[state]}: {_hosts(by_state[state])}." for state in words if state in by_state]
    return "\n".join([*lines, "", f"Now: {counts.in_words()}."])


def _hosts(findings: list[Finding]) -> str:
    return listed(sorted({finding.host or finding.asset for finding in findings}))


def _comment(
    ticket: Ticket,
    findings: list[Finding],
    text: str,
    reason: str,
    behind: list[Finding],
    *,
    agreed: Status | None = None,
    reopened: bool = False,
) -> Step:
    told = {"|".join(finding.pair): finding.state for finding in findings}
    body = {"text": text}
    if agreed:
        body["agreed"] = agreed.value
    if reopened:
        body["reopened"] = "told"
    return Step(Kind.COMMENT, ticket.key, ticket.generation, reason, body, evidence(behind), told)


def _status(ticket: Ticket, kind: Kind, status: Status, reason: str, behind: list[Finding]) -> Step:
    return Step(kind, ticket.key, ticket.generation, reason, {"status": status.value}, evidence(behind))


def _nothing(ticket: Ticket, reason: str) -> Decision:
    return Decision(not_done=(NotDone(f"{ticket.key}/{ticket.generation}", reason),))
