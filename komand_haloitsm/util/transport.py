"""The one place that sends, and the only one that knows ``requests``.

``Wire`` makes one attempt and turns whatever happens into an Answer or a Failure; ``Transport`` repeats attempts as
``retry.decide`` says. Both are safe to share among threads: connections come from one pool, nothing else is kept.
"""

from __future__ import annotations

import json
import logging
import os
import random
import ssl
import time
from datetime import datetime, timezone
from typing import Any, Callable, Iterator, Mapping, Protocol
from urllib.parse import urlencode

import requests
import urllib3
from requests.utils import get_environ_proxies

from .bounded import BoundedAdapter
from .dates import parse_http_date
from .errors import HaloITSMError, UncertainWriteError, error_for, retold
from .exchange import Answer, Failure, FailureKind, Request
from .retry import Decision, RetryPolicy, Step, decide

# 100 full tickets are below 2 MB and have 25,000 values: 32 MiB, or two million values, are not Halo's. A
# value takes up to a hundred bytes of memory, whatever it takes on the way.
LARGEST_ANSWER = 32 * 1024 * 1024
_MOST_VALUES = 2_000_000
_CHUNK = 64 * 1024
_KEPT_TEXT = 4000
# Bytes a second: urllib3 sends under the connect timeout.
_SLOWEST_UPLINK = 100_000


class Tokens(Protocol):
    """Where access tokens come from."""

    def token(self, since: float | None = None, policy: RetryPolicy | None = None) -> str:
        """A token that is valid now, fetched when there is none; arguments as in Transport.call."""

    def discard(self, token: str) -> None:
        """Forget ``token``, which Halo no longer accepts."""


class Wire:
    """Sends one request, once. Timeouts in seconds; an answer as a whole has four times ``read_timeout``.

    ``verify`` False turns certificate checks off.

    The proxies and the CA bundle of the environment are read once, here: Requests reads them again at every call.
    Its ``.netrc`` is left out on purpose, because it would replace the Authorization header.
    """

    def __init__(
        self,
        address: str,
        *,
        verify: bool,
        user_agent: str,
        connect_timeout: float,
        read_timeout: float,
    ) -> None:
        self.address = address
        self._timeout = (connect_timeout, read_timeout)
        self._verify: bool | str = verify and (
            os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
        )
        self._proxies = get_environ_proxies(address, no_proxy=None)
        self._headers = {"User-Agent": user_agent, "Accept": "application/json", "Accept-Encoding": "gzip"}
        # On odd headers it logs the whole address, with what is searched for.
        logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
        self._adapter = BoundedAdapter(read_timeout * 4)

    def send(self, request: Request, token: str) -> Answer | Failure:
        """The answer, or why there is none. Raises HaloITSMError only for a body that is not JSON-able."""
        try:
            prepared = self._prepare(request, token)
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
            # Not one of theirs: Requests' word for a CA bundle, named by the environment, that is not there.
            return Failure(FailureKind.CERTIFICATE, "The CA bundle that the environment names cannot be read.")
        try:
            body = _body(response)
        finally:
            in_time = self._adapter.release(response.raw)
            response.close()
        if isinstance(body, Failure):
            return body if in_time else _ENDLESS
        return _answer(response, body, empty=request.method == "DELETE") if in_time else _ENDLESS

    def _timeouts(self, prepared: requests.PreparedRequest) -> tuple[float, float]:
        """Seconds to connect and send, and to wait for each piece of the answer; more for a body that takes long."""
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


_HUGE = Failure(FailureKind.TOO_LARGE, f"More than {LARGEST_ANSWER // 1024**2} MiB, or too many values.")
_ENDLESS = Failure(FailureKind.READ_TIMEOUT, "The answer began but did not end.")


def _body(response: requests.Response) -> bytes | Failure:
    try:
        return b"".join(_chunks(response.raw))
    except _TooLarge:
        return _HUGE
    except urllib3.exceptions.ReadTimeoutError:
        return _ENDLESS
    except urllib3.exceptions.DecodeError:
        return b""
    except (urllib3.exceptions.HTTPError, OSError) as error:
        return Failure(FailureKind.LOST, type(error).__name__)


def _chunks(raw: Any) -> Iterator[bytes]:
    """The body of urllib3's answer piece by piece, bounded in size; the adapter bounds it in time."""
    size = 0
    # read1 returns what has come; read would wait until a whole chunk is there.
    while chunk := raw.read1(_CHUNK, decode_content=True):
        size += len(chunk)
        if size > LARGEST_ANSWER:
            raise _TooLarge
        yield chunk


class _TooLarge(Exception):
    """The answer is larger than LARGEST_ANSWER."""


class Transport:
    """Sends until the answer is there or there is no use in trying.

    ``tokens`` is None for the requests that fetch a token. ``clock``, ``sleep``, ``jitter`` and ``now`` are the world.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        policy: RetryPolicy,
        logger: Any,
        tokens: Tokens | None = None,
        secrets: tuple[str, ...] = (),
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._wire = wire
        self._tokens = tokens
        self._policy = policy
        self._logger = logger
        self._secrets = secrets
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter
        self._now = now

    def call(self, request: Request, *, since: float | None = None, policy: RetryPolicy | None = None) -> Answer:
        """The successful answer, with readable JSON.

        ``since`` is a time of ``clock`` from which the cap of the waiting counts, by default now. Raises
        UncertainWriteError when a request that is not repeatable may have been processed, else HaloITSMError.
        """
        started = self._clock() if since is None else since
        attempt, refreshed = 0, self._tokens is None
        while True:
            attempt += 1
            token = self._tokens.token(since, policy) if self._tokens else ""
            result = self._attempt(request, token, attempt)
            decision = decide(
                result,
                repeatable=request.repeatable,
                attempt=attempt,
                elapsed=self._clock() - started,
                refreshed=refreshed,
                jitter=self._jitter(),
                now=self._now(),
                policy=policy or self._policy,
            )
            if decision.step is Step.DONE and isinstance(result, Answer):
                return result
            if decision.step is Step.REFRESH and self._tokens:
                self._tokens.discard(token)
                refreshed = True
            elif decision.step is Step.WAIT:
                self._sleep(decision.seconds)
            else:
                raise self._error(request, result, attempt, decision, token)

    def _attempt(self, request: Request, token: str, attempt: int) -> Answer | Failure:
        started = self._clock()
        result = self._wire.send(request, token)
        outcome = result.status if isinstance(result, Answer) else result.kind.value
        seconds = self._clock() - started
        self._logger.info(f"HaloITSM: {request.label} -> {outcome} (attempt {attempt}, {seconds:.3f} s)")
        return result

    def _error(
        self, request: Request, result: Answer | Failure, attempts: int, decision: Decision, token: str
    ) -> HaloITSMError:
        secrets = (*self._secrets, token)
        error = error_for(request, result, attempts=attempts, wanted=decision.seconds, secrets=secrets)
        return retold(error, UncertainWriteError) if decision.step is Step.UNCERTAIN else error


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


def _unsendable(request: Request, how: str, assistance: str) -> HaloITSMError:
    return HaloITSMError(
        kind="input",
        cause=f"An input holds a value that cannot be sent {how}.",
        assistance=f"{assistance} Nothing was sent to HaloITSM.",
        data=request.label,
    )


# What OpenSSL gives as reason when the CA bundle that the environment names is none.
_BUNDLE = frozenset({"NO_CERTIFICATE_OR_CRL_FOUND", "NO_START_LINE", "PEM_LIB"})
# What OpenSSL gives as reason when a handshake fails. Any other TLS error may come after the request was sent.
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


def _failure(error: requests.RequestException) -> Failure:
    reason = _reason(error)
    cause = _reason(reason)
    # ConnectTimeout is a ConnectionError and a Timeout, SSLError and ProxyError are ConnectionErrors: order matters.
    for kind, matches in (
        (FailureKind.CERTIFICATE, isinstance(cause, ssl.SSLCertVerificationError) or _openssl(cause) in _BUNDLE),
        (FailureKind.TLS, _openssl(cause) in _HANDSHAKE),
        (FailureKind.PROXY, isinstance(error, requests.exceptions.ProxyError)),
        (FailureKind.NAME, isinstance(reason, urllib3.exceptions.NameResolutionError)),
        (FailureKind.NAME, isinstance(error, requests.exceptions.InvalidURL)),
        (FailureKind.CONNECT_TIMEOUT, isinstance(error, requests.ConnectTimeout)),
        (FailureKind.READ_TIMEOUT, isinstance(error, requests.ReadTimeout)),
        (FailureKind.REFUSED, isinstance(reason, urllib3.exceptions.NewConnectionError)),
    ):
        if matches:
            return Failure(kind, _in_short(cause))
    return Failure(FailureKind.LOST, type(reason).__name__)


def _in_short(error: BaseException) -> str:
    """What OpenSSL says of a failed handshake, else the kind of error: neither holds anything that was sent."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"OpenSSL says: {error.verify_message}"
    return f"OpenSSL says: {_openssl(error)}" if _openssl(error) else type(error).__name__


def _openssl(error: BaseException) -> str:
    """OpenSSL's word for what went wrong, "" where it has none."""
    return str(getattr(error, "reason", None) or "") if isinstance(error, ssl.SSLError) else ""


def _reason(error: BaseException) -> BaseException:
    """The error that another one stands for: urllib3 wraps the system's, Requests wraps urllib3's."""
    inner = error.args[0] if error.args else None
    deeper = getattr(inner, "reason", None)
    return next((found for found in (deeper, inner) if isinstance(found, BaseException)), error)


def _answer(response: requests.Response, body: bytes, empty: bool) -> Answer | Failure:
    """``empty``: whether an answer without a body is one, as it may be after a deletion."""
    if body.count(b",") > _MOST_VALUES:
        return _HUGE
    headers = response.headers
    data, readable = (None, True) if empty and not body else _parse(body)
    text = "" if readable else body[:_KEPT_TEXT].decode("utf-8", "replace")
    return Answer(
        status=response.status_code,
        data=data,
        readable=readable,
        text=text,
        html=bool(body) and ("html" in headers.get("Content-Type", "").lower() or text.lstrip()[:1] == "<"),
        date=parse_http_date(headers.get("Date", "")),
        retry_after=headers.get("Retry-After", ""),
        location=headers.get("Location", ""),
    )


def _parse(body: bytes) -> tuple[Any, bool]:
    try:
        return json.loads(body), True
    except (ValueError, RecursionError):
        return None, False
