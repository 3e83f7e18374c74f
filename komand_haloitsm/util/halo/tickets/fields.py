"""Ticket fields in the form in which Halo accepts them on writing, which differs from that on reading."""

from __future__ import annotations

from typing import Any, Mapping

from ..errors import InvalidInput
from ..values.ids import as_id
from ..values.markup import one_line
from .lookups import Lookups, Row, name_of


def to_halo_fields(fields: Mapping[str, Any], lookups: Lookups) -> dict[str, Any]:
    """``fields`` with ``team_id`` replaced by the team's name, ``category_id`` by a text in ``category_1`` .. ``4``.

    Halo accepts the team by name only (seen in production clients) and has no ``category_id`` at all (official).
    Raises HaloError when there is no such team or category; the error lists those that exist.
    """
    body = {name: value for name, value in fields.items() if name not in ("team_id", "category_id")}
    if fields.get("team_id") is not None:
        body["team"] = name_of("team", _row(lookups, "team", fields["team_id"]))
    if fields.get("category_id") is not None:
        row = _row(lookups, "category", fields["category_id"])
        # type_id says which of the four category fields a category belongs to (documented only).
        level = as_id(row.get("type_id")) or 1
        body[f"category_{level if level <= 4 else 1}"] = name_of("category", row)
    if isinstance(body.get("summary"), str):
        body["summary"] = one_line(body["summary"])
    return body


def _row(lookups: Lookups, kind: str, number: Any) -> Row:
    def named(rows: list[Row]) -> list[Row]:
        return [row for row in rows if as_id(row.get("id")) == number and name_of(kind, row)]

    rows = lookups.rows(kind, enough=lambda rows: bool(named(rows)))
    if found := named(rows):
        return found[0]
    there = ", ".join(f"{as_id(row.get('id'))} {name_of(kind, row)}" for row in rows[:40])
    raise InvalidInput(
        kind="input",
        cause=f"HaloITSM has no {kind} with ID {number}.",
        assistance=f"Use one of these: {there or 'none, the list is empty'}. Nothing was sent.",
    )
