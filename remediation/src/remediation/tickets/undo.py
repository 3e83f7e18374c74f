"""What a plan did in Halo, out of its steps."""

from __future__ import annotations

from ..domain.plan import Kind
from ..domain.undo import Done
from ..store import models


def done_by(plan: models.Plan) -> list[Done]:
    """The steps of a plan that were carried out, in their order, without those that were taken back before."""
    corrections = models.Step.objects.filter(
        plan__project=plan.project, state=models.Step.State.DONE, body__has_key="takes_back"
    )
    before = {number for body in corrections.values_list("body", flat=True) for number in body["takes_back"]}
    rows = plan.steps.filter(state=models.Step.State.DONE).exclude(pk__in=before).order_by("position")
    return [_done(row) for row in rows]


def _done(row: models.Step) -> Done:
    # The key of a step begins with its ticket's name (``domain.plan``).
    ticket = row.key.rpartition("/")[0].rpartition("/")[0]
    at = row.at or row.plan.made
    return Done(row.pk, Kind(row.kind), ticket, at, row.result.get("before"), row.result.get("status"))
