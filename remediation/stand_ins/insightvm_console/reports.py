"""Reports: their queries are executed by PostgreSQL on the documented tables, and not imitated."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

import psycopg
from psycopg import sql

from .world import SCHEMA

# The type number of a timestamp without a zone.
TIMESTAMP = 1114


@dataclass
class Instance:
    """One run of a report. ``output`` is CSV, None when the query failed."""

    output: bytes | None
    polls_left: int


@dataclass
class Report:
    name: str
    query: str
    zone: str
    instances: dict[int, Instance] = field(default_factory=dict)


class Reports:
    """The reports that clients have made, by number. They do not outlive the process."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self.by_number: dict[int, Report] = {}

    def add(self, report: Report) -> int:
        number = next(self._numbers)
        self.by_number[number] = report
        return number

    def generate(self, number: int, instance: Instance) -> int:
        run = next(self._numbers)
        self.by_number[number].instances[run] = instance
        return run


def execute(conninfo: str, report: Report, seconds: float) -> bytes | None:
    """The output of a report as CSV, read-only and within ``seconds``; None where PostgreSQL refuses the query.

    Documented only: times are in the zone of the report. That the output is written as PostgreSQL does is a guess.
    """
    path = f"-c search_path={SCHEMA} -c timezone=UTC -c statement_timeout={int(seconds * 1000)}"
    # The query is our own client's, or a test's. The newline ends a comment in its last line.
    query = sql.SQL("(" + report.query.strip().rstrip(";") + "\n) AS report")
    try:
        with psycopg.connect(conninfo, options=path) as connection:
            connection.read_only = True
            columns = connection.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(query)).description or []
            chosen = sql.SQL(", ").join(_zoned(column, report.zone) for column in columns)
            copy = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT csv, HEADER)").format(chosen, query)
            with connection.cursor().copy(copy) as rows:
                return b"".join(bytes(block) for block in rows)
    except psycopg.Error:
        return None


def _zoned(column: psycopg.Column, zone: str) -> sql.Composable:
    name = sql.Identifier(column.name)
    if column.type_code != TIMESTAMP:
        return name
    return sql.SQL("{} AT TIME ZONE 'UTC' AT TIME ZONE {} AS {}").format(name, sql.Literal(zone), name)
