"""What users read about a request that failed: tables that turn a response, or its absence, into error texts. Pure."""

from __future__ import annotations

import html
import re
from typing import Any, Iterable, Mapping

from ..errors import HaloError, Unreachable, error_of_kind, fill_in
from .messages import NoResponse, NoResponseKind, Request, Response
from .redaction import redact, texts_of, without_echo

_LONGEST_SAYING = 400
# Private texts are removed from this much first, and the rest is then cut to the length above. Cut first, half a secret
# would no longer be recognised and would stay.
_LONGEST_HEARD = 800


# kind -> (cause, assistance)
_NO_RESPONSE: Mapping[NoResponseKind, tuple[str, str]] = {
    NoResponseKind.NAME: (
        "The host name of {server} could not be resolved.",
        "Check the address in the connection for typing errors, and the DNS of {machine}.",
    ),
    NoResponseKind.REFUSED: (
        "{Server} refused the network connection or cannot be reached.",
        "Check host and port in the connection, and that {machine}'s firewall lets it through.",
    ),
    NoResponseKind.CONNECT_TIMEOUT: (
        "No network connection to {server} could be made in time.",
        "Check that {machine}'s network and firewall allow outbound HTTPS to this host, or try {another_machine}. "
        "This is no matter of credentials.",
    ),
    NoResponseKind.PROXY: (
        "The proxy on the way to {server} could not be used.",
        "Check the proxy settings of {machine}.",
    ),
    NoResponseKind.TLS: (
        "No TLS connection to {server} could be made.",
        "Check the port in the address: a server that speaks plain http there fails like this. Or its TLS version "
        "may be too old.",
    ),
    NoResponseKind.CERTIFICATE: (
        "The certificate of {server} was not accepted.",
        "Check that the host name is right and its certificate is valid. For a private certificate authority, give its "
        "certificate to {machine}. Turn off SSL Verify only for a test.",
    ),
    NoResponseKind.READ_TIMEOUT: (
        "{Server} accepted the request but did not answer in time.",
        "Check whether HaloITSM is slow or down, and try again.",
    ),
    NoResponseKind.LOST: (
        "The connection to {server} broke before its answer was complete.",
        "Check whether HaloITSM is restarting or a proxy cuts connections, and try again.",
    ),
    NoResponseKind.TOO_LARGE: (
        "The answer of {server} is larger than this {program} accepts.",
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
        "Run fewer {call}s at once or wait a few minutes. {wanted}",
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

# pattern of Halo's message -> (kind, cause, assistance); seen live unless the comment says otherwise
_SAYINGS: tuple[tuple[str, str, str, str], ...] = (
    (
        r"please assign this ticket",
        "unassigned",
        "HaloITSM does not close a ticket that nobody is assigned to.",
        "Assign the ticket to an agent first{assign}, then close it.",
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

# The same refusal of a create, whose ticket does not exist and cannot be assigned.
_UNASSIGNED_CREATE = (
    "unassigned",
    "HaloITSM does not create a ticket in a closed status while nobody is assigned to it.",
    "Give {input agent_id} as well, or another {input status_id}.",
)

_TOKEN_ERRORS: Mapping[str, tuple[str, str]] = {
    "invalid_client": (
        "HaloITSM does not accept the client ID and client secret.",
        "Copy both again from Config > Integrations > Halo API. Its method must be Client ID and Secret (Services).",
    ),
    "invalid_scope": (
        "HaloITSM does not grant the scope that the connection asks for.",
        "Enter only what the API application has as permissions: all, or read:tickets edit:tickets read:customers. "
        "One that is not granted makes HaloITSM refuse all of them.",
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
    403: (
        "not_allowed",
        "The authorization server does not let {machine} in.",
        "An IP allow-list in front of HaloITSM answers like this: add the address from which {machine} reaches the "
        "internet. This is no matter of client ID and client secret.",
    ),
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
    result: Response | NoResponse,
    *,
    attempts: int = 1,
    wanted: float = 0.0,
    secrets: Iterable[str] = (),
) -> HaloError:
    """The error for a request that ended with ``result``.

    ``wanted`` is how many seconds Halo asked us to wait, if that is more than the policy allows. Neither ``secrets``
    nor texts of the request's body appear in the error, even if Halo repeats them.
    """
    if isinstance(result, NoResponse):
        return _no_response(request, result, attempts)
    # The kind is judged on all that Halo said. Private texts are removed before the text is cut.
    heard = halo_says(result)
    kind, cause, assistance = (
        _token_error(result) if is_token(request) else _api_error(result, without_echo(heard, texts_of(request.body)))
    )
    if kind == _UNASSIGNED_CREATE[0] and _is_create(request):
        kind, cause, assistance = _UNASSIGNED_CREATE
    said = _cut(redact(heard, secrets, texts_of([request.body, request.query])), _LONGEST_SAYING)
    words = {
        "right": _missing_right(request),
        "wanted": f"HaloITSM asks to wait {wanted:.0f} seconds." if wanted else "",
    }
    data = f"{request.label} was answered with HTTP {result.status}"
    data += f" after {attempts} attempts." if attempts > 1 else "."
    if 300 <= result.status < 400 and result.location:
        data += f" It redirects to {redact(_host(result.location), secrets, ())}."
    data += f" HaloITSM said: {said}" if said else " The answer has no message."
    return error_of_kind(
        kind,
        cause,
        fill_in(assistance, words).strip(),
        data=data,
        status=result.status,
        said=said,
    )


def _is_create(request: Request) -> bool:
    """Whether a request makes a ticket: Halo tells it from a change by the id (official and seen live)."""
    made = request.body[0] if isinstance(request.body, list) and request.body else None
    return request.path.lower() == "/tickets" and isinstance(made, Mapping) and not made.get("id")


def is_token(request: Request) -> bool:
    """Whether a request is for an access token. Only that one is sent as a form."""
    return request.form is not None


def _no_response(request: Request, result: NoResponse, attempts: int) -> HaloError:
    cause, assistance = _NO_RESPONSE[result.kind]
    server = "the authorization server" if is_token(request) else "the resource server"
    data = f"{request.label} got no answer ({result.kind.value})"
    data += f" in {attempts} attempts." if attempts > 1 else "."
    data += f" {result.detail}" if result.detail else ""
    return Unreachable(
        kind=result.kind.value,
        cause=fill_in(cause, {"server": server, "Server": server[0].upper() + server[1:]}),
        assistance=assistance,
        data=data,
    )


def _api_error(response: Response, said: str) -> tuple[str, str, str]:
    for pattern, kind, cause, assistance in _SAYINGS if response.status in (400, 404) else ():
        if re.search(pattern, said, re.IGNORECASE):
            return kind, cause, assistance
    if 300 <= response.status < 400:
        return _REDIRECT
    if response.ok or (response.html and response.status < 500 and response.status not in (401, 403, 429)):
        return _NOT_JSON
    if response.status > 500:
        return _UNAVAILABLE
    return _STATUSES.get(response.status, _OTHER)


def _token_error(response: Response) -> tuple[str, str, str]:
    code = response.data.get("error") if isinstance(response.data, dict) else None
    if isinstance(code, str) and code in _TOKEN_ERRORS:
        return (code, *_TOKEN_ERRORS[code])
    if 300 <= response.status < 400:
        return _REDIRECT
    if response.status == 429:
        return _STATUSES[429]
    if response.status > 500:
        return _UNAVAILABLE
    if response.ok or (response.html and response.status < 500):
        return _TOKEN_NOT_JSON
    if response.status in _TOKEN_STATUS:
        return _TOKEN_STATUS[response.status]
    return ("invalid_client", *_TOKEN_ERRORS["invalid_client"]) if response.status == 401 else _TOKEN_OTHER


def _missing_right(request: Request) -> str:
    """What the set-up tells people to grant, for what was refused. Other lists have no scopes (official)."""
    path, reads = request.path.lower(), request.method == "GET"
    if path.startswith(("/tickets", "/actions", "/attachment")):
        scope, role = (
            ("read:tickets", "Tickets Read and Modify")
            if reads
            else ("edit:tickets", 'Tickets Read and Modify, "Can add new Tickets", "edit not assigned to them"')
        )
    elif path.startswith(("/client", "/site", "/users")):
        scope, role = "read:customers", "Customers Read Only, Users Read Only"
    else:
        scope, role = "all in place of single permissions", "access to this list; its login type must be Agent"
    return (
        f"The application probably lacks the permission {scope}, or its agent's role lacks: {role}. Where the "
        "connection has another Scope than all, it needs the permission as well. After a change of the role run the "
        "{call} again: the right is baked into the access token."
    )


def halo_says(answer: Response) -> str:
    """Halo's message from any body it is known to send, in one line; "" when there is none.

    Known shapes: .NET exception, ``error`` (text or object), ``message``, model state, bare string (seen live), empty
    (seen live for 401 and 403), HTML (seen on wrong hosts and in outages; only its title is returned).
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
    # ASP.NET's model state, alone or together with a general message: {"[0].status_id": ["The value is not valid."]}
    details = next((data[key] for key in _STATE_KEYS if isinstance(data.get(key), dict)), {} if found else data)
    states = [(key, _message(value, depth - 1)) for key, value in list(details.items())[:5] if isinstance(value, list)]
    return "; ".join(filter(None, [found, *(f"{key}: {text}" for key, text in states)]))


def _clean(text: str) -> str:
    return _cut(" ".join("".join(char if char.isprintable() else " " for char in text[:4000]).split()), _LONGEST_HEARD)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


def _host(location: str) -> str:
    found = re.match(r"[a-z]+://(?:[^/?#@\s]*@)?([^/?#@\s]+)", location, re.IGNORECASE)
    return found.group(1) if found else "another path of the same host"


def misunderstood(request: Request, what: str) -> HaloError:
    """The error for a response that is JSON, but not in a known shape."""
    return HaloError(
        kind="unknown_shape",
        cause=f"HaloITSM answered in a form that this {{program}} does not know: {what}.",
        assistance="Check the Resource Server of the connection. If it is right, report this with HaloITSM's version.",
        data=f"{request.label} was answered successfully, but not as expected.",
    )
