"""A project's run: read Halo back, plan, keep the plan, and apply it where nobody has to approve it first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from haloitsm_client import HaloClient

from ..domain.plan import PARENT_KEY, NotDone, Plan, Step
from ..domain.planning import plan as plan_of
from ..domain.undo import taken_back
from ..store import models
from ..store.secrets import open_
from .apply import Applier, Outcome
from .asking import asked
from .attention import tie
from .budget import Budget
from .cut_off import CutOff
from .instance import Instance, Options
from .journal import Journal
from .lease import Busy, Lease, one_writer
from .open_comments import OpenComments
from .playbook import attach_playbook
from .read_back import read_back
from .undo import done_by
from .world import shown_of, world_of


def client_of(
    connection: models.Connection, before_request: Callable[[], None] = lambda: None, **limits: float
) -> HaloClient:
    """The client of a connection, whose requests are counted. Raises HaloError for an address that cannot be used.

    ``before_request`` is called before each of them. ``limits`` are HaloClient's own, in seconds: ``connect_timeout``,
    ``read_timeout``, ``max_wait``.
    """
    settings, budget = connection.settings, Budget(connection, timezone.now)

    def counted() -> None:
        budget.spend()
        before_request()

    return HaloClient(
        client_id=settings["client_id"],
        client_secret=open_(connection.secret),
        auth_server=settings["auth_server"],
        resource_server=settings["resource_server"],
        tenant=settings.get("tenant") or None,
        user_agent="haloitsm-remediation",
        before_request=counted,
        connect_timeout=limits.get("connect_timeout", 10.0),
        read_timeout=limits.get("read_timeout", 30.0),
        max_wait=limits.get("max_wait", 120.0),
    )


class ConnectionRun:
    """One process at work with a connection's Halo. ``now`` is the present, ``sleep`` waits; ``make_client`` replaces
    ``client_of``.

    Raises HaloError, HaloAway, and NotInHalo for a mapping of a status that is none of ours.
    """

    def __init__(
        self,
        connection: models.Connection,
        *,
        make_client: Callable[[models.Connection, Callable[[], None]], HaloClient] | None = None,
        now: Callable[[], datetime] = timezone.now,
        sleep: Callable[[float], None] = time.sleep,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._connection = connection
        self._now = now
        self._sleep = sleep
        self._say = say
        self._lease: Lease | None = None
        self._budget = Budget(connection, now)
        client = (make_client or client_of)(connection, self._still_ours)
        self._instance = Instance(client, Options.from_table(connection.settings))
        # A status that vanished keeps only the steps waiting that would set it.
        self._statuses = asked(partial(self._instance.status_map, whole=False))

    @contextmanager
    def _one_writer(self) -> Iterator[Journal]:
        """Raises Busy."""
        with one_writer(self._connection.pk) as lease:
            self._lease = lease
            try:
                yield Journal(lease)
            finally:
                self._lease = None

    def _still_ours(self) -> None:
        """Nothing is sent by a process that another one has taken over. Raises TakenOver."""
        if self._lease:
            self._lease.check()

    def _wait(self) -> None:
        self._budget.wait(self._sleep, self._say)

    def _read_back(self, journal: Journal) -> None:
        self._wait()
        asked(lambda: read_back(self._connection, self._instance, self._statuses, journal, self._now))


class ProjectRun(ConnectionRun):
    """One run of a project. ``options`` are those of ConnectionRun, which also says what is raised."""

    def __init__(self, project: models.Project, **options: Any) -> None:
        super().__init__(project.connection, **options)
        self._project = project

    def plan(self) -> tuple[Plan, models.Plan]:
        """Read Halo back and plan; the plan, and as it is stored. Raises HaloError and HaloAway.

        While another process writes to the connection, that one reads back: the plan is of what was read last.
        """
        try:
            with self._one_writer() as journal:
                self._read_back(journal)
        except Busy:
            self._say(
                "HaloITSM was not read back, because another process is at work on the connection. "
                "The plan is of what was read last."
            )
        return self._planned()

    def _planned(self, journal: Journal | None = None) -> tuple[Plan, models.Plan]:
        """``journal`` is that of the one writer, if this process is it."""
        today: date = timezone.localdate(self._now())
        plan = self._made(today)
        with journal.held() if journal else transaction.atomic():
            self._keep_agreed(plan)
            return plan, self._stored(plan)

    def _made(self, today: date) -> Plan:
        """What is to be done now."""
        return plan_of(world_of(self._project, today))

    def _keep_agreed(self, plan: Plan) -> None:
        """Both sides have come to the same by themselves, so there is nothing to write."""
        if plan.parent_agrees is not None:
            parents = models.Ticket.objects.filter(project=self._project, key=PARENT_KEY, halo_id__isnull=False)
            parents.update(agreed_status=plan.parent_agrees.value)

    def _needs_approval(self, step: Step) -> bool:
        """Whether a step of a plan that is held waits for an approver."""
        del step
        return True

    def _carried_out(self, applier: Applier, plan: Plan, stored: models.Plan, journal: Journal) -> Outcome:
        """Carry out a plan that needs no approval, or has it. ``journal`` is for writes to others than Halo."""
        del journal
        return applier.apply(plan, stored)

    @transaction.atomic
    def _stored(self, plan: Plan) -> models.Plan:
        """The plan as it is stored: the newest one again where it is the same, so that its number stays."""
        not_done = [vars(item) for item in plan.not_done]
        newest = models.Plan.objects.filter(project=self._project).order_by("-pk").first()
        if newest is not None and (newest.held, newest.not_done) == (bool(plan.held), not_done):
            steps = list(newest.steps.order_by("position").values_list("key", "state"))
            is_untouched = all(state != models.Step.State.DONE for _, state in steps)
            if is_untouched and [key for key, _ in steps] == [step.key for step in plan.steps]:
                return newest
        stored = models.Plan.objects.create(
            project=self._project, made=self._now(), held=bool(plan.held), not_done=not_done
        )
        rows = [
            models.Step(
                plan=stored,
                position=position,
                key=step.key,
                kind=step.kind.value,
                reason=step.reason,
                evidence=dict(step.evidence),
                body=dict(step.body),
            )
            for position, step in enumerate(plan.steps)
        ]
        models.Step.objects.bulk_create(rows, batch_size=1000)
        return stored

    def apply(self, approved: models.Plan | None = None) -> tuple[Plan, Outcome]:
        """Plan anew and carry out what is still the same. Raises HaloError, HaloAway and Busy.

        A plan that is held is carried out only where ``approved`` has the identical steps, and perhaps others that are
        done by now; else all of it waits. Where none is given, the newest approved plan counts, as far as it was not
        carried out: its apply may have been interrupted.
        """
        with self._one_writer() as journal:
            applier = self._prepared(journal)
            plan, stored = self._planned(journal)
            if plan.held:
                valid = self._approval(plan, approved)
                if valid is None:
                    free = tuple(step for step in plan.steps if not self._needs_approval(step))
                    outcome = self._carried_out(applier, Plan(free), stored, journal) if free else Outcome()
                    with journal.held():
                        outcome.waiting |= self._held(plan, stored, approved)
                    return plan, outcome
                stored.approved_at, stored.approved_by = valid.approved_at, valid.approved_by
                stored.save(update_fields=["approved_at", "approved_by"])
            return plan, self._carried_out(applier, plan, stored, journal)

    def undo(self, applied: models.Plan, by: str, *, apply: bool) -> tuple[Plan, Outcome]:
        """A plan that takes back what a plan did, and what came of it. It is carried out where ``apply`` says so.

        Raises HaloError, HaloAway and Busy.
        """
        with self._one_writer() as journal:
            applier = self._prepared(journal)
            plan = taken_back(done_by(applied), shown_of(self._project), self._statuses.names, by)
            if not (apply and plan.steps):
                return plan, Outcome()
            # What of it was approved and not done yet is not to be done any more.
            models.Plan.objects.filter(pk=applied.pk).update(approved_at=None)
            with journal.held():
                stored = self._stored(plan)
            outcome = applier.apply(plan, stored)
            # The newest plan is what is to be done now.
            self._planned(journal)
            return plan, outcome

    def tie(self, ticket: models.Ticket) -> str:
        """Tie a ticket's findings to the one of Halo's that a person has asked for; what came of it.

        Raises HaloError, HaloAway, Busy and NotPossible.
        """
        with self._one_writer() as journal:
            self._read_back(journal)
            return tie(ticket, self._instance, self._statuses, journal, self._now())

    def attach_playbook(self, ticket: models.Ticket) -> str:
        """Attach a ticket's playbook, as a person has asked for it; what came of it.

        Raises HaloError, HaloAway, Busy, NotPossible and UncertainWrite.
        """
        with self._one_writer() as journal:
            self._wait()
            return attach_playbook(
                ticket, self._instance, journal, self._now, CutOff(self._now, self._sleep, self._say)
            )

    def _prepared(self, journal: Journal) -> Applier:
        """Read Halo back and look up what may have been said before. Raises HaloError and HaloAway."""
        self._read_back(journal)
        cut_off = CutOff(self._now, self._sleep, self._say)
        comments = OpenComments(self._project, self._instance, journal, now=self._now, wait=self._wait, cut_off=cut_off)
        return Applier(
            self._project,
            self._instance,
            self._statuses,
            journal=journal,
            now=self._now,
            wait=self._wait,
            cut_off=cut_off,
            uncommented=comments.look_up(),
            say=self._say,
        )

    def _held(self, plan: Plan, stored: models.Plan, approved: models.Plan | None) -> dict[str, str]:
        """Why each step waits. The steps of the stored plan say so as well."""
        changed = f"plan {approved.pk} was approved, but these are other steps; " if approved else ""
        held = f"{changed}held until somebody approves plan {stored.pk}: {plan.held}"
        said = {"said": held}
        keys = [step.key for step in plan.steps if self._needs_approval(step)]
        # Those that say so already are left, because a plan may be held for many rounds.
        waiting = stored.steps.filter(key__in=keys).exclude(state="waiting", result=said)
        waiting.update(state="waiting", result=said, at=self._now())
        return dict.fromkeys(keys, held)

    def _approval(self, plan: Plan, approved: models.Plan | None) -> models.Plan | None:
        """The stored plan by which somebody has approved all steps of this one."""
        newest = models.Plan.objects.filter(project=self._project, approved_at__isnull=False).order_by("-pk").first()
        by = approved or newest
        if by is None or by.approved_at is None:
            return None
        # What was carried out of it before an interruption is in the plan no more. An approval that nobody has just
        # given lets nothing be done a second time.
        steps = by.steps.all() if approved else by.steps.exclude(state=models.Step.State.DONE)
        needed = {step.key for step in plan.steps if self._needs_approval(step)}
        return by if needed <= set(steps.values_list("key", flat=True)) else None


def waiting_reasons(plan: Plan, outcome: Outcome) -> list[NotDone]:
    """Everything that was not done, with its reason."""
    failed = [NotDone(key, reason) for key, reason in {**outcome.failed, **outcome.waiting}.items()]
    return [*plan.not_done, *failed]
