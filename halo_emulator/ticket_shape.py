"""A stored ticket as Halo shows it: as a row of a list, as the full record, and in an event.

Nulls are omitted everywhere, and rows of a list lack some fields of the full record (both seen live).
"""

from collections.abc import Mapping
from typing import Any

from .store import EXTERNAL_ID, Store, Ticket, row_by

# Sentinels for "no date" that real Halos send, the first with Z, the others without.
_NO_DATES = {"deadlinedate": "1900-01-01T00:00:00", "targetdate": "0001-01-01T00:00:00"}
_DETAIL_ONLY = {
    "datecreated",
    "details_html",
    "customfields",
    "team_id",
    "guid",
    "reference",
    "sla_name",
    "user_email",
    "deleted",
    "assets",
    "closure_note",
    "closure_note_html",
}
_LIST_FIXED: dict[str, Any] = {
    **_NO_DATES,
    "flagged": False,
    "onhold": False,
    "read": True,
    "use": "ticket",
    "organisation_id": 1,
}
_DETAIL_FIXED: dict[str, Any] = {
    **_LIST_FIXED,
    "estimate": 0.0,
    "excludefromsla": False,
    "respondbydate": "1899-12-30T00:00:00",
    "department_id": 1,
    "hdid": 1,
    "_canupdate": True,
}


def is_on(query: Mapping[str, str], name: str) -> bool:
    """A boolean query parameter."""
    return query.get(name, "").strip().lower() in ("true", "1")


def _names(store: Store, ticket: Ticket, query: Mapping[str, str]) -> dict[str, Any]:
    # Seen live: these fields are there only when asked for.
    names: dict[str, Any] = {}
    if is_on(query, "includestatus"):
        names["status_name"] = (row_by(store.statuses, "id", ticket["status_id"]) or {}).get("name")
    if is_on(query, "includeagent"):
        names["agent_name"] = store.agent_name(ticket["agent_id"])
    if is_on(query, "includetickettype"):
        names["tickettype_name"] = (row_by(store.ticket_types, "id", ticket["tickettype_id"]) or {}).get("name")
    return names


def _shown_fields(store: Store, ticket: Ticket) -> dict[str, Any]:
    hidden = set() if store.settings.keeps_external_id else {EXTERNAL_ID}
    return {key: value for key, value in ticket.items() if value is not None and key not in hidden}


def list_row(store: Store, ticket: Ticket, query: Mapping[str, str]) -> dict[str, Any]:
    """A row of GET /Tickets. `site_id` is a float here, as it was recorded from /Users (in tickets: a test device)."""
    row = {key: value for key, value in _shown_fields(store, ticket).items() if key not in _DETAIL_ONLY}
    row = _LIST_FIXED | row | _attachment_count(store, ticket)
    if not store.settings.shows_external_id_in_lists:
        row.pop(EXTERNAL_ID, None)
    if "site_id" in row:
        row["site_id"] = float(row["site_id"])
    # Seen live for the first level, documented only for the others.
    for level in (1, 2, 3, 4):
        category = row_by(store.categories, "value", row[f"category_{level}"]) if f"category_{level}" in row else None
        if category is not None:
            row[f"categoryid_{level}"] = category["id"]
    wanted = query.get("include_custom_fields")
    if wanted:
        numbers = set(wanted.replace(" ", "").split(","))
        row["customfields"] = [_without_nulls(field) for field in ticket["customfields"] if str(field["id"]) in numbers]
    return row | _without_nulls(_names(store, ticket, query))


def detail(store: Store, ticket: Ticket, query: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The full record: GET /Tickets/{id} and the answer to a POST (seen live: the same shape)."""
    full = _DETAIL_FIXED | _shown_fields(store, ticket) | _attachment_count(store, ticket)
    full["customfields"] = [_without_nulls(field) for field in ticket["customfields"]]
    full["priority"] = _priority(store, ticket)
    full["tickettype"] = row_by(store.ticket_types, "id", ticket["tickettype_id"])
    user = row_by(store.users, "id", ticket.get("user_id")) if ticket.get("user_id") else None
    full["user"] = _without_nulls(user) if user else None
    return _without_nulls(full | _names(store, ticket, query or {}))


def _attachment_count(store: Store, ticket: Ticket) -> dict[str, int]:
    return {"attachment_count": len(store.attachments.get(ticket["id"], ()))}


def _priority(store: Store, ticket: Ticket) -> dict[str, Any] | None:
    same = [row for row in store.priorities if row["priorityid"] == ticket["priority_id"]]
    return next((row for row in same if row["slaid"] == ticket["sla_id"]), same[0] if same else None)


def _without_nulls(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value is not None}


def action_shape(action: Mapping[str, Any], with_html: bool) -> dict[str, Any]:
    """An action. In lists it has `note_html` only when asked for (documented only)."""
    return {key: value for key, value in action.items() if value is not None and (with_html or key != "note_html")}
