"""The command line: ``remediation``. Exit code 0 done, 1 failed, 2 usage, 3 held or waiting, 4 input refused."""

from __future__ import annotations

import json
import os
import sys
import traceback
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Callable, Iterator, Optional

import typer
from typer.core import TyperCommand

from .data_folder import data_folder

# A traceback with the values of variables would show secrets.
app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)
source_app = typer.Typer(no_args_is_help=True, help="Scanners: add one, read one.")
project_app = typer.Typer(no_args_is_help=True, help="Projects: create one, change its settings.")
app.add_typer(source_app, name="source")
app.add_typer(project_app, name="project")

FAILED, USAGE, HELD, REFUSED = 1, 2, 3, 4
# By Ctrl-C.
STOPPED = 130

Data = Annotated[Optional[Path], typer.Option("--data", envvar="REMEDIATION_DATA", help="The folder of the service.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Refused(Exception):
    """An input that cannot be used; the text says why and what to do."""


def main() -> None:
    """Entry point."""
    code = STOPPED
    try:
        code = app(standalone_mode=False) or 0
    except typer.Exit as done:
        code = done.exit_code
    except (typer.Abort, KeyboardInterrupt):
        pass
    except Exception as error:  # pylint: disable=broad-exception-caught  # the last place that can tell a person
        text, code = told(error)
        typer.echo(text, err=True)
    if code == STOPPED:
        typer.echo("Stopped. What was done is in the journal; the next apply goes on from there.", err=True)
    sys.exit(code)


def told(error: Exception) -> tuple[str, int]:
    """An error as a person reads it, and the exit code that belongs to it.

    Only texts that are known to hold no secret and no finding are shown: of any other error, its kind and its place.
    """
    usage = typer.BadParameter.__mro__[2]  # the base of all of Click's errors, which Typer brings along
    if isinstance(error, usage):
        context = getattr(error, "ctx", None)
        shown = str(getattr(error, "format_message")())
        return (f"{context.get_usage()}\n{shown}" if context else shown), USAGE
    code = _exit_code(error)
    if code:
        cause, assistance = getattr(error, "cause", str(error)), getattr(error, "assistance", "")
        return f"{cause} {assistance}".strip(), code
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"An unexpected error: {type(error).__name__} in {place.filename}, line {place.lineno}.", FAILED


# Refusals of Halo that are about what was typed into the connection.
_HALO_REFUSED = frozenset({"credential", "input", "invalid_client", "invalid_scope", "unauthorized_client"})


def _exit_code(error: Exception) -> int:
    """The exit code of an error that has a text for people, 0 for one that has not."""
    from django.apps import apps

    from haloitsm_client import HaloError

    from .sources.errors import SourceBusy, SourceError, Unreachable
    from .store.unprivileged import EmbeddedError
    from .tickets.instance import NotInHalo

    if isinstance(error, HaloError):
        return REFUSED if error.kind in _HALO_REFUSED else FAILED
    failed: list[type[Exception]] = [SourceBusy, Unreachable, EmbeddedError, OSError]
    refused: list[type[Exception]] = [Refused, SourceError, NotInHalo]
    held: list[type[Exception]] = []
    if apps.ready:
        # Before that, none of these can have been raised, and their modules cannot be imported.
        from django.db import OperationalError

        from .store.intake import Suspicious
        from .store.secrets import KeyTrouble
        from .tickets.apply import Busy, HaloAway

        failed += [KeyTrouble, OperationalError]
        refused += [Suspicious]
        held += [Busy, HaloAway]
    for kinds, code in ((failed, FAILED), (refused, REFUSED), (held, HELD)):
        if isinstance(error, tuple(kinds)):
            return code
    return 0


@contextmanager
def _service(data: Path | None) -> Iterator[None]:
    """The store, ready to be used: the embedded PostgreSQL of the data folder, or the one that DATABASE_URL names."""
    folder = data or data_folder()
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


def _text(file: Path) -> str:
    """The text of a file that somebody named. Raises Refused."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise Refused(f"{file} cannot be read: {reason}.") from None


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
    private_outcome: Annotated[bool, typer.Option("--private-outcome/--public-outcome")] = True,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """A Halo connection, from HALO_RESOURCE_SERVER, HALO_AUTH_SERVER, HALO_CLIENT_ID, HALO_CLIENT_SECRET.

    HALO_TENANT is for hosted instances that share an authorisation server.
    """
    names = ("HALO_RESOURCE_SERVER", "HALO_AUTH_SERVER", "HALO_CLIENT_ID", "HALO_CLIENT_SECRET")
    needed = {variable: os.environ.get(variable, "") for variable in names}
    missing = [variable for variable, value in needed.items() if not value]
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
            "private": private_outcome,
        }
        connection = models.Connection(name=name, settings=settings, secret=seal(needed["HALO_CLIENT_SECRET"]))
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
    password = _text(password_file).strip()
    if not password:
        raise Refused(f"{password_file} is empty.")
    with _service(data):
        from .store import models
        from .store.secrets import seal

        settings = {"url": url, "user": user, "ca_file": str(ca_file) if ca_file else ""}
        models.Source.objects.update_or_create(
            name=name, defaults={"kind": kind, "settings": settings, "secret": seal(password)}
        )
        _print(as_json, {"name": name, "kind": kind}, f"Source {name!r} is {url}.")


def _taken_in(source: Any, snapshot: Any, accept: bool) -> tuple[dict[str, Any], str]:
    """What taking a snapshot in has changed, as JSON and as text. Raises Suspicious."""
    from .store.intake import take_in

    taken = take_in(source, snapshot, accept=accept)
    value = {"snapshot": taken.snapshot, **taken.counts, "errors": [], "unchanged": taken.unchanged}
    changed = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in sorted(taken.observations.items()))
    news = "the same as before, nothing changed" if taken.unchanged else changed or "nothing changed"
    return value, f"{taken.counts['findings']} findings on {taken.counts['assets']} assets: {news}."


def _read_in(source: Any, accept: bool) -> tuple[dict[str, Any], str]:
    """What reading a source has changed. Raises SourceError, Suspicious, and Refused for one that cannot be asked."""
    from .sources.insightvm_console import InsightVmConsole
    from .store.secrets import open_

    if source.kind != "insightvm":
        raise Refused(
            f"The source {source.name!r} is a series of files: remediation import FILE --source {source.name!r}"
        )
    settings = source.settings
    ca_file = settings.get("ca_file") or None
    console = InsightVmConsole(settings["url"], settings["user"], open_(source.secret), ca_file=ca_file)
    return _taken_in(source, console.snapshot(), accept)


AcceptCoverage = Annotated[bool, typer.Option("--accept-coverage", help="Take in coverage that shrank as real.")]


@source_app.command("read")
def source_read(name: str, accept_coverage: AcceptCoverage = False, data: Data = None, as_json: AsJson = False) -> None:
    """Read a source now."""
    with _service(data):
        from .store import models

        source = _one(models.Source.objects, name, "source")
        _print(as_json, *_read_in(source, accept_coverage))


@app.command("import")
def import_file(
    file: Path,
    source: Annotated[str, typer.Option(help="The source that the file speaks for.")],
    accept_coverage: AcceptCoverage = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Take in a report file that has the header of the console's findings report."""
    if not file.is_file():
        raise Refused(f"There is no file {file}.")
    with _service(data):
        from django.db import transaction
        from django.utils import timezone

        from .sources.report_file import read_report
        from .store import models

        snapshot = read_report(file, taken=timezone.now())
        with transaction.atomic():
            # A file that is not believed leaves no new source behind.
            row, _ = models.Source.objects.get_or_create(
                name=source, defaults={"kind": "insightvm-report", "settings": {}}
            )
            taken = _taken_in(row, snapshot, accept_coverage)
        _print(as_json, *taken)


def _table(file: Path) -> dict[str, Any]:
    """A TOML file. Raises Refused."""
    import tomllib

    try:
        return tomllib.loads(_text(file))
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{file} is no TOML: {error}.") from None


def _settings(table: dict[str, Any]) -> dict[str, Any]:
    """A project's settings as they are stored. Raises Refused for a key or value that there is none of."""
    from .domain.project import Settings

    try:
        return Settings.from_table(table).to_table()
    except (ValueError, TypeError, AttributeError) as error:
        raise Refused(f"The settings cannot be used: {error}") from None


def _source(name: str) -> Any:
    """The source with a name; where none is given, the only one there is."""
    from .store import models

    if not name and models.Source.objects.count() != 1:
        known = ", ".join(models.Source.objects.values_list("name", flat=True)) or "none yet"
        raise Refused(f"Name the source of findings: --source. There are: {known}.")
    return _one(models.Source.objects, name, "source") if name else models.Source.objects.get()


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
        given = {"min_severity": min_severity, "granularity": granularity}
        table = _settings(
            {**(_table(settings) if settings else {}), **{name: value for name, value in given.items() if value}}
        )
        slug = slugify(name) or "project"
        if models.Project.objects.filter(slug=slug).exists():
            slug = f"{slug}-{models.Project.objects.count() + 1}"
        row = models.Project.objects.create(
            name=name,
            slug=slug,
            position=models.Project.objects.count() + 1,
            connection=_one(models.Connection.objects, connection, "connection"),
            source=_source(source),
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
    with _service(data):
        from .store import models

        row = _one(models.Project.objects, name, "project")
        row.settings = _settings({**row.settings, **_table(settings)})
        row.save(update_fields=["settings"])
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


class _Approving(TyperCommand):
    """A command whose option --approve may stand without a number, which Typer's options cannot."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """The arguments, with a 0 after a bare --approve."""
        whole = []
        for word, after in zip(args, [*args[1:], ""]):
            whole += [word, "0"] if word == "--approve" and not after.isdecimal() else [word]
        return super().parse_args(ctx, whole)


@app.command(cls=_Approving)
def apply(
    project: str,
    approve: Annotated[
        Optional[int], typer.Option(help="Release the held plan with this number; without one, the newest.")
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Plan anew, and carry out what needs no approval or has it."""
    with _service(data):
        from .store import models

        row = _one(models.Project.objects, project, "project")
        approved = None if approve is None else _approved(row, approve)
        value, text = _applied(row, approved, (lambda text: None) if as_json else typer.echo)
        _print(as_json, value, text)
        if value["failed"] or value["waiting"]:
            raise typer.Exit(FAILED if value["failed"] else HELD)


def _approved(project: Any, number: int) -> Any:
    """A held plan, the newest for 0, approved now. Raises Refused."""
    from django.utils import timezone

    from .store import models

    plans = models.Plan.objects.filter(project=project, held=True).order_by("-pk")
    plan_ = plans.first() if number == 0 else plans.filter(pk=number).first()
    if plan_ is None:
        raise Refused(f"The project {project.name!r} has no such held plan.")
    plan_.approved_at, plan_.approved_by = timezone.now(), os.environ.get("USER", "the command line")
    plan_.save(update_fields=["approved_at", "approved_by"])
    return plan_


def _applied(project: Any, approved: Any, say: Callable[[str], None]) -> tuple[dict[str, Any], str]:
    """What an apply of a project did, as JSON and as text. Raises HaloError, HaloAway, Busy and NotInHalo."""
    from .tickets.run import ProjectRun, waiting_reasons

    made, outcome = ProjectRun(project, say=say).apply(approved)
    not_done = [vars(item) for item in waiting_reasons(made, outcome)]
    value = {
        "done": outcome.done,
        "failed": list(outcome.failed),
        "waiting": list(outcome.waiting),
        "tickets": outcome.tickets,
        "not_done": not_done,
    }
    text = f"{len(outcome.done)} done, {len(outcome.failed)} failed, {len(outcome.waiting)} waiting."
    return value, "\n".join([text, *(f"  {item['key']}: {item['reason']}" for item in not_done)])


@app.command()
def run(data: Data = None, as_json: AsJson = False) -> None:
    """Read all consoles, then carry out what needs no approval for all projects. One that fails stops no other."""
    with _service(data):
        from .store import models

        say: Callable[[str], None] = (lambda text: None) if as_json else typer.echo
        codes = {0}
        sources: dict[str, Any] = {}
        projects: dict[str, Any] = {}

        def attempt(name: str, into: dict[str, Any], work: Callable[[], tuple[dict[str, Any], str]]) -> None:
            try:
                into[name], text = work()
            except Exception as error:  # pylint: disable=broad-exception-caught  # the others have their turn
                text, code = told(error)
                into[name] = {"error": text}
                codes.add(code)
            say(f"{name}: {text}")

        for source in models.Source.objects.filter(kind="insightvm").order_by("pk"):
            attempt(source.name, sources, partial(_read_in, source, False))
        for project in models.Project.objects.order_by("position"):
            attempt(project.name, projects, partial(_applied, project, None, say))
        codes |= {FAILED for value in projects.values() if value.get("failed")}
        codes |= {HELD for value in projects.values() if value.get("waiting")}
        if as_json:
            typer.echo(json.dumps({"sources": sources, "projects": projects}, default=str))
        code = next(code for code in (FAILED, REFUSED, HELD, 0) if code in codes)
        if code:
            raise typer.Exit(code)


@app.command("status")
def show_status(data: Data = None, as_json: AsJson = False) -> None:
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
