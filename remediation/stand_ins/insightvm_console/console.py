"""The console as a test uses it: to start, stop and inspect it, and to change the world that it looks at."""

from __future__ import annotations

import subprocess  # nosec B404: openssl, with constants
from pathlib import Path
from tempfile import TemporaryDirectory

from flask import Flask

from stand_ins.loopback import HOST, Loopback

from .app import build_app
from .demo import seed_demo
from .reports import Reports
from .settings import Settings
from .world import World


class Console(World, Settings, Loopback):
    """A stand-in console on 127.0.0.1; no product of Rapid7, and fit for demos and tests only.

    The world outlives the process, in the database. Reports, and what was set, do not.
    """

    def __init__(self, conninfo: str, tls: bool = False, port: int = 0) -> None:
        World.__init__(self, conninfo)
        Settings.__init__(self)
        Loopback.__init__(self, port)
        self._tls = tls
        # Held for as long as the console is.  pylint: disable-next=consider-using-with
        self._folder = TemporaryDirectory(prefix="insightvm-console-") if tls else None
        self._reports = Reports()

    def app(self) -> Flask:
        return build_app(self, self._reports, self)

    @property
    def url(self) -> str:
        return super().url.replace("http:", "https:") if self._tls else super().url

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

    def certificate(self) -> tuple[str, str] | None:
        """Made anew, for two days."""
        if not self._tls:
            return None
        key = self.ca_file.with_name("key.pem")
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=console"]
        files = ["-addext", f"subjectAltName=IP:{HOST}", "-keyout", str(key), "-out", str(self.ca_file)]
        subprocess.run(command + files, check=True, capture_output=True)  # nosec B603: constants
        return str(self.ca_file), str(key)
