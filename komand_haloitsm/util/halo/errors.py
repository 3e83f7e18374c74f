"""The errors of the client: plain exceptions, for a person to read and for a program to act on.

``cause`` says what happened and ``assistance`` what to do. ``data`` says which request it was, its status and what Halo
said. None of them holds a secret or a text that was sent.

Cause and assistance have placeholders in braces for words that depend on who runs the client. WORDS has the default for
each placeholder; ``HaloError.in_words`` fills in other words. ``{input summary}`` is the placeholder of a field:
without a word of its own it becomes the name of the field.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Any, Mapping, Sequence, TypeVar

WORDS: Mapping[str, str] = {
    "machine": "this machine",
    "another_machine": "another machine",
    # One use of the client, and the name by which the user knows a create.
    "call": "call",
    "create": "the create",
    "update": "an update",
    # Where the user can assign a ticket, as an addition to a sentence.
    "assign": "",
    "program": "client",
}


def fill_in(text: str, words: Mapping[str, str]) -> str:
    """``text`` with each ``{name}`` of ``words`` replaced. Other braces stay: the text may quote names from Halo."""
    for name, word in words.items():
        text = text.replace(f"{{{name}}}", word)
    return text


def field_word(name: str) -> str:
    """The placeholder of a field: whoever shows an error may know the field by another name."""
    return f"{{input {name}}}"


_MOST_LISTED = 40


def first_of(texts: Sequence[str]) -> str:
    """Texts for an error to tell what there is: at most 40 of them, and how many more; "" for none."""
    more = f", and {len(texts) - _MOST_LISTED} more" if len(texts) > _MOST_LISTED else ""
    return ", ".join(texts[:_MOST_LISTED]) + more


def _with_names(text: str) -> str:
    """``text`` with the placeholders of fields replaced by the names of the fields."""
    return re.sub(r"\{input ([^{}]*)\}", r"\1", text)


class HaloError(Exception):
    """A call that failed: at HaloITSM, on the way to it, or before anything was sent.

    ``kind`` is a short stable word, such as ``not_found``, ``rate_limit``, ``invalid_client`` or ``lost``. ``status``
    is the HTTP status, None when there was no response. ``said`` is Halo's own message without secrets and sent texts.

    ``unseen``: something was refused, and whether it was made all the same could not be looked up. ``wait`` is how many
    seconds Halo asked to wait, 0 when it said nothing.
    """

    unseen = False
    wait = 0.0

    def __init__(
        self,
        *,
        kind: str,
        cause: str,
        assistance: str,
        data: str = "",
        status: int | None = None,
        said: str = "",
    ) -> None:
        super().__init__(kind)
        self.kind = kind
        self.data = data
        self.status = status
        self.said = said
        self._cause = cause
        self._assistance = assistance

    @property
    def cause(self) -> str:
        return self.in_words(WORDS)[0]

    @property
    def assistance(self) -> str:
        return self.in_words(WORDS)[1]

    def in_words(self, words: Mapping[str, str]) -> tuple[str, str]:
        """Cause and assistance with ``words`` in place of their placeholders; as they are without any words."""
        cause, assistance = fill_in(self._cause, words), fill_in(self._assistance, words)
        return (_with_names(cause), _with_names(assistance)) if words else (cause, assistance)

    def __str__(self) -> str:
        return " ".join(filter(None, (self.cause, self.assistance, self.data)))


class InvalidInput(HaloError):
    """A given value cannot be sent. Nothing was sent."""


class Unreachable(HaloError):
    """No complete response came. ``kind`` tells why: name resolution, network, proxy, TLS, timeout."""


class Unauthorized(HaloError):
    """Halo accepts neither the access token nor a new one for this request (401)."""


class Forbidden(HaloError):
    """The agent or the application lacks a right (403)."""


class NotFound(HaloError):
    """Halo has no such record, or does not show it."""


class RateLimited(HaloError):
    """Halo limits the rate of requests (429), for longer than the call may wait."""


class ServerTrouble(HaloError):
    """Halo, or a proxy in front of it, failed (5xx)."""


class Loss(Enum):
    """How it came that nobody knows what became of a write, which decides how it is looked up and whether sent again.

    SLOW: no response in time, or one that cannot be read: Halo may still be at it. BROKEN: the connection broke, or a
    server failed. REFUSED: an answer that says no, which behind a proxy need not be Halo's last word. TOKEN: the access
    token was not accepted. LIMITED: too many requests.
    """

    SLOW = "slow"
    BROKEN = "broken"
    REFUSED = "refused"
    TOKEN = "token"  # nosec B105: no token
    LIMITED = "limited"


class UncertainWrite(HaloError):
    """A write was sent, and its response does not prove what became of it: Halo may have carried it out."""

    def __init__(
        self,
        *,
        kind: str,
        cause: str,
        assistance: str,
        data: str = "",
        status: int | None = None,
        said: str = "",
        loss: Loss = Loss.SLOW,
        wait: float = 0.0,
    ) -> None:
        super().__init__(kind=kind, cause=cause, assistance=assistance, data=data, status=status, said=said)
        self.loss = loss
        self.wait = wait

    @classmethod
    def of(cls, error: HaloError, loss: Loss, wait: float = 0.0) -> UncertainWrite:
        """The same error, about a write that may have been carried out."""
        return converted_to(error, cls, loss=loss, wait=wait)

    def plain(self) -> HaloError:
        """The same error, of the class that it has where it is certain that nothing was carried out."""
        cause, assistance = self.in_words({})
        return error_of_kind(self.kind, cause, assistance, data=self.data, status=self.status, said=self.said)


_BY_KIND: Mapping[str, type[HaloError]] = {
    "input": InvalidInput,
    "unauthorized": Unauthorized,
    "forbidden": Forbidden,
    "not_found": NotFound,
    "rate_limit": RateLimited,
    "server_error": ServerTrouble,
    "unavailable": ServerTrouble,
}


def error_of_kind(
    kind: str, cause: str, assistance: str, *, data: str = "", status: int | None = None, said: str = ""
) -> HaloError:
    """The error of the class that belongs to ``kind``."""
    error = _BY_KIND.get(kind, HaloError)
    return error(kind=kind, cause=cause, assistance=assistance, data=data, status=status, said=said)


_Error = TypeVar("_Error", bound=HaloError)


def converted_to(error: HaloError, into: type[_Error], **other: Any) -> _Error:
    """The same error as another class; ``other`` replaces what it has, or is what only that class takes."""
    cause, assistance = error.in_words({})
    same = {"kind": error.kind, "cause": cause, "assistance": assistance, "data": error.data}
    return into(**{**same, "status": error.status, "said": error.said, **other})


def invalid_input(name: str, what: str) -> InvalidInput:
    """The error for a value that cannot be used; it never repeats the value. ``name`` may be ``one or other``."""
    fields = " or ".join(field_word(one) for one in name.split(" or "))
    return InvalidInput(
        kind="input",
        cause=f"The input {fields} {what}.",
        assistance="Correct the input of this {call} and run it again. Nothing was sent to HaloITSM.",
    )


def missing_ticket(ticket_id: int, cause: HaloError | None = None, *, status: int | None = None) -> NotFound:
    """The error for a ticket that Halo does not have, or does not show; with the status of ``cause``, or the given."""
    return NotFound(
        kind="not_found",
        cause=f"Ticket {ticket_id} does not exist, or the API application's agent may not see it.",
        assistance="Check the ticket ID, and that the agent's role may view unassigned tickets and those of others.",
        data=cause.data if cause else "",
        status=cause.status if cause else status,
    )
