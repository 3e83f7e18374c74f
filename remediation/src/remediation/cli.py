"""The command line: ``remediation``. Exit code 0 done, 1 failed, 2 usage, 3 held or waiting, 4 input refused."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Iterator, Optional

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
source_app = typer.Typer(no_args_is_help=True, help="Scanners: add one, read one.")
project_app = typer.Typer(no_args_is_help=True, help="Projects: create one, change its settings.")
app.add_typer(source_app, name="source")
app.add_typer(project_app, name="project")

FAILED, HELD, REFUSED = 1, 3, 4

Data = Annotated[Optional[Path], typer.Option("--data", envvar="REMEDIATION_DATA", help="The folder of the service.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Refused(Exception):
    """An input that cannot be used; the text says why and what to do."""


def main() -> None:
    """Entry point."""
    try:
        app(standalone_mode=False)
    except typer.Exit as done:
        sys.exit(done.exit_code)
    except typer.Abort:
        sys.exit(FAILED)
    except KeyboardInterrupt:
        typer.echo("Stopped. What was done is in the journal; the next apply goes on from there.", err=True)
        sys.exit(130)
    except Exception as error:  # pylint: disable=broad-exception-caught  # the last place that can tell a person
        sys.exit(_told(error))


def _told(error: Exception) -> int:
    """Print an error as a person reads it; the exit code that belongs to it."""
    import click

    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    cause, assistance = getattr(error, "cause", str(error)), getattr(error, "assistance", "")
    typer.echo(f"{cause} {assistance}".strip(), err=True)
    return {"Refused": REFUSED, "Suspicious": REFUSED, "HaloAway": HELD, "Busy": HELD}.get(type(error).__name__, FAILED)


@contextmanager
def _service(data: Path | None) -> Iterator[None]:
    """The store, ready to be used: the embedded PostgreSQL of the data folder, or the one that DATABASE_URL names."""
    folder = data or Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "haloitsm-remediation"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.environ["REMEDIATION_DATA"] = str(folder)
    if not os.environ.get("DATABASE_URL"):
        from .store.embedded import EmbeddedPostgres

        os.environ["DATABASE_URL"] = EmbeddedPostgres(folder / "postgres").start()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "remediation.settings")
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0, interactive=False)
    yield


def _print(as_json: bool, value: dict[str, Any], text: str) -> None:
    typer.echo(json.dumps(value, default=str) if as_json else text)


def _one(manager: Any, name: str, what: str) -> Any:
    found = manager.filter(name=name).first()
    if found is None:
        known = ", ".join(manager.values_list("name", flat=True)) or "none"
        raise Refused(f"There is no {what} named {name!r}. There are: {known}.")
    return found


def _pairs(values: list[str]) -> dict[str, str]:
    found = {}
    for value in values:
        ours, separator, theirs = value.partition("=")
        if not separator or not theirs.strip():
            raise Refused(f"{value!r} is no mapping. Write it as OURS=THEIRS.")
        found[ours.strip()] = theirs.strip()
    return found


@app.command()
def connect(
    name: str,
    ticket_type: Annotated[str, typer.Option(help="Type of a solution's ticket, by name.")] = "",
    parent_type: Annotated[str, typer.Option(help="Type of a project's ticket, by name.")] = "",
    status: Annotated[Optional[list[str]], typer.Option(help='A status, as in "Remediated=Closed".')] = None,
    closing_agent: Annotated[str, typer.Option(help="Assigned where Halo closes no unassigned ticket.")] = "",
    client: Annotated[str, typer.Option(help="The client of new tickets.")] = "",
    private_outcome: Annotated[bool, typer.Option("--private-outcome/--public-outcome")] = True,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """A Halo connection, from HALO_RESOURCE_SERVER, HALO_AUTH_SERVER, HALO_CLIENT_ID, HALO_CLIENT_SECRET, HALO_TENANT."""
    needed = {name: os.environ.get(name, "") for name in ("HALO_RESOURCE_SERVER", "HALO_AUTH_SERVER", "HALO_CLIENT_ID")}
    missing = [
        variable
        for variable, value in {**needed, "HALO_CLIENT_SECRET": os.environ.get("HALO_CLIENT_SECRET", "")}.items()
        if not value
    ]
    if missing:
        raise Refused(f"These variables are not set: {', '.join(missing)}.")
    with _service(data):
        from .store import models
        from .store.secrets import seal
        from .tickets.instance import Instance, Options
        from .tickets.run import client_of

        settings = {
            "resource_server": needed["HALO_RESOURCE_SERVER"],
            "auth_server": needed["HALO_AUTH_SERVER"],
            "client_id": needed["HALO_CLIENT_ID"],
            "tenant": os.environ.get("HALO_TENANT", ""),
            "ticket_type": ticket_type,
            "parent_type": parent_type or ticket_type,
            "statuses": _pairs(status or []),
            "closing_agent": closing_agent,
            "client": client,
            "private": private_outcome,
        }
        connection = models.Connection(name=name, settings=settings, secret=seal(os.environ["HALO_CLIENT_SECRET"]))
        halo = client_of(connection)
        halo.test()
        mapped = Instance(halo, Options.from_table(settings)).status_map()
        models.Connection.objects.update_or_create(
            name=name, defaults={"settings": settings, "secret": connection.secret}
        )
        shown = {ours.value: mapped.names[number] for ours, number in mapped.write.items()}
        lines = [f"  {ours} = {theirs}" for ours, theirs in shown.items()]
        _print(as_json, {"name": name, "statuses": shown}, "\n".join([f"Connected to Halo as {name!r}:", *lines]))


@source_app.command("add")
def source_add(
    name: str,
    kind: Annotated[str, typer.Option(help="insightvm")],
    url: Annotated[str, typer.Option(help="https://console:3780")],
    user: Annotated[str, typer.Option(help="A user that may make reports.")],
    password_file: Annotated[Path, typer.Option(help="A file that holds the password.")],
    ca_file: Annotated[Optional[Path], typer.Option(help="The certificate authority of the console.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """A scanner whose findings are read."""
    if kind != "insightvm":
        raise Refused(f"There is no source kind {kind!r}. There is: insightvm.")
    with _service(data):
        from .store import models
        from .store.secrets import seal

        settings = {"url": url, "user": user, "ca_file": str(ca_file) if ca_file else ""}
        secret = seal(password_file.read_text(encoding="utf-8").strip())
        models.Source.objects.update_or_create(
            name=name, defaults={"kind": kind, "settings": settings, "secret": secret}
        )
        _print(as_json, {"name": name, "kind": kind}, f"Source {name!r} is {url}.")


def _taken_in(source: Any, snapshot: Any, accept: bool, as_json: bool) -> None:
    from .store.intake import take_in

    taken = take_in(source, snapshot, accept=accept)
    value = {"snapshot": taken.snapshot, **taken.counts, "errors": [], "unchanged": taken.unchanged}
    changed = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in sorted(taken.observations.items()))
    told = "the same as before, nothing changed" if taken.unchanged else changed or "nothing changed"
    text = f"{taken.counts['findings']} findings on {taken.counts['assets']} assets: {told}."
    _print(as_json, value, text)


@source_app.command("read")
def source_read(
    name: str,
    accept_coverage: Annotated[bool, typer.Option(help="Take in coverage that shrank as real.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Read a source now."""
    with _service(data):
        from .sources.insightvm_console import InsightVmConsole
        from .store import models
        from .store.secrets import open_

        source = _one(models.Source.objects, name, "source")
        settings = source.settings
        ca_file = settings.get("ca_file") or None
        console = InsightVmConsole(settings["url"], settings["user"], open_(source.secret), ca_file=ca_file)
        _taken_in(source, console.snapshot(), accept_coverage, as_json)


@app.command("import")
def import_file(
    file: Path,
    source: Annotated[str, typer.Option(help="The source that the file speaks for.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Take in a report file that has the header of the console's findings report."""
    with _service(data):
        from django.utils import timezone

        from .sources.report_file import read_report
        from .store import models

        row, _ = models.Source.objects.get_or_create(name=source, defaults={"kind": "insightvm-report", "settings": {}})
        _taken_in(row, read_report(file, taken=timezone.now()), False, as_json)


def _settings(file: Path | None, given: dict[str, Any]) -> dict[str, Any]:
    import tomllib

    from .domain.project import Settings

    table = tomllib.loads(file.read_text(encoding="utf-8")) if file else {}
    try:
        return Settings.from_table({**table, **{name: value for name, value in given.items() if value}}).to_table()
    except (ValueError, TypeError, tomllib.TOMLDecodeError) as error:
        raise Refused(str(error)) from None


@project_app.command("create")
def project_create(
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
    with _service(data):
        from django.utils.text import slugify

        from .store import models

        if models.Project.objects.filter(name=name).exists():
            raise Refused(f"There is a project named {name!r} already.")
        table = _settings(settings, {"min_severity": min_severity, "granularity": granularity})
        slug = slugify(name) or "project"
        if models.Project.objects.filter(slug=slug).exists():
            slug = f"{slug}-{models.Project.objects.count() + 1}"
        row = models.Project.objects.create(
            name=name,
            slug=slug,
            position=models.Project.objects.count() + 1,
            connection=_one(models.Connection.objects, connection, "connection"),
            source=_one(models.Source.objects, source, "source") if source else models.Source.objects.first(),
            settings=table,
        )
        _print(as_json, {"name": name, "id": row.pk}, f"Project {name!r} is made. Next: remediation plan {name!r}")


@project_app.command("set")
def project_set(
    name: str,
    settings: Annotated[Path, typer.Option(help="A TOML file with what changes.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Change a project's settings; they act on new tickets."""
    import tomllib

    with _service(data):
        from .store import models

        row = _one(models.Project.objects, name, "project")
        kept = {key: value for key, value in row.settings.items() if value is not None}
        row.settings = _settings(None, {**kept, **tomllib.loads(settings.read_text(encoding="utf-8"))})
        row.save()
        _print(as_json, {"name": name}, f"Project {name!r} is changed.")


@app.command()
def plan(project: str, data: Data = None, as_json: AsJson = False) -> None:
    """What an apply would do, and why. Writes nothing to Halo."""
    with _service(data):
        from .store import models
        from .tickets.run import ProjectRun

        made, stored = ProjectRun(_one(models.Project.objects, project, "project")).plan()
        steps = [
            {"key": step.key, "kind": step.kind.value, "reason": step.reason, "ticket": step.ticket_key}
            for step in made.steps
        ]
        not_done = [{"key": item.key, "reason": item.reason} for item in made.not_done]
        value = {"id": stored.pk, "steps": steps, "held": bool(made.held), "not_done": not_done}
        lines = [f"  {step['kind']:<14} {step['ticket']}: {step['reason']}" for step in steps]
        lines += [f"  not done       {item['key']}: {item['reason']}" for item in not_done]
        lines += [f"  HELD: {made.held}. Release it with: remediation apply {project} --approve"] if made.held else []
        _print(as_json, value, "\n".join([f"Plan {stored.pk}:", *(lines or ["  nothing to do"])]))
        if made.held:
            raise typer.Exit(HELD)


@app.command()
def apply(
    project: str,
    approve: Annotated[Optional[int], typer.Option(help="Release the plan with this number, 0 for the newest.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Plan anew, and carry out what needs no approval or has it."""
    with _service(data):
        from django.utils import timezone

        from .store import models
        from .tickets.run import ProjectRun, waiting_reasons

        row = _one(models.Project.objects, project, "project")
        approved = None
        if approve is not None:
            plans = models.Plan.objects.filter(project=row, held=True).order_by("-pk")
            approved = plans.first() if approve == 0 else plans.filter(pk=approve).first()
            if approved is None:
                raise Refused("There is no such held plan.")
            approved.approved_at, approved.approved_by = timezone.now(), os.environ.get("USER", "the command line")
            approved.save()
        say = (lambda text: None) if as_json else typer.echo
        made, outcome = ProjectRun(row, say=say).apply(approved)
        not_done = [vars(item) for item in waiting_reasons(made, outcome)]
        value = {
            "done": outcome.done,
            "failed": list(outcome.failed),
            "waiting": list(outcome.waiting),
            "tickets": outcome.tickets,
            "not_done": not_done,
        }
        text = f"{len(outcome.done)} done, {len(outcome.failed)} failed, {len(outcome.waiting)} waiting."
        _print(as_json, value, "\n".join([text, *(f"  {item['key']}: {item['reason']}" for item in not_done)]))
        if outcome.failed or outcome.waiting:
            raise typer.Exit(FAILED if outcome.failed else HELD)


@app.command()
def status(data: Data = None, as_json: AsJson = False) -> None:
    """Whether anything is wrong or waits; exit code 0 only when nothing does."""
    with _service(data):
        from .store import models

        projects = []
        for row in models.Project.objects.order_by("position"):
            newest = models.Plan.objects.filter(project=row).order_by("-pk").first()
            steps = list(newest.steps.exclude(state="done")) if newest else []
            projects.append(
                {
                    "project": row.name,
                    "tickets": models.Ticket.objects.filter(project=row, halo_id__isnull=False).count(),
                    "held": bool(newest and newest.held and newest.approved_at is None),
                    "waiting": [f"{step.kind} {step.key}: {step.result.get('said', step.reason)}" for step in steps],
                    "not_done": newest.not_done if newest else [],
                }
            )
        wrong = any(project["held"] or project["waiting"] for project in projects)
        lines = []
        for project in projects:
            lines.append(f"{project['project']}: {project['tickets']} tickets{', HELD' if project['held'] else ''}")
            lines += [f"  waits: {text}" for text in project["waiting"]]
            lines += [f"  not done: {item['key']}: {item['reason']}" for item in project["not_done"]]
        _print(as_json, {"projects": projects, "ok": not wrong}, "\n".join(lines or ["There is no project yet."]))
        if wrong:
            raise typer.Exit(HELD)


if __name__ == "__main__":
    main()
