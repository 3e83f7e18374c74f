"""InsightVM in the cloud, by its Integrations API v4: all assets with their findings, and what the findings mean.

**What is present.** Official: the service compares each asset now with a ``comparisonTime``. It lists as ``same`` what
was present at both times, as ``new`` what is present only now, and as ``remediated`` what was present only then. So
``same`` and ``new`` together are all that is present, whatever the time of comparison. None is sent: then it is now,
``same`` holds everything, and pages are smallest (two other clients rely on that). Both lists are read all the same.

**What is not listed.** An asset that lacks ``same``, or lists less than it counts, tells only a part. What it lists is
taken in, and it counts as not assessed, so that what is missing proves nothing.

**What is not proved.** ``remediated`` is not read. It is the difference of two instants and tells nothing of what lies
between them, nor with which credentials a scan looked. A finding that is missing is *no longer reported*, where its
asset was assessed again (Proof.ASSESSED).

**Solutions.** A finding may be listed with several solutions on one asset. One is chosen for it: known ones before
unknown ones, rollups before patches before workarounds, then the smallest id. There is one row for each port and
protocol of the finding, all with that solution, with the earliest first and the latest last sighting told for it.

**Exceptions.** A finding all of whose instances on an asset have a status of an exception is a row with ``accepted``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode

import polars as pl

from . import insightvm_cloud_objects as objects
from .answer_part import Part
from .errors import NotUnderstood, Unsteady
from .http_answer import time_of
from .insightvm_cloud_http import CloudHttp, TooLarge
from .insightvm_cloud_objects import ASSET, DEFINITION, FINDING, REMEDY, Row
from .progress import Tell, unheard
from .scanner_rows import NO_FINDING, SCANNER_ROWS

API = "/vm/v4/integration"
REGIONS = ("us", "us2", "us3", "eu", "ca", "au", "ap", "aps2", "me1")
# Official: 500 at most. Seen live: large pages time out. An asset comes with all its findings.
MOST_ASSETS, MOST_DEFINITIONS, LEAST = 100, 400, 5
# So often assets that change under the reading are read.
TRIES = 3


def region_url(region: str) -> str:
    """The address of the service in a region. Raises ValueError."""
    if region not in REGIONS:
        raise ValueError(f"There is no region {region}: it is one of {', '.join(REGIONS)}.")
    return f"https://{region}.api.insight.rapid7.com"


class InsightVmCloud:
    """The service at ``url``, as a key of its platform sees it. Each reading is a conversation of its own.

    ``skew``: the seconds by which the service's clock was ahead of ours in the last reading; None where unknown.
    ``taken``: when that reading began, by the service's clock. ``notes``: sentences on what of it could not be used.
    ``ca_file`` holds the authority of a proxy that answers for the service. ``request_timeout`` is the longest silence
    and ``reading_timeout`` the longest reading, in seconds. ``tell`` hears, in words, how far a reading is.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        ca_file: str | Path | None = None,
        tell: Tell = unheard,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        request_timeout: float = 120.0,
        reading_timeout: float = 43200.0,
    ) -> None:
        self.skew: float | None = None
        self.taken: datetime | None = None
        self.notes: tuple[str, ...] = ()
        self._tell = tell
        trusted = str(ca_file) if ca_file else True
        self._connect: Callable[[], CloudHttp] = lambda: CloudHttp(
            url, api_key, trusted, request_timeout, sleep, clock, reading_timeout
        )

    def test(self) -> None:
        """Has the key checked, and asks for one asset. Raises SourceError."""
        with closing(self._connect()) as http:
            http.ask("GET", "/validate")
            next(_Reading(http, self._tell).pages("assets", 1))

    def rows(self) -> pl.DataFrame:
        """All that the key may see, with the columns SCANNER_ROWS: a row for each instance of a finding, and one for
        each asset without any. Raises SourceError; gives nothing when a part fails."""
        with closing(self._connect()) as http:
            reading = _Reading(http, self._tell)
            rows = reading.rows()
            self.skew, self.taken, self.notes = http.skew, reading.began, tuple(reading.notes)
        return rows


class _Changed(Exception):
    """The pages of a list do not fit together."""


class _Assets:
    """What the pages with assets have held so far, as frames, so that memory is bounded by what they hold."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}
        # The vulnerabilities that were found.
        self.needed: set[str] = set()
        self.partial = 0
        self.found = 0
        self._assets: list[pl.DataFrame] = []
        self._findings: list[pl.DataFrame] = []
        self._remedies: dict[str | None, Row] = {}

    def add(self, parts: list[Part]) -> None:
        """Take in a page. Raises _Changed."""
        fresh = []
        for part in parts:
            one = objects.asset(part)
            if one.key not in self.seen:
                self.seen[one.key] = one.content
                fresh.append(one)
            elif self.seen[one.key] != one.content:
                raise _Changed("an asset came twice, and was another the second time")
        if parts and not fresh:
            raise _Changed("a page came twice")
        findings = [row for one in fresh for row in one.findings]
        self._assets.append(_frame(ASSET, (one.row for one in fresh)))
        self._findings.append(_frame(FINDING, findings))
        for row in (row for one in fresh for row in one.remedies):
            known = self._remedies.get(row[0], row)
            # Whatever the order of the pages, the same of two texts of one solution is taken.
            self._remedies[row[0]] = known if known == row else max(known, row, key=_comparable)
        self.needed.update(row[FINDING.index("vulnerability")] or "" for row in findings)
        self.found += len(findings)
        self.partial += sum(one.is_partial for one in fresh)

    def rows(self, definitions: Collection[Row]) -> pl.DataFrame:
        """A row for each instance of a finding, and for each asset without any."""
        findings, remedies = pl.concat(self._findings), _frame(REMEDY, self._remedies.values())
        rows = (
            pl.concat(self._assets)
            .join(findings, on="asset_id", how="left")
            .sort("asset_id", "vulnerability", "port", "protocol")
            .join(remedies, on="remedy", how="left", maintain_order="left")
            .join(_frame(DEFINITION, definitions), on="vulnerability", how="left", maintain_order="left")
            .with_columns(pl.when(pl.col("vulnerability").is_null()).then(pl.lit(NO_FINDING)).alias("state"))
        )
        return rows.select(
            pl.col(name) if name in rows.columns else pl.lit(None, kind).alias(name)
            for name, kind in SCANNER_ROWS.items()
        )


class _Reading:
    """One reading. ``began``: when its first page of assets came, by the service's clock. ``notes``: see
    InsightVmCloud."""

    began: datetime | None = None

    def __init__(self, http: CloudHttp, tell: Tell) -> None:
        self.notes: list[str] = []
        self._http = http
        self._tell = tell

    def rows(self) -> pl.DataFrame:
        """What InsightVmCloud.rows gives."""
        assets = self._assets()
        if assets.partial:
            if not assets.found:
                raise NotUnderstood(
                    "InsightVM's cloud lists no finding of any asset, and does not say that there are none.",
                    "Its release may be one that is not known here. Nothing was taken from it.",
                )
            self._note(f"{assets.partial:,} assets do not list all of their findings: they count as not assessed")
        return assets.rows(self._definitions(assets.needed))

    def _note(self, text: str) -> None:
        self.notes.append(text)
        self._tell(text)

    def _assets(self) -> _Assets:
        """All assets. Raises Unsteady where they were never the same from the first page to the last."""
        for _ in range(TRIES):
            self.began = None
            try:
                return self._assets_once()
            except _Changed as error:
                reason = str(error)
                self._tell(f"assets: {reason}; they are read again")
        raise Unsteady(
            f"The assets could not be read as a whole, in {TRIES} tries: in the last one {reason}.",
            "Run again when no scan is about to end.",
        )

    def _assets_once(self) -> _Assets:
        assets = _Assets()
        total = 0
        for parts, told in self.pages("assets", MOST_ASSETS, includeSame="true"):
            assets.add(parts)
            # The empty page at the end does not count: what it tells there is not known.
            total = told if parts or not assets.seen else total
            self._tell(f"assets: {len(assets.seen):,} of {total:,} read, with {assets.found:,} rows")
        if len(assets.seen) < total:
            raise _Changed(f"{len(assets.seen):,} of {total:,} came")
        return assets

    def _definitions(self, needed: Collection[str]) -> Collection[Row]:
        """What the vulnerabilities are; of one that is not listed, also not the second time, the id alone.

        Raises NotUnderstood where none is listed.
        """
        found: dict[str, Row] = {}
        reason = ""
        for _ in range(2):
            if len(found) == len(needed):
                break
            try:
                self._definitions_once(needed, found)
                reason = ""
            except _Changed as error:
                reason = str(error)
        missing = sorted(set(needed) - found.keys())
        if missing and reason:
            raise Unsteady(
                f"The vulnerabilities could not be read as a whole, in 2 tries: in the last one {reason}.", "Run again."
            )
        if missing and not found:
            raise NotUnderstood(
                f"InsightVM's cloud defines none of the {len(missing):,} vulnerabilities that it found.",
                "Its release may be one that is not known here. Nothing was taken from it.",
            )
        if missing:
            self._note(f"{len(missing):,} vulnerabilities are not defined: nothing but their ids is known")
        # What is not told leaves what is stored as it is.
        return [*found.values(), *((key, *(None,) * (len(DEFINITION) - 1)) for key in missing)]

    def _definitions_once(self, needed: Collection[str], found: dict[str, Row]) -> None:
        """Add those that are found. Ends early once all are."""
        seen: set[str] = set()
        total = 0
        for parts, told in self.pages("vulnerabilities", MOST_DEFINITIONS):
            before = len(seen)
            for part in parts:
                key = part.key("id").strip()
                seen.add(key)
                if key in needed:
                    found[key] = objects.definition(part)
            if parts and len(seen) == before:
                raise _Changed("a page came twice")
            total = told if parts or not seen else total
            self._tell(f"vulnerabilities: {len(found):,} of {len(needed):,} found among {len(seen):,} of {total:,}")
            if len(found) == len(needed):
                return
        if len(seen) < total:
            raise _Changed(f"{len(seen):,} of {total:,} came")

    def pages(self, what: str, size: int, **query: str) -> Iterator[tuple[list[Part], int]]:
        """What each page of a list holds, and how many things it says that there are, until the cursor is null.

        Seen live: every page with data has a cursor, and the end is an empty page. A page that does not come in time
        is asked for with half the size, and so are those after it: that a cursor is good for another size is a guess.
        """
        cursor: str | None = None
        path = f"{API}/{what}"
        while True:
            pages = {"cursor": cursor} if cursor else {}
            try:
                asked = f"{path}?{urlencode({'size': size, **query, **pages})}"
                answer, date = self._http.ask("POST", asked, {}, may_ask_for_less=size > LEAST)
            except TooLarge:
                if size <= LEAST:
                    raise
                size = max(LEAST, size // 2)
                self._tell(f"{what}: no answer in time; {size} are asked for at once")
                continue
            self.began = self.began or time_of(date)
            whole = Part(answer, path)
            page = whole.part("metadata")
            total = page.whole("totalResources")
            if total is None:
                raise NotUnderstood(
                    f"The answer to {path} does not say how many there are.", "Check that the address is right."
                )
            parts = whole.parts("data")
            yield parts, total
            cursor = page.text("cursor")
            # A cursor that comes twice makes a page come twice, which is noticed by who reads it.
            if not parts or not cursor:
                return


def _frame(columns: tuple[str, ...], rows: Iterable[Row]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=dict.fromkeys(columns, pl.String), orient="row")


def _comparable(row: Row) -> tuple[str, ...]:
    return tuple(text or "" for text in row)
