"""Importing scanners' files: a CSV and an XML file of the same scan, each against the least that stores the same rows;
and how quickly a page is answered meanwhile."""

from __future__ import annotations

import secrets
import statistics
import subprocess
import sys
import time
from html import escape
from pathlib import Path
from xml.parsers import expat

import polars as pl
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client

from tools.bench.measure import Figure, Result

from remediation.jobs.imports import import_file
from remediation.store import copy

from .child import Side, Taken, compared, taken
from .database import Server, server
from .imports import text_table

SIZES = (100_000, 1_000_000)
_CHANGED = 0.05
_GOAL, _GOAL_MEMORY, _LINEAR, _GOAL_PAGE = 3.0, 2048, 1.25, 3.0
_EACH = 100
_TEXT = "The remote host runs a version of the vendor's product from before the update, which lets attackers run code. "
_NUMBERS = {"None": 0, "Low": 1, "Medium": 2, "High": 3, "Critical": 4}
_PAUSE = 0.05


def run(quick: bool) -> Result:
    """The benchmark."""
    sizes, rounds = ((2_000, 10_000), 2) if quick else (SIZES, 3)
    result = Result(
        "scans",
        "Importing scanners' files",
        "import_file() of a Nessus scan of so many rows, 750 bytes each, as CSV and as .nessus, into an empty store, "
        "and of the CSV again with the ports of 5 % of its hosts changed: each in a fresh process and a database of "
        f"its own, {rounds} times in turn with the floors. The floor of the CSV: polars parses it and COPY writes all "
        "columns as text into one table without an index. The floor of the XML: expat parses it with a handler that "
        "counts, and COPY writes the same rows. A page is the overview, asked by a process of its own every "
        f"{_PAUSE * 1000:.0f} ms; its floor is the same while nothing is imported.",
    )
    walls: dict[tuple[str, int], list[float]] = {}
    with server() as postgres:
        for size in sizes:
            files = _written(postgres.folder, size)
            sides: dict[str, list[Taken]] = {name: [] for name in ("csv", "again", "xml", "csv floor", "xml floor")}
            pages: list[dict[str, float]] = []
            for _ in range(rounds):
                for name, found in _round(postgres, files).items():
                    sides[name].append(found)
                with postgres.database() as address:
                    pages.append(taken("scans", "paged", files["csv"], database=address).value)
            for name, floor in (("csv", "csv floor"), ("again", "csv floor"), ("xml", "xml floor")):
                compared(result, f"{size:,}, {name}", sides[name], sides[floor], None if quick else _GOAL)
                walls[name, size] = [one.wall for one in sides[name]]
            ratios = [one["during"] / one["before"] for one in pages]
            result.at_most(f"{size:,}: page during an import / before it, median", Figure.of(ratios), _GOAL_PAGE)
            result.add(f"{size:,}: longest page during an import", Figure.of([one["longest"] for one in pages]), "s")
            if size == sizes[-1]:
                memory = Figure.of([one.memory for name in ("csv", "again", "xml") for one in sides[name]])
                result.at_most(f"{size:,}: peak memory", memory, _GOAL_MEMORY, "MiB")
    small, large = sizes
    for name in ("csv", "xml"):
        ratios = [(many / large) / (few / small) for many, few in zip(walls[name, large], walls[name, small])]
        result.at_most(f"{name}: wall clock for each row, {large:,} / {small:,}", Figure.of(ratios), _LINEAR)
    return result


def scan(size: int, changed: float = 0.0) -> pl.DataFrame:
    """The rows of a Nessus CSV, all text. ``changed``: the ports of this share of the hosts are other ones."""
    hosts = max(size // _EACH, 1)
    host, place = pl.col("number") // _EACH, pl.col("number") % _EACH
    plugin = (host * 40 + place) % max(10 * hosts, _EACH) + 10_000
    severity = (plugin % 5).replace_strict(list(_NUMBERS.values()), list(_NUMBERS), return_dtype=pl.String)
    port = pl.when(host < hosts * changed).then(8443).otherwise(443)
    return pl.DataFrame({"number": pl.arange(0, size, eager=True)}).select(
        **{
            "Plugin ID": plugin.cast(pl.String),
            "CVE": pl.format("CVE-2026-{}", plugin),
            "CVSS v2.0 Base Score": pl.lit(""),
            "Risk": severity,
            "Host": pl.format("host{}.corp.example.com", host),
            "Protocol": pl.lit("tcp"),
            "Port": port.cast(pl.String),
            "Name": pl.format("Vendor update KB{}: remote code execution", plugin),
            "Synopsis": pl.lit("The remote host lacks an update."),
            "Description": pl.format("{}\n{}", pl.lit(_TEXT * 2), plugin),
            "Solution": pl.format("Install update KB{} of the vendor's monthly rollup.", plugin),
            "See Also": pl.format("https://vendor.example.com/updates/KB{}", plugin),
            "Plugin Output": pl.format("\n  Installed version : 1.{}\n  Fixed version : 2.0\n", place),
            "CVSS v3.0 Base Score": pl.format("{}.{}", plugin % 9 + 1, plugin % 10),
            "Metasploit": pl.lit("false"),
        }
    )


def _written(folder: Path, size: int) -> dict[str, str]:
    files = {name: str(folder / f"{name}.{'nessus' if name == 'xml' else 'csv'}") for name in ("csv", "again", "xml")}
    scan(size).write_csv(files["csv"])
    scan(size, _CHANGED).write_csv(files["again"])
    with open(files["xml"], "w", encoding="utf-8") as file:
        file.write('<?xml version="1.0" ?>\n<NessusClientData_v2>\n<Report name="scan">\n')
        host = ""
        for row in scan(size).iter_rows(named=True):
            if row["Host"] != host:
                file.write("</ReportHost>\n" if host else "")
                host = row["Host"]
                file.write(f'<ReportHost name="{host}"><HostProperties></HostProperties>\n')
            file.write(
                f'<ReportItem port="{row["Port"]}" svc_name="www" protocol="tcp" severity="{_NUMBERS[row["Risk"]]}" '
                f'pluginID="{row["Plugin ID"]}" pluginName="{row["Name"]}" pluginFamily="Windows">\n'
                f"<cve>{row['CVE']}</cve><synopsis>{row['Synopsis']}</synopsis>"
                f"<description>{escape(row['Description'])}</description>"
                f"<solution>{escape(row['Solution'])}</solution><see_also>{row['See Also']}</see_also>"
                f"<cvss3_base_score>{row['CVSS v3.0 Base Score']}</cvss3_base_score>"
                f"<plugin_output>{row['Plugin Output']}</plugin_output></ReportItem>\n"
            )
        file.write("</ReportHost>\n</Report>\n</NessusClientData_v2>\n")
    return files


def _round(postgres: Server, files: dict[str, str]) -> dict[str, Taken]:
    found = {}
    with postgres.database() as address:
        found["csv"] = taken("scans", "imported", files["csv"], database=address)
        found["again"] = taken("scans", "imported", files["again"], database=address)
    with postgres.database() as address:
        found["xml"] = taken("scans", "imported", files["xml"], database=address)
    for name in ("csv", "xml"):
        with postgres.database() as address:
            found[f"{name} floor"] = taken("scans", "copied", files[name], files["csv"], database=address)
    return found


def imported(file: str) -> Side:
    """What ``remediation import`` does."""
    return lambda: import_file(Path(file), "weekly").value["rows"]


def copied(file: str, rows_in: str) -> Side:
    """The floor: the file is parsed, and the rows of the CSV of the same scan are written as text."""

    def work() -> int:
        is_xml = file.endswith(".nessus")
        if is_xml:
            _counted(Path(file))
        rows = pl.read_csv(rows_in, infer_schema=False)
        with transaction.atomic():
            text_table("floor", rows)
            return copy.append("floor", rows)

    return work


def _counted(file: Path) -> int:
    count = 0

    def started(name: str, _: dict[str, str]) -> None:
        nonlocal count
        count += name == "ReportItem"

    parser = expat.ParserCreate()
    parser.StartElementHandler = started
    with file.open("rb") as content:
        parser.ParseFile(content)
    return count


def paged(file: str) -> Side:
    """The seconds of a page: the median before an import and during one, and the longest during it."""
    settings.SECRET_KEY = secrets.token_hex()
    person = Client(headers={"host": "localhost"})
    person.force_login(User.objects.get_or_create(username="anna")[0])

    def page() -> float:
        began = time.perf_counter()
        if person.get("/").status_code != 200:
            raise RuntimeError("the overview was not answered")
        return time.perf_counter() - began

    def work() -> dict[str, float]:
        page()
        before = [page() for _ in range(20)]
        code = f"from bench.scans import imported; imported({file!r})()"
        during = []
        with subprocess.Popen([sys.executable, "-c", code]) as process:
            while process.poll() is None:
                during.append(page())
                time.sleep(_PAUSE)
        if process.returncode:
            raise RuntimeError("the import failed")
        return {
            "before": statistics.median(before),
            "during": statistics.median(during),
            "longest": max(during),
        }

    return work
