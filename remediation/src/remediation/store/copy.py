"""Frames to and from PostgreSQL by COPY, as CSV: an unquoted nothing is NULL, a quoted one is an empty text.

Runs on Django's connection, so that it is part of the transaction around it.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl
from django.db import connection, transaction
from psycopg import sql

Schema = Mapping[str, Any]
"""Column names to polars' types, as in domain.snapshot."""

# Rows that are turned to CSV at once: bounds the memory.
SLICE = 100_000
# Moments in UTC. PostgreSQL reads no other that tells its zone as quickly.
_MOMENT = "%Y-%m-%d %H:%M:%S%.f+00"


def csv_slices(frame: pl.DataFrame) -> Iterable[bytes]:
    """The frame as CSV without a header, in parts. Lists are PostgreSQL's array literals; NUL, which it refuses, is
    left out."""
    lists = [name for name, kind in frame.schema.items() if isinstance(kind, pl.List)]
    moments = pl.col(pl.Datetime).dt.convert_time_zone("UTC")
    for part in frame.with_columns([array_literal(name) for name in lists] + [moments]).iter_slices(SLICE):
        text = io.BytesIO()
        part.write_csv(text, include_header=False, quote_style="non_numeric", datetime_format=_MOMENT)
        yield text.getvalue().replace(b"\0", b"")


def array_literal(column: str) -> pl.Expr:
    """A list of texts as ``{"one","t\\"wo"}``. Elements that are null are left out; a null list stays null."""
    escaped = pl.element().drop_nulls().str.replace_all(r'(["\\])', r"\$1")
    joined = pl.col(column).cast(pl.List(pl.String)).list.eval(pl.lit('"') + escaped + pl.lit('"')).list.join(",")
    return (pl.lit("{") + joined + pl.lit("}")).alias(column)


def append(table: str, frame: pl.DataFrame) -> int:
    """Append the frame's rows to the table's columns of the same names. Returns how many."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(sql.Identifier(table), names(frame.columns))
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for part in csv_slices(frame):
                copy.write(part)
        return int(cursor.rowcount)


def select(query: str, parameters: Sequence[Any], schema: Schema) -> pl.DataFrame:
    """The rows of a query whose columns are the schema's, in its order."""
    columns = listed(_sent(name, kind) for name, kind in schema.items())
    text = io.BytesIO()
    with connection.cursor() as cursor:
        inner = sql.SQL(query)  # a constant of the caller's
        statement = sql.SQL("COPY (SELECT {} FROM ({}) AS rows) TO STDOUT (FORMAT csv)").format(columns, inner)
        with cursor.copy(statement, parameters) as copy:
            for part in copy:
                text.write(part)
    if not text.tell():
        return pl.DataFrame(schema=dict(schema))
    text.seek(0)
    sent = {name: _sent_type(kind) for name, kind in schema.items()}
    frame = pl.read_csv(text, has_header=False, schema=sent)
    return frame.select(_received(name, kind) for name, kind in schema.items())


def upsert(
    table: str,
    source_id: int,
    keys: Sequence[str],
    frame: pl.DataFrame,
    *,
    keeps: Sequence[str] = (),
) -> int:
    """Update the rows that differ and insert those that are new; a row that is the same is not touched.

    Returns how many were written. ``keys`` name a row together with source_id, and the frame has each once. A null in a
    column of ``keeps`` leaves what is stored; in a new row, a list becomes an empty one, and a truth value false.

    An update and an insert are quicker than an insert with ON CONFLICT, which also locks what it does not change. They
    are safe because the source is locked.
    """
    if frame.is_empty():
        return 0
    with transaction.atomic(), connection.cursor() as cursor:
        lock(source_id)
        # In the order of the index that they go into, rows are inserted a quarter faster.
        ordered = frame.sort(keys)
        if _is_new(cursor, table, source_id):
            # Nothing to compare with: half the work.
            return append(table, _first_rows(ordered, source_id, keeps))
        with Incoming(cursor, table, ordered) as temporary:
            parts = _Upsert(table, temporary, keys, frame.schema, keeps)
            cursor.execute(parts.update(), {"source": source_id})
            updated = int(cursor.rowcount)
            cursor.execute(parts.insert(), {"source": source_id})
            return updated + int(cursor.rowcount)


def _is_new(cursor: Any, table: str, source_id: int) -> bool:
    """Whether a table has no row of a source yet."""
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE source_id = %s)").format(sql.Identifier(table))
    cursor.execute(query, [source_id])
    return not cursor.fetchone()[0]


def _first_rows(frame: pl.DataFrame, source_id: int, keeps: Sequence[str]) -> pl.DataFrame:
    """The rows as an upsert would insert them."""
    filled = [
        pl.col(name).fill_null(False if kind == pl.Boolean else pl.lit([], kind))
        for name, kind in frame.schema.items()
        if name in keeps and (kind == pl.Boolean or isinstance(kind, pl.List))
    ]
    return frame.with_columns(filled).with_columns(pl.lit(source_id, pl.Int64).alias("source_id"))


def lock(source_id: int) -> None:
    """Keep others from changing this source's rows until the transaction ends; waits for those that do already."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM store_source WHERE id = %s FOR NO KEY UPDATE", [source_id])


class _Upsert:
    """The two statements of an upsert: ``new`` is the row that comes, ``old`` the one that is stored."""

    def __init__(
        self, table: str, temporary: str, keys: Sequence[str], schema: Mapping[str, pl.DataType], keeps: Sequence[str]
    ) -> None:
        self._table, self._temporary = sql.Identifier(table), sql.Identifier(temporary)
        self._schema, self._keeps = schema, keeps
        self._changing = [name for name in schema if name not in keys]
        self._same_key = sql.SQL("old.source_id = %(source)s AND {}").format(
            sql.SQL(" AND ").join(sql.SQL("old.{0} = new.{0}").format(sql.Identifier(key)) for key in keys)
        )

    def update(self) -> sql.Composed:
        values = [self._merged(name) for name in self._changing]
        return sql.SQL(
            "UPDATE {} AS old SET ({}) = ROW({}) FROM {} AS new WHERE {} AND ROW({}) IS DISTINCT FROM ROW({})"
        ).format(
            self._table,
            names(self._changing),
            listed(values),
            self._temporary,
            self._same_key,
            listed(values),
            listed(sql.Identifier("old", name) for name in self._changing),
        )

    def insert(self) -> sql.Composed:
        return sql.SQL(
            "INSERT INTO {table} (source_id, {columns}) SELECT %(source)s, {values} FROM {temporary} AS new "
            "WHERE NOT EXISTS (SELECT FROM {table} AS old WHERE {same_key})"
        ).format(
            table=self._table,
            columns=names(self._schema),
            values=listed(self._fresh(name) for name in self._schema),
            temporary=self._temporary,
            same_key=self._same_key,
        )

    def _merged(self, name: str) -> sql.Composable:
        new, old = sql.Identifier("new", name), sql.Identifier("old", name)
        return sql.SQL("coalesce({}, {})").format(new, old) if name in self._keeps else new

    def _fresh(self, name: str) -> sql.Composable:
        new, kind = sql.Identifier("new", name), self._schema[name]
        if name in self._keeps and isinstance(kind, pl.List):
            return sql.SQL("coalesce({}, '{{}}')").format(new)
        return sql.SQL("coalesce({}, false)").format(new) if name in self._keeps and kind == pl.Boolean else new


class Incoming:
    """A temporary table with the frame's rows and the types of the table's columns of the same names, for the block."""

    def __init__(self, cursor: Any, table: str, frame: pl.DataFrame) -> None:
        self._cursor, self._table, self._frame = cursor, table, frame
        self._name = f"incoming_{table}"

    def __enter__(self) -> str:
        self._cursor.execute(
            sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
                sql.Identifier(self._name), names(self._frame.columns), sql.Identifier(self._table)
            )
        )
        append(self._name, self._frame)
        # Without figures, the join that follows would be planned for a small table.
        self._cursor.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(self._name)))
        return self._name

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:  # after an error, the transaction is over and the table with it
            self._cursor.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(self._name)))


def names(columns: Iterable[str]) -> sql.Composed:
    """Columns, quoted, with commas."""
    return listed(sql.Identifier(name) for name in columns)


def listed(parts: Iterable[sql.Composable]) -> sql.Composed:
    """Parts of a statement, with commas."""
    return sql.SQL(", ").join(parts)


# What COPY sends is read by polars: moments as microseconds, lists as JSON.


def _sent(name: str, kind: Any) -> sql.Composable:
    column = sql.Identifier(name)
    if isinstance(kind, pl.Datetime):
        return sql.SQL("(extract(epoch FROM {}) * 1000000)::bigint").format(column)
    if isinstance(kind, pl.List):
        return sql.SQL("array_to_json({})").format(column)
    if kind == pl.Boolean:
        return sql.SQL("{}::int").format(column)
    return column


def _sent_type(kind: Any) -> Any:
    if isinstance(kind, pl.Datetime) or kind == pl.Boolean:
        return pl.Int64
    return pl.String if isinstance(kind, pl.List) else kind


def _received(name: str, kind: Any) -> pl.Expr:
    column = pl.col(name)
    if isinstance(kind, pl.List):
        return column.str.json_decode(kind)
    return column if _sent_type(kind) == kind else column.cast(kind)
