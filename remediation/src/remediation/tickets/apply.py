"""Carries a plan out in Halo, step by step, so that a crash anywhere is resumed and nothing happens twice.

"About to" is in the journal before each write and "done" after it. A create is found again by its reference, a comment
by the mark in its text, and a status can be set twice. One process at a time writes to one connection.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Callable, Iterator, Mapping, TypeVar

from django.db import connection as database
from django.db import transaction

from haloitsm_client import HaloError, RateLimited, ServerTrouble, UncertainWrite, Unreachable

from ..domain.plan import Kind, Plan, Step, digest
from ..domain.planning import PARENT_KEY
from ..domain.status import Status, StatusMap
from ..store import models
from .instance import Instance, NotInHalo

# A create whose outcome is unknown is made again only after it has been absent for so long.
ABSENT_BEFORE_RETRY = timedelta(minutes=10)


class HaloAway(Exception):
    """Halo cannot be reached, or wants fewer requests: the rest of the plan waits. The text says why."""


class Busy(Exception):
    """Another process is writing to the same connection."""


_Answer = TypeVar("_Answer")


def asked(ask: Callable[[], _Answer]) -> _Answer:
    """What ``ask`` gives. Raises HaloAway where Halo cannot be reached or wants fewer requests."""
    try:
        return ask()
    except UncertainWrite:
        raise
    except (Unreachable, ServerTrouble, RateLimited) as error:
        raise HaloAway(f"{error.cause} {error.assistance}") from None


@dataclass
class Outcome:
    """What an apply did, by step key; ``failed`` and ``waiting`` have the reason in words."""

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    tickets: list[int] = field(default_factory=list)


class Applier:
    """Applies plans of one project. ``now`` is the present, ``say(text)`` gets a line for each step."""

    def __init__(
        self,
        project: models.Project,
        instance: Instance,
        statuses: StatusMap,
        now: Callable[[], datetime],
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._project = project
        self._instance = instance
        self._statuses = statuses
        self._now = now
        self._say = say

    def apply(self, plan: Plan, stored: models.Plan) -> Outcome:
        """Carry out the steps of a plan, which is stored as ``stored``. Raises Busy."""
        outcome = Outcome()
        rows = {row.key: row for row in stored.steps.all()}
        with _one_writer(self._project.connection_id):
            try:
                self._adopt(plan)
                for step in plan.steps:
                    self._carry_out(step, rows[step.key], outcome)
            except HaloAway as error:
                left = [step for step in plan.steps if step.key not in {*outcome.done, *outcome.failed}]
                outcome.waiting |= {step.key: str(error) for step in left}
        made = models.Ticket.objects.filter(project=self._project).values_list("halo_id", flat=True)
        outcome.tickets = sorted(number for number in made if number is not None)
        return outcome

    def _adopt(self, plan: Plan) -> None:
        """Find the tickets of all creates at once, before anything is created: some may have been made before."""
        for step in plan.steps:
            if step.kind in (Kind.CREATE, Kind.CREATE_PARENT):
                self._ticket(step.ticket_key, step.generation)
        missing = models.Ticket.objects.filter(project=self._project, halo_id__isnull=True)
        parent = missing.filter(key=PARENT_KEY).first()
        if parent is not None:
            self._found(parent, asked(lambda: self._instance.references([parent.reference], None)))
        parent_id = self._parent_id()
        children = {row.reference: row for row in missing.exclude(key=PARENT_KEY)}
        if children and parent_id:
            found = asked(lambda: self._instance.references(list(children), parent_id))
            for row in children.values():
                self._found(row, found)

    def _found(self, row: models.Ticket, found: Mapping[str, int]) -> None:
        number = found.get(row.reference)
        if number:
            with transaction.atomic():
                self._made(row, number, {"adopted": True})

    def _made(self, row: models.Ticket, number: int, detail: dict[str, Any]) -> None:
        row.halo_id = number
        row.status = row.agreed_status = Status.NOT_STARTED.value
        row.halo_status_id = self._statuses.write.get(Status.NOT_STARTED)
        row.note = {name: value for name, value in row.note.items() if name != "unknown_since"}
        row.save()
        models.Journal.objects.create(ticket=row, event="done", reference=row.reference, detail=detail)

    def _parent_id(self) -> int | None:
        row = models.Ticket.objects.filter(project=self._project, key=PARENT_KEY, halo_id__isnull=False).first()
        return row.halo_id if row else None

    def _ticket(self, key: str, generation: int) -> models.Ticket:
        reference = f"remediation:{self._project.slug}:{key}:{generation}"
        row, _ = models.Ticket.objects.get_or_create(
            project=self._project,
            key=key,
            generation=generation,
            defaults={"reference": reference, "kind": "parent" if key == PARENT_KEY else "child", "note": {}},
        )
        return row

    def _carry_out(self, step: Step, row: models.Step, outcome: Outcome) -> None:
        ticket = self._ticket(step.ticket_key, step.generation)
        again = models.Journal.objects.filter(step__key=step.key, step__plan__project=self._project, event="about")
        resumed = again.exists()
        models.Journal.objects.create(step=row, ticket=ticket, event="about", reference=ticket.reference, detail={})
        try:
            result = asked(lambda: self._do(step, ticket, resumed))
        except UncertainWrite as error:
            self._note_unknown(ticket, row, error)
            outcome.waiting[step.key] = error.cause
            self._say(f"  waiting  {step.kind.value} {step.ticket_key}: {error.cause}")
            return
        except (HaloError, NotInHalo) as error:
            words = f"{error.cause} {error.assistance} {error.data}" if isinstance(error, HaloError) else str(error)
            models.Journal.objects.create(step=row, ticket=ticket, event="failed", detail={"said": words})
            self._end(row, "failed", {"said": words})
            outcome.failed[step.key] = words
            self._say(f"  FAILED   {step.kind.value} {step.ticket_key}: {words}")
            return
        if result is None:
            outcome.waiting[step.key] = "its outcome is unknown, and it has not been absent for ten minutes yet"
            return
        with transaction.atomic():
            self._remember(step, ticket, result)
            models.Journal.objects.create(step=row, ticket=ticket, event="done", detail=result)
            self._end(row, "done", result)
        outcome.done.append(step.key)
        self._say(f"  done     {step.kind.value} {step.ticket_key}: {step.reason}")

    def _note_unknown(self, ticket: models.Ticket, row: models.Step, error: UncertainWrite) -> None:
        ticket.note = {**ticket.note, "unknown_since": self._now().isoformat()}
        ticket.save()
        models.Journal.objects.create(step=row, ticket=ticket, event="unknown", detail={"said": error.cause})
        self._end(row, "waiting", {"said": error.cause})

    def _end(self, row: models.Step, state: str, result: dict[str, Any]) -> None:
        row.state, row.result, row.at = state, result, self._now()
        row.save()

    def _do(self, step: Step, ticket: models.Ticket, resumed: bool) -> dict[str, Any] | None:
        """The result of a step; None where it has to wait. Raises HaloError and NotInHalo."""
        if step.kind in (Kind.CREATE, Kind.CREATE_PARENT):
            return self._create(step, ticket)
        if step.kind is Kind.FOLLOW:
            return {"key": step.body["key"]}
        if ticket.halo_id is None:
            raise NotInHalo("the ticket does not exist yet")
        if step.kind is Kind.COMMENT:
            mark = f"[{digest(step.key)}]"
            if resumed and self._instance.has_comment(ticket.halo_id, mark):
                return {"found": mark}
            return {"comment": self._instance.comment(ticket.halo_id, f"{step.body['text']}\n\n{mark}")}
        status = Status(step.body["status"])
        number = self._statuses.write.get(status)
        if number is None:
            raise NotInHalo(f"no status of HaloITSM is mapped to {status.value}")
        self._instance.set_status(ticket.halo_id, number)
        return {"status": number}

    def _create(self, step: Step, ticket: models.Ticket) -> dict[str, Any] | None:
        if ticket.halo_id is not None:
            return {"ticket": ticket.halo_id, "adopted": True}
        unknown_since = ticket.note.get("unknown_since")
        if unknown_since and self._now() - datetime.fromisoformat(unknown_since) < ABSENT_BEFORE_RETRY:
            return None
        is_parent = step.kind is Kind.CREATE_PARENT
        parent_id = None if is_parent else self._parent_id()
        if not is_parent and parent_id is None:
            raise NotInHalo("the project's own ticket does not exist yet")
        fields = self._instance.fields(step.body, parent_id=parent_id, is_parent=is_parent)
        return {"ticket": self._instance.create(fields, ticket.reference)}

    def _remember(self, step: Step, ticket: models.Ticket, result: Mapping[str, Any]) -> None:
        if step.kind in (Kind.CREATE, Kind.CREATE_PARENT):
            ticket.title = str(step.body["summary"])
            if ticket.halo_id is None:
                self._made(ticket, int(result["ticket"]), {})
            ticket.note = {**ticket.note, "told": dict(step.told)}
        elif step.kind is Kind.FOLLOW:
            ticket.key = str(step.body["key"])
        elif step.kind is Kind.COMMENT:
            ticket.note = {**ticket.note, "told": dict(step.told), "reopened": step.body.get("reopened", "")}
            if step.body.get("agreed"):
                ticket.agreed_status = str(step.body["agreed"])
        else:
            ticket.status = ticket.agreed_status = str(step.body["status"])
            ticket.halo_status_id = int(result["status"])
        ticket.save()


@contextmanager
def _one_writer(connection_id: int) -> Iterator[None]:
    """Lets one process write to a connection. Raises Busy."""
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCK, connection_id])
        if not cursor.fetchone()[0]:
            raise Busy("Another process is applying a plan to this connection.")
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_LOCK, connection_id])


_LOCK = 7_411_001


def counted(plan: Plan) -> str:
    """``2 create, 1 comment``."""
    kinds = Counter(step.kind.value for step in plan.steps)
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "nothing to do"
