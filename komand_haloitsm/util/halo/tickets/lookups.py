"""The instance's statuses, priorities, teams, agents, categories and ticket types, by id and by name.

These are settings that change rarely. Each list is read when it is first needed and then kept for ten minutes. Clients,
sites and users are too many for that: they are searched for each time.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Callable, Mapping

from ..errors import HaloError
from ..http.messages import Request
from ..http.retry import RetryPolicy
from ..http.rows import rows_of
from ..http.session import Session
from ..values.ids import as_id
from .filters import PageEnd, paged
from .output import UNASSIGNED, Ticket

Row = Mapping[str, Any]

LIFETIME = 600.0
# Names only decorate a result. A call that has done its work does not wait long for them. After an error that may pass,
# they are asked for again after ``_SOON`` seconds.
_PATIENCE = RetryPolicy(max_wait=3.0)
_NOT_PERMITTED = frozenset({401, 403, 404})
_SOON = 60.0


# The fields of a ticket that its names depend on.
_NAMED_BY = (
    "status_id",
    "status_name",
    "priority_id",
    "priority_name",
    "sla_id",
    "agent_id",
    "agent_name",
    "team_id",
    "team",
    "team_name",
    "category_1",
    "categoryid_1",
)
_MOST_KEPT_NAMES = 4096
_NOTHING: tuple[float, Mapping[str, Any]] = (0.0, {})


@dataclass(frozen=True)
class _List:
    path: str
    keys: tuple[str, ...]
    id_field: str = "id"
    name_fields: tuple[str, ...] = ("name",)


# /Priority has one row for each priority in each SLA. Its id is a GUID; tickets have its priorityid (seen live).
# The shape of a /Category row is documented only.
_LISTS = {
    "status": _List("/Status", ("statuses", "results")),
    "priority": _List("/Priority", ("priorities", "results"), id_field="priorityid"),
    "team": _List("/Team", ("teams", "results")),
    "agent": _List("/Agent", ("agents", "results")),
    "tickettype": _List("/TicketType", ("tickettypes", "results")),
    "category": _List("/Category", ("categories", "results"), name_fields=("value", "category_name", "name")),
}


# All three can be searched, narrowed and paged (official). That a search finds a user by e-mail address is seen live.
_SEARCHED = {
    "client": _List("/Client", ("clients", "results")),
    "site": _List("/Site", ("sites", "results")),
    "user": _List("/Users", ("users", "results"), name_fields=("name", "emailaddress")),
}
# How many pages of hits are read: who searches for a whole name has few.
_MOST_PAGES = 20


@dataclass(frozen=True)
class _Kept:
    until: float
    rows: list[Row]
    by_id: Mapping[int, list[Row]]
    error: HaloError | None = None
    partial: bool = False


class Lookups:
    """Reads and keeps the lists. Safe to share among threads: one thread reads a list, the others wait for it.

    For names, which only decorate, a list is retried for a few seconds at most. ``rows`` has the policy of its session.
    """

    def __init__(self, session: Session, *, logger: Any) -> None:
        self._session = session
        self._logger = logger
        self._clock = session.clock.monotonic
        self._kept: dict[str, _Kept] = {}
        self._names_kept: dict[tuple[Any, ...], tuple[float, Mapping[str, Any]]] = {}
        self._locks = {kind: threading.Lock() for kind in _LISTS}

    def rows(self, kind: str, session: Session | None = None) -> list[Row]:
        """All rows of a list: status, priority, team, agent, tickettype or category. Raises HaloError.

        ``session`` is the session of the operation that needs them, if there is one. A status also has ``closed``,
        which is not a field of Halo's: True, False, or None when Halo does not tell.
        """
        kept = self._get(kind, session or self._session, needed=True)
        if kept.error is not None:
            raise kept.error
        return kept.rows

    def statuses(self) -> list[Row]:
        """The statuses as Halo lists them now, without the second request that tells which are closed. Nothing is kept.

        Raises HaloError.
        """
        return self._list("status", {}, self._session)

    def name(self, kind: str, number: int | None) -> str | None:
        """The name of an id; None when there is no such id, or the list cannot be read."""
        return next(iter(self._names(kind, number)), None)

    def closed(self, status_id: int | None) -> bool | None:
        """Whether a status is a closed one; None when that is not known."""
        row = next(iter(self._optional("status").by_id.get(status_id or 0, ())), None)
        return row["closed"] if row else None

    def number(self, kind: str, name: str) -> int | None:
        """The id of a name, ignoring case; None when the name is unknown or not unique."""
        wanted = name.strip().casefold()
        found = {
            number
            for number, rows in self._optional(kind).by_id.items()
            if any(name_of(kind, row).casefold() == wanted for row in rows)
        }
        return found.pop() if len(found) == 1 else None

    def named(self, kind: str, name: str, **within: int) -> list[Row]:
        """The clients, sites or users with this whole name, ignoring case; of a user also by e-mail address.

        ``within`` narrows by ``client_id`` and ``site_id``. Raises HaloError.
        """
        wanted = name.strip().casefold()
        rows = self.search(kind, name.strip(), **within)
        fields = _SEARCHED[kind].name_fields
        return [row for row in rows if wanted in (str(row.get(field) or "").strip().casefold() for field in fields)]

    def search(self, kind: str, text: str, *, most_pages: int = _MOST_PAGES, **within: int) -> list[Row]:
        """The clients, sites or users that Halo finds for a text, all for "", a hundred a page. Raises HaloError."""
        one = _SEARCHED[kind]
        query = {"search": text, **{name: str(number) for name, number in within.items()}}
        found: dict[int, Row] = {}
        end = PageEnd()
        for number in range(1, most_pages + 1):
            request = Request(
                "GET", one.path, {**{name: value for name, value in query.items() if value}, **paged(number)}
            )
            data = self._session.call(request).data
            rows, known = rows_of(request, data, *one.keys), len(found)
            found |= {as_id(row.get("id")) or 0: row for row in rows}
            if end.is_last(len(rows), data) or len(found) == known:
                break
        # A build that ignores a parameter lists what is elsewhere as well.
        return [row for row in found.values() if all(as_id(row.get(key)) in (None, n) for key, n in within.items())]

    def names_for(self, ticket: Ticket) -> Mapping[str, Any]:
        """What the lists say about a ticket but the ticket itself does not, by output names.

        Tickets with the same ids have the same names, so the result is kept as long as the lists are.
        """
        key = (*map(ticket.get, _NAMED_BY), isinstance(ticket.get("priority"), dict))
        try:
            until, names = self._names_kept.get(key, _NOTHING)
        except TypeError:
            # A field is a list or an object. Halo does not send that, but it must not make the call fail.
            return self._names_for(ticket)
        if self._clock() < until:
            return names
        names = self._names_for(ticket)
        if len(self._names_kept) >= _MOST_KEPT_NAMES:
            self._names_kept.clear()
        self._names_kept[key] = (min((kept.until for kept in list(self._kept.values())), default=0.0), names)
        return names

    def _names_for(self, ticket: Ticket) -> dict[str, Any]:
        out: dict[str, Any] = {}
        if not ticket.get("status_name"):
            out["status_name"] = self.name("status", as_id(ticket.get("status_id")))
        out["closed"] = self.closed(as_id(ticket.get("status_id")))
        if not ticket.get("priority_name") and not isinstance(ticket.get("priority"), dict):
            out["priority_name"] = self._priority_name(ticket)
        agent_id = as_id(ticket.get("agent_id"))
        if agent_id != UNASSIGNED and not ticket.get("agent_name"):
            out["agent_name"] = self.name("agent", agent_id)
        team, team_id = ticket.get("team") or ticket.get("team_name"), as_id(ticket.get("team_id"))
        if not team:
            out["team_name"] = self.name("team", team_id)
        elif team_id is None and isinstance(team, str):
            out["team_id"] = self.number("team", team)
        category = ticket.get("category_1")
        if isinstance(category, str) and category and as_id(ticket.get("categoryid_1")) is None:
            out["category_id"] = self.number("category", category)
        return {name: value for name, value in out.items() if value is not None}

    def _priority_name(self, ticket: Ticket) -> str | None:
        """The name of the priority in the ticket's SLA. Without one there, the name if it is the same in all SLAs."""
        number, sla = as_id(ticket.get("priority_id")), as_id(ticket.get("sla_id"))
        names = self._names("priority", number, lambda row: sla is None or as_id(row.get("slaid")) == sla)
        names = names or self._names("priority", number)
        return names[0] if len(set(names)) == 1 else None

    def _names(self, kind: str, number: int | None, wanted: Callable[[Row], bool] = lambda row: True) -> list[str]:
        if number is None:
            return []
        rows = self._optional(kind).by_id.get(number, ())
        return [name for name in (name_of(kind, row) for row in rows if wanted(row)) if name]

    def _optional(self, kind: str) -> _Kept:
        return self._get(kind, self._session.patient(_PATIENCE), needed=False)

    def _get(self, kind: str, session: Session, *, needed: bool) -> _Kept:
        # The first read needs no lock: a kept list is only ever replaced as a whole.
        kept = self._kept.get(kind)
        if self._usable(kept, needed):
            return kept  # type: ignore[return-value]  # _usable says that it is not None
        with self._locks[kind]:
            kept = self._kept.get(kind)
            if not self._usable(kept, needed):
                kept = self._kept[kind] = self._read(kind, session)
            return kept  # type: ignore[return-value]  # as above

    def _usable(self, kept: _Kept | None, needed: bool) -> bool:
        """Whether a kept list can be used.

        For names, a list that was refused or is incomplete is good enough. A caller that needs the list (``needed``)
        reads it again, because Halo may give it by now.
        """
        if kept is None or self._clock() >= kept.until:
            return False
        return not needed or (kept.error is None and not kept.partial)

    def _read(self, kind: str, session: Session) -> _Kept:
        partial = False
        try:
            rows = self._list(kind, {}, session)
            if kind == "status":
                rows, partial = self._with_closed(rows, session)
        except HaloError as error:
            lasting = error.status in _NOT_PERMITTED
            self._logger.warning(f"HaloITSM: no {kind} names, because {_LISTS[kind].path} gave: {error.kind}")
            return _Kept(self._clock() + (LIFETIME if lasting else _SOON), [], {}, error)
        by_id: dict[int, list[Row]] = {}
        for row in rows:
            number = as_id(row.get(_LISTS[kind].id_field))
            if number is not None:
                by_id.setdefault(number, []).append(row)
        return _Kept(self._clock() + (_SOON if partial else LIFETIME), rows, by_id, partial=partial)

    def _with_closed(self, rows: list[Row], session: Session) -> tuple[list[Row], bool]:
        """The statuses with ``closed``, and whether to ask Halo again because it could not answer at the moment.

        The closed statuses are those that Halo leaves out when asked to exclude closed ones (official).
        """
        try:
            open_ids = {as_id(row.get("id")) for row in self._list("status", {"excludeclosed": "true"}, session)}
        except HaloError as error:
            return [{**row, "closed": None} for row in rows], error.status not in _NOT_PERMITTED
        # If no status was left out, Halo has ignored the parameter.
        known = any(as_id(row.get("id")) not in open_ids for row in rows)
        return [{**row, "closed": as_id(row.get("id")) not in open_ids if known else None} for row in rows], False

    @staticmethod
    def _list(kind: str, query: Mapping[str, str], session: Session) -> list[Row]:
        request = Request("GET", _LISTS[kind].path, query)
        return list(rows_of(request, session.call(request).data, *_LISTS[kind].keys))


def name_of(kind: str, row: Row) -> str:
    """The name in a row of a list; "" when it has none."""
    found = (row.get(field) for field in _LISTS[kind].name_fields)
    return next((text for text in found if isinstance(text, str) and text), "")
