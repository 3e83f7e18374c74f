"""The investigations that have a ticket or are to have one, each beside what Halo shows: what a plan is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from django.db.models import Max

from haloitsm_client import HaloError
from haloitsm_client.tickets.comment import made_at, note_of
from haloitsm_client.values.ids import as_id

from ..domain.investigation import Comment, State
from ..domain.investigation_plan import Note, Tracked, from_halo, from_idr, is_ours, told_of
from ..domain.investigation_settings import InvestigationSettings
from ..domain.marks import marks_in
from ..domain.plan import Kind
from ..sources.answer_part import storable
from ..store import models
from ..tickets.asking import asked, in_words
from ..tickets.attention import TIED_AT, left_alone_by
from ..tickets.instance import Instance
from ..tickets.keeping import CLOSING, UNASSIGNED, agent_of
from ..tickets.missing import is_missing
from .errors import IdrAway, IdrError
from .insightidr import InsightIdr
from .reading import stored
from .source import SINCE

LONG_AGO = datetime(1970, 1, 1, tzinfo=timezone.utc)
# So many investigations' own comments are read at a look, and so many tickets'.
MOST_READS = 100
# Comments that are so much older than the ticket are not of its investigation: clocks differ.
SLACK = timedelta(minutes=2)
# After so long an e-mail address is tried again that InsightIDR did not know: somebody may have been invited since.
REFUSED_FOR = timedelta(days=1)
# The outcomes of what Halo writes itself when somebody changes a status or an agent. Seen live: outcomes of these
# names. What the other side gets is the change itself.
_OF_CHANGES = frozenset({"changed status", "re-assign"})


class Tracking:
    """Those of one source. ``names`` are Halo's statuses, ``emails`` its agents' addresses, by number. ``unread``: why
    some investigations could not be read, by their RRNs. ``wait`` waits for Halo's budget, before each ticket."""

    def __init__(
        self,
        source: models.InvestigationSource,
        settings: InvestigationSettings,
        idr: InsightIdr,
        instance: Instance,
        *,
        names: Mapping[int, str],
        emails: Mapping[int, str],
        own_agent: int | None,
        unread: Mapping[str, str],
        wait: Callable[[], None],
        now: datetime,
    ) -> None:
        self._source = source
        self._settings = settings
        self._idr = idr
        self._instance = instance
        self._names = names
        self._emails = emails
        self._own_agent = own_agent
        self._unread = unread
        self._wait = wait
        self._due: set[int] = set()
        self._generations: dict[str, int] = {}
        self._now = now
        # The investigations of whose tickets the comments were read, because these changed.
        self.noted: set[str] = set()

    def tracked(self) -> list[Tracked]:
        """All of them. Reads comments where they are needed. Raises IdrAway and HaloAway."""
        rows = models.Investigation.objects.filter(source=self._source).select_related("ticket__project__connection")
        rows = rows.prefetch_related("carried").order_by("pk")
        wanted = {row.pk: self._wanted(row) for row in rows}
        kept = [row for row in rows if row.ticket or wanted[row.pk]]
        self._generations = self._highest_generations([row.rrn for row in kept if row.ticket is None])
        self._due = self._due_of_tickets(kept)
        back = self._due_back(kept) if self._settings.comments_back else set()
        return [self._as_far_as_read(row, wanted[row.pk], row.pk in back) for row in kept]

    def _as_far_as_read(self, row: models.Investigation, wanted: str, is_due_back: bool) -> Tracked:
        """What cannot be read of one investigation holds up no other."""
        unread = self._unread.get(row.rrn, "")
        try:
            if not unread:
                return self._tracked(row, wanted, is_due_back)
        except IdrAway:
            raise
        except IdrError as error:
            unread = str(error)
        except HaloError as error:
            unread = in_words(error)
        self.noted.discard(row.rrn)
        ticket = row.ticket
        return Tracked(
            investigation=stored(row),
            generation=ticket.generation if ticket else 1,
            left_alone=left_alone_by(ticket) if ticket else "",
            missing=bool(ticket and is_missing(ticket)),
            unread=unread,
        )

    def _wanted(self, row: models.Investigation) -> str:
        """Why an investigation is to have a ticket."""
        if row.asked_by:
            return f"{row.asked_by} asked for it"
        return self._settings.rule.in_words() if self._settings.rule.takes(stored(row)) else ""

    def _due_of_tickets(self, rows: list[models.Investigation]) -> set[int]:
        """The comments of whose tickets are read at this look: those first that were in step longest ago."""
        due = [row for row in rows if row.notes_due]
        due.sort(key=lambda row: (row.agreed_at is not None, row.agreed_at or self._now, row.pk))
        return {row.pk for row in due[:MOST_READS]}

    def _due_back(self, rows: list[models.Investigation]) -> set[int]:
        """Whose own comments are read at this look: of those that are not at their end on both sides."""
        closed = State.CLOSED.value
        live = [row for row in rows if row.ticket and row.ticket.halo_id and not row.gone]
        live = [row for row in live if (row.state, row.agreed_state) != (closed, closed)]
        live.sort(key=lambda row: (row.comments_read is not None, row.comments_read or self._now, row.pk))
        return {row.pk for row in live[:MOST_READS]}

    def _tracked(self, row: models.Investigation, wanted: str, is_due_back: bool) -> Tracked:
        ticket = row.ticket
        if ticket is None or ticket.halo_id is None:
            return self._without_ticket(row, wanted)
        if left_alone_by(ticket) or is_missing(ticket) or row.gone:
            return self._beside(row, ticket, wanted, (), (), ())
        carried = {one.what for one in row.carried.all()}
        written: list[Mapping[str, Any]] = []
        if row.pk in self._due:
            written = self._written(ticket)
            self.noted.add(row.rrn)
        notes = [
            note for note in self._notes(row, ticket, written) if from_halo(ticket.halo_id, note.number) not in carried
        ]
        comments: list[Comment] = []
        if is_due_back or notes or told_of(ticket.halo_id) not in carried:
            # Also for what is to be carried there: it may have been, by a process that ended before it could say so.
            since = self._since("comments_back")
            # One of ours is looked for whenever it was made.
            comments = [one for one in self._idr.comments(row.rrn) if is_ours(one.body) or one.created >= since]
        if is_due_back:
            models.Investigation.objects.filter(pk=row.pk).update(comments_read=self._now)
        if self._settings.comments_back and not written:
            if any(from_idr(one.rrn) not in carried and not is_ours(one.body) for one in comments):
                written = self._written(ticket)
        return self._beside(row, ticket, wanted, notes, comments, written)

    def _without_ticket(self, row: models.Investigation, wanted: str) -> Tracked:
        ticket = row.ticket
        return Tracked(
            investigation=stored(row),
            wanted=wanted,
            is_gone=bool(row.gone),
            generation=ticket.generation if ticket else self._generations.get(row.rrn, 0) + 1,
            left_alone=left_alone_by(ticket) if ticket else "",
        )

    def _highest_generations(self, rrns: Sequence[str]) -> dict[str, int]:
        """A ticket that was detached keeps its place beside the one that is made in its stead."""
        before = models.Ticket.objects.filter(project=self._source.project_id, key__in=rrns)
        return dict(before.values("key").annotate(highest=Max("generation")).values_list("key", "highest"))

    def _beside(
        self,
        row: models.Investigation,
        ticket: models.Ticket,
        wanted: str,
        notes: Sequence[Note],
        comments: Sequence[Comment],
        written: Sequence[Mapping[str, Any]],
    ) -> Tracked:
        is_same = row.agreed_ticket == ticket.halo_id
        agreed = State(row.agreed_state) if row.agreed_state and is_same else None
        return Tracked(
            investigation=stored(row),
            wanted=wanted,
            is_gone=bool(row.gone),
            generation=ticket.generation,
            halo_id=ticket.halo_id,
            halo_status=ticket.halo_status_id,
            halo_status_name=self._names.get(ticket.halo_status_id or 0, ""),
            halo_agent=self._agent(ticket),
            left_alone=left_alone_by(ticket),
            missing=is_missing(ticket),
            tied=bool(ticket.note.get(TIED_AT)) or (agreed is None and not _is_ours(ticket)),
            agreed=agreed,
            agreed_status=row.agreed_status if is_same else None,
            agreed_assignee=row.agreed_assignee if is_same else "",
            carried=frozenset(one.what for one in row.carried.all()),
            notes=tuple(notes),
            comments=tuple(comments),
            marks=frozenset(found[0] for action in written if (found := marks_in(note_of(action)))),
            asked=row.asked and is_same,
            decided=row.decided,
            disposition=row.disposition_chosen,
            refused=frozenset(row.refused if row.refused_at and self._now - row.refused_at < REFUSED_FOR else ()),
        )

    def _since(self, switch: str) -> datetime:
        """When a kind of comments was switched on: what was said before stays where it was said."""
        told = (self._source.settings.get(SINCE) or {}).get(switch)
        return datetime.fromisoformat(told) if told else LONG_AGO

    def _agent(self, ticket: models.Ticket) -> str | None:
        """The e-mail address of who has a ticket. Whom the service has given it to for its closing has not taken it."""
        number = agent_of(ticket)
        if number in (UNASSIGNED, ticket.note.get(CLOSING)):
            return ""
        return self._emails.get(number)

    def _written(self, ticket: models.Ticket) -> list[Mapping[str, Any]]:
        """What was written on a ticket, the oldest first."""
        self._wait()
        return asked(lambda: self._instance.comments(ticket.halo_id or 0))[::-1]

    def _notes(
        self, row: models.Investigation, ticket: models.Ticket, written: Sequence[Mapping[str, Any]]
    ) -> list[Note]:
        """What people have written since the ticket stands for the investigation. The first action is its own text."""
        tied = ticket.note.get(TIED_AT)
        # Ours is another clock than the one by which Halo dates them.
        ahead = timedelta(seconds=ticket.project.connection.settings.get("skew") or 0)
        since = max(datetime.fromisoformat(tied) if tied else ticket.created, self._since("comments")) + ahead
        ours = {one.other for one in row.carried.all()}
        found = []
        for action in written:
            number, made, text = as_id(action.get("id")) or 0, made_at(action), note_of(action).strip()
            is_of_change = str(action.get("outcome") or "").casefold() in _OF_CHANGES
            if number <= 1 or is_of_change or (made is not None and made < since - SLACK):
                continue
            if self._own_agent is None:
                is_own = str(number) in ours or marks_in(text) is not None
            else:
                is_own = as_id(action.get("who_agentid")) == self._own_agent
            if not is_own:
                who = str(action.get("who") or "Somebody")
                found.append(Note(number, storable(who), storable(text)))
        return found


def _is_ours(ticket: models.Ticket) -> bool:
    """Whether this service was about to make a ticket. Another one was found by its reference."""
    return ticket.journal.filter(event=models.Journal.Event.ABOUT, step__kind=Kind.CREATE.value).exists()
