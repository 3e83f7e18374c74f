"""Ticket fields in the form in which Halo accepts them on writing, which differs from that on reading."""

from __future__ import annotations

import re
from typing import Any, Mapping

from ..errors import InvalidInput, field_word, invalid_input
from ..values.ids import as_id
from ..values.markup import one_line
from .external_key import THIRD_PARTY_ID
from .lookups import Lookups, Row, listed, name_of


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


# The names by which a caller gives what Halo takes under another one, by Halo's names.
GIVEN_AS = {
    "team": "team_id",
    "details_html": "details",
    **{f"category_{level}": "category_id" for level in (1, 2, 3, 4)},
}
# What has a meaning of its own here: which ticket is written, by which key it is found again, and its files.
_NOT_ADDITIONAL = {
    "id": "which would write another ticket",
    THIRD_PARTY_ID: "which holds the key by which a ticket is found again: use {input external_reference}",
    "attachments": "use {input attachments}",
}


def with_additional(fields: Mapping[str, Any], additional: Mapping[str, Any]) -> dict[str, Any]:
    """``fields`` and further ones by Halo's own names.

    Raises InvalidInput where one of them contradicts a field that is given, or has a meaning of its own.
    """
    for name, value in additional.items():
        if not re.fullmatch("[A-Za-z0-9_]{1,100}", name):
            raise invalid_input("additional_fields", "has a name that is none of a field: letters, digits and _ only")
        if name.casefold() in _NOT_ADDITIONAL:
            raise invalid_input("additional_fields", f"must not have {name}, {_NOT_ADDITIONAL[name.casefold()]}")
        for given in fields:
            same = GIVEN_AS.get(given, given) == GIVEN_AS.get(name.casefold(), name.casefold())
            if same and not (given == name and fields[given] == value):
                raise invalid_input("additional_fields", f"contradicts {field_word(given)}: it has {name} as well")
    return {**fields, **additional}


def _row(lookups: Lookups, kind: str, number: Any) -> Row:
    def named(rows: list[Row]) -> list[Row]:
        return [row for row in rows if as_id(row.get("id")) == number and name_of(kind, row)]

    rows = lookups.rows(kind, enough=lambda rows: bool(named(rows)))
    if found := named(rows):
        return found[0]
    there = listed(kind, rows)
    raise InvalidInput(
        kind="input",
        cause=f"HaloITSM has no {kind} with ID {number}.",
        assistance=f"Use one of these: {there or 'none, the list is empty'}. Nothing was sent.",
    )
