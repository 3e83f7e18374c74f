"""One HaloITSM instance as the service uses it: its names looked up, its tickets written and read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Iterable, Mapping

from haloitsm_client import HaloClient, HaloError
from haloitsm_client.changes import OVERLAP, changed_since, clock_of
from haloitsm_client.http.retry import RetryPolicy
from haloitsm_client.values.ids import as_id
from haloitsm_client.values.sort_key import SortKey

from ..domain.status import Status, StatusMap


class NotInHalo(Exception):
    """A name that the settings use does not exist in the instance; the text says which, and what there is."""


@dataclass(frozen=True)
class Options:
    """What a person has chosen for a connection, all by name."""

    ticket_type: str = ""
    parent_type: str = ""
    statuses: Mapping[str, str] = field(default_factory=dict)
    closing_agent: str = ""
    private: bool = True

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Options:
        """Out of a JSON table."""
        return cls(**{name: table[name] for name in cls.__dataclass_fields__ if name in table})


@dataclass(frozen=True)
class Shown:
    """What Halo shows of a ticket now. ``status_id`` is the instance's own; ``changed`` its last update."""

    halo_id: int
    status_id: int | None
    agent_id: int | None
    changed: datetime | None


class Instance:
    """Writes and reads by ``client``. Raises HaloError, and NotInHalo for a name that there is none of."""

    def __init__(self, client: HaloClient, options: Options) -> None:
        self._client = client
        self._options = options

    def status_map(self) -> StatusMap:
        """Our statuses and the instance's. Statuses of other things than tickets (type other than 0) are left out."""
        rows = self._client.lookups.rows("status")
        names = {
            number: str(row.get("name"))
            for number, row in ((as_id(row.get("id")), row) for row in rows)
            if number is not None and str(row.get("type", 0)) in ("0", "0.0")
        }
        known = {status.value.casefold(): status for status in Status}
        unknown = [ours for ours in self._options.statuses if ours.casefold() not in known]
        if unknown:
            raise NotInHalo(
                f"There is no status {unknown[0]!r}. There are: {', '.join(status.value for status in Status)}."
            )
        try:
            return StatusMap.of(names, {known[ours.casefold()]: name for ours, name in self._options.statuses.items()})
        except ValueError as error:
            raise NotInHalo(str(error)) from None

    def _number(self, kind: str, name: str) -> int:
        number = self._client.lookups.number(kind, name)
        if number is None:
            rows = self._client.lookups.rows(kind)
            known = ", ".join(sorted({str(row.get("name")) for row in rows if row.get("name")}))
            raise NotInHalo(f"HaloITSM has no {kind} named {name!r}, or more than one. It has: {known}.")
        return number

    def fields(self, body: Mapping[str, Any], *, parent_id: int | None, is_parent: bool) -> dict[str, Any]:
        """Halo's fields for a new ticket from a step's body."""
        wanted = self._options.parent_type if is_parent else self._options.ticket_type
        made: dict[str, Any] = {
            "summary": body["summary"],
            "details": body["details"],
            "dont_do_rules": False,
            "tickettype_id": self._number("tickettype", wanted) if wanted else None,
            "priority_id": self._number("priority", body["priority"]) if body.get("priority") else None,
            "agent_id": self._number("agent", body["agent"]) if body.get("agent") else None,
            "team_id": self._number("team", body["team"]) if body.get("team") else None,
            # Documented only: Halo's API description has it beside fixbydate and targetdate.
            "deadlinedate": f"{body['due']}T00:00:00Z" if body.get("due") else None,
            "parent_id": parent_id,
        }
        return {name: value for name, value in made.items() if value is not None}

    def references(self, references: Iterable[str], parent_id: int | None) -> dict[str, Shown]:
        """The tickets that carry references, by reference: the oldest of each. Raises HaloError."""
        found = self._client.find_references(references, parent_id)
        return {reference: self._shown(tickets[0]) for reference, tickets in found.items()}

    def create(self, fields: Mapping[str, Any], reference: str) -> Shown:
        """A new ticket, of which it is known that none has its reference. Raises HaloError."""
        ticket, _ = self._client.create_ticket_once(fields, reference, known_absent=True)
        return self._shown(ticket)

    def comment(self, halo_id: int, text: str) -> int:
        """The number of a new comment. Raises HaloError."""
        return as_id(self._client.add_comment(halo_id, text, private=self._options.private)["id"]) or 0

    def has_comment(self, halo_id: int, mark: str) -> bool:
        """Whether one of the newest comments of a ticket holds a mark. Raises HaloError."""
        rows = self._client.list_actions(halo_id, 100)
        return any(mark in f"{row.get('note', '')}{row.get('note_html', '')}" for row in rows)

    def set_status(self, halo_id: int, status_id: int) -> None:
        """Moves a ticket to a status; assigns it to the closing agent first where Halo wants somebody assigned.

        Raises HaloError.
        """
        try:
            self._client.update_ticket(halo_id, {"status_id": status_id})
        except HaloError as error:
            if error.kind != "unassigned" or not self._options.closing_agent:
                raise
            agent = self._number("agent", self._options.closing_agent)
            self._client.update_ticket(halo_id, {"agent_id": agent})
            self._client.update_ticket(halo_id, {"status_id": status_id})

    def changes(self, since: str) -> tuple[list[Shown], str]:
        """The tickets that changed since a moment of Halo's clock, and the moment up to which that is complete.

        ``since`` is what the last call gave, "" for the first, which reads nothing. Raises HaloError.
        """
        reader = self._client.reader(RetryPolicy())
        if not since:
            _, response = next(iter(reader.pages({"page_size": "1"})))
            return [], clock_of(response)
        changes = changed_since(reader, SortKey(since).earlier(OVERLAP))
        shown = [self._shown(row) for _, row in changes.rows]
        return shown, changes.halo_time or since

    def children(self, parent_id: int) -> list[Shown]:
        """The children of a ticket; some of them where the list ignores the parent. Raises HaloError."""
        reader, shown = self._client.reader(RetryPolicy()), []
        for state in ({}, {"closed_only": "true"}):
            for rows, _ in reader.pages({"parent_id": str(parent_id), **state}):
                own = [row for row in rows if as_id(row.get("parent_id")) in (None, parent_id)]
                shown += [self._shown(row) for row in own]
                if len(own) < len(rows):
                    break
        return shown

    def show(self, halo_id: int) -> Shown:
        """One ticket. Raises HaloError, NotFound where it is deleted or hidden."""
        return self._shown(self._client.get_ticket(halo_id))

    @staticmethod
    def _shown(row: Mapping[str, Any]) -> Shown:
        updated = SortKey.of(row.get("last_update")) or SortKey.of(row.get("lastactiondate"))
        return Shown(as_id(row.get("id")) or 0, as_id(row.get("status_id")), as_id(row.get("agent_id")), updated.moment)
