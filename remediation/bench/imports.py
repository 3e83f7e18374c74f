"""Importing a report file: the whole way of ``remediation import``, against the least that stores the same rows."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from django.db import connection, transaction
from psycopg import sql

from tools.bench.measure import Figure, Result

from remediation.jobs.imports import import_file
from remediation.sources.any_report import ReportOptions
from remediation.sources.report_file import Holds
from remediation.store import copy

from .child import Side, Taken, compared, taken
from .database import Server, server
from .findings import report

SIZES = (10_000, 100_000, 1_000_000)
_CHANGED = 0.05
_GOAL, _GOAL_AGAIN, _GOAL_MEMORY, _LINEAR = 3.0, 2 / 3, 2048, 1.25
# HexTrackr's own figure for 100,000 rows, on another machine.
_OTHERS = 35.7
_KEY = ("asset_id", "vulnerability_key")


def run(quick: bool) -> Result:
    """The benchmark."""
    sizes, rounds = ((1_000, 10_000), 2) if quick else (SIZES, 3)
    result = Result(
        "imports",
        "Importing a report",
        "import_file() of a CSV report of so many rows, 750 bytes each, into an empty store, and again with 5 % of its "
        f"assets scanned again: each in a fresh process and a database of its own, {rounds} times in turn with the "
        "floors. CPU time is that of the process and of its database session. The floor of a new report: polars parses "
        "the file and COPY writes all columns as text into one table without an index. The floor of one that comes "
        "again, a full upsert: the same, with COPY into a temporary table and an upsert of all its rows into one table "
        "with its primary key. What is beyond the floors: types checked, a private copy and a hash of the content, the "
        "snapshot kept, ledger, assets, vulnerabilities, solutions and observations written, machines regrouped. "
        "The goals are for 100,000 rows and more.",
    )
    walls = {}
    with server() as postgres:
        for size in sizes:
            files = {name: str(postgres.folder / f"{name}.csv") for name in ("first", "second")}
            report(size).write_csv(files["first"])
            report(size, scanned_again=_CHANGED).write_csv(files["second"])
            sides: dict[str, list[Taken]] = {"new": [], "floor": [], "again": [], "upsert": []}
            for _ in range(rounds):
                for name, found in _round(postgres, files).items():
                    sides[name].append(found)
            goals = (None, None) if size < sizes[1] else (_GOAL, _GOAL_AGAIN)
            compared(result, f"{size:,}, new", sides["new"], sides["floor"], goals[0])
            compared(result, f"{size:,}, 5 % changed", sides["again"], sides["upsert"], goals[1])
            walls[size] = [one.wall for one in sides["new"]]
            if size == 100_000:
                result.add(f"{size:,}, new: HexTrackr's own figure, on another machine", _OTHERS, "s")
            if size == sizes[-1]:
                memory = Figure.of([one.memory for one in (*sides["new"], *sides["again"])])
                result.at_most(f"{size:,}: peak memory", memory, _GOAL_MEMORY, "MiB")
    small, large = sizes[-2:]
    ratios = [(many / large) / (few / small) for many, few in zip(walls[large], walls[small])]
    result.at_most(f"wall clock for each row, {large:,} / {small:,}", Figure.of(ratios), _LINEAR)
    return result


def _round(postgres: Server, files: dict[str, str]) -> dict[str, Taken]:
    found = {}
    with postgres.database() as address:
        found["new"] = taken("imports", "imported", files["first"], database=address)
        found["again"] = taken("imports", "imported", files["second"], database=address)
    with postgres.database() as address:
        found["floor"] = taken("imports", "copied", files["first"], database=address)
        taken("imports", "keyed", database=address)
        found["upsert"] = taken("imports", "upserted", files["second"], database=address)
    return found


def imported(file: str) -> Side:
    """What ``remediation import`` does."""
    return lambda: import_file(Path(file), "weekly", ReportOptions(holds=Holds.DEVICES)).value["rows"]


def copied(file: str) -> Side:
    """The floor of a new report."""

    def work() -> int:
        rows = pl.read_csv(file, infer_schema=False)
        with transaction.atomic():
            text_table("floor", rows)
            return copy.append("floor", rows)

    return work


def keyed() -> Side:
    """Gets the floor's table ready for an upsert."""

    def work() -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("ALTER TABLE floor ADD PRIMARY KEY ({})").format(copy.names(_KEY)))
            cursor.execute("ANALYZE floor")

    return work


def upserted(file: str) -> Side:
    """The floor of a report that comes again."""

    def work() -> int:
        rows = pl.read_csv(file, infer_schema=False)
        others = [name for name in rows.columns if name not in _KEY]
        with transaction.atomic(), connection.cursor() as cursor, copy.Incoming(cursor, "floor", rows) as temporary:
            cursor.execute(
                sql.SQL("INSERT INTO floor SELECT * FROM {} ON CONFLICT ({}) DO UPDATE SET ({}) = ROW({})").format(
                    sql.Identifier(temporary),
                    copy.names(_KEY),
                    copy.names(others),
                    copy.listed(sql.Identifier("excluded", name) for name in others),
                )
            )
            return int(cursor.rowcount)

    return work


def text_table(name: str, rows: pl.DataFrame) -> None:
    """An empty table with the columns of a frame, all text."""
    columns = copy.listed(sql.SQL("{} text").format(sql.Identifier(column)) for column in rows.columns)
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE TABLE {} ({})").format(sql.Identifier(name), columns))
