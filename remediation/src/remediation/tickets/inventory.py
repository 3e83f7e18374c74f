"""What HaloITSM has of a connection's tickets, whatever the store knows of them.

A project's tickets are the children of its own; those of projects without one, and of projects that the store has lost,
are searched for by the beginning of all references. A search that does not show what is known to be there proves
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from haloitsm_client.tickets.references import MOST_OPENED, line_of
from haloitsm_client.values.dates import parse_date
from haloitsm_client.values.ids import as_id

from ..domain.plan import PARENT_KEY
from ..domain.reconciling import There, parsed
from ..store import models
from .asking import asked
from .instance import Instance
from .references import OURS

# So many children of a project's ticket are opened because the list does not show their references. All of them may be
# ours; what an unfiltered search lists is not.
_MOST_CHILDREN_OPENED = 200
# In the details, whose last line every reference is. Case may not count.
_SEARCH = {"search_details": OURS}

Row = Mapping[str, Any]


@dataclass
class Inventory:
    """``there`` are the tickets by number, and ``rows`` the same as Halo has them. ``unread``: by the numbers of
    projects, why not all of their tickets could be read. ``unsearched``: the same of the search, "" where it is
    complete."""

    there: dict[int, There] = field(default_factory=dict)
    rows: dict[int, Row] = field(default_factory=dict)
    unread: dict[int, str] = field(default_factory=dict)
    unsearched: str = ""

    def changed(self, number: int) -> datetime | None:
        """When a ticket was changed or commented on last, by Halo's clock."""
        row = self.rows[number]
        moments = [parse_date(row.get(name)) for name in ("last_update", "lastactiondate")]
        return max((moment for moment in moments if moment), default=None)


class InventoryTaker:
    """Reads one. ``known`` are the numbers of tickets that are kept; ``wait`` waits for the budget."""

    def __init__(self, instance: Instance, known: Iterable[int], wait: Callable[[], None]) -> None:
        self._instance = instance
        self._known = frozenset(known)
        self._wait = wait
        self._taken = Inventory()

    def take(self, projects: Iterable[models.Project], parents: Mapping[int, int]) -> Inventory:
        """The inventory of a connection. ``parents`` are the numbers of projects' own tickets, by those of projects.

        Raises HaloError and HaloAway, and then nothing is known.
        """
        taken = self._taken
        for project in projects:
            if not project.settings.get("parent", True):
                continue
            parent = parents.get(project.pk) or self._parent(project)
            if parent:
                taken.unread[project.pk] = self._children(parent)
        shown = self._search()
        for number in sorted(self._known - taken.there.keys()):
            self._open(number)
        unseen = {number for number in self._known & taken.there.keys() - shown if self._has_line(number)}
        if unseen and not taken.unsearched:
            taken.unsearched = f"a search for our references does not show ticket {min(unseen)}, which has one"
        for project in projects:
            taken.unread.setdefault(project.pk, taken.unsearched)
        return taken

    def _parent(self, project: models.Project) -> int | None:
        """The project's own ticket where the store does not know it."""
        reference = f"{OURS}{project.slug}:{PARENT_KEY}:1"
        self._wait()
        found = asked(lambda: self._instance.references([reference], None)).get(reference, [])
        for one in found:
            self._open(one.halo_id)
        return found[0].halo_id if found else None

    def _children(self, parent: int) -> str:
        """Take in the children of a ticket. Why these are not all, "" where they are."""
        opened = 0
        self._wait()
        pages = self._instance.rows({"parent_id": str(parent)})
        while (rows := asked(lambda: next(pages, None))) is not None:
            for row in rows:
                if as_id(row.get("parent_id")) not in (None, parent):
                    return f"HaloITSM's list ignores that only the children of ticket {parent} are asked for"
                opened += self._take(row)
                if opened > _MOST_CHILDREN_OPENED:
                    return f"the list does not show the references of {opened} children of ticket {parent} and more"
            self._wait()
        return ""

    def _search(self) -> set[int]:
        """Take in what carries our references anywhere; the numbers of all that the search has shown."""
        shown: set[int] = set()
        opened = 0
        pages = self._instance.rows(_SEARCH)
        while (rows := asked(lambda: next(pages, None))) is not None:
            for row in rows:
                if row.get("details") and OURS not in str(row["details"]).casefold():
                    self._taken.unsearched = "HaloITSM does not search in the details of tickets"
                    return shown
                shown.add(as_id(row.get("id")) or 0)
                opened += self._take(row)
                if opened > MOST_OPENED:
                    self._taken.unsearched = f"a search does not show the references of {opened} tickets and more"
                    return shown
            self._wait()
        return shown

    def _has_line(self, number: int) -> bool:
        """Whether a list has to show a ticket for the reference in its details, as far as these are known."""
        there, details = self._taken.there[number], self._taken.rows[number].get("details")
        return bool(parsed(there.reference)) and not there.merged_into and (not details or OURS in str(details))

    def _take(self, row: Row) -> bool:
        """Take in a row of a list, if it may be ours. Whether the ticket had to be opened for that."""
        number = as_id(row.get("id")) or 0
        if number in self._taken.there:
            return False
        if number in self._known or parsed(reference_of(row)):
            self._keep(row)
            return False
        if row.get("details") or row.get("third_party_id_string"):
            # It shows where a reference would be, and has none of ours.
            return False
        self._open(number)
        return True

    def _open(self, number: int) -> None:
        self._wait()
        ticket = asked(lambda: self._instance.ticket(number))
        if ticket is not None and (number in self._known or parsed(reference_of(ticket))):
            self._keep(ticket)

    def _is_ours(self, number: int) -> bool:
        self._wait()
        return asked(lambda: self._instance.may_have_made(number))

    def _keep(self, row: Row) -> None:
        number, due = as_id(row.get("id")) or 0, parse_date(row.get("deadlinedate"))
        status = as_id(row.get("status_id"))
        self._taken.rows[number] = row
        self._taken.there[number] = There(
            number,
            reference=reference_of(row),
            status=status,
            agent=as_id(row.get("agent_id")),
            due=due.date() if due else None,
            type=as_id(row.get("tickettype_id")),
            parent=as_id(row.get("parent_id")),
            merged_into=as_id(row.get("merged_into_id")),
            is_closed=self._instance.is_closed(status),
            is_copy=number not in self._known and not self._is_ours(number),
        )


def reference_of(ticket: Row) -> str:
    """The reference that a ticket carries in the field for it, or else in its details; "" where it has none."""
    return str(ticket.get("third_party_id_string") or "") or line_of(ticket)
