"""HaloITSM as an object: what one can do with it, a method each.

Plain values and a logger in, Halo's own fields as plain dicts out. Errors are those of ``errors.py``.

- One object may be shared among threads.
- Nothing is sent before it is needed: the token is fetched by the first call.
- A create is sent again only when it is certain that Halo does not have it (see tickets/exactly_once.py).
"""

from __future__ import annotations

import logging
import os
import random
import time
import unicodedata
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence

from .clock import Clock, utc_now
from .errors import HaloError, invalid_input
from .http.addresses import api_address, ticket_address, token_addresses
from .http.messages import Request, Response
from .http.oauth import TokenSource
from .http.retry import RetryPolicy
from .http.rows import rows_of
from .http.session import Session
from .http.transport import Transport
from .tickets.attachment import Attached, AttachmentWriter, File, check_files, not_attached
from .tickets.carried_out import dropped_in_create, unlike
from .tickets.close import TicketCloser
from .tickets.closed_tickets import ClosedTickets
from .tickets.comment import MOST_COMMENTS, PRIVATE_OUTCOME, PUBLIC_OUTCOME, AddedComment, CommentWriter, is_comment
from .tickets.create import CreatedTicket, TicketCreator
from .tickets.exactly_once import LONGEST_QUEUE, ExactlyOnce, claim_registry
from .tickets.external_key import KeyField
from .tickets.fields import to_halo_fields
from .tickets.filters import TicketFilter
from .tickets.kept_answers import KeptAnswers, answers_path
from .tickets.lookups import Lookups
from .tickets.outcomes import missing_outcomes, read_outcomes
from .tickets.output import from_halo
from .tickets.own_agent import OwnAgent
from .tickets.read import RECENT_ACTIONS, TicketReader, newest_first
from .tickets.references import ReferenceSearch, Unanswered
from .tickets.unknown_ids import check_told, explained
from .tickets.update import ChangedTicket, TicketUpdater, check_change
from .values.ids import as_id, positive_id

Fields = Mapping[str, Any]
Ticket = dict[str, Any]

# Who tests a connection waits for the answer at a screen.
_TEST_POLICY = RetryPolicy(max_wait=5.0)
# What is created, as errors name it.
_TICKET, _COMMENT, _ATTACHMENT = "The ticket", "The comment", "The attachment"


class HaloClient:
    """A HaloITSM instance, as the API application sees it.

    ``client_id`` and ``client_secret`` are text. ``auth_server`` and ``resource_server`` are addresses as Halo's admin
    page shows them; common slips are put right. ``tenant`` is only for hosted instances that share an authorization
    server. ``external_id_field`` is where creates carry a key of their own: ``third_party_id_string`` unless given, the
    name of a custom field, or ``none``. ``logger`` is anything with ``info`` and ``warning``.

    Timeouts and waits are in seconds: ``max_wait`` bounds one call with all its retries and look-ups, ``recheck_delay``
    is the first pause before a lost create is looked up again. ``clock``, ``sleep``, ``jitter``, ``now``: see Clock.

    ``before_request`` is called before each request, also one for a token, in the thread that sends it. What it raises
    goes through to the caller, and the request is not sent. It can be replaced at any time.

    ``cache_folder`` is where what the instance says of its settings is kept for the next process, in a file without
    secrets (see tickets/kept_answers.py). With None, the default, it is kept in memory only.

    ``lookups`` reads the instance's statuses, priorities, teams, agents, categories and ticket types, and searches its
    clients, sites and users.

    Raises HaloError for an address that cannot be used or a missing credential.
    """

    def __init__(
        self,
        *,
        client_id: object,
        client_secret: object,
        auth_server: object,
        resource_server: object,
        tenant: str | None = None,
        ssl_verify: bool = True,
        logger: Any = None,
        scope: str | None = None,
        public_note_outcome: str | None = None,
        private_note_outcome: str | None = None,
        external_id_field: str | None = None,
        connect_timeout: float = 10.0,
        read_timeout: float = 30.0,
        max_wait: float = 120.0,
        recheck_delay: float = 2.0,
        user_agent: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
        now: Callable[[], datetime] = utc_now,
        before_request: Callable[[], None] = lambda: None,
        cache_folder: str | os.PathLike[str] | None = None,
    ) -> None:
        identity, secret = _credential(client_id, "Client ID"), _credential(client_secret, "Client Secret")
        self.address = api_address(resource_server)
        self._logger = logger or logging.getLogger(__name__)
        self._recheck_delay = recheck_delay
        self._key_field = KeyField.named(external_id_field)
        self._clock = Clock(clock, sleep, jitter, now)
        self.before_request = before_request

        def session(address: str, tokens: TokenSource | None) -> Session:
            transport = Transport(
                address,
                verify=bool(ssl_verify),
                user_agent=user_agent or "haloitsm-client",
                connect_timeout=connect_timeout,
                read_timeout=read_timeout,
                # It may be replaced later.
                before_request=lambda: self.before_request(),  # pylint: disable=unnecessary-lambda
            )
            return Session(
                transport,
                policy=RetryPolicy(max_wait=max_wait),
                logger=self._logger,
                tokens=tokens,
                secrets=(identity, secret),
                clock=self._clock,
            )

        self._tokens = TokenSource(
            *(session(address, None) for address in token_addresses(auth_server, (tenant or "").strip())),
            client_id=identity,
            client_secret=secret,
            scope=" ".join((scope or "").split()) or "all",
        )
        self._session = session(self.address, self._tokens)
        connection = (self.address, identity, (tenant or "").strip(), (scope or "").strip())
        path = None if cache_folder is None else answers_path(cache_folder, connection)
        self._answers = KeptAnswers(path, self.address, logger=self._logger, now=now)
        self.lookups = Lookups(self._session, logger=self._logger, answers=self._answers)
        self._reader = TicketReader(self._session)
        self._own_agent = OwnAgent(self._session)
        self._closed_tickets = ClosedTickets(self._session, self._answers)
        self._outcomes = {
            True: (private_note_outcome or "").strip() or PRIVATE_OUTCOME,
            False: (public_note_outcome or "").strip() or PUBLIC_OUTCOME,
        }

    def _once(self, session: Session, thing: str) -> ExactlyOnce:
        """For one operation that makes a ``thing``, as in "The ticket"."""
        claims = claim_registry(self.address, thing)
        return ExactlyOnce(session, claims, thing, logger=self._logger, recheck_delay=self._recheck_delay)

    @contextmanager
    def _creating(self, body: Ticket) -> Iterator[TicketCreator]:
        """One create at a time, whose time counts from its turn; several, where the instance keeps the key of each."""
        claims = claim_registry(self.address, _TICKET)
        with claims.paced(LONGEST_QUEUE, self._clock, self._key_field.kept_for(body)):
            session = self._session.begin()
            yield TicketCreator(
                session,
                self._once(session, _TICKET),
                self._key_field,
                self._own_agent,
                logger=self._logger,
                close_duplicate=self._close_duplicate,
                answers=self._answers,
            )

    @contextmanager
    def _commenting(self, operation: Session | None = None) -> Iterator[CommentWriter]:
        """One comment at a time, in an operation, or in one of its own whose time counts from its turn."""
        with claim_registry(self.address, _COMMENT).exclusive(LONGEST_QUEUE):
            session = operation or self._session.begin()
            yield CommentWriter(session, self._once(session, _COMMENT), self._own_agent, self._outcomes)

    def _close_duplicate(self, ticket_id: int, first_id: int) -> None:
        """Close a ticket that was made twice for one external reference. That it cannot be closed is only told."""
        try:
            self._close(ticket_id, None, _duplicate_of(first_id))
            self._logger.warning(f"HaloITSM: ticket {ticket_id} is a duplicate of {first_id}, and was closed.")
        except HaloError as error:
            told = f"HaloITSM: ticket {ticket_id} is a duplicate of {first_id}, and could not be closed ({error.kind})."
            self._logger.warning(told)

    def _close(self, ticket_id: int, status_id: int | None, resolution: str | None) -> Ticket:
        session = self._session.begin()
        once = self._once(session, "The closure")
        closer = TicketCloser(session, once, self.lookups, lambda: self._commenting(session))
        return closer.close(ticket_id, status_id, resolution)

    def test(self) -> None:
        """Logs in anew, reads one ticket and the outcomes, and logs what that does not prove.

        Raises HaloError that tells what is wrong with the connection, also where an outcome of it does not exist.
        """
        self._tokens.renew(_TEST_POLICY)
        request = Request("GET", "/Tickets", {"pageinate": "true", "page_size": "1", "page_no": "1"})
        rows_of(request, self._session.begin(_TEST_POLICY).call(request).data, "tickets")
        self._logger.info(
            "HaloITSM: login and reading tickets work. The right to create, edit, assign and close tickets was not "
            "tested, since a test changes nothing."
        )
        try:
            outcomes, why = read_outcomes(self._session.begin(_TEST_POLICY)), "is empty"
        except HaloError as error:
            outcomes, why = [], f"could not be read ({error.kind})"
        wanted = {"public_note_outcome": self._outcomes[False], "private_note_outcome": self._outcomes[True]}
        missing = missing_outcomes(outcomes, wanted)
        if missing:
            raise missing
        if not outcomes:
            told = f"HaloITSM: whether the outcomes of the connection exist is not known: their list {why}."
            self._logger.warning(told)

    def ticket_url(self, ticket_id: int) -> str:
        """The link that opens a ticket in Halo."""
        return ticket_address(self.address, ticket_id)

    def names_for(self, ticket: Fields) -> Mapping[str, Any]:
        """What the instance's lists say of a ticket and the ticket itself does not, by the names of ``describe``."""
        return self.lookups.names_for(ticket)

    def describe(self, ticket: Fields) -> dict[str, Any]:
        """A Halo ticket under tidy names and types, the same wherever it comes from, with names and a link."""
        return from_halo(ticket, self.names_for(ticket), self.address)

    def get_ticket(self, ticket_id: int, include_details: bool = True) -> Ticket:
        """A ticket. Raises HaloError, NotFound when there is none, Unauthorized when the agent may not see it."""
        return self._reader.get(ticket_id, details=include_details)

    def search_tickets(
        self, wanted: TicketFilter | Fields, max_results: int = 50, reference: str | None = None
    ) -> list[Ticket]:
        """Up to ``max_results`` tickets that match, newest first, read in pages of 100. Raises HaloError.

        ``wanted`` is a TicketFilter, or Halo's own list parameters. With ``reference`` only the tickets that carry this
        external reference are looked at, the oldest first, which is the one that counts (see find_references).
        Open and closed tickets alike: where the instance's list leaves closed ones out, they are asked for expressly as
        long as there is room among the results. With ``open_only``, those that are known to be closed are left out.
        """
        if not isinstance(wanted, TicketFilter):
            wanted = TicketFilter.from_halo(wanted)
        query, only_closed = wanted.query(), {"closed_only": "true"}
        team = self.lookups.name("team", wanted.team_id)
        if reference is not None:
            closing = self.lookups.closing() if wanted.open_only else None
            carrying = self.find_references([reference]).get(reference, [])
            return [ticket for ticket in carrying if wanted.matches(ticket, team, closing)][:max_results]
        if wanted.open_only:
            return self._reader.matching(wanted, query, team, max_results, self.lookups.closing())
        closes = None if wanted.status_id is None else self.lookups.closed(wanted.status_id)
        if closes:
            return self._reader.matching(wanted, {**query, **only_closed}, team, max_results)
        found = self._reader.matching(wanted, query, team, max_results)
        if closes is not None or len(found) >= max_results or not self._closed_tickets.are_hidden():
            return found
        known = {row.get("id") for row in found}
        closed = self._reader.matching(wanted, {**query, **only_closed}, team, max_results)
        return newest_first([*found, *(row for row in closed if row.get("id") not in known)])[:max_results]

    def list_actions(self, ticket_id: int, count: int = RECENT_ACTIONS) -> list[Ticket]:
        """The newest ``count`` actions of a ticket, newest first. Raises HaloError."""
        return self._reader.actions(ticket_id, count)[0]

    def list_comments(self, ticket_id: int) -> list[Ticket]:
        """What was written on a ticket: those of its newest 100 actions that have a text and are not the system's.

        Newest first. Raises HaloError.
        """
        rows, _ = self._reader.actions(positive_id(ticket_id), MOST_COMMENTS)
        return sorted(filter(is_comment, rows), key=lambda row: as_id(row.get("id")) or 0, reverse=True)

    @property
    def own_agent_id(self) -> int | None:
        """The agent that the API application logs in as; None where Halo does not tell. May send a request."""
        return self._own_agent.number

    def may_have_made(self, ticket_id: int) -> bool:
        """Whether the application may have made a ticket: False where its opening action shows that somebody else did.

        Raises HaloError.
        """
        return self._own_agent.may_have_made(positive_id(ticket_id), self._reader)

    def hides_closed_tickets(self) -> bool:
        """Whether plain lists leave closed tickets out, or may do so. Sends three requests in ten minutes at most."""
        return self._closed_tickets.are_hidden()

    def call(self, request: Request) -> Response:
        """A request that no other method sends, as one operation.

        Raises HaloError, and UncertainWrite where one that is not repeatable may have been carried out.
        """
        return self._session.begin().call(request)

    def reader(self, policy: RetryPolicy) -> TicketReader:
        """Reads tickets, pages and actions with another patience than this object's own."""
        return TicketReader(self._session.patient(policy))

    def create_ticket(self, fields: Fields, attachments: Sequence[File] = ()) -> CreatedTicket:
        """Creates a ticket, exactly once, and returns it as Halo answers.

        ``fields`` are Halo's own; ``team_id`` and ``category_id`` may stand for ``team`` and ``category_1`` .. ``4``,
        which Halo takes on writing. ``attachments`` are attached to it, each exactly once.

        Raises HaloError, before anything is sent when a team or category is unknown; UncertainWrite when the ticket may
        exist and cannot be told from others. Where the ticket was created, but a custom field was dropped, an id is not
        known or a file not attached, the error names the ticket.
        """
        check_files(attachments)
        body = to_halo_fields(fields, self.lookups)
        with self._explaining(body), self._creating(body) as creator:
            ticket = creator.create(body)
        return self._completed(ticket, body, attachments, "Running {create} again would make a second ticket")

    def create_ticket_once(
        self,
        fields: Fields,
        reference: str,
        attachments: Sequence[File] = (),
        *,
        known_absent: bool = False,
    ) -> tuple[CreatedTicket, bool]:
        """Creates a ticket unless one has this external reference; returns the ticket and whether it is new.

        The reference (one line) goes into the key field and becomes the last line of the details, ``Reference: KEY``.
        Where several tickets carry it, the oldest that is ours counts; the others are its ``duplicates``. A file whose
        name the ticket has already is not attached again.

        ``known_absent`` is for a program that has looked with ``find_references`` before, and does so again after its
        last create to find duplicates: each create is then one request. What Halo made of the fields is then no error,
        but told in the ticket's ``differences``. Raises HaloError as create_ticket does.
        """
        key = _reference(reference)
        check_files(attachments)
        body = to_halo_fields(fields, self.lookups)
        claims = claim_registry(self.address, _TICKET)
        with self._explaining(body), claims.alone_with(key, LONGEST_QUEUE), self._creating(body) as creator:
            ticket = creator.create_unless_there(body, key, known_absent=known_absent)
        advice = (
            "Run {create} again with the same External Reference: it finds this ticket and attaches what is missing"
        )
        return self._completed(ticket, body, attachments, advice, strict=not known_absent), ticket.created

    @contextmanager
    def _explaining(self, body: Ticket) -> Iterator[None]:
        """Inside, a refusal says which ids the instance does not have, and which it has."""
        try:
            yield
        except HaloError as error:
            raise explained(error, body, self.lookups) from None

    def _completed(
        self, ticket: CreatedTicket, body: Ticket, files: Sequence[File], advice: str, *, strict: bool = True
    ) -> CreatedTicket:
        """The ticket with its files, after a look at what Halo made of the fields."""
        number = as_id(ticket.get("id")) or 0
        if ticket.created:
            ticket.differences = unlike(body, ticket)
        done = f"Ticket {number} {'was created' if ticket.created else 'is there'}"
        ticket.attachments = self._attached(number, files, done, advice)
        if strict and ticket.differences.dropped:
            raise dropped_in_create(number, ticket.differences.dropped)
        if strict:
            check_told(f"{done}, but not as asked for", ticket.differences.told, body, self.lookups)
        return ticket

    def _attached(
        self, ticket_id: int, files: Sequence[File], done: str, advice: str, **how: bool
    ) -> tuple[Attached, ...]:
        """The files at the ticket, after ``done`` was done. Raises HaloError that says so, with ``advice``."""
        attached: list[Attached] = []
        for file in files:
            try:
                attached.append(self._attach(ticket_id, file, **how))
            except HaloError as error:
                raise not_attached(error, done, advice, file, attached) from None
        return tuple(attached)

    def _attach(self, ticket_id: int, file: File, **how: bool) -> Attached:
        with claim_registry(self.address, _ATTACHMENT).exclusive(LONGEST_QUEUE):
            session = self._session.begin()
            return AttachmentWriter(session, self._once(session, _ATTACHMENT)).add(ticket_id, file, **how)

    def find_references(self, references: Iterable[str], parent_id: int | None = None) -> dict[str, list[Ticket]]:
        """The tickets that carry external references, by reference, the oldest first; references of none are absent.

        With ``parent_id`` only the children of that ticket are looked at, a page of 100 at a time; where they are many,
        the references are few and the first page shows that keys are kept, each reference is asked for by itself, as it
        is without ``parent_id``. Raises HaloError.
        """
        wanted = {reference: _reference(reference) for reference in references}
        claims = claim_registry(self.address, _TICKET)
        search = ReferenceSearch(self._reader, self._key_field, claims, self._own_agent)
        children: dict[str, list[Ticket]] | None = None
        if parent_id is not None:
            # Where the list ignores the filter for the parent, each reference is asked for by itself after all.
            with suppress(Unanswered):
                children = search.among_children(set(wanted.values()), positive_id(parent_id, "parent_id"))
        if children is not None:
            found = {reference: children.get(key, []) for reference, key in wanted.items()}
        else:
            found = {reference: search.by_key_or_line(key) for reference, key in wanted.items()}
        return {reference: tickets for reference, tickets in found.items() if tickets}

    def add_comment(
        self, ticket_id: int, text: str, private: bool = False, attachments: Sequence[File] = ()
    ) -> AddedComment:
        """Adds a note with the connection's private or public outcome, exactly once; returns Halo's action.

        ``text`` is plain and shows letter for letter. ``attachments`` are attached to the ticket after it, each exactly
        once, though the ticket may have files with these names; those of a private note are asked to be hidden. Raises
        HaloError; where Halo refuses the outcome, it names those that the instance has.
        """
        check_files(attachments)
        with self._commenting() as comments:
            action = comments.add(ticket_id, text, private)
        done = f"Comment {as_id(action.get('id'))} of ticket {ticket_id} was added"
        advice = "Running this {call} again would add the comment again"
        return AddedComment(action, self._attached(ticket_id, attachments, done, advice, again=True, hidden=private))

    def close_duplicate(self, ticket_id: int, first_id: int) -> None:
        """Closes a ticket that was made twice for one external reference, with a note that names the first.

        Raises HaloError; ``not_ours`` where somebody else made it, as a person does who copies a ticket.
        """
        if not self.may_have_made(ticket_id):
            raise HaloError(
                kind="not_ours",
                cause=f"Ticket {ticket_id} carries the same reference as ticket {first_id}, and somebody else made it.",
                assistance="Close the one that is not needed.",
            )
        self._close(ticket_id, None, _duplicate_of(first_id))

    def attach(self, ticket_id: int, name: str, content: bytes, content_type: str) -> int:
        """Attaches a file to a ticket, exactly once, and returns its id.

        A ticket's file is known by its name: one that is there is not sent again, so a name has to tell of its content.
        ``content_type`` is a MIME type, such as ``text/csv``. Raises HaloError; NotFound where there is no such ticket,
        UncertainWrite where it may have been attached.
        """
        return self._attach(ticket_id, File(name, content, content_type)).number

    def update_ticket(self, ticket_id: int, fields: Fields) -> ChangedTicket:
        """Changes the given fields of a ticket and returns it as Halo answers; ``fields`` as for create_ticket.

        New details keep the line of an external reference. Cannot create: without a positive id nothing is sent. Raises
        HaloError, also when Halo did not carry it out.
        """
        check_change(fields)
        body = to_halo_fields(fields, self.lookups)
        with self._explaining(body):
            ticket = TicketUpdater(self._session).change(ticket_id, body)
        check_told(f"HaloITSM accepted the change of ticket {ticket_id}", ticket.differing, body, self.lookups)
        return ticket

    def assign_ticket(
        self, ticket_id: int, agent_id: int | None = None, team_id: int | None = None, notify: bool = True
    ) -> Ticket:
        """Assigns a ticket to an agent, a team, or both, and returns it as Halo answers.

        ``notify`` False sends ``dont_do_rules``, which is documented to keep Halo's automations from running; that it
        also keeps back every e-mail is not proven. Raises HaloError, also when Halo did not carry it out.
        """
        team = to_halo_fields({"team_id": team_id}, self.lookups).get("team")
        with self._explaining({"agent_id": agent_id}):
            return TicketUpdater(self._session).assign(ticket_id, agent_id, team, notify)

    def close_ticket(self, ticket_id: int, status_id: int | None = None, resolution: str | None = None) -> Ticket:
        """Closes a ticket with ``status_id`` or the instance's own closed status, and returns it as Halo answers.

        ``resolution`` goes along as closure note, and as a private note where Halo did not keep it; the details are
        never touched. Closing a closed ticket succeeds. Raises HaloError when Halo does not say that it is closed.
        """
        return self._close(ticket_id, status_id, resolution)

    def delete_ticket(self, ticket_id: int, reason: str = "") -> None:
        """Deletes a ticket, which Halo does softly (documented). Raises HaloError."""
        self._session.call(
            Request("DELETE", f"/Tickets/{positive_id(ticket_id)}", {"reason": reason} if reason else {})
        )


def _duplicate_of(first_id: int) -> str:
    return f"Duplicate of ticket {first_id}: both were created for the same reference."


def _reference(text: str) -> str:
    key = unicodedata.normalize("NFC", " ".join(text.split()))
    if not key:
        raise invalid_input("external_reference", "must not be empty")
    return key


def _credential(value: object, name: str) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not text:
        raise HaloError(
            kind="credential",
            cause=f"The connection has no {name}.",
            assistance="Copy it from Config > Integrations > Halo API in HaloITSM.",
        )
    return text
