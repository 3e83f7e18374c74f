"""What can be set, and what can go wrong. That any of it can be changed is a test device of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Settings:
    """Settings to be changed while the console runs.

    ``failing``, ``cut_off``, ``other_header`` and ``dripping`` name a report by a word of its name: "findings"; ""
    means every one.
    """

    def __init__(self) -> None:
        self.user = "sync"
        self.password = "correct horse battery staple"  # nosec B105: invented
        # Official: 401. The message is a guess.
        self.wants_second_factor = False
        # That a user without the right to reports gets 403 is a guess.
        self.forbid_reports = False
        # How many requests from now on are answered with 503.
        self.busy = 0
        # Seconds between the creation of a report and the answer that tells it.
        self.created_after = 0.0
        # What the list of reports says instead of what there is.
        self.report_list: dict[str, Any] | None = None
        # How often a report says "running" before it is done.
        self.polls_until_ready = 1
        # Official: the words failed and aborted.
        self.failing: str | None = None
        self.fails_as = "failed"
        # Where a cut output ends: in the connection, in the last line, or cleanly before the last line.
        self.cut_off: str | None = None
        self.cut = "connection"
        self.other_header: str | None = None
        # An output that comes a letter at a time, and never ends.
        self.dripping: str | None = None
        # Documented only: an output may be compressed. How is a guess: "body" is a gzip file, "encoding" is said in
        # the header Content-Encoding.
        self.gzip: str | None = None
        # What the Date header says instead of the console's clock.
        self.date_header: str | None = None
        # Seconds that a query may take.
        self.statement_timeout = 60.0
        # Called with the name of each report once it was generated, so that the world can change between two reports.
        self.after_report: Callable[[str], None] | None = None

        # Without reports. That a user who may not see what is asked for gets 403 is a guess; official is 404.
        self.forbid_assets = False
        # Paths, as regular expressions, that are answered with 404.
        self.hidden: list[str] = []
        # Paths, as regular expressions, and how many requests of each are answered with 500 from now on. With a method
        # before it, as in "POST /sites", only those.
        self.failing_routes: dict[str, int] = {}
        # Called with the path of each request, with its query, once its answer is made: so the world can change between
        # two pages.
        self.after_answer: Callable[[str], None] | None = None
        # The end of the path of a list that says that it has 10^9 pages, of one whose every page is the first, and of
        # one that says that it has 2000 pages and gives empty ones.
        self.endless: str | None = None
        self.stuck: str | None = None
        self.hollow: str | None = None
        # Blanks in each page.
        self.padding = 0
        # By the number of an asset: how many of its findings the list of them leaves out.
        self.unlisted: dict[int, int] = {}
        # What a scan's status is instead of "finished".
        self.scan_status: dict[int, str] = {}

        # Writes. That a user who may not gets 403 is a guess.
        self.forbid_exceptions = False
        self.forbid_scans = False
        # Official: what an administrator asks for may be approved at once.
        self.approves_at_once = False
        # Method and path, as regular expressions, and how many answers of each are lost once the request was done.
        self.lost_answers: dict[str, int] = {}
