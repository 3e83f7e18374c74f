"""Everything that changes a ticket, whether it comes by the API or from somebody in Halo's own screens."""

from typing import Any

from .clock import canonical
from .field_values import check_mandatory, merged_custom_fields, written_fields
from .refusals import Refusal, dotnet
from .seed import sla_name
from .store import Action, Store, Ticket, row_by
from .text import as_html, as_text
from .text_changes import as_stored

UNASSIGNED = 1
# The agent id in what no agent did: rules of the instance, and e-mails from outside (seen live).
NO_AGENT = 0
# Event numbers: seen live.
NEW_TICKET, CLOSED, UPDATED, STATUS_CHANGED, DELETED = 3, 39, 61, 76, 1072
_FORCED = ("last_update", "dateoccurred", "dateclosed")


def agent_action(store: Store, agent_id: int, outcome: str, note: str = "", **more: Any) -> dict[str, Any]:
    """The fields of an action done by an agent."""
    return {
        "outcome": outcome,
        "who": store.agent_name(agent_id),
        "who_type": 1,
        "who_agentid": agent_id,
        "note": note,
        "note_html": as_html(note),
        "hiddenfromuser": False,
        **more,
    }


def forced_dates(given: dict[str, Any]) -> dict[str, str]:
    """Timestamps that a test forces upon a ticket (a test device of ours, not reachable by the API)."""
    dates = {}
    for name in _FORCED:
        if given.get(name) is not None:
            moment = canonical(given[name])
            if moment is None:
                raise ValueError(f"{name} is no date: {given[name]!r}")
            dates[name] = moment
    return dates


def create_ticket(store: Store, given: dict[str, Any], agent_id: int, forced: dict[str, str] | None = None) -> Ticket:
    """A new ticket, with its opening action and the mark of the rules that ran (seen live). Fires its event."""
    with store.lock:
        fields = as_stored(store.settings.stored_text, written_fields(store, given))
        if not fields.get("summary"):
            raise dotnet("A Summary must be entered for this Ticket")
        ticket_type = int(fields.get("tickettype_id") or store.ticket_types[0]["id"])
        check_mandatory(store, ticket_type, {**given, **fields})
        fields |= _place(store, fields)
        now = store.clock.database_now()
        number = store.new_ticket_id()
        ticket = _blank(store, number, ticket_type, now) | fields
        ticket["customfields"] = merged_custom_fields(store, [], given.get("customfields"))
        if ticket["status_id"] in store.closed_statuses:
            _refuse_unassigned(store, ticket)
            ticket |= {"dateclosed": now, "hasbeenclosed": True}
        ticket |= forced or {}
        store.put(ticket)
        _opening_actions(store, ticket, agent_id)
        store.emit(NEW_TICKET, ticket, None, agent_id)
        return ticket


def _blank(store: Store, number: int, ticket_type: int, now: str) -> Ticket:
    kind = row_by(store.ticket_types, "id", ticket_type) or {}
    return {
        "id": number,
        "reference": f"IN-{number:07d}",
        "guid": f"6d0f2c9a-0000-4000-8000-{number:012d}",
        "details": "",
        "details_html": "",
        "status_id": 1,
        "tickettype_id": ticket_type,
        "sla_id": 1,
        "sla_name": sla_name(1),
        "priority_id": kind.get("default_priority", 3),
        "team": store.teams[0]["name"],
        "team_id": store.teams[0]["id"],
        "agent_id": UNASSIGNED,
        "dateoccurred": now,
        "datecreated": now,
        "last_update": store.clock.last_update_at(now),
        "lastactiondate": now,
        "hasbeenclosed": False,
        "deleted": False,
        "inactive": False,
        "tags": [],
        "customfields": [],
    }


def _place(store: Store, fields: dict[str, Any]) -> dict[str, Any]:
    """Client, site and user names. What was not given is derived from what was (a guess as to the order)."""
    user = row_by(store.users, "id", fields.get("user_id"))
    site_id = fields.get("site_id") or (user["site_id_int"] if user and "client_id" not in fields else None)
    site = row_by(store.sites, "id", site_id)
    client_id = fields.get("client_id") or (site["client_id"] if site else 1)
    client = row_by(store.clients, "id", client_id)
    if site is None:
        site = row_by(store.sites, "client_id", client_id)
    place: dict[str, Any] = {"client_id": client_id, "client_name": client["name"] if client else None}
    if site is not None:
        place |= {"site_id": site["id"], "site_name": site["name"]}
    if user is not None:
        place |= {"user_name": user["name"], "user_email": user["emailaddress"]}
    return place


def _opening_actions(store: Store, ticket: Ticket, agent_id: int) -> None:
    number = ticket["id"]
    opening = agent_action(store, agent_id, "First User Email", ticket["details"])
    if agent_id == NO_AGENT:
        # The numbers are official and seen live: 2 is a user.
        opening |= {"who": ticket.get("users_name") or ticket.get("user_name"), "who_type": 2}
    store.add_action(number, opening | {"note_html": ticket["details_html"], "new_status": ticket["status_id"]})
    _rule_applied(store, number, "Default routing rule applied")


def _rule_applied(store: Store, ticket_id: int, text: str, **more: Any) -> Action:
    """The action that a rule leaves (seen live)."""
    system = {"who": "System", "who_type": 0, "who_agentid": NO_AGENT, "hiddenfromuser": True, "dont_do_rules": True}
    fields = {"outcome": "Rule Applied", "note": text, "note_html": as_html(text), **system, **more}
    return store.add_action(ticket_id, fields)


def update_ticket(
    store: Store, ticket_id: int, given: dict[str, Any], agent_id: int, forced: dict[str, str] | None = None
) -> Ticket:
    """Changes the given fields and no others (official and seen live). `ticket_id` must exist."""
    with store.lock:
        old = store.tickets[ticket_id]
        given = _without_ignored(store, given) if agent_id == store.settings.api_agent_id else given
        fields = as_stored(store.settings.stored_text, written_fields(store, given))
        ticket = _with_fields(store, old, fields, given)
        _apply_closing(store, old, ticket)
        changed = {name for name in ticket if ticket[name] != old.get(name)}
        ticket |= {"last_update": store.clock.last_update_now()}
        action = _record_changes(store, old, ticket, agent_id)
        action = _closure_note(store, ticket, given, agent_id) or action
        if action is not None:
            ticket["lastactiondate"] = action["datetime"]
        ticket |= forced or {}
        store.put(ticket)
        _emit_changes(store, old, ticket, changed, action, agent_id)
        return ticket


def _without_ignored(store: Store, given: dict[str, Any]) -> dict[str, Any]:
    """What an update by the API may change."""
    ignored = store.settings.ignored_in_updates
    kept = {name: value for name, value in given.items() if name not in ignored}
    if ignored and isinstance(kept.get("customfields"), list):
        kept["customfields"] = [item for item in kept["customfields"] if item.get("name") not in ignored]
    return kept


def _with_fields(store: Store, old: Ticket, fields: dict[str, Any], given: dict[str, Any]) -> Ticket:
    if "user_id" in fields or "site_id" in fields or "client_id" in fields:
        fields = fields | _moved(store, old, fields)
    custom = merged_custom_fields(store, old["customfields"], given.get("customfields"))
    return {**old, **fields, "customfields": custom}


def change_by_rule(store: Store, ticket_id: int, given: dict[str, Any]) -> Ticket:
    """What a rule changes in a new ticket: `last_update` moves, and the rule leaves its action (both seen live). That a
    rule may close an unassigned ticket, and that its changes fire the usual events, are guesses."""
    with store.lock:
        old = store.tickets[ticket_id]
        ticket = _with_fields(store, old, written_fields(store, given), given)
        _date_closing(store, old, ticket)
        changed = {name for name in ticket if ticket[name] != old.get(name)}
        ticket["last_update"] = store.clock.last_update_now()
        statuses = {"old_status": old["status_id"], "new_status": ticket["status_id"]}
        action = _rule_applied(store, ticket_id, "A rule of the instance changed this Ticket", **statuses)
        ticket["lastactiondate"] = action["datetime"]
        store.put(ticket)
        _emit_changes(store, old, ticket, changed, action, NO_AGENT)
        return ticket


def _moved(store: Store, old: Ticket, fields: dict[str, Any]) -> dict[str, Any]:
    same = all(fields.get(name, old.get(name)) == old.get(name) for name in ("user_id", "site_id", "client_id"))
    return {} if same else _place(store, fields)


def _refuse_unassigned(store: Store, ticket: Ticket) -> None:
    if store.settings.closing_needs_agent and ticket["agent_id"] == UNASSIGNED:
        # Word for word as a live instance sent it.
        raise Refusal(400, "Please assign this Ticket these before closing it.")


def _closes(store: Store, old: Ticket, ticket: Ticket) -> bool:
    return ticket["status_id"] in store.closed_statuses and old["status_id"] not in store.closed_statuses


def _apply_closing(store: Store, old: Ticket, ticket: Ticket) -> None:
    if _closes(store, old, ticket):
        _refuse_unassigned(store, ticket)
    _date_closing(store, old, ticket)


def _date_closing(store: Store, old: Ticket, ticket: Ticket) -> None:
    if ticket["status_id"] not in store.closed_statuses and ticket["status_id"] != old["status_id"]:
        ticket.pop("dateclosed", None)
    elif _closes(store, old, ticket):
        ticket |= {"dateclosed": store.clock.database_now(), "hasbeenclosed": True}


def _record_changes(store: Store, old: Ticket, ticket: Ticket, agent_id: int) -> Action | None:
    action = None
    if (old["agent_id"], old["team"]) != (ticket["agent_id"], ticket["team"]):
        fields = agent_action(store, agent_id, "Re-Assign", new_agent=ticket["agent_id"], new_team=ticket["team"])
        action = store.add_action(ticket["id"], fields)
    if old["status_id"] != ticket["status_id"]:
        status = row_by(store.statuses, "id", ticket["status_id"]) or {}
        fields = agent_action(
            store,
            agent_id,
            "Changed Status",
            f"Status changed to {status.get('name', '')}",
            old_status=old["status_id"],
            new_status=ticket["status_id"],
        )
        action = store.add_action(ticket["id"], fields)
    return action


def _closure_note(store: Store, ticket: Ticket, given: dict[str, Any], agent_id: int) -> Action | None:
    note, markup = given.get("closure_note"), given.get("closure_note_html")
    if not store.settings.keeps_closure_note or not (note or markup):
        return None
    text = str(note) if note else as_text(str(markup))
    fields = agent_action(store, agent_id, "Closure Note", text, note_html=str(markup) if markup else as_html(text))
    fields = as_stored(store.settings.stored_text, fields)
    ticket |= {"closure_note": fields["note"], "closure_note_html": fields["note_html"]}
    return store.add_action(ticket["id"], fields)


def _emit_changes(
    store: Store, old: Ticket, ticket: Ticket, changed: set[str], action: Action | None, agent_id: int
) -> None:
    """One edit may match several notifications, each a delivery of its own (inferred from live deliveries)."""
    if "status_id" in changed:
        store.emit(STATUS_CHANGED, ticket, action, agent_id)
        if ticket.get("dateclosed") and not old.get("dateclosed"):
            store.emit(CLOSED, ticket, action, agent_id)
    if changed - {"status_id", "dateclosed", "hasbeenclosed"}:
        store.emit(UPDATED, ticket, action, agent_id)


def touch(store: Store, ticket_id: int, action: Action, **more: Any) -> Ticket:
    """The ticket as it is after an action: `last_update` and `lastactiondate` move (seen live)."""
    ticket = {
        **store.tickets[ticket_id],
        "last_update": store.clock.last_update_now(),
        "lastactiondate": action["datetime"],
        **more,
    }
    return store.put(ticket)


def delete_ticket(store: Store, ticket_id: int, agent_id: int) -> Ticket:
    """A soft delete (documented only): the ticket stays stored, but can be neither listed nor read."""
    with store.lock:
        ticket = {**store.tickets[ticket_id], "deleted": True, "last_update": store.clock.last_update_now()}
        store.put(ticket)
        store.emit(DELETED, ticket, None, agent_id)
        return ticket


def merge_tickets(store: Store, into: int, ticket_id: int, agent_id: int) -> Ticket:
    """Makes `ticket_id` part of `into`: still readable with `merged_into_id`, no longer listed (field: seen live)."""
    with store.lock:
        text = f"Ticket {ticket_id} was merged into this Ticket"
        kept = touch(store, into, store.add_action(into, agent_action(store, agent_id, "Merged", text)))
        action = store.add_action(ticket_id, agent_action(store, agent_id, "Merged", f"Merged into Ticket {into}"))
        merged = touch(store, ticket_id, action, merged_into_id=into, inactive=True)
        store.emit(UPDATED, merged, action, agent_id)
        store.emit(UPDATED, kept, None, agent_id)
        return merged
