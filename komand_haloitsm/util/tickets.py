"""Halo's ticket, from wherever it comes, to the ``ticket`` type of the plugin. Pure.

Halo leaves out empty values, and which fields there are depends on where the ticket comes from: a list row lacks what
the detail has (seen live). Absent stays absent: InsightConnect refuses a null in every typed field.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping

from .address import ticket_address
from .dates import format_date, parse_date
from .markup import to_text

Ticket = Mapping[str, Any]

# The built-in agent that stands for nobody (official, seen live).
UNASSIGNED = 1


def as_id(value: Any) -> int | None:
    """A positive id that arrives as ``18``, ``18.0`` or ``"18"`` (seen live); None for anything else.

    Halo writes 0 or -1 for "none" in places.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = value if isinstance(value, int) else float(value)
        whole = int(number)
    except (ValueError, OverflowError):
        return None
    return whole if whole == number and whole > 0 else None


def _as_text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _as_date(value: Any) -> str | None:
    moment = parse_date(value)
    return format_date(moment) if moment else None


def _as_flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _as_custom_fields(value: Any) -> list[dict[str, Any]] | None:
    if not isinstance(value, list):
        return None
    return [
        {key: item for key, item in field.items() if item is not None} for field in value if isinstance(field, dict)
    ]


# output -> (how it is read, Halo's fields in order of preference)
_FIELDS: Mapping[str, tuple[Callable[[Any], Any], tuple[str, ...]]] = {
    "id": (as_id, ("id",)),
    "summary": (_as_text, ("summary",)),
    "details": (_as_text, ("details",)),
    "tickettype_id": (as_id, ("tickettype_id",)),
    "status_id": (as_id, ("status_id",)),
    "status_name": (_as_text, ("status_name",)),
    "priority_id": (as_id, ("priority_id",)),
    "priority_name": (_as_text, ("priority_name",)),
    "category_id": (as_id, ("categoryid_1", "category_id")),
    "category": (_as_text, ("category_1",)),
    "agent_id": (as_id, ("agent_id",)),
    "agent_name": (_as_text, ("agent_name",)),
    "team_id": (as_id, ("team_id",)),
    "team_name": (_as_text, ("team", "team_name")),
    "client_id": (as_id, ("client_id",)),
    "client_name": (_as_text, ("client_name",)),
    "site_id": (as_id, ("site_id",)),
    "site_name": (_as_text, ("site_name",)),
    "user_id": (as_id, ("user_id",)),
    "user_name": (_as_text, ("user_name",)),
    "parent_id": (as_id, ("parent_id",)),
    "dateoccurred": (_as_date, ("dateoccurred",)),
    "datecreated": (_as_date, ("datecreated",)),
    # last_update is the present name; the others are those of older builds (seen in recordings).
    "datemodified": (_as_date, ("last_update", "lastupdate", "flastupdate")),
    "customfields": (_as_custom_fields, ("customfields",)),
}


def ticket_output(ticket: Ticket, names: Mapping[str, Any], api: str) -> dict[str, Any]:
    """The ``ticket`` type from any Halo ticket.

    ``names`` are values from the lookups, by output name, for what the ticket itself does not say; ``api`` is the
    resource server, from which the link is built.
    """
    out: dict[str, Any] = {}
    for name, (read, fields) in _FIELDS.items():
        value = next(
            (found for found in (read(ticket.get(field)) for field in fields) if found not in (None, "")), None
        )
        value = names.get(name) if value is None else value
        if value is not None:
            out[name] = value
    if "priority_name" not in out:
        _put(out, "priority_name", _as_text(_nested(ticket, "priority", "name")))
    if "details" not in out:
        _put(out, "details", _details_from_html(ticket))
    if out.get("agent_id") == UNASSIGNED:
        out.pop("agent_name", None)
    _put(out, "closed", is_closed(ticket, names.get("closed")))
    if "id" in out:
        out["url"] = ticket_address(api, out["id"])
    return out


def is_closed(ticket: Ticket, status_is_closed: bool | None) -> bool | None:
    """Whether a ticket is closed; None when nothing tells.

    The status decides where it is known which ones are closed. ``hasbeenclosed`` comes last: whether Halo clears it
    when a ticket is opened again is not known.
    """
    if status_is_closed is not None:
        return status_is_closed
    if parse_date(ticket.get("dateclosed")):
        return True
    return _as_flag(ticket.get("hasbeenclosed"))


def created_at(ticket: Ticket) -> Any:
    """When Halo got the ticket, as a datetime or None: lists only have ``dateoccurred`` (seen live)."""
    return parse_date(ticket.get("datecreated")) or parse_date(ticket.get("dateoccurred"))


def _nested(ticket: Ticket, outer: str, inner: str) -> Any:
    value = ticket.get(outer)
    return value.get(inner) if isinstance(value, Mapping) else None


def _details_from_html(ticket: Ticket) -> str | None:
    markup = ticket.get("details_html")
    return to_text(markup) or None if isinstance(markup, str) else None


def _put(out: dict[str, Any], name: str, value: Any) -> None:
    if value is not None:
        out[name] = value
