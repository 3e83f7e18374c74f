"""What can be set, and what can go wrong. That any of it can be changed is a test device of ours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta


class Settings:
    """Settings to be changed while the stand-in runs."""

    def __init__(self) -> None:
        self.api_key = "0f6e9d1c-invented-key"
        # That a key without the right gets 403 is a guess.
        self.forbidden = False
        # So many requests are answered until so many seconds of the service's clock are over; then 429. A guess.
        self.limit: int | None = None
        self.window = 60
        # What the header Retry-After says instead of the seconds that are left; "" leaves it out.
        self.retry_after: str | None = None
        # Statuses with which the next requests are refused, one each.
        self.failing: list[int] = []
        # Only paths that end so are refused; "" means every one.
        self.failing_at = ""
        # How many of the next lists are answered only after so many seconds.
        self.hanging = 0
        self.hang = 1.0
        # Pages with more things than this are answered only after ``hang`` seconds. Seen live: large pages time out.
        self.slow_above: int | None = None
        # How many of the next lists break off in the middle, with their connection.
        self.cut_off = 0
        # How many of the next lists are no JSON.
        self.garbled = 0
        # How often a page is given again with the same cursor, for ever if negative.
        self.stuck = 0
        # Whether the empty page at the end has a cursor too.
        self.hollow = False
        # How many things of the page before begin each page.
        self.overlap = 0
        # By the name of a list: how many things more than there are each page says that there are.
        self.surplus: dict[str, int] = {}
        # Pages end here, with a null cursor, however much there is.
        self.ends_after: int | None = None
        # Definitions of vulnerabilities that the list leaves out.
        self.hidden: set[str] = set()
        # How far back the comparison is where a request does not say. That it is none at all is what two clients of the
        # real service rely on.
        self.comparison = timedelta(0)
        # Whether ``includeSame`` is obeyed.
        self.tells_same = True
        # By the id of an asset: the names that its object lacks.
        self.untold: dict[str, set[str]] = {}
        # The Date header instead of the service's clock.
        self.date_header: str | None = None
        # Called with the path of each request, with its query, once its answer is made: so the world can change between
        # two pages.
        self.after_answer: Callable[[str], None] | None = None
