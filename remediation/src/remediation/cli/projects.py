"""The commands about projects: ``project create`` and ``project set``, ``plan``, ``apply``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import typer
from typer.core import TyperCommand

from ..ending import Ending
from .approvals import approver
from .ending import Refused
from .opened import AsJson, Data, answer, one, opened, quiet, require_name, table_of
from .progress import progress
from .sources import MAP, MAP_FORM, pairs


@contextmanager
def _understood() -> Iterator[None]:
    """Turns what settings say of a key or value that there is none of into Refused."""
    try:
        yield
    except (ValueError, TypeError, AttributeError) as error:
        raise Refused(f"The settings cannot be used: {error}") from None


def _source(name: str) -> Any:
    """The source with a name; where none is given, the only one there is."""
    from ..store import models

    if not name and models.Source.objects.count() != 1:
        known = ", ".join(models.Source.objects.values_list("name", flat=True)) or "none yet"
        raise Refused(f"Name the source of findings: --source. There are: {known}.")
    return one(models.Source.objects, name, "source") if name else models.Source.objects.get()


Source = Annotated[str, typer.Option("--source", help="The source of findings.")]
# As the domain has them, which is not imported before a command is known: polars takes its time.
Severities = Literal["critical", "high", "medium", "low", "none"]
Granularities = Literal["solution", "solution-owner", "asset", "vulnerability"]
MinSeverity = Annotated[Optional[Severities], typer.Option("--min-severity", help="The least severity taken in.")]
Granularity = Annotated[Optional[Granularities], typer.Option("--granularity", help="What one ticket stands for.")]
SettingsFile = Annotated[
    Optional[Path], typer.Option("--settings", help="A TOML file: owner, due, rules, templates ...")
]


FromReport = Annotated[
    Optional[Path], typer.Option(help="A report of a scanner: take it in, and make the project of what it lists.")
]
# What the report lists is in the project, however bad it is, unless its person says otherwise.
OF_REPORT = {"static": True, "min_severity": "none"}


def _given(settings: Path | None, min_severity: Severities | None, granularity: Granularities | None) -> dict[str, Any]:
    """The settings that the options give; an option counts before the file. Raises Refused."""
    options = {"min_severity": min_severity, "granularity": granularity}
    return {**(table_of(settings) if settings else {}), **{name: value for name, value in options.items() if value}}


def create(
    name: str,
    connection: Annotated[str, typer.Option(help="The Halo connection.")],
    source: Source = "",
    min_severity: MinSeverity = None,
    granularity: Granularity = None,
    settings: SettingsFile = None,
    from_report: FromReport = None,
    column: Annotated[Optional[list[str]], typer.Option("--map", help=MAP)] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """A remediation project: of what a source finds, or of exactly the findings that a report lists."""
    require_name(name, "project")
    if column and not from_report:
        raise Refused("--map tells how a report is read. Name the report: --from-report.")
    if from_report:
        require_name(source, "source")
    given = _given(settings, min_severity, granularity)
    with opened(data):
        from ..store import models
        from ..store.projects import NotMade, new_project, saved

        table = {**(OF_REPORT if from_report else {}), **given}
        halo = one(models.Connection.objects, connection, "connection")
        try:
            with _understood():
                row = new_project(name, halo, None if from_report else _source(source), table)
            if from_report and not row.settings["static"]:
                raise Refused("A project of exactly what a report lists is static. Leave static and dynamic out.")
            with saved(row):
                report = _stored(row, from_report, source, column or (), as_json)
        except NotMade as error:
            raise Refused(str(error)) from None
        made = f"Project {name!r} is made. Next: remediation plan {name!r}"
        value = {"name": name, "id": row.pk, **({"report": report.value} if report else {})}
        answer(as_json, value, f"{report.text}\n{made}" if report else made)


def _stored(project: Any, file: Path | None, source: str, columns: Iterable[str], as_json: bool) -> Any:
    """Store a new project; how the taking in of its report ended, where it is made of one."""
    if not file:
        project.save()
        return None
    from ..jobs.report_project import make_of_report
    from ..sources.any_report import ReportOptions

    with progress(file.name, as_json) as tell:
        return make_of_report(project, file, source, ReportOptions(mapping=pairs(columns, MAP_FORM)), tell)


def change(
    name: str,
    connection: Annotated[str, typer.Option(help="The Halo connection.")] = "",
    source: Source = "",
    min_severity: MinSeverity = None,
    granularity: Granularity = None,
    settings: SettingsFile = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Change a project's settings; they act on new tickets."""
    given = _given(settings, min_severity, granularity)
    if not (given or connection or source or settings):
        raise Refused("Say what is to change: --connection, --source, --min-severity, --granularity or --settings.")
    with opened(data):
        from django.db import transaction

        from ..store import models
        from ..tickets.editing import change_settings

        with transaction.atomic():
            # Locked, so that no ticket is made in between.
            row = one(models.Project.objects.select_for_update(), name, "project")
            if connection:
                row.connection = _moved(row, "connection", one(models.Connection.objects, connection, "connection"))
            if source:
                row.source = _moved(row, "source", one(models.Source.objects, source, "source"))
            row.save(update_fields=["connection", "source"])
            with _understood():
                left = change_settings(row, given)
        more = f" {left} of its findings leave their tickets with the next apply." if left else ""
        answer(as_json, {"name": name, "left_out": left}, f"Project {name!r} is changed.{more}")


# Why a project with tickets keeps what it was made with.
FIXED = {
    "connection": "they are in the other Halo, where nobody would settle them any more",
    "source": "only the source that reported their findings can say that these are gone",
}


def _moved(project: Any, what: str, to: Any) -> Any:
    """The other connection or source. Raises Refused where the project has tickets, or is made of another source's."""
    before = getattr(project, what)
    if before != to and what == "source" and project.listed.exists():
        raise Refused(
            f"The project {project.name!r} is made of what a report of {before.name!r} lists, so it stays with that "
            "source. Make another project."
        )
    if before != to and project.tickets.exists():
        raise Refused(
            f"The project {project.name!r} has tickets, so its {what} stays {getattr(before, 'name', 'none')!r}: "
            f"{FIXED[what]}. Make another project for {to.name!r}."
        )
    return to


def plan(project: str, data: Data = None, as_json: AsJson = False) -> None:
    """What an apply would do, and why. Writes nothing to Halo."""
    with opened(data):
        from ..store import models
        from ..investigations.run import run_of

        row = one(models.Project.objects, project, "project")
        made, stored = run_of(row, say=lambda text: typer.echo(text, err=True)).plan()
        steps = [
            {"key": step.key, "kind": step.kind.value, "reason": step.reason, "ticket": step.ticket_key}
            for step in made.steps
        ]
        not_done = [vars(item) for item in made.not_done]
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
    from ..tickets.approving import NotHeld, approve

    try:
        return approve(project, number, approver())
    except NotHeld as error:
        raise Refused(str(error)) from None
