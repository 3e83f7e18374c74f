"""The page of a list: its filters, order and columns are in its address, which can be kept, sent and gone back to."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import render

from ...store import models
from ...store.listing import Column, Filter, Listing, NoSuch, Page, Query, count, counted, every, page
from .views import PAGES

# What an export holds at most.
MOST_EXPORTED = 100_000
EMPTY = Page([])


@dataclass(frozen=True)
class Shown:
    """What the template ``listing/list.html`` shows. ``error``: why the address cannot be answered, "" where it can."""

    listing: Listing
    columns: Sequence[Column]
    page: Page
    total: str
    order: str
    asked: Mapping[str, Sequence[str]]
    query: str
    views: Sequence[models.SavedView]
    error: str = ""

    @property
    def filters(self) -> list[Filter]:
        """Those that are always shown."""
        return [one for one in self.listing.filters if not one.more and one.kind != "rows"]

    @property
    def more_filters(self) -> list[Filter]:
        """Those that are shown on demand."""
        return [one for one in self.listing.filters if one.more]

    @property
    def more_is_asked(self) -> bool:
        """Whether one of those is in use."""
        return any(one.name in self.asked for one in self.more_filters)

    @property
    def has_views(self) -> bool:
        """Whether people can save views of it."""
        return self.listing.name in PAGES

    @property
    def descends(self) -> bool:
        """Whether the highest come first."""
        return self.order.startswith("-")

    @property
    def ordered_by(self) -> str:
        """The name of the column by which it is ordered."""
        return self.order.removeprefix("-")


def listed(
    request: HttpRequest, listing: Listing, template: str, *, cell: str, empty: str, bulk: bool = False, **more: Any
) -> HttpResponse | StreamingHttpResponse:
    """The page of a list, or, with ``?export=csv`` or ``json``, what it shows as a file.

    htmx gets the list without what is around it. ``template`` extends base.html and includes ``listing/list.html``;
    ``cell`` shows a ``value`` of a ``row`` by its ``column``, ``empty`` says what to do where there is no row at all.
    ``bulk``: analysts can choose rows, for a form with the id ``bulk``.
    """
    query = query_of(request.GET, listing)
    try:
        columns = _columns(request.GET, listing)
        if request.GET.get("export") in EXPORTS:
            page(listing, query)  # what cannot be answered is told before the file begins
            return EXPORTS[request.GET["export"]](listing, columns, query)
        found, total, error = page(listing, query), count(listing, query), ""
    except NoSuch as trouble:
        columns, found, total, error = [one for one in listing.columns if one.shown], EMPTY, 0, str(trouble)
    shown = Shown(
        listing=listing,
        columns=columns,
        page=found,
        total=counted(total),
        order=query.order or listing.order,
        asked=query.filters,
        query=_kept(request.GET),
        views=list(request.user.saved_views.filter(listing=listing.name).order_by("name")),  # type: ignore[union-attr]
        error=error,
    )
    is_part = bool(request.htmx) and not request.htmx.boosted  # type: ignore[attr-defined]  # django_htmx
    name = "listing/list.html" if is_part else template
    known = {"list": shown, "cell": cell, "empty": empty, "bulk": bulk, **more}
    return render(request, name, known, status=400 if error and not is_part else 200)


def query_of(given: QueryDict, listing: Listing) -> Query:
    """What an address asks of a list."""
    known = {one.name for one in listing.filters}
    filters = {name: [text.strip() for text in given.getlist(name)] for name in known if any(given.getlist(name))}
    return Query(filters, given.get("order", ""), given.get("after", ""), given.get("before", ""))


def _kept(given: QueryDict) -> str:
    """Filters, order and columns, without the place in the list."""
    kept = given.copy()
    for name in ("after", "before", "export"):
        kept.pop(name, None)
    return kept.urlencode()


def _columns(given: QueryDict, listing: Listing) -> list[Column]:
    chosen = given.getlist("columns")
    return [listing.column(name) for name in chosen] or [one for one in listing.columns if one.shown]


def _csv(listing: Listing, columns: Sequence[Column], query: Query) -> StreamingHttpResponse:
    def lines() -> Iterator[str]:
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow([column.title for column in columns])
        for row in every(listing, query, MOST_EXPORTED):
            writer.writerow([defused(row[column.name]) for column in columns])
            yield text.getvalue()
            text.seek(0)
            text.truncate()
        yield text.getvalue()

    return _file(lines(), f"{listing.name}.csv", "text/csv; charset=utf-8")


def defused(value: Any) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = "" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else _plain(value)
    is_number = isinstance(value, (int, float))
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") and not is_number else text


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, (date, datetime)) else str(value)


def _json(listing: Listing, columns: Sequence[Column], query: Query) -> StreamingHttpResponse:
    def parts() -> Iterator[str]:
        before = "["
        for row in every(listing, query, MOST_EXPORTED):
            yield before + json.dumps({column.name: row[column.name] for column in columns}, default=_plain)
            before = ",\n"
        yield "]" if before != "[" else "[]"

    return _file(parts(), f"{listing.name}.json", "application/json")


def _file(parts: Iterator[str], name: str, kind: str) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        parts, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


EXPORTS = {"csv": _csv, "json": _json}
