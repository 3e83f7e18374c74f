"""/api/Tickets."""

from typing import Any

from flask import Blueprint, Response, request

from .answers import answer
from .array_body import posted, posted_objects
from .field_values import whole_number
from .refusals import Refusal, message, record_not_found
from .rules import after_create
from .store import Store, Ticket
from .ticket_search import ticket_list
from .ticket_shape import detail
from .ticket_writes import create_ticket, delete_ticket, update_ticket


def ticket_routes(store: Store) -> Blueprint:
    """List, read, create, update, delete."""
    routes = Blueprint("tickets", __name__)

    @routes.get("/api/tickets")
    def listing() -> Response:
        return answer(ticket_list(store, request.args))

    @routes.get("/api/tickets/<int(signed=True):number>")
    def one(number: int) -> Response:
        return answer(detail(store, _readable(store, number), request.args))

    @routes.post("/api/tickets")
    def write() -> Response:
        results = [detail(store, _written(store, given), request.args) for given in posted_objects()]
        return posted(store.settings, results)

    @routes.delete("/api/tickets/<int(signed=True):number>")
    def delete(number: int) -> Response:
        with store.lock:
            _readable(store, number)
            ticket = delete_ticket(store, number, store.settings.api_agent_id)
        return answer(detail(store, ticket))

    return routes


def _readable(store: Store, number: int) -> Ticket:
    if number in store.settings.hidden_tickets:
        # Seen live: 401, not 403, with an empty body.
        raise Refusal(401)
    ticket = store.readable(number)
    if ticket is None:
        raise message(404, f"Ticket {number} was not found.")
    return ticket


def _written(store: Store, given: dict[str, Any]) -> Ticket:
    """An `id` makes it an update, anything else creates (official and seen live; that 0 and less create is a guess)."""
    number = whole_number("id", given["id"]) if given.get("id") is not None else 0
    agent_id = store.settings.api_agent_id
    if number <= 0:
        with store.lock:
            return after_create(store, create_ticket(store, given, agent_id), given)
    with store.lock:
        if number in store.settings.hidden_tickets or store.readable(number) is None:
            raise record_not_found()
        lacking = given.get("tickettype_id") is None or given.get("client_id") is None
        if store.settings.update_needs_type_and_client and lacking:
            raise record_not_found()
        return update_ticket(store, number, given, agent_id)
