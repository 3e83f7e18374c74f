"""Creates tickets, each exactly once."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Callable, Iterable, Iterator, Mapping

from ..errors import Forbidden, HaloError, NotFound, Unauthorized, converted_to, invalid_input
from ..http.error_texts import misunderstood
from ..http.messages import Request
from ..http.session import Session
from ..values.dates import parse_date
from ..values.ids import as_id
from ..values.markup import text_of, to_html
from ..values.stored_text import may_be_stored_as
from .attachment import Attached
from .carried_out import Unlike
from .exactly_once import ExactlyOnce
from .external_key import KeyField
from .kept_answers import KeptAnswers
from .own_agent import OwnAgent
from .read import TicketReader
from .recovery import LIST_LAG
from .references import MOST_OPENED, ReferenceSearch, Unanswered, has_reference, reference_line

Ticket = dict[str, Any]

# For how long a process relies on a ticket that another one has made with a kept key.
_LIFETIME_OF_FLOOR = 600.0


class CreatedTicket(Ticket):
    """A ticket as Halo answers, and what became of its creation.

    ``created`` is False where a ticket with its external reference was there before. ``duplicates`` are the ids of
    other tickets with the same key. ``differences`` are those from what was sent, none for a ticket that was there.
    ``attachments`` are the files that were given.
    """

    def __init__(self, ticket: Mapping[str, Any], *, created: bool = True, duplicates: Iterable[int] = ()) -> None:
        super().__init__(ticket)
        self.created = created
        self.duplicates = tuple(duplicates)
        self.differences = Unlike()
        self.attachments: tuple[Attached, ...] = ()

    @property
    def differing(self) -> tuple[str, ...]:
        """The names of the fields that Halo shows otherwise than they were given, or does not show."""
        return self.differences.all


class TicketCreator:
    """Creates tickets, in one operation: ``session`` is the operation's, and so is that of ``once``.

    ``close_duplicate(ticket_id, first_id)`` closes a ticket that turned out to be a duplicate of another. ``answers``
    is where a process leaves the number of a ticket with a kept key for the next one: see ``_floor``.
    """

    def __init__(
        self,
        session: Session,
        once: ExactlyOnce,
        key_field: KeyField,
        own_agent: OwnAgent,
        *,
        logger: Any,
        close_duplicate: Callable[[int, int], None],
        answers: KeptAnswers = KeptAnswers(None),
    ) -> None:
        self._session = session
        self._reader = TicketReader(session)
        self._once = once
        self._claims = once.claims
        self._key_field = key_field
        self._own_agent = own_agent
        self._search = ReferenceSearch(self._reader, key_field, once.claims, own_agent)
        self._logger = logger
        self._close_duplicate = close_duplicate
        self._answers = answers
        self._newest_before: int | None = None
        self._floor_is_old = False
        self._kept = False
        self._shown = False

    def create(self, body: Ticket) -> CreatedTicket:
        """The ticket that was made from ``body``, fields as Halo takes them. Raises HaloError."""
        _check(body)
        key = f"ic-{self._session.clock.unique_id()}"
        ticket = self._create(body, key, lambda: self._made_from(body, key))
        others = self._others(self._twins(lambda: self._made_from(body, key)), ticket) if self._once.resent else []
        return self._told(CreatedTicket(ticket, duplicates=others))

    def create_unless_there(self, body: Ticket, reference: str, *, known_absent: bool = False) -> CreatedTicket:
        """The ticket with this external reference. Raises HaloError.

        ``known_absent`` says that the caller has looked before and looks for duplicates later: then nothing is looked
        up here.
        """
        _check(body)
        existing = [] if known_absent else self._search.by_reference(reference)
        if existing:
            others = [_number(ticket) for ticket in existing[1:]]
            return self._told(CreatedTicket(existing[0], created=False, duplicates=others))
        body = _with_line(body, reference)
        # Two processes may have made one each: the first is the ticket of both.
        ticket = self._create(body, reference, lambda: self._made_from(body, reference, reference)[:1])
        self._claims.note_reference(reference, _number(ticket))
        return CreatedTicket(ticket) if known_absent else self._told(self._of_twins(ticket, reference))

    def _create(self, body: Ticket, key: str, find: Callable[[], list[Ticket]]) -> Ticket:
        request = Request("POST", "/Tickets", body=[self._key_field.written(body, key)], repeatable=False)
        self._kept = self._claims.keeps_key.get(self._key_field.kept_for(body), False)
        self._newest_before = None if self._finds_by_filter else self._floor(body)

        def fits(ticket: Ticket) -> bool:
            has_key = self._search.has_key(ticket, key)
            self._claims.keeps_key[self._key_field.kept_for(body)] = has_key
            self._leave_floor(body, _number(ticket) if has_key else None)
            self._shown = has_key
            if has_key or self._search.has_other_key(ticket, key):
                return has_key
            if self._newest_before is not None:
                return _number(ticket) > self._newest_before
            fitting = self._has_summary(ticket, body) or not self._finds_by_filter
            # Without its key and its text it cannot be told from another: then no look proves that it is not there.
            self._kept = self._kept and fitting
            return fitting

        return self._once.create(request, find, identity, reliable=lambda: self._kept, fits=fits)

    @property
    def _finds_by_filter(self) -> bool:
        """Whether the list can be asked for a key: not for one in a custom field, for which there is no filter."""
        return self._kept and not self._key_field.is_custom

    def _floor(self, body: Ticket) -> int | None:
        """An id that is lower than that of each ticket made from now on; None where the list does not tell.

        It is that of the newest ticket, or without a request that of one which another process has made in the last ten
        minutes, and whose key was kept. The latter is no proof that keys are kept now: it only makes a look after a
        lost answer go through more tickets. Raises HaloError if Halo does not answer.
        """
        answer = self._answers.get(_floor_name(body), _LIFETIME_OF_FLOOR) if self._has_filter else None
        number = as_id(answer.value) if answer else None
        self._floor_is_old = number is not None
        return self._newest_id() if number is None else number

    def _leave_floor(self, body: Ticket, number: int | None) -> None:
        """Leave a ticket for the ``_floor`` of other processes; None, where its key was not kept, takes it away."""
        if not self._has_filter:
            return
        if number is None:
            known = self._answers.get(_floor_name(body), _LIFETIME_OF_FLOOR)
            if known and known.value is not None:
                self._answers.put(_floor_name(body), None)
        elif not self._finds_by_filter:
            # A process that knows for itself that keys are kept has no need of it.
            self._answers.put(_floor_name(body), number)

    @property
    def _has_filter(self) -> bool:
        return bool(self._key_field.name) and not self._key_field.is_custom

    def _check_floor(self) -> None:
        """Raises HaloError where an old floor is none: a restored Halo gives out its ids again."""
        if self._floor_is_old:
            newest = self._newest_id()
            if newest is None or newest < (self._newest_before or 0):
                raise misunderstood(
                    Request("GET", "/Tickets"), "its newest tickets do not come first, or are older than they were"
                )

    def _newest_id(self) -> int | None:
        """The highest ticket id so far; None where the list does not tell. Raises HaloError if Halo does not answer."""
        newest = 0
        for state in ({}, {"closed_only": "true"}):
            try:
                rows, _ = next(iter(self._reader.pages(state)))
            except (Forbidden, NotFound, Unauthorized):
                # An agent that may create but not read: nothing can be looked up either.
                return None
            numbers = [_number(row) for row in rows]
            if numbers != sorted(numbers, reverse=True):
                return None
            newest = max([newest, *numbers])
        return newest

    def _made_from(self, body: Ticket, key: str, reference: str = "") -> list[Ticket]:
        """The tickets that may have been made from ``body``: by the key, and where it is not kept by the text."""
        answered = True
        try:
            found = [] if self._key_field.is_custom else self._search.by_key(key)
        except Unanswered:
            if self._finds_by_filter:
                raise misunderstood(Request("GET", "/Tickets"), "its list has ignored the filter for the key") from None
            found, answered = [], False
        if reference:
            found = [ticket for ticket in found if self._search.is_ours(ticket, reference)]
        if found:
            self._claims.keeps_key[self._key_field.kept_for(body)] = self._kept = True
            return found
        if self._finds_by_filter:
            self._refuse_lookalikes(body, key)
            return []
        newer = list(self._newer_tickets(body, key, answered))
        found = [ticket for ticket in newer if self._search.has_key(ticket, key)]
        if found:
            self._claims.keeps_key[self._key_field.kept_for(body)] = self._kept = True
        if found or self._kept:
            return found
        alike = [ticket for ticket in newer if self._may_be_it(ticket, body, key, reference)]
        if alike and self._floor_is_old:
            # It may be that of a process before: keys were kept a moment ago, and recurring tickets have one text.
            raise _shows_no_key(alike[0])
        return alike

    def _refuse_lookalikes(self, body: Ticket, key: str) -> None:
        """Raises HaloError where one of the newest tickets has this text and no key at all.

        The instance has kept keys so far; but a rule may have cleared this one, and then the key proves no absence.
        """
        rows, _ = next(iter(self._reader.pages({})))
        for row in rows:
            if self._has_summary(row, body) and not self._claims.is_claimed(identity(row)):
                ticket = self._reader.find(_number(row))
                if ticket and not self._key_field.of(ticket) and self._may_be_it(ticket, body, key, ""):
                    raise _shows_no_key(ticket)

    def _newer_tickets(self, body: Ticket, key: str, answered: bool) -> Iterator[Ticket]:
        """The tickets that are newer than the sending: all of them where they are few, else those with the summary.

        Those that show another key are left out. ``answered``: the list was asked for the key, and did not ignore it.
        """
        rows = [row for row in self._newer() if not self._search.has_other_key(row, key)]
        if len(rows) > MOST_OPENED and self._floor_is_old and not answered:
            raise misunderstood(Request("GET", "/Tickets"), f"{len(rows)} tickets may be the one that was sent")
        for row in rows:
            if len(rows) <= MOST_OPENED or self._has_summary(row, body):
                ticket = self._reader.find(_number(row))
                if ticket is not None:
                    yield ticket

    @staticmethod
    def _has_summary(ticket: Mapping[str, Any], body: Ticket) -> bool:
        return may_be_stored_as(str(body["summary"]), str(ticket.get("summary") or ""), prefixed=True)

    def _may_be_it(self, ticket: Ticket, body: Ticket, key: str, reference: str) -> bool:
        """Whether a ticket has the text of ``body``, and is not somebody else's."""
        return (
            self._has_summary(ticket, body)
            and may_be_stored_as(_details(body), _details(ticket))
            and (not reference or has_reference(ticket, reference))
            and not self._search.has_other_key(ticket, key)
            and self._own_agent.may_have_made(_number(ticket), self._reader)
        )

    def _newer(self) -> Iterator[Ticket]:
        if self._newest_before is None:
            raise misunderstood(Request("GET", "/Tickets"), "the newest tickets do not come first")
        self._check_floor()
        seen: set[int] = set()
        for state in ({}, {"closed_only": "true"}):
            for rows, _ in self._reader.newest(state):
                newer = [row for row in rows if _number(row) > self._newest_before]
                for row in newer:
                    number = _number(row)
                    if number not in seen and not self._claims.is_claimed(identity(row)):
                        seen.add(number)
                        yield row
                if len(newer) < len(rows):
                    break

    def _of_twins(self, ticket: Ticket, reference: str) -> CreatedTicket:
        """The ticket that counts for a reference, when another process may have made one at the same time."""
        own = _number(ticket)
        twins = self._twins(lambda: self._with_reference(reference))
        if own not in map(_number, twins) and self._session.left > LIST_LAG:
            # The list does not show our own ticket yet, so it would not show another either.
            self._session.clock.sleep(LIST_LAG)
            twins = self._twins(lambda: self._with_reference(reference))
        others = self._others(twins, ticket)
        first = min([own, *others])
        if first == own:
            return CreatedTicket(ticket, duplicates=others)
        self._close_duplicate(own, first)
        counting = next(twin for twin in twins if _number(twin) == first)
        return CreatedTicket(counting, created=False, duplicates=sorted({own, *others} - {first}))

    def _with_reference(self, reference: str) -> list[Ticket]:
        if self._shown and not self._key_field.is_custom:
            found = self._search.by_key(reference, closed=False)
            return [ticket for ticket in found if self._search.is_ours(ticket, reference)]
        return self._search.by_line(reference, closed=False)

    def _twins(self, look: Callable[[], list[Ticket]]) -> list[Ticket]:
        """What a look for twins of a new ticket finds. The ticket is made: that nobody could look must not hide it."""
        try:
            return look()
        except (HaloError, Unanswered) as error:
            why = error.kind if isinstance(error, HaloError) else "its list ignores the filter"
            self._logger.warning(f"HaloITSM: duplicates of a new ticket could not be looked for ({why}).")
            return []

    @staticmethod
    def _others(tickets: Iterable[Ticket], ticket: Ticket) -> list[int]:
        return sorted({_number(other) for other in tickets} - {_number(ticket)})

    def _told(self, ticket: CreatedTicket) -> CreatedTicket:
        if ticket.duplicates:
            numbers = ", ".join(map(str, ticket.duplicates))
            self._logger.warning(f"HaloITSM: ticket {ticket.get('id')} has duplicates with the same key: {numbers}.")
        return ticket


def _floor_name(body: Ticket) -> str:
    return f"a ticket of type {as_id(body.get('tickettype_id'))} with its key"


def _shows_no_key(ticket: Ticket) -> HaloError:
    why = f"ticket {_number(ticket)} has the same text and does not show its key"
    error = misunderstood(Request("GET", "/Tickets"), why)
    return converted_to(error, HaloError, data=f"In the answer to GET /Tickets, {why}.")


def identity(ticket: Mapping[str, Any]) -> tuple[int | None, datetime | None]:
    """What tells a ticket from all others that a Halo ever had: its id, and when it was made, to the second.

    An instance that was set up anew gives out its ids again.
    """
    made = parse_date(ticket.get("dateoccurred"))
    return as_id(ticket.get("id")), made and made.replace(microsecond=0)


def _number(ticket: Mapping[str, Any]) -> int:
    return as_id(ticket.get("id")) or 0


def _details(ticket: Mapping[str, Any]) -> str:
    return text_of(ticket, "details", "details_html")


def _with_line(body: Ticket, reference: str) -> Ticket:
    """A ticket's fields with the reference's line at the end of its text."""
    if not body.get("details") and isinstance(body.get("details_html"), str):
        return {**body, "details_html": f"{body['details_html']}<br><br>{to_html(reference_line(reference))}"}
    details = str(body.get("details") or "").rstrip()
    return {**body, "details": f"{details}\n\n{reference_line(reference)}".lstrip()}


def _check(body: Ticket) -> None:
    if not isinstance(body.get("summary"), str) or not body["summary"].strip():
        raise invalid_input("summary", "is required and must not be empty")
    if body.get("id"):
        raise invalid_input("id", "must not be given: HaloITSM would change that ticket instead of creating one")
