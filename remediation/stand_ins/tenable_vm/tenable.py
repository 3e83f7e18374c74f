"""Tenable as a test uses it: to start, stop and inspect it, and to change the world that it looks at."""

from __future__ import annotations

from typing import Any

from flask import Flask

from stand_ins.loopback import Loopback

from .app import build_app
from .demo import seed_demo
from .exports import Exports
from .settings import Settings
from .world import World


class Tenable(World, Settings, Loopback):
    """A stand-in Tenable Vulnerability Management on 127.0.0.1; no product of Tenable, for demos and tests only."""

    def __init__(self, port: int = 0) -> None:
        World.__init__(self)
        Settings.__init__(self)
        Loopback.__init__(self, port)
        self._exports = Exports(self, self)

    def app(self) -> Flask:
        return build_app(self, self._exports)

    def stop(self) -> None:
        """Stop listening, and let go what hangs."""
        self.released.set()
        super().stop()

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
