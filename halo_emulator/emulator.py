"""The emulator as a test uses it: to start, stop and inspect it, and to make it misbehave."""

import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Any

from werkzeug.serving import BaseWSGIServer, make_server

from . import seed
from .action_writes import add_action
from .app import build_app
from .clock import Clock
from .connection_handler import ConnectionHandler, OpenConnections
from .faults import Fault, Faults
from .gateway import Gateway
from .late_work import LateWork
from .rate_limit import RateLimit
from .request_log import RecordedRequest, RequestLog
from .settings import Settings
from .store import Action, Snapshot, Store, Ticket
from .ticket_shape import detail
from .ticket_writes import NO_AGENT, create_ticket, delete_ticket, forced_dates, merge_tickets, update_ticket
from .tokens import TokenIssuer
from .webhooks import WebhookDisorder, Webhooks

HOST = "127.0.0.1"
# Flask's routes are compiled from syntax trees. CPython 3.11 counts their depth once for all threads: two that compile
# at the same time may end in "SystemError: AST constructor recursion depth mismatch".
_ONE_BUILDS = threading.Lock()


class HaloEmulator(Settings):
    """A stand-in HaloITSM on 127.0.0.1; not Halo, and not fit for anything but demos and tests.

    The attributes of Settings may be changed while it runs. State outlives stop() and start(), and so does the port.
    """

    def __init__(
        self,
        port: int = 0,
        token_lifetime: float = 3600,
        client_id: str | None = None,
        client_secret: str | None = None,
        tenant: str | None = None,
    ) -> None:
        super().__init__()
        self.token_lifetime = token_lifetime
        self.client_id = client_id or self.client_id
        self.client_secret = client_secret or self.client_secret
        self.tenant = tenant
        self.port = port
        self._clock = Clock(self)
        self._store = Store(self, self._clock)
        self._request_log = RequestLog()
        self._faults = Faults()
        self._late_work = LateWork()
        self._issuer = TokenIssuer(self)
        self._rate_limit = RateLimit(self, self._clock)
        self._connections = OpenConnections()
        self._webhooks = Webhooks(self._clock, lambda ticket: detail(self._store, ticket))
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None
        for fields in seed.TICKETS:
            create_ticket(self._store, fields, self.screen_agent_id)
        self._store.listener = self._webhooks.event

    # -- running ----------------------------------------------------------------------------------------------------

    def start(self) -> "HaloEmulator":
        """Listens; returns once a client can connect."""
        if self._server is not None:
            return self
        with _ONE_BUILDS:
            app = build_app(self._store, self._issuer, self._webhooks)
        gateway = Gateway(
            app, self._request_log, self._faults, self._late_work, self._issuer, self._clock, self._rate_limit
        )
        handler = type("Handler", (ConnectionHandler,), {"gateway": gateway, "connections": self._connections})
        # The Flask application is only reached through the gateway.
        self._server = make_server(HOST, self.port, app, threaded=True, request_handler=handler)
        self.port = self._server.port
        serve = self._server.serve_forever
        self._thread = threading.Thread(target=serve, args=(0.002,), name="halo-emulator", daemon=True)
        self._thread.start()
        self._webhooks.start()
        return self

    def stop(self) -> None:
        """Stops listening, ends every hang and closes every connection."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server = None
        self._faults.clear()
        self._late_work.end()
        self._connections.close_all()
        self._webhooks.stop()

    def __enter__(self) -> "HaloEmulator":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.port}"

    @property
    def auth_server(self) -> str:
        """Halo's "Authorisation Server"."""
        return self.url if self.auth_at_root else self.url + "/auth"

    @property
    def resource_server(self) -> str:
        """Halo's "Resource Server"."""
        return self.url + "/api"

    # -- inspecting it ----------------------------------------------------------------------------------------------

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests so far, in order of arrival."""
        return self._request_log.snapshot()

    def forget_requests(self) -> None:
        """Empties `requests`."""
        self._request_log.forget()

    @property
    def refused_by_rate_limit(self) -> int:
        """How many requests were refused so far because of `requests_per_five_minutes`."""
        return self._rate_limit.refused

    @property
    def peak_token_requests(self) -> int:
        """The highest number of token requests that were in flight at once."""
        return self._issuer.peak

    @property
    def tickets(self) -> dict[int, Ticket]:
        """The stored tickets as they are now, deleted ones included. A copy: ask again after a change."""
        with self._store.lock:
            return dict(self._store.tickets)

    @property
    def actions(self) -> dict[int, list[Action]]:
        """The actions of each ticket as they are now, oldest first. A copy as well."""
        with self._store.lock:
            return {number: list(rows) for number, rows in self._store.actions.items()}

    @property
    def attachments(self) -> dict[int, list[dict[str, Any]]]:
        """The files of each ticket as they are now, oldest first, each with its bytes as `content`. A copy as well."""
        with self._store.lock:
            return {number: list(rows) for number, rows in self._store.attachments.items()}

    @property
    def lists(self) -> Store:
        """The lists that tickets refer to (`statuses`, `closed_statuses`, `teams`, `agents`, `categories`, ...): a test
        may change them before it sends requests."""
        return self._store

    @property
    def clock_offset(self) -> float:
        """Seconds by which Halo's clock is ahead of the machine's. To skip a minute, a test adds 60."""
        return self._clock.offset

    @clock_offset.setter
    def clock_offset(self, seconds: float) -> None:
        self._clock.offset = seconds

    # -- making it misbehave ----------------------------------------------------------------------------------------

    def inject(self, fault: Fault) -> None:
        """Injects a fault. Of several that fit a request, the oldest one acts."""
        self._faults.inject(fault)

    def clear_faults(self) -> None:
        """Removes all faults and ends every hang."""
        self._faults.clear()

    def revoke_tokens(self) -> None:
        """Makes every bearer token issued so far invalid."""
        self._issuer.revoke()

    def snapshot(self) -> Snapshot:
        """A backup of the tickets, their actions and files, and of the ids that are next."""
        return self._store.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Restores a backup, any number of times. What came after it is gone, and ids are given out once more. Time,
        tokens, settings and deliveries go on."""
        self._store.restore(snapshot)

    # -- somebody works in Halo's own screens -----------------------------------------------------------------------

    def log_ticket(self, **fields: Any) -> Ticket:
        """Logs a ticket. Also takes `last_update`, `dateoccurred` and `dateclosed`, which the API does not."""
        fields.setdefault("summary", "Logged in Halo's own screens")
        ticket = create_ticket(self._store, self._by_name(fields), self.screen_agent_id, forced_dates(fields))
        return detail(self._store, ticket)

    def mail_in(self, summary: str, details: str, **fields: Any) -> Ticket:
        """Logs a ticket for an e-mail from outside. Its opening action is a user's, not an agent's (the numbers are
        official and seen live; `source` 1 is a guess). `fields` as in log_ticket."""
        sender = {"user_id": 51, "users_name": "Somebody Outside", "reportedby": "somebody@outside.example"}
        given = {"source": 1, **({} if "user_id" in fields else sender), **fields}
        given |= {"summary": summary, "details": details}
        return detail(self._store, create_ticket(self._store, self._by_name(given), NO_AGENT, forced_dates(fields)))

    def change_ticket(self, ticket_id: int, **fields: Any) -> Ticket:
        """Changes a ticket, records what Halo records and fires the events; forced dates as in log_ticket."""
        given, forced = self._by_name(fields), forced_dates(fields)
        return detail(self._store, update_ticket(self._store, ticket_id, given, self.screen_agent_id, forced))

    def add_note(self, ticket_id: int, text: str, hidden: bool = False) -> Action:
        """Adds a note."""
        outcome: dict[str, Any] = {"outcome_id": 7} if hidden else {"outcome_id": 3}
        if self.outcomes is not None:
            outcome = {"outcome": sorted(self.outcomes)[0]} if self.outcomes else outcome
        given = {"note": text, "hiddenfromuser": hidden, **outcome}
        return dict(add_action(self._store, ticket_id, given, self.screen_agent_id))

    def delete_ticket(self, ticket_id: int) -> None:
        """Deletes a ticket."""
        delete_ticket(self._store, ticket_id, self.screen_agent_id)

    def merge_tickets(self, into: int, ticket_id: int) -> None:
        """Merges `ticket_id` into `into`."""
        merge_tickets(self._store, into, ticket_id, self.screen_agent_id)

    def _by_name(self, fields: dict[str, Any]) -> dict[str, Any]:
        # In Halo's screens one picks a team from a list. Here tests may also give its id.
        if "team_id" not in fields:
            return fields
        names = {row["id"]: row["name"] for row in self._store.teams}
        return {**fields, "team": names[fields["team_id"]]}

    # -- webhooks ---------------------------------------------------------------------------------------------------

    def add_webhook(
        self,
        url: str,
        events: Iterable[str | int] | None = None,
        authentication: str = "none",
        secret: str = "",  # nosec B107: an empty secret means none
        payload: str = "full",
        batch: int = 1,
        username: str = "halo",
    ) -> dict[str, Any]:
        """Registers a receiver; `events` are names or numbers, None means all."""
        return self._webhooks.add(url, events, authentication, secret, payload, batch, username)

    @property
    def webhooks(self) -> list[dict[str, Any]]:
        """The receivers that there are."""
        return self._webhooks.all()

    @property
    def webhook_disorder(self) -> WebhookDisorder:
        """What happens to deliveries on their way."""
        return self._webhooks.disorder

    @webhook_disorder.setter
    def webhook_disorder(self, disorder: WebhookDisorder) -> None:
        self._webhooks.disorder = disorder

    @property
    def webhook_log(self) -> list[dict[str, Any]]:
        """Delivery records, one per event: webhook_id, event, status (0: not delivered), request_id, sent_at."""
        return self._webhooks.log()

    def wait_for_webhooks(self, timeout: float) -> bool:
        """Waits until every delivery that is due was attempted. False if that took longer than `timeout` seconds."""
        return self._webhooks.wait(timeout)
