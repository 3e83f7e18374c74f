"""The formats of report files with columns: by which each is recognised, and which column of a scanner's row is read
from which of its columns. Names are compared without regard to case and to blanks around them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import polars as pl

from ..domain.naming import is_address
from . import cells
from .descriptions import shortened
from .errors import NotUnderstood
from .insightvm_rows import SEPARATORS
from .scanner_rows import COLUMNS, LINE, NO_FINDING, NOT_TESTED

# For each column of a scanner's row, what reports call it, the best first. Where a cell of the first is empty, that of
# the next is taken; CVEs are those of all of them.
NAMES: dict[str, tuple[str, ...]] = {
    "asset_id": ("asset uuid", "asset.id", "asset_id", "host uuid", "agent uuid"),
    "host_name": (
        *("fqdn", "asset.display_fqdn", "dns name", "asset.host_name", "host_name", "hostname", "host name"),
        *("asset.name", "asset names", "asset name", "host", "netbios", "netbios name", "device", "device name"),
    ),
    "ip": (
        *("ip address", "asset.display_ipv4_address", "asset.ipv4_addresses", "ip_address", "asset ip address"),
        *("ip addresses", "ipv4", "ip"),
    ),
    "mac": ("mac address", "mac_address", "asset mac address", "mac"),
    "os": ("os", "operating system", "asset.operating_system", "asset os", "asset os name"),
    "sites": ("member_of_sites", "site name", "site", "sites"),
    "assessed": ("last_assessed", "asset last assessed"),
    "vulnerability": (
        *("plugin id", "plugin", "definition.id", "plugin_id", "plugin.id", "vulnerability id", "vulnerability_key"),
        *("vulnerability_id", "qid"),
    ),
    "title": (
        *("plugin name", "definition.name", "vulnerability title", "vulnerability_name", "vulnerability name"),
        *("title", "plugin.name", "vulnerability"),
    ),
    "severity": ("severity", "risk", "risk factor", "definition.severity", "severity level"),
    "description": (
        *("description", "definition.description", "vulnerability description", "plugin.description", "synopsis"),
        "definition.synopsis",
    ),
    "family": ("plugin family", "family", "definition.family"),
    "cvss3": (
        *("cvss v3.0 base score", "cvss v3 base score", "cvss3 base score", "definition.cvss3.base_score"),
        *("cvss_v3_score", "vulnerability cvssv3 score", "cvss v3", "cvssv3"),
    ),
    "cvss2": (
        *("cvss v2.0 base score", "cvss v2 base score", "cvss base score", "cvss", "cvss_score", "cvss_v2_score"),
        "vulnerability cvss score",
    ),
    "vpr": (
        *("vpr score", "vulnerability priority rating (vpr)", "vulnerability priority rating", "vpr_score", "vpr"),
        *("definition.vpr.score", "definition.vpr_v2.score"),
    ),
    "epss": ("epss score", "definition.epss.score", "exploit prediction scoring system (epss)", "epss"),
    "risk": ("riskscore", "vulnerability riskscore", "risk score", "vulnerability risk score"),
    "exploits": ("exploit available", "exploit?", "exploits", "exploit count"),
    "cves": ("cve", "cves", "definition.cve", "vulnerability cve ids", "cve ids", "cve id", "cve_id", "plugin.cve"),
    "solution": (),
    "solution_name": (),
    "solution_fix": (
        *("solution", "steps to remediate", "definition.solution", "vulnerability solution", "remediation"),
        "plugin.solution",
    ),
    "solution_type": ("solution_type",),
    "solution_estimate": ("est_time_to_fix",),
    "port": ("port", "service port"),
    "protocol": ("protocol", "service protocol"),
    "state": ("vulnerability state", "state", "vuln status", "status"),
    "accepted": ("risk_modified", "accept risk?"),
    "first_found": (
        *("first found", "first_observed", "first discovered", "first_found", "date_first_seen_on_asset"),
        *("first seen", "first_seen", "vulnerable since"),
    ),
    "last_found": (
        *("last found", "last_seen", "last observed", "last_found", "date_most_recently_seen_on_asset", "last seen"),
        *("vulnerability test date", "last_observed"),
    ),
    "fixed": ("last fixed", "last_fixed"),
}
# That one row may be made a row for each of; a month's update for an operating system has some hundreds.
MOST_CVES = 1000
# Words by which a report says that a finding is accepted. A recast severity is no acceptance.
ACCEPTED = ("accepted", "accept", "accept_risk", "accepted risk", "yes", "y", "true", "ee", "ev", "ep")


@dataclass(frozen=True)
class Format:
    """``kind`` is its name on the command line, ``label`` for people. A header that has all of ``known_by`` is one of
    its kind; ``columns`` are read otherwise than NAMES says. ``words`` tells for a column what its own words mean,
    ``separators`` what stands between the names of a list, where that is no bar."""

    kind: str
    label: str
    known_by: frozenset[str]
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    separators: Mapping[str, str] = field(default_factory=dict)

    def is_of(self, header: Iterable[str]) -> bool:
        """Whether a header is one of this format."""
        names = {plain(name) for name in header}
        return self.known_by <= names

    def names(self, column: str) -> tuple[str, ...]:
        """What the format calls a column of a scanner's row, the best first."""
        return self.columns.get(column, NAMES.get(column, ()))


# InsightVM's severity levels, documented: 8 to 10 Critical, 4 to 7 Severe, 1 to 3 Moderate.
_LEVELS = {str(level): "critical" if level > 7 else "severe" if level > 3 else "moderate" for level in range(1, 11)}
# InsightVM's result codes, documented: vulnerable by an exploit, a version, or potentially, the same excepted; not
# vulnerable; and not tested, for an error, a setting or another reason.
_CODES = {
    **dict.fromkeys(("ve", "vv", "vp", "ee", "ev", "ep"), "open"),
    **dict.fromkeys(("nv", "ov", "sv"), NO_FINDING),
    **dict.fromkeys(("er", "uk", "nt", "ds", "sd"), NOT_TESTED),
}

# The first that knows a header has it. Where headers are from: docs/report-formats.md.
FORMATS: tuple[Format, ...] = (
    Format(
        "tenable-explore",
        "Tenable VM's export of findings (Explore)",
        frozenset({"definition.id", "definition.name"}),
        columns={
            "host_name": ("asset.display_fqdn", "asset.host_name", "asset.name", "asset.netbios_name"),
            "mac": ("asset.display_mac_address",),
        },
    ),
    Format(
        "tenable-classic",
        "Tenable VM's classic export",
        frozenset({"plugin id", "host", "name", "vulnerability state"}),
        columns={
            "host_name": ("fqdn", "host", "netbios"),
            "title": ("name",),
            "severity": ("risk", "risk factor"),
            "accepted": ("modification",),
        },
    ),
    Format(
        "tenable-sc",
        "tenable.sc's list of vulnerabilities in detail",
        frozenset({"plugin", "plugin name", "ip address"}),
        columns={
            "solution_fix": ("steps to remediate", "solution"),
            "asset_id": (),
            # Its severity may be a person's own, and the state is not in this list.
            "state": (),
        },
    ),
    Format(
        "nessus-csv",
        "Nessus CSV",
        frozenset({"plugin id", "host", "name"}),
        columns={"host_name": ("host",), "title": ("name",), "severity": ("risk", "risk factor")},
    ),
    Format(
        "insightvm-csv",
        "a CSV export template of InsightVM, such as Basic Vulnerability Check Results",
        frozenset({"asset ip address", "vulnerability id", "vulnerability title"}),
        columns={
            "severity": ("vulnerability severity level",),
            "state": ("vulnerability test result code",),
            "accepted": ("vulnerability test result code",),
            "risk": ("vulnerability risk score",),
            # Months before days, which is a guess where a spreadsheet was at it.
            "last_found": (),
            "first_found": (),
        },
        words={"severity": _LEVELS, "state": _CODES},
    ),
    Format(
        "insightvm-scan",
        "the report of the trigger Scan Completion of Rapid7's plugin for InsightVM",
        frozenset({"hostname", "vulnerability_name", "nexpose_id", "best_solution"}),
        columns={
            # Its vulnerability_id and solution_id are numbers that a console may give anew. nexpose_id is the natural
            # id of the solution. Its dates are those of any asset that has the vulnerability.
            "vulnerability": (),
            "title": ("vulnerability_name",),
            "solution": ("nexpose_id",),
            "solution_fix": ("best_solution",),
            "first_found": (),
            "last_found": (),
        },
        separators={"sites": SEPARATORS["sites"]},
    ),
)
WEEKLY = Format("weekly", "any CSV with known names of columns", frozenset())


def format_of(header: list[str]) -> Format | None:
    """The format of a header; None where there is none. Any header that names hosts and vulnerabilities, by whatever of
    their names, is a weekly report."""
    found = next((one for one in FORMATS if one.is_of(header)), None)
    return found or (WEEKLY if is_enough(header, WEEKLY) else None)


def is_enough(header: list[str], form: Format) -> bool:
    """Whether a header names both hosts and vulnerabilities."""
    chosen = columns_of(header, form)
    has_host = any(chosen.get(name) for name in ("asset_id", "host_name", "ip", "mac"))
    return has_host and any(chosen.get(name) for name in ("vulnerability", "title", "cves"))


def missing_from(header: list[str]) -> str:
    """What a header lacks that is of no known format, in words."""
    chosen = columns_of(header, WEEKLY)
    has_host = any(chosen.get(name) for name in ("asset_id", "host_name", "ip", "mac"))
    return "a column that names the vulnerability" if has_host else "a column that names the host"


def columns_of(header: list[str], form: Format, mapping: Mapping[str, str] | None = None) -> dict[str, list[str]]:
    """For each column of a scanner's row, those of the header that are read for it, the best first. ``mapping`` is what
    a person says, from a column of a scanner's row to one of the header; what it tells counts alone. CVEs may stand in
    several columns of one name, with numbers behind it."""
    by_plain: dict[str, str] = {}
    for name in header:
        by_plain.setdefault(plain(name), name)
    names = {column: form.names(column) for column in COLUMNS}
    if mapping:
        names = {column: (plain(name),) for column, name in mapping.items()}
    found = {column: [by_plain[name] for name in some if name in by_plain] for column, some in names.items()}
    numbered = [
        name for name in header if name not in found.get("cves", ()) and _unnumbered(name) in names.get("cves", ())
    ]
    if numbered:
        found["cves"] = found.get("cves", []) + numbered
    return {column: some for column, some in found.items() if some}


def _unnumbered(name: str) -> str:
    # A number is tried from its first digit only: a name may be as long as a header.
    return re.sub(r"[ _]?\(?(?<!\d)\d+\)?$", "", plain(name))


def plain(name: str) -> str:
    """A column's name as it is compared."""
    return " ".join(name.lower().split())


def as_scanner_rows(rows: pl.DataFrame, chosen: Mapping[str, list[str]], form: Format) -> pl.DataFrame:
    """The rows of a report, all text and with LINE, with columns of SCANNER_ROWS. ``chosen`` is from ``columns_of``.

    A host that is named by its address has no name. A row without an id of a vulnerability is named by its title, else
    by each of its CVEs, so that it becomes a row for each. What is nothing but CVEs is no id or title, but these CVEs.
    Raises NotUnderstood where these are too many.
    """
    # To polars, a name like * or ^.*$ is a pattern.
    places = {name: f"column {place}" for place, name in enumerate(rows.columns) if name != LINE}
    graded = [places[name] for name in chosen.get("severity", [])]
    rows = rows.rename(places).with_columns(pl.col(pl.String).str.strip_chars().replace("", None))
    # "None" is a severity. Elsewhere it says that there is nothing, so that the next column counts.
    rows = rows.with_columns(
        cells.told(pl.col(pl.String).exclude(graded)), *(cells.told(pl.col(name), but="none") for name in graded)
    )
    chosen = {column: [places[name] for name in names] for column, names in chosen.items()}
    made = {
        column: pl.coalesce(pl.col(name) for name in names)
        for column, names in chosen.items()
        if column not in ("host_name", "ip", "cves")
    }
    if "cves" in chosen:
        made["cves"] = pl.concat_str(chosen["cves"], separator=" ", ignore_nulls=True).replace("", None)
    hosts, addresses = chosen.get("host_name", []), chosen.get("ip", [])
    if hosts:
        made["host_name"] = pl.coalesce(_name(pl.when(~is_address(pl.col(name))).then(name)) for name in hosts)
    if hosts or addresses:
        by_address = [pl.when(is_address(pl.col(name))).then(name) for name in hosts]
        made["ip"] = pl.coalesce(*(pl.col(name) for name in addresses), *by_address)
    if "accepted" in made:
        made["accepted"] = pl.when(made["accepted"].str.to_lowercase().is_in(ACCEPTED)).then(made["accepted"])
    for column, words in form.words.items():
        if column in made:
            lower = made[column].str.strip_chars().str.to_lowercase()
            made[column] = lower.replace_strict(words, default=made[column], return_dtype=pl.String)
    for column, separator in form.separators.items():
        if column in made:
            # A bar within a name separates none.
            bare = made[column].str.replace_all("|", "/", literal=True)
            made[column] = bare.str.replace_all(separator, "|", literal=True)
    read = rows.select(LINE, *(expression.alias(column) for column, expression in made.items()))
    return _named_by_others(read)


def _name(cell: pl.Expr) -> pl.Expr:
    """The first of several names in a cell, without a Windows domain before it; null for one that is not known."""
    name = cell.str.extract(r"^[\s,;|]*([^,;|\r\n]+)").str.replace(r"^.*\\", "").str.strip_chars()
    return pl.when(name.str.to_lowercase() != "unknown").then(name)


def _named_by_others(rows: pl.DataFrame) -> pl.DataFrame:
    untold = [
        pl.lit(None, pl.String).alias(name) for name in ("vulnerability", "title", "cves") if name not in rows.columns
    ]
    named = rows.with_columns(untold).with_columns(pl.coalesce("vulnerability", "title").alias("vulnerability"))
    has_name = pl.col("vulnerability").is_not_null() & ~cells.is_cves(pl.col("vulnerability"))
    by_cve = named.filter(~has_name).with_columns(
        cells.cves(pl.coalesce("vulnerability", "cves"), bare=True).alias("vulnerability"),
        # Of those that name the row each has its own only; the others are of all.
        pl.when(pl.col("vulnerability").is_not_null()).then("cves").alias("cves"),
    )
    _refuse_many(by_cve)
    # Each of the rows that it becomes has all of its texts.
    by_cve = shortened(by_cve, (name for name, kind in by_cve.schema.items() if kind == pl.String))
    # What names no CVE either is an error of its row, which is told later.
    named_by = pl.when(pl.col("vulnerability").list.len() > 0).then("vulnerability")
    by_cve = by_cve.with_columns(named_by).explode("vulnerability")
    by_cve = by_cve.with_columns(
        pl.coalesce("title", "vulnerability").alias("title"),
        pl.concat_str("vulnerability", "cves", separator=" ", ignore_nulls=True).replace("", None).alias("cves"),
    )
    return pl.concat([named.filter(has_name), by_cve.select(named.columns)])


def _refuse_many(by_cve: pl.DataFrame) -> None:
    lines = by_cve.filter(pl.col("vulnerability").list.len() > MOST_CVES)[LINE]
    if lines.len():
        raise NotUnderstood(
            f"The row that begins on line {lines[0]} names no vulnerability but more than {MOST_CVES} CVEs.",
            "Give a report that names its vulnerabilities by an id or a title.",
        )
