"""The jobs about sources, projects and tickets, and the round that begins them."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone
from procrastinate import JobContext
from procrastinate.contrib.django import app

from ..ending import Ending
from ..service_day import service_day
from ..sources.excepting import most_of
from ..store import models
from ..store.acceptances import recount
from ..tickets.attention import TYING, not_tied
from ..tickets.cut_off import PLAYBOOK
from ..tickets.mapped_names import is_due
from ..tickets.playbook import not_attached
from . import uploads, work
from .comparison import is_comparison_due
from .queue import PAUSE, ask, close_what_was_interrupted, ended_of
from .rescans import rescans

ROUND, COUNT, NAMES, INVESTIGATIONS = "round", "count", "names", "investigations"
# How long a project waits while Halo cannot be reached, in seconds.
AWAY_PAUSE = 300
# The queue looks for a round at each full minute, and not always at the same moment of it.
SLACK = timedelta(seconds=30)

_log = logging.getLogger(__name__)


def ask_to_read(source_id: int, *, pause: int = 0) -> bool:
    """Put the reading of a source into the queue; False where it waits there already. ``pause`` in seconds."""
    return ask("read_source", lock=f"source-{source_id}", once=f"source-{source_id}", pause=pause, source_id=source_id)


def ask_to_run(project: models.Project, *, pause: int = 0) -> bool:
    """Put the run of a project into the queue; False where it waits there already. ``pause`` in seconds."""
    lock, once = f"connection-{project.connection_id}", f"project-{project.pk}"
    return ask("run_project", lock=lock, once=once, pause=pause, project_id=project.pk)


def ask_to_run_all_of(source_id: int) -> None:
    """Put the runs of a source's projects into the queue, in their order, without those that are paused."""
    for project in models.Project.objects.filter(source=source_id, paused=False).order_by("position"):
        ask_to_run(project)


def ask_to_plan(project: models.Project) -> bool:
    """Put the planning of a project into the queue, which writes nothing to Halo; False where it waits already."""
    lock, once = f"connection-{project.connection_id}", f"plan-{project.pk}"
    return ask("plan_project", lock=lock, once=once, pause=0, project_id=project.pk)


def ask_to_count(source_id: int) -> bool:
    """Put the counting of what is open of a source into the queue; False where it waits there already."""
    return ask("count_source", lock=f"source-{source_id}", once=f"count-{source_id}", pause=0, source_id=source_id)


def ask_to_send_exceptions(source: models.Source) -> bool:
    """Put the sending of a source's accepted risks to its console into the queue, where its settings let it; False
    where they do not, or where it waits there already."""
    if most_of(source) is None:
        return False
    lock, once = f"source-{source.pk}", f"exceptions-{source.pk}"
    return ask("send_exceptions", lock=lock, once=once, pause=0, source_id=source.pk)


def ask_to_rescan(project: models.Project) -> bool:
    """Put asking for the scans that a project's tickets want into the queue, where its settings let it; False where
    they do not, or where it waits there already."""
    if not rescans(project):
        return False
    lock, once = f"source-{project.source_id}", f"rescan-{project.pk}"
    return ask("rescan_project", lock=lock, once=once, pause=0, project_id=project.pk)


def ask_to_tie(ticket: models.Ticket, *, pause: int = 0) -> bool:
    """Put the tying of a ticket's findings into the queue, as its note wants it; False where it waits already."""
    lock, once = f"connection-{ticket.project.connection_id}", f"tie-{ticket.pk}"
    return ask("tie_ticket", lock=lock, once=once, pause=pause, ticket_id=ticket.pk)


def ask_to_attach_playbook(ticket: models.Ticket, *, pause: int = 0) -> bool:
    """Put the attaching of a ticket's playbook into the queue, as its note wants it; False where it waits already."""
    lock, once = f"connection-{ticket.project.connection_id}", f"playbook-{ticket.pk}"
    return ask("attach_playbook", lock=lock, once=once, pause=pause, ticket_id=ticket.pk)


def ask_to_reconcile(connection_id: int, *, apply: bool, pause: int = 0) -> bool:
    """Put the comparison of a connection with HaloITSM into the queue, and the putting right of what is different where
    ``apply`` says so; False where that waits there already. ``pause`` in seconds."""
    lock, once = f"connection-{connection_id}", f"reconcile-{connection_id}-{int(apply)}"
    return ask("reconcile", lock=lock, once=once, pause=pause, connection_id=connection_id, apply=int(apply))


@app.task(name="read_source")
def read_source(source_id: int) -> None:
    """Read a source, however that ends; then its projects are to be run."""
    source = models.Source.objects.filter(pk=source_id).first()
    if source is None:
        return
    close_what_was_interrupted(source=source)
    ended = ended_of(lambda: work.read_source(source), lambda: ask_to_read(source_id, pause=PAUSE))
    if ended is None:
        return
    _log.info("Source %s was read: %s.", source_id, ended.ending.word)
    ask_to_run_all_of(source_id)


@app.task(name="run_project")
def run_project(project_id: int) -> None:
    """Read Halo back, plan a project, and carry out what needs no approval."""
    project = models.Project.objects.filter(pk=project_id).first()
    if project is None:
        return
    close_what_was_interrupted(project=project)
    ended = ended_of(lambda: work.run_project(project), lambda: ask_to_run(project, pause=PAUSE))
    if ended is None:
        return
    _log.info("Project %s was run: %s.", project_id, ended.ending.word)
    ask_to_rescan(project)
    if ended.ending is Ending.HELD and "error" in ended.value:
        # Halo is away. The next round may be an hour off.
        ask_to_run(project, pause=AWAY_PAUSE)


@app.task(name="rescan_project")
def rescan_project(project_id: int) -> None:
    """Ask a console to scan what people call done. The plan tells what was asked, or why nothing was."""
    project = models.Project.objects.filter(pk=project_id, paused=False).select_related("source").first()
    if project is None:
        return
    ended = ended_of(lambda: work.rescan_project(project), lambda: ask_to_rescan(project))
    if ended is None:
        return
    _log.info("The scans of project %s were asked for: %s.", project_id, ended.ending.word)
    if ended.value.get("news"):
        ask_to_plan(project)


@app.task(name="plan_project")
def plan_project(project_id: int) -> None:
    """Read Halo back and plan a project. Nothing is written to Halo."""
    project = models.Project.objects.filter(pk=project_id).first()
    if project is None:
        return
    close_what_was_interrupted(project=project)
    ended = ended_of(lambda: work.plan_project(project), lambda: ask_to_plan(project))
    if ended is not None:
        _log.info("Project %s was planned: %s.", project_id, ended.ending.word)


@app.task(name="count_source")
def count_source(source_id: int) -> None:
    """Count what is open of a source anew, after a risk was accepted, or is not any more."""
    if models.Source.objects.filter(pk=source_id).exists():
        recount(source_id, service_day())


@app.task(name="send_exceptions")
def send_exceptions(source_id: int) -> None:
    """Send a source's accepted risks to its console, however that ends."""
    source = models.Source.objects.filter(pk=source_id).first()
    if source is None or most_of(source) is None:
        return
    close_what_was_interrupted(source=source)
    ended = ended_of(lambda: work.send_exceptions(source), lambda: ask_to_send_exceptions(source))
    if ended is not None:
        _log.info("The accepted risks of source %s were sent: %s.", source_id, ended.ending.word)


@app.task(name="tie_ticket")
def tie_ticket(ticket_id: int) -> None:
    """Tie a ticket's findings to another of Halo's, which the project's run then tells of them."""
    ticket = models.Ticket.objects.filter(pk=ticket_id, note__has_key=TYING).select_related("project").first()
    if ticket is None:
        return
    ended = ended_of(lambda: work.tie_ticket(ticket), lambda: ask_to_tie(ticket, pause=PAUSE))
    if ended is None:
        return
    _log.info("Of ticket %s, the findings were to be tied: %s.", ticket_id, ended.ending.word)
    if ended.ending is Ending.HELD:
        # Halo is away.
        ask_to_tie(ticket, pause=AWAY_PAUSE)
    elif ended.ending is Ending.DONE:
        ask_to_run(ticket.project)
    else:
        not_tied(ticket, ended.text)


@app.task(name="attach_playbook")
def attach_playbook(ticket_id: int) -> None:
    """Attach a ticket's playbook to it in Halo."""
    ticket = models.Ticket.objects.filter(pk=ticket_id, note__has_key=PLAYBOOK).select_related("project").first()
    if ticket is None:
        return
    ended = ended_of(lambda: work.attach_playbook(ticket), lambda: ask_to_attach_playbook(ticket, pause=PAUSE))
    if ended is None:
        return
    _log.info("The playbook of ticket %s was to be attached: %s.", ticket_id, ended.ending.word)
    if ended.ending is Ending.HELD:
        # Halo is away, or may have it.
        not_attached(ticket, ended.text, waits=True)
        ask_to_attach_playbook(ticket, pause=AWAY_PAUSE)
    elif ended.ending is not Ending.DONE:
        not_attached(ticket, ended.text)


@app.task(name="reconcile")
def reconcile(connection_id: int, apply: int) -> None:
    """Compare a connection with HaloITSM, and put right what is different where ``apply`` is 1."""
    connection_row = models.Connection.objects.filter(pk=connection_id).first()
    if connection_row is None:
        return
    close_what_was_interrupted(kind="reconcile", detail__connection=connection_id)
    ended = ended_of(
        lambda: work.reconcile(connection_row, apply=bool(apply)),
        lambda: ask_to_reconcile(connection_id, apply=bool(apply), pause=PAUSE),
    )
    if ended is not None:
        _log.info("Connection %s was compared with HaloITSM: %s.", connection_id, ended.ending.word)


def ask_to_look_up(connection_id: int) -> bool:
    """Put a look at what a connection names in HaloITSM into the queue; False where it waits there already."""
    once = f"names-{connection_id}"
    return ask("look_up", lock=once, once=once, pause=0, connection_id=connection_id)


@app.task(name="look_up")
def look_up(connection_id: int) -> None:
    """Look whether HaloITSM has all that a connection and its projects name."""
    row = models.Connection.objects.filter(pk=connection_id).first()
    if row is not None:
        ended = ended_of(lambda: work.look_up(row), lambda: ask_to_look_up(connection_id))
        if ended is not None:
            _log.info("What connection %s names in HaloITSM was looked up: %s.", connection_id, ended.ending.word)


@app.periodic(cron="*/10 * * * *", periodic_id=NAMES)
@app.task(name=NAMES, lock=NAMES, queueing_lock=NAMES)
def look_for_due_names(timestamp: int) -> None:  # pylint: disable=unused-argument  # always given
    """Ask for such a look once a day, and for a comparison of all tickets; where HaloITSM was away, at each turn of
    this. No list of changes tells of a ticket that was deleted or merged."""
    now = timezone.now()
    for row in models.Connection.objects.order_by("pk"):
        if is_due(row, now):
            ask_to_look_up(row.pk)
        if is_comparison_due(row, now):
            ask_to_reconcile(row.pk, apply=False)


@app.periodic(cron="* * * * *", periodic_id=ROUND)
@app.task(name=ROUND, pass_context=True, lock=ROUND, queueing_lock=ROUND)
def look_for_a_round(context: JobContext, timestamp: int) -> None:  # pylint: disable=unused-argument  # always given
    """Begin a round where the last one began as long ago as the worker's option says."""
    every: timedelta = context.additional_context["every"]
    now = timezone.now()
    # The newest row and not the latest time: a clock that was wrong once leaves a time that is yet to come.
    last = models.Run.objects.filter(kind=ROUND).order_by("-pk").values_list("started", flat=True).first()
    if is_round_due(last, now, every):
        begin_round(now)
        uploads.sweep(now)


def is_round_due(last: datetime | None, now: datetime, every: timedelta) -> bool:
    """Whether a round is to begin, when the last one began at ``last``. A time that is yet to come is no beginning."""
    return last is None or not -SLACK <= now - last < every - SLACK


@app.periodic(cron="* * * * *", periodic_id=INVESTIGATIONS)
@app.task(name=INVESTIGATIONS, lock=INVESTIGATIONS, queueing_lock=INVESTIGATIONS)
def look_for_investigations(timestamp: int) -> None:  # pylint: disable=unused-argument  # always given
    """Ask for the run of each source of investigations that was looked at as long ago as its interval says, and that
    was not tried since: what fails is not tried again each minute."""
    now = timezone.now()
    for source in models.InvestigationSource.objects.filter(project__paused=False).select_related("project"):
        runs = models.Run.objects.filter(kind="project", project=source.project_id).order_by("-pk")
        tried, every = runs.values_list("started", flat=True).first(), timedelta(minutes=source.settings["every"])
        if is_round_due(source.looked, now, every) and is_round_due(tried, now, every):
            ask_to_run(source.project)


@transaction.atomic
def begin_round(now: datetime) -> None:
    """Put into the queue the readings that are due, the sending of accepted risks and the runs of all projects, and
    keep that this was done.

    A project whose source is to be read is run after that, and not before it as well.
    """
    sources = [source.pk for source in models.Source.objects.order_by("pk") if work.is_due(source, now)]
    for number in sources:
        ask_to_read(number)
    for source in models.Source.objects.order_by("pk"):
        ask_to_send_exceptions(source)
    for project in models.Project.objects.exclude(source__in=sources).filter(paused=False).order_by("position"):
        ask_to_run(project)
    text = f"Sources to read: {len(sources)}. Projects to run: {models.Project.objects.count()}."
    models.Run.objects.create(kind=ROUND, started=now, finished=now, outcome=Ending.DONE.word, detail={"text": text})
    Session.objects.filter(expire_date__lt=now).delete()


@app.periodic(cron="*/10 * * * *", periodic_id=COUNT)
@app.task(name=COUNT, lock=COUNT, queueing_lock=COUNT)
def count_once_a_day(timestamp: int) -> None:  # pylint: disable=unused-argument  # always given
    """Acceptances of risks end with a day, and what they covered counts again."""
    today = service_day().isoformat()
    with transaction.atomic():
        counted, _ = models.Setting.objects.get_or_create(name="counted")
        if counted.value != today:
            for number in models.Source.objects.order_by("pk").values_list("pk", flat=True):
                ask_to_count(number)
            counted.value = today
            counted.save(update_fields=["value"])
