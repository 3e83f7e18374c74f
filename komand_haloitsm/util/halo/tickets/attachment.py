"""Attaches files to tickets, each exactly once."""

from __future__ import annotations

import base64
import mimetypes
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from ..errors import HaloError, NotFound, UncertainWrite, converted_to, invalid_input, missing_ticket
from ..http.messages import Request
from ..http.rows import rows_of
from ..http.session import Session
from ..values.ids import as_id, positive_id
from .exactly_once import ExactlyOnce

Attachment = dict[str, Any]

# Limits of ours. What Halo takes is not known: a web server of its kind refuses bodies of about 28 MiB by default, and
# base64 makes a file a third larger.
MOST_FILES = 10
LARGEST_FILE = 10 * 1024 * 1024
_LONGEST_NAME = 255


@dataclass(frozen=True)
class File:
    """A file to attach. ``content_type`` is a MIME type, such as ``text/csv``."""

    name: str
    content: bytes
    content_type: str

    @classmethod
    def named(cls, name: str, content: bytes) -> File:
        """With the content type that its name tells."""
        return cls(name, content, mimetypes.guess_type(name)[0] or "application/octet-stream")


@dataclass(frozen=True)
class Attached:
    """A file of a ticket: its id in Halo, and whether it was uploaded just now or was there before."""

    number: int
    name: str
    uploaded: bool


def check_files(files: Sequence[File]) -> None:
    """Raises InvalidInput for files that are too many, too large, empty, or have no name of their own."""
    if len(files) > MOST_FILES:
        raise invalid_input("attachments", f"has {len(files)} files, and at most {MOST_FILES} can be attached at once")
    names: set[str] = set()
    for place, file in enumerate(files, start=1):
        which = f"has in file {place}"
        if not file.name.strip() or len(file.name) > _LONGEST_NAME or not file.name.isprintable():
            raise invalid_input("attachments", f"{which} no usable filename: 1 to {_LONGEST_NAME} printable characters")
        if any(sign in file.name for sign in "/\\"):
            raise invalid_input("attachments", f"{which} a filename with a folder: give the name alone")
        if not file.content:
            raise invalid_input("attachments", f"{which} no content")
        if len(file.content) > LARGEST_FILE:
            raise invalid_input("attachments", f"{which} more than {LARGEST_FILE // 1024**2} MiB")
        if _plain(file.name) in names:
            raise invalid_input("attachments", f"{which} a filename that another of its files has as well")
        names.add(_plain(file.name))


class AttachmentWriter:
    """Attaches, in one operation: ``session`` is the operation's, and so is that of ``once``."""

    def __init__(self, session: Session, once: ExactlyOnce) -> None:
        self._session = session
        self._once = once

    def add(self, ticket_id: int, file: File, *, again: bool = False, hidden: bool = False) -> Attached:
        """The file at the ticket. Raises HaloError.

        A ticket's file is known by its name: one that is there is not sent again. With ``again`` only what comes after
        this call counts as it. ``hidden`` asks Halo not to show it to the end user (documented only).
        """
        if not isinstance(file.name, str) or not file.name.strip():
            raise invalid_input("name", "is required and must not be empty")
        there = self._named(ticket_id, file.name)
        if there and not again:
            return Attached(as_id(there[0]["id"]) or 0, file.name, uploaded=False)
        before = {as_id(row["id"]) for row in there}
        # The body is official and seen live; showforusers is documented only.
        body = {
            "filename": file.name,
            "ticket_id": positive_id(ticket_id),
            "isimage": False,
            "data_base64": f"data:{file.content_type};base64,{base64.b64encode(file.content).decode('ascii')}",
            **({"showforusers": False} if hidden else {}),
        }
        request = Request("POST", "/Attachment", body=[body], repeatable=False)

        def found() -> list[Attachment]:
            rows = [row for row in self._named(ticket_id, file.name) if as_id(row["id"]) not in before]
            # Where any file with this name is the one, the oldest is.
            return rows if again else rows[:1]

        try:
            made = self._once.create(
                request,
                found,
                lambda row: (ticket_id, as_id(row.get("id"))),
                fits=lambda row: (
                    as_id(row.get("ticket_id")) in (None, ticket_id)
                    and _is_named(row, file.name)
                    and as_id(row["id"]) not in before
                ),
            )
        except UncertainWrite:
            raise
        except HaloError as error:
            raise missing_ticket(ticket_id, error) if isinstance(error, NotFound) else error from None
        return Attached(as_id(made["id"]) or 0, file.name, uploaded=True)

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
    return isinstance(held, str) and _plain(held) == _plain(name)


def _plain(name: str) -> str:
    return name.strip().casefold()


def not_attached(error: HaloError, done: str, advice: str, file: File, attached: Sequence[Attached]) -> HaloError:
    """The error for a file that was not attached, or may not be, after something else was done.

    ``done`` is what was done, ``advice`` what to do about it: whole sentences without their last sign.
    """
    cause, assistance = error.in_words({})
    known = ", ".join(f'"{one.name}" (ID {one.number})' for one in attached) or "none"
    unsure = "may not be attached" if isinstance(error, UncertainWrite) else "was not attached"
    if isinstance(error, UncertainWrite):
        # Its own advice is about a create that can be run again.
        assistance = "Look at the files of the ticket in HaloITSM."
    return converted_to(
        error,
        type(error),
        cause=f'{done}, but its file "{file.name}" {unsure}. {cause}',
        assistance=f"{assistance} {advice}.",
        data=f"{error.data} Attached before: {known}.",
    )
