"""The commands ``history`` and ``undo``: what applies did, and taking it back."""

from __future__ import annotations

from typing import Annotated, Any, Optional

import typer

from .approvals import approver
from .ending import Refused
from .opened import AsJson, Data, answer, one, opened, quiet

Number = Annotated[int, typer.Argument(metavar="PLAN", help="The number of a plan.")]


def history(
    project: str,
    plan: Annotated[Optional[int], typer.Argument(help="The number of a plan; without one, all are listed.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """What the plans of a project did: the newest 50, or one of them step by step."""
    with opened(data):
        from ..store import models

        row = one(models.Project.objects, project, "project")
        if plan is None:
            plans = [_counted(one_) for one_ in row.plans.order_by("-pk")[:50]]
            answer(as_json, {"plans": plans}, "\n".join([_plan_line(each) for each in plans] or ["No plan was made."]))
            return
        steps = [_step(step) for step in _plan(row, plan).steps.order_by("position")]
        lines = [f"  {step['state']:<8} {step['key']}: {step['reason']}" for step in steps]
        answer(as_json, {"id": plan, "steps": steps}, "\n".join([f"Plan {plan}:", *(lines or ["  no steps"])]))


def undo(
    project: str,
    plan: Number,
    apply: Annotated[bool, typer.Option("--apply", help="Carry it out; without this, it is only shown.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Take back what a plan did: the statuses that it set, and its comments by a correcting one.

    A ticket that it made stays. A status that somebody has changed since stays as well.
    """
    with opened(data):
        from ..jobs.work import applied
        from ..store import models
        from ..investigations.run import run_of

        row = one(models.Project.objects, project, "project")
        run = run_of(row, say=quiet if as_json else typer.echo)
        made, outcome = run.undo(_plan(row, plan), approver(), apply=apply)
        steps = [{"key": step.key, "kind": step.kind.value, "ticket": step.ticket} for step in made.steps]
        value, ending = applied(made, outcome)
        lines = [f"  {step['kind']:<14} {step['ticket']}" for step in steps]
        lines += [f"  not done       {item['key']}: {item['reason']}" for item in value["not_done"]]
        more = "" if apply or not steps else " Nothing was written yet: add --apply."
        answer(
            as_json,
            {"steps": steps, **value},
            "\n".join([f"To take plan {plan} back:{more}", *(lines or ["  nothing to do"])]),
        )
        raise typer.Exit(ending)


def _plan(project: Any, number: int) -> Any:
    found = project.plans.filter(pk=number).first()
    if found is None:
        raise Refused(f"The project {project.name!r} has no plan {number}. See: remediation history {project.name!r}")
    return found


def _counted(plan: Any) -> dict[str, Any]:
    states = list(plan.steps.values_list("state", flat=True))
    counts = {state: states.count(state) for state in sorted(set(states))}
    return {"id": plan.pk, "made": plan.made, "held": plan.held, "approved_by": plan.approved_by, "steps": counts}


def _plan_line(plan: dict[str, Any]) -> str:
    counts = ", ".join(f"{count} {state}" for state, count in plan["steps"].items()) or "nothing to do"
    approved = f", approved by {plan['approved_by']}" if plan["approved_by"] else ", held" if plan["held"] else ""
    return f"{plan['id']}: {plan['made']:%Y-%m-%d %H:%M} UTC: {counts}{approved}"


def _step(step: Any) -> dict[str, Any]:
    names = ("key", "kind", "reason", "state", "at", "evidence", "result")
    return {name: getattr(step, name) for name in names}
