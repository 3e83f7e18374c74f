"""Tenable as a test uses it: to start, stop and inspect it, and to change the world that it looks at."""

from __future__ import annotations

import threading
from email.utils import format_datetime
from types import TracebackType
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from .app import build_app
from .demo import seed_demo
from .exports import Exports
from .settings import Settings
from .world import World

HOST = "127.0.0.1"


class Tenable(World, Settings):
    """A stand-in Tenable Vulnerability Management on 127.0.0.1; no product of Tenable, for demos and tests only."""

    def __init__(self, port: int = 0) -> None:
        World.__init__(self)
        Settings.__init__(self)
        self.port = port
        # The method and path of each request.
        self.requests: list[tuple[str, str]] = []
        self._exports = Exports(self, self)
        self._server: BaseWSGIServer | None = None

    def start(self) -> Tenable:
        """Listen; returns once a client can connect."""
        handler = type("Handler", (_Handler,), {"tenable": self})
        app = build_app(self, self._exports)
        self._server = make_server(HOST, self.port, app, threaded=True, request_handler=handler)
        self.port = self._server.port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), name="tenable", daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop listening, and let go what hangs."""
        self.released.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Tenable:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def exports(self) -> list[dict[str, Any]]:
        """The exports, the oldest first: uuid, status, filters."""
        return [
            {"uuid": one.uuid, "status": one.status, "filters": one.filters} for one in self._exports.by_uuid.values()
        ]

    def export_elsewhere(self, **filters: Any) -> str:
        """Another client asks for an export, and never fetches it. Its UUID."""
        return self._exports.add(filters, 50).uuid

    def expire(self) -> None:
        """Forget all exports. Official: chunks are kept for 24 hours."""
        self._exports.by_uuid.clear()

    def seed_demo(self) -> dict[str, str]:
        """Fill an empty world and scan it once. The UUIDs of the assets by their short names."""
        return seed_demo(self)


class _Handler(WSGIRequestHandler):
    tenable: Tenable

    def run_wsgi(self) -> None:
        self.tenable.requests.append((self.command, self.path))
        super().run_wsgi()

    def date_time_string(self, timestamp: float | None = None) -> str:  # pylint: disable=unused-argument
        """The Date header, by Tenable's clock."""
        return format_datetime(self.tenable.now, usegmt=True)

    def log(self, type: str, message: str, *args: Any) -> None:  # pylint: disable=redefined-builtin  # the base's name
        """Log nothing: ``tenable.requests`` is the log."""
