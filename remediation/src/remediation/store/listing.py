"""Lists of many rows: filtered, ordered and cut into pages by the database, at the same speed at any depth.

A page begins after the last row of the one before (its place), and not after a number of rows: the database goes to the
place by an index. For that, what a list is ordered by is never null, and the row's id makes each place one of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import DataError, connection, transaction

# A count that would be higher is shown as this many and more.
MOST_COUNTED = 10_000


def _quoted(word: str) -> str:
    return word.replace("\\", "\\\\").replace("'", "''")


class NoSuch(ValueError):
    """A column, an order, a filter or a place that a list has not. The text is for the person who asked."""


@dataclass(frozen=True)
class Column:
    """``sql`` is an expression over the list's rows. ``order``: an expression that is never null, by which the list can
    be ordered, "" where it cannot, and ``order_type`` its type in SQL. ``order_key``: the list's key as another table
    has it, whose index has both. ``kind`` says how it is shown: text, number, severity, day, time, texts, flag.
    ``shown``: without being chosen."""

    name: str
    title: str
    sql: str
    kind: str = "text"
    order: str = ""
    order_type: str = "float8"
    shown: bool = True
    order_key: str = ""


@dataclass(frozen=True)
class Filter:
    """``sql`` is a condition with ``%(NAME)s`` for what is asked for. ``kind``: text, number, choice, choices
    (``sql`` gets a list), rows (a list of numbers of rows, which people choose in the list itself) or words (``sql``
    gets what to_tsquery takes). A ``number`` is checked before the database sees it. ``more``: it is shown on demand.
    """

    name: str
    title: str
    sql: str
    kind: str = "text"
    choices: Sequence[tuple[str, str]] = ()
    more: bool = False

    def value(self, asked: Sequence[str]) -> Any:
        """What SQL gets. Raises NoSuch."""
        known = {name for name, _ in self.choices}
        if self.kind in ("choice", "choices") and (unknown := [one for one in asked if one not in known]):
            raise NoSuch(f"{self.title} is {unknown[0]!r}, and there is no such choice.")
        if self.kind == "choices":
            return list(asked)
        if self.kind == "rows":
            if unknown := [one for one in asked if not (one.isascii() and one.isdecimal() and len(one) <= 18)]:
                raise NoSuch(f"{self.title} is {unknown[0]!r}, and has to be numbers of rows.")
            return list(map(int, asked))
        if self.kind == "words":
            # As a query for texts with all of these words, or with ones that begin so.
            return " & ".join(f"'{_quoted(word)}':*" for word in asked[0].split())
        if self.kind == "number":
            try:
                if math.isfinite(value := float(asked[0])):
                    return value
            except ValueError:
                pass
            raise NoSuch(f"{self.title} is {asked[0]!r}, and has to be a number.")
        return asked[0]


@dataclass(frozen=True)
class Listing:
    """``rows`` is what stands after FROM, perhaps with WHERE; ``key`` the column with each row's own number. ``order``
    is the name of a column, with ``-`` in front where the highest come first. ``given`` are values that ``rows`` and
    the columns use. ``of_two``: its order and its key are of two tables, so that no index is on both."""

    name: str
    rows: str
    key: str
    columns: Sequence[Column]
    filters: Sequence[Filter] = ()
    order: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)
    of_two: bool = False

    def column(self, name: str) -> Column:
        """A column by its name. Raises NoSuch."""
        for column in self.columns:
            if column.name == name:
                return column
        raise NoSuch(f"The list has no column {name!r}.")


@dataclass(frozen=True)
class Query:
    """What somebody asks of a list. ``filters`` by name, each with the values that were given; ``order`` as in Listing.

    ``after`` is a place, "" for the first page; ``before`` one that the page ends in front of.
    """

    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    order: str = ""
    after: str = ""
    before: str = ""
    size: int = 50


@dataclass(frozen=True)
class Page:
    """``rows`` are tables by the names of columns, with ``key``. ``earlier`` and ``later`` are the places of the pages
    beside this one, "" where there is none."""

    rows: Sequence[dict[str, Any]]
    earlier: str = ""
    later: str = ""


def page(listing: Listing, query: Query) -> Page:
    """A page of a list. Raises NoSuch."""
    place = query.before or query.after
    backwards = bool(query.before)
    found = _fetch(listing, query, place, backwards, query.size + 1)
    more, rows = len(found) > query.size, found[: query.size]
    if backwards:
        rows.reverse()
    first, last = (_place(rows[0]), _place(rows[-1])) if rows else ("", "")
    for row in rows:
        del row["place"]
    if backwards:
        return Page(rows, first if more else "", last)
    return Page(rows, first if query.after else "", last if more else "")


def every(listing: Listing, query: Query, most: int) -> Iterator[dict[str, Any]]:
    """All rows that pass the filters, in order, up to ``most``."""
    after, left = "", most
    while left > 0:
        size = min(left, 1000)
        rows = _fetch(listing, query, after, False, size)
        for row in rows:
            after = _place(row)
            del row["place"]
            yield row
        left -= size
        if len(rows) < size:
            return


def row_of(listing: Listing, number: int) -> dict[str, Any] | None:
    """The row of a list with a number, None where there is none."""
    shown = ", ".join(f'{one.sql} AS "{one.name}"' for one in listing.columns)
    where, given = _where(listing, Query())
    # Constants of the program's, as in a page.
    sql = (
        f'SELECT {listing.key} AS "key", {shown} FROM {listing.rows} {where} AND {listing.key} = %(key)s'  # nosec B608
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, {**given, "key": number})
        return next(_tables(cursor), None)


def count(listing: Listing, query: Query) -> int:
    """How many rows pass the filters; MOST_COUNTED + 1 for more than MOST_COUNTED. Raises NoSuch."""
    where, given = _where(listing, query)
    sql = f"SELECT count(*) FROM (SELECT FROM {listing.rows} {where} LIMIT {MOST_COUNTED + 1}) AS counted"  # nosec B608
    with connection.cursor() as cursor:
        cursor.execute(sql, given)
        return int(cursor.fetchone()[0])


def counted(number: int) -> str:
    """What ``count`` gave, in words: one that has stopped as "10,000+"."""
    return f"{MOST_COUNTED:,}+" if number > MOST_COUNTED else f"{number:,}"


def _order(listing: Listing, query: Query) -> tuple[Column, bool]:
    name = query.order or listing.order
    column = listing.column(name.removeprefix("-"))
    if not column.order:
        raise NoSuch(f"The list cannot be ordered by {column.title}.")
    return column, name.startswith("-")


def _fetch(listing: Listing, query: Query, place: str, backwards: bool, size: int) -> list[dict[str, Any]]:
    """Rows beside a place, those that are next to it first, each with ``place``: its order's value and its key."""
    column, descends = _order(listing, query)
    where, given = _where(listing, query)
    falls = descends is not backwards
    key_of = column.order_key or listing.key
    if place:
        value, _, key = place.rpartition("~")
        if not key.isdecimal():
            raise NoSuch("The address of this page is not one that the list has given.")
        where += f" AND ({column.order}, {key_of}) {'<' if falls else '>'} (%(place)s::{column.order_type}, %(key)s)"
        if listing.of_two:
            # It follows from the other one, and the index of its own table can go to it.
            where += f" AND {column.order} {'<=' if falls else '>='} %(place)s::{column.order_type}"
        given |= {"place": value, "key": int(key)}
    way = "DESC" if falls else "ASC"
    shown = ", ".join(f'{one.sql} AS "{one.name}"' for one in listing.columns)
    # Nothing in it comes from outside: the list is a constant of the program's, and what was asked for are parameters.
    place_of = f"({column.order})::text || '~' || {listing.key}"
    sql = (
        f'SELECT {listing.key} AS "key", {place_of} AS "place", {shown} '  # nosec B608
        f"FROM {listing.rows} {where} ORDER BY {column.order} {way}, {key_of} {way} LIMIT {size}"
    )
    with transaction.atomic(), connection.cursor() as cursor:
        # Compiling the query would take longer than a page does.
        cursor.execute("SET LOCAL jit = off")
        try:
            cursor.execute(sql, given)
        except DataError:
            raise NoSuch(
                "The address of this page, or one of its filters, is none that the list understands."
            ) from None
        return list(_tables(cursor))


def _tables(cursor: Any) -> Iterator[dict[str, Any]]:
    """The rows that a query gave, by the names of columns."""
    names = [one.name for one in cursor.description]
    return (dict(zip(names, row)) for row in cursor.fetchall())


def _place(row: Mapping[str, Any]) -> str:
    return str(row["place"])


def _where(listing: Listing, query: Query) -> tuple[str, dict[str, Any]]:
    known = {one.name: one for one in listing.filters}
    given = dict(listing.given)
    conditions = []
    for name, asked in query.filters.items():
        if name not in known:
            raise NoSuch(f"The list has no filter {name!r}.")
        if any(asked):
            conditions.append(f"({known[name].sql})")
            given[name] = known[name].value(asked)
    word = "AND" if " WHERE " in listing.rows else "WHERE"
    return f"{word} {' AND '.join(conditions or ['true'])}", given
