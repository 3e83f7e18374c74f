"""Tenable Vulnerability Management, the cloud (once tenable.io): an export of its vulnerabilities makes the rows.

An export is a job of Tenable's, made by one request, whose chunks of some assets each are fetched as they are ready.
How sure the facts here are: *official* is in Tenable's API description and documentation, also as kept by others; *a
guess* says so. Nothing was run against Tenable itself.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import logging
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl

from .answer_part import Part
from .errors import CutOff, NotUnderstood, ReportFailed, SourceBusy, SourceError, Unreachable
from .http_answer import LATER, Meanings, time_of
from .progress import Tell, unheard
from .scanner_rows import SCANNER_ROWS, scanner_rows
from .tenable_http import MEANINGS, TenableHttp

LOG = logging.getLogger(__name__)

EXPORTS = "/vulns/export"
JOBS = f"{EXPORTS}/status"
# Official: without them, FIXED is left out.
STATES = ("OPEN", "REOPENED", "FIXED")
SEVERITIES = ("info", "low", "medium", "high", "critical")
# Official: from 50 to 5000 assets in a chunk. The fewest, because a chunk is held in memory whole.
ASSETS_IN_CHUNK = 50
# Official: without a time, only what was found or fixed in the last 30 days is exported; and a time has ten digits.
# The first time of ten digits, in 2001, is before all that Tenable can hold.
BEGINNING = 1_000_000_000
# Official: since is compared with the time at which a scan found or fixed something. Its results come in when it ends,
# which is later, so each increment begins so much earlier. That no scan takes longer is a guess.
OVERLAP = timedelta(days=2)
# The most chunks that are believed.
MOST_CHUNKS = 1_000_000
LONGEST_PAUSE = 30.0

WAITING = ("QUEUED", "PROCESSING")
ENDED = ("FINISHED", "CANCELLED", "ERROR")
# Official: a chunk is kept for 24 hours, and 400 means that it is not ready.
OF_EXPORT: Meanings = {
    **MEANINGS,
    400: (ReportFailed, "Tenable does not give {path}, although it said that it is ready.", "Run again."),
    404: (ReportFailed, "Tenable does not know {path}: the export or the chunk has expired.", "Run again."),
}


class TenableVm:
    """Tenable, asked with the keys of a user that may export. What this user may not view is not in the rows.

    ``since``: only what was found or fixed since then, or up to two days before; everything where it is None. An
    increment does not tell what a person accepts or recasts between two scans of an asset, and nothing tells what was
    deleted, so read everything from time to time.

    ``last_export_began``: when the last export that was read whole began, by Tenable's clock; the next ``since``.
    ``has_read_all``: whether everything was asked for. It is also where ``since`` is still to come, by that clock.
    ``skew``: the seconds by which Tenable's clock was ahead of ours then; None where unknown. ``ca_file`` holds the
    authority of a proxy's certificate. ``request_timeout`` is the longest silence in seconds, ``export_timeout`` how
    long an export may take to be made and read: official, a chunk expires after 24 hours. ``tell`` hears, in words, how
    far a reading is.
    """

    def __init__(
        self,
        url: str,
        access_key: str,
        secret_key: str,
        *,
        since: datetime | None = None,
        ca_file: str | Path | None = None,
        tell: Tell = unheard,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        request_timeout: float = 60.0,
        export_timeout: float = 6 * 3600.0,
    ) -> None:
        self.last_export_began: datetime | None = None
        self.has_read_all = since is None
        self.skew: float | None = None
        trusted = str(ca_file) if ca_file else True
        self._connect: Callable[[], TenableHttp] = lambda: TenableHttp(
            url, access_key, secret_key, trusted, request_timeout, sleep, tell
        )
        self._read_until = since
        self._since = BEGINNING if since is None else max(int((since - OVERLAP).timestamp()), BEGINNING)
        self._tell = tell
        self._sleep = sleep
        self._clock = clock
        self._export_timeout = export_timeout

    def test(self) -> None:
        """Lists the exports. Official: that takes the right to export. Raises SourceError."""
        with closing(self._connect()) as http:
            _jobs(http)

    def rows(self) -> pl.DataFrame:
        """All rows of one export, with the columns SCANNER_ROWS. Raises SourceError and gives nothing when a part
        fails."""
        with closing(self._connect()) as http:
            uuid, began = self._begin(http)
            export = _Export(http, uuid, self._clock, self._sleep, self._export_timeout, self._tell)
            try:
                rows = export.rows()
            finally:
                export.cancel_unless_ended()
            self.last_export_began, self.skew = began, http.skew
            return rows

    def _begin(self, http: TenableHttp) -> tuple[str, datetime]:
        """Make an export: its UUID, and a time at which it was not yet made, by Tenable's clock.

        Where no answer comes, the export is looked for. If it is not listed, it is asked for once more. That makes two
        of them at worst, and harms nothing: an export only reads, Tenable refuses one that is like another that still
        runs (official: 409, with the UUID of that one), and gives up what nobody fetches.
        """
        jobs, date = _jobs(http)
        if self._read_until and self._read_until > time_of(date):
            # Tenable's clock was wrong then, or ours where Tenable told none.
            self._since, self.has_read_all = BEGINNING, True
        body = {
            "num_assets": ASSETS_IN_CHUNK,
            "filters": {"since": self._since, "state": list(STATES), "severity": list(SEVERITIES)},
        }
        before = {job.key("uuid") for job in jobs}
        self._tell("export: requested")
        answer = http.post(EXPORTS, body)
        if was_lost := answer is None:
            self._tell("export: no answer to the request, so it is looked for")
            for job in _jobs(http)[0]:
                if job.key("uuid") not in before and self._is_like_ours(job):
                    return job.key("uuid"), time_of(date)
            self._tell("export: it is not listed, so it is requested once more")
            answer = http.post(EXPORTS, body)
        if answer is None:
            raise Unreachable("Tenable did not answer the request for an export, twice.", LATER)
        part = _object(answer.content, EXPORTS)
        if answer.status == 409:
            active = part.key("active_job_id")
            if not was_lost or active in before:
                # Who made it is not known, nor what that user may view.
                raise SourceBusy(
                    "Tenable makes the same export for another request already.",
                    "Run again when it has ended. An administrator can cancel it in Tenable.",
                )
            return active, time_of(date)
        return part.key("export_uuid"), time_of(date)

    def _is_like_ours(self, job: Part) -> bool:
        """Whether a listed export asks for what ours does. Official: words are listed in capitals, and severities may
        be absent."""
        filters = job.part("filters")
        severities = {word.upper() for word in filters.texts("severity")}
        return (
            filters.whole("since") == self._since
            and {word.upper() for word in filters.texts("state")} == set(STATES)
            and severities in (set(), {word.upper() for word in SEVERITIES})
            and job.whole("num_assets_per_chunk") == ASSETS_IN_CHUNK
        )


class _Export:
    """One export, fetched as it is made."""

    def __init__(
        self,
        http: TenableHttp,
        uuid: str,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        seconds: float,
        tell: Tell,
    ) -> None:
        self._http = http
        self._path = f"{EXPORTS}/{quote(uuid, safe='')}"
        self._clock = clock
        self._sleep = sleep
        self._seconds = seconds
        self._end = clock() + seconds
        self._tell = tell
        self._has_ended = False
        # The rows of each chunk, by its number, and what chunks with rows had as content.
        self._chunks: dict[int, pl.DataFrame] = {}
        self._contents: set[bytes] = set()

    def rows(self) -> pl.DataFrame:
        """All of it. Raises SourceError."""
        pause = 1.0
        while True:
            status = self._status()
            if self._has_ended and not status.has("chunks_available"):
                raise NotUnderstood("The export has ended, and no list tells its chunks.", "Run again.")
            available = status.numbers("chunks_available")
            self._refuse_gaps(status, available)
            total = status.whole("total_chunks", most=MOST_CHUNKS) or 0
            new = [number for number in available if number not in self._chunks]
            for number in new:
                self._in_time(0.0)
                self._chunks[number] = self._chunk(number)
                count = sum(frame.height for frame in self._chunks.values())
                self._tell(f"export: {len(self._chunks):,} of {total or '?'} chunks, {count:,} rows")
            if self._has_ended:
                self._refuse_missing(status, total)
                frames = [self._chunks[number] for number in sorted(self._chunks)]
                return pl.concat(frames) if frames else pl.DataFrame(schema=SCANNER_ROWS)
            self._in_time(pause)
            if not new:
                self._tell(f"export: Tenable makes it, {len(self._chunks):,} of {total or '?'} chunks are fetched")
            self._sleep(pause)
            pause = 1.0 if new else min(2 * pause, LONGEST_PAUSE)

    def cancel_unless_ended(self) -> None:
        """Let an export that nobody will fetch not take the place of another: official, two run at a time."""
        if self._has_ended:
            return
        try:
            if self._http.post(f"{self._path}/cancel", {}, longest_wait=0.0) is None:
                LOG.warning("Tenable may still make the export %s: no answer to its cancellation", self._path)
        except SourceError as error:
            LOG.warning("Tenable may still make the export %s: %s", self._path, error.cause)

    def _status(self) -> Part:
        path = f"{self._path}/status"
        status = _object(self._http.get(path, OF_EXPORT).content, path)
        word = status.text("status")
        self._has_ended = word in ENDED
        if word in (*WAITING, "FINISHED"):
            return status
        if word == "CANCELLED":
            raise ReportFailed("Somebody cancelled the export in Tenable.", "Run again.")
        if word == "ERROR":
            raise ReportFailed(
                f"Tenable could not make the export. Its reason: {(status.text('reason') or 'none told')[:200]}",
                "Run again. If it stays so, ask Tenable's support.",
            )
        raise NotUnderstood("The export has a status that is not known.", "Look for a newer release of this service.")

    def _refuse_gaps(self, status: Part, available: list[int]) -> None:
        failed = {*status.numbers("chunks_failed"), *status.numbers("chunks_cancelled")}
        if failed:
            raise ReportFailed(
                f"Tenable could not make {len(failed)} of the chunks of the export.",
                "Run again. If it stays so, ask Tenable's support.",
            )
        if len(set(available)) != len(available) or not self._chunks.keys() <= set(available):
            raise NotUnderstood("Tenable lists a chunk of the export twice, or one no more.", "Run again.")

    def _refuse_missing(self, status: Part, total: int) -> None:
        """Official: how many chunks there are, and how many are empty. That an empty one may be absent from those that
        are available is a guess. So is that a total of 0 is none, as in the documentation's examples."""
        empty = sum(frame.is_empty() for frame in self._chunks.values())
        absent = max((status.whole("empty_chunks_count", most=MOST_CHUNKS) or 0) - empty, 0)
        there = len(self._chunks)
        # Where no total is told, the numbers of the chunks tell the least that there are: they count from 1, as in the
        # documentation's examples.
        total = total or max([*self._chunks, status.whole("finished_chunks", most=MOST_CHUNKS) or 0])
        if total not in (there, there + absent):
            raise ReportFailed(
                f"The export has ended with {there} chunks, not with the {total} that it has.", "Run again."
            )

    def _in_time(self, pause: float) -> None:
        if self._clock() + pause > self._end:
            raise ReportFailed(
                f"The export was not made and read within {self._seconds:.0f} seconds.",
                "Give it more time, or run it when Tenable has less to do.",
            )

    def _chunk(self, number: int) -> pl.DataFrame:
        path = f"{self._path}/chunks/{number}"
        content = self._http.get(path, OF_EXPORT).content
        findings = _json(content)
        if not isinstance(findings, list):
            if content.lstrip().startswith(b"["):
                raise CutOff(f"Tenable's answer to {path} ends before its end.", "Run again.")
            raise NotUnderstood(f"Tenable's answer to {path} is no list.", "Check that the address is Tenable's.")
        digest = hashlib.sha256(content).digest()
        if findings and digest in self._contents:
            raise NotUnderstood(f"Tenable's answer to {path} is that to another chunk.", "Run again.")
        self._contents.add(digest)
        rows = [row_of(Part(finding, path)) for finding in findings]
        return scanner_rows(pl.DataFrame(rows, schema=SCANNER_ROWS))


def row_of(finding: Part) -> dict[str, str | None]:
    """One of a chunk's findings, which are an asset, a plugin, a port and a protocol each.

    Official: all names; ``epss_score`` is a percentage; ``severity`` is the recast one; ``state`` is OPEN, REOPENED or
    FIXED; the UUID of an asset that is not tracked is another in each scan, so such an asset has none here.
    """
    asset, plugin, port, scan = (finding.part(name) for name in ("asset", "plugin", "port", "scan"))
    return {
        "asset_id": None if asset.is_no("tracked") else asset.text("uuid"),
        "host_name": _host_name(asset),
        "ip": asset.text("ipv4") or asset.text("ipv6"),
        "mac": asset.text("mac_address"),
        "os": ", ".join(asset.texts("operating_system")),
        "scan": scan.text("uuid"),
        "scan_started": scan.text("started_at"),
        "vulnerability": plugin.key("id"),
        "title": plugin.text("name"),
        "description": plugin.text("description"),
        "severity": finding.text("severity"),
        "family": plugin.text("family"),
        "cvss3": plugin.word("cvss3_base_score") or plugin.word("cvss4_base_score"),
        "cvss2": plugin.word("cvss_base_score"),
        "vpr": plugin.part("vpr").word("score"),
        "epss": _share(plugin.word("epss_score")),
        "exploits": plugin.word("exploit_available"),
        "cves": ",".join(plugin.texts("cve")),
        "solution_fix": plugin.text("solution"),
        "port": port.word("port"),
        "protocol": port.text("protocol"),
        "state": finding.text("state"),
        "accepted": _accepted(finding),
        "first_found": finding.word("first_found"),
        "last_found": finding.word("last_found"),
        "reintroduced": finding.word("resurfaced_date"),
        "fixed": finding.word("last_fixed"),
    }


def _host_name(asset: Part) -> str | None:
    for name in (asset.text("fqdn"), asset.text("hostname")):
        if name and not _is_address(name.strip()):
            return name
    return None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
        return True
    except ValueError:
        return False


def _share(percentage: str | None) -> str | None:
    """A percentage as a number from 0 to 1; what is no number stays as it is, for the judge of rows to find."""
    try:
        return None if percentage is None else f"{Decimal(percentage) / 100:f}"
    except ArithmeticError:
        return percentage


def _accepted(finding: Part) -> str | None:
    """Official: NONE, RECASTED or ACCEPTED, in capitals or not, and the comment of the rule."""
    word = finding.text("severity_modification_type")
    if word is None or word.upper() != "ACCEPTED":
        return None
    reason = finding.text("recast_reason")
    return f"{word}: {reason}" if reason else word


def _jobs(http: TenableHttp) -> tuple[list[Part], str]:
    """The exports that Tenable lists, the 1,000 newest, and the Date of the answer."""
    answer = http.get(JOBS, MEANINGS)
    part = _object(answer.content, JOBS)
    if not part.has("exports"):
        raise NotUnderstood(f"Tenable's answer to {JOBS} lists no exports.", "Check that the address is Tenable's.")
    return part.parts("exports"), answer.date


def _object(content: bytes, path: str) -> Part:
    return Part(_json(content), path)


def _json(content: bytes) -> Any:
    """What JSON says; None where it is none."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
