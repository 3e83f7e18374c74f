"""Every error of the client: from status, body and failure to cause, assistance and data, by tables. Pure.

``cause`` says what happened, ``assistance`` what to do, ``data`` which request, which status and what Halo said.
None of them holds a secret or a text that was sent.
"""

from __future__ import annotations

import html
import re
from itertools import groupby
from typing import Any, Iterable, Iterator, Mapping, TypeVar
from urllib.parse import quote_plus

from insightconnect_plugin_runtime.exceptions import PluginException

from .exchange import Answer, Failure, FailureKind, Request

_LONGEST_SAYING = 400
# Twice as much is listened to, so that what is private can be taken out before the rest is cut.
_LONGEST_HEARD = 800
_REMOVED = "[removed]"
# A stretch this long that Halo repeats from what was sent is no coincidence; shorter sent texts are removed as a whole,
# but not so short ones that they are words of any message.
_ECHO = 16
_SHORTEST_PRIVATE = 8


class HaloITSMError(PluginException):
    """A PluginException that a program can act on.

    ``kind`` is a short stable word (``not_found``, ``rate_limit``, ``invalid_client``, ``lost``), ``status`` the HTTP
    status or None when there was no answer, ``said`` what Halo answered, cleaned.
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
        super().__init__(cause=cause, assistance=assistance, data=data)
        self.kind = kind
        self.status = status
        self.said = said


class UncertainWriteError(HaloITSMError):
    """A write was sent and no usable answer came: Halo may have done it."""


_Error = TypeVar("_Error", bound=HaloITSMError)


def retold(error: HaloITSMError, into: type[_Error], **other: str) -> _Error:
    """The same error as another class, with ``other`` words for ``kind``, ``cause``, ``assistance`` or ``data``."""
    words = {"kind": error.kind, "cause": error.cause, "assistance": error.assistance, "data": error.data, **other}
    return into(**words, status=error.status, said=error.said)


# kind -> (cause, assistance)
_FAILURES: Mapping[FailureKind, tuple[str, str]] = {
    FailureKind.NAME: (
        "The host name of {server} could not be resolved.",
        "Check the address in the connection for typing errors, and the DNS of the orchestrator.",
    ),
    FailureKind.REFUSED: (
        "{Server} refused the network connection or cannot be reached.",
        "Check host and port in the connection, and that the orchestrator's firewall lets it through.",
    ),
    FailureKind.CONNECT_TIMEOUT: (
        "No network connection to {server} could be made in time.",
        "Check that the orchestrator's network and firewall allow outbound HTTPS to this host, or try another "
        "orchestrator. This is no matter of credentials.",
    ),
    FailureKind.PROXY: (
        "The proxy on the way to {server} could not be used.",
        "Check the proxy settings of the orchestrator.",
    ),
    FailureKind.TLS: (
        "No TLS connection to {server} could be made.",
        "Check the port in the address: a server that speaks plain http there fails like this. Or its TLS version "
        "may be too old.",
    ),
    FailureKind.CERTIFICATE: (
        "The certificate of {server} was not accepted.",
        "Check that the host name is right and its certificate is valid. For a private certificate authority, give its "
        "certificate to the orchestrator. Turn off SSL Verify only for a test.",
    ),
    FailureKind.READ_TIMEOUT: (
        "{Server} accepted the request but did not answer in time.",
        "Check whether HaloITSM is slow or down, and try again.",
    ),
    FailureKind.LOST: (
        "The connection to {server} broke before its answer was complete.",
        "Check whether HaloITSM is restarting or a proxy cuts connections, and try again.",
    ),
    FailureKind.TOO_LARGE: (
        "The answer of {server} is larger than this plugin accepts.",
        "Narrow the request. If it is small already, check that the address belongs to a HaloITSM.",
    ),
}

# status -> (kind, cause, assistance)
_STATUSES: Mapping[int, tuple[str, str, str]] = {
    400: (
        "refused",
        "HaloITSM refused the request.",
        "Read what HaloITSM said below and correct the inputs. The ticket type may have fields that it requires.",
    ),
    401: (
        "unauthorized",
        "HaloITSM did not accept the access token for this request, also not a new one.",
        "The agent that the API application logs in as may not see this ticket or this part of HaloITSM: check its "
        "role and that the application's login type is Agent.",
    ),
    403: (
        "forbidden",
        "HaloITSM does not allow the API application to do this.",
        "{right}",
    ),
    404: (
        "not_found",
        "HaloITSM has nothing at this address.",
        "Check the id. If every request ends this way, check the Resource Server of the connection (it ends in /api).",
    ),
    405: (
        "wrong_address",
        "The server does not offer this operation, so it is probably not a HaloITSM API.",
        "Check the Resource Server of the connection (it ends in /api).",
    ),
    413: ("too_large", "HaloITSM refused the request as too large.", "Shorten the text that is sent."),
    429: (
        "rate_limit",
        "HaloITSM is limiting the rate of requests (seen: 300 in five minutes).",
        "Run fewer steps at once or wait a few minutes. {wanted}",
    ),
    500: (
        "server_error",
        "HaloITSM had an internal error.",
        "Try again. If it stays, look at the error log of HaloITSM for this time.",
    ),
}
_UNAVAILABLE = (
    "unavailable",
    "HaloITSM is not available at the moment.",
    "Check the status of the instance and try again. {wanted}",
)
_REDIRECT = (
    "redirect",
    "The server answered with a redirect, which is not followed because it would carry the access token along.",
    "Enter the address that it redirects to in the connection, if that is your HaloITSM.",
)
_NOT_JSON = (
    "not_json",
    "The server did not answer with JSON, so it is probably not the HaloITSM API, or an error page stands before it.",
    "Check the Resource Server of the connection (it ends in /api), and whether HaloITSM is up.",
)
_OTHER = ("refused", "HaloITSM did not carry out the request.", "Read what HaloITSM said below.")

# what Halo says -> (kind, cause, assistance); seen live unless the comment says otherwise
_SAYINGS: tuple[tuple[str, str, str, str], ...] = (
    (
        r"please assign this ticket",
        "unassigned",
        "HaloITSM does not close a ticket that nobody is assigned to.",
        "Assign the ticket to an agent first (action Assign Ticket), then close it.",
    ),
    (
        r"outcome",
        "outcome",
        "HaloITSM did not accept the outcome of the note.",
        "Enter an outcome that the instance has as Public Note Outcome or Private Note Outcome in the connection.",
    ),
    (
        r"do not have access to this action",
        "forbidden",
        "The API application's agent may not use this action (outcome) on this ticket.",
        "Allow the outcome for the agent's role and team in HaloITSM, or enter another outcome in the connection.",
    ),
    (
        r"record not found",
        "not_found",
        "HaloITSM knows no such record, or the API application's agent may not see or change it.",
        "Check the id, and the agent's role: Tickets Read and Modify, view and edit tickets of other agents.",
    ),
    (
        r"\b(was|were|is|are) required\b",
        "refused",
        "HaloITSM wants fields that the request did not have.",
        "The ticket type makes these fields mandatory: give them, if need be as custom fields, or change the type.",
    ),
)

_TOKEN_ERRORS: Mapping[str, tuple[str, str]] = {
    "invalid_client": (
        "HaloITSM does not accept the client ID and client secret.",
        "Copy both again from Config > Integrations > Halo API. Its method must be Client ID and Secret (Services).",
    ),
    "invalid_scope": (
        "HaloITSM does not grant the scope that the connection asks for.",
        "Enter only scopes that the API application has (for example: all, or read:tickets edit:tickets). One that "
        "is not granted makes HaloITSM refuse all of them.",
    ),
    "unauthorized_client": (
        "The API application may not log in this way.",
        "Set its authentication method to Client ID and Secret (Services) in HaloITSM.",
    ),
    "unsupported_grant_type": (
        "The authorization server does not offer the client credentials login.",
        "Set the application's authentication method to Client ID and Secret (Services) in HaloITSM.",
    ),
}
_TOKEN_STATUS: Mapping[int, tuple[str, str, str]] = {
    404: (
        "wrong_address",
        "The authorization server has no token address.",
        "Check the Authorization Server of the connection (it ends in /auth).",
    ),
    500: (
        "tenant",
        "The authorization server had an internal error, which is how HaloITSM answers to a wrong tenant.",
        "Compare the Tenant of the connection with the one under Config > Integrations > Halo API. If it is right, "
        "try again later.",
    ),
}
_TOKEN_NOT_JSON = (
    "wrong_authorization_server",
    "The authorization server answered with a page instead of a token.",
    "Check the Authorization Server of the connection: it is the address under Config > Integrations > Halo API, "
    "which ends in /auth.",
)
_TOKEN_OTHER = (
    "token",
    "HaloITSM did not give an access token.",
    "Check client ID, client secret, scope and tenant of the connection.",
)


def error_for(
    request: Request,
    result: Answer | Failure,
    *,
    attempts: int = 1,
    wanted: float = 0.0,
    secrets: Iterable[str] = (),
) -> HaloITSMError:
    """The error for a request that ended with ``result``.

    ``wanted`` is how many seconds Halo asked us to wait, more than the cap allows. Neither ``secrets`` nor a text of
    the request's body appears in the error, should Halo repeat them.
    """
    if isinstance(result, Failure):
        return _failed(request, result, attempts)
    # Judged on what Halo really said, told without what is private, and cut only then: half a secret is one as well.
    heard = halo_says(result)
    kind, cause, assistance = (
        _token_error(result) if is_token(request) else _api_error(result, _without(heard, _texts(request.body)))
    )
    said = _cut(redact(heard, secrets, _texts(request.body)), _LONGEST_SAYING)
    words = {
        "right": _missing_right(request),
        "wanted": f"HaloITSM asks to wait {wanted:.0f} seconds." if wanted else "",
    }
    data = f"{request.label} was answered with HTTP {result.status}"
    data += f" after {attempts} attempts." if attempts > 1 else "."
    if 300 <= result.status < 400 and result.location:
        data += f" It redirects to {redact(_host(result.location), secrets, ())}."
    data += f" HaloITSM said: {said}" if said else " The answer has no message."
    return HaloITSMError(
        kind=kind,
        cause=cause,
        assistance=assistance.format(**words).strip(),
        data=data,
        status=result.status,
        said=said,
    )


def is_token(request: Request) -> bool:
    """Whether a request is the one for an access token: the only one that is a form."""
    return request.form is not None


def _failed(request: Request, failure: Failure, attempts: int) -> HaloITSMError:
    cause, assistance = _FAILURES[failure.kind]
    server = "the authorization server" if is_token(request) else "the resource server"
    data = f"{request.label} got no answer ({failure.kind.value})"
    data += f" in {attempts} attempts." if attempts > 1 else "."
    data += f" {failure.detail}" if failure.detail else ""
    return HaloITSMError(
        kind=failure.kind.value,
        cause=cause.format(server=server, Server=server[0].upper() + server[1:]),
        assistance=assistance,
        data=data,
    )


def _api_error(answer: Answer, said: str) -> tuple[str, str, str]:
    for pattern, kind, cause, assistance in _SAYINGS if answer.status in (400, 404) else ():
        if re.search(pattern, said, re.IGNORECASE):
            return kind, cause, assistance
    if 300 <= answer.status < 400:
        return _REDIRECT
    if answer.ok or (answer.html and answer.status < 500 and answer.status not in (401, 403, 429)):
        return _NOT_JSON
    if answer.status > 500:
        return _UNAVAILABLE
    return _STATUSES.get(answer.status, _OTHER)


def _token_error(answer: Answer) -> tuple[str, str, str]:
    code = answer.data.get("error") if isinstance(answer.data, dict) else None
    if isinstance(code, str) and code in _TOKEN_ERRORS:
        return (code, *_TOKEN_ERRORS[code])
    if 300 <= answer.status < 400:
        return _REDIRECT
    if answer.status == 429:
        return _STATUSES[429]
    if answer.status > 500:
        return _UNAVAILABLE
    if answer.ok or (answer.html and answer.status < 500):
        return _TOKEN_NOT_JSON
    if answer.status in _TOKEN_STATUS:
        return _TOKEN_STATUS[answer.status]
    return ("invalid_client", *_TOKEN_ERRORS["invalid_client"]) if answer.status == 401 else _TOKEN_OTHER


def _missing_right(request: Request) -> str:
    path, reads = request.path.lower(), request.method == "GET"
    if path.startswith(("/tickets", "/actions")):
        scope, role = (
            ("read:tickets", "Tickets Read Only")
            if reads
            else ("edit:tickets", 'Tickets Read and Modify, "Can add new Tickets", "edit not assigned to them"')
        )
    else:
        scope, role = "all or all:standard", "an agent's access to the configuration"
    return (
        f"The application probably lacks the permission or scope {scope}, or its agent's role lacks: {role}. After a "
        "change of the role run the step again: the right is baked into the access token."
    )


def halo_says(answer: Answer) -> str:
    """Halo's message from any body it is known to send, in one line; "" when there is none.

    Known shapes: .NET exception, ``error`` (text or object), ``message``, model state, bare string (seen live), empty
    (seen live for 401 and 403), HTML (seen on wrong hosts and in outages; only its title is told).
    """
    if answer.html:
        title = re.search(r"<title[^>]*>(.{0,400}?)</title>", answer.text, re.IGNORECASE | re.DOTALL)
        return _clean(f"an HTML page titled {html.unescape(title.group(1))!r}" if title else "an HTML page")
    if not answer.readable:
        return _clean(answer.text)
    return _clean(_message(answer.data, depth=3))


_MESSAGE_KEYS = ("error_description", "Message", "message", "ExceptionMessage", "detail", "title", "error")
_STATE_KEYS = ("errors", "ModelState", "modelState")


def _message(data: Any, depth: int) -> str:
    if isinstance(data, str):
        return data
    if depth == 0 or not isinstance(data, (dict, list)):
        return ""
    if isinstance(data, list):
        return "; ".join(filter(None, (_message(item, depth - 1) for item in data[:5])))
    found = next(filter(None, (_message(data.get(key), depth - 1) for key in _MESSAGE_KEYS)), "")
    # ASP.NET's model state, by itself or beside a general sentence: {"[0].status_id": ["The value is not valid."]}
    details = next((data[key] for key in _STATE_KEYS if isinstance(data.get(key), dict)), {} if found else data)
    states = [(key, _message(value, depth - 1)) for key, value in list(details.items())[:5] if isinstance(value, list)]
    return "; ".join(filter(None, [found, *(f"{key}: {text}" for key, text in states)]))


def _clean(text: str) -> str:
    return _cut(" ".join("".join(char if char.isprintable() else " " for char in text[:4000]).split()), _LONGEST_HEARD)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


def redact(text: str, secrets: Iterable[str], sent: Iterable[str]) -> str:
    """``text`` without any stretch that also stands in one of the ``secrets`` (8 characters) or ``sent`` texts (16)."""
    # As it is, and as a form spells it.
    secret = [spelled for part in secrets if part for spelled in (part, quote_plus(part, errors="replace"))]
    private = [" ".join(part.split()) for part in sent]
    hidden = [False] * len(text)
    _hide(text, secret, _SHORTEST_PRIVATE, hidden)
    _hide(text, private, _ECHO, hidden)
    stretches = groupby(zip(text, hidden), key=lambda pair: pair[1])
    shown = "".join(_REMOVED if hide else "".join(char for char, _ in pairs) for hide, pairs in stretches)
    for part in secret + [part for part in private if len(part) >= _SHORTEST_PRIVATE]:
        shown = shown.replace(part, _REMOVED)
    return shown


def _without(heard: str, sent: Iterable[str]) -> str:
    """What Halo said of its own, without the texts that were sent and that it repeats as a whole."""
    for text in sent:
        whole = " ".join(text.split())
        heard = heard.replace(whole, " ") if len(whole) >= _ECHO else heard
    return heard


def _hide(text: str, parts: list[str], length: int, hidden: list[bool]) -> None:
    """Mark each stretch of ``length`` that stands in a part. Every such stretch holds a whole block of half its length,
    so that only around the blocks that are found there is more to look for: a part may have ten megabytes."""
    half = length // 2
    for part in parts:
        for block in range(0, len(text), half):
            if text[block : block + half] not in part:
                continue
            for start in range(max(0, block - half), min(block, len(text) - length) + 1):
                if text[start : start + length] in part:
                    hidden[start : start + length] = [True] * length


def _texts(body: Any) -> Iterator[str]:
    if isinstance(body, str):
        yield body
    elif isinstance(body, Mapping):
        for value in body.values():
            yield from _texts(value)
    elif isinstance(body, (list, tuple)):
        for value in body:
            yield from _texts(value)


def _host(location: str) -> str:
    found = re.match(r"[a-z]+://(?:[^/?#@\s]*@)?([^/?#@\s]+)", location, re.IGNORECASE)
    return found.group(1) if found else "another path of the same host"


def misunderstood(request: Request, what: str) -> HaloITSMError:
    """The error for an answer that is JSON but not of a shape that is known."""
    return HaloITSMError(
        kind="unknown_shape",
        cause=f"HaloITSM answered in a form that this plugin does not know: {what}.",
        assistance="Check the Resource Server of the connection. If it is right, report this with HaloITSM's version.",
        data=f"{request.label} was answered successfully, but not as expected.",
    )


def missing_ticket(ticket_id: int, cause: HaloITSMError | None = None) -> HaloITSMError:
    """The error for a ticket that Halo does not have, or does not show."""
    return HaloITSMError(
        kind="not_found",
        cause=f"Ticket {ticket_id} does not exist, or the API application's agent may not see it.",
        assistance="Check the ticket ID, and that the agent's role may view unassigned tickets and those of others.",
        data=cause.data if cause else "",
        status=cause.status if cause else None,
    )
