"""The work of the service, whoever asks for it: read a source, run a project, or do all that is due.

Each reading and each run of a project is recorded in the table of runs, with how it ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import close_old_connections, transaction
from django.utils import timezone

from ..domain.plan import Plan
from ..domain.snapshot import Snapshot
from ..ending import Ending
from ..investigations.run import run_of
from ..sources import excepting
from ..sources.progress import Tell, unheard
from ..sources.reading import is_read, keep, reading_of, require_same_place
from ..store import models
from ..store.intake import take_in
from ..tickets import mapped_names
from ..tickets.apply import Outcome
from ..tickets.attention import NotPossible
from ..tickets.reconcile import Reconciliation
from ..tickets.run import client_of, waiting_reasons
from .comparison import keep_compared
from .rescans import rescan, rescans
from .telling import told
from .watched import OF_RUN, watched

Say = Callable[[str], None]
# The kind of run that writes to a console, which is no reading of it.
EXCEPTIONS = "exceptions"
# So many differences are kept of a reconciliation, for its page.
MOST_KEPT = 1000


@dataclass(frozen=True)
class Ended:
    """What a piece of work did: ``value`` for programs (JSON-able), ``text`` for people."""

    value: dict[str, Any]
    text: str
    ending: Ending = Ending.DONE


@dataclass
class Round:
    """What a round did, by the names of sources and projects. ``exceptions`` are by sources, ``scans`` by projects."""

    sources: dict[str, Ended] = field(default_factory=dict)
    exceptions: dict[str, Ended] = field(default_factory=dict)
    projects: dict[str, Ended] = field(default_factory=dict)
    scans: dict[str, Ended] = field(default_factory=dict)

    @property
    def ending(self) -> Ending:
        """The worst of all."""
        kinds = (self.sources, self.exceptions, self.projects, self.scans)
        return Ending.worst(ended.ending for kind in kinds for ended in kind.values())


def read_source(source: models.Source, *, accept: bool = False, tell: Tell = unheard) -> Ended:
    """Read a source and take in what it says. ``accept``: coverage that shrank is real. ``tell`` hears how far it is,
    and so does the table of runs.

    Raises SourceError, Suspicious and KeyTrouble, and Cancelled where a person has asked for its end.
    """
    with _recorded("read", source=source) as record, watched(OF_RUN, record.number) as keep_told:

        def tell_both(text: str) -> None:
            tell(text)
            keep_told(text)

        reading = reading_of(source, tell_both)
        with transaction.atomic():
            require_same_place(source, reading)
            ended = taken_in(source, reading.snapshot, accept, tell_both, is_answer=True)
            keep(source, reading)
        value = {**ended.value, "errors": [*ended.value["errors"], *reading.notes]}
        return record(Ended(value, "\n".join([ended.text, *reading.notes])))


def send_exceptions(source: models.Source) -> Ended:
    """Bring the exceptions of a source's console to what is accepted. It is held where some wait for an approver.

    Raises SourceError and KeyTrouble.
    """
    with _recorded(EXCEPTIONS, source=source) as record:
        sent = excepting.send_exceptions(source)
        return record(Ended(vars(sent), str(sent), Ending.HELD if sent.waiting else Ending.DONE))


def import_report(source: models.Source, snapshot: Snapshot, *, accept: bool = False, tell: Tell = unheard) -> Ended:
    """Take in what a file says. A file that is not believed leaves no new source behind. Raises Suspicious."""
    with transaction.atomic():
        if not models.Source.objects.filter(pk=source.pk).exists():
            source.save()
        with _recorded("import", source=source) as record:
            return record(taken_in(source, snapshot, accept, tell))


def taken_in(
    source: models.Source, snapshot: Snapshot, accept: bool, tell: Tell = unheard, *, is_answer: bool = False
) -> Ended:
    """What taking a snapshot in has changed; ``accept`` and ``is_answer`` as in ``take_in``. Raises Suspicious."""
    tell(f"{snapshot.findings.height:,} findings are compared with what is known, and stored")
    taken = take_in(source, snapshot, accept=accept, is_answer=is_answer)
    value = {"snapshot": taken.snapshot, **taken.counts, "errors": list(taken.errors), "unchanged": taken.unchanged}
    changed = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in sorted(taken.observations.items()))
    news = "the same as before, nothing changed" if taken.unchanged else changed or "nothing changed"
    text = f"{taken.counts['findings']} findings on {taken.counts['assets']} assets: {news}."
    return Ended(value, "\n".join([text, *taken.errors]))


def run_project(project: models.Project, approved: models.Plan | None = None, say: Say = lambda text: None) -> Ended:
    """Plan a project and carry out what needs no approval or is in ``approved``; ``say`` gets a line for each step.

    Raises HaloError, HaloAway, Busy and NotInHalo.
    """
    with _recorded("project", project=project) as record:
        made, outcome = run_of(project, say=_watched(project, say)).apply(approved)
        value, ending = applied(made, outcome)
        text = f"{len(outcome.done)} done, {len(outcome.failed)} failed, {len(outcome.waiting)} waiting."
        lines = [text, *(f"  {item['key']}: {item['reason']}" for item in value["not_done"])]
        return record(
            Ended({**value, "warnings": outcome.warnings, "tickets": outcome.tickets}, "\n".join(lines), ending)
        )


def plan_project(project: models.Project) -> Ended:
    """Read Halo back and plan a project. Nothing is carried out. Raises HaloError, HaloAway and NotInHalo."""
    with _recorded("plan", project=project) as record:
        made, stored = run_of(project).plan()
        value = {"id": stored.pk, "steps": len(made.steps), "held": bool(made.held)}
        return record(Ended(value, f"Plan {stored.pk}: {len(made.steps)} steps. Nothing was carried out."))


def rescan_project(project: models.Project) -> Ended:
    """Ask a console to scan what people call done; whether there is ``news`` for the plan to tell.

    Raises SourceError and KeyTrouble.
    """
    news = rescan(project)
    return Ended({"news": news}, "What was asked of the scanner, or why nothing was, is with the tickets.")


def tie_ticket(ticket: models.Ticket) -> Ended:
    """Tie a ticket's findings to the one of Halo's that a person has asked for.

    Raises HaloError, HaloAway, Busy and NotInHalo.
    """
    try:
        return Ended({}, run_of(ticket.project).tie(ticket))
    except NotPossible as error:
        return Ended({}, str(error), Ending.REFUSED)


def attach_playbook(ticket: models.Ticket) -> Ended:
    """Attach a ticket's playbook, as a person has asked for it. Raises HaloError, HaloAway, Busy and NotInHalo."""
    try:
        return Ended({}, run_of(ticket.project).attach_playbook(ticket))
    except NotPossible as error:
        return Ended({}, str(error), Ending.REFUSED)


def reconcile(connection: models.Connection, *, apply: bool, say: Say = lambda text: None) -> Ended:
    """Compare all tickets of a connection with HaloITSM; ``apply``: and put right what is kept of them. Nothing is
    written to HaloITSM. What was found is in the table of runs. Raises HaloError, HaloAway, Busy and NotInHalo."""
    about = {"connection": connection.pk, "name": connection.name, "applied": apply}
    with _recorded("reconcile", detail=about) as record:
        began = timezone.now()
        work = Reconciliation(connection, say=say)
        reconciled = work.apply() if apply else work.look()
        keep_compared(connection, began, reconciled.found, applied=apply)
        found = [{**vars(one), "kind": one.kind.value, "is_applied": one.is_applied} for one in reconciled.found]
        waits = sum(one.is_applied for one in reconciled.found)
        text = (
            f"{waits} differences {'were put right' if apply else 'can be put right'}, {len(found) - waits} are left."
        )
        unread = [
            f"Not everything could be read. {name or 'Outside of projects'}: {why}."
            for name, why in reconciled.unread.items()
        ]
        is_held = bool(unread or (waits and not apply))
        ended = Ended(
            {"found": found, "unread": unread}, "\n".join([text, *unread]), Ending.HELD if is_held else Ending.DONE
        )
        return record(ended, found=found[:MOST_KEPT], more=max(len(found) - MOST_KEPT, 0), unread=unread)


def look_up(connection: models.Connection) -> Ended:
    """Look whether HaloITSM has all that a connection and its projects name. Raises HaloError and HaloAway."""
    kept = mapped_names.look_up(connection, client_of(connection), timezone.now())
    gone = mapped_names.gone_names(connection)
    return Ended(kept, "\n".join(gone) or "HaloITSM has all that is used of it.", Ending.HELD if gone else Ending.DONE)


def applied(made: Plan, outcome: Outcome) -> tuple[dict[str, Any], Ending]:
    """What became of a plan's steps, by their keys, and what was not done and why; and the ending."""
    value = {
        "done": outcome.done,
        "failed": list(outcome.failed),
        "waiting": list(outcome.waiting),
        "not_done": [vars(item) for item in waiting_reasons(made, outcome)],
    }
    return value, Ending.FAILED if outcome.failed else Ending.HELD if outcome.waiting else Ending.DONE


def is_due(source: models.Source, now: datetime) -> bool:
    """Whether a source is to be read: its last complete reading began longer ago than its interval, if it has one.

    One that is to begin yet, by a clock that was wrong, is none.
    """
    if not is_read(source):
        return False
    done = models.Run.objects.filter(source=source, kind="read", outcome=Ending.DONE.word)
    last = done.order_by("-pk").values_list("started", flat=True).first()
    return last is None or not timedelta(0) <= now - last < timedelta(minutes=source.settings.get("every", 0))


def run_all(say: Say = lambda text: None) -> Round:
    """Read the sources that are due, send accepted risks, then run all projects and ask for the scans that they want.

    One that fails stops no other.
    """
    done = Round()
    for source in models.Source.objects.order_by("pk"):
        if is_due(source, timezone.now()):
            done.sources[source.name] = attempt(partial(read_source, source))
            say(f"{source.name}: {done.sources[source.name].text}")
        if excepting.most_of(source) is not None:
            done.exceptions[source.name] = attempt(partial(send_exceptions, source))
            say(f"{source.name}: {done.exceptions[source.name].text}")
    for project in models.Project.objects.order_by("position"):
        done.projects[project.name] = attempt(partial(run_project, project, say=say))
        say(f"{project.name}: {done.projects[project.name].text}")
        if rescans(project):
            done.scans[project.name] = attempt(partial(rescan_project, project))
            say(f"{project.name}: {done.scans[project.name].text}")
    return done


def attempt(do: Callable[[], Ended], but: tuple[type[Exception], ...] = ()) -> Ended:
    """How a piece of work ended, also by an error. Raises the errors of the kinds ``but``."""
    try:
        return do()
    except but:
        raise
    except Exception as error:  # pylint: disable=broad-exception-caught  # the others have their turn
        text, ending = told(error)
        # A connection that was lost would fail the others as well.
        close_old_connections()
        return Ended({"error": text}, text, ending)


def _watched(project: models.Project, say: Say) -> Say:
    """``say``, which also keeps the newest line in the row of the project's run, for pages: once a second at most."""
    runs = models.Run.objects.filter(project=project, kind="project", finished=None)
    lines, kept = 0, 0.0

    def say_and_keep(text: str) -> None:
        nonlocal lines, kept
        say(text)
        lines += 1
        if time.monotonic() - kept >= 1:
            kept = time.monotonic()
            runs.update(detail={"now": text.strip(), "lines": lines})

    return say_and_keep


class _Record:
    """A row in the table of runs, begun now. It ends when it is called with what was done. What else it is handed by
    name is kept in its detail."""

    def __init__(self, kind: str, **of: Any) -> None:
        self._row = models.Run.objects.create(kind=kind, **of)
        self.number: int = self._row.pk

    def __call__(self, ended: Ended, **kept: Any) -> Ended:
        self._row.detail = {**self._row.detail, **kept}
        self.end(ended.ending, ended.text)
        return ended

    def end(self, ending: Ending, text: str) -> None:
        row = self._row
        row.finished, row.outcome, row.detail = timezone.now(), ending.word, {**row.detail, "text": text}
        row.save(update_fields=["finished", "outcome", "detail"])


@contextmanager
def _recorded(kind: str, **of: Any) -> Iterator[_Record]:
    """A row in the table of runs, which ends with what the block hands over, or with its error."""
    record = _Record(kind, **of)
    try:
        yield record
    except Exception as error:
        text, ending = told(error)
        record.end(ending, text)
        raise
