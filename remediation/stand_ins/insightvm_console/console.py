"""The console as a test uses it: to start, stop and inspect it, and to change the world that it looks at."""

from __future__ import annotations

import subprocess  # nosec B404: openssl, with constants
import threading
from email.utils import format_datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from .app import build_app
from .demo import seed_demo
from .reports import Reports
from .settings import Settings
from .world import World

HOST = "127.0.0.1"


class Console(World, Settings):
    """A stand-in console on 127.0.0.1; no product of Rapid7, and fit for demos and tests only.

    The world outlives the process, in the database. Reports, and what was set, do not.
    """

    def __init__(self, conninfo: str, tls: bool = False, port: int = 0) -> None:
        World.__init__(self, conninfo)
        Settings.__init__(self)
        self.port = port
        # The method and path of each request.
        self.requests: list[tuple[str, str]] = []
        self._tls = tls
        # Held for as long as the console is.  pylint: disable-next=consider-using-with
        self._folder = TemporaryDirectory(prefix="insightvm-console-") if tls else None
        self._reports = Reports()
        self._server: BaseWSGIServer | None = None

    def start(self) -> Console:
        """Listen; returns once a client can connect."""
        handler = type("Handler", (_Handler,), {"console": self})
        app = build_app(self, self._reports, self.conninfo)
        tls = self._certificate() if self._tls else None
        self._server = make_server(HOST, self.port, app, threaded=True, request_handler=handler, ssl_context=tls)
        self.port = self._server.port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), name="insightvm", daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Console:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{HOST}:{self.port}"

    @property
    def ca_file(self) -> Path:
        """The certificate that a client has to trust."""
        if self._folder is None:
            raise LookupError("there is a certificate with tls=True only")
        return Path(self._folder.name) / "certificate.pem"

    @property
    def reports(self) -> list[str]:
        """The names of the reports that nobody has deleted."""
        return [report.name for report in self._reports.by_number.values()]

    def lose_report(self) -> None:
        """Delete all reports behind their clients' backs."""
        self._reports.by_number.clear()

    def seed_demo(self) -> dict[str, int]:
        """Fill an empty world and scan it once. The asset ids, by host name or else address."""
        return seed_demo(self)

    def _certificate(self) -> tuple[str, str]:
        key = self.ca_file.with_name("key.pem")
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=console"]
        files = ["-addext", f"subjectAltName=IP:{HOST}", "-keyout", str(key), "-out", str(self.ca_file)]
        subprocess.run(command + files, check=True, capture_output=True)  # nosec B603: constants
        return str(self.ca_file), str(key)


class _Handler(WSGIRequestHandler):
    console: Console

    def run_wsgi(self) -> None:
        self.console.requests.append((self.command, self.path))
        super().run_wsgi()

    def date_time_string(self, timestamp: float | None = None) -> str:  # pylint: disable=unused-argument
        """The Date header, by the console's clock."""
        return self.console.date_header or format_datetime(self.console.now, usegmt=True)

    def log(self, type: str, message: str, *args: Any) -> None:  # pylint: disable=redefined-builtin  # the base's name
        """Log nothing: ``console.requests`` is the log."""
