"""One HaloITSM instance as the service uses it: its names looked up, its tickets written and read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Callable, Iterable, Iterator, Mapping

from haloitsm_client import HaloClient, HaloError, NotFound, Unauthorized
from haloitsm_client.changes import OVERLAP, changed_since, clock_of, skew_of
from haloitsm_client.http.retry import RetryPolicy
from haloitsm_client.values.ids import as_id
from haloitsm_client.values.sort_key import SortKey

from ..domain.marks import marks_in
from ..domain.status import WITHDRAWN, Status, StatusMap

# How many names an error lists.
_MOST_NAMES = 20


class NotInHalo(Exception):
    """A name that the settings use does not exist in the instance; the text says which, and what there is."""


@dataclass(frozen=True)
class Options:
    """What a person has chosen for a connection, all by name; the requester by name or e-mail address.

    ``statuses`` are Halo's for writing, by ours; ``reads`` are ours for further ones of Halo's.
    """

    ticket_type: str = ""
    parent_type: str = ""
    statuses: Mapping[str, str] = field(default_factory=dict)
    reads: Mapping[str, str] = field(default_factory=dict)
    closing_agent: str = ""
    private: bool = True
    client: str = ""
    site: str = ""
    requester: str = ""

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Options:
        """Out of a JSON table."""
        return cls(**{name: table[name] for name in cls.__dataclass_fields__ if name in table})


@dataclass(frozen=True)
class Shown:
    """What Halo shows of a ticket now. ``status_id`` is the instance's own, as ``type_id`` is, which is None where Halo
    does not tell it; ``changed`` its last update."""

    halo_id: int
    status_id: int | None
    agent_id: int | None
    changed: datetime | None
    type_id: int | None = None


@dataclass(frozen=True)
class Changes:
    """What changed, and the moment of Halo's clock up to which that is complete.

    ``skew``: the seconds by which Halo's clock is ahead of ours, to a second; None where Halo does not tell the time.
    """

    shown: list[Shown]
    moment: str
    skew: float | None


class Instance:
    """Writes and reads by ``client``. Raises HaloError, and NotInHalo for a name that there is none of."""

    def __init__(self, client: HaloClient, options: Options) -> None:
        self._client = client
        self._options = options
        self._place: dict[str, int] | None = None

    def status_map(self, *, whole: bool = True) -> StatusMap:
        """Our statuses and the instance's. Statuses of other things than tickets (type other than 0) are left out.

        Raises HaloError, and NotInHalo for a chosen name that there is none of; with ``whole`` False that is ``lost``
        in the map.
        """
        rows = self._client.lookups.statuses()
        names = {
            number: str(row.get("name"))
            for number, row in ((as_id(row.get("id")), row) for row in rows)
            if number is not None and str(row.get("type", 0)) in ("0", "0.0")
        }
        known = {status.value.casefold(): status for status in Status}
        unknown = [ours for ours in self._options.statuses if ours != WITHDRAWN and ours.casefold() not in known]
        if unknown:
            there = ", ".join([*(status.value for status in Status), WITHDRAWN])
            raise NotInHalo(f"There is no status {unknown[0]!r}. There are: {there}.")
        write = {known[ours.casefold()]: name for ours, name in self._options.statuses.items() if ours != WITHDRAWN}
        reads = {
            name: Status.EXCEPTION if ours == WITHDRAWN else Status(ours) for name, ours in self._options.reads.items()
        }
        withdrawn = self._options.statuses.get(WITHDRAWN, "")
        if not whole:
            return StatusMap.of_those_there(names, write, reads, withdrawn)
        try:
            return StatusMap.of(names, write, reads, withdrawn)
        except ValueError as error:
            raise NotInHalo(str(error)) from None

    def require_named(self) -> None:
        """Whether all that the options name exists. Raises HaloError, NotInHalo."""
        for kind, name in (
            ("tickettype", self._options.ticket_type),
            ("tickettype", self._options.parent_type),
            ("agent", self._options.closing_agent),
        ):
            if name:
                self._number(kind, name)
        self.place()

    def _number(self, kind: str, name: str) -> int:
        number = self._client.lookups.number(kind, name)
        if number is None:
            rows = self._client.lookups.rows(kind)
            known = ", ".join(sorted({str(row.get("name")) for row in rows if row.get("name")}))
            raise NotInHalo(f"HaloITSM has no {kind} named {name!r}, or more than one. It has: {known}.")
        return number

    def place(self) -> dict[str, int]:
        """Client, site and requester of new tickets as Halo's fields, looked up once. Raises HaloError, NotInHalo."""
        if self._place is None:
            place: dict[str, int] = {}
            for kind, name, key in (
                ("client", self._options.client, "client_id"),
                ("site", self._options.site, "site_id"),
                ("user", self._options.requester, "user_id"),
            ):
                if name:
                    row = self._one(kind, name, place)
                    # Halo wants a user's site with a user (one client); a site or user says whose it is.
                    whole = {**{other: row.get(other) for other in ("client_id", "site_id")}, key: row.get("id")}
                    known = {other: number for other, value in whole.items() if (number := as_id(value)) is not None}
                    place = {**known, **place}
            self._place = place
        return self._place

    def _one(self, kind: str, name: str, within: Mapping[str, int]) -> Mapping[str, Any]:
        lookups = self._client.lookups
        rows = lookups.named(kind, name, **within)
        if len(rows) == 1:
            return rows[0]
        where = " there" if within else ""
        if rows:
            more = {"site": "Name its client as well.", "user": "Give the e-mail address."}.get(kind, "Rename one.")
            raise NotInHalo(f"HaloITSM has {len(rows)} {kind}s named {name!r}{where}. {more}")
        there = sorted(
            {str(row["name"]) for row in lookups.search(kind, "", most_pages=1, **within) if row.get("name")}
        )
        more = f" and {len(there) - _MOST_NAMES} more or above" if len(there) > _MOST_NAMES else ""
        known = ", ".join(there[:_MOST_NAMES]) or "none that the agent may see"
        raise NotInHalo(f"HaloITSM has no {kind} named {name!r}{where}. It has{where}: {known}{more}.")

    def fields(self, body: Mapping[str, Any], *, parent_id: int | None, is_parent: bool) -> dict[str, Any]:
        """Halo's fields for a new ticket from a step's body. Raises HaloError, NotInHalo."""
        made: dict[str, Any] = {
            "summary": body["summary"],
            "details": body["details"],
            "dont_do_rules": False,
            "tickettype_id": self.type_id(is_parent=is_parent),
            "priority_id": self._number("priority", body["priority"]) if body.get("priority") else None,
            "agent_id": self._number("agent", body["agent"]) if body.get("agent") else None,
            "team_id": self._number("team", body["team"]) if body.get("team") else None,
            # Documented only: Halo's API description has it beside fixbydate and targetdate.
            "deadlinedate": f"{body['due']}T00:00:00Z" if body.get("due") else None,
            "parent_id": parent_id,
            "customfields": _custom_fields(body.get("customfields") or {}) or None,
            **self.place(),
        }
        return {name: value for name, value in made.items() if value is not None}

    def references(self, references: Iterable[str], parent_id: int | None) -> dict[str, list[Shown]]:
        """The tickets that carry references, by reference, the oldest first. Raises HaloError."""
        found = self._client.find_references(references, parent_id)
        return {reference: [self.shown(ticket) for ticket in tickets] for reference, tickets in found.items()}

    def create(self, fields: Mapping[str, Any], reference: str) -> tuple[Shown, list[str]]:
        """A new ticket, of which it is known that none has its reference; and the custom fields that Halo dropped.

        Raises HaloError.
        """
        ticket, _ = self._client.create_ticket_once(fields, reference, known_absent=True)
        return self.shown(ticket), _dropped(fields.get("customfields") or [], ticket)

    def close_twin(self, twin: Shown, first_id: int) -> None:
        """Closes a ticket that was made twice, with a note that names the first. A closed one is left as it is.

        Raises HaloError.
        """
        if not self._client.lookups.closed(twin.status_id):
            self._assigned(twin.halo_id, lambda: self._client.close_duplicate(twin.halo_id, first_id))

    def attach(self, halo_id: int, name: str, text: str, kind: str = "text/csv") -> int:
        """The number of a ticket's file with this name, which is attached unless it is there. Raises HaloError.

        ``kind`` is its MIME type.
        """
        return self._client.attach(halo_id, name, text.encode(), kind)

    def comment(self, halo_id: int, text: str) -> int:
        """The number of a new comment. Raises HaloError."""
        return as_id(self._client.add_comment(halo_id, text, private=self._options.private)["id"]) or 0

    def has_comment(self, halo_id: int, mark: str) -> bool:
        """Whether one of the newest comments of a ticket holds a mark. Raises HaloError."""
        rows = self._client.list_actions(halo_id, 100)
        return any(mark in f"{row.get('note', '')}{row.get('note_html', '')}" for row in rows)

    def newest_comment(self, halo_id: int) -> tuple[str, str] | None:
        """The mark of the newest comment of ours among a ticket's newest 100 actions, and what it says (``marks``).

        None where there is none. What other agents have copied does not count. Raises HaloError.
        """
        own = self._client.own_agent_id
        for row in self._client.list_actions(halo_id, 100):
            found = marks_in(f"{row.get('note', '')}{row.get('note_html', '')}")
            agent = as_id(row.get("who_agentid"))
            if found and (own is None or agent in (None, own)):
                return found
        return None

    def may_have_made(self, halo_id: int) -> bool:
        """Whether the service may have made a ticket: anybody can copy a reference. Raises HaloError."""
        return self._client.may_have_made(halo_id)

    def is_closed(self, status_id: int | None) -> bool:
        """Whether a status is known to be a closed one."""
        return bool(self._client.lookups.closed(status_id))

    def type_id(self, *, is_parent: bool) -> int | None:
        """The type that new tickets get, None where HaloITSM chooses. Raises HaloError, NotInHalo."""
        wanted = self._options.parent_type if is_parent else self._options.ticket_type
        return self._number("tickettype", wanted) if wanted else None

    def set_status(self, halo_id: int, status_id: int) -> int | None:
        """Moves a ticket to a status; assigns it to the closing agent first where Halo wants somebody assigned, and
        gives that agent's number then.

        Raises HaloError.
        """
        return self._assigned(halo_id, lambda: self._client.update_ticket(halo_id, {"status_id": status_id}))

    def _assigned(self, halo_id: int, write: Callable[[], object]) -> int | None:
        """Does ``write``, again with the closing agent where Halo wants the ticket to be assigned first: whose number
        it gives then."""
        try:
            write()
            return None
        except HaloError as error:
            if error.kind != "unassigned" or not self._options.closing_agent:
                raise
            agent = self._number("agent", self._options.closing_agent)
            self._client.update_ticket(halo_id, {"agent_id": agent})
            write()
            return agent

    def assign(self, halo_id: int, agent_id: int) -> None:
        """Gives a ticket to an agent. Raises HaloError."""
        self._client.update_ticket(halo_id, {"agent_id": agent_id})

    @property
    def own_agent(self) -> int | None:
        """The agent that this service writes as; None where Halo does not tell. Raises HaloError."""
        return self._client.own_agent_id

    def agent_emails(self) -> dict[int, str]:
        """The e-mail addresses of agents in lower case, by number; those without one are left out. Raises HaloError."""
        rows = ((as_id(row.get("id")), str(row.get("email") or "")) for row in self._client.lookups.rows("agent"))
        return {number: email.strip().lower() for number, email in rows if number is not None and email.strip()}

    def comments(self, halo_id: int) -> list[Mapping[str, Any]]:
        """What was written on a ticket, as Halo has it, newest first: of its newest 100 actions. Raises HaloError."""
        return list(self._client.list_comments(halo_id))

    def agent_name(self, number: int) -> str:
        """The name of an agent, "" where there is none. Raises HaloError."""
        return self._name("agent", number)

    def type_name(self, number: int) -> str:
        """The name of a ticket type, its number where there is none. Raises HaloError."""
        return self._name("tickettype", number) or f"type {number}"

    def _name(self, kind: str, number: int) -> str:
        rows = self._client.lookups.rows(kind)
        return next((str(row.get("name")) for row in rows if as_id(row.get("id")) == number), "")

    def changes(self, since: str) -> Changes:
        """The tickets that changed since a moment of Halo's clock, closed ones too.

        ``since`` is what the last call gave, "" for the first, which reads nothing. Raises HaloError.
        """
        reader = self._client.reader(RetryPolicy())
        if not since:
            _, response = next(iter(reader.pages({"page_size": "1"})))
            return Changes([], clock_of(response), skew_of(response, reader.now))
        # To ask whether an instance hides closed tickets from this list would take more requests than to list them.
        changes = changed_since(reader, SortKey(since).earlier(OVERLAP), closed=True)
        return Changes([self.shown(row) for _, row in changes.rows], changes.halo_time or since, changes.skew)

    def children(self, parent_id: int) -> list[Shown]:
        """The children of a ticket; some of them where the list ignores the parent. Raises HaloError."""
        reader, shown = self._client.reader(RetryPolicy()), []
        for state in ({}, {"closed_only": "true"}):
            for rows, _ in reader.pages({"parent_id": str(parent_id), **state}):
                own = [row for row in rows if as_id(row.get("parent_id")) in (None, parent_id)]
                shown += [self.shown(row) for row in own]
                if len(own) < len(rows):
                    break
        return shown

    def rows(self, query: Mapping[str, str]) -> Iterator[list[dict[str, Any]]]:
        """The ticket list page by page, open tickets, then closed ones; a ticket may be in both. Raises HaloError."""
        reader = self._client.reader(RetryPolicy())
        for state in ({}, {"closed_only": "true"}):
            for rows, _ in reader.pages({**query, **state}):
                yield rows

    def show(self, halo_id: int) -> Shown | None:
        """One ticket; None where it does not exist, was merged into another, or the agent may not see it.

        Raises HaloError.
        """
        ticket = self.ticket(halo_id)
        return None if ticket is None or as_id(ticket.get("merged_into_id")) else self.shown(ticket)

    def ticket(self, halo_id: int) -> Mapping[str, Any] | None:
        """One ticket as Halo has it; None as in ``show``. Raises HaloError."""
        try:
            return self._client.get_ticket(halo_id)
        except (NotFound, Unauthorized):
            return None

    @staticmethod
    def shown(row: Mapping[str, Any]) -> Shown:
        """What of a ticket as Halo has it the service keeps."""
        updated = SortKey.of(row.get("last_update")) or SortKey.of(row.get("lastactiondate"))
        numbers = (as_id(row.get(name)) for name in ("status_id", "agent_id", "tickettype_id"))
        status_id, agent_id, type_id = numbers
        return Shown(as_id(row.get("id")) or 0, status_id, agent_id, updated.moment, type_id)


def _custom_fields(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Custom fields as Halo takes them, by name, or by id where the name is a number. Empty ones are left out."""
    made = []
    for name, value in values.items():
        number = as_id(name)
        if value not in (None, ""):
            made.append({"name": name, "value": value} if number is None else {"id": number, "value": value})
    return made


def _dropped(sent: Iterable[Mapping[str, Any]], ticket: Mapping[str, Any]) -> list[str]:
    """The custom fields that a ticket shows without a value although one was sent.

    None where the ticket shows no custom fields at all: then nothing is known. Another value is not a lost one: a list
    shows the id of what was chosen.
    """
    shown = ticket.get("customfields")
    if not isinstance(shown, list):
        return []
    rows = [row for row in shown if any(row.get(name) not in (None, "") for name in ("value", "display"))]
    names = {str(row.get("name")).casefold() for row in rows}
    numbers = {as_id(row.get("id")) for row in rows}
    kept = [item["id"] in numbers if "id" in item else str(item["name"]).casefold() in names for item in sent]
    return [str(item.get("name", item.get("id"))) for item, is_kept in zip(sent, kept) if not is_kept]
