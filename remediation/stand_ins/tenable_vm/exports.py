"""The exports that clients have asked for, and how far each is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from .settings import Settings
from .world import SEVERITIES, World

# Official: by default, what was found or fixed in the last 30 days.
USUAL = timedelta(days=30)
# Official: the bounds of the number of assets in a chunk; a number out of them becomes the next bound.
FEWEST, MOST = 50, 5000


@dataclass
class Export:
    """``chunks``: by number, the text of each; ``available`` are those that can be fetched."""

    uuid: str
    filters: dict[str, Any]
    assets_in_chunk: int
    created: datetime
    chunks: dict[int, bytes]
    polls_queued: int
    status: str = "QUEUED"
    available: list[int] = field(default_factory=list)

    @property
    def is_running(self) -> bool:
        """Whether it takes one of the two places."""
        return self.status in ("QUEUED", "PROCESSING")


class Exports:
    """All exports, by UUID, in the order of their creation."""

    def __init__(self, settings: Settings, world: World) -> None:
        self._settings = settings
        self._world = world
        self.by_uuid: dict[str, Export] = {}

    def running(self) -> list[Export]:
        """Those that have not ended."""
        return [export for export in self.by_uuid.values() if export.is_running]

    def like(self, filters: Mapping[str, Any]) -> Export | None:
        """Official: one that runs and has the same filters."""
        return next((export for export in self.running() if export.filters == filters), None)

    def add(self, filters: dict[str, Any], num_assets: int) -> Export:
        """Make an export. That it holds what is known at this moment is a guess."""
        size = min(max(num_assets, FEWEST), MOST)
        created = self._world.now
        chunks = self._chunks(filters, self._settings.assets_in_chunk or size)
        export = Export(str(uuid4()), filters, size, created, chunks, self._settings.polls_queued)
        self.by_uuid[export.uuid] = export
        return export

    def go_on(self, export: Export) -> None:
        """What happens between two looks at an export. Official: chunks are done in any order; here backwards."""
        if not export.is_running:
            return
        if export.polls_queued > 0:
            export.polls_queued -= 1
            return
        export.status = "PROCESSING"
        waiting = sorted(export.chunks.keys() - set(export.available), reverse=True)
        export.available += waiting[: self._settings.chunks_at_once]
        if len(export.available) == len(export.chunks):
            export.status = self._settings.ends_as

    def _chunks(self, filters: Mapping[str, Any], size: int) -> dict[int, bytes]:
        """Official: all findings of so many assets in each. That no chunk is made for no finding is a guess."""
        states = filters.get("state", ["OPEN", "REOPENED"])
        severities = [word.lower() for word in filters.get("severity", SEVERITIES)]
        since = filters.get("since") or int((self._world.now - USUAL).timestamp())
        by_asset: dict[str, list[dict[str, Any]]] = {}
        for key, finding in self._world.findings.items():
            row = self._world.exported(key)
            # Official: since is compared with the time of the fix for what is fixed, else with that of the sighting.
            moment = finding.last_fixed if finding.state == "FIXED" else finding.last_found
            if moment is not None and moment.timestamp() >= since:
                if finding.state in states and row["severity"] in severities:
                    by_asset.setdefault(key[0], []).append(row)
        parts = list(by_asset.values())
        groups = [parts[start : start + size] for start in range(0, len(parts), size)]
        return {
            number: json.dumps([row for rows in group for row in rows]).encode()
            for number, group in enumerate(groups, 1)
        }
