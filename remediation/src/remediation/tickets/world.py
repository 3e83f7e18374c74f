"""What a project sees: its findings out of the store, and its tickets as Halo showed them last."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import polars as pl
from django.conf import settings

from ..domain.acceptance import excepted
from ..domain.decide import SKEW
from ..domain.ledger import ALIVE, KEY
from ..domain.membership import LISTED, Membership, believed
from ..domain.plan import PARENT_KEY
from ..domain.planning import World
from ..domain.project import Settings
from ..domain.status import Status
from ..domain.ticket import Pair, Ticket, pair_of
from ..domain.ticket_template import TicketTemplate
from ..domain.undo import Shown
from ..domain.wording import Wording
from ..store import bulk, models
from ..store.acceptances import as_known, holding
from ..store.grading import formula
from .attention import DETACHED, FORGOTTEN, NOT_TIED, PAUSED, chosen_instead
from .keeping import JOINED, RESCAN, TEMPLATE, TIED
from .references import parts_of
from .retyped import RETYPED


def world_of(project: models.Project, today: date) -> World:
    """The world of a project now."""
    rows = list(models.Ticket.objects.filter(project=project).order_by("key", "-generation"))
    newest: dict[str, models.Ticket] = {}
    for row in rows:
        # One that was to be an existing ticket of Halo's, and could not, stands for nothing.
        if row.halo_id is not None or NOT_TIED not in row.note:
            newest.setdefault(row.key, row)
    parent = newest.pop(PARENT_KEY, None)
    forgotten = {row.key for row in newest.values() if row.note.get(DETACHED)}
    findings = _findings_of_source(project.source_id, today)
    snapshot = models.SnapshotRecord.objects.filter(source=project.source_id).only("taken").order_by("-pk").first()
    return World(
        name=project.name,
        settings=Settings.from_table(project.settings),
        findings=_with_listed(project, findings),
        tickets=[ticket_of(row) for key, row in newest.items() if key not in forgotten],
        parent=ticket_of(parent) if parent else None,
        today=today,
        formula=formula(),
        scanned=snapshot.taken if snapshot else None,
        taken=_taken(project, findings),
        generations=generations_of(rows),
        released=[row.name for row in rows if row.note.get("released")],
        skew=_skew(project),
        made=project.created,
        detached=_detached(project),
        forgotten=forgotten,
        slug=project.slug,
        link=f"{settings.PUBLIC_URL}/projects/{project.slug}" if settings.PUBLIC_URL else "",
        wordings={row.key: Wording.from_table(row.wording) for row in project.wordings.all()},
    )


def findings_of(project: models.Project, today: date) -> pl.DataFrame:
    """The findings of a project's source with all that is known of them; those whose risk is accepted today are
    excepted.

    Columns as in ``bulk.read_findings``, and LISTED where the project was made of a report's findings or of what people
    picked. A project without a source has no findings.
    """
    return _with_listed(project, _findings_of_source(project.source_id, today))


def _with_listed(project: models.Project, findings: pl.DataFrame) -> pl.DataFrame:
    listed = bulk.read_listed(project.pk)
    if listed.is_empty():
        return findings
    marked = findings.join(listed.with_columns(pl.lit(True).alias(LISTED)), on=KEY, how="left", maintain_order="left")
    return marked.with_columns(pl.col(LISTED).fill_null(False))


def _findings_of_source(source_id: int | None, today: date) -> pl.DataFrame:
    # There is no source 0.
    source = source_id or 0
    accepted = [as_known(row) for row in holding([source], today)]
    return excepted(bulk.read_findings(source), accepted, today)


def ticket_of(row: models.Ticket) -> Ticket:
    """The domain's ticket of a stored one."""
    note: dict[str, Any] = row.note
    return Ticket(
        key=row.key,
        generation=row.generation,
        halo_id=row.halo_id,
        title=row.title,
        status=Status(row.status) if row.status else None,
        agreed=Status(row.agreed_status) if row.agreed_status else None,
        changed=row.halo_changed,
        told={pair_of(pair): state for pair, state in (note.get("told") or {}).items()},
        told_of_reopening=bool(note.get("reopened")),
        out=frozenset(pair_of(pair) for pair in note.get("out") or ()),
        listed=bool(note.get("listed")),
        missing=bool(note.get("missing")),
        settling=bool(note.get("settling")),
        taken_back=bool(note.get("taken_back")),
        paused=note.get(PAUSED, ""),
        detached=note.get(DETACHED, ""),
        tied=note.get(TIED, ""),
        joined=note.get(JOINED) or {},
        tying=chosen_instead(row),
        rescan=note.get(RESCAN, ""),
        retyped=note.get(RETYPED, ""),
        template=TicketTemplate.from_table(note[TEMPLATE]) if note.get(TEMPLATE) else None,
        numbers=note.get("numbers", ""),
        numbers_told=date.fromisoformat(note["numbers_told"]) if note.get("numbers_told") else None,
    )


def shown_of(project: models.Project) -> dict[str, Shown]:
    """The project's tickets that there are in Halo, by their names, with Halo's numbers of their statuses."""
    rows = models.Ticket.objects.filter(project=project, halo_id__isnull=False)
    return {row.name: Shown(ticket_of(row), row.halo_status_id) for row in rows}


def _taken(project: models.Project, findings: pl.DataFrame) -> dict[Pair, str]:
    """The findings that are not this project's, in the same connection and source, with whose they are.

    Those that a ticket of another project has, also one that is being made or of which it is not known whether it was;
    and those that a project before this one in their order would take in.
    """
    same = {"connection": project.connection, "source": project.source}
    taken: dict[Pair, str] = {}
    detached = _detached(project)
    for earlier in models.Project.objects.filter(**same, position__lt=project.position).order_by("-position"):
        chosen = Settings.from_table(earlier.settings)
        frame = believed(_with_listed(earlier, findings), chosen)
        wanted = Membership(chosen, frame, (), {}, earlier.created, detached).wanted_rows()
        taken |= dict.fromkeys(wanted.select(KEY).iter_rows(), f"project {earlier.name}, which comes first")
    rows = models.Ticket.objects.filter(project__connection=project.connection, project__source=project.source)
    newest: dict[tuple[int, str], models.Ticket] = {}
    for row in rows.exclude(project=project).select_related("project").order_by("-project__position", "generation"):
        newest[row.project_id, row.key] = row
    for row in (one for one in newest.values() if not one.note.get(DETACHED)):
        name = f"ticket {row.halo_id or 'to come'} of project {row.project.name}"
        taken |= {pair_of(pair): name for pair, state in _tells(row).items() if state in ALIVE}
    return taken


def _detached(project: models.Project) -> dict[Pair, str]:
    """The findings of detached tickets of any project of the same connection and source, with who detached them."""
    rows = models.Ticket.objects.filter(
        project__connection=project.connection, project__source=project.source, note__has_key=DETACHED
    )
    return {
        pair_of(text): f"detached by {row.note[DETACHED]}: ticket {row.halo_id}"
        for row in rows.order_by("pk")
        for text in row.note.get(FORGOTTEN) or ()
    }


def _tells(row: models.Ticket) -> dict[str, str]:
    """What a ticket tells of its findings, or will tell if it exists."""
    if row.halo_id is not None:
        return row.note.get("told") or {}
    newest = row.journal.order_by("-pk").first()
    if newest is None or newest.event not in (models.Journal.Event.ABOUT, models.Journal.Event.UNKNOWN):
        return {}
    about = row.journal.filter(event=models.Journal.Event.ABOUT).order_by("-pk").first()
    told: dict[str, str] = about.detail.get("told", {}) if about else {}
    return told


def generations_of(rows: Iterable[models.Ticket]) -> dict[str, int]:
    """The highest number that a reference was ever made with, by key: a ticket keeps its reference when it follows its
    findings to another key."""
    highest: dict[str, int] = {}
    for row in rows:
        # A forgotten ticket keeps its place beside one that is made for the same later.
        for key, number in (parts_of(row.reference), (row.key, row.generation)):
            highest[key] = max(highest.get(key, 0), number)
    return highest


def _skew(project: models.Project) -> timedelta:
    """How far a scan has to begin after a person's word: both clocks were seen to differ from ours by so much."""
    source = project.source.settings if project.source else {}
    seconds = abs(project.connection.settings.get("skew", 0) - source.get("skew", 0))
    return SKEW + timedelta(seconds=seconds)
