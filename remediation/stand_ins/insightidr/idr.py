"""InsightIDR as a test uses it: to start, stop and inspect it, and to change the investigations that it has."""

from __future__ import annotations

from flask import Flask

from stand_ins.loopback import Loopback

from .app import build_app
from .demo import seed_demo
from .settings import Settings
from .world import World


class Idr(World, Settings, Loopback):
    """A stand-in InsightIDR on 127.0.0.1; no product of Rapid7, and fit for demos and tests only. All is in memory."""

    def __init__(self, port: int = 0) -> None:
        World.__init__(self)
        Settings.__init__(self)
        Loopback.__init__(self, port)

    def app(self) -> Flask:
        return build_app(self, self)

    def stop(self) -> None:
        """Stop listening, and let go what is slow."""
        self.released.set()
        super().stop()

    def seed_demo(self) -> dict[str, str]:
        """Fill an empty world. The RRNs of the investigations by their short names."""
        return seed_demo(self)
