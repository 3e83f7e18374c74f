"""Receives Halo's webhooks and keeps only what they say about tickets (``Notice``).

It is a WSGI application on waitress, which reads all clients in one loop, so a slow client does not delay the others.
No content of a request is logged, nor its sender.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from contextlib import suppress
from typing import Any, Callable, Iterable, Mapping, cast

from ..halo.webhook import SIGNATURE_HEADERS, Notice, UnreadableWebhook, is_authentic, notices
from .listener import LARGEST_BODY, RETRY_AFTER, Listener
from .refusals import NOT_AUTHENTICATED, Refusals

_THREADS = 8
_SHORTEST_SECRET = 16
# Deliveries that are being saved when the trigger stops, or opens its port again, are waited for so long.
_SECONDS_TO_FINISH = 2
_LONGEST_PAUSE = 60.0

# What is refused, as the log names it. A 503 is counted where its cause is known.
_REFUSED = {
    "400": "400 (no webhook's JSON)",
    "401": NOT_AUTHENTICATED,
    "405": "405 (not a POST)",
    "413": "413 (more than 1 MiB)",
}

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class PortUnavailable(Exception):
    """The port cannot be opened; ``cause`` and ``assistance`` tell a person why and what to do."""

    def __init__(self, port: int, reason: str) -> None:
        self.cause = f"The webhook port {port} cannot be opened: {reason}."
        self.assistance = "Each trigger with a webhook port needs one of its own. Choose a free port above 1023."
        super().__init__(self.cause)


class Receiver:
    """Listens on a port of all interfaces from ``start`` to ``stop``.

    ``take(notices)`` saves which tickets may have changed and returns when that is on disk. Only then is a delivery
    answered with 200. ``clock`` gives seconds; only differences matter.
    """

    def __init__(
        self,
        port: int,
        secret: str,
        take: Callable[[Iterable[Notice]], None],
        logger: Any,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._port = port
        self._secret = secret
        self._take = take
        self._logger = logger
        self._clock = clock
        self._refusals = Refusals(clock)
        self._stopping = threading.Event()
        self.listener: Listener | None = None
        self._thread = threading.Thread(target=self._serve, name="haloitsm-receiver", daemon=True)

    def start(self) -> None:
        """Listen. Raises PortUnavailable."""
        logging.getLogger("waitress").setLevel(logging.CRITICAL)
        # By default, Python lets the loop's thread compute for five milliseconds before another thread may run. A
        # thread that saves a webhook would wait that long after each disk access, and Halo expects an answer at once
        # (measured: make bench).
        sys.setswitchinterval(0.0005)
        try:
            self.listener = self._open()
        except OSError as error:
            raise PortUnavailable(self._port, _kind(error)) from None
        self._thread.start()
        self._logger.info(f"HaloITSM trigger: receiving webhooks on port {self._port}.")
        if len(self._secret) < _SHORTEST_SECRET:
            self._logger.warning(
                f"HaloITSM trigger: the connection's Webhook Secret has fewer than {_SHORTEST_SECRET} characters and "
                "can be guessed. Whoever guesses it can make the trigger read tickets. Choose a longer one, in the "
                "connection and in HaloITSM's webhook."
            )

    def stop(self) -> None:
        """Stop listening. Every delivery that was answered with 200 is saved."""
        self._stopping.set()
        if self._thread.is_alive():
            with suppress(OSError, AttributeError):
                # Otherwise the thread notices within a second. It may just have closed the listener.
                cast(Listener, self.listener).pull_trigger()
            self._thread.join(_SECONDS_TO_FINISH + 1)

    def _open(self) -> Listener:
        return Listener(self.answer, self._port, _THREADS, self._refusals.count, self._clock)

    def _serve(self) -> None:
        """The serving thread. Whatever ends the serving, the port is opened again, until ``stop``."""
        pause = 0.0
        while not self._stopping.wait(pause):
            since = self._clock()
            try:
                self.listener = self.listener or self._open()
                while not self._stopping.is_set():
                    self.listener.serve()
                    self._tell(self._refusals.line())
            # Without webhooks the trigger still polls, so no error may end it, nor this thread.
            except Exception as error:  # pylint: disable=broad-exception-caught
                pause = 0.0 if self._clock() - since >= _LONGEST_PAUSE else min(2 * pause + 1, _LONGEST_PAUSE)
                self._tell(
                    f"HaloITSM trigger: the webhook port {self._port} failed ({_kind(error)}). It is opened again in "
                    f"{pause:.0f} s; meanwhile only polls find changes."
                )
                self._shut()
        self._shut()
        self._tell(self._refusals.line(at_once=True))

    def _shut(self) -> None:
        listener, self.listener = self.listener, None
        if listener:
            listener.shut(_SECONDS_TO_FINISH)

    def _tell(self, line: str) -> None:
        # The log may be a file on a full disk.
        with suppress(OSError):
            if line:
                self._logger.warning(line)

    def answer(self, environ: Mapping[str, Any], start_response: StartResponse) -> list[bytes]:
        """The WSGI application."""
        status, headers, body = self._reply(environ)
        if status[:3] in _REFUSED:
            self._refusals.count(_REFUSED[status[:3]])
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
            self._refusals.count(f"503 (not saved: {type(error).__name__})")
            return "503 Service Unavailable", [RETRY_AFTER], b"try again\n"
        return "200 OK", [], b"ok\n"


def _kind(error: Exception) -> str:
    number = getattr(error, "errno", None)
    return f"{type(error).__name__}: {os.strerror(number)}" if number else type(error).__name__


def _headers(environ: Mapping[str, Any]) -> dict[str, str]:
    names = (*SIGNATURE_HEADERS, "Authorization")
    return {name: str(environ.get("HTTP_" + name.upper().replace("-", "_"), "")) for name in names}
