"""The commands about projects: ``project create`` and ``project set``, ``plan``, ``apply``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from typer.core import TyperCommand

from ..ending import Ending
from .approvals import approver
from .ending import Refused
from .opened import AsJson, Data, answer, one, opened, quiet, table_of


def _settings(table: dict[str, Any]) -> dict[str, Any]:
    """A project's settings as they are stored. Raises Refused for a key or value that there is none of."""
    from ..domain.project import Settings

    try:
        return Settings.from_table(table).to_table()
    except (ValueError, TypeError, AttributeError) as error:
        raise Refused(f"The settings cannot be used: {error}") from None


def _source(name: str) -> Any:
    """The source with a name; where none is given, the only one there is."""
    from ..store import models

    if not name and models.Source.objects.count() != 1:
        known = ", ".join(models.Source.objects.values_list("name", flat=True)) or "none yet"
        raise Refused(f"Name the source of findings: --source. There are: {known}.")
    return one(models.Source.objects, name, "source") if name else models.Source.objects.get()


def create(
    name: str,
    connection: Annotated[str, typer.Option(help="The Halo connection.")],
    source: Annotated[str, typer.Option(help="The source of findings.")] = "",
    min_severity: Annotated[str, typer.Option(help="critical, high, medium, low or none")] = "",
    granularity: Annotated[str, typer.Option(help="solution, solution-owner, asset or vulnerability")] = "",
    settings: Annotated[Optional[Path], typer.Option(help="A TOML file: owner, due, rules, templates ...")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """A remediation project."""
    with opened(data):
        from django.utils.text import slugify

        from ..store import models

        if models.Project.objects.filter(name=name).exists():
            raise Refused(f"There is a project named {name!r} already.")
        given = {"min_severity": min_severity, "granularity": granularity}
        table = _settings(
            {**(table_of(settings) if settings else {}), **{name: value for name, value in given.items() if value}}
        )
        slug = slugify(name) or "project"
        if models.Project.objects.filter(slug=slug).exists():
            slug = f"{slug}-{models.Project.objects.count() + 1}"
        row = models.Project.objects.create(
            name=name,
            slug=slug,
            position=models.Project.objects.count() + 1,
            connection=one(models.Connection.objects, connection, "connection"),
            source=_source(source),
            settings=table,
        )
        answer(as_json, {"name": name, "id": row.pk}, f"Project {name!r} is made. Next: remediation plan {name!r}")


def change(
    name: str,
    settings: Annotated[Path, typer.Option(help="A TOML file with what changes.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Change a project's settings; they act on new tickets."""
    with opened(data):
        from ..store import models

        row = one(models.Project.objects, name, "project")
        row.settings = _settings({**row.settings, **table_of(settings)})
        row.save(update_fields=["settings"])
        answer(as_json, {"name": name}, f"Project {name!r} is changed.")


def plan(project: str, data: Data = None, as_json: AsJson = False) -> None:
    """What an apply would do, and why. Writes nothing to Halo."""
    with opened(data):
        from ..store import models
        from ..tickets.run import ProjectRun

        made, stored = ProjectRun(one(models.Project.objects, project, "project")).plan()
        steps = [
            {"key": step.key, "kind": step.kind.value, "reason": step.reason, "ticket": step.ticket_key}
            for step in made.steps
        ]
        not_done = [{"key": item.key, "reason": item.reason} for item in made.not_done]
        value = {"id": stored.pk, "steps": steps, "held": bool(made.held), "not_done": not_done}
        lines = [f"  {step['kind']:<14} {step['ticket']}: {step['reason']}" for step in steps]
        lines += [f"  not done       {item['key']}: {item['reason']}" for item in not_done]
        lines += [f"  HELD: {made.held}. Release it with: remediation apply {project} --approve"] if made.held else []
        answer(as_json, value, "\n".join([f"Plan {stored.pk}:", *(lines or ["  nothing to do"])]))
        if made.held:
            raise typer.Exit(Ending.HELD)


class Approving(TyperCommand):
    """A command whose option --approve may stand without a number, which Typer's options cannot."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """The arguments, with a 0 after a bare --approve."""
        whole = []
        for word, after in zip(args, [*args[1:], ""]):
            whole += [word, "0"] if word == "--approve" and not after.isdecimal() else [word]
        return super().parse_args(ctx, whole)


def apply(
    project: str,
    approve: Annotated[
        Optional[int], typer.Option(help="Release the held plan with this number; without one, the newest.")
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Plan anew, and carry out what needs no approval or has it."""
    with opened(data):
        from ..jobs.work import run_project
        from ..store import models

        row = one(models.Project.objects, project, "project")
        approved = None if approve is None else _approved(row, approve)
        ended = run_project(row, approved, quiet if as_json else typer.echo)
        answer(as_json, ended.value, ended.text)
        raise typer.Exit(ended.ending)


def _approved(project: Any, number: int) -> Any:
    """A held plan, the newest for 0, approved now. Raises Refused."""
    from django.utils import timezone

    from ..store import models

    plans = models.Plan.objects.filter(project=project, held=True).order_by("-pk")
    plan_ = plans.first() if number == 0 else plans.filter(pk=number).first()
    if plan_ is None:
        raise Refused(f"The project {project.name!r} has no such held plan.")
    plan_.approved_at, plan_.approved_by = timezone.now(), approver()
    plan_.save(update_fields=["approved_at", "approved_by"])
    return plan_
