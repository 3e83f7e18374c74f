"""InsightVM by its console: four SQL reports make a snapshot.

The coverage comes first, then the findings, then the exceptions, then what is told of vulnerabilities. A scan that ends
in between leaves a finding unsettled at worst, and an exception that is approved in between is never taken for a fix.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from uuid import uuid4

import polars as pl

from ..domain.snapshot import Proof, Snapshot
from . import insightvm_rows as rows_of
from .answer_part import Part
from .console_http import MEANINGS, ConsoleHttp
from .console_list import whole_list
from .errors import NotUnderstood, ReportFailed, SourceError, Unreachable
from .http_answer import time_of
from .private_folder import private_folder
from .progress import Tell, unheard
from .report_csv import ROWS, read_csv, unpacked

LOG = logging.getLogger(__name__)

# The reporting data model. The vendor's plugin asks for the same.
VERSION = "2.3.0"
STATUSES = ["vulnerable", "vulnerable-version", "potentially-vulnerable"]
NAME = "halo-sync"
# Official: a report that is "running" or "unknown" is not done yet.
WAITING = ("running", "unknown")
LONGEST_PAUSE = 30.0
PAGE = 500


class InsightVmConsole:
    """A console, asked with a user that may make reports. Each snapshot is a conversation of its own.

    ``skew``: the seconds by which the console's clock was ahead of ours in the last snapshot; None where unknown.
    ``ca_file`` holds the authority of a self-made certificate; ``verify=False`` trusts any. ``request_timeout`` is the
    longest silence in seconds, ``report_timeout`` how long the console may take to make one report, and again to send
    it. ``tell`` hears, in words, how far a reading is: it takes minutes. ``mark`` is in the names of its reports and of
    no other reader's: those that a reading has left, because it was killed, are deleted first. One reading at a time
    has a mark.
    """

    def __init__(
        self,
        url: str,
        user: str,
        password: str,
        *,
        ca_file: str | Path | None = None,
        verify: bool = True,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        request_timeout: float = 60.0,
        report_timeout: float = 3600.0,
        tell: Tell = unheard,
        mark: str = "",
    ) -> None:
        self._prefix = f"{NAME}-{mark}-" if mark else f"{NAME}-"
        self._mark = mark
        self.skew: float | None = None
        trusted = str(ca_file) if ca_file else verify
        self._connect: Callable[[], ConsoleHttp] = lambda: ConsoleHttp(
            url, user, password, trusted, request_timeout, sleep, MEANINGS
        )
        self._clock = clock
        self._sleep = sleep
        self._report_timeout = report_timeout
        self._tell = tell

    def test(self) -> None:
        """Logs in and asks for a report that is there, which proves no right to make one. Raises SourceError."""
        with closing(self._connect()) as http:
            http.ask("GET", "/reports?page=0&size=1")

    def snapshot(self) -> Snapshot:
        """All that the console knows, unfiltered. Raises SourceError and gives nothing when any part fails."""
        with closing(self._connect()) as http:
            if self._mark:
                _delete_all(http, self._prefix)
            covered, taken = self._rows(http, "coverage", rows_of.COVERAGE_COLUMNS)
            found, _ = self._rows(http, "findings", rows_of.FINDINGS_COLUMNS)
            excepted, _ = self._rows(http, "exceptions", rows_of.EXCEPTIONS_COLUMNS)
            described, _ = self._rows(http, "descriptions", rows_of.DESCRIPTIONS_COLUMNS)
            self.skew = http.skew
        return Snapshot(
            taken=taken,
            proof=Proof.SCAN,
            findings=rows_of.findings(found),
            assets=rows_of.assets(covered),
            coverage=rows_of.coverage(covered),
            exceptions=rows_of.exceptions(excepted),
            rows=found.height,
            descriptions=rows_of.descriptions(described),
        )

    def _rows(self, http: ConsoleHttp, title: str, columns: tuple[str, ...]) -> tuple[pl.DataFrame, datetime]:
        """The rows of one report, and when it was begun by the console's clock."""
        self._tell(f"report of the {title}: requested")
        with private_folder() as folder, _report(http, title, self._prefix) as (number, date):
            run = _number(http.ask("POST", f"/reports/{number}/generate")[0])
            self._wait(http, f"/reports/{number}/history/{run}", title)
            raw = folder / "output"
            http.download(
                f"/reports/{number}/history/{run}/output",
                raw,
                lambda done: self._tell(f"report of the {title}: {done:,} bytes fetched"),
                self._clock,
                self._report_timeout,
            )
            rows = read_csv(unpacked(raw), (*columns, ROWS))
            self._tell(f"report of the {title}: {rows.height:,} rows")
            return rows, time_of(date)

    def _wait(self, http: ConsoleHttp, path: str, title: str) -> None:
        begin = self._clock()
        end = begin + self._report_timeout
        pause = 1.0
        while (status := http.ask("GET", path)[0].get("status")) in WAITING:
            if self._clock() + pause > end:
                raise ReportFailed(
                    f"The report of the {title} was not done within {self._report_timeout:.0f} seconds.",
                    "Give it more time, or run it when the console has less to do.",
                )
            self._tell(f"report of the {title}: the console generates it, for {self._clock() - begin:.0f} s so far")
            self._sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        if status != "complete":
            raise ReportFailed(f"The report of the {title} failed.", "Look into the console's log of reports.")


@contextmanager
def _report(http: ConsoleHttp, title: str, prefix: str) -> Iterator[tuple[int, str]]:
    """A report on the console for the time of the block, and the Date of its creation; deleted whatever happens."""
    name = f"{prefix}{title}-{uuid4()}"
    number = None
    body = {
        "name": name,
        "format": "sql-query",
        "version": VERSION,
        "query": files(__package__).joinpath("reports", f"{title}.sql").read_text("utf-8"),
        "filters": {"severity": "all", "statuses": STATUSES},
        "timezone": "UTC",
    }
    try:
        answer, date = http.ask("POST", "/reports", body)
        number = _number(answer)
        yield number, date
    except (Unreachable, NotUnderstood):
        if number is None:
            # The report may have been made all the same.
            _delete_all(http, name)
        raise
    finally:
        if number is not None:
            _delete(http, number, name)


def _delete(http: ConsoleHttp, number: int, name: str) -> None:
    try:
        http.ask("DELETE", f"/reports/{number}")
    except SourceError as error:
        LOG.warning("The report %s stays on the console: %s", name, error.cause)


def _delete_all(http: ConsoleHttp, prefix: str) -> None:
    """Delete the reports whose names begin so. Where their list cannot be had or understood, they stay."""

    def ask(path: str) -> Part:
        return Part(http.ask("GET", path)[0], "/reports")

    try:
        found = whole_list(
            ask, "/reports", PAGE, lambda one: (one.key("id"), (one.given("id"), one.text("name") or ""))
        )
    except SourceError as error:
        LOG.warning("Reports %s may stay on the console: %s", prefix, error.cause)
        return
    for number, name in found.values():
        if name.startswith(prefix):
            _delete(http, number, name)


def _number(answer: dict[str, object]) -> int:
    number = answer.get("id")
    if not isinstance(number, int):
        raise NotUnderstood("The console's answer has no number.", "Check that the address is the console's.")
    return number
