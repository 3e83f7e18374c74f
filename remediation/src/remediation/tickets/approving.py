"""Approvals of held plans, by people."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from ..store import audit, models


class NotHeld(Exception):
    """A plan that cannot be approved. The text says why."""


@transaction.atomic
def approve(project: models.Project, number: int, by: str) -> models.Plan:
    """Approve the held plan with a number; 0: the newest held one. What it says is carried out by the next run, as far
    as it is still the same then. Raises NotHeld."""
    plans = models.Plan.objects.select_for_update().filter(project=project, held=True).order_by("-pk")
    plan = plans.first() if number == 0 else plans.filter(pk=number).first()
    if plan is None:
        raise NotHeld(f"The project {project.name!r} has no such held plan.")
    newest = models.Plan.objects.filter(project=project).order_by("-pk").first()
    if newest is not None and newest.pk != plan.pk:
        raise NotHeld(f"Plan {plan.pk} is not the newest of {project.name!r} any more: that is plan {newest.pk}.")
    plan.approved_at, plan.approved_by = timezone.now(), by
    plan.save(update_fields=["approved_at", "approved_by"])
    audit.record(by, "plan approved", project.name, plan=plan.pk, steps=plan.steps.count())
    return plan
