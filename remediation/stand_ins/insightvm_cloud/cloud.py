"""The service as a test uses it: to start, stop and inspect it, and to change the estate that it looks at."""

from __future__ import annotations

import threading
from email.utils import format_datetime
from types import TracebackType
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from .app import build_app
from .demo import seed_demo
from .estate import Estate
from .settings import Settings

HOST = "127.0.0.1"


class Cloud(Estate, Settings):
    """A stand-in service on 127.0.0.1; no product of Rapid7, and fit for demos and tests only. All is in memory."""

    def __init__(self, port: int = 0) -> None:
        Estate.__init__(self)
        Settings.__init__(self)
        self.port = port
        # The method and path of each request, with its query.
        self.requests: list[tuple[str, str]] = []
        self._server: BaseWSGIServer | None = None

    def start(self) -> Cloud:
        """Listen; returns once a client can connect."""
        handler = type("Handler", (_Handler,), {"cloud": self})
        self._server = make_server(HOST, self.port, build_app(self, self), threaded=True, request_handler=handler)
        self.port = self._server.port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), name="insightvm-cloud", daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Cloud:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def seed_demo(self) -> dict[str, str]:
        """Fill an empty estate and scan it once. The asset ids, by host name or else address."""
        return seed_demo(self)


class _Handler(WSGIRequestHandler):
    cloud: Cloud

    def run_wsgi(self) -> None:
        self.cloud.requests.append((self.command, self.path))
        super().run_wsgi()

    def date_time_string(self, timestamp: float | None = None) -> str:  # pylint: disable=unused-argument
        """The Date header, by the service's clock."""
        return self.cloud.date_header or format_datetime(self.cloud.now, usegmt=True)

    def log(self, type: str, message: str, *args: Any) -> None:  # pylint: disable=redefined-builtin  # the base's name
        """Log nothing: ``cloud.requests`` is the log."""
