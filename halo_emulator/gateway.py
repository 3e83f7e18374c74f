"""The layer in front of the application: it logs requests and injects faults."""

import json
import select
import socket
from concurrent.futures import CancelledError, Future
from io import BytesIO
from typing import Any

from flask import Flask, Request, Response
from werkzeug.test import run_wsgi_app

from .answers import page, refused
from .clock import Clock
from .faults import Fault, Faults
from .late_work import LateWork, Work
from .paths import token_address
from .rate_limit import RateLimit
from .refusals import rate_limit_reached
from .request_log import RecordedRequest, RequestLog, parsed_body, readable_headers, without_secrets
from .tokens import TokenIssuer

_STUB = b'{"id":1,"summary":"this answer was cut off by a fault of the stand-in"}'
# How often it looks whether a client that waits for late work is still there.
_LOOK_EVERY = 0.01


class NoAnswer(ConnectionError):
    """The connection is to be closed without an answer."""


class Gateway:
    """Turns a WSGI environment into a response, or raises NoAnswer."""

    def __init__(
        self,
        app: Flask,
        request_log: RequestLog,
        faults: Faults,
        late_work: LateWork,
        issuer: TokenIssuer,
        clock: Clock,
        rate_limit: RateLimit,
    ) -> None:
        self._app = app
        self._late_work = late_work
        self._request_log = request_log
        self._faults = faults
        self._issuer = issuer
        self._rate_limit = rate_limit
        self.clock = clock

    def respond(self, environ: dict[str, Any]) -> Response:
        """The answer to one request."""
        entry = self._recorded(environ)
        if not self._issuer.serves(entry.path):
            return self._answered(entry, environ)
        self._issuer.enter()
        try:
            return self._answered(entry, environ)
        finally:
            self._issuer.leave()

    def _recorded(self, environ: dict[str, Any]) -> RecordedRequest:
        request = Request(environ)
        raw = request.get_data()
        body = parsed_body(request.content_type or "", raw)
        environ["wsgi.input"] = BytesIO(raw)
        environ["halo.body"] = body
        path = request.path
        if token_address(path) or path.lower().startswith(("/api/", "/auth/")):
            environ["PATH_INFO"] = environ["PATH_INFO"].lower()
        return self._request_log.add(
            RecordedRequest(
                request.method,
                path,
                {**request.args},
                without_secrets(body),
                readable_headers(request.headers.items()),
                at=self.clock.seconds(),
            )
        )

    def _answered(self, entry: RecordedRequest, environ: dict[str, Any]) -> Response:
        def work() -> Response:
            body, status, headers = run_wsgi_app(self._app, environ, buffered=True)
            return Response(b"".join(body), status, headers)

        refusal = self._rate_limit.admit()
        fault = self._faults.take(entry.method, entry.path) if refusal is None else None
        if refusal is not None:
            response = refused(refusal)
        else:
            response = work() if fault is None else self._spoilt(fault, work, environ)
        entry.status = response.status_code
        return response

    def _spoilt(self, fault: Fault, work: Work, environ: dict[str, Any]) -> Response:
        done = work() if fault.after_commit else None
        if fault.kind == "drop":
            raise NoAnswer("dropped")
        if fault.kind == "hang":
            return self._held_back(fault, done, work, environ["werkzeug.socket"])
        if fault.kind == "late":
            return self._late(fault, work, environ["werkzeug.socket"])
        if fault.kind == "html":
            return page()
        if fault.kind == "truncated":
            return _cut_off(done or (work() if environ["REQUEST_METHOD"] == "GET" else Response(_STUB)))
        return _as_told(fault)

    def _held_back(self, fault: Fault, done: Response | None, work: Work, connection: socket.socket) -> Response:
        if not self._faults.hang(fault.seconds) or has_gone(connection):
            raise NoAnswer("hung")
        return done or work()

    def _late(self, fault: Fault, work: Work, connection: socket.socket) -> Response:
        due = self._late_work.begin(work, fault.seconds)
        if fault.answers is None:
            return _answer_of(due, connection)
        response = Response(b"", fault.answers)
        response.headers.extend(list(fault.headers))
        return response


def _answer_of(due: Future[Response], connection: socket.socket) -> Response:
    """Waits for late work as long as the client does."""
    while True:
        try:
            return due.result(_LOOK_EVERY)
        except TimeoutError:
            if has_gone(connection):
                raise NoAnswer("the client left before the work was due") from None
        except CancelledError:
            raise NoAnswer("the emulator stopped before the work was due") from None


def has_gone(connection: socket.socket) -> bool:
    """Whether the client has closed its end."""
    readable, _, _ = select.select([connection], [], [], 0)
    try:
        return bool(readable) and connection.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True


def _as_told(fault: Fault) -> Response:
    body = fault.body
    if body is None and fault.status == 429:
        body = json.dumps(rate_limit_reached(300).body)
    if body is None:
        response = Response(b"", fault.status)
    elif isinstance(body, str):
        response = Response(body, fault.status, content_type="text/plain; charset=utf-8")
    else:
        response = Response(json.dumps(body), fault.status, content_type="application/json; charset=utf-8")
    response.headers.extend(list(fault.headers))
    return response


def _cut_off(whole: Response) -> Response:
    text = whole.get_data()
    response = Response(text[: len(text) // 2], whole.status_code, content_type="application/json; charset=utf-8")
    response.headers["Content-Length"] = str(max(len(text), 2))
    response.headers["Connection"] = "close"
    return response
