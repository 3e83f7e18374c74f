"""One client connection: HTTP/1.1, kept alive.

Werkzeug's own handler closes every connection after one answer, which would hide faults of a client's connection pool.
"""

import socket
import threading
from email.utils import formatdate
from typing import Any

from flask import Response
from werkzeug.serving import WSGIRequestHandler

from .gateway import Gateway, NoAnswer


class OpenConnections:
    """The sockets of all clients, so that stopping the emulator closes every connection."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()

    def add(self, connection: socket.socket) -> None:
        """A client has connected."""
        with self._lock:
            self._sockets.add(connection)

    def remove(self, connection: socket.socket) -> None:
        """A client has left."""
        with self._lock:
            self._sockets.discard(connection)

    def close_all(self) -> None:
        """Closes every connection."""
        with self._lock:
            connections, self._sockets = self._sockets, set()
        for connection in connections:
            hang_up(connection)


def hang_up(connection: socket.socket) -> None:
    """Shuts down both directions. The thread that owns the socket notices that and closes it."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


class ConnectionHandler(WSGIRequestHandler):
    """Reads requests, passes them to the gateway, and writes each response in one piece."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    gateway: Gateway
    connections: OpenConnections

    def setup(self) -> None:
        """Notes the connection."""
        self.connections.add(self.request)
        super().setup()

    def finish(self) -> None:
        """Forgets it."""
        self.connections.remove(self.request)
        try:
            super().finish()
        except OSError:
            pass

    def run_wsgi(self) -> None:
        """One request and its answer."""
        if self.headers.get("Expect", "").lower().strip() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()
        try:
            response = self.gateway.respond(self.make_environ())
        except NoAnswer:
            # The base class has this attribute and sets it while it handles a request.
            self.close_connection = True  # pylint: disable=attribute-defined-outside-init
            hang_up(self.connection)
            return
        self._write(response)

    def _write(self, response: Response) -> None:
        body = response.get_data()
        self.send_response(response.status_code)
        for name, value in response.headers.items():
            if name.lower() != "content-length":
                self.send_header(name, value)
        self.send_header("Content-Length", response.headers.get("Content-Length") or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The Date header, by Halo's clock."""
        return formatdate(self.gateway.clock.seconds() if timestamp is None else timestamp, usegmt=True)

    def version_string(self) -> str:
        """The Server header."""
        return "halo_emulator (a stand-in)"

    def log_request(self, *args: Any, **more: Any) -> None:
        """Logs nothing: `halo.requests` is the log."""

    def log_error(self, *args: Any) -> None:
        """Logs nothing either."""
