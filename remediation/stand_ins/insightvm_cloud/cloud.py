"""The service as a test uses it: to start, stop and inspect it, and to change the estate that it looks at."""

from __future__ import annotations

from flask import Flask

from stand_ins.loopback import Loopback

from .app import build_app
from .demo import seed_demo
from .estate import Estate
from .settings import Settings


class Cloud(Estate, Settings, Loopback):
    """A stand-in service on 127.0.0.1; no product of Rapid7, and fit for demos and tests only. All is in memory."""

    def __init__(self, port: int = 0) -> None:
        Estate.__init__(self)
        Settings.__init__(self)
        Loopback.__init__(self, port)

    def app(self) -> Flask:
        return build_app(self, self)

    def seed_demo(self) -> dict[str, str]:
        """Fill an empty estate and scan it once. The asset ids, by host name or else address."""
        return seed_demo(self)
