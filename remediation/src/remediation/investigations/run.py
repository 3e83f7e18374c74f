"""A run of a source of investigations: read InsightIDR and Halo, plan, and carry out what is to be done on both sides.

It is the run of a project whose plan is made of investigations instead of findings: with the same lease, budget,
journal, approvals and audit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from django.utils import timezone

from ..domain.investigation_plan import Agreed, StateMap, listed_alerts
from ..domain.investigation_plan import plan as plan_of
from ..domain.plan import CREATES, OF_INVESTIGATIONS, Kind, Plan, Step
from ..sources.answer_part import storable
from ..store import models
from ..tickets.apply import Applier, Outcome
from ..tickets.asking import asked
from ..tickets.journal import Journal
from ..tickets.keeping import agree, keep_carried
from ..tickets.references import free_reference
from ..tickets.run import ProjectRun
from .errors import IdrAway, IdrError
from .insightidr import InsightIdr
from .reading import look
from .source import client_of, settings_of
from .tracking import Tracking
from .writing import InvestigationWriter


def run_of(project: models.Project, **options: Any) -> ProjectRun:
    """The run of a project, of findings or of investigations; ``options`` as those of ProjectRun."""
    source = models.InvestigationSource.objects.filter(project=project).first()
    return InvestigationRun(source, **options) if source else ProjectRun(project, **options)


class InvestigationRun(ProjectRun):
    """One run of a source. Raises what ProjectRun raises, and IdrError. ``make_idr`` replaces ``client_of``."""

    def __init__(
        self,
        source: models.InvestigationSource,
        *,
        make_idr: Callable[[models.InvestigationSource], InsightIdr] = client_of,
        now: Callable[[], datetime] = timezone.now,
        **options: Any,
    ) -> None:
        super().__init__(source.project, now=now, **options)
        self._source = source
        self._idr = make_idr(source)
        self._agreed: dict[str, Agreed] = {}
        # The investigations of whose tickets the comments were read.
        self._noted: set[str] = set()

    def apply(self, approved: models.Plan | None = None) -> tuple[Plan, Outcome]:
        """As that of ProjectRun. What was just made is told to its investigation, and set as it is there, at once."""
        plan, outcome = super().apply(approved)
        made = {step.key for step in plan.steps if step.kind in CREATES} & set(outcome.done)
        if not made:
            return plan, outcome
        after, more = super().apply()
        later = Outcome(
            [*outcome.done, *more.done],
            {**outcome.failed, **more.failed},
            {**outcome.waiting, **more.waiting},
            {**outcome.warnings, **more.warnings},
            more.tickets,
        )
        return Plan((*plan.steps, *after.steps), after.not_done, after.held), later

    def undo(self, applied: models.Plan, by: str, *, apply: bool) -> tuple[Plan, Outcome]:
        """Raises IdrError: what was done on two sides is not taken back by this service."""
        raise IdrError(
            "What a plan of investigations did is not taken back: people of InsightIDR have seen it.",
            "Set the status on either side as it should be: the other side follows.",
        )

    def _made(self, today: date) -> Plan:
        del today
        now, settings = self._now(), settings_of(self._source)
        unread = look(self._source, settings, self._idr, now)
        emails = asked(self._instance.agent_emails)
        tracking = Tracking(
            self._source,
            settings,
            self._idr,
            self._instance,
            names=self._statuses.names,
            emails=emails,
            own_agent=asked(lambda: self._instance.own_agent),
            unread=unread,
            wait=self._wait,
            now=now,
        )
        tracked = tracking.tracked()
        made = plan_of(settings, StateMap.of(settings, self._statuses.names), frozenset(emails.values()), tracked)
        self._agreed = dict(made.agreed)
        self._noted = tracking.noted
        return made.plan

    def _keep_agreed(self, plan: Plan) -> None:
        now = self._now()
        rows = models.Investigation.objects.filter(source=self._source).select_related("ticket")
        for row in rows.filter(rrn__in=self._agreed):
            agreed = self._agreed[row.rrn]
            news: dict[str, str | bool] = {}
            if agreed.state is not None:
                news |= {"agreed_state": agreed.state.value, "decided": "", "asked": False}
            if agreed.assignee is not None:
                news["agreed_assignee"] = agreed.assignee
            if news and row.ticket:
                agree(row, row.ticket, **news)
            if agreed.asks:
                rows.filter(pk=row.pk).update(asked=True)
            for what in agreed.carried:
                keep_carried(row, what, now)
        busy = {step.ticket_key for step in plan.steps} | {one.key.rpartition("/")[0] for one in plan.not_done}
        rows.filter(ticket__halo_id__isnull=False).exclude(rrn__in=busy).update(agreed_at=now)

    def _reserve(self, plan: Plan) -> None:
        """A ticket that is to be made is found by the investigation's RRN, also where another product has made it."""
        for step in plan.steps:
            if step.kind is not Kind.CREATE:
                continue
            row = models.Investigation.objects.select_for_update().get(source=self._source, rrn=step.ticket_key)
            if row.ticket is None:
                is_free = not models.Ticket.objects.filter(reference=row.rrn).exists()
                reference = row.rrn if is_free else free_reference(self._project, row.rrn, step.generation)
                row.ticket, _ = models.Ticket.objects.get_or_create(
                    project=self._project,
                    key=row.rrn,
                    generation=step.generation,
                    defaults={"reference": reference, "created": self._now()},
                )
                row.save(update_fields=["ticket"])

    def _needs_approval(self, step: Step) -> bool:
        """New tickets do, where they are too many. What is said and set meanwhile is not held up by them."""
        return step.kind is Kind.CREATE

    def _with_alerts(self, steps: Sequence[Step]) -> tuple[tuple[Step, ...], dict[str, str]]:
        """The steps, each new ticket with the alerts of its investigation: they are read once, when it is made.

        Where InsightIDR is away, the other tickets are left for the next run: also why, by the keys of their steps.
        """
        whole, left, away = [], dict[str, str](), ""
        for step in steps:
            if step.kind is not Kind.CREATE:
                whole.append(step)
                continue
            if away:
                left[step.key] = away
                continue
            try:
                alerts = listed_alerts(self._idr.alerts(step.ticket_key))
            except IdrAway as error:
                left[step.key] = away = str(error)
                continue
            except IdrError as error:
                alerts = f"Its alerts could not be read. {error.cause}"
            text = f"{step.body['details']}\n\n{storable(alerts)}"
            whole.append(replace(step, body={**step.body, "details": text}))
        return tuple(whole), left

    def _carried_out(self, applier: Applier, plan: Plan, stored: models.Plan, journal: Journal) -> Outcome:
        with journal.held():
            self._reserve(plan)
        in_halo, left_out = self._with_alerts([step for step in plan.steps if step.kind not in OF_INVESTIGATIONS])
        outcome = applier.apply(Plan(in_halo), stored)
        outcome.waiting |= left_out
        writer = InvestigationWriter(self._project, self._idr, journal=journal, now=self._now, say=self._say)
        writer.apply([step for step in plan.steps if step.kind in OF_INVESTIGATIONS], stored, outcome)
        left = {step.ticket_key for step in plan.steps if step.key not in outcome.done}
        with journal.held():
            # All comments were carried. They are read again when the ticket changes.
            done = models.Investigation.objects.filter(source=self._source, rrn__in=self._noted - left)
            done.update(notes_due=False)
        return outcome
