"""HaloITSM as an object: what one can do with it, a method each.

Free of InsightConnect's steps and messages, so that another program can use it: plain values and a logger in, Halo's
own fields as plain dicts out. Errors are ``HaloITSMError``, a ``PluginException``.

- One object may be shared among threads.
- Nothing is sent before it is needed: the token is fetched by the first call.
- A create is sent again only when it is certain that Halo does not have it (see reconcile.py).
"""

from __future__ import annotations

import functools
import logging
import random
import time
from datetime import datetime, timezone
from typing import Any, Callable, Mapping

from .address import api_address, ticket_address, token_address
from .changing import TicketChanger
from .closed_tickets import ClosedTickets
from .commenting import PRIVATE_OUTCOME, PUBLIC_OUTCOME, CommentWriter
from .creating import Desk, TicketCreator
from .errors import HaloITSMError
from .exchange import Request
from .inputs import bad_input, positive, secret_text
from .lookups import Lookups
from .oauth import TokenSource
from .reading import RECENT_ACTIONS, TicketReader, newest_first
from .reconcile import OnceOnly, ledger_of
from .retry import RetryPolicy
from .rows import rows_of
from .search import TicketFilter
from .tickets import ticket_output
from .transport import Transport, Wire
from .version import plugin_version
from .writable import writable

Fields = Mapping[str, Any]
Ticket = dict[str, Any]

# Who tests a connection waits for the answer at a screen.
_TEST_POLICY = RetryPolicy(max_wait=5.0)


class HaloITSMAPI:
    """A HaloITSM instance, as the API application sees it.

    ``client_id`` and ``client_secret``: text, or ``{"secretKey": text}``. ``auth_server`` and ``resource_server``: as
    Halo's admin page shows them; common slips are put right. ``tenant``: only for hosted instances that share an
    authorization server. ``logger``: anything with ``info`` and ``warning``. Timeouts and waits in seconds:
    ``max_wait`` bounds one call with all its retries, ``settle`` is the pause before a lost create is looked up again.
    ``clock``, ``sleep``, ``jitter`` and ``now`` are there for tests.

    ``lookups`` reads the instance's statuses, priorities, teams, agents, categories and ticket types.

    Raises HaloITSMError for an address that cannot be used or a missing credential.
    """

    def __init__(
        self,
        *,
        client_id: Any,
        client_secret: Any,
        auth_server: object,
        resource_server: object,
        tenant: str | None = None,
        ssl_verify: bool = True,
        logger: Any = None,
        scope: str | None = None,
        public_note_outcome: str | None = None,
        private_note_outcome: str | None = None,
        connect_timeout: float = 10.0,
        read_timeout: float = 30.0,
        max_wait: float = 120.0,
        settle: float = 2.0,
        user_agent: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        identity, secret = _credential(client_id, "Client ID"), _credential(client_secret, "Client Secret")
        self.address = api_address(resource_server)
        logger = logger or logging.getLogger(__name__)

        def transport(address: str, tokens: TokenSource | None) -> Transport:
            wire = Wire(
                address,
                verify=bool(ssl_verify),
                user_agent=user_agent or f"HaloITSM-InsightConnect/{plugin_version()}",
                connect_timeout=connect_timeout,
                read_timeout=read_timeout,
            )
            return Transport(
                wire,
                policy=RetryPolicy(max_wait=max_wait),
                logger=logger,
                tokens=tokens,
                secrets=(identity, secret),
                clock=clock,
                sleep=sleep,
                jitter=jitter,
                now=now,
            )

        self._tokens = TokenSource(
            transport(token_address(auth_server, (tenant or "").strip()), None),
            client_id=identity,
            client_secret=secret,
            scope=" ".join((scope or "").split()) or "all",
            clock=clock,
        )
        self._call = call = transport(self.address, self._tokens).call
        self.lookups = Lookups(call, logger=logger, clock=clock)
        self._reader = TicketReader(call)
        self._closed_tickets = ClosedTickets(call, clock)
        once = OnceOnly(sleep=sleep, logger=logger, settle=settle)
        outcomes = {
            True: (private_note_outcome or "").strip() or PRIVATE_OUTCOME,
            False: (public_note_outcome or "").strip() or PUBLIC_OUTCOME,
        }

        def desk(things: str) -> Desk:
            return Desk(call, self._reader, ledger_of(self.address, things), once, max_wait, clock, now)

        self._creator = TicketCreator(desk("tickets"))
        self._comments = CommentWriter(desk("comments"), outcomes)
        self._changer = TicketChanger(call, self._reader, self._comments, self.lookups, once, clock)

    def test(self) -> None:
        """Logs in anew and reads one ticket. Raises HaloITSMError that tells what is wrong with the connection."""
        self._tokens.renew(_TEST_POLICY)
        request = Request("GET", "/Tickets", {"pageinate": "true", "page_size": "1", "page_no": "1"})
        rows_of(request, self._call(request, policy=_TEST_POLICY).data, "tickets")

    def ticket_url(self, ticket_id: int) -> str:
        """The link that opens a ticket in Halo."""
        return ticket_address(self.address, ticket_id)

    def describe(self, ticket: Fields) -> dict[str, Any]:
        """The plugin's ``ticket`` type from any Halo ticket, with names from the lookups."""
        return ticket_output(ticket, self.lookups.names_for(ticket), self.address)

    def get_ticket(self, ticket_id: int, include_details: bool = True) -> Ticket:
        """A ticket. Raises HaloITSMError, of kind ``not_found`` when there is none, ``unauthorized`` when hidden."""
        return self._reader.get(ticket_id, details=include_details)

    def search_tickets(self, wanted: TicketFilter | Fields, max_results: int = 50) -> list[Ticket]:
        """Up to ``max_results`` tickets that match, newest first, read in pages of 100. Raises HaloITSMError.

        ``wanted`` is a TicketFilter, or Halo's own list parameters.
        Open and closed tickets alike: where the instance's list leaves closed ones out, they are asked for expressly as
        long as there is room among the results.
        """
        if not isinstance(wanted, TicketFilter):
            wanted = TicketFilter.from_halo(wanted)
        query, only_closed = wanted.query(), {"closed_only": "true"}
        team = self.lookups.name("team", wanted.team_id)
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
        """The newest ``count`` actions of a ticket, newest first. Raises HaloITSMError."""
        return self._reader.actions(ticket_id, count)[0]

    def reader(self, policy: RetryPolicy) -> TicketReader:
        """Reads tickets, pages and actions with another patience than this object's own."""
        return TicketReader(functools.partial(self._call, policy=policy))

    def create_ticket(self, fields: Fields) -> Ticket:
        """Creates a ticket, exactly once, and returns it as Halo answers.

        ``fields`` are Halo's own; ``team_id`` and ``category_id`` may stand for ``team`` and ``category_1`` .. ``4``,
        which Halo takes on writing. Raises HaloITSMError, before anything is sent when a team or category is unknown;
        UncertainWriteError when the ticket may exist and cannot be told from others.
        """
        return self._creator.create(writable(fields, self.lookups))

    def create_ticket_once(self, fields: Fields, reference: str) -> tuple[Ticket, bool]:
        """Creates a ticket unless one has this external reference; returns the ticket and whether it is new.

        The reference (one line) becomes the last line of the details, ``Reference: KEY``. Raises HaloITSMError as
        create_ticket does, and when several tickets carry the reference.
        """
        key = " ".join(reference.split())
        if not key:
            raise bad_input("external_reference", "must not be empty")
        return self._creator.create_unless_there(writable(fields, self.lookups), key)

    def add_comment(self, ticket_id: int, text: str, private: bool = False) -> Ticket:
        """Adds a note with the connection's private or public outcome, exactly once; returns Halo's action.

        ``text`` is plain and shows letter for letter. Raises HaloITSMError; where Halo refuses the outcome, it names
        those that the instance has.
        """
        return self._comments.add(ticket_id, text, private)

    def update_ticket(self, ticket_id: int, fields: Fields) -> Ticket:
        """Changes the given fields of a ticket and returns it as Halo answers; ``fields`` as for create_ticket.

        Cannot create: without a positive id nothing is sent. Raises HaloITSMError.
        """
        return self._changer.change(ticket_id, writable(fields, self.lookups))

    def assign_ticket(
        self, ticket_id: int, agent_id: int | None = None, team_id: int | None = None, notify: bool = True
    ) -> Ticket:
        """Assigns a ticket to an agent, a team, or both, and returns it as Halo answers.

        ``notify`` False sends ``dont_do_rules``, which is documented to keep Halo's automations from running; that it
        also keeps back every e-mail is not proven. Raises HaloITSMError, also when Halo did not carry it out.
        """
        team = writable({"team_id": team_id}, self.lookups).get("team")
        return self._changer.assign(ticket_id, agent_id, team, notify)

    def close_ticket(self, ticket_id: int, status_id: int | None = None, resolution: str | None = None) -> Ticket:
        """Closes a ticket with ``status_id`` or the instance's own closed status, and returns it as Halo answers.

        ``resolution`` goes along as closure note, and as a private note where Halo did not keep it; the details are
        never touched. Closing a closed ticket succeeds. Raises HaloITSMError when Halo does not say that it is closed.
        """
        return self._changer.close(ticket_id, status_id, resolution)

    def delete_ticket(self, ticket_id: int, reason: str = "") -> None:
        """Deletes a ticket, which Halo does softly (documented). Raises HaloITSMError."""
        self._call(Request("DELETE", f"/Tickets/{positive(ticket_id)}", {"reason": reason} if reason else {}))


def _credential(value: Any, name: str) -> str:
    text = secret_text(value)
    if not text:
        raise HaloITSMError(
            kind="credential",
            cause=f"The connection has no {name}.",
            assistance="Copy it from Config > Integrations > Halo API in HaloITSM.",
        )
    return text
