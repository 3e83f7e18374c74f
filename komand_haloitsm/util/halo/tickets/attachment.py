"""Attaches files to tickets, each exactly once: a ticket's file is known by its name."""

from __future__ import annotations

import base64
from typing import Any, Mapping

from ..errors import HaloError, NotFound, UncertainWrite, invalid_input, missing_ticket
from ..http.messages import Request
from ..http.rows import rows_of
from ..http.session import Session
from ..values.ids import as_id, positive_id
from .exactly_once import ExactlyOnce

Attachment = dict[str, Any]


class AttachmentWriter:
    """Attaches, in one operation: ``session`` is the operation's, and so is that of ``once``."""

    def __init__(self, session: Session, once: ExactlyOnce) -> None:
        self._session = session
        self._once = once

    def add(self, ticket_id: int, name: str, content: bytes, content_type: str) -> int:
        """The id of the ticket's file with this name, which is attached unless it is there. Raises HaloError."""
        if not isinstance(name, str) or not name.strip():
            raise invalid_input("name", "is required and must not be empty")
        there = self._named(ticket_id, name)
        if there:
            return as_id(there[0]["id"]) or 0
        # The body is official and seen live.
        data = base64.b64encode(content).decode("ascii")
        file = {
            "filename": name,
            "ticket_id": positive_id(ticket_id),
            "isimage": False,
            "data_base64": f"data:{content_type};base64,{data}",
        }
        request = Request("POST", "/Attachment", body=[file], repeatable=False)
        try:
            made = self._once.create(
                request,
                lambda: self._named(ticket_id, name)[:1],
                lambda row: (ticket_id, as_id(row.get("id"))),
                fits=lambda row: as_id(row.get("ticket_id")) in (None, ticket_id) and _is_named(row, name),
            )
        except UncertainWrite:
            raise
        except HaloError as error:
            raise missing_ticket(ticket_id, error) if isinstance(error, NotFound) else error from None
        return as_id(made["id"]) or 0

    def _named(self, ticket_id: int, name: str) -> list[Attachment]:
        """The ticket's files with a name, the oldest first."""
        request = Request("GET", "/Attachment", {"ticket_id": str(positive_id(ticket_id))})
        rows = rows_of(request, self._session.call(request).data, "attachments")
        # A Halo that ignored the parameter would list the files of other tickets. That rows say whose they are is
        # documented for single files only.
        own = [row for row in rows if as_id(row.get("ticket_id")) in (None, ticket_id) and as_id(row.get("id"))]
        return sorted((row for row in own if _is_named(row, name)), key=lambda row: as_id(row["id"]) or 0)


def _is_named(row: Mapping[str, Any], name: str) -> bool:
    held = row.get("filename")
    return isinstance(held, str) and held.strip().casefold() == name.strip().casefold()
