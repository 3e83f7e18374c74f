"""Carries a plan out in Halo, step by step, so that a crash anywhere is resumed and nothing happens twice.

"About to" is in the journal before each write and "done" after it. A create is found again by its reference, a comment
by the mark in its text, and a status can be set twice. One process at a time writes to one connection.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Callable, Iterator, Mapping

from django.db import connection as database
from django.db import transaction
from django.utils import timezone

from haloitsm_client import HaloError, NotFound, Unauthorized, UncertainWrite

from ..domain.plan import Kind, Plan, Step, digest
from ..domain.planning import PARENT_KEY
from ..domain.status import Status, StatusMap
from ..domain.ticket import gone
from ..store import models
from ..store.json_keys import change_keys
from .asking import HaloAway, asked, in_words, is_away
from .instance import Instance, NotInHalo, Shown
from .missing import found_again, is_missing, mark_missing
from .references import free_reference
from .twins import UNLOOKED, Twins, by_reference

__all__ = ["Applier", "Busy", "HaloAway", "Outcome", "one_writer"]

# A write whose outcome is unknown is sent again only after it has been absent for so long.
ABSENT_BEFORE_RETRY = timedelta(minutes=10)
# How long a process that ended may have been busy with its last write, and how long Halo may be with one request.
CALL_LASTS = timedelta(seconds=165)
REQUEST_LASTS = 35.0

# In a ticket's note: its last comment said that it is settled, and its status is not set yet; who let it end.
_SETTLING = "settling"
_RELEASED = "released"

_CREATES = (Kind.CREATE, Kind.CREATE_PARENT)
_STATUSES = (Kind.SET_STATUS, Kind.REOPEN)


class _Moved(Exception):
    """Halo shows a ticket in another status than the plan was made from."""


class Busy(Exception):
    """Another process is writing to the same connection."""


@contextmanager
def one_writer(connection_id: int) -> Iterator[None]:
    """Lets one process write to a connection. Raises Busy."""
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCK, connection_id])
        if not cursor.fetchone()[0]:
            raise Busy("Another process is at work on this connection. Run this again when it is done.")
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_LOCK, connection_id])


_LOCK = 7_411_001


@dataclass
class Outcome:
    """What an apply did, by step key; ``failed`` and ``waiting`` have the reason in words."""

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    tickets: list[int] = field(default_factory=list)

    def has(self, step: Step) -> bool:
        """Whether it is known what became of a step."""
        return step.key in self.done or step.key in self.failed or step.key in self.waiting


class Applier:
    """Applies plans of one project, by a process that is its connection's one writer.

    ``now`` is the present, ``sleep`` waits for seconds, ``say(text)`` gets a line for each step.
    """

    def __init__(
        self,
        project: models.Project,
        instance: Instance,
        statuses: StatusMap,
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], None] = time.sleep,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._project = project
        self._instance = instance
        self._statuses = statuses
        self._now = now
        self._sleep = sleep
        self._say = say
        self._outcome = Outcome()
        self._rows: dict[str, models.Step] = {}
        self._waited = False
        self._twins = Twins(project, instance, statuses, now=now, say=say)
        # Tickets that were seen in this run although something of theirs was refused.
        self._seen: set[int] = set()
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
                    self._carry_out(step, step.ticket_key in stuck)
                if step.key not in outcome.done:
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
        steps = {(step.ticket_key, step.generation): step for step in plan.steps if step.kind in _CREATES}
        rows = [self._ticket(*wanted) for wanted in steps]
        made = models.Ticket.objects.filter(project=self._project, halo_id__isnull=True)
        open_ended = [row for row in made if _newest(row, "about", "unknown")]
        missing = {row.reference: row for row in [*rows, *open_ended] if row.halo_id is None}
        try:
            self._look(missing, steps)
            if any(self._is_cut_off(row) for row in missing.values()):
                self._wait_for_cut_off()
                self._look(missing, steps)
        except HaloError as error:
            self._unsearched = f"it could not be looked up whether it exists already. {in_words(error)}"
            return
        for row in missing.values():
            newest = _newest(row, "about", "unknown")
            if (row.key, row.generation) not in steps and newest and newest.at <= self._now() - ABSENT_BEFORE_RETRY:
                self._note("failed", row, None, {"said": "it was not made, and nobody needs it any more"})

    def _look(self, missing: dict[str, models.Ticket], steps: Mapping[tuple[str, int], Step]) -> None:
        """Look for tickets, and take those that are found out of ``missing``. Raises HaloError and HaloAway."""
        for are_parents in (True, False):
            found = by_reference(self._instance, missing, self._parent_id(), are_parents=are_parents)
            for reference, shown in found.items():
                row = missing.pop(reference)
                self._adopted(row, shown[0], steps.get((row.key, row.generation)))

    def _adopted(self, row: models.Ticket, shown: Shown, step: Step | None) -> None:
        """A ticket was made before. What it has told is what was about to be sent then; where nobody knows, nothing."""
        about = row.journal.filter(event="about", detail__has_key="told").order_by("-pk").first()
        sent = about.detail if about else {"told": {}, "title": step.body["summary"] if step else ""}
        result = {"ticket": shown.halo_id, "adopted": True}
        step_row = self._rows[step.key] if step else None
        with transaction.atomic():
            self._made(row, shown, sent)
            self._note("done", row, step_row, result)
            if step_row:
                self._end(step_row, "done", result)
        if step:
            self._outcome.done.append(step.key)
            self._say(f"  found    {step.kind.value} {step.ticket_key}: ticket {shown.halo_id} was made before")

    def _made(self, row: models.Ticket, shown: Shown, sent: Mapping[str, Any]) -> None:
        """Remember a ticket as Halo has it: a rule or a person may have changed its status already."""
        started = self._statuses.write.get(Status.NOT_STARTED)
        number = shown.status_id if shown.status_id is not None else started
        ours = self._statuses.read(number)
        row.halo_id, row.halo_status_id, row.halo_changed = shown.halo_id, number, shown.changed
        row.status = ours.value if ours else ""
        row.agreed_status = Status.NOT_STARTED.value
        row.title = str(sent["title"])
        row.save(update_fields=["halo_id", "halo_status_id", "halo_changed", "status", "agreed_status", "title"])
        note = {"told": sent["told"], UNLOOKED: self._now().isoformat(), **self._numbers(sent)}
        change_keys(row, "note", note)

    def _numbers(self, sent: Mapping[str, Any]) -> dict[str, str]:
        """What a project's ticket tells of its children, and the day on which it does."""
        today = timezone.localdate(self._now()).isoformat()
        return {"numbers": sent["numbers"], "numbers_told": today} if "numbers" in sent else {}

    def _is_cut_off(self, row: models.Ticket) -> bool:
        """Whether a process ended in the middle of a write for a ticket, so shortly ago that Halo may be at it."""
        newest = _newest(row, "about")
        return newest is not None and newest.at > self._now() - CALL_LASTS

    def _wait_for_cut_off(self) -> None:
        if not self._waited:
            self._say(
                f"  The run before was cut off in the middle of a write: waiting {REQUEST_LASTS:.0f} s for its end."
            )
            self._sleep(REQUEST_LASTS)
            self._waited = True

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
        before = _newest(ticket, "about", "unknown")
        sent = _sent(step) if step.kind in _CREATES else {}
        try:
            # Looked at before "about to": what was not begun is nobody's but the person's who did it.
            result = asked(lambda: self._found(step, ticket)) if step.kind in _STATUSES else {}
            if not result:
                self._note("about", ticket, row, sent)
                result = asked(lambda: self._do(step, ticket, before))
        except _Moved:
            self._waits(step, "somebody changed it meanwhile; the next run decides")
            return
        except UncertainWrite as error:
            self._note("unknown", ticket, row, {"said": error.cause})
            self._waits(step, error.cause)
            return
        except HaloAway as error:
            if step.kind not in _STATUSES:
                # What may have been made raises UncertainWrite; a status may have been set.
                self._note("failed", ticket, row, {"said": str(error)})
            raise
        except (HaloError, NotInHalo) as error:
            self._refused(step, ticket, error)
            return
        self._done(step, ticket, result)

    def _refused(self, step: Step, ticket: models.Ticket, error: HaloError | NotInHalo) -> None:
        words, row = in_words(error), self._rows[step.key]
        self._note("failed", ticket, row, {"said": words})
        lost = self._lost(step, ticket, error)
        if lost:
            self._waits(step, lost)
            return
        self._end(row, "failed", {"said": words})
        self._outcome.failed[step.key] = words
        self._say(f"  FAILED   {step.kind.value} {step.ticket_key}: {words}")

    def _done(self, step: Step, ticket: models.Ticket, result: Mapping[str, Any]) -> None:
        row = self._rows[step.key]
        with transaction.atomic():
            self._remember(step, ticket, result)
            self._note("done", ticket, row, result)
            self._end(row, "done", result)
        self._outcome.done.append(step.key)
        self._say(f"  done     {step.kind.value} {step.ticket_key}: {step.reason}")
        if "warning" in result:
            self._say(f"  WARNING  {step.kind.value} {step.ticket_key}: {result['warning']}")
        if step.kind is Kind.CREATE_PARENT:
            # Before it has children: they would be those of the wrong one.
            self._twins.settle(self._parent_id)

    def _lost(self, step: Step, ticket: models.Ticket, error: HaloError | NotInHalo) -> str:
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
        if step.kind in _CREATES and self._unsearched:
            return self._unsearched
        if step.kind is Kind.CREATE and self._parent_id() is None:
            return "the project's own ticket does not exist yet"
        if step.kind not in (*_CREATES, Kind.FOLLOW) and ticket.halo_id is None:
            return "its ticket does not exist yet"
        needed = self._parent() if step.kind is Kind.CREATE else ticket if step.kind not in _CREATES else None
        if needed is not None and step.kind is not Kind.FOLLOW and is_missing(needed):
            reason = self._missing(needed)
            if reason:
                return reason
        newest = _newest(ticket, "unknown")
        if newest and newest.at > self._now() - ABSENT_BEFORE_RETRY:
            said = newest.detail["said"]
            return f"the outcome of a write is unknown, and it has not been absent for ten minutes. {said}"
        return ""

    def _waits(self, step: Step, reason: str) -> None:
        self._outcome.waiting[step.key] = reason
        self._end(self._rows[step.key], "waiting", {"said": reason})
        self._say(f"  waiting  {step.kind.value} {step.ticket_key}: {reason}")

    def _note(self, event: str, ticket: models.Ticket, row: models.Step | None, detail: Mapping[str, Any]) -> None:
        models.Journal.objects.create(
            step=row, ticket=ticket, event=event, reference=ticket.reference, detail=dict(detail), at=self._now()
        )

    def _end(self, row: models.Step, state: str, result: Mapping[str, Any]) -> None:
        row.state, row.result, row.at = state, dict(result), self._now()
        row.save()

    def _do(self, step: Step, ticket: models.Ticket, before: models.Journal | None) -> dict[str, Any]:
        """The result of a step; ``before`` is the write before it on its ticket, where its end is not known.

        Raises HaloError and NotInHalo.
        """
        if step.kind in _CREATES:
            return self._create(step, ticket)
        if step.kind is Kind.FOLLOW:
            return {"key": step.body["key"]}
        number = ticket.halo_id or 0
        if step.kind is Kind.COMMENT:
            return self._comment(step, ticket, number, before)
        wanted = self._wanted(step)
        self._instance.set_status(number, wanted)
        return {"status": wanted}

    def _wanted(self, step: Step) -> int:
        """The status of Halo's that a step sets. Raises NotInHalo."""
        status = Status(step.body["status"])
        wanted = self._statuses.write.get(status)
        if wanted is None:
            raise NotInHalo(f"No status of HaloITSM is mapped to {status.value}. Map one: connect --status.")
        return wanted

    def _found(self, step: Step, ticket: models.Ticket) -> dict[str, Any]:
        """The result of a step whose status Halo shows already, {} where it is still to be set.

        Raises HaloError, NotInHalo, and _Moved where somebody has changed the status since it was read back.
        """
        wanted = self._wanted(step)
        shown = self._instance.show(ticket.halo_id or 0)
        if shown is None or shown.status_id is None:
            # The write says why, or nothing is known.
            return {}
        if shown.status_id == wanted:
            return {"status": wanted, "found": "before"}
        if ticket.halo_status_id is not None and shown.status_id != ticket.halo_status_id:
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

    def _comment(self, step: Step, ticket: models.Ticket, number: int, before: models.Journal | None) -> dict[str, Any]:
        """Adds a comment, unless it is there.

        It is not said again where it was the last that was done: then the status after it was not. The same may have to
        be said again after other things: its mark counts how often it was.
        """
        done = ticket.journal.filter(event="done")
        newest = done.order_by("-pk").first()
        if newest and newest.step and newest.step.key == step.key:
            return {"found": "before"}
        mark = f"[{digest([step.key, done.filter(step__key=step.key).count()])}]"
        if before and before.step and before.step.key == step.key:
            is_there = self._instance.has_comment(number, mark)
            if not is_there and before.event == "about" and before.at > self._now() - CALL_LASTS:
                self._wait_for_cut_off()
                is_there = self._instance.has_comment(number, mark)
            if is_there:
                return {"found": mark}
        result, text = self._attach(step.body.get("attachment"), number), str(step.body["text"])
        if "warning" in result:
            text += f"\n({step.body['attachment']['name']} could not be attached.)"
        return {**result, "comment": self._instance.comment(number, f"{text}\n\n{mark}")}

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
        if step.kind in _CREATES:
            shown = Shown(result["ticket"], result["status"], None, None)
            self._made(ticket, shown, _sent(step))
            return
        # Only what the step means is saved: a person's status may have been read back meanwhile.
        if step.kind is Kind.FOLLOW:
            ticket.key = str(step.body["key"])
            ticket.save(update_fields=["key"])
        elif step.kind is Kind.COMMENT:
            note = {"told": dict(step.told), "reopened": step.body.get("reopened", ""), **self._numbers(step.body)}
            marks = {name: True for name in ("listed", _SETTLING) if step.body.get(name)}
            change_keys(ticket, "note", {**note, **marks}, without=[_SETTLING] if _SETTLING not in marks else [])
            if step.body.get("agreed"):
                ticket.agreed_status = str(step.body["agreed"])
                ticket.save(update_fields=["agreed_status"])
        else:
            ticket.status = ticket.agreed_status = str(step.body["status"])
            ticket.halo_status_id = int(result["status"])
            ticket.save(update_fields=["status", "agreed_status", "halo_status_id"])
            change_keys(ticket, "note", {}, without=[_SETTLING, _RELEASED])


def _sent(step: Step) -> dict[str, Any]:
    """What has to be known of a create when only its ticket is found later."""
    numbers = {"numbers": step.body["numbers"]} if "numbers" in step.body else {}
    return {"told": dict(step.told), "title": str(step.body["summary"]), **numbers}


def _newest(row: models.Ticket, *events: str) -> models.Journal | None:
    """The newest entry in a ticket's journal, if it is one of these events."""
    newest = row.journal.order_by("-pk").first()
    return newest if newest and newest.event in events else None
