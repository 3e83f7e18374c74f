"""One attempt to send one request. The only module that knows ``requests``."""

from __future__ import annotations

import json
import logging
import os
import ssl
from typing import Any, Callable, Iterator, Mapping
from urllib.parse import urlencode

import requests
import urllib3
from requests.utils import get_environ_proxies

from ..errors import InvalidInput
from ..values.dates import parse_http_date
from .deadline import DeadlineAdapter
from .json_body import parse_json
from .messages import NoResponse, NoResponseKind, Request, Response

# 100 full tickets have less than 2 MB and 25,000 values, so a response of more than 32 MiB or two million values is not
# Halo's. The values are limited too, because a parsed value takes up to a hundred bytes of memory.
LARGEST_ANSWER = 32 * 1024 * 1024
_MOST_VALUES = 2_000_000
_CHUNK = 64 * 1024
_KEPT_TEXT = 4000
# Bytes per second. urllib3 sends the body within the connect timeout, so that is extended for large bodies.
_SLOWEST_UPLINK = 100_000


class Transport:
    """Sends one request, once, and turns every outcome into a Response or a NoResponse.

    Timeouts are in seconds. A response as a whole may take four times ``read_timeout``. ``verify`` False turns
    certificate checks off. Threads may share one object: it keeps nothing but a pool of connections.

    The proxies and the CA bundle of the environment are read once, in the constructor; Requests would read them again
    for every call. ``.netrc``, which Requests also reads, is ignored: it would replace the Authorization header.

    ``before_request`` is called last before anything is sent; what it raises goes through, and nothing is sent.
    """

    def __init__(
        self,
        address: str,
        *,
        verify: bool,
        user_agent: str,
        connect_timeout: float,
        read_timeout: float,
        before_request: Callable[[], None] = lambda: None,
    ) -> None:
        self.address = address
        self._before_request = before_request
        self._timeout = (connect_timeout, read_timeout)
        self._verify: bool | str = verify and (
            os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
        )
        self._proxies = get_environ_proxies(address, no_proxy=None)
        self._headers = {"User-Agent": user_agent, "Accept": "application/json", "Accept-Encoding": "gzip"}
        # For malformed headers urllib3 logs the whole address, and its query holds the texts that are searched for.
        logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
        self._adapter = DeadlineAdapter(read_timeout * 4)

    def send(self, request: Request, token: str) -> Response | NoResponse:
        """The response, or why there is none. Raises InvalidInput for what cannot be sent as JSON or UTF-8."""
        try:
            prepared = self._prepare(request, token)
            self._before_request()
            response = self._adapter.send(
                prepared,
                stream=True,
                timeout=self._timeouts(prepared),
                verify=self._verify,
                proxies=self._proxies,
            )
        except requests.RequestException as error:
            return _failure(error)
        except OSError:
            # Requests raises a plain OSError when the CA bundle that the environment names does not exist.
            return NoResponse(NoResponseKind.CERTIFICATE, "The CA bundle that the environment names cannot be read.")
        try:
            body = _body(response)
        finally:
            in_time = self._adapter.release(response.raw)
            response.close()
        if isinstance(body, NoResponse):
            return body if in_time else _ENDLESS
        return _answer(response, body, empty=request.method == "DELETE") if in_time else _ENDLESS

    def _timeouts(self, prepared: requests.PreparedRequest) -> tuple[float, float]:
        """Seconds to connect and send (more for a large body), and to wait for each piece of the response."""
        connect, read = self._timeout
        return connect + len(prepared.body or b"") // _SLOWEST_UPLINK, read

    def _prepare(self, request: Request, token: str) -> requests.PreparedRequest:
        headers = dict(self._headers)
        body: bytes | None = None
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if request.form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = _urlencoded(request, request.form).encode()
        elif request.body is not None:
            headers["Content-Type"] = "application/json"
            body = _encode(request)
        query = "?" + _urlencoded(request, request.query) if request.query else ""
        return requests.Request(
            request.method, self.address + request.path + query, headers=headers, data=body
        ).prepare()


_HUGE = NoResponse(NoResponseKind.TOO_LARGE, f"More than {LARGEST_ANSWER // 1024**2} MiB, or too many values.")
_ENDLESS = NoResponse(NoResponseKind.READ_TIMEOUT, "The answer began but did not end.")


def _body(response: requests.Response) -> bytes | NoResponse:
    try:
        return b"".join(_chunks(response.raw))
    except _TooLarge:
        return _HUGE
    except urllib3.exceptions.ReadTimeoutError:
        return _ENDLESS
    except urllib3.exceptions.DecodeError:
        return b""
    except (urllib3.exceptions.HTTPError, OSError) as error:
        return NoResponse(NoResponseKind.LOST, type(error).__name__)


def _chunks(raw: Any) -> Iterator[bytes]:
    """The body of urllib3's response, piece by piece, limited in size. The adapter limits its time."""
    size = 0
    # read1 returns what has arrived; read would wait until a whole chunk has.
    while chunk := raw.read1(_CHUNK, decode_content=True):
        size += len(chunk)
        if size > LARGEST_ANSWER:
            raise _TooLarge
        yield chunk


class _TooLarge(Exception):
    """The response is larger than LARGEST_ANSWER."""


def _encode(request: Request) -> bytes:
    try:
        return json.dumps(request.body, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        raise _unsendable(request, "as JSON", "Use texts, numbers, true, false, arrays and objects only.") from None


def _urlencoded(request: Request, pairs: Mapping[str, str]) -> str:
    try:
        return urlencode(dict(pairs))
    except UnicodeError:
        raise _unsendable(request, "as UTF-8", "A text holds half a character, as a cut emoji does.") from None


def _unsendable(request: Request, how: str, assistance: str) -> InvalidInput:
    return InvalidInput(
        kind="input",
        cause=f"An input holds a value that cannot be sent {how}.",
        assistance=f"{assistance} Nothing was sent to HaloITSM.",
        data=request.label,
    )


# OpenSSL's reasons when the file that the environment names as CA bundle is not one.
_BUNDLE = frozenset({"NO_CERTIFICATE_OR_CRL_FOUND", "NO_START_LINE", "PEM_LIB"})
# OpenSSL's reasons for a failed handshake. Any other TLS error may come after the request was sent.
_HANDSHAKE = frozenset(
    {
        "WRONG_VERSION_NUMBER",
        "UNSUPPORTED_PROTOCOL",
        "NO_PROTOCOLS_AVAILABLE",
        "NO_SHARED_CIPHER",
        "HTTP_REQUEST",
        "HTTPS_PROXY_REQUEST",
        "DH_KEY_TOO_SMALL",
        "EE_KEY_TOO_SMALL",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "TLSV1_ALERT_INSUFFICIENT_SECURITY",
        "TLSV1_UNRECOGNIZED_NAME",
    }
)


def _failure(error: requests.RequestException) -> NoResponse:
    reason = _reason(error)
    cause = _reason(reason)
    # ConnectTimeout is a ConnectionError and a Timeout, SSLError and ProxyError are ConnectionErrors: order matters.
    for kind, matches in (
        (NoResponseKind.CERTIFICATE, isinstance(cause, ssl.SSLCertVerificationError) or _openssl(cause) in _BUNDLE),
        (NoResponseKind.TLS, _openssl(cause) in _HANDSHAKE),
        (NoResponseKind.PROXY, isinstance(error, requests.exceptions.ProxyError)),
        (NoResponseKind.NAME, isinstance(reason, urllib3.exceptions.NameResolutionError)),
        (NoResponseKind.NAME, isinstance(error, requests.exceptions.InvalidURL)),
        (NoResponseKind.CONNECT_TIMEOUT, isinstance(error, requests.ConnectTimeout)),
        (NoResponseKind.READ_TIMEOUT, isinstance(error, requests.ReadTimeout)),
        (NoResponseKind.REFUSED, isinstance(reason, urllib3.exceptions.NewConnectionError)),
    ):
        if matches:
            return NoResponse(kind, _in_short(cause))
    return NoResponse(NoResponseKind.LOST, type(reason).__name__)


def _in_short(error: BaseException) -> str:
    """What OpenSSL says about a failed handshake, otherwise the class of the error. Neither holds anything sent."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"OpenSSL says: {error.verify_message}"
    return f"OpenSSL says: {_openssl(error)}" if _openssl(error) else type(error).__name__


def _openssl(error: BaseException) -> str:
    """OpenSSL's reason for a TLS error, "" when there is none."""
    return str(getattr(error, "reason", None) or "") if isinstance(error, ssl.SSLError) else ""


def _reason(error: BaseException) -> BaseException:
    """The error inside another one: urllib3 wraps the system's errors, and Requests wraps urllib3's."""
    inner = error.args[0] if error.args else None
    deeper = getattr(inner, "reason", None)
    return next((found for found in (deeper, inner) if isinstance(found, BaseException)), error)


def _answer(response: requests.Response, body: bytes, empty: bool) -> Response | NoResponse:
    """``response`` as plain data. With ``empty``, it may have no body, as after a deletion."""
    if body.count(b",") > _MOST_VALUES:
        return _HUGE
    headers = response.headers
    data, readable = (None, True) if empty and not body else parse_json(body)
    text = "" if readable else body[:_KEPT_TEXT].decode("utf-8", "replace")
    return Response(
        status=response.status_code,
        data=data,
        readable=readable,
        text=text,
        html=bool(body) and ("html" in headers.get("Content-Type", "").lower() or text.lstrip()[:1] == "<"),
        date=parse_http_date(headers.get("Date", "")),
        retry_after=headers.get("Retry-After", ""),
        location=headers.get("Location", ""),
    )
