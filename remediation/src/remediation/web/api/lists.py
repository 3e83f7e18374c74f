"""Lists of the JSON API: those of the pages, with the same filters, in pages that a cursor leads through."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Generic, TypeVar

from django.http import HttpRequest
from django.utils.functional import Promise
from ninja import Schema
from pydantic import BeforeValidator, Field

from ...store.listing import Column, Filter, Listing, page, row_of
from ..listing.listed import query_of
from ..numbers import number_in
from .operations import Parameter
from .problems import not_there, not_understood

USUAL, MOST = 100, 500

Item = TypeVar("Item")
# The number of a row, in an address. The database has no higher ones.
Number = Annotated[int, Field(ge=1, lt=2**63)]
# What Django gives of a column with JSON, where it does not know the column.
JsonColumn = Annotated[dict[str, Any], BeforeValidator(json.loads)]


class Page(Schema, Generic[Item]):
    """A part of a list."""

    items: list[Item]
    next: str | None = Field(description="The cursor of the part after this one; null: this is the last one.")


def by_number(listing: Listing) -> Listing:
    """A list of the pages, ordered by the number of each row, which never changes: so whoever goes through it while
    rows come, go and change gets each row that stays exactly once."""
    number = Column("id", "Number", listing.key, "number", listing.key, "bigint")
    return replace(listing, columns=(number, *listing.columns), order="id")


def parameters_of(listing: Listing) -> list[Parameter]:
    """The parameters of an operation that answers by ``listed``, as OpenAPI describes them."""
    orders = [f"{sign}{column.name}" for column in listing.columns if column.order for sign in ("", "-")]
    order = "By what the list is ordered, with - in front where the highest come first. With another order than "
    order += f"{listing.order}, what changes while somebody goes through the list may be left out or come twice."
    limit = {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL}
    return [
        *map(_filter_parameter, listing.filters),
        parameter("order", order, {"type": "string", "enum": orders, "default": listing.order}),
        parameter("cursor", "Where the page begins: next of the one before.", {"type": "string", "minLength": 1}),
        parameter("limit", "How many rows a page has at most.", limit),
    ]


def listed(request: HttpRequest, listing: Listing) -> dict[str, Any]:
    """The page of a list that a request asks for. Raises Refused, and NoSuch for a filter that is not understood."""
    given = request.GET
    size = number_in(given.get("limit", str(USUAL)), 3)
    if not 1 <= size <= MOST:
        raise not_understood(f"limit has to be a number from 1 to {MOST}.")
    order = given.get("order", listing.order)
    after = _place_in(given["cursor"], listing.name, order) if "cursor" in given else ""
    found = page(listing, replace(query_of(given, listing), order=order, after=after, before="", size=size))
    return {"items": found.rows, "next": _cursor(listing.name, order, found.later) if found.later else None}


def one_of(listing: Listing, number: int, what: str) -> dict[str, Any]:
    """The row of a list with a number. Raises Refused where there is none."""
    row = row_of(listing, number)
    if row is None:
        raise not_there(what)
    return row


def _cursor(name: str, order: str, place: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([name, order, place]).encode()).decode()


def _place_in(cursor: str, name: str, order: str) -> str:
    try:
        its, by, place = json.loads(base64.urlsafe_b64decode(cursor))
        if (its, by) == (name, order) and isinstance(place, str) and place.encode():
            return place
    except (ValueError, TypeError):
        pass
    raise not_understood("The cursor is none that this list has given in this order.")


def _filter_parameter(one: Filter) -> Parameter:
    schema: Mapping[str, Any]
    if one.kind == "number":
        schema = {"type": "number"}
    elif one.kind == "rows":
        schema = {"type": "array", "items": {"type": "integer", "minimum": 1}}
    elif isinstance(one.choices, Promise):
        # Rows of a table, which are not known before somebody asks.
        schema = {"type": "integer", "minimum": 1}
    elif one.choices:
        schema = {"type": "string", "enum": [value for value, _ in one.choices]}
        schema = {"type": "array", "items": schema} if one.kind == "choices" else schema
    else:
        schema = {"type": "string", "minLength": 1}
    return parameter(one.name, f"{one.title}.", schema)


def parameter(name: str, description: str, schema: Mapping[str, Any]) -> Parameter:
    """A parameter of a query, as OpenAPI describes it."""
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}
