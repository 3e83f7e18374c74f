"""Changes tickets: fields, assignment, closure. A change without a positive id cannot be sent: Halo would create."""

from __future__ import annotations

from typing import Any, Callable, Mapping

from .closing import closed_status, has_status, kept_note, not_closed
from .commenting import CommentWriter
from .errors import HaloITSMError, UncertainWriteError, misunderstood, missing_ticket
from .exchange import Answer, Request
from .inputs import bad_input, positive
from .lookups import Lookups, Row
from .reading import TicketReader
from .reconcile import OnceOnly
from .rows import single
from .tickets import as_id, is_closed

Ticket = dict[str, Any]


class TicketChanger:
    """Changes by ``call(request)``."""

    def __init__(
        self,
        call: Callable[..., Answer],
        reader: TicketReader,
        comments: CommentWriter,
        lookups: Lookups,
        once: OnceOnly,
        clock: Callable[[], float],
    ) -> None:
        self._call = call
        self._reader = reader
        self._comments = comments
        self._lookups = lookups
        self._once = once
        self._clock = clock

    def change(self, ticket_id: int, body: Ticket, *, repeatable: bool = True, since: float | None = None) -> Ticket:
        """The ticket after the change, as Halo answers. ``body`` holds fields as Halo takes them.

        Raises HaloITSMError, of kind ``not_found`` when there is no such ticket.
        """
        number = positive(ticket_id)
        if not body:
            raise bad_input("fields", "are required: nothing to change was given")
        try:
            return self._post({**body, "id": number}, repeatable, since)
        except HaloITSMError as error:
            if error.kind != "not_found" or isinstance(error, UncertainWriteError):
                raise
            refusal = error
        # An agent with few rights is told "Record not found" unless type and client come along (seen live).
        ticket = self._reader.find(number)
        if ticket is None:
            raise missing_ticket(number, refusal)
        known = {name: as_id(ticket.get(name)) for name in ("tickettype_id", "client_id")}
        known = {name: value for name, value in known.items() if value is not None}
        return self._post({**known, **body, "id": number}, repeatable, since)

    def _post(self, body: Ticket, repeatable: bool, since: float | None) -> Ticket:
        request = Request("POST", "/Tickets", body=[body], repeatable=repeatable)
        ticket = single(request, self._call(request, since=since).data)
        if as_id(ticket["id"]) != body["id"]:
            raise misunderstood(
                request, f"it returned ticket {as_id(ticket['id'])} for a change of ticket {body['id']}"
            )
        return ticket

    def assign(self, ticket_id: int, agent_id: int | None, team: str | None, notify: bool) -> Ticket:
        """The ticket after it was given to an agent, a team by name, or both. Raises HaloITSMError."""
        wanted = {"agent_id": agent_id, "team": team}
        body = {name: value for name, value in wanted.items() if value is not None}
        if not body:
            raise bad_input("agent_id or team_id", "is required: give an agent, a team, or both")
        # The only switch of Halo's API that has to do with it: production clients send false so that rules do run.
        ticket = self.change(ticket_id, {**body, "dont_do_rules": not notify})
        if _is_assigned(ticket, agent_id, team):
            return ticket
        raise HaloITSMError(
            kind="not_carried_out",
            cause=f"HaloITSM accepted the request, but ticket {ticket_id} is not assigned as asked for.",
            assistance='Check that the agent belongs to the team, that the API agent\'s role has "Can Re-assign" and '
            '"Can assign to Agents in Teams the Agent is not a member of", and that no rule assigns it elsewhere.',
            data=f"It is now with agent {as_id(ticket.get('agent_id'))}, team {as_id(ticket.get('team_id'))}.",
        )

    def close(self, ticket_id: int, status_id: int | None, resolution: str | None) -> Ticket:
        """The closed ticket. Raises HaloITSMError when Halo does not say that it is closed."""
        began = self._clock()
        status = closed_status(self._statuses(status_id, began), status_id)
        body: Ticket = {"status_id": status}
        if resolution:
            body["closure_note"] = resolution
        ticket = self._close(positive(ticket_id), body, began)
        if has_status(ticket, status) and self._closed(ticket) is None:
            # The answer does not tell, nor do the statuses: the ticket itself has a date of closure (official).
            ticket = self._reader.get(ticket_id)
        if not has_status(ticket, status) or not self._closed(ticket):
            raise not_closed(ticket_id, ticket, status)
        if (
            resolution
            and not kept_note(ticket, resolution)
            and not self._comments.has_note(ticket_id, resolution, began)
        ):
            # Halo's answer does not show the note, and neither does an action of the ticket.
            self._comments.add(ticket_id, resolution, private=True)
        return ticket

    def _close(self, ticket_id: int, body: Ticket, since: float) -> Ticket:
        try:
            if "closure_note" not in body:
                return self.change(ticket_id, body, since=since)
            # With a note it must not be done twice, so after a lost answer the ticket is looked at first.
            return self._once.run(
                lambda: self.change(ticket_id, body, repeatable=False, since=since),
                lambda: [
                    ticket
                    for ticket in [self._reader.get(ticket_id, since=since)]
                    if has_status(ticket, body["status_id"])
                ],
                "The closure",
            )
        except HaloITSMError as error:
            if isinstance(error, UncertainWriteError):
                raise
            return self._closed_before(ticket_id, body["status_id"], error)

    def _closed_before(self, ticket_id: int, status_id: int, refusal: HaloITSMError) -> Ticket:
        """The ticket when it is closed already, which may be why Halo refuses to touch it. Else raises ``refusal``."""
        if refusal.status not in (400, 403):
            raise refusal
        ticket = self._reader.find(ticket_id)
        if ticket is None or not has_status(ticket, status_id) or not self._closed(ticket):
            raise refusal
        return ticket

    def _statuses(self, wanted: int | None, since: float) -> list[Row]:
        try:
            return self._lookups.rows("status", since=since)
        except HaloITSMError:
            if wanted is None:
                raise
            # An agent without the right to read statuses can still close with one that is given.
            return []

    def _closed(self, ticket: Mapping[str, Any]) -> bool | None:
        return is_closed(ticket, self._lookups.closed(as_id(ticket.get("status_id"))))


def _is_assigned(ticket: Mapping[str, Any], agent_id: int | None, team: str | None) -> bool:
    """Whether Halo's answer does not contradict what was asked for."""
    agent_now, team_now = as_id(ticket.get("agent_id")), ticket.get("team")
    if agent_id is not None and agent_now not in (None, agent_id):
        return False
    return team is None or not isinstance(team_now, str) or team_now.casefold() == team.casefold()
