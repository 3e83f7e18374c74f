"""The agent that the API application logs in as, and whether it made a ticket."""

from __future__ import annotations

import threading

from ..errors import Forbidden, HaloError, NotFound, Unauthorized
from ..http.messages import Request
from ..http.retry import RetryPolicy
from ..http.rows import single
from ..http.session import Session
from ..values.ids import as_id
from .read import RECENT_ACTIONS, TicketReader

# It only helps to tell tickets apart, so that no call waits long for it.
_PATIENCE = RetryPolicy(max_wait=3.0)
# who_type of an action: 0 the system, 1 an agent, 2 a user (seen in clients).
_AGENT, _USER = 1, 2
_REFUSALS_BELIEVED = 3
LIFETIME = 600.0


class OwnAgent:
    """Asks Halo once, and again where Halo refuses to tell: a few times at once, then every ten minutes.

    Safe to share among threads.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._number: int | None = None
        self._refusals = 0
        self._not_before = 0.0

    @property
    def number(self) -> int | None:
        """The agent's id; None where Halo does not tell (``/Agent/me`` works for an agent's login: seen live)."""
        with self._lock:
            if self._number is None and self._session.clock.monotonic() >= self._not_before:
                self._number = self._ask()
            return self._number

    def _ask(self) -> int | None:
        request = Request("GET", "/Agent/me")
        try:
            return as_id(single(request, self._session.begin(_PATIENCE).call(request).data)["id"])
        except HaloError as error:
            if isinstance(error, (Forbidden, NotFound, Unauthorized)):
                self._refusals += 1
                if self._refusals >= _REFUSALS_BELIEVED:
                    self._not_before = self._session.clock.monotonic() + LIFETIME
            return None

    def may_have_made(self, ticket_id: int, reader: TicketReader) -> bool:
        """False where a ticket's opening action shows that somebody else made it. Raises HaloError."""
        rows, _ = reader.actions(ticket_id, RECENT_ACTIONS)
        numbered = [(number, row) for number, row in ((as_id(row.get("id")), row) for row in rows) if number]
        if not numbered or len(rows) >= RECENT_ACTIONS:
            # The opening action is not among them.
            return True
        return self.may_have_done(min(numbered, key=lambda pair: pair[0])[1])

    def may_have_done(self, action: dict[str, object]) -> bool:
        """False where an action shows that somebody else did it."""
        if action.get("who_type") == _USER:
            return False
        agent = as_id(action.get("who_agentid"))
        return action.get("who_type") != _AGENT or agent is None or self.number in (None, agent)
