"""/api/Actions. The list needs a ticket id, or a range of dates of one day at most (seen live).

That the range is `startdate` and `enddate` is documented only. That it goes by `datetime`, needs both ends and includes
them is a guess.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, Response, request

from .action_writes import add_action, delete_action
from .answers import answer
from .array_body import posted, posted_objects
from .clock import canonical
from .field_values import whole_number
from .refusals import Refusal, dotnet, message, record_not_found
from .rules import on_new_action
from .store import Action, Store
from .ticket_search import numbers
from .ticket_shape import action_shape, is_on

_SYSTEM_OUTCOMES = {"Rule Applied", "Changed Status", "Re-Assign", "Merged"}


def action_routes(store: Store) -> Blueprint:
    """List, read, add, delete."""
    routes = Blueprint("actions", __name__)

    @routes.get("/api/actions")
    def listing() -> Response:
        if request.args.get("ticket_id") or not store.settings.lists_actions_by_date:
            number = _ticket_id()
            envelope, held = {"ticket_id": number}, _held_in_list(store, [number])
        else:
            start, end = _one_day()
            held = [action for action in _held_in_list(store, store.tickets) if start <= action["datetime"] <= end]
            envelope, held = {}, sorted(held, key=lambda action: str(action["datetime"]))
        rows = _listed(held, store.settings.actions_cap)
        shown = [action_shape(action, is_on(request.args, "includehtmlnote")) for action in rows]
        return answer({**envelope, "record_count": len(shown), "actions": shown})

    @routes.get("/api/actions/<int:number>")
    def one(number: int) -> Response:
        return answer(action_shape(_found(store, _ticket_id(), number), True))

    @routes.post("/api/actions")
    def add() -> Response:
        return posted(store.settings, [action_shape(_added(store, given), True) for given in posted_objects()])

    @routes.delete("/api/actions/<int:number>")
    def delete(number: int) -> Response:
        action = _found(store, _ticket_id(), number)
        delete_action(store, action)
        return answer(action_shape(action, True))

    return routes


def _ticket_id() -> int:
    found = numbers(request.args.get("ticket_id", ""))
    if len(found) != 1:
        raise _neither_ticket_nor_day()
    return found.pop()


def _neither_ticket_nor_day() -> Refusal:
    return dotnet("A Ticket ID or a date range of at most one day must be given")


def _one_day() -> tuple[str, str]:
    """The range of dates that the query gives, in the form that the store has."""
    start, end = canonical(request.args.get("startdate")), canonical(request.args.get("enddate"))
    if start is None or end is None or datetime.fromisoformat(end) - datetime.fromisoformat(start) > timedelta(days=1):
        raise _neither_ticket_nor_day()
    return start, end


def _held(store: Store, ticket_id: int) -> list[Action]:
    # That an unknown ticket has an empty list, and no 404, is a guess.
    with store.lock:
        hidden = ticket_id in store.settings.hidden_tickets or store.readable(ticket_id) is None
        return [] if hidden else list(store.actions.get(ticket_id, ()))


def _held_in_list(store: Store, ticket_ids: Iterable[int]) -> list[Action]:
    """What the list knows of these tickets, each oldest first. It may be behind (a test device of ours)."""
    with store.lock:
        late, known = store.action_lag.still_shown(), []
        for number in ticket_ids:
            held = _held(store, number)
            known += late.get(number, held) if held else held
        return known


def _listed(actions: list[Action], cap: int | None) -> list[Action]:
    """Newest first (seen live); the filters are official, what counts as a system action is a guess."""
    rows = actions[::-1]
    if is_on(request.args, "excludesys"):
        rows = [row for row in rows if row["outcome"] not in _SYSTEM_OUTCOMES]
    if is_on(request.args, "excludeprivate"):
        rows = [row for row in rows if not row["hiddenfromuser"]]
    count = max(numbers(request.args.get("count", "")), default=0)
    return rows[: count if count > 0 else None][:cap]


def _found(store: Store, ticket_id: int, number: int) -> Action:
    for action in _held(store, ticket_id):
        if action["id"] == number:
            return action
    raise message(404, f"Action {number} of Ticket {ticket_id} was not found.")


def _added(store: Store, given: dict[str, Any]) -> Action:
    if given.get("ticket_id") is None:
        raise dotnet("A Ticket ID must be entered for this Action")
    number = whole_number("ticket_id", given["ticket_id"])
    with store.lock:
        if number in store.settings.hidden_tickets or store.readable(number) is None:
            raise record_not_found()
        return add_action(store, number, given, store.settings.api_agent_id, on_new_action)
