"""What feeds tell beside findings: ``store.cves`` against a bare join of findings and facts in the same database."""

from __future__ import annotations

from datetime import date

import polars as pl
from django.db import connection, transaction
from django.utils import timezone

from tools.bench.measure import Result

from remediation.store import copy, models
from remediation.store.cves import tell_vulnerabilities, write_cves
from remediation.store.intake import take_in

from .child import Side, Taken, compared, taken
from .database import server
from .findings import snapshot

SIZES = (10_000, 100_000, 1_000_000)
# The size that the goal is for.
_HELD = 100_000
_GOAL = 3.0
# So many CVEs has FIRST's file, of which the world's findings have some.
_CVES = 300_000
_DAY = date(2026, 11, 20)


def run(quick: bool) -> Result:
    """The benchmark."""
    sizes, rounds = ((1_000, 10_000), 2) if quick else (SIZES, 5)
    held = sizes[-1] if quick else _HELD
    result = Result(
        "enrichment",
        "What is known of CVEs beside findings",
        f"With KEV and EPSS of {_CVES:,} CVEs in the store, what they tell is put beside the vulnerabilities of so "
        f"many findings, as after each reading of a feed; in a fresh process and a fresh database, {rounds} times in "
        "turn with its floor. First: nothing was told yet, and all of it is written. Again: nothing has changed. The "
        "floor is a bare join of the same findings, vulnerabilities and facts by the same database, counted and not "
        "written. "
        f"The goal is for {held:,} findings.",
    )
    with server() as postgres:
        for size in sizes:
            postgres.make(f"known_{size}", "migrated")
            taken("enrichment", "known", size, database=postgres.address(f"known_{size}"))
            sides: dict[str, list[Taken]] = {name: [] for name in ("told", "again", "joined")}
            for _ in range(rounds):
                with postgres.database(f"known_{size}") as address:
                    for name, found in sides.items():
                        found.append(taken("enrichment", name, size, database=address))
            if not all(one.value for one in sides["told"]) or any(one.value for one in sides["again"]):
                raise RuntimeError("nothing was told at first, or something was told twice")
            goal = _GOAL if size == held else None
            compared(result, f"{size:,}, first", sides["told"], sides["joined"], goal)
            compared(result, f"{size:,}, again", sides["again"], sides["joined"], goal)
    return result


def facts(size: int) -> pl.DataFrame:
    """EPSS of so many CVEs, among them those of the made-up world."""
    numbers = pl.DataFrame({"number": pl.arange(0, size, eager=True)})
    return numbers.select(
        cve=pl.format("CVE-2026-{}", "number"),
        epss=(pl.col("number") % 1000) / 1000,
        epss_percentile=(pl.col("number") % 100) / 100,
    )


def catalogue(size: int) -> pl.DataFrame:
    """1 CVE in 200 is in KEV, as in 2025."""
    return facts(size)[::200].select(
        "cve", kev_added=pl.lit(_DAY), kev_due=pl.lit(_DAY), kev_ransomware=pl.col("epss") > 0.5
    )


def known(size: int) -> Side:
    """Fills a store with so many findings, and with what the feeds tell, which is not put beside them yet."""
    seen = snapshot(size)

    def fill() -> None:
        source = models.Source.objects.create(name="weekly", kind="insightvm-report")
        take_in(source, seen)
        cves = min(_CVES, size * 3)
        write_cves("epss", facts(cves), _DAY, timezone.now())
        write_cves("kev", catalogue(cves), _DAY, timezone.now())
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")

    return fill


def told(_: int) -> Side:
    """How many vulnerabilities changed."""
    number = _source()

    def tell() -> int:
        with transaction.atomic():
            copy.lock(number)
            return tell_vulnerabilities(number)

    return tell


again = told


def joined(_: int) -> Side:
    """How many findings have a score."""
    number = _source()
    query = """
        SELECT count(*), count(fact.epss), count(fact.kev_due) FROM store_finding AS finding
        JOIN store_vulnerability AS vulnerability USING (source_id, vulnerability)
        LEFT JOIN LATERAL unnest(vulnerability.cves) AS named (cve) ON true
        LEFT JOIN store_cve AS fact ON fact.cve = named.cve COLLATE "C"
        WHERE source_id = %s
    """

    def join() -> int:
        with connection.cursor() as cursor:
            cursor.execute(query, [number])
            return int(cursor.fetchone()[1])

    return join


def _source() -> int:
    return int(models.Source.objects.values_list("pk", flat=True).get())
