"""The errors of the client: plain exceptions that tell a person what happened and a program what to do.

``cause`` says what happened, ``assistance`` what to do, ``data`` which request it was, its status and what Halo said.
None of them holds a secret or a text that was sent.

Causes and assistance leave room for who runs the client, as names in braces: WORDS has each of them with what it stands
for by default. ``HaloError.in_words`` fills in others.
"""

from __future__ import annotations

from typing import Mapping, TypeVar

WORDS: Mapping[str, str] = {
    "machine": "this machine",
    "another_machine": "another machine",
    # One use of the client, and a create as the user knows it.
    "call": "call",
    "create": "the create",
    # Where to assign a ticket, as an addition to a sentence.
    "assign": "",
    "program": "client",
}


def fill_in(text: str, words: Mapping[str, str]) -> str:
    """``text`` with each ``{name}`` of ``words`` replaced. Other braces stay: a text may quote names out of Halo."""
    for name, word in words.items():
        text = text.replace(f"{{{name}}}", word)
    return text


class HaloError(Exception):
    """Something that HaloITSM, or the way to it, did not do.

    ``kind`` is a short stable word (``not_found``, ``rate_limit``, ``invalid_client``, ``lost``), ``status`` the HTTP
    status or None when there was no response, ``said`` what Halo answered, cleaned.
    """

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
        """Cause and assistance in the words of whoever runs the client."""
        return fill_in(self._cause, words), fill_in(self._assistance, words)

    def __str__(self) -> str:
        return " ".join(filter(None, (self.cause, self.assistance, self.data)))


class InvalidInput(HaloError):
    """A value that was given cannot be sent. Nothing was sent."""


class Unreachable(HaloError):
    """No complete response came: name, network, proxy, TLS, time. ``kind`` tells which."""


class Unauthorized(HaloError):
    """Halo accepts neither the access token nor a new one for this request (401)."""


class Forbidden(HaloError):
    """The agent or the application lacks a right (403)."""


class NotFound(HaloError):
    """Halo has no such record, or does not show it."""


class RateLimited(HaloError):
    """Halo wants fewer requests (429), for longer than a call may wait."""


class ServerTrouble(HaloError):
    """Halo, or what stands before it, failed (5xx)."""


class UncertainWrite(HaloError):
    """A write was sent and no usable response came: Halo may have carried it out."""


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


def converted_to(error: HaloError, into: type[_Error], **other: str) -> _Error:
    """The same error as another class, with ``other`` words for ``kind``, ``cause``, ``assistance`` or ``data``."""
    cause, assistance = error.in_words({})
    words = {"kind": error.kind, "cause": cause, "assistance": assistance, "data": error.data, **other}
    return into(**words, status=error.status, said=error.said)


def invalid_input(name: str, what: str) -> InvalidInput:
    """The error for a value that cannot be used; it never repeats the value."""
    return InvalidInput(
        kind="input",
        cause=f"The input {name} {what}.",
        assistance="Correct the input of this {call} and run it again. Nothing was sent to HaloITSM.",
    )


def missing_ticket(ticket_id: int, cause: HaloError | None = None) -> NotFound:
    """The error for a ticket that Halo does not have, or does not show."""
    return NotFound(
        kind="not_found",
        cause=f"Ticket {ticket_id} does not exist, or the API application's agent may not see it.",
        assistance="Check the ticket ID, and that the agent's role may view unassigned tickets and those of others.",
        data=cause.data if cause else "",
        status=cause.status if cause else None,
    )
