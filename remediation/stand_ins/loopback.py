"""How every stand-in listens: on 127.0.0.1, from ``start`` to ``stop`` or for the block of a ``with``."""

from __future__ import annotations

import socketserver
import threading
from abc import ABC, abstractmethod
from datetime import datetime
from email.utils import format_datetime
from types import TracebackType
from typing import Any, Self

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

HOST = "127.0.0.1"


class Listening(ABC):
    """Something that listens at ``port``, which is a free one where 0 is given.

    After ``stop``, ``start`` listens at the same port again.
    """

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self._server: socketserver.BaseServer | None = None

    @abstractmethod
    def made(self) -> socketserver.TCPServer:
        """A server that is bound to the port."""

    def start(self) -> Self:
        """Listen; returns once a client can connect."""
        self._server = server = self.made()
        self.port = int(server.server_address[1])
        name = type(self).__name__.lower()
        threading.Thread(target=server.serve_forever, args=(0.01,), name=name, daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Loopback(Listening):
    """A stand-in that speaks HTTP. ``requests`` are the method and the path, with its query, of each request."""

    # By the stand-in's own clock.
    now: datetime
    # What the Date header says instead.
    date_header: str | None = None

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.requests: list[tuple[str, str]] = []

    @abstractmethod
    def app(self) -> Flask:
        """What answers."""

    def certificate(self) -> tuple[str, str] | None:
        """The files of a certificate and its key, where it listens with TLS."""
        return None

    def made(self) -> BaseWSGIServer:
        """A server of ``app``."""
        handler = type("Handler", (_Handler,), {"stand_in": self})
        tls = self.certificate()
        return make_server(HOST, self.port, self.app(), threaded=True, request_handler=handler, ssl_context=tls)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{HOST}:{self.port}"


class _Handler(WSGIRequestHandler):
    stand_in: Loopback

    def run_wsgi(self) -> None:
        self.stand_in.requests.append((self.command, self.path))
        super().run_wsgi()

    def date_time_string(self, timestamp: float | None = None) -> str:  # pylint: disable=unused-argument
        """The Date header, by the stand-in's clock."""
        return self.stand_in.date_header or format_datetime(self.stand_in.now, usegmt=True)

    def log(self, type: str, message: str, *args: Any) -> None:  # pylint: disable=redefined-builtin  # the base's name
        """Log nothing: ``requests`` is the log."""
