"""Converts any Halo ticket to the ``ticket`` type of the plugin. Pure.

Halo leaves out empty values, and a ticket in a list has fewer fields than one read by itself (seen live). A field that
is absent in Halo is absent in the output too, because InsightConnect refuses null in every typed field.
"""

from __future__ import annotations

import json
from typing import Any, Callable, Mapping

from ..http.addresses import ticket_address
from ..values.dates import parse_date, tidy_date
from ..values.ids import LARGEST_ID, as_id
from ..values.markup import text_of, to_text

Ticket = Mapping[str, Any]

# The id of the built-in agent that means "nobody" (official, seen live).
UNASSIGNED = 1
_UNASSIGNED_NAME = "Unassigned"


def _as_text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _as_date(value: Any) -> str | None:
    return tidy_date(value) if value is not None else None


def _as_flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _as_custom_fields(value: Any) -> list[dict[str, Any]] | None:
    if not isinstance(value, list):
        return None
    return [{key: item for key, item in field.items() if _is_json(item)} for field in value if isinstance(field, dict)]


def _is_json(value: Any) -> bool:
    """Whether a value is there and can be sent on: Python reads 1e999, and any depth, but nobody can be sent it."""
    if value is None or isinstance(value, (str, int)):
        return value is not None
    try:
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return False
    return True


# A name, an id, and whether a status is a closed one.
_CLASSES_OF_NAMES = frozenset({str, int, bool})
# (output, Halo's field)
_IDS = (
    ("id", "id"),
    ("tickettype_id", "tickettype_id"),
    ("status_id", "status_id"),
    ("priority_id", "priority_id"),
    ("category_id", "categoryid_1"),
    ("agent_id", "agent_id"),
    ("team_id", "team_id"),
    ("client_id", "client_id"),
    ("site_id", "site_id"),
    ("user_id", "user_id"),
    ("parent_id", "parent_id"),
)
_TEXTS = (
    ("summary", "summary"),
    ("details", "details"),
    ("status_name", "status_name"),
    ("priority_name", "priority_name"),
    ("category", "category_1"),
    ("agent_name", "agent_name"),
    ("team_name", "team"),
    ("client_name", "client_name"),
    ("site_name", "site_name"),
    ("user_name", "user_name"),
    ("user_email", "user_email"),
    ("reference", "reference"),
    ("tickettype_name", "tickettype_name"),
)
_DATES = (
    ("dateoccurred", "dateoccurred"),
    ("datecreated", "datecreated"),
    ("datemodified", "last_update"),
    ("dateclosed", "dateclosed"),
    ("fixbydate", "fixbydate"),
)
# The levels of categories (official), but for the first.
_LEVELS = (2, 3, 4)
# Used where the usual field is absent. The dates are spellings of older builds (seen in recordings).
_OTHERWISE: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("category_id", "category_id", as_id),
    # An older client reads the first category from here too.
    ("category", "category1", _as_text),
    ("team_name", "team_name", _as_text),
    ("datemodified", "lastupdate", _as_date),
    ("datemodified", "flastupdate", _as_date),
)


def from_halo(ticket: Ticket, names: object, api: object) -> dict[str, Any]:
    """The ``ticket`` type from any Halo ticket.

    ``names`` are values from the lookups, by output name, for what the ticket itself does not say; ``api`` is the
    resource server, from which the link is built. Names that are no dict, a name that is neither text nor number nor
    flag, and an address that is no text are left out.
    """
    out = _fitting(names)
    status_is_closed = out.pop("closed", None)
    _take_plain(ticket, out)
    for name, field, read in _OTHERWISE:
        if name not in out and ticket.get(field) is not None:
            _put(out, name, read(ticket[field]) or None)
    _take_categories(ticket, out)
    if "tickettype_name" not in out:
        _put(out, "tickettype_name", _as_text(_nested(ticket, "tickettype", "name")))
    if "closure_note" in ticket or "closure_note_html" in ticket:
        _put(out, "closure_note", text_of(ticket, "closure_note", "closure_note_html") or None)
    if "priority_name" not in out:
        _put(out, "priority_name", _as_text(_nested(ticket, "priority", "name")))
    if "details" not in out:
        _put(out, "details", _details_from_html(ticket))
    if "customfields" in ticket:
        _put(out, "customfields", _as_custom_fields(ticket["customfields"]))
    if out.get("agent_id") == UNASSIGNED and "agent_name" not in out:
        out["agent_name"] = _UNASSIGNED_NAME
    _put(out, "closed", is_closed(ticket, status_is_closed))
    if "id" in out and isinstance(api, str):
        out["url"] = ticket_address(api, out["id"])
    return out


def _fitting(names: object) -> dict[str, Any]:
    """The names that can be outputs; none where ``names`` is no dict."""
    if not isinstance(names, dict):
        return {}
    return {name: value for name, value in names.items() if value.__class__ in _CLASSES_OF_NAMES}


def _take_plain(ticket: Ticket, out: dict[str, Any]) -> None:
    """Put the ids, texts and dates of a ticket into ``out``. Most have the right type, so that is checked first."""
    get = ticket.get
    for name, field in _IDS:
        value = get(field)
        if value.__class__ is not int or not 0 < value <= LARGEST_ID:
            value = None if value is None else as_id(value)
        if value:
            out[name] = value
    for name, field in _TEXTS:
        value = get(field)
        if value.__class__ is not str:
            value = None if value is None else _as_text(value)
        if value:
            out[name] = value
    for name, field in _DATES:
        value = get(field)
        if value is not None and (value := tidy_date(value)):
            out[name] = value


def _take_categories(ticket: Ticket, out: dict[str, Any]) -> None:
    """Put the categories beyond the first level into ``out``, and the lowest one as the ticket's own.

    ``out`` may have their ids from the lookups as ``category_id_2`` and so on.
    """
    found = []
    for level in _LEVELS:
        number = out.pop(f"category_id_{level}", None)
        name = _as_text(ticket.get(f"category_{level}"))
        if not name:
            continue
        number = as_id(ticket.get(f"categoryid_{level}")) or number
        found.append({"level": level, **({"id": number} if number else {}), "name": name})
    if not found:
        return
    own = {key: out[name] for key, name in (("id", "category_id"), ("name", "category")) if name in out}
    if own:
        found.insert(0, {"level": 1, **own})
    else:
        out["category"] = found[0]["name"]
        if "id" in found[0]:
            out["category_id"] = found[0]["id"]
    out["categories"] = found


def is_closed(ticket: Ticket, status_is_closed: bool | None) -> bool | None:
    """Whether a ticket is closed; None when that is not known.

    The status decides if it is known which statuses are closed. ``hasbeenclosed`` is used last: it is not known whether
    Halo clears it when a ticket is opened again.
    """
    if status_is_closed is not None:
        return status_is_closed
    if parse_date(ticket.get("dateclosed")):
        return True
    return _as_flag(ticket.get("hasbeenclosed"))


def created_at(ticket: Ticket) -> Any:
    """When the ticket was logged, as a datetime or None. Lists only have ``dateoccurred`` (seen live)."""
    return parse_date(ticket.get("datecreated")) or parse_date(ticket.get("dateoccurred"))


def _nested(ticket: Ticket, outer: str, inner: str) -> Any:
    value = ticket.get(outer)
    return value.get(inner) if isinstance(value, dict) else None


def _details_from_html(ticket: Ticket) -> str | None:
    markup = ticket.get("details_html")
    return to_text(markup) or None if isinstance(markup, str) else None


def _put(out: dict[str, Any], name: str, value: Any) -> None:
    if value is not None:
        out[name] = value
