"""What a project sees: its findings out of the store, and its tickets as Halo showed them last."""

from __future__ import annotations

from datetime import date

from ..domain.planning import PARENT_KEY, World
from ..domain.project import Settings
from ..domain.status import Status
from ..domain.ticket import Ticket
from ..store import bulk, models


def world_of(project: models.Project, today: date) -> World:
    """The world of a project now."""
    rows = list(models.Ticket.objects.filter(project=project).order_by("key", "-generation"))
    newest: dict[str, models.Ticket] = {}
    for row in rows:
        newest.setdefault(row.key, row)
    parent = newest.pop(PARENT_KEY, None)
    # There is no source 0: a project without a source has no findings.
    findings = bulk.read_findings(project.source_id or 0)
    snapshot = models.SnapshotRecord.objects.filter(source=project.source_id).only("taken").order_by("-pk").first()
    return World(
        name=project.name,
        settings=Settings.from_table(project.settings),
        findings=findings,
        tickets=[ticket_of(row) for row in newest.values()],
        parent=ticket_of(parent) if parent else None,
        today=today,
        scanned=snapshot.taken if snapshot else None,
        taken=_taken(project),
    )


def ticket_of(row: models.Ticket) -> Ticket:
    """The domain's ticket of a stored one."""
    told = {_pair(pair): state for pair, state in (row.note.get("told") or {}).items()}
    return Ticket(
        key=row.key,
        generation=row.generation,
        halo_id=row.halo_id,
        title=row.title,
        status=Status(row.status) if row.status else None,
        agreed=Status(row.agreed_status) if row.agreed_status else None,
        changed=row.halo_changed,
        told=told,
        told_of_reopening=bool(row.note.get("reopened")),
    )


def _pair(text: str) -> tuple[str, str]:
    asset, _, vulnerability = text.partition("|")
    return asset, vulnerability


def _taken(project: models.Project) -> dict[str, str]:
    """Keys that a project before this one has a ticket for, in the same connection and source."""
    others = models.Ticket.objects.filter(
        project__connection=project.connection, project__source=project.source, project__position__lt=project.position
    ).exclude(key=PARENT_KEY)
    return {
        row.key: f"ticket {row.halo_id or 'to come'} of project {row.project.name}"
        for row in others.select_related("project")
    }
