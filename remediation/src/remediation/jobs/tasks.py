"""The jobs, and how they are put into the queue: transactionally, by Django's connection, and never twice.

A job's arguments are ids only, because the queue logs them. A job never raises: how its work ended is in the table of
runs. Jobs of one lock run one after the other, over all workers: those of a Halo connection, and those of a source.
The same work waits in the queue once at most; while it is done, it can be asked for once more.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from django.contrib.sessions.models import Session
from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone
from procrastinate import JobContext
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.manager import JobManager
from procrastinate.tasks import configure_task

from ..ending import Ending
from ..service_day import service_day
from ..sources.excepting import most_of
from ..store import models
from ..store.acceptances import recount
from ..tickets.attention import TYING, not_tied
from ..tickets.cut_off import PLAYBOOK
from ..tickets.lease import Busy
from ..tickets.mapped_names import is_due
from ..tickets.playbook import not_attached
from . import cisco, enrich, uploads, weekly, work
from .alert_round import alert_all
from .comparison import is_comparison_due
from .incoming import forget_unfinished
from .rescans import rescans
from .watched_folder import ready, take_in_folder

ROUND, WATCH, COUNT, FEEDS, NAMES, INVESTIGATIONS = "round", "watch", "count", "feeds", "names", "investigations"
ALERTS = "alerts"
WEEKLY = "weekly"
# How long work waits that could not be done, in seconds.
PAUSE = 60
# How long a project waits while Halo cannot be reached, in seconds.
AWAY_PAUSE = 300
# How long to wait for the database to come back, in seconds.
PATIENCE = 30
# The queue looks for a round at each full minute, and not always at the same moment of it.
SLACK = timedelta(seconds=30)
INTERRUPTED = "The process that did this ended before it was done. The work was begun anew."
_AWAY = (OperationalError, InterfaceError)

_log = logging.getLogger(__name__)


def ask_to_read(source_id: int, *, pause: int = 0) -> bool:
    """Put the reading of a source into the queue; False where it waits there already. ``pause`` in seconds."""
    return _ask("read_source", lock=f"source-{source_id}", once=f"source-{source_id}", pause=pause, source_id=source_id)


def ask_to_run(project: models.Project, *, pause: int = 0) -> bool:
    """Put the run of a project into the queue; False where it waits there already. ``pause`` in seconds."""
    lock, once = f"connection-{project.connection_id}", f"project-{project.pk}"
    return _ask("run_project", lock=lock, once=once, pause=pause, project_id=project.pk)


def ask_to_run_all_of(source_id: int) -> None:
    """Put the runs of a source's projects into the queue, in their order, without those that are paused."""
    for project in models.Project.objects.filter(source=source_id, paused=False).order_by("position"):
        ask_to_run(project)


def ask_to_plan(project: models.Project) -> bool:
    """Put the planning of a project into the queue, which writes nothing to Halo; False where it waits already."""
    lock, once = f"connection-{project.connection_id}", f"plan-{project.pk}"
    return _ask("plan_project", lock=lock, once=once, pause=0, project_id=project.pk)


def ask_to_count(source_id: int) -> bool:
    """Put the counting of what is open of a source into the queue; False where it waits there already."""
    return _ask("count_source", lock=f"source-{source_id}", once=f"count-{source_id}", pause=0, source_id=source_id)


def ask_to_send_exceptions(source: models.Source) -> bool:
    """Put the sending of a source's accepted risks to its console into the queue, where its settings let it; False
    where they do not, or where it waits there already."""
    if most_of(source) is None:
        return False
    lock, once = f"source-{source.pk}", f"exceptions-{source.pk}"
    return _ask("send_exceptions", lock=lock, once=once, pause=0, source_id=source.pk)


def ask_to_rescan(project: models.Project) -> bool:
    """Put asking for the scans that a project's tickets want into the queue, where its settings let it; False where
    they do not, or where it waits there already."""
    if not rescans(project):
        return False
    lock, once = f"source-{project.source_id}", f"rescan-{project.pk}"
    return _ask("rescan_project", lock=lock, once=once, pause=0, project_id=project.pk)


def ask_to_tie(ticket: models.Ticket, *, pause: int = 0) -> bool:
    """Put the tying of a ticket's findings into the queue, as its note wants it; False where it waits already."""
    lock, once = f"connection-{ticket.project.connection_id}", f"tie-{ticket.pk}"
    return _ask("tie_ticket", lock=lock, once=once, pause=pause, ticket_id=ticket.pk)


def ask_to_attach_playbook(ticket: models.Ticket, *, pause: int = 0) -> bool:
    """Put the attaching of a ticket's playbook into the queue, as its note wants it; False where it waits already."""
    lock, once = f"connection-{ticket.project.connection_id}", f"playbook-{ticket.pk}"
    return _ask("attach_playbook", lock=lock, once=once, pause=pause, ticket_id=ticket.pk)


def ask_to_reconcile(connection_id: int, *, apply: bool, pause: int = 0) -> bool:
    """Put the comparison of a connection with HaloITSM into the queue, and the putting right of what is different where
    ``apply`` says so; False where that waits there already. ``pause`` in seconds."""
    lock, once = f"connection-{connection_id}", f"reconcile-{connection_id}-{int(apply)}"
    return _ask("reconcile", lock=lock, once=once, pause=pause, connection_id=connection_id, apply=int(apply))


def _ask(task: str, *, lock: str, once: str, pause: int, **ids: int) -> bool:
    job = configure_task(
        name=task,
        # In a worker, the application's own manager has connections that know nothing of Django's transactions.
        job_manager=JobManager(DjangoConnector()),
        lock=lock,
        queueing_lock=once,
        schedule_in={"seconds": pause} if pause else None,
    )
    try:
        # The refusal of a second one would end a surrounding transaction; it ends this savepoint only.
        with transaction.atomic():
            job.defer(**ids)
    except AlreadyEnqueued:
        return False
    return True


@app.task(name="read_source")
def read_source(source_id: int) -> None:
    """Read a source, however that ends; then its projects are to be run."""
    source = models.Source.objects.filter(pk=source_id).first()
    if source is None:
        return
    _close_what_was_interrupted(source=source)
    ended = _ended(lambda: work.read_source(source), lambda: ask_to_read(source_id, pause=PAUSE))
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
    _close_what_was_interrupted(project=project)
    ended = _ended(lambda: work.run_project(project), lambda: ask_to_run(project, pause=PAUSE))
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
    ended = _ended(lambda: work.rescan_project(project), lambda: ask_to_rescan(project))
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
    _close_what_was_interrupted(project=project)
    ended = _ended(lambda: work.plan_project(project), lambda: ask_to_plan(project))
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
    _close_what_was_interrupted(source=source)
    ended = _ended(lambda: work.send_exceptions(source), lambda: ask_to_send_exceptions(source))
    if ended is not None:
        _log.info("The accepted risks of source %s were sent: %s.", source_id, ended.ending.word)


@app.task(name="tie_ticket")
def tie_ticket(ticket_id: int) -> None:
    """Tie a ticket's findings to another of Halo's, which the project's run then tells of them."""
    ticket = models.Ticket.objects.filter(pk=ticket_id, note__has_key=TYING).select_related("project").first()
    if ticket is None:
        return
    ended = _ended(lambda: work.tie_ticket(ticket), lambda: ask_to_tie(ticket, pause=PAUSE))
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
    ended = _ended(lambda: work.attach_playbook(ticket), lambda: ask_to_attach_playbook(ticket, pause=PAUSE))
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
    _close_what_was_interrupted(kind="reconcile", detail__connection=connection_id)
    ended = _ended(
        lambda: work.reconcile(connection_row, apply=bool(apply)),
        lambda: ask_to_reconcile(connection_id, apply=bool(apply), pause=PAUSE),
    )
    if ended is not None:
        _log.info("Connection %s was compared with HaloITSM: %s.", connection_id, ended.ending.word)


def ask_to_look_up(connection_id: int) -> bool:
    """Put a look at what a connection names in HaloITSM into the queue; False where it waits there already."""
    once = f"names-{connection_id}"
    return _ask("look_up", lock=once, once=once, pause=0, connection_id=connection_id)


@app.task(name="look_up")
def look_up(connection_id: int) -> None:
    """Look whether HaloITSM has all that a connection and its projects name."""
    row = models.Connection.objects.filter(pk=connection_id).first()
    if row is not None:
        ended = _ended(lambda: work.look_up(row), lambda: ask_to_look_up(connection_id))
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


@app.task(name="import_folder")
def import_folder(source_id: int) -> None:
    """Take in what was put into a source's folder, however that ends; then its projects are to be run."""
    source = models.Source.objects.filter(pk=source_id, settings__has_key="watch").first()
    if source is None:
        return
    _close_what_was_interrupted(source=source)
    try:
        ended = take_in_folder(source)
    except OSError as error:
        _log.error("The folder of source %s cannot be used: %s.", source_id, type(error).__name__)
        return
    except _AWAY:
        _log.warning("The database went away while files were taken in. They stay where they are.")
        return
    _log.info("Of source %s, %s files were taken in.", source_id, len(ended))
    if any(map(_changed_something, ended.values())):
        ask_to_run_all_of(source_id)


def ask_to_look(upload: models.Upload) -> bool:
    """Put looking at a report that was brought into the queue; False where it waits there already."""
    return _ask("look_at_upload", lock=f"upload-{upload.pk}", once=f"look-{upload.pk}", pause=0, upload_id=upload.pk)


def ask_to_take_in(upload: models.Upload) -> bool:
    """Put the taking in of a report that was brought into the queue; False where it waits there already."""
    return _ask("take_in_upload", lock=f"upload-{upload.pk}", once=f"take-{upload.pk}", pause=0, upload_id=upload.pk)


@app.task(name="look_at_upload")
def look_at_upload(upload_id: int) -> None:
    """Read a report that was brought, and find out what it would change."""
    if (upload := models.Upload.objects.filter(pk=upload_id).first()) is not None:
        _ended(lambda: uploads.look(upload), lambda: ask_to_look(upload))


@app.task(name="take_in_upload")
def take_in_upload(upload_id: int) -> None:
    """Take in a report that was brought; then the projects of its source are to be run."""
    if (upload := models.Upload.objects.filter(pk=upload_id).first()) is None:
        return
    ended = _ended(lambda: uploads.take_in(upload), lambda: ask_to_take_in(upload))
    if ended is not None and _changed_something(ended):
        ask_to_run_all_of(models.Source.objects.get(name=upload.source).pk)


def _changed_something(imported: work.Ended) -> bool:
    """Whether a report was taken in that was not known before."""
    return imported.ending is Ending.DONE and not imported.value["unchanged"]


@app.periodic(cron="* * * * *", periodic_id=WATCH)
@app.task(name=WATCH, lock=WATCH, queueing_lock=WATCH)
def look_for_files(timestamp: int) -> None:  # pylint: disable=unused-argument  # always given
    """Put the taking in of each folder that has something ready into the queue."""
    for source in models.Source.objects.filter(settings__has_key="watch"):
        try:
            folder = Path(source.settings["watch"]["folder"])
            if forgotten := forget_unfinished(folder, time.time()):
                _log.warning("Of source %s, %s reports were never sent to their end. Removed.", source.pk, forgotten)
            waits = bool(ready(folder, time.time()))
        except OSError as error:
            _log.error("The folder of source %s cannot be read: %s.", source.pk, type(error).__name__)
            continue
        if waits:
            lock, once = f"source-{source.pk}", f"folder-{source.pk}"
            _ask("import_folder", lock=lock, once=once, pause=0, source_id=source.pk)


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


def ask_to_enrich(*, pause: int = 0) -> bool:
    """Put the reading of the feeds that are due into the queue; False where it waits there already."""
    return _ask("enrich", lock="enrich", once="enrich", pause=pause)


@app.task(name="enrich")
def read_due_feeds() -> None:
    """Read the feeds about CVEs that are due."""

    def read() -> work.Ended:
        done = enrich.read_feeds(enrich.due_feeds(timezone.now()))
        for name, ended in done.items():
            _log.info("The feed %s was read: %s.", name, ended.ending.word)
        return work.Ended({}, "")

    ended = _ended(read, lambda: ask_to_enrich(pause=PAUSE))
    if ended is not None and ended.ending is not Ending.DONE:
        _log.error("What the feeds tell was not put beside the vulnerabilities. %s", ended.text)


@app.periodic(cron="*/10 * * * *", periodic_id=FEEDS)
@app.task(name=FEEDS, lock=FEEDS, queueing_lock=FEEDS)
def look_for_due_feeds(timestamp: int) -> None:  # pylint: disable=unused-argument  # always given
    """Ask for the reading of the feeds where one is due: once a day, and after a failure sooner."""
    if enrich.due_feeds(timezone.now()):
        ask_to_enrich()
    if cisco.is_due(timezone.now()):
        ask_to_ask_cisco()


def ask_to_ask_cisco(*, pause: int = 0) -> bool:
    """Put the asking of Cisco into the queue; False where it waits there already."""
    return _ask("ask_cisco", lock="cisco", once="cisco", pause=pause)


@app.task(name="ask_cisco")
def ask_cisco() -> None:
    """Ask Cisco a part of what is worth knowing."""
    ended = _ended(lambda: cisco.ask_cisco() or work.Ended({}, ""), lambda: ask_to_ask_cisco(pause=PAUSE))
    if ended is not None:
        _log.info("Cisco was asked: %s.", ended.ending.word)


@app.periodic(cron="* * * * *", periodic_id=ALERTS)
@app.task(name=ALERTS, lock=ALERTS, queueing_lock=ALERTS)
def look_for_alerts(timestamp: int) -> None:  # pylint: disable=unused-argument  # always given
    """Find what people are to be alerted of, and send it. The next minute goes on with what could not be done."""

    def alerted() -> work.Ended:
        if any((done := alert_all(timezone.now())).values()):
            _log.info("Alerts: %s made, %s messages, %s sent.", done["made"], done["messages"], done["sent"])
        return work.Ended(dict(done), "")

    ended = _ended(alerted, models.AlertRule.objects.exists)
    if ended is not None and ended.ending is not Ending.DONE:
        _log.error("Alerts could not be looked for. %s", ended.text)


@app.task(name="send_weekly")
def send_weekly() -> None:
    """Send what is due of weekly reports."""
    ended = _ended(lambda: work.Ended({"states": weekly.send_due(timezone.now)}, ""), ask_to_send_weekly)
    if ended is not None:
        _log.info("Weekly reports were sent: %s.", ended.value.get("states") or ended.ending.word)


def ask_to_send_weekly() -> bool:
    """Put the sending of weekly reports into the queue; False where it waits there already."""
    return _ask("send_weekly", lock=WEEKLY, once=WEEKLY, pause=0)


@app.periodic(cron="*/10 * * * *", periodic_id=WEEKLY)
@app.task(name=WEEKLY, lock="look-weekly", queueing_lock="look-weekly")
def look_for_due_weekly(timestamp: int) -> None:  # pylint: disable=unused-argument  # always given
    """Make the weekly report that is due, and ask for the sending of what is."""
    now = timezone.now()
    report = weekly.make_due(now)
    if report is not None:
        _log.info("The report of the week of %s was made.", report.week)
    if weekly.waiting(now):
        ask_to_send_weekly()


def _ended(do: Callable[[], work.Ended], again: Callable[[], bool]) -> work.Ended | None:
    """How a piece of work ended; None where it could not be done now, and waits in the queue again.

    Raises OperationalError and InterfaceError where the database went away and stays away. The worker cannot tell the
    queue so either: the job stays begun, and is taken over.
    """
    try:
        return work.attempt(do, but=(*_AWAY, Busy))
    except Busy:
        _log.info("Somebody else is writing to the connection. The work waits in the queue again.")
    except _AWAY:
        _log.warning("The database went away in the middle of a job. The work waits in the queue again.")
    deadline = time.monotonic() + PATIENCE
    while True:
        connection.close()
        try:
            again()
            return None
        except _AWAY:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def _close_what_was_interrupted(**of: models.Source | models.Project | str | int) -> None:
    """End the rows of runs that have no end. Their process is gone, or it writes their true end later."""
    ended = {"finished": timezone.now(), "outcome": Ending.FAILED.word, "detail": {"text": INTERRUPTED}}
    models.Run.objects.filter(finished=None, **of).update(**ended)
