"""What can be set, and what can go wrong. That any of it can be changed is a test device of ours."""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import Enum


class Fault(Enum):
    """What can happen to one request. What is not said to be done is not done."""

    BUSY = "429, with Retry-After"
    BUSY_UNTOLD = "429, without Retry-After"
    FAILS = "500"
    FAILS_AFTER = "done, and 500"
    UNHEARD = "the connection is closed"
    CUT_OFF = "done, and the connection is closed"
    CUT_SHORT = "done, and the answer ends in its middle, with the connection"
    SLOW = "done, and answered only after ``hang`` seconds"
    HTML = "200, with a page of a proxy"
    HTML_AFTER = "done, and 200 with a page of a proxy"
    REDIRECT = "302 to another place"


class Settings:
    """Settings to be changed while the stand-in runs."""

    def __init__(self) -> None:
        self.api_key = "0f6e9d1c-invented-idr-key"
        # Official: the kinds of a comment's creator are USER, ORG_API_KEY and SYSTEM. Seen live: a key of a person
        # writes as that person.
        self.key_kind, self.key_name = "USER", "HaloITSM Sync"
        # That a key without the right gets 403 is official; that it is so for every path is a guess.
        self.forbidden = False
        # Whether the key may read only.
        self.read_only = False
        # What happens to the next requests whose "METHOD /path" this regular expression matches, one each.
        self.faults: list[Fault] = []
        self.faulty = ".*"
        # The seconds that Retry-After tells.
        self.retry_after = "7"
        # How long a slow answer takes, in seconds, unless ``released`` is set before.
        self.hang = 1.0
        self.released = threading.Event()
        # How many of the next pages begin with the last thing of the page before, as if something had come before it,
        # and how many lack their last one. In both cases as many are counted as before.
        self.repeating = 0
        self.leaving_out = 0
        # How many things more than there are each page says that there are.
        self.surplus = 0
        # Whether the newest comment is listed first. In which order they come is not known.
        self.newest_comment_first = False
        # What an answer is instead, by a regular expression of its path.
        self.answers: dict[str, bytes] = {}
        # Called with the method and the path of each request, with its query, once its answer is made: so the world can
        # change between two pages.
        self.after_answer: Callable[[str, str], None] | None = None
