"""The lists that tickets refer to. Which are bare arrays and which come in an envelope: official and seen live."""

from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, request

from .action_writes import outcome_rows
from .answers import answer
from .field_values import form_fields
from .refusals import message
from .store import Row, Store, row_by
from .ticket_search import named_rows, numbers
from .ticket_shape import is_on

# Path, attribute of the store, key of the envelope (None: a bare array).
_LISTS = (
    ("status", "statuses", None),
    ("priority", "priorities", None),
    ("team", "teams", None),
    ("agent", "agents", None),
    ("tickettype", "ticket_types", None),
    ("category", "categories", None),
    ("client", "clients", "clients"),
    ("site", "sites", "sites"),
    ("users", "users", "users"),
)


# Filters of the lists of places and users (official).
_PLACES = {"sites": ("client_id",), "users": ("client_id", "site_id")}


def lookup_routes(store: Store) -> Blueprint:
    """Every list, and single rows by id (documented only)."""
    routes = Blueprint("lookups", __name__)
    for path, table, envelope in _LISTS:
        routes.add_url_rule(f"/api/{path}", f"{path}_list", _listing(store, table, envelope))
        if path != "priority":
            routes.add_url_rule(f"/api/{path}/<int:number>", f"{path}_one", _single(store, table))

    @routes.get("/api/agent/me")
    def me() -> Response:
        return answer(_shown(row_by(store.agents, "id", store.settings.api_agent_id) or {}))

    @routes.get("/api/outcome")
    def outcomes() -> Response:
        return answer(outcome_rows(store))

    return routes


def _listing(store: Store, table: str, envelope: str | None) -> Callable[[], Response]:
    def listing() -> Response:
        rows = [_shown(row) for row in _filtered(store, table, request.args)]
        return answer(rows if envelope is None else _page(rows, envelope, request.args))

    return listing


def _page(rows: list[Row], envelope: str, query: Mapping[str, str]) -> dict[str, Any]:
    """Paging is official for these lists; that it is as in the list of tickets is a guess."""
    if not is_on(query, "pageinate"):
        return {"record_count": len(rows), envelope: rows}
    size, page = (max(numbers(query.get(name, "")), default=1) for name in ("page_size", "page_no"))
    shown = rows[(page - 1) * size : page * size]
    return {"page_no": page, "page_size": size, "record_count": len(rows), envelope: shown}


def _single(store: Store, table: str) -> Callable[[int], Response]:
    def single(number: int) -> Response:
        row = row_by(getattr(store, table), "id", number)
        if row is None:
            raise message(404, f"Record {number} was not found.")
        is_form = table == "ticket_types" and is_on(request.args, "includedetails")
        return answer({**_shown(row), **({"fields": form_fields(store, number)} if is_form else {})})

    return single


def _filtered(store: Store, table: str, query: Mapping[str, str]) -> list[Row]:
    rows: list[Row] = list(getattr(store, table))
    if table == "statuses" and is_on(query, "excludeclosed"):
        rows = [row for row in rows if row["id"] not in store.closed_statuses]
    narrowed_by = {"priorities": "slaid", "categories": "type_id"}.get(table)
    if narrowed_by is not None and query.get(narrowed_by):
        wanted = numbers(query[narrowed_by])
        rows = [row for row in rows if row[narrowed_by] in wanted]
    for name in _PLACES.get(table, ()):
        wanted = numbers(query.get(name, ""))
        if wanted:
            rows = [row for row in rows if int(row[name]) in wanted]
    if query.get("search"):
        rows = named_rows(rows, query["search"])
    return rows


def _shown(row: Row) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value is not None}
