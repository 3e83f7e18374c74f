"""A made-up world of any size, as the report of InsightVM's findings tells it and as the service knows it.

A hundred findings for each asset and for each solution. A solution is on about ten assets, each with ten
vulnerabilities under it; or, where lists are to be long, on about 35 with three each. A row of the report has about 750
bytes. Deterministic, so that every process makes the same.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import polars as pl

from remediation.domain.snapshot import Proof, Snapshot
from remediation.sources import insightvm_rows as rows_of

EACH = 100
START = datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc)
_SECTION = (
    "Download the update from the vendor, install it on each of the affected machines, and then restart the services. "
)


def report(size: int, *, scanned_again: float = 0.0, long_lists: bool = False) -> pl.DataFrame:
    """The report's rows, all text. ``scanned_again``: this share of the assets was scanned again a day later, and their
    rows differ; the others are the same to the byte. ``long_lists``: a ticket's text cannot name all its assets."""
    assets = max(size // EACH, 1)
    under = 3 if long_lists else 10
    asset, place = pl.col("number") // EACH, pl.col("number") % EACH
    numbers = pl.DataFrame({"number": pl.arange(0, size, eager=True)}).select(
        asset.alias("a"), ((asset * 40 + place) % max(under * assets, EACH)).alias("v"), (place % 3 + 1).alias("n")
    )
    a, v, s = pl.col("a"), pl.col("v"), pl.col("v") // under
    is_again = a < assets * scanned_again
    day = pl.when(is_again).then(1).otherwise(0)
    started = _time(START, day)
    host = pl.format("host{}.corp.example.com", a)
    return numbers.select(
        solution_key=pl.format("vendor-update-{}", s),
        solution_type=pl.lit("PATCH"),
        solution_summary=pl.format("Install update KB{} of the vendor's monthly cumulative rollup", s + 5_000_000),
        solution_fix=pl.format("{}KB{}", pl.lit(_SECTION * 2), s + 5_000_000),
        solution_url=pl.format("https://vendor.example.com/updates/KB{}", s + 5_000_000),
        solution_estimate=pl.lit("00:30:00"),
        asset_id=a.cast(pl.String),
        host_name=host,
        ip_address=pl.format("10.{}.{}.{}", a // 65536 % 256, a // 256 % 256, a % 256),
        mac_address=pl.format("00:1B:21:{}:{}:{}", _octet(a // 65536), _octet(a // 256), _octet(a)),
        os=pl.format("Microsoft Windows Server {} Standard Edition", 2016 + a % 4 * 3),
        sites=pl.format("Site {}", a % 10),
        owner_tags=pl.format("team-{}", a % 20),
        criticality_tags=pl.lit("High"),
        location_tags=pl.format("Data centre {}", a % 5),
        custom_tags=pl.lit(None, pl.String),
        last_assessed=started,
        last_scan_id=pl.format("{}", 1000 + day),
        scan_started=started,
        scan_finished=_time(START + timedelta(hours=1), day),
        credential_status=pl.lit("4"),
        vulnerability_key=pl.format("vendor-cve-2026-{}", v),
        vulnerability_title=pl.format("CVE-2026-{}: a remote attacker can run code in the vendor's product", v),
        severity_score=(10 - v % 9).cast(pl.String),
        cvss_v3_score=pl.format("{}.{}", 9 - v % 9, v % 10),
        cvss_v2_score=pl.lit(None, pl.String),
        riskscore=(100 + v % 800).cast(pl.String),
        exploits=(v % 3).cast(pl.String),
        cves=pl.format("CVE-2026-{}", v),
        instances=pl.col("n").cast(pl.String),
        first_discovered=_time(START - timedelta(days=30), 0 * day),
        most_recently_discovered=started,
        reintroduced_date=pl.lit(None, pl.String),
        report_rows=pl.lit(str(size)),
    )


def snapshot(size: int, *, scanned_again: float = 0.0, without: float = 0.0, long_lists: bool = False) -> Snapshot:
    """What the service makes of the report as one that holds all. ``without``: this share of the findings is gone."""
    rows = report(size, scanned_again=scanned_again, long_lists=long_lists)
    found = rows.filter(pl.int_range(pl.len()) % 1000 >= without * 1000) if without else rows
    return Snapshot(
        taken=START + timedelta(days=2),
        proof=Proof.FILE,
        findings=rows_of.findings(found),
        assets=rows_of.assets(rows),
        coverage=rows_of.coverage(rows),
        rows=rows.height,
    )


def _time(moment: datetime, day: pl.Expr) -> pl.Expr:
    return (pl.lit(moment.replace(tzinfo=None)) + pl.duration(days=day)).dt.strftime("%Y-%m-%d %H:%M:%S")


def _octet(number: pl.Expr) -> pl.Expr:
    return (number % 256).cast(pl.String).str.zfill(2)
