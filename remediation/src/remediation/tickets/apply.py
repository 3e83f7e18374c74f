"""Carries a plan out in Halo, step by step, so that a crash anywhere is resumed and nothing happens twice.

"About to" is in the journal before each write and "done" after it. A create is found again by its reference, a comment
by the mark in its text, and a status can be set twice. One process at a time writes to one connection (``lease``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Callable, Mapping

from haloitsm_client import HaloError, NotFound, Unauthorized, UncertainWrite

from ..domain.marks import REOPENED, said_by
from ..domain.plan import CREATES, PARENT_KEY, STATUSES, Kind, Plan, Step
from ..domain.status import WITHDRAWN, StatusMap
from ..domain.ticket import gone
from ..store import models
from ..store.json_keys import change_keys
from .asking import HaloAway, asked, in_words, is_away
from .attention import chosen_instead, left_alone_by
from .cut_off import PLAYBOOK, CutOff, open_write
from .instance import Instance, NotInHalo, Shown
from .journal import Journal
from .missing import found_again, is_missing, mark_missing
from .keeping import (
    CLOSING,
    HEARD,
    SETTLING,
    agent_of,
    is_heard,
    keep_agent,
    keep_comment,
    keep_end,
    keep_investigation,
)
from .keeping import keep_made, keep_status
from .open_comments import ABSENT_BEFORE_RETRY, mark_of
from .references import free_reference
from .twins import Twins, by_reference

# Of these it is looked first what Halo shows: nobody's word is written over.
_SET = (*STATUSES, Kind.ASSIGN)


class _Moved(Exception):
    """Halo shows a ticket in another status, or with another agent, than the plan was made from."""


@dataclass
class Outcome:
    """What an apply did, by step key; ``failed`` and ``waiting`` have the reason in words.

    ``warnings`` are about steps that were done, but not quite as they were meant.
    """

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    warnings: dict[str, str] = field(default_factory=dict)
    tickets: list[int] = field(default_factory=list)

    def has(self, step: Step) -> bool:
        """Whether it is known what became of a step."""
        return step.key in self.done or step.key in self.failed or step.key in self.waiting


class Applier:
    """Applies plans of one project, by a process that is its connection's one writer.

    ``now`` is the present, ``say(text)`` gets a line for each step. ``wait`` waits for the budget, before each step.
    ``cut_off`` waits for what a process before sent. ``uncommented``: why some tickets cannot be commented on yet, by
    their rows' numbers (``OpenComments.look_up``).
    """

    def __init__(
        self,
        project: models.Project,
        instance: Instance,
        statuses: StatusMap,
        *,
        journal: Journal,
        now: Callable[[], datetime],
        wait: Callable[[], None],
        cut_off: CutOff,
        uncommented: Mapping[int, str],
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._project = project
        self._instance = instance
        self._statuses = statuses
        self._journal = journal
        self._now = now
        self._wait = wait
        self._cut_off = cut_off
        self._uncommented = uncommented
        self._say = say
        self._outcome = Outcome()
        self._rows: dict[str, models.Step] = {}
        self._twins = Twins(project, instance, statuses, journal=journal, now=now, say=say)
        # Tickets that were seen in this run although something of theirs was refused.
        self._seen: set[int] = set()
        # What the comments say that were made after the backup of a restored store, by the tickets' rows' numbers.
        self._heard: dict[int, str] = {}
        # Whether the project has a ticket of its own, of which the others are children.
        self._has_parent = bool(project.settings.get("parent", True))
        # Why nothing can be created, "" where it can.
        self._unsearched = ""

    def apply(self, plan: Plan, stored: models.Plan) -> Outcome:
        """Carry out the steps of a plan, which is stored as ``stored``."""
        outcome = self._outcome = Outcome()
        self._rows = {row.key: row for row in stored.steps.all()}
        for step in plan.steps:
            # A plan that was stored on another day may have other dates in the same step: kept is what is written.
            row = self._rows[step.key]
            row.reason, row.evidence, row.body = step.reason, dict(step.evidence), dict(step.body)
        try:
            self._adopt(plan)
            self._twins.settle(self._parent_id)
            stuck: set[str] = set()
            for step in plan.steps:
                if step.key not in outcome.done:
                    self._wait()
                    self._carry_out(step, step.ticket_key in stuck)
                # What is done for an investigation stands for itself.
                if step.key not in outcome.done and "investigation" not in step.body:
                    stuck.add(step.ticket_key)
            self._twins.settle(self._parent_id)
        except HaloAway as error:
            for step in plan.steps:
                if not outcome.has(step):
                    self._waits(step, str(error))
        made = models.Ticket.objects.filter(project=self._project).values_list("halo_id", flat=True)
        outcome.tickets = sorted(number for number in made if number is not None)
        return outcome

    # What may have been made before

    def _adopt(self, plan: Plan) -> None:
        """Find the tickets of all creates at once, before anything is created: some may have been made before."""
        steps = {(step.ticket_key, step.generation): step for step in plan.steps if step.kind in CREATES}
        rows = [self._ticket(*wanted) for wanted in steps]
        made = models.Ticket.objects.filter(project=self._project, halo_id__isnull=True)
        open_ended = [row for row in made if open_write(row)]
        missing = {row.reference: row for row in [*rows, *open_ended] if row.halo_id is None}
        try:
            self._look(missing, steps)
            if any(self._cut_off.is_recent(open_write(row)) for row in missing.values()):
                self._cut_off.wait()
                self._look(missing, steps)
        except HaloError as error:
            self._unsearched = f"it could not be looked up whether it exists already. {in_words(error)}"
            return
        for row in missing.values():
            newest = open_write(row)
            if (row.key, row.generation) not in steps and newest and newest.at <= self._now() - ABSENT_BEFORE_RETRY:
                self._note("failed", row, None, {"said": "it was not made, and nobody needs it any more"})

    def _look(self, missing: dict[str, models.Ticket], steps: Mapping[tuple[str, int], Step]) -> None:
        """Look for tickets, and take those that are found out of ``missing``. Raises HaloError and HaloAway."""
        for are_parents in (True, False):
            found = by_reference(
                self._instance, missing, self._parent_id(), are_parents=are_parents, has_parent=self._has_parent
            )
            for reference, shown in found.items():
                row = missing.pop(reference)
                self._adopted(row, shown[0], steps.get((row.key, row.generation)))

    def _adopted(self, row: models.Ticket, shown: Shown, step: Step | None) -> None:
        """A ticket was made before. What it has told is what was about to be sent then; where nobody knows, nothing."""
        about = row.journal.filter(event="about", detail__has_key="told").order_by("-pk").first()
        sent = about.detail if about else {"told": {}, "title": step.body["summary"] if step else ""}
        result = {"ticket": shown.halo_id, "adopted": True}
        step_row = self._rows[step.key] if step else None
        with self._journal.held():
            keep_made(row, shown, sent, self._statuses, self._now())
            if step_row:
                keep_end(self._journal, row, step_row, result, self._now())
            else:
                self._note("done", row, None, result)
        if step:
            self._outcome.done.append(step.key)
            self._say(f"  found    {step.kind.value} {step.ticket_key}: ticket {shown.halo_id} was made before")

    def _parent(self) -> models.Ticket | None:
        return models.Ticket.objects.filter(project=self._project, key=PARENT_KEY, halo_id__isnull=False).first()

    def _parent_id(self) -> int | None:
        row = self._parent()
        return row.halo_id if row else None

    def _ticket(self, key: str, generation: int) -> models.Ticket:
        """The stored ticket of a key. Its reference is its own for ever, also when the ticket follows another key."""
        row = models.Ticket.objects.filter(project=self._project, key=key, generation=generation).first()
        if row is not None:
            return row
        return models.Ticket.objects.create(
            project=self._project,
            key=key,
            generation=generation,
            reference=free_reference(self._project, key, generation),
            kind="parent" if key == PARENT_KEY else "child",
            note={},
        )

    # Steps

    def _carry_out(self, step: Step, is_stuck: bool) -> None:
        ticket, row = self._ticket(step.ticket_key, step.generation), self._rows[step.key]
        obstacle = "an earlier step of its ticket is not done" if is_stuck else self._obstacle(step, ticket)
        if obstacle:
            self._waits(step, obstacle)
            return
        sent = _sent(step)
        try:
            # Looked at before "about to": what was not begun is nobody's but the person's who did it.
            result = asked(lambda: self._found(step, ticket)) if step.kind in _SET else {}
            if not result and step.kind in STATUSES and ticket.pk in self._heard:
                self._was_set(step, ticket)
                return
            if not result:
                self._note("about", ticket, row, sent)
                result = asked(lambda: self._do(step, ticket))
        except _Moved:
            self._waits(step, "somebody changed it meanwhile; the next run decides")
            return
        except UncertainWrite as error:
            self._note("unknown", ticket, row, {"said": error.cause})
            self._waits(step, error.cause)
            return
        except HaloAway as error:
            if step.kind not in _SET:
                # What may have been made raises UncertainWrite; a status may have been set.
                self._note("failed", ticket, row, {"said": str(error)})
            raise
        except (HaloError, NotInHalo) as error:
            self._refused(step, ticket, error)
            return
        self._done(step, ticket, result)

    def _was_set(self, step: Step, ticket: models.Ticket) -> None:
        """A status belongs to a comment that was made before the store was restored, so it was set then as well: what
        HaloITSM shows instead is a person's."""
        with self._journal.held():
            ticket.agreed_status = str(step.body["status"])
            ticket.save(update_fields=["agreed_status"])
            told = {"reopened": "told"} if self._heard[ticket.pk].endswith(REOPENED) else {}
            change_keys(ticket, "note", told, without=[SETTLING])
        self._waits(step, "it was set before the backup that the store is restored from; the next run decides")

    def _refused(self, step: Step, ticket: models.Ticket, error: HaloError | NotInHalo) -> None:
        words, row = in_words(error), self._rows[step.key]
        if step.kind is Kind.COMMENT and isinstance(error, HaloError) and error.unseen:
            # The refusal need not be Halo's last word, and whether it was made could not be looked up.
            self._note("unknown", ticket, row, {"said": words})
            self._waits(step, f"a comment may have been made. {words}")
            return
        self._note("failed", ticket, row, {"said": words})
        # A name that is not there now keeps a step waiting for a person, and is no refusal.
        lost = words if isinstance(error, NotInHalo) else self._lost(step, ticket, error)
        if lost:
            self._waits(step, lost)
            return
        self._end(row, "failed", {"said": words})
        self._outcome.failed[step.key] = words
        self._say(f"  FAILED   {step.kind.value} {step.ticket_key}: {words}")

    def _done(self, step: Step, ticket: models.Ticket, result: Mapping[str, Any]) -> None:
        row = self._rows[step.key]
        with self._journal.held():
            self._remember(step, ticket, result)
            keep_end(self._journal, ticket, row, result, self._now())
        self._outcome.done.append(step.key)
        self._say(f"  done     {step.kind.value} {step.ticket_key}: {step.reason}")
        if "warning" in result:
            self._outcome.warnings[step.key] = result["warning"]
            self._say(f"  WARNING  {step.kind.value} {step.ticket_key}: {result['warning']}")
        if step.kind is Kind.CREATE_PARENT:
            # Before it has children: they would be those of the wrong one.
            self._twins.settle(self._parent_id)

    def _lost(self, step: Step, ticket: models.Ticket, error: HaloError) -> str:
        """Why a refused step waits: its ticket, or a new ticket's parent, is gone. "" where that is not the reason."""
        is_likely = isinstance(error, HaloError if step.kind is Kind.CREATE else (NotFound, Unauthorized))
        row = self._parent() if step.kind is Kind.CREATE else ticket
        if not is_likely or row is None or row.halo_id is None or row.halo_id in self._seen:
            return ""
        return self._missing(row)

    def _missing(self, row: models.Ticket) -> str:
        """Why steps of a ticket wait, "" where Halo shows it. It is kept with the ticket. Raises HaloAway."""
        number = row.halo_id or 0
        if asked(lambda: self._instance.show(number)) is None:
            mark_missing(row, self._now())
            return gone(number)
        found_again(row)
        self._seen.add(number)
        return ""

    def _obstacle(self, step: Step, ticket: models.Ticket) -> str:
        """Why a step cannot be begun yet, "" where it can."""
        # A person may have said so since the plan was made.
        if left_alone := left_alone_by(ticket) or chosen_instead(ticket):
            return left_alone
        if step.kind in CREATES and self._unsearched:
            return self._unsearched
        if step.kind is Kind.CREATE and self._has_parent and self._parent_id() is None:
            return "the project's own ticket does not exist yet"
        if step.kind not in (*CREATES, Kind.FOLLOW) and ticket.halo_id is None:
            return "its ticket does not exist yet"
        needed = self._parent() if step.kind is Kind.CREATE else ticket if step.kind not in CREATES else None
        if needed is not None and step.kind is not Kind.FOLLOW and is_missing(needed):
            reason = self._missing(needed)
            if reason:
                return reason
        if step.kind is Kind.COMMENT:
            return self._uncommented.get(ticket.pk, "")
        newest = open_write(ticket) if step.kind in CREATES else None
        if newest and newest.event == "unknown" and newest.at > self._now() - ABSENT_BEFORE_RETRY:
            # It was looked for before all steps.
            return (
                "it may have been made. It was looked for and is not there; after ten minutes of absence it is made "
                f"again. {newest.detail['said']}"
            )
        return ""

    def _waits(self, step: Step, reason: str) -> None:
        self._outcome.waiting[step.key] = reason
        self._end(self._rows[step.key], "waiting", {"said": reason})
        self._say(f"  waiting  {step.kind.value} {step.ticket_key}: {reason}")

    def _note(self, event: str, ticket: models.Ticket, row: models.Step | None, detail: Mapping[str, Any]) -> None:
        self._journal.note(event, ticket, row, detail, self._now())

    def _end(self, row: models.Step, state: str, result: Mapping[str, Any]) -> None:
        row.state, row.result, row.at = state, dict(result), self._now()
        with self._journal.held():
            row.save()

    def _do(self, step: Step, ticket: models.Ticket) -> dict[str, Any]:
        """The result of a step. Raises HaloError and NotInHalo."""
        if step.kind in CREATES:
            return self._create(step, ticket)
        if step.kind is Kind.FOLLOW:
            return {"key": step.body["key"]}
        number = ticket.halo_id or 0
        if step.kind is Kind.COMMENT:
            return self._comment(step, ticket, number)
        if step.kind is Kind.ASSIGN:
            agent = self._agent(step)
            self._instance.assign(number, agent)
            return {"agent": agent}
        wanted = self._wanted(step)
        closing = self._instance.set_status(number, wanted)
        for_closing = {} if closing is None else {"closing_agent": closing}
        return {"status": wanted, "before": ticket.halo_status_id, **for_closing}

    def _wanted(self, step: Step) -> int:
        """The status of Halo's that a step sets. Raises NotInHalo."""
        wanted = self._statuses.written(step.body)
        if wanted is None:
            ours = WITHDRAWN if step.body.get("withdrawn") and WITHDRAWN in self._statuses.lost else step.body["status"]
            if name := self._statuses.lost.get(ours):
                raise NotInHalo(f"HaloITSM has no status named {name!r}, which is chosen for {ours}. Choose another.")
            raise NotInHalo(f"No status of HaloITSM is mapped to {ours}. Map one: connect --status.")
        return wanted

    def _found(self, step: Step, ticket: models.Ticket) -> dict[str, Any]:
        """The result of a step whose status Halo shows already, {} where it is still to be set.

        Raises HaloError, NotInHalo, and _Moved where somebody has changed the status since it was read back.
        """
        shown = self._instance.show(ticket.halo_id or 0)
        if step.kind is Kind.ASSIGN:
            return self._found_agent(step, ticket, shown)
        wanted = self._wanted(step)
        if shown is None or shown.status_id is None:
            # The write says why, or nothing is known.
            return {}
        if shown.status_id == wanted:
            return {"status": wanted, "found": "before"}
        if ticket.halo_status_id is not None and shown.status_id != ticket.halo_status_id:
            raise _Moved
        return {}

    def _agent(self, step: Step) -> int:
        """The number of the agent whom a step gives the ticket to. Raises HaloError and NotInHalo."""
        email = str(step.body["email"])
        found = next((number for number, known in self._instance.agent_emails().items() if known == email), None)
        if found is None:
            raise NotInHalo(f"HaloITSM has no agent with the e-mail address {email}.")
        return found

    def _found_agent(self, step: Step, ticket: models.Ticket, shown: Shown | None) -> dict[str, Any]:
        """As ``_found``, for the agent."""
        if shown is None or shown.agent_id is None:
            return {}
        if shown.agent_id == self._agent(step):
            return {"agent": shown.agent_id, "found": "before"}
        if shown.agent_id != agent_of(ticket):
            raise _Moved
        return {}

    def _create(self, step: Step, ticket: models.Ticket) -> dict[str, Any]:
        is_parent = step.kind is Kind.CREATE_PARENT
        parent_id = None if is_parent else self._parent_id()
        fields = self._instance.fields(step.body, parent_id=parent_id, is_parent=is_parent)
        shown, dropped = self._instance.create(fields, ticket.reference)
        result: dict[str, Any] = {"ticket": shown.halo_id, "status": shown.status_id}
        if dropped:
            names = ", ".join(dropped)
            result["warning"] = f"ticket {shown.halo_id} does not show what was written into its custom fields: {names}"
        return result

    def _comment(self, step: Step, ticket: models.Ticket, number: int) -> dict[str, Any]:
        """Adds a comment. It is not said again where it was the last that was done: the status after it was not."""
        newest = ticket.journal.filter(event="done").exclude(detail__has_key=PLAYBOOK).order_by("-pk").first()
        if newest and newest.step and newest.step.key == step.key:
            return {"found": "before"}
        if is_heard(ticket, step.told, step.body):
            self._heard[ticket.pk] = str(ticket.note[HEARD])
            return {"found": "by what its newest comment in HaloITSM says"}
        if "joined" in step.body and HEARD in ticket.note:
            # After the restore of a backup, the journal may not know that it was made.
            found = mark_of(ticket, step.key)
            if self._instance.has_comment(number, found):
                return {"found": found}
        result, text = self._attach(step.body.get("attachment"), number), str(step.body["text"])
        if "warning" in result:
            text += f"\n({step.body['attachment']['name']} could not be attached.)"
        marks = f"{mark_of(ticket, step.key)} [={said_by(step.told, step.body)}]"
        return {**result, "comment": self._instance.comment(number, f"{text}\n\n{marks}")}

    def _attach(self, attachment: Mapping[str, str] | None, number: int) -> dict[str, Any]:
        """Attaches a comment's file, unless it is there. One that Halo refuses holds no comment back.

        Raises HaloError where it may have been attached, where Halo is away, and where the ticket is gone.
        """
        if not attachment:
            return {}
        try:
            return {"attachment": self._instance.attach(number, attachment["name"], attachment["text"])}
        except (UncertainWrite, NotFound, Unauthorized):
            raise
        except HaloError as error:
            if is_away(error):
                raise
            return {"warning": f"{attachment['name']} could not be attached. {in_words(error)}"}

    def _remember(self, step: Step, ticket: models.Ticket, result: Mapping[str, Any]) -> None:
        if step.kind in CREATES:
            shown = Shown(result["ticket"], result["status"], None, None)
            keep_made(ticket, shown, _sent(step), self._statuses, self._now())
            return
        if step.kind is Kind.FOLLOW:
            ticket.key = str(step.body["key"])
            ticket.save(update_fields=["key"])
        elif step.kind is Kind.COMMENT:
            keep_comment(ticket, step.body, step.told, self._now(), result.get("comment"))
        elif step.kind is Kind.ASSIGN:
            keep_investigation(ticket, step.body, self._now())
            keep_agent(ticket, int(result["agent"]), self._instance.agent_name(int(result["agent"])))
        else:
            keep_status(ticket, step.body, int(result["status"]), self._statuses, self._now())
            if "closing_agent" in result:
                change_keys(ticket, "note", {CLOSING: result["closing_agent"]})


def _sent(step: Step) -> dict[str, Any]:
    """What has to be known of a write when only what it made is found later."""
    if step.kind is Kind.COMMENT:
        return {"told": dict(step.told)}
    if step.kind not in CREATES:
        return {}
    numbers = {"numbers": step.body["numbers"]} if "numbers" in step.body else {}
    known = {name: step.body.get(name) for name in ("due", "agent")}
    return {"told": dict(step.told), "title": str(step.body["summary"]), **known, **numbers}
