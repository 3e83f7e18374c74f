"""Compares all that is kept of a connection's tickets with HaloITSM, and puts it right here: nothing is written there.

A store that was restored from a backup knows less than HaloITSM. Its tickets are adopted, and what their comments say
is kept, so that the next runs make neither a ticket nor a comment a second time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from django.db.models import Count

from ..domain.marks import mark
from ..domain.plan import PARENT_KEY, Kind as StepKind
from ..domain.reconciling import Difference, Kept, Kind, Owner, There, differences, parsed
from ..store import models
from ..store.json_keys import change_keys
from .asking import asked
from .attention import DETACHED, TIED_AT
from .cut_off import open_write
from .inventory import Inventory, InventoryTaker
from .journal import Journal
from .keeping import AGENT, HEARD, UNASSIGNED, keep_agent, keep_made
from .missing import is_missing, mark_missing
from .read_back import shown_again
from .retyped import TYPE
from .run import ConnectionRun
from .twins import UNLOOKED

# In a ticket's note: what of HaloITSM's ticket is another than ours, and was told of: type, parent, reference, twins.
_TOLD_OF = "told_of"
_OF_TICKET = {Kind.TYPE: "type", Kind.PARENT: "parent", Kind.REFERENCE: "reference"}
# Halo tells the time in its answers to a second.
_CLOCK = timedelta(seconds=2)


@dataclass(frozen=True)
class Reconciled:
    """``found``: all that is different. ``unread``: why not everything could be read, by names of projects, and of the
    search by ""."""

    found: tuple[Difference, ...]
    unread: Mapping[str, str]


@dataclass
class _Read:
    """What HaloITSM has, what is kept, and the rows by the numbers of HaloITSM's tickets.

    ``said``: what the newest comments on tickets say that are to be adopted, by their numbers. ``agents``: the names of
    those who have got tickets.
    """

    inventory: Inventory
    reconciled: Reconciled
    by_number: Mapping[int, models.Ticket]
    said: dict[int, str] = field(default_factory=dict)
    agents: dict[int, str] = field(default_factory=dict)


class Reconciliation(ConnectionRun):
    """That of one connection."""

    def look(self) -> Reconciled:
        """What is different, and what applying would do about it. Changes nothing. Raises HaloError and HaloAway."""
        return self._read().reconciled

    def apply(self) -> Reconciled:
        """Read anew, and put right what is different. Raises HaloError, HaloAway and Busy: nothing is changed then."""
        with self._one_writer() as journal:
            read = self._read()
            self._read_more(read)
            with journal.held():
                for one in read.reconciled.found:
                    if one.is_applied:
                        self._put_right(one, read, journal)
            return read.reconciled

    # Reading

    def _read(self) -> _Read:
        projects = list(models.Project.objects.filter(connection=self._connection).order_by("position"))
        rows = list(models.Ticket.objects.filter(project__in=projects).select_related("project").order_by("pk"))
        by_number = {row.halo_id: row for row in rows if row.halo_id is not None and DETACHED not in row.note}
        parents = {row.project_id: row.halo_id for row in rows if row.key == PARENT_KEY and row.halo_id is not None}
        self._say("HaloITSM's tickets are read.")
        inventory = InventoryTaker(self._instance, by_number, self._wait).take(projects, parents)
        self._listen(inventory, by_number)
        types = {is_parent: asked(partial(self._instance.type_id, is_parent=is_parent)) for is_parent in (True, False)}
        kept = [_kept(row, types, parents) for row in rows]
        found = differences(
            kept, inventory.there, self._owners(projects, inventory), _given_up(inventory), self._statuses.names
        )
        unread = {one.name: inventory.unread[one.pk] for one in projects if inventory.unread.get(one.pk)}
        if inventory.unsearched:
            unread[""] = inventory.unsearched
        return _Read(inventory, Reconciled(tuple(found), unread), by_number)

    def _owners(self, projects: Iterable[models.Project], inventory: Inventory) -> dict[str, Owner]:
        others = models.Project.objects.exclude(connection=self._connection).select_related("connection")
        elsewhere = {row.slug: Owner(row.name, elsewhere=row.connection.name) for row in others}
        return elsewhere | {row.slug: Owner(row.name, unread=inventory.unread.get(row.pk, "")) for row in projects}

    def _listen(self, inventory: Inventory, by_number: Mapping[int, models.Ticket]) -> None:
        """Look at the comments on tickets that changed after what was written to them last, as far as is known."""
        skew = timedelta(seconds=float(self._connection.settings.get("skew") or 0)) + _CLOCK
        for number, row in by_number.items():
            there, changed = inventory.there.get(number), None
            if there is not None and not there.merged_into:
                changed = inventory.changed(number)
            newest = row.journal.order_by("-pk").first()
            if there is None or changed is None or (newest is not None and changed - skew <= newest.at):
                continue
            self._wait()
            comment = asked(partial(self._instance.newest_comment, number))
            if comment is not None and comment[0] not in _marks(row):
                inventory.there[number] = There(**{**vars(there), "said": comment[1]})

    def _read_more(self, read: _Read) -> None:
        """Read what only putting right needs, before anything is changed."""
        for one in read.reconciled.found:
            agent = read.inventory.there[one.number].agent if one.kind in (Kind.AGENT, Kind.UNKNOWN) else None
            if agent is not None and agent not in (UNASSIGNED, *read.agents):
                read.agents[agent] = asked(partial(self._instance.agent_name, agent))
            if one.kind is Kind.UNKNOWN:
                self._wait()
                comment = asked(partial(self._instance.newest_comment, one.number))
                if comment is not None:
                    read.said[one.number] = comment[1]

    # Putting right

    def _put_right(self, one: Difference, read: _Read, journal: Journal) -> None:
        if one.kind is Kind.UNKNOWN:
            self._adopt(one, read, journal)
            return
        row = read.by_number[one.number]
        there = read.inventory.there.get(one.number)
        if there is None or one.kind is Kind.MERGED:
            mark_missing(row, self._now())
        elif one.kind in (Kind.BACK, Kind.STATUS):
            shown = self._instance.shown(read.inventory.rows[one.number])
            shown_again(row, shown, self._statuses, journal, self._now)
        elif one.kind is Kind.AGENT and there.agent is not None:
            keep_agent(row, there.agent, read.agents.get(there.agent, ""))
        elif one.kind is Kind.DUE:
            row.due = there.due
            row.save(update_fields=["due"])
        elif one.kind is Kind.SAID:
            change_keys(row, "note", {HEARD: there.said})
        elif one.kind is Kind.TWINS:
            told = {**row.note.get(_TOLD_OF, {}), "twins": [*row.note.get(_TOLD_OF, {}).get("twins", []), *one.also]}
            change_keys(row, "note", {UNLOOKED: self._now().isoformat(), _TOLD_OF: told})
        else:
            name = _OF_TICKET[one.kind]
            told = {**row.note.get(_TOLD_OF, {}), name: getattr(there, name)}
            change_keys(row, "note", {_TOLD_OF: told})

    def _adopt(self, one: Difference, read: _Read, journal: Journal) -> None:
        """A ticket of ours that is in no store: what it has told is not known, so the next plan tells what is there."""
        there, ticket = read.inventory.there[one.number], read.inventory.rows[one.number]
        slug, key, number = parsed(there.reference) or ("", "", 0)
        project = models.Project.objects.get(slug=slug)
        row = models.Ticket.objects.filter(reference=there.reference).first() or models.Ticket(
            project=project,
            key=key,
            generation=_free_generation(project, key, number),
            reference=there.reference,
            kind="parent" if key == PARENT_KEY else "child",
        )
        row.save()
        due = there.due.isoformat() if there.due else None
        known: dict[str, Any] = {"told": {}, "title": str(ticket.get("summary") or ""), "due": due}
        keep_made(row, self._instance.shown(ticket), known, self._statuses, self._now())
        if there.agent in read.agents:
            keep_agent(row, there.agent, read.agents[there.agent])
        if one.number in read.said:
            change_keys(row, "note", {HEARD: read.said[one.number]})
        journal.note(models.Journal.Event.DONE, row, None, {"ticket": one.number, "adopted": True}, self._now())
        self._say(f"  adopted  {row.name}: ticket {one.number}")


def _free_generation(project: models.Project, key: str, first: int) -> int:
    """The number in the reference, or the next one where a ticket that came from another key has it."""
    used = set(models.Ticket.objects.filter(project=project, key=key).values_list("generation", flat=True))
    return next(number for number in range(first, first + len(used) + 1) if number not in used)


def _given_up(inventory: Inventory) -> set[str]:
    """The references of tickets in whose place others were made: only the journal has them still."""
    found = {one.reference for one in inventory.there.values() if parsed(one.reference)}
    noted = models.Journal.objects.filter(reference__in=found).values_list("reference", flat=True)
    return set(noted) - set(models.Ticket.objects.filter(reference__in=found).values_list("reference", flat=True))


def _kept(row: models.Ticket, types: Mapping[bool, int | None], parents: Mapping[int, int]) -> Kept:
    note: Mapping[str, Any] = row.note
    told_of: Mapping[str, Any] = note.get(_TOLD_OF) or {}
    is_parent, is_assigned = row.key == PARENT_KEY, bool(row.assigned)
    newest = open_write(row)
    return Kept(
        name=f"{row.project.name}: {row.name}",
        reference=row.reference,
        number=row.halo_id,
        status=row.halo_status_id,
        agent=note.get(AGENT, None if is_assigned else UNASSIGNED),
        due=row.due,
        type=told_of.get("type", note.get(TYPE, types[is_parent])),
        parent=told_of.get("parent", None if is_parent else parents.get(row.project_id)),
        is_missing=is_missing(row),
        is_elsewhere=DETACHED in note or TIED_AT in note,
        is_detached=DETACHED in note,
        open=_next_run_does(newest) if newest else "",
        twins=frozenset(told_of.get("twins", ())),
        looks_for_twins=UNLOOKED in note,
        other_reference=str(told_of.get("reference", "")),
        heard=str(note.get(HEARD, "")),
    )


def _next_run_does(entry: models.Journal) -> str:
    """What the next run does about a write of which nobody knows what became."""
    kind = entry.step.kind if entry.step else ""
    if kind.startswith(StepKind.CREATE.value):
        return "the next run looks for its reference, and makes it only where it is not there"
    if kind == StepKind.COMMENT.value:
        return "the next run looks for the comment by its mark, and makes it only where it is not there"
    return "the next run looks at the status, and sets it only where nobody has set another"


def _marks(row: models.Ticket) -> set[str]:
    """The marks of all comments that the journal has, and of those that may be made next."""
    entries = row.journal.filter(step__kind=StepKind.COMMENT.value)
    counted = entries.values_list("step__key").annotate(count=Count("pk")).order_by()
    return {mark(key, before) for key, count in counted for before in range(count + 1)}
