"""/api/Attachment: files at tickets. The bodies of POST and its answer are official and seen live, and so is the
envelope of the list; what is refused, and in which words, is a guess."""

import base64
import binascii
from typing import Any

from flask import Blueprint, Response, request

from .answers import answer
from .array_body import posted, posted_objects
from .field_values import whole_number
from .refusals import dotnet, record_not_found
from .store import Row, Store
from .ticket_search import numbers


def attachment_routes(store: Store) -> Blueprint:
    """Add, and list a ticket's."""
    routes = Blueprint("attachments", __name__)

    @routes.get("/api/attachment")
    def listing() -> Response:
        wanted = numbers(request.args.get("ticket_id", ""))
        with store.lock:
            rows = [row for number in sorted(wanted) for row in _held(store, number)]
        # That rows do not say whose they are is official.
        shown = [_shown(row, without=("ticket_id", "action_id", "content_type")) for row in rows]
        return answer({"record_count": len(shown), "attachments": shown})

    @routes.post("/api/attachment")
    def add() -> Response:
        return posted(store.settings, [_shown(_added(store, given)) for given in posted_objects()])

    return routes


def _held(store: Store, ticket_id: int) -> list[Row]:
    hidden = ticket_id in store.settings.hidden_tickets or store.readable(ticket_id) is None
    return [] if hidden else store.attachments.get(ticket_id, [])


def _shown(row: Row, without: tuple[str, ...] = ()) -> Row:
    return {name: value for name, value in row.items() if name not in ("content", *without)}


def _added(store: Store, given: dict[str, Any]) -> Row:
    if not isinstance(given.get("filename"), str) or not given["filename"].strip():
        raise dotnet("A filename must be entered for this Attachment")
    if given.get("ticket_id") is None:
        raise dotnet("A Ticket ID must be entered for this Attachment")
    content_type, content = _data(given.get("data_base64"))
    number = whole_number("ticket_id", given["ticket_id"])
    with store.lock:
        if number in store.settings.hidden_tickets or store.readable(number) is None:
            raise record_not_found()
        row = {
            "id": 1 + sum(len(rows) for rows in store.attachments.values()),
            "filename": given["filename"],
            "ticket_id": number,
            "action_id": 0,
            "content_type": content_type,
            "filesize": len(content),
            "isimage": bool(given.get("isimage", False)),
            # Documented only; that a file is shown unless somebody says otherwise is a guess.
            "showforusers": bool(given.get("showforusers", True)),
            "type": 0,
            "datecreated": store.clock.database_now(),
            "content": content,
        }
        store.attachments.setdefault(number, []).append(row)
        return row


def _data(text: object) -> tuple[str, bytes]:
    """The type and the bytes of ``data:<type>;base64,<bytes>``."""
    head, separator, body = text.partition(";base64,") if isinstance(text, str) else ("", "", "")
    try:
        content = base64.b64decode(body, validate=True)
    except binascii.Error:
        separator = ""
    if not separator or not head.startswith("data:"):
        raise dotnet("The data of this Attachment is not valid")
    return head.removeprefix("data:"), content
