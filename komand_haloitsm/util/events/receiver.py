"""Receives Halo's webhooks and keeps only what they say about tickets (``Notice``).

It is a WSGI application on waitress. Waitress reads all clients in one loop, so a slow client does not delay the
others, and it refuses bodies over the limit before it reads them. No content of a request is logged.
"""

from __future__ import annotations

import logging
import sys
import threading
from typing import Any, Callable, Iterable, Mapping

from waitress.server import create_server

from ..halo.webhook import SIGNATURE_HEADERS, Notice, UnreadableWebhook, is_authentic, notices

LARGEST_BODY = 1024 * 1024
_THREADS = 8
# More than any Halo opens. The bound limits how much memory slow clients can hold.
_CONNECTIONS = 2000
_SECONDS_OF_SILENCE = 20

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class PortUnavailable(Exception):
    """The port cannot be opened; ``cause`` and ``assistance`` tell a person why and what to do."""

    def __init__(self, port: int, reason: str) -> None:
        self.cause = f"The webhook port {port} cannot be opened: {reason}."
        self.assistance = "Each trigger with a webhook port needs one of its own. Choose a free port above 1023."
        super().__init__(self.cause)


class Receiver:
    """Listens on a port of all interfaces from ``start`` to ``stop``.

    ``take(notices)`` saves which tickets may have changed and returns when that is on disk. Only then is a
    delivery answered with 200.
    """

    def __init__(self, port: int, secret: str, take: Callable[[Iterable[Notice]], None], logger: Any) -> None:
        self._port = port
        self._secret = secret
        self._take = take
        self._logger = logger
        self._server: Any = None

    def start(self) -> None:
        """Listen. Raises PortUnavailable."""
        logging.getLogger("waitress").setLevel(logging.CRITICAL)
        # By default, Python lets the loop's thread compute for five milliseconds before another thread may run. A
        # thread that saves a webhook would wait that long after each disk access, and Halo expects an answer at once
        # (measured: make bench).
        sys.setswitchinterval(0.0005)
        try:
            self._server = create_server(
                self.answer,
                host="0.0.0.0",  # nosec B104: whoever fronts the port with TLS reaches it from outside the container
                port=self._port,
                threads=_THREADS,
                connection_limit=_CONNECTIONS,
                channel_timeout=_SECONDS_OF_SILENCE,
                cleanup_interval=5,
                max_request_body_size=LARGEST_BODY,
                max_request_header_size=32 * 1024,
                asyncore_use_poll=True,
                backlog=1024,
                ident=None,
            )
        except OSError as error:
            raise PortUnavailable(self._port, str(error.strerror)) from None
        threading.Thread(target=self._server.run, name="haloitsm-receiver", daemon=True).start()
        self._logger.info(f"HaloITSM trigger: receiving webhooks on port {self._port}.")

    def stop(self) -> None:
        """Stop listening. Every delivery that was answered with 200 is saved."""
        if self._server is not None:
            self._server.close()

    def answer(self, environ: Mapping[str, Any], start_response: StartResponse) -> list[bytes]:
        """The WSGI application."""
        status, headers, body = self._reply(environ)
        start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), *headers])
        return [body]

    def _reply(self, environ: Mapping[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
        method = environ["REQUEST_METHOD"]
        if method == "GET" and environ.get("PATH_INFO") == "/health":
            return "200 OK", [], b"ok\n"
        if method != "POST":
            return "405 Method Not Allowed", [("Allow", "POST")], b"POST only\n"
        body = environ["wsgi.input"].read(LARGEST_BODY + 1)
        if len(body) > LARGEST_BODY:
            return "413 Content Too Large", [], b"1 MiB at most\n"
        if not is_authentic(body, _headers(environ), self._secret):
            return "401 Unauthorized", [("WWW-Authenticate", 'Basic realm="webhook"')], b"not authenticated\n"
        try:
            self._take(notices(body))
        except UnreadableWebhook:
            return "400 Bad Request", [], b"JSON object or array of objects expected\n"
        # Whatever the error is, Halo must learn that the delivery was not saved.
        except Exception as error:  # pylint: disable=broad-exception-caught
            self._logger.error(f"HaloITSM trigger: a webhook could not be saved ({type(error).__name__}).")
            return "503 Service Unavailable", [("Retry-After", "5")], b"try again\n"
        return "200 OK", [], b"ok\n"


def _headers(environ: Mapping[str, Any]) -> dict[str, str]:
    names = (*SIGNATURE_HEADERS, "Authorization")
    return {name: str(environ.get("HTTP_" + name.upper().replace("-", "_"), "")) for name in names}
