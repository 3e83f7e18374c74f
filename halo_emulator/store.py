"""The data of the emulated Halo: tickets, actions and the lists they refer to, all in memory.

Stored tickets are never changed in place: a change stores a new dict. So a ticket can be read without the lock.
"""

import threading
from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import seed
from .clock import Clock
from .lag import Lag
from .settings import Settings

Ticket = dict[str, Any]
Action = dict[str, Any]
Row = dict[str, Any]
# The field that holds another system's own reference to a ticket (documented only).
EXTERNAL_ID = "third_party_id_string"
# Event number, ticket, the action behind it if any, id of the agent who did it.
Listener = Callable[[int, Ticket, Action | None, int], None]


@dataclass(frozen=True)
class Snapshot:
    """Tickets, their actions and files, and the ids that are next, as a backup has them."""

    tickets: dict[int, Ticket]
    actions: dict[int, list[Action]]
    attachments: dict[int, list[Row]]
    next_ticket: int
    next_action: dict[int, int]


class Store:
    """Tickets by id, with an index by `last_update`. Hold `lock` around calls that must see the same state."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.lock = threading.RLock()
        self.tickets: dict[int, Ticket] = {}
        self.actions: dict[int, list[Action]] = {}
        self.attachments: dict[int, list[Row]] = {}
        self.by_update: list[tuple[str, int]] = []
        self.ticket_lag: Lag[Ticket | None] = Lag(settings)
        self.action_lag: Lag[list[Action]] = Lag(settings)
        self.listener: Listener | None = None
        self.found: dict[Any, list[Ticket]] = {}
        self._next_ticket = seed.FIRST_TICKET_ID
        self._next_action: dict[int, int] = {}
        self.statuses = seed.statuses()
        self.closed_statuses = {seed.CLOSED_STATUS}
        self.priorities = seed.priorities()
        self.teams = seed.teams()
        self.agents = seed.agents()
        self.ticket_types = seed.ticket_types()
        self.categories = seed.categories()
        self.clients = seed.clients()
        self.sites = seed.sites()
        self.users = seed.users()
        self.custom_fields: list[Row] = [dict(row) for row in seed.CUSTOM_FIELDS]

    def new_ticket_id(self) -> int:
        """The next free number."""
        number = self._next_ticket
        self._next_ticket += 1
        return number

    def put(self, ticket: Ticket) -> Ticket:
        """Stores a new or changed ticket. The ticket's `last_update` must be set."""
        number = ticket["id"]
        old = self.tickets.get(number)
        if old is not None:
            del self.by_update[bisect_left(self.by_update, (old["last_update"], number))]
        self.ticket_lag.replaced(number, old)
        insort(self.by_update, (ticket["last_update"], number))
        self.tickets[number] = ticket
        self.found.clear()
        return ticket

    def add_action(self, ticket_id: int, fields: dict[str, Any]) -> Action:
        """Appends an action. Its id counts per ticket from 1 (official and seen live) and is never used twice."""
        number = self._next_action.get(ticket_id, 1)
        self._next_action[ticket_id] = number + 1
        now = self.clock.database_now()
        action = {"ticket_id": ticket_id, "id": number, "datetime": now, "actiondatecreated": now, "last_updated": now}
        action.update(fields)
        held = self.actions.setdefault(ticket_id, [])
        self.action_lag.replaced(ticket_id, list(held))
        held.append(action)
        return action

    def snapshot(self) -> Snapshot:
        """What there is now. Later changes do not reach it."""
        with self.lock:
            return Snapshot(
                dict(self.tickets),
                _lists_copied(self.actions),
                _lists_copied(self.attachments),
                self._next_ticket,
                dict(self._next_action),
            )

    def restore(self, kept: Snapshot) -> None:
        """Makes everything as it was then, and nothing of it late in a list."""
        with self.lock:
            self.tickets = dict(kept.tickets)
            self.actions = _lists_copied(kept.actions)
            self.attachments = _lists_copied(kept.attachments)
            self._next_ticket, self._next_action = kept.next_ticket, dict(kept.next_action)
            self.by_update = sorted((ticket["last_update"], number) for number, ticket in self.tickets.items())
            self.ticket_lag, self.action_lag = Lag(self.settings), Lag(self.settings)
            self.found.clear()

    def emit(self, event: int, ticket: Ticket, action: Action | None, agent_id: int) -> None:
        """Tells the webhooks, if there are any."""
        if self.listener is not None:
            self.listener(event, ticket, action, agent_id)

    def readable(self, ticket_id: int) -> Ticket | None:
        """A ticket, unless it is deleted or never existed."""
        ticket = self.tickets.get(ticket_id)
        return None if ticket is None or ticket["deleted"] else ticket

    def agent_name(self, agent_id: int) -> str:
        """An agent's name, or "" for an unknown one."""
        return str((row_by(self.agents, "id", agent_id) or {}).get("name", ""))


def _lists_copied(lists: dict[int, list[Row]]) -> dict[int, list[Row]]:
    return {number: list(rows) for number, rows in lists.items()}


def row_by(rows: list[Row], key: str, value: object) -> Row | None:
    """The first row whose `key` is `value`; text is compared without regard to case."""
    wanted = value.casefold() if isinstance(value, str) else value
    for row in rows:
        held = row.get(key)
        if (held.casefold() if isinstance(held, str) else held) == wanted:
            return row
    return None
