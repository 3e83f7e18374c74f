"""Comments of which nobody knows whether they were made: looked up before a plan is made, so that it knows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import OuterRef, Subquery

from haloitsm_client import HaloError

from ..domain.plan import Kind, digest
from ..store import models
from ..store.json_keys import change_keys
from .asking import asked, in_words
from .cut_off import CutOff
from .instance import Instance
from .journal import Journal

# A write whose outcome is unknown is sent again only after it has been absent for so long.
ABSENT_BEFORE_RETRY = timedelta(minutes=10)
# In a ticket's note: its last comment said that it is settled, and its status is not set yet.
SETTLING = "settling"


def mark_of(row: models.Ticket, key: str) -> str:
    """What a comment is found by. The same step may have to be told again after other things: it counts how often."""
    done = row.journal.filter(event=models.Journal.Event.DONE, step__key=key).count()
    return f"[{digest([key, done])}]"


@dataclass(frozen=True)
class _Open:
    """The newest entry in a ticket's journal, and the comment that it is about."""

    row: models.Ticket
    step: models.Step
    entry: models.Journal


def look_up(
    project: models.Project, instance: Instance, journal: Journal, cut_off: CutOff, now: Callable[[], datetime]
) -> dict[int, str]:
    """Look for the comments of a project's tickets that may have been made, and keep those that are there as made.

    A refused one is among them: behind a proxy, a refusal need not be Halo's last word. Returns why the tickets of the
    others are not commented on yet, by their rows' numbers. Raises HaloAway.
    """
    waiting: dict[int, str] = {}
    for one in _open(project):
        entry = one.entry
        try:
            if _is_there(one, instance, cut_off):
                _keep(one, journal, now())
            elif entry.event == models.Journal.Event.UNKNOWN and entry.at > now() - ABSENT_BEFORE_RETRY:
                waiting[one.row.pk] = (
                    "a comment may have been made. It was looked for and is not there; after ten minutes of absence "
                    f"it is made again. {entry.detail['said']}"
                )
        except HaloError as error:
            waiting[one.row.pk] = f"a comment may have been made, and could not be looked up. {in_words(error)}"
    return waiting


def _open(project: models.Project) -> list[_Open]:
    """What the journals of a project's tickets end with, where that is a comment that is not known as made."""
    tickets = models.Ticket.objects.filter(project=project, halo_id__isnull=False)
    newest = models.Journal.objects.filter(ticket=OuterRef("pk")).order_by("-pk").values("pk")[:1]
    entries = models.Journal.objects.filter(pk__in=tickets.annotate(newest=Subquery(newest)).values("newest"))
    comments = entries.filter(step__kind=Kind.COMMENT.value).exclude(event=models.Journal.Event.DONE)
    found = comments.select_related("ticket", "step").order_by("ticket")
    return [_Open(entry.ticket, entry.step, entry) for entry in found if entry.ticket and entry.step]


def _is_there(one: _Open, instance: Instance, cut_off: CutOff) -> bool:
    """Raises HaloError and HaloAway."""
    number, mark = one.row.halo_id or 0, mark_of(one.row, one.step.key)
    is_there = asked(lambda: instance.has_comment(number, mark))
    if not is_there and cut_off.is_recent(one.entry):
        cut_off.wait()
        is_there = asked(lambda: instance.has_comment(number, mark))
    return is_there


def _keep(one: _Open, journal: Journal, now: datetime) -> None:
    """A comment was made. What it has told is what was about to be told."""
    row, step = one.row, one.step
    about = row.journal.filter(step=step, event=models.Journal.Event.ABOUT).order_by("-pk").first()
    result = {"found": mark_of(row, step.key)}
    with transaction.atomic():
        remember(row, step.body, about.detail.get("told", {}) if about else {}, now)
        journal.note(models.Journal.Event.DONE, row, step, result, now)
        step.state, step.result, step.at = models.Step.State.DONE, result, now
        step.save(update_fields=["state", "result", "at"])


def remember(row: models.Ticket, body: Mapping[str, Any], told: Mapping[str, str], now: datetime) -> None:
    """Keep what a ticket has told by a comment. Only that is saved: a person's status may have been read meanwhile."""
    note: dict[str, Any] = {"told": dict(told), "reopened": body.get("reopened", ""), **numbers_told(body, now)}
    marks = {name: True for name in ("listed", SETTLING) if body.get(name)}
    change_keys(row, "note", {**note, **marks}, without=[SETTLING] if SETTLING not in marks else [])
    if body.get("agreed"):
        row.agreed_status = str(body["agreed"])
        row.save(update_fields=["agreed_status"])


def numbers_told(body: Mapping[str, Any], now: datetime) -> dict[str, str]:
    """What a project's ticket tells of its children, and the day on which it does."""
    return {"numbers": body["numbers"], "numbers_told": now.date().isoformat()} if "numbers" in body else {}
