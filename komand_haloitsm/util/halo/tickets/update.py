"""Changes tickets: fields and assignment.

A change without a positive id is never sent, because Halo would create a ticket.
"""

from __future__ import annotations

from typing import Any, Callable, Iterable, Mapping

from ..errors import Forbidden, HaloError, NotFound, Unauthorized, invalid_input, missing_ticket
from ..http.error_texts import misunderstood
from ..http.messages import Request
from ..http.rows import single
from ..http.session import Session
from ..values.ids import as_id, positive_id
from ..values.markup import to_html
from .carried_out import undone_in_update, unlike
from .read import TicketReader
from .references import has_reference, line_of, reference_line

Ticket = dict[str, Any]


class ChangedTicket(Ticket):
    """A ticket as Halo answers to a change.

    ``differing`` are the names of fields that it shows otherwise than they were given, as rules of the instance may set
    them, or that it does not show.
    """

    def __init__(self, ticket: Mapping[str, Any], *, differing: Iterable[str] = ()) -> None:
        super().__init__(ticket)
        self.differing = tuple(differing)


class TicketUpdater:
    """Changes tickets by requests of ``session``."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._reader = TicketReader(session)

    def change(self, ticket_id: int, body: Ticket) -> ChangedTicket:
        """The ticket after a change that its answer shows. New details keep the line of an external reference.

        ``body`` as for ``update``. Raises HaloError, also where the answer shows that Halo did not carry it out.
        """
        check_change(body)
        if isinstance(body.get("details"), str) or isinstance(body.get("details_html"), str):
            ticket = self.update_details(ticket_id, body)
        else:
            ticket = self.update(ticket_id, body)
        differences = unlike(body, ticket)
        if differences.dropped or differences.custom or differences.unchanged:
            raise undone_in_update(ticket_id, differences)
        return ChangedTicket(ticket, differing=differences.told)

    def update(self, ticket_id: int, body: Ticket, post: Callable[[Ticket], Ticket] | None = None) -> Ticket:
        """The ticket after the change, as Halo returns it. ``body`` has fields in the form that Halo accepts.

        ``post`` sends a body, by default as a request that may be repeated. Raises HaloError, NotFound when there is no
        such ticket.
        """
        post = post or self.post
        number = positive_id(ticket_id)
        if not body:
            raise invalid_input("fields", "are required: nothing to change was given")
        try:
            return post({**body, "id": number})
        except NotFound as error:
            refusal = error
        # To an agent with few rights, Halo says "Record not found" unless type and client are sent too (seen live).
        ticket = self._reader.find(number)
        if ticket is None:
            raise missing_ticket(number, refusal)
        known = {name: as_id(ticket.get(name)) for name in ("tickettype_id", "client_id")}
        known = {name: value for name, value in known.items() if value is not None}
        return post({**known, **body, "id": number})

    def post(self, body: Ticket, *, repeatable: bool = True) -> Ticket:
        """The ticket with the id in ``body``, changed by one request. Raises HaloError."""
        request = Request("POST", "/Tickets", body=[body], repeatable=repeatable)
        ticket = single(request, self._session.call(request).data)
        if as_id(ticket["id"]) != body["id"]:
            raise misunderstood(
                request, f"it returned ticket {as_id(ticket['id'])} for a change of ticket {body['id']}"
            )
        return ticket

    def update_details(self, ticket_id: int, body: Ticket) -> Ticket:
        """As ``update``, for a body with ``details`` or ``details_html``. The line of an external reference stays."""
        try:
            ticket = self._reader.find(positive_id(ticket_id))
        except (Forbidden, Unauthorized):
            # An agent that may change but not read: the key field holds the reference all the same.
            ticket = None
        reference = line_of(ticket) if ticket else ""
        if reference and not has_reference(body, reference):
            if isinstance(body.get("details"), str):
                body = {**body, "details": f"{body['details'].rstrip()}\n\n{reference_line(reference)}"}
            else:
                body = {**body, "details_html": f"{body['details_html']}<br><br>{to_html(reference_line(reference))}"}
        return self.update(ticket_id, body)

    def assign(self, ticket_id: int, agent_id: int | None, team: str | None, notify: bool) -> Ticket:
        """The ticket after it was assigned to an agent, a team (by name), or both. Raises HaloError."""
        wanted = {"agent_id": agent_id, "team": team}
        body = {name: value for name, value in wanted.items() if value is not None}
        if not body:
            raise invalid_input("agent_id or team_id", "is required: give an agent, a team, or both")
        # Halo's API has no other field that concerns notification. Production clients send false so that rules do run.
        ticket = self.update(ticket_id, {**body, "dont_do_rules": not notify})
        if _is_assigned(ticket, agent_id, team):
            return ticket
        raise HaloError(
            kind="not_carried_out",
            cause=f"HaloITSM accepted the request, but ticket {ticket_id} is not assigned as asked for.",
            assistance='Check that the agent belongs to the team, that the API agent\'s role has "Can Re-assign" and '
            '"Can assign to Agents in Teams the Agent is not a member of", and that no rule assigns it elsewhere.',
            data=f"It is now with agent {as_id(ticket.get('agent_id'))}, team {as_id(ticket.get('team_id'))}.",
        )


def check_change(body: Mapping[str, Any]) -> None:
    """Raises InvalidInput for a change that would wipe the summary: a ticket has to have one."""
    summary = body.get("summary")
    if summary is not None and (not isinstance(summary, str) or not summary.strip()):
        raise invalid_input("summary", "must not be blank")


def _is_assigned(ticket: Mapping[str, Any], agent_id: int | None, team: str | None) -> bool:
    """Whether the ticket in Halo's response does not contradict what was asked for."""
    agent_now, team_now = as_id(ticket.get("agent_id")), ticket.get("team")
    if agent_id is not None and agent_now not in (None, agent_id):
        return False
    return team is None or not isinstance(team_now, str) or team_now.casefold() == team.casefold()
