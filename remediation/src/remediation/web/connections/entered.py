"""What was sent with a form, as a draft keeps it: all fields with all their values, but for secrets and buttons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import QueryDict

Entered = dict[str, list[str]]
# Not what somebody entered, or not to be kept openly.
_NOT_KEPT = frozenset({"csrfmiddlewaretoken", "version", "secret", "do"})


def entered_of(sent: QueryDict) -> Entered:
    """The fields of a request."""
    return {name: list(values) for name, values in sent.lists() if name not in _NOT_KEPT}


def query_of(entered: Mapping[str, Sequence[str]]) -> QueryDict:
    """The same, as forms take it."""
    query = QueryDict(mutable=True)
    for name, values in entered.items():
        query.setlist(name, list(values))
    return query


def rows_of(data: Any, *names: str) -> list[dict[str, str]]:
    """The rows of a table in a form, whose columns have a field of the same name in each row. ``data`` is a form's
    QueryDict."""
    columns = [data.getlist(name) for name in names]
    longest = max((len(column) for column in columns), default=0)
    padded = [column + [""] * (longest - len(column)) for column in columns]
    return [dict(zip(names, (cell.strip() for cell in cells))) for cells in zip(*padded)]
