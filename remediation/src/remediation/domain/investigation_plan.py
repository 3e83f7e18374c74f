"""The plan of investigations: what makes each and its ticket agree. Pure and deterministic.

States are merged three ways: what both sides last agreed on, InsightIDR's, Halo's. One side changed: it wins. Both
changed to different things: nothing is changed, and a person is asked until somebody decides or both sides are the
same. What this service has written itself is no change, because both sides then have what is kept as agreed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from . import template
from .investigation import Alert, Comment, Investigation, State
from .investigation_settings import UNDECIDED, USUAL_STATES, InvestigationSettings
from .marks import mark
from .plan import Kind, NotDone, Plan, Step, digest
from .status import numbers_by_name
from .ticket import gone

# So many alerts are named in a ticket, and so much of a comment is carried.
MOST_ALERTS = 20
LONGEST_COMMENT = 10_000
# What a step carries, as it is kept so that it is carried once: the link of the ticket, and comments of either side.
TOLD, FROM_HALO, FROM_IDR = "told:", "halo:", "idr:"
HALO, IDR = "halo", "insightidr"


@dataclass(frozen=True)
class StateMap:
    """``write``: the number of Halo's status for each state of InsightIDR's. ``reads``: a state for further numbers.
    ``lost``: names that the settings have and HaloITSM has not."""

    write: Mapping[State, int] = field(default_factory=dict)
    reads: Mapping[int, State] = field(default_factory=dict)
    lost: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: InvestigationSettings, names: Mapping[int, str]) -> StateMap:
        """The settings' names of statuses as Halo's numbers; the usual ones where nobody has said otherwise.

        A name that Halo does not have stops only what needs it.
        """
        by_name = numbers_by_name(names)
        usual = {state.value: name for state, name in USUAL_STATES.items() if name.casefold() in by_name}
        chosen = {word: name for word, name in {**usual, **settings.states}.items() if name}
        return cls(
            {State(word): by_name[name.casefold()] for word, name in chosen.items() if name.casefold() in by_name},
            {
                by_name[name.casefold()]: State(word)
                for name, word in settings.reads.items()
                if name.casefold() in by_name
            },
            tuple(sorted(name for name in {*chosen.values(), *settings.reads} if name.casefold() not in by_name)),
        )

    def read(self, status: int | None) -> tuple[State, ...]:
        """The states that a status of Halo's stands for: several where several are written as it, none where nobody
        has mapped it."""
        if status is None:
            return ()
        # First what it was written for: else what this service has written would read as a person's change.
        written = tuple(state for state in State if self.write.get(state) == status)
        return written or ((self.reads[status],) if status in self.reads else ())


@dataclass(frozen=True)
class Note:
    """A comment in Halo. ``number`` is unique in its ticket."""

    number: int
    who: str
    text: str


@dataclass(frozen=True)
class Tracked:
    """An investigation that has a ticket, or is to have one because of ``wanted``.

    ``is_gone``: InsightIDR has it no more. ``unread``: why some of it could not be read. ``halo_agent`` is the e-mail
    address of who has the ticket, empty for nobody, None for an agent without one. ``agreed`` and ``agreed_assignee``
    are what both sides last had, and ``agreed_status`` is the number of Halo's status then. ``tied``: the ticket was
    there already, chosen by a person or made by another product. ``carried`` is what was carried, as ``told_of``,
    ``from_halo`` and ``from_idr`` name it. ``notes`` and ``comments`` are those that people wrote in Halo and in
    InsightIDR. ``marks`` are those of our comments in Halo (``domain.marks``).

    ``asked``: both states were changed, and a person was asked. ``decided``: HALO or IDR, whose state a person has
    decided for; ``disposition`` what a person has chosen. ``refused``: e-mail addresses that InsightIDR does not know.
    """

    investigation: Investigation
    wanted: str = ""
    is_gone: bool = False
    unread: str = ""
    generation: int = 1
    halo_id: int | None = None
    halo_status: int | None = None
    halo_status_name: str = ""
    halo_agent: str | None = ""
    left_alone: str = ""
    missing: bool = False
    tied: bool = False
    agreed: State | None = None
    agreed_status: int | None = None
    agreed_assignee: str = ""
    carried: frozenset[str] = frozenset()
    notes: tuple[Note, ...] = ()
    comments: tuple[Comment, ...] = ()
    marks: frozenset[str] = frozenset()
    asked: bool = False
    decided: str = ""
    disposition: str = ""
    refused: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """As plans name its ticket."""
        return f"{self.investigation.rrn}/{self.generation}"


@dataclass(frozen=True)
class Agreed:
    """What both sides have come to by themselves; None where there is no news. ``carried``: what was found carried.

    ``asks``: both states were changed, which is news."""

    state: State | None = None
    assignee: str | None = None
    asks: bool = False
    carried: tuple[str, ...] = ()


@dataclass(frozen=True)
class InvestigationPlan:
    """``agreed`` is by RRN: news that is to be kept, and needs no step."""

    plan: Plan
    agreed: Mapping[str, Agreed]


def plan(
    settings: InvestigationSettings, states: StateMap, agents: Collection[str], tracked: Sequence[Tracked]
) -> InvestigationPlan:
    """The steps for investigations, in the order of their RRNs; ``agents`` are the e-mail addresses of Halo's."""
    steps: list[Step] = []
    not_done = [
        NotDone("settings", f"HaloITSM has no status named {name!r}, which is chosen here. Choose another.", True)
        for name in states.lost
    ]
    agreed: dict[str, Agreed] = {}
    for one in sorted(tracked, key=lambda one: one.investigation.rrn):
        if one.left_alone:
            not_done.append(NotDone(one.name, one.left_alone))
        elif one.missing:
            not_done.append(NotDone(one.name, gone(one.halo_id), needs_person=True))
        elif one.unread:
            not_done.append(NotDone(one.name, f"it could not be read. {one.unread}"))
        elif one.is_gone:
            not_done.append(NotDone(one.name, "InsightIDR does not show the investigation any more"))
        elif one.halo_id is None:
            if one.wanted:
                steps.append(_create(settings, one))
        else:
            news = _Pair(settings, states, agents, one, steps, not_done)
            if (found := news.compared()) != Agreed():
                agreed[one.investigation.rrn] = found
    creates = sum(1 for step in steps if step.kind is Kind.CREATE)
    held = f"it would create {creates} tickets" if creates > settings.most_creates else ""
    return InvestigationPlan(Plan(tuple(steps), tuple(not_done), held), agreed)


def _create(settings: InvestigationSettings, one: Tracked) -> Step:
    what = one.investigation
    body = {
        "summary": template.summary(" ".join(what.title.split()) or what.rrn),
        "details": _details(what),
        "priority": settings.priorities.get(what.priority, settings.priorities.get("UNMAPPED", "")),
        "team": settings.team,
    }
    evidence = {"investigation": what.rrn, "priority": what.priority, "status": what.state_word}
    # What somebody adds to the investigation meanwhile makes it no other step.
    same = digest(["create", what.rrn])
    return Step(Kind.CREATE, what.rrn, one.generation, one.wanted, body, evidence, same=same)


def _details(what: Investigation) -> str:
    """Without its alerts: those are read when the ticket is made."""
    lines = [
        f"InsightIDR investigation: {what.title}",
        f"Priority: {what.priority}. Status: {what.state_word}. Source: {what.source}.",
        f"Opened: {_moment(what.created)}",
        *([f"Tags: {', '.join(what.tags)}"] if what.tags else []),
        f"RRN: {what.rrn}",
    ]
    return "\n".join(lines)


def listed_alerts(alerts: Sequence[Alert]) -> str:
    """An investigation's alerts as its new ticket tells them."""
    lines = [
        f"Alerts ({len(alerts)}):" if alerts else "It had no alert when this ticket was made.",
        *(f"- {_alert(alert)}" for alert in alerts[:MOST_ALERTS]),
        *([f"... and {len(alerts) - MOST_ALERTS} more"] if len(alerts) > MOST_ALERTS else []),
    ]
    return "\n".join(lines)


def _alert(alert: Alert) -> str:
    about = ", ".join(filter(None, (alert.type, alert.source, _moment(alert.created) if alert.created else "")))
    return f"{alert.title} ({about})" if about else alert.title


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def told_of(halo_id: int) -> str:
    """That an investigation was told of its ticket."""
    return f"{TOLD}{halo_id}"


def from_halo(halo_id: int, number: int) -> str:
    """A comment of a ticket."""
    return f"{FROM_HALO}{halo_id}:{number}"


def from_idr(rrn: str) -> str:
    """A comment of an investigation."""
    return f"{FROM_IDR}{rrn}"


def told_text(halo_id: int, link: str, status: str) -> str:
    """The comment that an investigation gets once: which ticket stands for it."""
    return f"{mark_of_link(halo_id)} HaloITSM ticket {halo_id} stands for this investigation. Status: {status}. {link}"


def mark_of_link(halo_id: int) -> str:
    """How the comment of ``told_text`` begins."""
    return f"[HaloITSM #{halo_id}]"


def mark_of_note(halo_id: int, number: int) -> str:
    """How the comment of an investigation begins that carries one of its ticket."""
    return f"[HaloITSM #{halo_id}, comment {number}]"


def is_ours(body: str) -> bool:
    """Whether a comment of an investigation was carried there from Halo, by any of its marks."""
    return body.startswith("[HaloITSM #")


class _Pair:
    """An investigation beside its ticket. Steps and what is not done are added to the lists of the plan."""

    def __init__(
        self,
        settings: InvestigationSettings,
        states: StateMap,
        agents: Collection[str],
        one: Tracked,
        steps: list[Step],
        not_done: list[NotDone],
    ) -> None:
        self._settings = settings
        self._states = states
        self._agents = agents
        self._one = one
        self._steps = steps
        self._not_done = not_done
        self._found: list[str] = []
        self._asks = False

    def compared(self) -> Agreed:
        """Adds the steps that make them agree; what agrees already and was not kept so."""
        self._tell()
        state = self._compare_states()
        assignee = self._compare_assignees() if self._settings.assignees else None
        self._carry()
        return Agreed(state, assignee, self._asks and not self._one.asked, tuple(self._found))

    def _step(self, kind: Kind, reason: str, body: Mapping[str, object], same: str = "") -> None:
        what = self._one.investigation
        evidence = {"investigation": what.rrn, "status": what.state_word, "halo_status": self._one.halo_status_name}
        self._steps.append(Step(kind, what.rrn, self._one.generation, reason, body, evidence, same=same))

    def _leave(self, reason: str, needs_person: bool = False) -> None:
        self._not_done.append(NotDone(self._one.name, reason, needs_person))

    def _tell(self) -> None:
        halo_id = self._one.halo_id or 0
        if told_of(halo_id) in self._one.carried:
            return
        if any(comment.body.startswith(mark_of_link(halo_id)) for comment in self._one.comments):
            self._found.append(told_of(halo_id))
            return
        # The status may be another one by the time that it is told.
        same = digest([told_of(halo_id)])
        status = self._one.halo_status_name or "not known"
        body = {"halo_id": halo_id, "status": status, "investigation": {"carries": told_of(halo_id)}}
        self._step(Kind.COMMENT_INVESTIGATION, f"ticket {halo_id} stands for it", body, same)

    # States

    def _compare_states(self) -> State | None:
        """The state that both have and that was not kept as agreed."""
        one, theirs = self._one, self._one.investigation.state
        if theirs is None:
            self._leave(
                f"InsightIDR shows the status {one.investigation.state_word!r}, which this service does not know"
            )
            return None
        halo = self._states.read(one.halo_status)
        if one.agreed and one.halo_status == one.agreed_status:
            # Nobody has changed it there, whatever somebody has mapped it to since.
            halo = (one.agreed, *halo)
        if theirs in halo:
            is_news = one.agreed is not theirs or one.asked or one.agreed_status != one.halo_status
            return theirs if is_news else None
        is_new = one.agreed is None and not one.tied
        if not halo and not is_new:
            name = one.halo_status_name or f"number {one.halo_status}"
            self._leave(f"HaloITSM's status {name!r} is mapped to none of InsightIDR's", needs_person=True)
            return None
        winner = one.decided or (IDR if is_new else self._changed(theirs, halo))
        if winner == IDR:
            self._set_in_halo(theirs)
        elif winner == HALO and halo:
            self._set_in_idr(halo[0])
        else:
            self._asks = True
            shown = one.halo_status_name or halo[0].value
            self._leave(
                f"InsightIDR has {theirs.value} and HaloITSM {shown}: both were changed since they last agreed. Decide "
                "which one counts.",
                needs_person=True,
            )
        return None

    def _changed(self, theirs: State, halo: Sequence[State]) -> str:
        """Which side alone has changed since both agreed; "" where both have.

        Who was asked once is asked until it is settled: what was written may have come through, so that one side that
        shows what was agreed before need not be one that was not changed.
        """
        agreed = self._one.agreed
        if self._one.asked:
            return ""
        if agreed is not None and agreed in halo:
            return IDR
        return HALO if agreed is theirs else ""

    def _set_in_halo(self, state: State) -> None:
        wanted = self._states.write.get(state)
        if wanted is None:
            self._leave(f"no status of HaloITSM is mapped to InsightIDR's {state.value}", needs_person=True)
            return
        body = {"restores": wanted, "investigation": {"agreed_state": state.value, "decided": "", "asked": False}}
        self._step(Kind.SET_STATUS, f"the investigation is {state.value}", body)

    def _set_in_idr(self, state: State) -> None:
        body: dict[str, object] = {"state": state.value}
        if state is State.CLOSED and self._one.investigation.disposition in UNDECIDED:
            disposition = self._one.disposition or self._settings.disposition
            if not disposition:
                self._leave(
                    "HaloITSM's ticket is closed, and an investigation is closed with a disposition. Choose one.",
                    needs_person=True,
                )
                return
            body["disposition"] = disposition
        body["investigation"] = {"agreed_state": state.value, "decided": "", "asked": False, "disposition_chosen": ""}
        was = self._one.investigation.state_word
        name = self._one.halo_status_name
        self._step(Kind.SET_INVESTIGATION, f"its ticket is {name}, and it is {was}", {**body, "was": was})

    # Who has it

    def _compare_assignees(self) -> str | None:
        """The e-mail address that both have and that was not kept as agreed."""
        one, theirs, agreed = self._one, self._one.investigation.assignee, self._one.agreed_assignee
        halo = one.halo_agent
        if one.investigation.state is State.CLOSED:
            # Halo may want somebody assigned for the closing only.
            return None
        if halo is None:
            self._leave("HaloITSM's agent has no e-mail address, so InsightIDR cannot be told who has it")
            return None
        if halo == theirs:
            return theirs if agreed != theirs else None
        # Nobody: then who has it on the other side has it here too, unless it was taken from them here.
        if not halo or (theirs and halo == agreed):
            if agreed and agreed == theirs:
                self._leave("it was taken from its agent in HaloITSM, and InsightIDR has no way to say so")
            else:
                self._assign_in_halo(theirs)
        elif not theirs or theirs == agreed:
            if agreed and agreed == halo:
                self._leave("InsightIDR has it assigned to nobody any more; HaloITSM's ticket stays with its agent")
            else:
                self._assign_in_idr(halo)
        else:
            self._leave(
                f"InsightIDR has it with {theirs}, and HaloITSM with {halo}. Give it to one of them on either side."
            )
        return None

    def _assign_in_halo(self, email: str) -> None:
        if email not in self._agents:
            self._leave(f"HaloITSM has no agent with the e-mail address {email}")
            return
        body = {"email": email, "investigation": {"agreed_assignee": email}}
        self._step(Kind.ASSIGN, f"{email} has the investigation", body)

    def _assign_in_idr(self, email: str) -> None:
        if email in self._one.refused:
            self._leave(f"InsightIDR has no user {email}: invite them there. It is tried again once a day", True)
            return
        body = {"email": email, "was": self._one.investigation.assignee, "investigation": {"agreed_assignee": email}}
        self._step(Kind.ASSIGN_INVESTIGATION, f"{email} has its ticket", body)

    # Comments

    def _carry(self) -> None:
        one, halo_id = self._one, self._one.halo_id or 0
        there = [comment.body for comment in one.comments]
        for note in one.notes if self._settings.comments else ():
            carries, begins = from_halo(halo_id, note.number), mark_of_note(halo_id, note.number)
            if carries in one.carried:
                continue
            if any(body.startswith(begins) for body in there):
                self._found.append(carries)
                continue
            text = _cut(f"{begins} {note.who}: {note.text}")
            body = {"text": text, "investigation": {"carries": carries}}
            self._step(Kind.COMMENT_INVESTIGATION, f"{note.who} commented on its ticket", body, digest([carries]))
        for comment in one.comments if self._settings.comments_back else ():
            carries = from_idr(comment.rrn)
            if carries in one.carried or is_ours(comment.body):
                continue
            text = _cut(f"{comment.who} in InsightIDR, {_moment(comment.created)}:\n{comment.body}")
            step = Step(
                Kind.COMMENT,
                one.investigation.rrn,
                one.generation,
                f"{comment.who} commented on the investigation",
                {"text": text, "investigation": {"carries": carries}},
                {"investigation": one.investigation.rrn},
                same=digest([carries]),
            )
            if mark(step.key, 0) in one.marks:
                self._found.append(carries)
            else:
                self._steps.append(step)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_COMMENT else f"{text[:LONGEST_COMMENT]} ... (cut)"
