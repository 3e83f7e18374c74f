"""Comments of which nobody knows whether they were made: looked up before a plan is made, so that it knows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import OuterRef, Subquery

from haloitsm_client import HaloError, NotFound, Unauthorized

from ..domain.marks import mark
from ..domain.plan import Kind
from ..store import models
from .asking import asked, in_words
from .attention import DETACHED
from .cut_off import OPEN, CutOff
from .instance import Instance
from .journal import Journal
from .keeping import keep_comment, keep_end
from .missing import mark_missing

# A write whose outcome is unknown is sent again only after it has been absent for so long.
ABSENT_BEFORE_RETRY = timedelta(minutes=10)


def mark_of(row: models.Ticket, key: str) -> str:
    """What a comment is found by. The same step may have to be told again after other things: it counts how often."""
    return f"[{mark(key, row.journal.filter(event=models.Journal.Event.DONE, step__key=key).count())}]"


@dataclass(frozen=True)
class _Open:
    """What a ticket's journal says last of comments: one that may have been made."""

    row: models.Ticket
    step: models.Step
    entry: models.Journal


class OpenComments:
    """Those of a project's tickets. ``now`` is the present, ``wait`` waits for the budget, before each look-up."""

    def __init__(
        self,
        project: models.Project,
        instance: Instance,
        journal: Journal,
        *,
        now: Callable[[], datetime],
        wait: Callable[[], None],
        cut_off: CutOff,
    ) -> None:
        self._project = project
        self._instance = instance
        self._journal = journal
        self._now = now
        self._wait = wait
        self._cut_off = cut_off

    def look_up(self) -> dict[int, str]:
        """Look for them, keep those that are there as made, and those that were long absent as not made.

        Returns why the tickets of the others are not commented on yet, by their rows' numbers. Raises HaloAway.
        """
        waiting: dict[int, str] = {}
        for one in self._open():
            self._wait()
            try:
                reason = self._looked_up(one)
            except HaloError as error:
                if isinstance(error, (NotFound, Unauthorized)) and self._is_gone(one):
                    continue
                reason = f"a comment may have been made, and could not be looked up. {in_words(error)}"
            if reason:
                waiting[one.row.pk] = reason
        return waiting

    def _looked_up(self, one: _Open) -> str:
        """Why its ticket is not commented on yet, "" where it can be. Raises HaloError and HaloAway."""
        if self._is_there(one):
            self._keep(one)
            return ""
        if one.entry.event == models.Journal.Event.ABOUT:
            return ""
        if one.entry.at > self._now() - ABSENT_BEFORE_RETRY:
            return (
                "a comment may have been made. It was looked for and is not there; after ten minutes of absence it is "
                f"made again. {one.entry.detail['said']}"
            )
        said = {"said": "it was looked for ten minutes later, and was not made"}
        self._journal.note(models.Journal.Event.FAILED, one.row, one.step, said, self._now())
        return ""

    def _open(self) -> list[_Open]:
        comments = models.Journal.objects.filter(step__kind=Kind.COMMENT.value)
        newest = comments.filter(ticket=OuterRef("pk")).order_by("-pk").values("pk")[:1]
        tickets = models.Ticket.objects.filter(project=self._project, halo_id__isnull=False)
        tickets = tickets.exclude(note__has_key=DETACHED)
        entries = comments.filter(pk__in=tickets.annotate(newest=Subquery(newest)).values("newest"))
        found = entries.filter(event__in=OPEN).select_related("ticket", "step").order_by("ticket")
        return [_Open(entry.ticket, entry.step, entry) for entry in found if entry.ticket and entry.step]

    def _is_there(self, one: _Open) -> bool:
        """Raises HaloError and HaloAway."""
        number, wanted = one.row.halo_id or 0, mark_of(one.row, one.step.key)
        is_there = asked(lambda: self._instance.has_comment(number, wanted))
        if not is_there and self._cut_off.is_recent(one.entry):
            self._cut_off.wait()
            is_there = asked(lambda: self._instance.has_comment(number, wanted))
        return is_there

    def _is_gone(self, one: _Open) -> bool:
        """Raises HaloError and HaloAway."""
        if asked(lambda: self._instance.show(one.row.halo_id or 0)) is not None:
            return False
        mark_missing(one.row, self._now())
        return True

    def _keep(self, one: _Open) -> None:
        """A comment was made. What it has told is what was about to be told."""
        row, step = one.row, one.step
        about = row.journal.filter(step=step, event=models.Journal.Event.ABOUT).order_by("-pk").first()
        with self._journal.held():
            keep_comment(row, step.body, about.detail.get("told", {}) if about else {}, self._now())
            keep_end(self._journal, row, step, {"found": mark_of(row, step.key)}, self._now())
