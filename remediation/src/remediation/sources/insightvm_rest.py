"""InsightVM by its console's API v3, for consoles that permit no reports: one asset after the other makes a snapshot.

What it cannot know: with which credentials an asset was scanned, and exceptions that nobody has approved. So a finding
that is missing is *no longer reported*, where its asset was assessed again, and never remediated (Proof.ASSESSED). The
list of assets comes first and each asset's findings later. A scan that ends in between leaves a finding unsettled at
worst. An exception is told in the finding that it hides, so it is never taken for a fix.

Keys are those of the reports: the numbers of assets and the natural ids of vulnerabilities and solutions.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import polars as pl

from ..domain.snapshot import ASSETS, COVERAGE, DESCRIPTIONS, EXCEPTIONS, FINDINGS, Proof, Snapshot
from . import insightvm_objects as objects
from .answer_part import Part
from .console_http import MEANINGS, ConsoleHttp
from .console_list import whole_list
from .descriptions import described
from .errors import NoRightToAssets, NotThere, NotUnderstood, SourceBusy, TooMuch, Unsteady
from .http_answer import LATER, Meanings, time_of
from .insightvm_objects import Found, Listed
from .kept_reading import KeptReading, kept_reading
from .progress import Tell, unheard

# So many requests at once: nothing is official about what a console bears.
AT_ONCE = 4
# Official: 500 at most. An asset comes with its services and software, so fewer of them in one answer.
PAGE, PAGE_OF_ASSETS = 500, 100
# So often an asset that changes under the reading is read.
TRIES = 5
# Official: 404 and 500. That 403 means a right that is missing is a guess.
REFUSALS: Meanings = {
    **MEANINGS,
    403: (
        NoRightToAssets,
        "The console's user may not see {path}.",
        "Give it a role and access to all sites whose findings are to be read.",
    ),
    404: (
        NotThere,
        "The console does not know {path}, or does not show it to this user.",
        "Check the address, and that the user has access to all sites whose findings are to be read.",
    ),
    500: (SourceBusy, "The console fails at {path}.", f"{LATER} If it stays so, look into the console's log."),
}

Value = TypeVar("Value")


@dataclass(frozen=True)
class AssetRead:
    """What was read of one asset. ``solutions``: by vulnerability, the id of each open finding's solution.

    ``is_partial``: it lists fewer findings than it counts, so it counts as not assessed.
    """

    tags: dict[str, list[str]]
    found: list[Found]
    solutions: dict[str, str | None]
    is_partial: bool = False


class InsightVmRest:
    """A console, asked with a user that may see its assets. Parameters and ``skew`` are those of InsightVmConsole.

    ``notes``: sentences on what of the last reading could not be used. ``reading_timeout`` is how many seconds a whole
    reading may take. ``keep`` is a file in which an unfinished reading keeps what it has: the next one goes on there,
    if it begins within the hour and for assets that are still the same.
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
        now: Callable[[], float] = time.time,
        request_timeout: float = 60.0,
        reading_timeout: float = 86400.0,
        keep: Path | None = None,
        tell: Tell = unheard,
    ) -> None:
        self.skew: float | None = None
        self.notes: tuple[str, ...] = ()
        trusted = str(ca_file) if ca_file else verify
        self._connect: Callable[[], ConsoleHttp] = lambda: ConsoleHttp(
            url, user, password, trusted, request_timeout, sleep, REFUSALS
        )
        self._clock = clock
        self._now = now
        self._reading_timeout = reading_timeout
        self._keep = keep
        self._of = f"{url} {user}"
        self._tell = tell

    def test(self) -> None:
        """Logs in and asks for one asset. Raises SourceError."""
        with closing(self._connect()) as http:
            http.ask("GET", "/assets?page=0&size=1")

    def snapshot(self) -> Snapshot:
        """All that the console shows to its user, unfiltered. Raises SourceError; gives nothing when a part fails."""
        http = self._connect()
        requests = _Requests(http, self._clock, self._reading_timeout)
        try:
            with kept_reading(self._keep, self._of, self._now) as kept:
                reading = _Reading(requests, kept, self._tell)
                snapshot = reading.snapshot()
            self.skew, self.notes = http.skew, tuple(reading.notes)
            return snapshot
        finally:
            requests.stop()
            http.close()


class _Requests:
    """The requests of one reading, until its time is over. From any thread."""

    def __init__(self, http: ConsoleHttp, clock: Callable[[], float], seconds: float) -> None:
        self._http = http
        self._clock = clock
        self._seconds = seconds
        self._end = clock() + seconds
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let no thread begin another request."""
        self._stopped.set()

    def get(self, path: str) -> tuple[Part, str]:
        """An answer and its Date header."""
        if self._stopped.is_set() or self._clock() > self._end:
            raise TooMuch(
                f"The console could not be read within {self._seconds:.0f} seconds.",
                "The next run goes on where this one ended, if it begins within the hour.",
            )
        answer, date = self._http.ask("GET", path)
        return Part(answer, path.partition("?")[0]), date

    def part(self, path: str) -> Part:
        """An answer."""
        return self.get(path)[0]

    def listed(
        self, path: str, size: int, read: Callable[[Part], tuple[str, Value]], tell: Tell = unheard
    ) -> dict[str, Value]:
        """All of a paged list, by key. Raises Unsteady."""
        return whole_list(self.part, path, size, read, tell)


class _Reading:
    """One reading. ``notes``: see InsightVmRest."""

    def __init__(self, requests: _Requests, kept: KeptReading, tell: Tell) -> None:
        self._requests = requests
        self._kept = kept
        self._tell = tell
        self.notes: list[str] = []
        # What is known of each solution, by its id.
        self._solutions: dict[str, dict[str, Any]] = {}

    def snapshot(self) -> Snapshot:
        """The whole. Raises SourceError."""
        _, date = self._requests.get("/assets?page=0&size=1")
        assets = self._requests.listed(
            "/assets",
            PAGE_OF_ASSETS,
            lambda part: (part.key("id"), objects.listed(part)),
            self._telling("assets listed"),
        )
        sites = self._sites()
        scans = self._scans({one.scan for one in assets.values() if one.scan})
        read = self._assets(assets)
        self._judge(read.values())
        vulnerabilities = self._vulnerabilities(
            {one.vulnerability for asset in read.values() for one in asset.found if one.is_open}
        )
        # What is gone since the assets were listed is in no frame.
        there = [assets[key] for key in read]
        return Snapshot(
            taken=time_of(date),
            proof=Proof.ASSESSED,
            findings=self._findings(there, read, vulnerabilities),
            assets=_frame(ASSETS, (_asset_row(one, sites.get(one.asset, []), read[one.asset].tags) for one in there)),
            coverage=_frame(COVERAGE, (_coverage_row(one, scans, read[one.asset]) for one in there)),
            exceptions=_frame(EXCEPTIONS, _exception_rows(read)),
            rows=sum(one.is_open for asset in read.values() for one in asset.found),
            descriptions=described(_frame(DESCRIPTIONS, vulnerabilities)),
        )

    def _telling(self, what: str) -> Tell:
        return lambda text: self._tell(f"{what}: {text}")

    def _note(self, text: str) -> None:
        self.notes.append(text)
        self._tell(text)

    def _judge(self, read: Collection[AssetRead]) -> None:
        """Note the assets that do not list all of their findings. Raises NotUnderstood where none lists any."""
        partial = sum(one.is_partial for one in read)
        if partial and not any(one.found for one in read):
            raise NotUnderstood(
                "The console lists no finding of any asset, although it counts some.",
                "Check that the user may see the vulnerabilities of assets. Nothing was taken from it.",
            )
        if partial:
            self._note(f"{partial:,} assets do not list all of their findings: they count as not assessed")

    def _sites(self) -> dict[str, list[str]]:
        """The names of each asset's sites."""
        sites = self._requests.listed("/sites", PAGE, lambda part: (part.key("id"), part.text("name")))
        names: dict[str, list[str]] = {}
        for site, name in sites.items():
            inside = self._requests.listed(
                f"/sites/{_in_path(site)}/assets",
                PAGE_OF_ASSETS,
                lambda part: (part.key("id"), None),
                self._telling(f"assets of the site {name}"),
            )
            for asset in inside:
                names.setdefault(asset, []).append(name or site)
        return names

    def _scans(self, scans: Collection[str]) -> dict[str, tuple[datetime, datetime | None]]:
        """Begin and end of each scan that is finished. One that the console does not show is not known."""

        def ask(scan: str) -> tuple[datetime, datetime | None] | None:
            try:
                return objects.scanned(self._requests.part(f"/scans/{_in_path(scan)}"))
            except NotThere:
                return None

        known = {}
        for scan, times in self._each(scans, ask, "scans"):
            if times:
                known[scan] = times
        return known

    def _assets(self, assets: dict[str, Listed]) -> dict[str, AssetRead]:
        """What is read of each asset, or was kept of it, without those that are gone."""
        read = self._kept_assets(assets)
        if read:
            self._tell(f"assets: {len(read):,} are kept from the reading before, and have not changed since")
        left = [key for key in assets if key not in read]
        for key, result in self._each(left, lambda key: self._asset(assets[key]), "assets"):
            if result is None:
                continue
            read[key], solutions = result
            for solution in solutions:
                if solution["solution"] not in self._solutions:
                    self._solutions[solution["solution"]] = solution
                    self._kept.put("solution", solution["solution"], solution)
            if not read[key].is_partial:
                self._kept.put("asset", key, asdict(read[key]), assets[key].version)
        return {key: read[key] for key in assets if key in read}

    def _kept_assets(self, assets: dict[str, Listed]) -> dict[str, AssetRead]:
        """What the reading before kept of the assets that are still as they were."""
        self._solutions |= {key: row for (key, _), row in self._kept.of("solution").items()}
        read = {}
        for (key, version), row in self._kept.of("asset").items():
            has_solutions = all(one in self._solutions for one in row["solutions"].values() if one)
            if has_solutions and key in assets and assets[key].version == version:
                found = [Found(**{**one, "exceptions": tuple(one["exceptions"])}) for one in row["found"]]
                read[key] = AssetRead(row["tags"], found, row["solutions"])
        return read

    def _asset(self, asset: Listed) -> tuple[AssetRead, list[dict[str, Any]]] | None:
        """What the console says of an asset, and the solutions in it; None where the asset is gone."""
        path = f"/assets/{_in_path(asset.asset)}"
        try:
            return self._read_asset(path, asset.counted)
        except NotThere:
            try:
                self._requests.get(path)
            except NotThere:
                return None
            raise

    def _read_asset(self, path: str, counted: int) -> tuple[AssetRead, list[dict[str, Any]]]:
        unknown_before: set[str] = set()
        for _ in range(TRIES):
            tags = objects.tags(self._requests.part(f"{path}/tags"))
            found, is_partial = self._found(path, counted)
            best: dict[str, dict[str, Any] | None] = {}
            unknown = set()
            for key in (key for key, one in found.items() if one.is_open):
                try:
                    best[key] = objects.best_solution(
                        self._requests.part(f"{path}/vulnerabilities/{_in_path(key)}/solution")
                    )
                except NotThere:
                    best[key] = None
                    unknown.add(key)
            # What the console does not know may have gone since it was listed. If it is listed again, it has none.
            if unknown <= unknown_before:
                solutions = {key: str(one["solution"]) if one else None for key, one in best.items()}
                read = AssetRead(tags, list(found.values()), solutions, is_partial)
                return read, [one for one in best.values() if one]
            unknown_before = unknown
        raise Unsteady(
            f"The findings of {path} were others each of {TRIES} times that they were read.",
            "Run again when no scan is about to end.",
        )

    def _found(self, path: str, counted: int) -> tuple[dict[str, Found], bool]:
        """The findings of an asset, and whether they are fewer than it counts, also the second time."""
        for _ in range(2):
            found = self._requests.listed(f"{path}/vulnerabilities", PAGE, _keyed)
            # Whether a finding with several instances counts once is not known: it may, so it counts for all of them.
            if sum(max(1, one.instances or 0) for one in found.values()) >= counted:
                return found, False
            # The count may be older than the findings.
            counted = objects.counted(self._requests.part(path))
        return found, True

    def _vulnerabilities(self, keys: Collection[str]) -> list[dict[str, Any]]:
        """What the console says of each vulnerability; of one that it does not show, the id alone.

        Raises NotThere where it shows none.
        """
        rows = {key: row for (key, _), row in self._kept.of("vulnerability").items() if key in keys}

        def ask(key: str) -> dict[str, Any] | None:
            try:
                told = self._requests.part(f"/vulnerabilities/{_in_path(key)}")
            except NotThere:
                return None
            return {**objects.vulnerability(told), "vulnerability": key}

        for key, row in self._each([key for key in keys if key not in rows], ask, "vulnerabilities"):
            if row is not None:
                rows[key] = row
                self._kept.put("vulnerability", key, row)
        unknown = sorted(set(keys) - rows.keys())
        if unknown and not rows:
            raise NotThere(
                "The console does not know any vulnerability under /vulnerabilities, or shows none to this user.",
                "Check the address, and that the user may see the vulnerabilities of assets.",
            )
        if unknown:
            self._note(f"{len(unknown):,} vulnerabilities are not shown by the console: nothing but their ids is known")
        return [*rows.values(), *({"vulnerability": key} for key in unknown)]

    def _findings(
        self, assets: list[Listed], read: dict[str, AssetRead], vulnerabilities: list[dict[str, Any]]
    ) -> pl.DataFrame:
        """The open findings, with what is known of their vulnerability and their solution."""
        rows = (
            {
                "asset": asset.asset,
                "vulnerability": one.vulnerability,
                # A vulnerability without a solution stands for its solution itself.
                "solution": read[asset.asset].solutions.get(one.vulnerability) or one.vulnerability,
                "instances": one.instances,
                "first_found": datetime.fromisoformat(one.since) if one.since else None,
                # What is listed is what the last look at the asset saw.
                "last_found": asset.assessed,
            }
            for asset in assets
            for one in read[asset.asset].found
            if one.is_open
        )
        own = ("asset", "vulnerability", "solution", "instances", "first_found", "last_found")
        pairs = _frame({name: FINDINGS[name] for name in own}, rows)
        of_vulnerability = ("vulnerability", "title", "severity", "cvss", "risk", "exploits", "cves")
        of_solution = [name for name in FINDINGS if name == "solution" or name.startswith("solution_")]
        return (
            pairs.join(_frame({name: FINDINGS[name] for name in of_vulnerability}, vulnerabilities), on="vulnerability")
            .join(
                _frame({name: FINDINGS[name] for name in of_solution}, self._solutions.values()),
                on="solution",
                how="left",
            )
            .with_columns(
                pl.lit(None, FINDINGS[name]).alias(name) for name in ("reintroduced", "vpr", "epss", "family")
            )
            .select(list(FINDINGS))
            .sort("asset", "vulnerability")
        )

    def _each(self, keys: Collection[str], ask: Callable[[str], Value], what: str) -> Iterator[tuple[str, Value]]:
        """What ``ask`` gives for each key, in the order in which the answers come; the first error ends it."""
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="insightvm") as pool:
            asked = {pool.submit(ask, key): key for key in keys}
            try:
                for number, done in enumerate(as_completed(asked), start=1):
                    self._tell(f"{what}: {number:,} of {len(asked):,} read")
                    yield asked[done], done.result()
            except BaseException:
                self._requests.stop()
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _keyed(finding: Part) -> tuple[str, Found]:
    one = objects.found(finding)
    return one.vulnerability, one


def _asset_row(asset: Listed, sites: list[str], tags: dict[str, list[str]]) -> dict[str, Any]:
    own = {"asset": asset.asset, "host_name": asset.host_name, "ip": asset.ip, "mac": asset.mac, "os": asset.os}
    return {**own, "sites": sites, **tags}


def _coverage_row(asset: Listed, scans: dict[str, tuple[datetime, datetime | None]], read: AssetRead) -> dict[str, Any]:
    """When an asset was assessed. A scan that is not known to be finished proves nothing, so it is left out whole; so
    is that of an asset that does not list all of its findings."""
    row: dict[str, Any] = {"asset": asset.asset, "host_name": asset.host_name, "ip": asset.ip}
    if read.is_partial:
        return row
    if asset.scan is None:
        return {**row, "assessed": asset.assessed}
    if asset.scan not in scans:
        return row
    started, finished = scans[asset.scan]
    return {
        **row, "scan": asset.scan, "scan_started": started, "scan_finished": finished, "assessed": asset.assessed
    }  # fmt: skip


def _exception_rows(read: dict[str, AssetRead]) -> Iterable[dict[str, Any]]:
    """The exceptions that hide something. The console applies approved ones only, and tells no more in a finding."""
    for asset, told in read.items():
        for one in told.found:
            for exception in one.exceptions:
                yield {
                    "asset": asset, "vulnerability": one.vulnerability, "exception": exception, "status": "Approved"
                }  # fmt: skip


def _frame(schema: dict[str, Any], rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)


def _in_path(key: str) -> str:
    return quote(key, safe="")
