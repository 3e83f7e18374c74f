"""Reads what people did in Halo: the statuses of our tickets, by what changed since the last look."""

from __future__ import annotations

from datetime import datetime
from typing import Callable, Collection, Iterable, Mapping

from django.utils import timezone

from ..domain.plan import STATUSES
from ..domain.status import ENDED, StatusMap
from ..store import models
from ..store.json_keys import change_keys
from .attention import DETACHED
from .cut_off import open_write
from .instance import Instance, Shown
from .journal import Journal
from .keeping import RESCAN, TAKEN_BACK, UNASSIGNED, agent_of, keep_agent, keep_end, keep_status
from .missing import found_again, is_missing, mark_missing
from .retyped import keep_types, types_seen

# So many missing tickets are looked for by themselves; more, by their parents' lists.
_FEW = 10
# So many tickets of which webhooks told are asked for by themselves in a reading; the others in the next ones.
_MOST_TOLD = 50
# In a connection's settings: the names of Halo's statuses by their numbers.
STATUS_NAMES = "halo_statuses"


def read_back(
    connection: models.Connection,
    instance: Instance,
    statuses: StatusMap,
    journal: Journal,
    now: Callable[[], datetime] = timezone.now,
) -> int:
    """Bring the stored statuses of a connection's tickets up to date; how many changed. Raises HaloError.

    A poll alone is always complete: the moment up to which it read is saved only after what it found. How far Halo's
    clock is ahead of ours is saved as well: ``skew`` in the connection's settings, in seconds. For the connection's one
    writer, who has to be so until all is stored: of two, the one that read less could store it last.
    """
    tickets = models.Ticket.objects.filter(project__connection=connection, halo_id__isnull=False)
    # What Halo has of a ticket that a person has detached is nothing to the service.
    known = {row.halo_id: row for row in tickets if row.halo_id and not row.note.get(DETACHED)}
    cursor = connection.settings.get("cursor", "")
    changes = instance.changes(cursor)
    shown = changes.shown
    if cursor:
        seen = {one.halo_id for one in shown}
        lost = {number: row for number, row in known.items() if is_missing(row) and number not in seen}
        shown += _lost(lost, known, instance)
    else:
        shown = _all(known, instance)
    seen = {one.halo_id for one in shown}
    told = _told_of(known, seen if cursor else known.keys(), instance)
    shown += filter(None, told.values())
    gone = {number for number, one in told.items() if one is None} if cursor else known.keys() - seen
    agents = _new_agents(shown, known, instance)
    types = types_seen(shown, known, instance.type_name)
    with journal.held():
        for number in gone:
            mark_missing(known[number], now())
        for row in (known[number] for number in {*told, *seen} & known.keys() if known[number].webhook):
            # One that came meanwhile is another.
            models.Ticket.objects.filter(pk=row.pk, webhook=row.webhook).update(webhook=None)
        changed = sum(
            shown_again(known[one.halo_id], one, statuses, journal, now) for one in shown if one.halo_id in known
        )
        # What nobody had mapped may be mapped by now.
        changed += sum(
            _take(row, row.halo_status_id, row.halo_changed, statuses, journal, now)
            for row in known.values()
            if not row.status
        )
        # What people wrote there is read by who carries it on.
        there = [known[one.halo_id].pk for one in shown if one.halo_id in known]
        models.Investigation.objects.filter(ticket__in=there).update(notes_due=True)
        for row, number, name in agents:
            keep_agent(row, number, name)
        keep_types(types)
        skew = {} if changes.skew is None else {"skew": changes.skew}
        # By which pages name Halo's status of a ticket.
        names = {STATUS_NAMES: {str(number): name for number, name in statuses.names.items()}}
        change_keys(connection, "settings", {"cursor": str(changes.moment), **skew, **names})
    return changed


def _new_agents(
    shown: Iterable[Shown], known: Mapping[int, models.Ticket], instance: Instance
) -> list[tuple[models.Ticket, int, str]]:
    """The tickets that are another agent's than was known, with the number and name of that. Raises HaloError."""
    found = []
    for one in shown:
        row = known.get(one.halo_id)
        if row is None or one.agent_id is None or one.agent_id == agent_of(row):
            continue
        name = "" if one.agent_id == UNASSIGNED else instance.agent_name(one.agent_id)
        found.append((row, one.agent_id, name))
    return found


def shown_again(
    row: models.Ticket, shown: Shown, statuses: StatusMap, journal: Journal, now: Callable[[], datetime]
) -> bool:
    """Keep that Halo shows a ticket, and its status; whether that is another one."""
    if is_missing(row):
        found_again(row)
    return _take(row, shown.status_id, shown.changed, statuses, journal, now)


def _all(known: Mapping[int, models.Ticket], instance: Instance) -> list[Shown]:
    """All tickets that there are: the children by their parents' lists, what is in no list each by itself."""
    listed = _listed((number for number, row in known.items() if row.kind == "parent"), instance)
    others = (instance.show(number) for number in known if number not in listed)
    return [*listed.values(), *(one for one in others if one is not None)]


def _lost(lost: Mapping[int, models.Ticket], known: Mapping[int, models.Ticket], instance: Instance) -> list[Shown]:
    """Those of the missing tickets that are there again."""
    if len(lost) <= _FEW:
        return [one for one in map(instance.show, lost) if one is not None]
    projects = {row.project_id for row in lost.values()}
    parents = {number: row for number, row in known.items() if row.kind == "parent" and row.project_id in projects}
    found = [one for number, one in _listed(parents, instance).items() if number in lost]
    # Those of a project without a ticket of its own are in no such list.
    listed = {row.project_id for row in parents.values()}
    others = (instance.show(number) for number, row in lost.items() if row.project_id not in listed)
    return [*found, *(one for one in others if one is not None)]


def _told_of(known: Mapping[int, models.Ticket], seen: Collection[int], instance: Instance) -> dict[int, Shown | None]:
    """What Halo shows of the tickets of which webhooks told and that are not in its list of changes, by number."""
    told = sorted((row.webhook, number) for number, row in known.items() if row.webhook and number not in seen)
    return {number: instance.show(number) for _, number in told[:_MOST_TOLD]}


def _listed(parents: Iterable[int], instance: Instance) -> dict[int, Shown]:
    """The children of tickets, by number."""
    return {one.halo_id: one for number in parents for one in instance.children(number)}


def _take(
    row: models.Ticket,
    status_id: int | None,
    moment: datetime | None,
    statuses: StatusMap,
    journal: Journal,
    now: Callable[[], datetime],
) -> bool:
    """Keep a status of Halo's, and whether it is another one. A status that did not change keeps its meaning."""
    ours = statuses.read(status_id)
    if row.halo_status_id == status_id and (row.status or ours is None):
        return False
    step = _about_a_status(row)
    if step is not None and status_id is not None and statuses.written(step.body) == status_id:
        # Our own, by a process that ended before it could say so.
        result = {"status": status_id, "before": row.halo_status_id, "found": "by what changed"}
        keep_status(row, step.body, status_id, statuses, now())
        keep_end(journal, row, step, result, now())
        return True
    row.halo_status_id, row.halo_changed = status_id, moment
    row.status = ours.value if ours else ""
    row.save(update_fields=["halo_status_id", "halo_changed", "status"])
    # It is a person's word: what was taken back before may be done again. Who opens a ticket again after having closed
    # it is told once more why it was settled.
    over = [TAKEN_BACK, RESCAN, *(["reopened"] if ours in ENDED else [])]
    if any(row.note.get(name) for name in over):
        change_keys(row, "note", {}, without=over)
    return True


def _about_a_status(row: models.Ticket) -> models.Step | None:
    """The step that was about to set a status, where it is not known what became of that."""
    newest = open_write(row)
    step = newest.step if newest else None
    return step if step and step.kind in STATUSES else None
