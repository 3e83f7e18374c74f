"""Carries out the steps of a plan that write to InsightIDR, each once: "about to" is in the journal before each write.

A comment is found again by how it begins, before a plan is made. A state or an assignee is looked at before it is set,
so that nobody's change is written over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from ..domain.investigation import State
from ..domain.investigation_plan import told_text
from ..domain.plan import Kind, Step
from ..store import models
from ..tickets.apply import Outcome
from ..tickets.attention import left_alone_by
from ..tickets.cut_off import OPEN
from ..tickets.journal import Journal
from ..tickets.keeping import keep_end, keep_investigation
from ..tickets.open_comments import ABSENT_BEFORE_RETRY
from ..tickets.portal import link_of
from .errors import IdrAway, IdrError, WriteUnknown
from .insightidr import InsightIdr


class _Moved(Exception):
    """The investigation is not as the plan has it. The text says why the step waits."""


class InvestigationWriter:
    """Writes to the investigations of one project, by the connection's one writer.

    ``now`` is the present; ``say(text)`` gets a line for each step.
    """

    def __init__(
        self,
        project: models.Project,
        idr: InsightIdr,
        *,
        journal: Journal,
        now: Callable[[], datetime],
        say: Callable[[str], None],
    ) -> None:
        self._project = project
        self._idr = idr
        self._journal = journal
        self._now = now
        self._say = say
        # Why nothing more is written, "" where something may be.
        self._forbidden = ""
        self._outcome = Outcome()
        self._rows: dict[str, models.Step] = {}

    def apply(self, steps: Sequence[Step], stored: models.Plan, outcome: Outcome) -> None:
        """Carry out steps of a plan that is stored as ``stored``; what became of each is added to ``outcome``."""
        self._outcome = outcome
        self._rows = {row.key: row for row in stored.steps.all()}
        tickets = models.Ticket.objects.filter(project=self._project, halo_id__isnull=False)
        by_name = {row.name: row for row in tickets.select_related("project__connection")}
        away = ""
        for step in steps:
            ticket = by_name.get(step.ticket)
            if away or ticket is None:
                self._waits(step, away or "its ticket does not exist yet")
                continue
            try:
                self._carry_out(step, ticket)
            except IdrAway as error:
                away = str(error)
                self._waits(step, away)
            else:
                away = self._forbidden

    def _carry_out(self, step: Step, ticket: models.Ticket) -> None:
        """Raises IdrAway."""
        row = self._rows[step.key]
        if reason := left_alone_by(ticket) or self._unknown(step, ticket):
            self._waits(step, reason)
            return
        try:
            result = self._found(step)
            if not result:
                self._note("about", ticket, row, {})
                result = self._do(step, ticket)
        except _Moved as error:
            self._waits(step, str(error))
            return
        except WriteUnknown as error:
            result = self._looked_up(step)
            if not result:
                self._note("unknown", ticket, row, {"said": str(error)})
                self._waits(step, str(error))
                return
        except IdrAway as error:
            self._note("failed", ticket, row, {"said": str(error)})
            raise
        except IdrError as error:
            self._refused(step, ticket, error)
            return
        with self._journal.held():
            keep_investigation(ticket, step.body, self._now(), str(result.get("comment", "")))
            keep_end(self._journal, ticket, row, result, self._now())
        self._outcome.done.append(step.key)
        self._say(f"  done     {step.kind.value} {step.ticket_key}: {step.reason}")

    def _unknown(self, step: Step, ticket: models.Ticket) -> str:
        """Why a comment is not made again yet, which may have been made. It was looked for before the plan was made."""
        if step.kind is not Kind.COMMENT_INVESTIGATION:
            return ""
        newest = ticket.journal.filter(step__key=step.key).order_by("-pk").first()
        if newest is None or newest.event not in OPEN or newest.at <= self._now() - ABSENT_BEFORE_RETRY:
            return ""
        return (
            "it may have been made. It was looked for and is not there; after ten minutes of absence it is made again"
        )

    def _found(self, step: Step) -> dict[str, Any]:
        """The result of a step that InsightIDR shows to be done, {} where it is still to be done.

        Raises IdrError, and _Moved where somebody has changed the investigation since it was read.
        """
        if step.kind is Kind.COMMENT_INVESTIGATION:
            return {}
        there = self._idr.read(step.ticket_key)
        if there is None:
            raise _Moved("InsightIDR does not show the investigation any more")
        is_state = step.kind is Kind.SET_INVESTIGATION
        shown, wanted = (there.state_word, step.body["state"]) if is_state else (there.assignee, step.body["email"])
        if shown == wanted:
            return {"found": "before"}
        if shown != step.body["was"]:
            raise _Moved("somebody changed it meanwhile; the next look decides")
        return {}

    def _looked_up(self, step: Step) -> dict[str, Any]:
        """The result of a step whose outcome is not known, where InsightIDR shows it at once, {} where it does not."""
        try:
            return self._found(step)
        except (IdrError, _Moved):
            return {}

    def _do(self, step: Step, ticket: models.Ticket) -> dict[str, Any]:
        """The result of a step. Raises IdrError."""
        if step.kind is Kind.SET_INVESTIGATION:
            state = State(step.body["state"])
            self._idr.set_state(step.ticket_key, state, str(step.body.get("disposition", "")))
            return {"state": state.value, "before": step.body["was"]}
        if step.kind is Kind.ASSIGN_INVESTIGATION:
            self._idr.assign(step.ticket_key, str(step.body["email"]))
            return {"assignee": step.body["email"], "before": step.body["was"]}
        text = step.body.get("text") or told_text(ticket.halo_id or 0, link_of(ticket), str(step.body["status"]))
        return {"comment": self._idr.comment(step.ticket_key, str(text)).rrn}

    def _refused(self, step: Step, ticket: models.Ticket, error: IdrError) -> None:
        self._note("failed", ticket, self._rows[step.key], {"said": str(error)})
        if error.status in (401, 403):
            # It is the key's matter, and the same for all others.
            self._forbidden = str(error)
        if error.kind == "unknown_user":
            row = models.Investigation.objects.get(ticket=ticket)
            row.refused = sorted({*row.refused, str(step.body["email"])})
            row.refused_at = self._now()
            row.save(update_fields=["refused", "refused_at"])
        self._end(step, models.Step.State.FAILED, str(error))
        self._outcome.failed[step.key] = str(error)
        self._say(f"  FAILED   {step.kind.value} {step.ticket_key}: {error}")

    def _waits(self, step: Step, reason: str) -> None:
        self._outcome.waiting[step.key] = reason
        self._end(step, models.Step.State.WAITING, reason)
        self._say(f"  waiting  {step.kind.value} {step.ticket_key}: {reason}")

    def _note(self, event: str, ticket: models.Ticket, row: models.Step, detail: dict[str, Any]) -> None:
        self._journal.note(event, ticket, row, detail, self._now())

    def _end(self, step: Step, state: str, said: str) -> None:
        row = self._rows[step.key]
        row.state, row.result, row.at = state, {"said": said}, self._now()
        with self._journal.held():
            row.save()
