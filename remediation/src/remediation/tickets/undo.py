"""What a plan did in Halo, out of its steps."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Max, QuerySet

from ..domain.plan import STATUSES, Kind
from ..domain.undo import Done
from ..store import models

_DONE = models.Journal.Event.DONE


def done_by(plan: models.Plan) -> list[Done]:
    """The steps of a plan that were carried out, in their order, without those that were taken back before."""
    steps = models.Step.objects.filter(plan__project=plan.project, state=models.Step.State.DONE)
    before, announced = (_numbers(steps, name) for name in ("takes_back", "announces"))
    entries = models.Journal.objects.filter(step__plan=plan, step__state=models.Step.State.DONE, event=_DONE)
    rows = entries.exclude(step__in=before).select_related("step", "ticket").order_by("step__position", "pk")
    kinds = [kind.value for kind in STATUSES]
    sets = models.Journal.objects.filter(ticket__project=plan.project, event=_DONE, step__kind__in=kinds)
    newest = dict(sets.values_list("ticket").annotate(Max("pk")))
    found = {}
    for entry in rows:
        step, ticket = entry.step, entry.ticket
        if step is not None and ticket is not None:
            tied = ticket.note.get("tied_at")
            if tied and entry.at <= datetime.fromisoformat(tied):
                # It was done to another ticket of Halo's.
                continue
            later = newest.get(ticket.pk, 0) > entry.pk
            result = step.result
            found[step.pk] = Done(
                step.pk,
                Kind(step.kind),
                ticket.name,
                entry.at,
                result.get("before"),
                result.get("status"),
                later,
                step.pk in announced,
            )
    return list(found.values())


def _numbers(steps: QuerySet[models.Step], name: str) -> set[int]:
    bodies = steps.filter(body__has_key=name).values_list("body", flat=True)
    return {number for body in bodies for number in body[name]}
