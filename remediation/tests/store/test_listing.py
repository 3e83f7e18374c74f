"""Lists: every row once over all pages, whatever the order, and nothing that is asked for gets into the SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from django.db import ProgrammingError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from remediation.store import audit, models
from remediation.store.listing import Column, Filter, Listing, NoSuch, Query, count, every, page
from remediation.store.versions import ChangedMeanwhile, change_version

LIST = Listing(
    name="sources",
    rows="store_source AS source WHERE kind = 'listed'",
    key="source.id",
    columns=(
        Column("name", "Name", "name", order='name COLLATE "C"', order_type="text"),
        Column("number", "Number", "(settings->>'n')::int", "number", "coalesce((settings->>'n')::float8, -1)"),
        Column("kind", "Kind", "kind"),
    ),
    filters=(
        Filter("words", "Name holds", "name ILIKE '%%' || %(words)s || '%%'"),
        Filter("least", "Number from", "(settings->>'n')::int >= %(least)s", "number"),
        Filter("one", "One", "name = %(one)s", "choice", [("a", "A")]),
    ),
    order="-number",
)


def fill(numbers: Sequence[int | None]) -> None:
    models.Source.objects.all().delete()
    models.Source.objects.bulk_create(
        models.Source(name=f"s~{place:04d}", kind="listed", settings={} if n is None else {"n": n})
        for place, n in enumerate(numbers)
    )


def walked(query: Query, forwards: bool = True) -> list[dict[str, Any]]:
    """All rows by the links from page to page."""
    rows: list[dict[str, Any]] = []
    while True:
        found = page(LIST, query)
        rows = [*rows, *found.rows] if forwards else [*found.rows, *rows]
        place = found.later if forwards else found.earlier
        if not place:
            return rows
        query = Query(query.filters, query.order, **{"after" if forwards else "before": place}, size=query.size)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    numbers=some.lists(some.none() | some.integers(0, 5), max_size=23),
    order=some.sampled_from(["name", "-name", "number", "-number", ""]),
    size=some.integers(1, 7),
)
def test_each_row_is_on_one_page_in_order(store: str, numbers: list[int | None], order: str, size: int) -> None:
    fill(numbers)
    rows = walked(Query(order=order, size=size))
    assert rows == list(every(LIST, Query(order=order), 1000))
    assert len({row["key"] for row in rows}) == len(numbers) == count(LIST, Query())
    name = (order or "-number").removeprefix("-")
    values = [row[name] if row[name] is not None else -1 for row in rows]
    assert values == sorted(values, reverse=(order or "-number").startswith("-"))
    if rows:
        end = page(LIST, Query(order=order, size=1000)).rows[-1]
        column = LIST.column(name)
        place = f"{end[name] if end[name] is not None else -1}~{end['key']}"
        assert column.order
        assert walked(Query(order=order, before=place, size=size), forwards=False) == rows[:-1]


def test_a_page_shows_what_passes_all_filters(store: str) -> None:
    fill([1, 2, 3, None])
    asked = Query({"words": ["s~"], "least": ["2"]})
    assert [row["number"] for row in page(LIST, asked).rows] == [3, 2]
    assert count(LIST, asked) == 2
    assert not page(LIST, Query({"words": ["%' OR true --"]})).rows
    assert page(LIST, Query({"words": [""]})).rows, "an empty filter is none"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (Query(order="colour"), "no column"),
        (Query(order="kind"), "cannot be ordered"),
        (Query({"colour": ["red"]}), "no filter"),
        (Query({"least": ["many"]}), "has to be a number"),
        (Query({"one": ["b"]}), "no such choice"),
        (Query(after="nonsense"), "address of this page"),
        (Query(after="nonsense~1"), "address of this page"),
        (Query({"words": ["\0"]}), "address of this page"),
    ],
)
def test_what_a_list_cannot_answer_is_said(store: str, query: Query, said: str) -> None:
    fill([1])
    with pytest.raises(NoSuch, match=said):
        page(LIST, query)
    models.Source.objects.get()  # the connection is of use still


def test_of_two_who_change_the_same_version_the_later_one_is_told(store: str) -> None:
    row = models.Source.objects.create(name="one")
    other = models.Source.objects.get()
    change_version(row, 1, name="two")
    assert (row.name, row.version) == ("two", 2)
    with pytest.raises(ChangedMeanwhile) as told:
        change_version(other, 1, name="three")
    assert told.value.now == row and models.Source.objects.get().name == "two"
    row.delete()
    with pytest.raises(ChangedMeanwhile) as told:
        change_version(other, 2, name="three")
    assert told.value.now is None


@pytest.mark.parametrize(
    "statement", ["UPDATE store_auditentry SET who = 'x'", "DELETE FROM store_auditentry", "TRUNCATE store_auditentry"]
)
def test_the_audit_cannot_be_changed(store: str, statement: str) -> None:
    audit.record("anna", "connection changed", "halo", **{"site": ["a", "b"]})
    with pytest.raises(ProgrammingError, match="never changed"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert models.AuditEntry.objects.get().who == "anna"
