"""Tickets that somebody gave another type in Halo. A ticket's note keeps the number of the type that it was seen with
first as ``type``, and while it has another one, the names of both in words as ``retyped``.

A status or a field of ours need not exist in the other type, so a person is told. Nothing is made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ..store import models
from ..store.json_keys import change_keys
from .instance import Shown

TYPE, RETYPED = "type", "retyped"


@dataclass(frozen=True)
class TypeSeen:
    """``first``: a ticket was seen with this type first, by Halo's number. ``told``: what a person is to be told, ""
    where it has that type again."""

    row: models.Ticket
    first: int
    told: str = ""


def types_seen(
    shown: Iterable[Shown], known: Mapping[int, models.Ticket], name_of: Callable[[int], str]
) -> list[TypeSeen]:
    """What is news about the types of tickets that Halo shows. ``name_of`` gives a type's name by its number."""
    found = []
    for one in shown:
        row = known.get(one.halo_id)
        if row is None or one.type_id is None:
            continue
        first = row.note.get(TYPE)
        if first is None:
            found.append(TypeSeen(row, one.type_id))
        elif one.type_id != first:
            told = f"somebody changed its type in HaloITSM from {name_of(first)} to {name_of(one.type_id)}"
            found.append(TypeSeen(row, first, told))
        elif RETYPED in row.note:
            found.append(TypeSeen(row, first))
    return [one for one in found if one.row.note.get(TYPE) is None or one.told != one.row.note.get(RETYPED, "")]


def keep_types(seen: Iterable[TypeSeen]) -> None:
    """Keep such news with the tickets."""
    for one in seen:
        told = {RETYPED: one.told} if one.told else {}
        change_keys(one.row, "note", {TYPE: one.first, **told}, without=[] if told else [RETYPED])
