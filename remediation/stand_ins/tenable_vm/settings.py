"""What can be set, and what can go wrong. That any of it can be changed is a test device of ours."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Settings:
    """Settings to be changed while the stand-in runs. Chunks go by their numbers, paths by regular expressions."""

    def __init__(self) -> None:
        # Official: 64 hexadecimal digits each.
        self.access_key = "a" * 64
        self.secret_key = "b" * 64  # nosec B105: invented
        # Whether the user of the keys may export.
        self.may_export = True
        # How often an export says QUEUED, and how many of its chunks become available with each request after that.
        self.polls_queued = 1
        self.chunks_at_once = 1
        # Assets in a chunk, instead of what is asked for, which is 50 at least.
        self.assets_in_chunk: int | None = None
        # Whether the totals are told in a status.
        self.tells_totals = True

        # So many requests a minute, by this clock in seconds, then 429. Official: the status and Retry-After.
        self.requests_a_minute: int | None = None
        self.clock: Callable[[], float] = time.monotonic
        # What Retry-After says instead of the seconds to wait; "" leaves it out.
        self.retry_after: str | None = None

        # By path: how many requests of it are answered with 503, and of how many the connection is closed.
        self.failing: dict[str, int] = {}
        self.breaking: dict[str, int] = {}
        # Paths that are not answered until ``released`` is set.
        self.hanging: str | None = None
        self.released = threading.Event()
        # How the next requests for an export go: "lost" is carried out and not answered, "unheard" neither.
        self.creations: list[str] = []

        # How often a chunk is cut off: in the connection, or cleanly in the middle of its text.
        self.cut: dict[int, int] = {}
        self.cut_cleanly: dict[int, int] = {}
        # Chunks that are answered with 404 as expired ones are.
        self.expired: set[int] = set()
        # Chunks that are answered with 400 as those that are not ready, although they are listed.
        self.unready: set[int] = set()
        # Chunks that are as the first one.
        self.repeated: set[int] = set()
        # Chunks that failed, that nobody lists, and that are listed twice.
        self.failed: set[int] = set()
        self.unlisted: set[int] = set()
        self.listed_twice: set[int] = set()
        # What the status is instead of FINISHED. Official: ERROR, CANCELLED and a reason.
        self.ends_as = "FINISHED"
        self.reason = "An unexpected error occurred while processing the export. Try again later."
        # Another address to which every request is redirected.
        self.redirect: str | None = None
        # What an answer is instead, by path.
        self.answers: dict[str, bytes] = {}
