"""Single tickets: what a person asks for with one click, for a device or for a vulnerability.

They are tickets of standing projects, one for each connection, source and kind, which are static and hold exactly the
findings that people have picked. So scans settle them as they settle all others, and no finding gets a second ticket.
These projects come before all others: a person's word counts more than what a scope would take in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
from django.db import transaction
from django.db.models import Min

from ..domain.ledger import ALIVE, KEY
from ..domain.plan import Kind
from ..domain.planning import World, plan
from ..domain.project import Granularity, Settings
from ..domain.ticket import Pair, pair_of
from ..store import audit, bulk, models
from ..store.projects import create_project, with_defaults

# More findings than a ticket ever has; what a page shows of it is made of as many at most.
MOST = 20_000
NAMES = {Granularity.ASSET: "Single tickets by device", Granularity.VULNERABILITY: "Single tickets by vulnerability"}
_COLUMNS = {Granularity.ASSET: "asset", Granularity.VULNERABILITY: "vulnerability"}
_SETTINGS = {"static": True, "min_severity": "none", "summary_days": 0, "most_creates": 1000, "scope": {}}


@dataclass(frozen=True)
class Subject:
    """What a ticket is asked for: an asset or a vulnerability of a source, by the source's own id."""

    source: models.Source
    granularity: Granularity
    key: str

    def findings(self) -> pl.DataFrame:
        """What is open of it now, with the columns of ``bulk.read_findings``."""
        return bulk.read_alive(self.source.pk, _COLUMNS[self.granularity], self.key, MOST)


@dataclass(frozen=True)
class Offer:
    """What would be made for a subject. ``body`` is that of the ticket, None where no finding is left for it; ``why``
    its reason. ``covered``: how many of its findings each live ticket of Halo's tells of already, by its number."""

    subject: Subject
    findings: int
    body: Mapping[str, Any] | None
    why: str
    covered: Mapping[int, int]


def offer(subject: Subject, connection: models.Connection, today: date) -> Offer:
    """What ``pick`` would make. Nothing is stored or sent."""
    findings = subject.findings()
    told = _told(subject, connection)
    covered: dict[int, int] = {}
    for pair in findings.select(KEY).iter_rows():
        if pair in told:
            covered[told[pair]] = covered.get(told[pair], 0) + 1
    taken = pl.DataFrame(list(told), schema=dict.fromkeys(KEY, pl.String), orient="row")
    left = findings.join(taken, on=KEY, how="anti") if told else findings
    if left.is_empty():
        return Offer(subject, findings.height, None, "", covered)
    settings = Settings.from_table(with_defaults(connection, _settings(subject)))
    world = World(NAMES[subject.granularity], settings, left, (), None, today, None)
    step = next(one for one in plan(world).steps if one.kind is Kind.CREATE)
    return Offer(subject, findings.height, step.body, step.reason, covered)


@transaction.atomic
def pick(subjects: Sequence[Subject], connection: models.Connection, by: str) -> list[models.Project]:
    """Put what is open of the subjects into the standing projects. Returns those projects, which are to be run.

    What another ticket tells of stays there: the run says so. Picking the same again changes nothing.
    """
    # One at a time, so that two people who click at once do not make two projects.
    models.Connection.objects.select_for_update().get(pk=connection.pk)
    projects: dict[tuple[int, Granularity], models.Project] = {}
    for subject in subjects:
        key = (subject.source.pk, subject.granularity)
        if key not in projects:
            projects[key] = _project(subject, connection)
        new = bulk.write_listed(projects[key].pk, subject.findings())
        audit.record(by, "ticket asked for", subject.key, project=projects[key].name, findings=new)
    return list(projects.values())


def _project(subject: Subject, connection: models.Connection) -> models.Project:
    """The standing project of a subject, by its name, made where there is none."""
    name = f"{NAMES[subject.granularity]}: {subject.source.name}, {connection.name}"
    row = models.Project.objects.filter(connection=connection, source=subject.source, name=name).first()
    if row is None:
        row = create_project(name, connection, subject.source, _settings(subject))
        first = models.Project.objects.aggregate(first=Min("position"))["first"] or 0
        row.position = first - 1
        row.save(update_fields=["position"])
    return row


def _settings(subject: Subject) -> dict[str, Any]:
    return {**_SETTINGS, "dynamic": False, "granularity": subject.granularity.value}


def _told(subject: Subject, connection: models.Connection) -> dict[Pair, int]:
    """The findings of a subject that live tickets of the connection tell of, with Halo's numbers of these."""
    by = {Granularity.ASSET: "assets__contains", Granularity.VULNERABILITY: "vulnerabilities__contains"}
    rows = models.Ticket.objects.filter(
        project__connection=connection,
        project__source=subject.source,
        halo_id__isnull=False,
        **{by[subject.granularity]: [subject.key]},
    )
    return {
        pair_of(text): row.halo_id
        for row in rows
        if row.halo_id is not None
        for text, state in (row.note.get("told") or {}).items()
        if state in ALIVE
    }
