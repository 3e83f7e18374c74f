"""Looks whether HaloITSM still has all that a connection and its projects name, and keeps that with the connection.

In a connection's settings, LOOKED_UP holds when that was (``at``), the ``numbers`` of what is there by kind and name,
what ``vanished`` (``gone_names`` has it in words), and what could not be read (``unread``), in words by kind.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from haloitsm_client import HaloClient, HaloError
from haloitsm_client.tickets.lookups import name_of
from haloitsm_client.values.ids import as_id

from ..domain.mapped_names import KINDS, Vanished, numbers_of, used_names, vanished
from ..store import models
from ..store.json_keys import change_keys
from .asking import asked, in_words
from .instance import Instance, Options

LOOKED_UP = "looked_up"
EVERY = timedelta(days=1)


def look_up(connection: models.Connection, client: HaloClient, now: datetime) -> dict[str, Any]:
    """Read what is used, and keep what came of it. Raises HaloError where HaloITSM is away, and HaloAway."""
    used = _used(connection)
    there: dict[str, list[tuple[int, str]]] = {}
    unread: dict[str, str] = {}
    for kind in KINDS:
        if any(one == kind for one, _ in used):
            try:
                rows = asked(lambda wanted=kind: _rows(client, connection, wanted))  # type: ignore[misc]
            except HaloError as error:
                unread[kind] = in_words(error)
                continue
            if rows:
                there[kind] = rows
            else:
                unread[kind] = "HaloITSM lists none"
    known = connection.settings.get(LOOKED_UP) or {}
    before = known.get("numbers") or {}
    kept = {
        "at": now.isoformat(),
        "numbers": _merged(before, numbers_of(used, there)),
        "vanished": [{**vars(one), "used_by": []} for one in vanished(used, there, before)],
        "unread": unread,
    }
    change_keys(connection, "settings", {LOOKED_UP: kept})
    return kept


def gone_names(connection: models.Connection) -> list[str]:
    """What HaloITSM did not have at the last look, in words, as far as it is used still."""
    known = (connection.settings.get(LOOKED_UP) or {}).get("vanished") or ()
    used = _used(connection) if known else {}
    found = [(used.get((one["kind"], one["name"])), one) for one in known]
    return [Vanished(**{**one, "used_by": tuple(by)}).text for by, one in found if by]


def _used(connection: models.Connection) -> dict[tuple[str, str], list[str]]:
    projects = connection.projects.order_by("position").values_list("name", "settings")
    sources = models.InvestigationSource.objects.filter(project__connection=connection).order_by("name")
    investigations = {row.name: row.settings.get("how") or {} for row in sources}
    return used_names(connection.settings, dict(projects), investigations)


def is_due(connection: models.Connection, now: datetime) -> bool:
    """Whether it is to be looked at again. A time that is yet to come is no look."""
    at = (connection.settings.get(LOOKED_UP) or {}).get("at")
    return not at or not timedelta(0) <= now - datetime.fromisoformat(at) < EVERY


def _merged(before: dict[str, dict[str, int]], now: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    """What is there no more keeps its number, by which it is known again."""
    return {kind: {**before.get(kind, {}), **now.get(kind, {})} for kind in {**before, **now}}


def _rows(client: HaloClient, connection: models.Connection, kind: str) -> list[tuple[int, str]]:
    """Numbers and names of a kind. Raises HaloError."""
    if kind == "status":
        return list(Instance(client, Options()).status_map().names.items())
    if kind == "field":
        return _fields(client, connection)
    id_of = "priorityid" if kind == "priority" else "id"
    rows = ((as_id(row.get(id_of)), name_of(kind, row)) for row in client.lookups.rows(kind))
    return sorted({(number, name) for number, name in rows if number is not None and name})


def _fields(client: HaloClient, connection: models.Connection) -> list[tuple[int, str]]:
    """The fields of the forms of both ticket types. Raises HaloError."""
    found: set[tuple[int, str]] = set()
    names: Iterable[str] = {str(connection.settings.get(name) or "") for name in ("ticket_type", "parent_type")}
    for name in filter(None, names):
        number = client.lookups.number("tickettype", name)
        for row in client.lookups.type_fields(number) if number is not None else ():
            told = row.get("fieldinfo")
            info = told if isinstance(told, dict) else {}
            called = str(info.get("name") or row.get("fieldname") or "")
            if called:
                found.add((as_id(info.get("id")) or as_id(row.get("fieldid")) or 0, called))
    return sorted(found)
