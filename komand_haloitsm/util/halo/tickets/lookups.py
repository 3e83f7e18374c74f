"""The instance's statuses, priorities, teams, agents, categories and ticket types, by id and by name.

These are settings that change rarely. Each list is read when it is first needed and then kept for ten minutes. A new
process takes it from the file of ``kept_answers.py``, where that is young enough and knows what is asked. Clients,
sites and users are too many for that: they are searched for each time.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Any, Callable, Iterable, Mapping

from ..errors import HaloError, first_of
from ..http.messages import Request
from ..http.retry import RetryPolicy
from ..http.rows import rows_of
from ..http.session import Session
from ..values.ids import as_id
from .filters import PageEnd, paged
from .kept_answers import KeptAnswers
from .output import UNASSIGNED, Ticket

Row = Mapping[str, Any]

LIFETIME = 600.0
# Names only decorate a result. A call that has done its work does not wait long for them. After an error that may pass,
# they are asked for again after ``_SOON`` seconds.
_PATIENCE = RetryPolicy(max_wait=3.0)
_NOT_PERMITTED = frozenset({401, 403, 404})
_SOON = 60.0
# For how long names may come from another process. What is more than a name (which statuses close, a list that is
# needed to write, that a list may not be read) may be no older than in one process.
_LIFETIME_OF_NAMES = 3600.0

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
    *(f"{field}_{level}" for level in (1, 2, 3, 4) for field in ("category", "categoryid")),
)
_MOST_KEPT_NAMES = 4096
_NOTHING: tuple[float, Mapping[str, Any]] = (0.0, {})


@dataclass(frozen=True)
class _List:
    """``facts`` are the other fields that are used: they are kept for another process, and no more."""

    path: str
    keys: tuple[str, ...]
    id_field: str = "id"
    name_fields: tuple[str, ...] = ("name",)
    facts: tuple[str, ...] = ()
    lifetime: float = _LIFETIME_OF_NAMES


# /Priority has one row for each priority in each SLA. Its id is a GUID; tickets have its priorityid (seen live).
# The shape of a /Category row is documented only.
_LISTS = {
    "status": _List("/Status", ("statuses", "results"), facts=("type", "closed"), lifetime=LIFETIME),
    "priority": _List("/Priority", ("priorities", "results"), id_field="priorityid", facts=("slaid",)),
    "team": _List("/Team", ("teams", "results")),
    "agent": _List("/Agent", ("agents", "results")),
    "tickettype": _List("/TicketType", ("tickettypes", "results")),
    "category": _List(
        "/Category", ("categories", "results"), name_fields=("value", "category_name", "name"), facts=("type_id",)
    ),
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
    """A list. It is good enough for names until ``until``, and for who needs it until ``whole_until``, in seconds of
    the clock. ``age`` is that of a list from another process, which may not know what this one asks for.
    """

    until: float
    rows: list[Row]
    by_id: Mapping[int, list[Row]]
    whole_until: float = 0.0
    error: HaloError | None = None
    age: float | None = None


class Lookups:
    """Reads and keeps the lists. Safe to share among threads: one thread reads a list, the others wait for it.

    For names, which only decorate, a list is retried for a few seconds at most. ``rows`` has the policy of its session.
    ``answers`` is where a process leaves its lists for the next one.
    """

    def __init__(self, session: Session, *, logger: Any, answers: KeptAnswers = KeptAnswers(None)) -> None:
        self._session = session
        self._logger = logger
        self._answers = answers
        self._clock = session.clock.monotonic
        self._kept: dict[str, _Kept] = {}
        self._names_kept: dict[tuple[Any, ...], tuple[float, Mapping[str, Any]]] = {}
        self._locks = {kind: threading.Lock() for kind in _LISTS}

    def rows(
        self, kind: str, session: Session | None = None, *, enough: Callable[[list[Row]], bool] = lambda rows: True
    ) -> list[Row]:
        """All rows of a list: status, priority, team, agent, tickettype or category. Raises HaloError.

        ``session`` is the session of the operation that needs them, if there is one. A status also has ``closed``,
        which is not a field of Halo's: True, False, or None when Halo does not tell.

        ``enough`` says whether the rows tell what is wanted: rows that another process has read are read anew where
        they do not, because a setting may be new. Such rows have only the fields that this client uses.
        """
        kept = self._get(kind, session or self._session, needed=True, enough=lambda kept: enough(kept.rows))
        if kept.error is not None:
            raise kept.error
        return kept.rows

    def in_place_of(self, kind: str, number: int) -> str:
        """The ids and names of a list that does not have ``number``; "" where it has, or where it cannot be read."""
        kept = self._optional(kind, lambda kept: number in kept.by_id)
        return "" if number in kept.by_id else listed(kind, kept.rows)

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
        kept = self._optional("status", lambda kept: not status_id or status_id in kept.by_id)
        row = next(iter(kept.by_id.get(status_id or 0, ())), None)
        return row["closed"] if row else None

    def closing(self) -> Mapping[int, bool | None]:
        """Of each status, whether it is a closed one; None where Halo does not tell, empty where it lists none."""
        kept = self._optional("status", lambda kept: True)
        return {number: rows[0]["closed"] for number, rows in kept.by_id.items()}

    def number(self, kind: str, name: str) -> int | None:
        """The id of a name, ignoring case; None when the name is unknown or not unique."""
        wanted = name.strip().casefold()

        def found(kept: _Kept) -> set[int]:
            return {
                number
                for number, rows in kept.by_id.items()
                if any(name_of(kind, row).casefold() == wanted for row in rows)
            }

        numbers = found(self._optional(kind, lambda kept: bool(found(kept))))
        return numbers.pop() if len(numbers) == 1 else None

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

    def type_fields(self, number: int) -> list[Row]:
        """The fields of a ticket type's form, in no order. Nothing is kept. Raises HaloError.

        A row has ``technew``, how an agent sees the field in a new ticket, and ``fieldinfo`` with its name, its label
        and whether it is mandatory (all documented only).
        """
        request = Request("GET", f"{_LISTS['tickettype'].path}/{number}", {"includedetails": "true"})
        data = self._session.call(request).data
        rows = data.get("fields") if isinstance(data, dict) else None
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []

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
        for level in (1, 2, 3, 4):
            category = ticket.get(f"category_{level}")
            if isinstance(category, str) and category and as_id(ticket.get(f"categoryid_{level}")) is None:
                out["category_id" if level == 1 else f"category_id_{level}"] = self._category_number(category, level)
        return {name: value for name, value in out.items() if value is not None}

    def _category_number(self, name: str, level: int) -> int | None:
        """The id of a category of this level; where no row tells its level, of any."""
        wanted = name.strip().casefold()
        rows = [row for row in self._optional("category", lambda kept: True).rows if _is_named(row, wanted)]
        numbers = {as_id(row.get("id")) for row in rows if as_id(row.get("type_id")) == level}
        return next(iter(numbers)) if len(numbers) == 1 else self.number("category", name)

    def _priority_name(self, ticket: Ticket) -> str | None:
        """The name of the priority in the ticket's SLA. Without one there, the name if it is the same in all SLAs."""
        number, sla = as_id(ticket.get("priority_id")), as_id(ticket.get("sla_id"))
        names = self._names("priority", number, lambda row: sla is None or as_id(row.get("slaid")) == sla)
        names = names or self._names("priority", number)
        return names[0] if len(set(names)) == 1 else None

    def _names(self, kind: str, number: int | None, wanted: Callable[[Row], bool] = lambda row: True) -> list[str]:
        if number is None:
            return []
        rows = self._optional(kind, lambda kept: number in kept.by_id).by_id.get(number, ())
        return [name for name in (name_of(kind, row) for row in rows if wanted(row)) if name]

    def _optional(self, kind: str, enough: Callable[[_Kept], bool]) -> _Kept:
        # What was read a moment ago is believed: an id that no list has must not cost each process a request.
        def enough_or_young(kept: _Kept) -> bool:
            return kept.age is None or kept.age < _SOON or enough(kept)

        return self._get(kind, self._session.patient(_PATIENCE), needed=False, enough=enough_or_young)

    def _get(self, kind: str, session: Session, *, needed: bool, enough: Callable[[_Kept], bool]) -> _Kept:
        # The first read needs no lock: a kept list is only ever replaced as a whole.
        kept = self._kept.get(kind)
        if kept is not None and self._usable(kept, needed, enough):
            return kept
        with self._locks[kind]:
            kept = self._kept.get(kind) or self._from_another_process(kind)
            if kept is None or not self._usable(kept, needed, enough):
                kept = self._anew(kind, session, kept)
            self._kept[kind] = kept
            return kept

    def _usable(self, kept: _Kept, needed: bool, enough: Callable[[_Kept], bool]) -> bool:
        """Whether a kept list can be used.

        For names, a list that was refused or is incomplete is good enough. A caller that needs the list (``needed``)
        reads it again, because Halo may give it by now.
        """
        return self._clock() < (kept.whole_until if needed else kept.until) and (kept.age is None or enough(kept))

    def _anew(self, kind: str, session: Session, kept: _Kept | None) -> _Kept:
        """The list as Halo gives it now. That of another process lasts where it is better than nothing."""
        read = self._read(kind, session)
        if read.error is not None and kept is not None and kept.age is not None and self._clock() < kept.until:
            return replace(kept, whole_until=0.0, error=read.error, age=None)
        return read

    def _read(self, kind: str, session: Session) -> _Kept:
        partial = False
        try:
            rows = self._list(kind, {}, session)
            if kind == "status":
                rows, partial = self._with_closed(rows, session)
        except HaloError as error:
            lasting = error.status in _NOT_PERMITTED
            self._logger.warning(f"HaloITSM: no {kind} names, because {_LISTS[kind].path} gave: {error.kind}")
            if lasting:
                self._answers.put(kind, None)
            return _Kept(self._clock() + (LIFETIME if lasting else _SOON), [], {}, error=error)
        if partial:
            return _Kept(self._clock() + _SOON, rows, _by_id(kind, rows))
        self._answers.put(kind, [_used(kind, row) for row in rows])
        until = self._clock() + LIFETIME
        return _Kept(until, rows, _by_id(kind, rows), until)

    def _from_another_process(self, kind: str) -> _Kept | None:
        answer = self._answers.get(kind, _LISTS[kind].lifetime)
        if answer is None:
            return None
        now, left = self._clock(), LIFETIME - answer.age
        if answer.value is None:
            # It may not be read.
            return _Kept(now + left, [], {})
        if not isinstance(answer.value, list) or not all(isinstance(row, dict) for row in answer.value):
            return None
        rows = [_used(kind, row) for row in answer.value]
        until = now + min(LIFETIME, _LISTS[kind].lifetime - answer.age)
        return _Kept(until, rows, _by_id(kind, rows), now + left, age=answer.age)

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


def _by_id(kind: str, rows: list[Row]) -> dict[int, list[Row]]:
    by_id: dict[int, list[Row]] = {}
    for row in rows:
        number = as_id(row.get(_LISTS[kind].id_field))
        if number is not None:
            by_id.setdefault(number, []).append(row)
    return by_id


def _used(kind: str, row: Row) -> Row:
    """The fields of a row that are used, None for what is no plain value."""
    one = _LISTS[kind]
    fields = {name: row.get(name) for name in (one.id_field, *one.name_fields, *one.facts)}
    plain = {name: value if isinstance(value, (str, int, float)) else None for name, value in fields.items()}
    if kind == "status" and not isinstance(plain["closed"], bool):
        plain["closed"] = None
    return plain


def _is_named(row: Row, wanted: str) -> bool:
    return name_of("category", row).casefold() == wanted


def listed(kind: str, rows: Iterable[Row]) -> str:
    """The ids and names of rows, for an error to tell what there is; at most 40 of them, "" for none."""
    found: dict[str, None] = {}
    for row in rows:
        number, name = as_id(row.get(_LISTS[kind].id_field)), name_of(kind, row)
        if number is not None and name:
            found[f"{number} {name}"] = None
    return first_of(list(found))


def name_of(kind: str, row: Row) -> str:
    """The name in a row of a list; "" when it has none."""
    found = (row.get(field) for field in _LISTS[kind].name_fields)
    return next((text for text in found if isinstance(text, str) and text), "")
