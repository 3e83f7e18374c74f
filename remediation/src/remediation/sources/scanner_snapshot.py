"""The rows of any scanner as a snapshot. Pure. Rows of one asset and vulnerability are one finding, in whatever order
they stand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from ..domain.ledger import KEY
from ..domain.naming import Naming, is_address
from ..domain.snapshot import (
    ASSETS,
    COVERAGE,
    EXCEPTIONS,
    FINDINGS,
    FIXED,
    LONGEST_KEY,
    SEVERITIES,
    UTC_TIME,
    Only,
    Proof,
    Snapshot,
)
from . import cells
from .asset_keys import with_assets
from .descriptions import LONGEST, described, shortened
from .insightvm_rows import BOUNDS
from .row_errors import ROW_ERRORS, no_errors
from .scanner_rows import LINE, NO_FINDING, NOT_TESTED, scanner_rows

# Least, most and what that is, for people.
SCORES: dict[str, tuple[float, float]] = {
    **{"cvss3": (0, 10), "cvss2": (0, 10), "vpr": (0, 10), "epss": (0, 1)},
    "risk": (0, 1e15),
}
# What the tables hold of them.
CREDENTIALS = BOUNDS["credential_status"]
TIMES = ("scan_started", "scan_finished", "assessed", "first_found", "last_found", "reintroduced", "fixed")
STATES = ("open", "active", "new", "reopened", "resurfaced", "fixed", NO_FINDING, NOT_TESTED)
# These name an asset.
KEYS = ("asset_id", "host_name", "ip", "mac")
LISTS = ("sites", "owner_tags", "criticality_tags", "location_tags", "custom_tags")
# What is shown, and looked up by no more than its words.
TEXTS = ("title", "description", "solution_name", "solution_fix")
# Bytes of all names of a list together are fewer, so that a list that was shortened as a text is none.
LONGEST_LIST = LONGEST
_WORST_FIRST = {word: place for place, word in enumerate(SEVERITIES)}
_WORD = dict(enumerate(SEVERITIES))
_APPROVED = "approved"


def snapshot_of_rows(
    rows: pl.DataFrame,
    *,
    taken: datetime,
    proof: Proof,
    naming: Naming = Naming(),
    only: Only = Only(),
    columns: Mapping[str, str] | None = None,
    known: pl.DataFrame | None = None,
) -> tuple[Snapshot, pl.DataFrame]:
    """The snapshot, and what was wrong with rows, with the columns of ROW_ERRORS.

    ``rows`` has columns of SCANNER_ROWS; ``columns`` tells how a report calls them, ``known`` which assets the source
    had before, as in ``with_assets``. A row without an asset or without a vulnerability is left out, and so is a score
    out of its range, a time, a severity or a state that is not understood, a solution's id or a list with a name that
    is too long: the finding is kept without it. A finding is open where one of its instances is, else accepted where
    one is, else fixed.
    """
    named, descriptions, errors = _understood(rows, naming, columns or {}, known)
    found = named.filter(~pl.col("state").is_in([NO_FINDING, NOT_TESTED]).fill_null(False))
    untested = named.filter(pl.col("state") == NOT_TESTED)["asset"].unique().to_list()
    findings = _findings(found)
    open_ones = findings.filter("is_open").select(list(FINDINGS))
    snapshot = Snapshot(
        taken=taken,
        proof=proof,
        findings=_typed(open_ones, FINDINGS).sort(KEY),
        assets=_assets(named),
        coverage=_coverage(named, proof).filter(~pl.col("asset").is_in(untested)),
        exceptions=_exceptions(findings),
        fixed=_typed(findings.filter(~pl.col("is_open") & pl.col("accepted").is_null()), FIXED).sort(KEY),
        only=only,
        rows=rows.height,
        descriptions=descriptions,
    )
    return snapshot, errors


def _understood(
    rows: pl.DataFrame, naming: Naming, columns: Mapping[str, str], known: pl.DataFrame | None
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The rows with their asset and everything of them understood; the descriptions; and what was wrong with rows.

    Apart from its caller, so that the rows as they were before do not stay in memory.
    """
    read = _with_keys(shortened(scanner_rows(rows), TEXTS))
    descriptions = described(read)
    read = read.drop("description")
    without = _without_key(read, columns)
    judged, wrong = _judged(read.filter(_has_asset() & _has_vulnerability()), columns)
    return with_assets(judged, naming, known), descriptions, pl.concat([without, wrong]).sort(LINE, nulls_last=True)


def _typed(frame: pl.DataFrame, schema: Mapping[str, Any]) -> pl.DataFrame:
    return frame.select(pl.col(name).cast(kind) for name, kind in schema.items())


def _with_keys(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with null for what names nothing: a word for nothing, what is too long, and a plugin's number that a
    spreadsheet has rounded. One with ``.0`` is that number."""
    keys = {name: pl.when(pl.col(name).str.len_bytes() <= LONGEST_KEY).then(cells.told(pl.col(name))) for name in KEYS}
    unknown = pl.col("host_name").str.to_lowercase() == "unknown"
    keys["host_name"] = pl.when(~unknown).then(keys["host_name"])
    number = pl.col("vulnerability").str.replace(r"^(\d+)\.0$", "$1")
    is_key = (number.str.len_bytes() <= LONGEST_KEY) & ~number.str.contains(r"^\d+(?:[.,]\d+)?[eE][+]?\d+$")
    return rows.with_columns(
        *(expression.alias(name) for name, expression in keys.items()),
        pl.when(is_key).then(number).alias("vulnerability"),
    ).with_columns(pl.coalesce("ip", "host_name").alias("address"))


def _has_asset() -> pl.Expr:
    return pl.any_horizontal(pl.col(name).is_not_null() for name in KEYS)


def _has_vulnerability() -> pl.Expr:
    tells_of_asset = pl.col("state").is_in([NO_FINDING, NOT_TESTED]).fill_null(False)
    return pl.col("vulnerability").is_not_null() | tells_of_asset


def _without_key(rows: pl.DataFrame, columns: Mapping[str, str]) -> pl.DataFrame:
    """One error for each row that names no asset, or else no vulnerability: it is left out once."""
    parts = []
    for name, lacks, what in (
        ("host_name", ~_has_asset(), "no host, address or id of an asset"),
        ("vulnerability", _has_asset() & ~_has_vulnerability(), "no id of a vulnerability"),
    ):
        parts.append(_errors(rows.filter(lacks), columns.get(name, name), what, left_out=True))
    return pl.concat(parts)


def _errors(rows: pl.DataFrame, column: str, what: str, *, left_out: bool = False) -> pl.DataFrame:
    told = {"column": pl.lit(column), "what": pl.lit(what), "row_left_out": pl.lit(left_out)}
    return _typed(rows.select(pl.col(LINE).alias("line"), **told), ROW_ERRORS)


def _judged(rows: pl.DataFrame, columns: Mapping[str, str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows with their numbers, times and words understood, and what was not."""
    read = {
        **{name: (cells.number(pl.col(name), *span), _range_of(span)) for name, span in SCORES.items()},
        "severity": (cells.severity(pl.col("severity")), "no severity that is known"),
        "exploits": (cells.exploits(pl.col("exploits")), "neither a number of exploits nor yes or no"),
        "state": (_state(), "no state that is known: it counts as open"),
        "credentials": (_credentials(), _range_of(CREDENTIALS)),
    }
    # In most reports no cell is so long, and none of them has to be looked into.
    long = [name for name in ("solution", *LISTS) if (rows[name].str.len_bytes() > LONGEST_KEY).any()]
    read |= {name: (_short(name), f"longer than the {LONGEST_KEY} bytes that an id or a name has") for name in long}
    times = {name: cells.time(rows[name]) for name in TIMES if rows[name].null_count() < rows.height}
    untold = [pl.lit(None, UTC_TIME).alias(name) for name in TIMES if name not in times]
    judged = rows.with_columns(*(expression.alias(name) for name, (expression, _) in read.items()), *untold)
    judged = judged.with_columns(*times.values())
    wrong = []
    for name in (*read, *times):
        is_wrong = judged[name].is_null() & rows.select(cells.told(pl.col(name)).is_not_null()).to_series()
        if is_wrong.any():
            what = read[name][1] if name in read else "no time that is understood"
            wrong.append(_errors(rows.filter(is_wrong), columns.get(name, name), f"{what}; it is left out"))
    return judged, pl.concat([no_errors(), *wrong])


def _range_of(span: tuple[float, float]) -> str:
    return f"no number from {span[0]:g} to {span[1]:g}"


def _credentials() -> pl.Expr:
    number = pl.col("credentials").cast(pl.Int64, strict=False)
    return pl.when(number.is_between(*CREDENTIALS)).then(number)


def _short(name: str) -> pl.Expr:
    """An id, or a list of names; null where one of them, or all together, are too long."""
    cell = pl.col(name)
    if name not in LISTS:
        return pl.when(cell.str.len_bytes() <= LONGEST_KEY).then(cell)
    are_short = cell.str.split("|").list.eval(pl.element().str.len_bytes() <= LONGEST_KEY).list.all()
    return pl.when(are_short & (cell.str.len_bytes() < LONGEST_LIST)).then(cell)


def _state() -> pl.Expr:
    lower = pl.col("state").str.to_lowercase()
    return pl.when(lower.is_in(STATES)).then(lower)


def _findings(rows: pl.DataFrame) -> pl.DataFrame:
    """A row for each asset and vulnerability, with ``is_open`` and ``accepted``. Of what differs between its rows, the
    worst or the first in the alphabet counts, so that their order does not matter."""
    is_fixed = (pl.col("state") == "fixed").fill_null(False)
    is_open = ~is_fixed & pl.col("accepted").is_null()
    frame = rows.with_columns(
        is_open.alias("is_open"),
        pl.coalesce("cvss3", "cvss2").alias("cvss"),
        # A spreadsheet writes 443.0.
        pl.struct(pl.col("port").str.strip_suffix(".0"), pl.col("protocol").str.to_lowercase())
        .hash()
        .alias("instance"),
    )
    frame = frame.with_columns(
        pl.coalesce(pl.col("severity").replace_strict(_WORST_FIRST, return_dtype=pl.Int8), _severity_of_cvss()),
        pl.coalesce("solution", "vulnerability").alias("solution"),
        pl.coalesce("solution_name", "title").alias("solution_name"),
        pl.when(~is_fixed).then("accepted").alias("accepted"),
    )
    texts = ("title", "family", "solution", "solution_name", "solution_fix", "solution_type", "solution_url")
    counted = frame.group_by(KEY).agg(
        pl.col("is_open").any(),
        *(pl.col(name).min() for name in (*texts, "solution_estimate", "severity", "first_found", "accepted")),
        *(pl.col(name).max() for name in ("cvss", "risk", "vpr", "epss", "exploits")),
        *(pl.col(name).max() for name in ("last_found", "reintroduced")),
        # What does not tell when it was fixed was fixed after it was seen last.
        pl.coalesce("fixed", pl.when(is_fixed).then("last_found")).max().alias("fixed"),
        pl.col("instance").filter("is_open").n_unique().alias("instances"),
    )
    return counted.join(_cves(rows), on="vulnerability", how="left").with_columns(
        pl.col("severity").replace_strict(_WORD, default=None, return_dtype=pl.String),
        # What is fixed or accepted as a whole has all its instances so.
        pl.col("instances").cast(pl.Int64),
    )


def _severity_of_cvss() -> pl.Expr:
    """By the bounds of ``severity_of_score``, as a place in SEVERITIES."""
    score = pl.col("cvss")
    places = [pl.when(score >= least).then(place) for place, least in enumerate((9, 7, 5))]
    rest = pl.when(score > 0).then(3).when(score == 0).then(4)
    return pl.coalesce(*places, rest).cast(pl.Int8)


def _cves(rows: pl.DataFrame) -> pl.DataFrame:
    """All CVEs of each vulnerability, wherever it is found; those in its title where no row names any."""
    texts = rows.select("vulnerability", "cves", "title").unique()
    named = texts.group_by("vulnerability").agg(
        cells.cves(pl.col("cves"), bare=True).explode().drop_nulls().unique().sort().alias("named"),
        cells.cves(pl.col("title")).explode().drop_nulls().unique().sort().alias("in_title"),
        pl.col("cves").is_not_null().any().alias("is_told"),
    )
    has_some = pl.col("named").list.len() > 0
    return named.select(
        "vulnerability",
        pl.when(has_some | (pl.col("in_title").list.len() > 0) | pl.col("is_told"))
        .then(pl.when(has_some).then("named").otherwise("in_title"))
        .alias("cves"),
    )


def _assets(rows: pl.DataFrame) -> pl.DataFrame:
    lists = [
        pl.col(name).drop_nulls().unique().str.split("|").explode().drop_nulls().unique().sort().alias(name)
        for name in LISTS
    ]
    frame = rows.group_by("asset").agg(*(pl.col(name).min() for name in ("host_name", "ip", "mac", "os")), *lists)
    # A list that no row tells is null: what is stored stays.
    untold = [name for name in LISTS if rows[name].null_count() == rows.height]
    frame = frame.with_columns(pl.lit(None, ASSETS[name]).alias(name) for name in untold)
    return _typed(_with_address(frame, rows), ASSETS).sort("asset")


def _coverage(rows: pl.DataFrame, proof: Proof) -> pl.DataFrame:
    """When each asset was scanned, where its rows agree on one scan; when it was assessed last. An asset all of whose
    findings are told was assessed when the last of them was seen, if nothing else tells when."""
    one_scan = pl.col("scan_started").n_unique() == 1
    frame = rows.group_by("asset").agg(
        *(pl.col(name).min() for name in ("host_name", "ip", "credentials")),
        *(pl.when(one_scan).then(pl.col(name).max()).alias(name) for name in ("scan", "scan_started", "scan_finished")),
        pl.col("assessed").max(),
        pl.col("last_found").max(),
    )
    if proof is Proof.DEVICES:
        dated = pl.coalesce("assessed", pl.when(pl.col("scan_started").is_null()).then("last_found"))
        frame = frame.with_columns(dated.alias("assessed"))
    return _typed(_with_address(frame, rows), COVERAGE).sort("asset")


def _with_address(frame: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """A host that is named by its address has it for an address."""
    at = rows.filter(is_address(pl.col("address"))).group_by("asset").agg(pl.col("address").min())
    joined = frame.join(at, on="asset", how="left")
    return joined.with_columns(pl.coalesce("ip", "address").alias("ip")).drop("address")


def _exceptions(findings: pl.DataFrame) -> pl.DataFrame:
    accepted = findings.filter(~pl.col("is_open") & pl.col("accepted").is_not_null())
    untold = [pl.lit(None, kind).alias(name) for name, kind in EXCEPTIONS.items() if name not in KEY]
    return (
        accepted.select(*KEY, pl.col("accepted").alias("word"))
        .with_columns(untold)
        .with_columns(pl.lit(_APPROVED).alias("status"), pl.col("word").alias("reason"), pl.lit("").alias("exception"))
        .select(pl.col(name).cast(kind) for name, kind in EXCEPTIONS.items())
        .sort(KEY)
    )
